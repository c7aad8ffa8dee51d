//! Programs as functions of [`skep_ir`]: registers and slots of the stack become values.
//!
//! A slot is 8 aligned bytes of the stack that are only stored whole, as compilers spill registers; it becomes a variable
//! like a register in functions that use the frame pointer for nothing but accesses. Where ways meet, a block has a parameter
//! for each variable that is read behind it, and those that turn out to be one value are taken out again.

mod block;
mod insn;
mod vars;

use crate::code::CompileError;
use crate::shape::{Function, Shape};
use crate::surroundings::{Callee, Surroundings};
use alloc::vec;
use alloc::vec::Vec;
use block::Blocks;
use skep_ir::{BlockId, Flow, Func, Inst, Term, Value};
use skep_isa::{Insn, Insns, Pc, Size};
use vars::Vars;

/// What calls of the representation lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outer {
    /// The function of the program that starts at a slot.
    Local(u32),
    /// As the first tier has it.
    Callee(Callee),
    /// A load by the bridge, from the first argument.
    Load { kind: u32, size: Size },
    /// A store by the bridge, to the first argument of the second.
    Store { kind: u32, size: Size },
    /// A load from the packet at the first argument and a number, which may end the function.
    Packet { size: Size, at: i32 },
}

/// A function of the program.
pub(crate) type Lifted = Func<Outer>;

/// Functions of the program, in order of their start, each with the way control goes through it.
///
/// # Errors
/// [`CompileError`] if the program uses what is not compiled.
pub(crate) fn lift<O: Surroundings + ?Sized>(
    insns: &Insns,
    shape: &Shape,
    outside: &O,
) -> Result<Vec<(Lifted, Flow)>, CompileError> {
    let ends = shape.functions.iter().skip(1).map(|next| next.start);
    let len = u32::try_from(insns.len()).unwrap_or(u32::MAX);
    let parts: Vec<_> = shape
        .functions
        .iter()
        .zip(ends.chain([len]))
        .map(|(function, end)| {
            let vars = Vars::of(insns, outside, function.start..end);
            let blocks = Blocks::new(insns, shape, &vars, function.start..end);
            (*function, vars, blocks)
        })
        .collect();
    // Registers that each function reads before it writes them.
    let reads: Vec<(u32, u64)> =
        parts.iter().map(|(function, _, blocks)| (function.start, blocks.entry_reads())).collect();
    let lifter = |(_, vars, blocks): &(Function, Vars, Blocks)| {
        Lifter::new(insns, outside, &reads, vars, blocks).run()
    };
    parts.iter().map(lifter).collect()
}

struct Lifter<'a, O: ?Sized> {
    insns: &'a Insns,
    outside: &'a O,
    /// What functions read, by their start.
    reads: &'a [(u32, u64)],
    vars: &'a Vars,
    blocks: &'a Blocks,
    f: Lifted,
    /// What variables are at the end of each block.
    ends: Vec<Value>,
    /// What they are now.
    now: Vec<Value>,
    /// The block at hand.
    block: BlockId,
    zero: Value,
    is_metered: bool,
    /// Whether the next instruction starts a stretch that runs as a whole.
    starts: bool,
}

impl<'a, O: Surroundings + ?Sized> Lifter<'a, O> {
    fn new(
        insns: &'a Insns,
        outside: &'a O,
        reads: &'a [(u32, u64)],
        vars: &'a Vars,
        blocks: &'a Blocks,
    ) -> Self {
        let mut f = Func::new();
        // About half of all instructions come with a number.
        f.reserve(blocks.slots() * 2);
        let zero = f.number(0, 0);
        Self {
            insns,
            outside,
            reads,
            vars,
            blocks,
            f,
            ends: vec![zero; (blocks.all.len() + 1) * vars.count],
            now: vec![zero; vars.count],
            block: BlockId(0),
            zero,
            is_metered: outside.is_metered(),
            starts: true,
        }
    }

    fn run(mut self) -> Result<(Lifted, Flow), CompileError> {
        let count = self.vars.count;
        // The entry has no edges to it; the block of each slot comes behind it, by its number.
        let entry = self.f.block();
        let start = self.blocks.all.first().map_or(0, |block| block.start);
        for _ in &self.blocks.all {
            self.f.block();
        }
        let args: [Value; 5] = core::array::from_fn(|_| self.f.param(entry, start));
        self.now[1..6].copy_from_slice(&args);
        self.ends[..count].copy_from_slice(&self.now);
        for &at in &self.blocks.order {
            self.enter(at);
            self.body(at)?;
            let row = (at as usize + 1) * count;
            self.ends[row..row + count].copy_from_slice(&self.now);
        }
        self.join();
        let flow = Flow::new(&self.f);
        self.f.prune_params(&flow);
        Ok((self.f, flow))
    }

    /// What variables are at the start of a block.
    fn enter(&mut self, at: u32) {
        let block = &self.blocks.all[at as usize];
        self.block = BlockId(at + 1);
        let count = self.vars.count;
        match block.only {
            Some(pred) => {
                let row = pred as usize * count;
                self.now.copy_from_slice(&self.ends[row..row + count]);
            }
            None => {
                self.now.fill(self.zero);
                for var in ones(block.reads) {
                    self.now[var] = self.f.param(self.block, block.start);
                }
            }
        }
        self.starts = true;
    }

    /// Instructions up to the end of a block.
    fn body(&mut self, at: u32) -> Result<(), CompileError> {
        let (start, end) = {
            let block = &self.blocks.all[at as usize];
            (block.start, block.end)
        };
        self.f.blocks[self.block.index()].insts.reserve((end - start) as usize);
        let mut pc = Pc(start);
        while pc.0 < end {
            let Some(insn) = self.insns.get(pc).copied() else { break };
            if self.is_metered && self.starts {
                self.charge(pc);
            }
            self.starts =
                matches!(insn, Insn::Call(_) | Insn::LoadAbs { .. } | Insn::LoadInd { .. });
            let is_last = pc.0 + insn.slots() >= end;
            if is_last && self.end(pc, &insn) {
                return Ok(());
            }
            self.insn(pc, &insn)?;
            pc = Pc(pc.0 + insn.slots());
        }
        let edge = self.f.edge(self.blocks.at(pc), []);
        self.f.blocks[self.block.index()].term = Term::Jump(edge);
        Ok(())
    }

    /// Counts the instructions from here to the next that may end the run, or the end of the block.
    fn charge(&mut self, from: Pc) {
        self.starts = false;
        let end = self.blocks.all[self.block.index() - 1].end;
        let (mut pc, mut count) = (from, 0);
        while pc.0 < end
            && let Some(insn) = self.insns.get(pc)
        {
            count += 1;
            pc = Pc(pc.0 + insn.slots());
            if matches!(insn, Insn::Call(_) | Insn::LoadAbs { .. } | Insn::LoadInd { .. }) {
                break;
            }
        }
        self.f.push_as_is(self.block, Inst::Charge(count), from.0);
    }

    /// Gives edges the values of the parameters they lead to.
    fn join(&mut self) {
        let first = self.f.edge(BlockId(1), []);
        self.f.blocks[0].term = Term::Jump(first);
        let rows = self.ends.chunks_exact(self.vars.count);
        for (from, ends) in (0..).zip(rows) {
            self.f.change_edges(BlockId(from), |f, edge| {
                let block = &self.blocks.all[edge.to.index() - 1];
                let reads = if block.only.is_none() { block.reads } else { 0 };
                f.edge(edge.to, ones(reads).map(|var| ends[var]))
            });
        }
    }
}

/// The bits of a mask that are set.
fn ones(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(bit)
    })
}
