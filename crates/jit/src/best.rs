//! The second tier, as far as it is the same for all processors: functions of [`skep_ir`], optimised, and a register or a
//! word of the host's stack for each value.

pub(crate) mod moves;
pub(crate) mod place;

use crate::code::CompileError;
use crate::lift::{Lifted, lift};
use crate::optimise::optimise;
use crate::shape::{Function, Lengths, Shape};
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use place::{Asked, Host, Places};
use skep_ir::{BlockId, Flow, Value};
use skep_isa::Pc;
use skep_prog::Prog;

/// Slots of a program at most: longer ones are the first tier's.
const MOST_SLOTS: usize = 1 << 17;
/// Words on the host's stack that a function takes for values, at most: less than a page, so that none is stepped over
/// that guards the end of the stack.
const MOST_SPILLS: u32 = 480;

/// Functions of a program, in order of their start, each with the way control goes through it, and their shape.
///
/// # Errors
/// [`CompileError`] if the program uses what this tier does not compile.
pub(crate) fn optimised<L: Lengths, O: Surroundings + ?Sized>(
    prog: &Prog,
    outside: &O,
) -> Result<(Shape, Vec<(Lifted, Flow)>), CompileError> {
    let unsupported = |what| CompileError::Unsupported { pc: Pc(0), what };
    if prog.insns.is_empty() {
        return Err(CompileError::Flow { pc: Pc(0) });
    }
    if outside.style().blinding.is_some() {
        return Err(unsupported("blinded numbers in the second tier"));
    }
    if prog.insns.len() > MOST_SLOTS {
        return Err(unsupported("a program too long for the second tier"));
    }
    let shape = Shape::new::<L, O>(&prog.insns, outside)?;
    let style = outside.style();
    let functions =
        lift(&prog.insns, &shape, outside, |f, flow, ways| optimise(f, flow, ways, style))?;
    Ok((shape, functions))
}

/// Notes which functions need a frame; whether the frame pointer holds no value.
///
/// The main function sets the one that the others go down from, and that the bridge hands on where something is called.
pub(crate) fn find_frames(
    shape: &mut Shape,
    functions: &[(Lifted, Flow)],
    keeps_frames: bool,
) -> bool {
    for (function, (f, _)) in shape.functions.iter_mut().zip(functions) {
        function.frame = uses_frame(f) || keeps_frames;
    }
    let env = shape.env;
    let hands_on = |function: &Function| env && function.has_calls;
    let has_frame = shape.functions.iter().any(|function| function.frame || hands_on(function));
    if let Some(main) = shape.functions.first_mut() {
        main.frame |= has_frame;
    }
    has_frame
}

/// Whether a function needs its frame pointer.
fn uses_frame(f: &Lifted) -> bool {
    let Some(frame) = f.frame else { return false };
    let uses = |value: &Value| {
        let mut found = false;
        f.inst(*value).operands(|used| found |= used == frame);
        found
    };
    let is_used = |at: usize| {
        let block = BlockId(u32::try_from(at).unwrap_or(u32::MAX));
        let mut found = f.blocks[at].insts.iter().any(uses);
        f.term_operands(block, |used| found |= used == frame);
        f.edges(block, |edge| found |= f.args(edge).contains(&frame));
        found
    };
    (0..f.blocks.len()).any(is_used)
}

/// A function with what is known of it.
pub(crate) type Part<'f, H> = (&'f Lifted, &'f Flow, Places<H>);

/// Places for the values of all functions; notes what these have to save.
///
/// # Errors
/// [`CompileError`] if a function has more values than this tier takes.
pub(crate) fn place_all<'f, H: Host>(
    shape: &mut Shape,
    functions: &'f [(Lifted, Flow)],
    asked: Asked,
) -> Result<Vec<Part<'f, H>>, CompileError> {
    let mut parts = Vec::with_capacity(functions.len());
    for (function, (f, flow)) in shape.functions.iter_mut().zip(functions) {
        let places = Places::<H>::new(f, flow, asked)?;
        #[cfg(debug_assertions)]
        assert_eq!(place::check(f, flow, asked, &places), Ok(()), "bug: {f}");
        if places.slots > MOST_SPILLS {
            let what = "a function with so many values at once in the second tier";
            return Err(CompileError::Unsupported { pc: Pc(0), what });
        }
        (function.saved, function.spills) = (places.saved, places.slots);
        parts.push((f, flow, places));
    }
    Ok(parts)
}

/// Blocks in the order in which they lie.
pub(crate) fn layout(f: &Lifted, flow: &Flow) -> Vec<BlockId> {
    let mut layout = flow.order.clone();
    layout.sort_unstable_by_key(|block| (f.blocks[block.index()].place, block.0));
    layout
}

/// Positions of so many slots that are not known yet, with room for the end.
pub(crate) fn no_positions(slots: usize) -> Vec<u32> {
    let mut at = Vec::with_capacity(slots + 1);
    at.resize(slots, u32::MAX);
    at
}

/// Positions of all slots, and last the end: instructions that became nothing are at that of what follows them.
pub(crate) fn all_positions(mut at: Vec<u32>, end: u32) -> Vec<u32> {
    let mut next = end;
    for slot in at.iter_mut().rev() {
        *slot = next.min(*slot);
        next = *slot;
    }
    at.push(end);
    at
}
