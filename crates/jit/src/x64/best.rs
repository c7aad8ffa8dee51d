//! The second tier: functions of [`skep_ir`], optimised, with values in whatever register suits.
//!
//! Functions are entered and left as those of the first tier, and call the same stubs, so that who runs code need not know
//! which tier it is of. r11 is for what an instruction needs in between, and r10 as well where not all values have
//! registers; r12 holds the environment, rbp the frame pointer and r9 what is left of the instructions, each in programs that
//! need it only.

mod alu;
mod call;
mod host;
mod mem;
mod term;
mod wide;

use super::{Compiler, Features, X64, regs};
use crate::best::place::{Asked, Set};
use crate::best::{
    Part, all_positions, find_frames, layout, moves, no_positions, optimised, place_all,
};
use crate::code::{Code, CompileError};
use crate::lift::{Lifted, Outer};
use crate::shape::{Function, Shape};
use crate::surroundings::Surroundings;
use alloc::vec;
use alloc::vec::Vec;
use host::{ARGS, Loc, Places};
use skep_ir::{BlockId, Edge, Flow, Func, Inst, Term, Value};
use skep_prog::Prog;
use skep_x64::{Gpr, Label, MemSize, Reach, Width};

/// Functions of a program, in order of their start, as the second tier has them before it makes code of them.
///
/// # Errors
/// [`CompileError`] if the program uses what this tier does not compile.
pub fn functions<O: Surroundings + ?Sized>(
    prog: &Prog,
    outside: &O,
) -> Result<Vec<Func<Outer>>, CompileError> {
    let (_, functions) = optimised::<X64, O>(prog, outside)?;
    Ok(functions.into_iter().map(|(f, _)| f).collect())
}

/// Compiles a program as the second tier does.
///
/// # Errors
/// [`CompileError`] if it uses what this tier does not compile; the first may.
pub fn compile_best<O: Surroundings + ?Sized>(
    prog: &Prog,
    outside: &O,
    features: Features,
) -> Result<Code, CompileError> {
    let (mut shape, functions) = optimised::<X64, O>(prog, outside)?;
    const ACCOUNT: Set = 1 << Gpr::R9.num() | 1 << Gpr::R12.num();
    let has_frame = find_frames(&mut shape, &functions, outside.keeps_frames());
    let mut taken = 0;
    let mut take = |reg: Gpr, is_taken: bool| taken |= Set::from(is_taken) << reg.num();
    take(Gpr::Rbp, has_frame);
    take(Gpr::R12, shape.env);
    take(Gpr::R9, outside.style().metered);
    // What a function calls has the account and the environment where they always are, and so do a program's functions and
    // programs that replace each other.
    let is_alone =
        !outside.has_tail_calls() && matches!(&functions[..], [(f, _)] if f.callees.is_empty());
    let account = if is_alone && outside.style().metered { ACCOUNT } else { 0 };
    let asked = Asked { taken, counts_anywhere: features.bmi2, account };
    let parts = place_all(&mut shape, &functions, asked)?;
    let in_memory = parts.iter().find_map(|(_, _, places)| places.account);
    let attempt = |is_far| {
        let mut best = Best::new(prog, outside, features, &shape, is_far);
        if let Some(meter) = &mut best.c.meter {
            meter.in_memory = in_memory;
        }
        best.run(&parts)
    };
    match attempt(false) {
        // Some block is longer than it looked.
        Err(CompileError::Fixup(skep_x64::FixupError::TooFar { .. })) => attempt(true),
        done => done,
    }
}

struct Best<'a, O: ?Sized> {
    c: Compiler<'a, O>,
    shape: &'a Shape,
    /// Position of the first code of each slot.
    at: Vec<u32>,
    /// Whether all jumps ahead are long.
    is_far: bool,
    /// Where code stood when flags had been left that tell whether a register is 0, on a width.
    flags: Option<(u32, Gpr, Width)>,
    /// Ways of branches that have moves of their own behind the function, by the places of the branches.
    asides: Vec<(usize, Edge, Label)>,
    /// Tables of jumps, which lie behind the program.
    tables: Vec<(Label, Vec<Label>)>,
}

