//! The second tier: functions of [`skep_ir`], optimised, with values in whatever register suits.
//!
//! Functions are entered and left as those of the first tier, and call the same stubs, so that who runs code need not know
//! which tier it is of. Values are in x0 to x8, x13 to x15, x17 and x19 to x22; the scratch registers of the first tier are
//! for what an instruction needs in between, and what else that tier keeps in registers stays there.

mod alu;
mod call;
mod host;
mod mem;
mod term;
mod wide;

use super::{A64, Compiler, Features};
use crate::best::place::Asked;
use crate::best::{
    Part, all_positions, find_frames, layout, moves, no_positions, optimised, place_all,
};
use crate::code::{Code, CompileError};
use crate::lift::Lifted;
use crate::shape::{Function, Shape};
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use host::{ARGS, Loc, Places};
use skep_a64::{FixupError, Label, Reach};
use skep_ir::{BlockId, Inst, Value};
use skep_isa::{Insn, Pc};
use skep_prog::Prog;

/// Compiles a program as the second tier does.
///
/// # Errors
/// [`CompileError`] if it uses what this tier does not compile; the first may.
pub fn compile_best<O: Surroundings + ?Sized>(
    prog: &Prog,
    outside: &O,
    features: Features,
) -> Result<Code, CompileError> {
    // Functions have plain loads and stores only, which this host may reorder.
    let is_ordered =
        |insn: &Insn| matches!(insn, Insn::LoadAcquire { .. } | Insn::StoreRelease { .. });
    if let Some((pc, _)) = prog.insns.iter().find(|(_, insn)| is_ordered(insn)) {
        let what = "loads and stores in order, in the second tier";
        return Err(CompileError::Unsupported { pc, what });
    }
    let (mut shape, functions) = optimised::<A64, O>(prog, outside)?;
    find_frames(&mut shape, &functions, outside.keeps_frames());
    let asked = Asked { taken: 0, counts_anywhere: true, account: 0 };
    let parts = place_all(&mut shape, &functions, asked)?;
    let most = parts.iter().map(|(f, ..)| estimate(f)).fold(0, u64::saturating_add);
    let best = Best {
        c: Compiler::new(&prog.insns, outside, features, &shape),
        shape: &shape,
        at: no_positions(prog.insns.len()),
        most,
    };
    best.run(&parts).map_err(|err| match err {
        CompileError::Branch(FixupError::TooFar { .. }) => CompileError::TooLong,
        err => err,
    })
}

struct Best<'a, O: ?Sized> {
    c: Compiler<'a, O>,
    shape: &'a Shape,
    /// Position of the first code of each slot.
    at: Vec<u32>,
    /// About how many bytes there are at most.
    most: u64,
}

/// The function at hand.
struct Cur<'f> {
    f: &'f Lifted,
    places: &'f Places,
    /// The label of the first block; others follow by their numbers.
    labels: u32,
    /// Blocks in the order in which they lie.
    layout: Vec<BlockId>,
}

impl Cur<'_> {
    fn loc(&self, value: Value) -> Loc {
        self.places.loc(value)
    }

    const fn label(&self, block: BlockId) -> Label {
        Label(self.labels + block.0)
    }
}

impl<O: Surroundings + ?Sized> Best<'_, O> {
    fn run(mut self, parts: &[Part<'_, A64>]) -> Result<Code, CompileError> {
        for (n, (function, part)) in self.shape.functions.iter().zip(parts).enumerate() {
            self.function(n, *function, part)?;
        }
        let end = self.c.asm.here();
        self.c.asm.trap();
        self.add_asks_of_best();
        self.c.add_stubs();
        let enter = self.c.asm.position(self.c.stubs.enter);
        let entry = self.c.entry;
        let bytes = self.c.asm.finish()?;
        Ok(Code { entry, enter, at: all_positions(self.at, end), bytes, checks: Vec::new() })
    }

    fn function(
        &mut self,
        n: usize,
        function: Function,
        (f, flow, places): &Part<'_, A64>,
    ) -> Result<(), CompileError> {
        let labels = self.c.asm.label();
        for _ in 1..f.blocks.len() {
            self.c.asm.label();
        }
        let cur = Cur { f, places, labels: labels.0, layout: layout(f, flow) };
        self.note(function.start);
        self.c.begin(n, function);
        let params = f.blocks.first().map_or(&[][..], |block| &block.params);
        let mut moves: Vec<_> =
            params.iter().zip(ARGS).map(|(&param, reg)| (cur.loc(param), Loc::Reg(reg))).collect();
        self.moves(&mut moves);
        for at in 0..cur.layout.len() {
            self.block(&cur, at)?;
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
        self.c.asm.bind(cur.label(block));
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
            Inst::Load { size, signed, mem } => self.load_value(cur, value, (size, signed), mem),
            Inst::Store { size, mem, value } => self.store_value(cur, size, mem, value),
            Inst::Copy { len, to, from, disp } => self.copy_bytes(cur, len, to, (from, disp)),
            Inst::Sum { size, len, mem } => self.sum(cur, value, (size, len), mem),
            Inst::Atomic { op, size, mem, value: with, expected } => {
                self.atomic_value(cur, value, (op, size), mem, (with, expected));
            }
            Inst::Call { callee, args } => self.call_outer(cur, value, callee, args)?,
            Inst::Charge(insns) => {
                let asks = next.is_some_and(|next| *cur.f.inst(next) == Inst::Ask);
                self.charge(Pc(cur.f.origin(value)), insns, asks);
                return Ok(1 + usize::from(asks));
            }
            Inst::Refund(insns) => self.refund(cur, insns),
            Inst::Ask => self.charge(Pc(cur.f.origin(value)), 0, true),
        }
        Ok(1)
    }

    /// Moves that happen at once; flags stay.
    fn moves(&mut self, moves: &mut Vec<host::Move>) {
        moves::in_order(moves, mem::S3, |to, from| self.copy(to, from));
    }

    /// How far a branch reaches that has so many bytes of reach in one instruction.
    fn reach(&self, bytes: u64) -> Reach {
        if self.most < bytes { Reach::Near } else { Reach::Far }
    }
}

/// About how many bytes a function takes at most.
fn estimate(f: &Lifted) -> u64 {
    let of = |value: &Value| match f.inst(*value) {
        Inst::Call { .. } => 320,
        // With distances that are loaded first.
        Inst::Copy { len, .. } => 24 * u64::from(len / 16) + 48,
        Inst::Sum { len, .. } => 16 * u64::from(len / 16) + 48,
        _ => 48,
    };
    let mut bytes = 256;
    for (at, block) in f.blocks.iter().enumerate() {
        bytes += 96 + block.insts.iter().map(of).sum::<u64>();
        f.edges(BlockId(u32::try_from(at).unwrap_or(u32::MAX)), |edge| {
            bytes += 8 + 24 * f.args(edge).len() as u64;
        });
    }
    bytes
}