/// The function at hand.
struct Cur<'f> {
    f: &'f Lifted,
    flow: &'f Flow,
    places: &'f Places,
    /// The label of the first block; others follow by their numbers.
    labels: u32,
    /// Blocks in the order in which they lie.
    layout: Vec<BlockId>,
    /// Where each block is in that order.
    place: Vec<usize>,
    /// About how many bytes come before each, in that order.
    before: Vec<u32>,
}

impl Cur<'_> {
    fn loc(&self, value: Value) -> Loc {
        self.places.loc(value)
    }

    fn label(&self, block: BlockId) -> Label {
        Label(self.labels + block.0)
    }
}

impl<'a, O: Surroundings + ?Sized> Best<'a, O> {
    fn new(
        prog: &'a Prog,
        outside: &'a O,
        features: Features,
        shape: &'a Shape,
        is_far: bool,
    ) -> Self {
        let c = Compiler::new(&prog.insns, outside, features, shape);
        let at = no_positions(prog.insns.len());
        Self { c, shape, at, is_far, flags: None, asides: Vec::new(), tables: Vec::new() }
    }

    fn run(mut self, parts: &[Part<'_, X64>]) -> Result<Code, CompileError> {
        for (n, (function, part)) in self.shape.functions.iter().zip(parts).enumerate() {
            self.function(n, *function, part)?;
        }
        let end = self.c.asm.here();
        self.c.asm.trap();
        self.add_asks_of_best();
        self.c.add_stubs();
        self.add_tables();
        let enter = self.c.asm.position(self.c.stubs.enter);
        let entry = self.c.entry;
        let bytes = self.c.asm.finish()?;
        let at = all_positions(self.at, end);
        Ok(Code { entry, enter, at, bytes, checks: Vec::new() })
    }

    fn function(
        &mut self,
        n: usize,
        function: Function,
        (f, flow, places): &Part<'_, X64>,
    ) -> Result<(), CompileError> {
        let layout = layout(f, flow);
        let labels = self.c.asm.label();
        for _ in 1..f.blocks.len() {
            self.c.asm.label();
        }
        let mut place = vec![usize::MAX; f.blocks.len()];
        let mut before = Vec::with_capacity(layout.len() + 1);
        let mut bytes = 0;
        for (at, block) in layout.iter().enumerate() {
            place[block.index()] = at;
            before.push(bytes);
            bytes += estimate(f, *block, self.c.meter.is_some());
        }
        before.push(bytes);
        let cur = Cur { f, flow, places, labels: labels.0, layout, place, before };
        self.note(function.start);
        self.c.begin(n, function);
        if let Some(slot) = places.account {
            self.c.asm.store(MemSize::B8, self.slot(slot), regs::ENV);
        }
        let params = f.blocks.first().map_or(&[][..], |block| &block.params);
        let mut moves: Vec<_> =
            params.iter().zip(ARGS).map(|(&param, reg)| (cur.loc(param), Loc::Reg(reg))).collect();
        self.moves(&cur, &mut moves);
        for at in 0..cur.layout.len() {
            self.block(&cur, at)?;
        }
        for (at, edge, label) in core::mem::take(&mut self.asides) {
            self.c.asm.bind(label);
            self.go(&cur, at, edge, None);
        }
        Ok(())
    }

    /// The code of a slot starts here.
    fn note(&mut self, slot: u32) {
        let here = self.c.asm.here();
        if let Some(at) = self.at.get_mut(slot as usize) {
            *at = here.min(*at);
        }
    }

    fn block(&mut self, cur: &Cur<'_>, at: usize) -> Result<(), CompileError> {
        let block = cur.layout[at];
        let is_head = cur.flow.preds(block).iter().any(|&pred| cur.flow.is_back(pred, block));
        if is_head && cur.flow.preds(block).len() <= 4 {
            // The head of a loop of one block always.
            let is_alone = cur.flow.preds(block).contains(&block);
            let most = if is_alone { super::ALIGN.0 - 1 } else { super::ALIGN.1 };
            self.c.asm.align(super::ALIGN.0, most);
        }
        self.c.asm.bind(cur.label(block));
        // Control comes here from elsewhere as well.
        self.flags = None;
        let insts = &cur.f.blocks[block.index()].insts;
        let mut n = 0;
        while let Some(&value) = insts.get(n) {
            self.note(cur.f.origin(value));
            n += self.inst(cur, value, insts.get(n + 1).copied())?;
        }
        self.term(cur, at);
        Ok(())
    }

    /// Code for an instruction, and perhaps the next; how many those are.
    fn inst(
        &mut self,
        cur: &Cur<'_>,
        value: Value,
        next: Option<Value>,
    ) -> Result<usize, CompileError> {
        match *cur.f.inst(value) {
            Inst::Param | Inst::Const(_) | Inst::Frame => {}
            Inst::Bin { op, width, a, b } => self.bin(cur, value, (op, width, a, b)),
            Inst::Un { op, a } => self.un(cur, value, op, a),
            Inst::Select { cmp, yes, no } => self.select(cur, value, cmp, yes, no),
            Inst::Load { size, signed, mem } => {
                return Ok(self.load_value(cur, value, (size, signed), mem, next));
            }
            Inst::Store { size, mem, value } => self.store_value(cur, size, mem, value),
            Inst::Copy { len, to, from, disp } => self.copy_bytes(cur, len, to, (from, disp)),
            Inst::Sum { size, len, mem } => self.sum(cur, value, (size, len), mem),
            Inst::Atomic { op, size, mem, value: with, expected } => {
                self.atomic_value(cur, value, (op, size), mem, (with, expected));
            }
            Inst::Call { callee, args } => self.call_outer(cur, value, callee, args)?,
            Inst::Charge(insns) => {
                let asks = next.is_some_and(|next| *cur.f.inst(next) == Inst::Ask);
                self.charge(cur.f.origin(value), insns, asks);
                return Ok(1 + usize::from(asks));
            }
            Inst::Refund(insns) => self.refund(cur, insns),
            Inst::Ask => self.charge(cur.f.origin(value), 0, true),
        }
        Ok(1)
    }

    /// Moves that happen at once; flags stay.
    fn moves(&mut self, cur: &Cur<'_>, moves: &mut Vec<host::Move>) {
        moves::in_order(moves, Gpr::R11, |to, from| self.copy(cur, to, from));
    }
}

/// About how many bytes a block takes.
fn estimate(f: &Lifted, block: BlockId, is_metered: bool) -> u32 {
    let block = &f.blocks[block.index()];
    let of = |value: &Value| match f.inst(*value) {
        Inst::Call { .. } => 40,
        Inst::Bin { op: skep_ir::BinOp::Div | skep_ir::BinOp::Mod, .. } => 24,
        Inst::Bin { op: skep_ir::BinOp::SDiv | skep_ir::BinOp::SMod, .. } => 40,
        Inst::Select { .. } => 12,
        Inst::Charge(_) => 20,
        // As long as instructions with the largest displacements are.
        Inst::Copy { len, .. } => 18 * u32::from(len / 16),
        Inst::Sum { len, .. } => 28 * u32::from(len / 16) + 48,
        _ => 6,
    };
    let calls = u32::from(is_metered) * 8;
    let end = if matches!(block.term, Term::Switch { .. }) { 40 } else { 14 };
    block.insts.iter().map(of).sum::<u32>() + end + calls
}

/// How far a jump reaches.
fn reach(is_far: bool, bytes: u32) -> Reach {
    if !is_far && bytes <= 100 { Reach::Short } else { Reach::Long }
}
