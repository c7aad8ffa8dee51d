//! Programs as functions of [`skep_ir`]: registers and slots of the stack become values.
//!
//! A slot is 8 aligned bytes of the stack that are only stored whole, as compilers spill registers; it becomes a variable
//! like a register in functions that use the frame pointer for nothing but accesses. Blocks are lifted in an order in which
//! all that lead to one come before it but for those that jump back. So where ways meet, a block has a parameter for each
//! variable that is read behind it and that they give different values; where loops start, for each that may be
//! written before control comes back. Values are numbered and branches decided on the way.

mod block;
mod insn;
mod vars;

use crate::code::CompileError;
use crate::shape::{Function, Shape};
use crate::surroundings::{Callee, Surroundings};
use alloc::vec;
use alloc::vec::Vec;
use block::Blocks;
use skep_ir::{BlockId, Flow, Func, Given, Inst, Term, Value};
use skep_isa::{Insn, Insns, Pc, Size};
use vars::{Uses, Vars};

/// What calls of a program's functions lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer {
    /// The function of the program that starts at a slot.
    Local(u32),
    /// As the first tier has it.
    Callee(Callee),
    /// A load by the bridge, from the first argument.
    Load {
        /// A call of the environment.
        kind: u32,
        /// How much is loaded.
        size: Size,
    },
    /// A store by the bridge, to the first argument of the second.
    Store {
        /// A call of the environment.
        kind: u32,
        /// How much is stored.
        size: Size,
    },
    /// A load from the packet at the first argument and a number, which may end the function.
    Packet {
        /// How much is loaded.
        size: Size,
        /// What is added to the argument.
        at: i32,
    },
}

/// A function of the program.
pub(crate) type Lifted = Func<Outer>;

/// Functions of the program, in order of their start, each with the way control goes through it: what `finish` makes of them,
/// given whether branches were decided.
///
/// # Errors
/// [`CompileError`] if the program uses what is not compiled.
pub(crate) fn lift<O: Surroundings + ?Sized>(
    insns: &Insns,
    shape: &Shape,
    outside: &O,
    finish: impl Fn(&mut Lifted, Flow, bool) -> Flow,
) -> Result<Vec<(Lifted, Flow)>, CompileError> {
    let ends = shape.functions.iter().skip(1).map(|next| next.start);
    let len = u32::try_from(insns.len()).unwrap_or(u32::MAX);
    let parts: Vec<_> = shape
        .functions
        .iter()
        .zip(ends.chain([len]))
        .map(|(function, end)| {
            // A function that does not name its frame pointer has no slots.
            let slots = if function.frame { function.start..end } else { 0..0 };
            let vars = Vars::of(insns, outside, slots);
            let (blocks, f, flow) = Blocks::new(insns, shape, &vars, function.start..end);
            Part { function: *function, vars, blocks, f, flow }
        })
        .collect();
    // Registers that each function reads before it writes them.
    let reads = parts.iter().map(|part| (part.function.start, part.blocks.entry_reads()));
    let reads: Vec<(u32, u64)> = reads.collect();
    let each = parts.into_iter().map(|Part { function, vars, blocks, f, mut flow }| {
        let has_calls = function.has_calls;
        let lifter = |f, rounds| {
            Lifter::new((insns, outside, &reads), (&vars, &blocks), (f, &flow), rounds, has_calls)
                .run()
        };
        let lifted = match lifter(f, blocks.rounds(&flow))? {
            Some(lifted) => lifted,
            // Control enters some loop other than at its start: there, anything may have been written.
            None => {
                let any = vec![Uses::ANY; flow.order.len()];
                lifter(blocks.outline(), any)?
                    .ok_or(CompileError::Flow { pc: Pc(function.start) })?
            }
        };
        let (mut f, ways) = lifted;
        if ways {
            flow.renew(&f);
        }
        flow = finish(&mut f, flow, ways);
        Ok((f, flow))
    });
    each.collect()
}

/// A function of the program as it is before it is lifted.
struct Part {
    function: Function,
    vars: Vars,
    blocks: Blocks,
    f: Lifted,
    flow: Flow,
}

/// Numbers that are remembered.
const NUMBERS: usize = 32;

struct Lifter<'a, O: ?Sized> {
    insns: &'a Insns,
    outside: &'a O,
    /// What functions read, by their start.
    reads: &'a [(u32, u64)],
    vars: &'a Vars,
    blocks: &'a Blocks,
    f: Lifted,
    flow: &'a Flow,
    /// What happens to variables between each place in the order and jumps back to it.
    rounds: Vec<Uses>,
    given: Given,
    /// Whether control comes to each block.
    is_reached: Vec<bool>,
    /// Variables for which each block has a parameter.
    params: Vec<u64>,
    /// What variables are taken to be where loops start, without a parameter.
    kept: Vec<(BlockId, usize, Value)>,
    /// Whether a branch has been decided.
    ways: bool,
    /// What variables are at the end of each block.
    ends: Vec<Value>,
    /// What they are now.
    now: Vec<Value>,
    /// The block at hand.
    block: BlockId,
    zero: Value,
    /// Numbers that have been met lately, by their lowest bits.
    numbers: [Value; NUMBERS],
    is_metered: bool,
    /// Whether the next instruction starts a stretch that runs as a whole.
    starts: bool,
}

impl<'a, O: Surroundings + ?Sized> Lifter<'a, O> {
    fn new(
        (insns, outside, reads): (&'a Insns, &'a O, &'a [(u32, u64)]),
        (vars, blocks): (&'a Vars, &'a Blocks),
        (mut f, flow): (Lifted, &'a Flow),
        rounds: Vec<Uses>,
        has_calls: bool,
    ) -> Self {
        let zero = f.number(0, 0);
        let len = f.blocks.len();
        Self {
            insns,
            outside,
            reads,
            vars,
            blocks,
            f,
            flow,
            rounds,
            given: Given::new(blocks.slots(), has_calls),
            is_reached: vec![false; len],
            params: vec![0; len],
            kept: Vec::new(),
            ways: false,
            ends: vec![zero; len * vars.count],
            now: vec![zero; vars.count],
            block: BlockId(0),
            zero,
            numbers: [zero; NUMBERS],
            is_metered: outside.style().metered,
            starts: true,
        }
    }

    /// The function, and whether branches have been decided; nothing if it turns out that what was taken for granted where
    /// loops start does not hold.
    fn run(mut self) -> Result<Option<(Lifted, bool)>, CompileError> {
        let count = self.vars.count;
        let entry = BlockId(0);
        let start = self.blocks.all.first().map_or(0, |block| block.start);
        self.f.blocks[0].params = Vec::with_capacity(5);
        let args: [Value; 5] = core::array::from_fn(|_| self.f.param(entry, start));
        self.now[1..6].copy_from_slice(&args);
        self.ends[..count].copy_from_slice(&self.now);
        self.is_reached[0] = true;
        for place in 1..self.flow.order.len() {
            let block = self.flow.order[place];
            if !self.enter(block, place) {
                self.f.blocks[block.index()].term = Term::Return(Value::NONE);
                continue;
            }
            self.body()?;
            let row = block.index() * count;
            self.ends[row..row + count].copy_from_slice(&self.now);
        }
        Ok(self.join().then_some((self.f, self.ways)))
    }

    /// What a variable is at the end of a block.
    fn end_of(&self, block: BlockId, var: usize) -> Value {
        self.ends[block.index() * self.vars.count + var]
    }

    /// Whether control comes to a block by another, which has been lifted.
    fn leads(&self, from: BlockId, to: BlockId) -> bool {
        let mut leads = !self.ways;
        if self.ways {
            self.f.edges(from, |edge| leads |= edge.to == to);
        }
        leads && self.is_reached[from.index()]
    }

    /// What variables are at the start of a block, if control comes there.
    fn enter(&mut self, block: BlockId, place: usize) -> bool {
        let flow = self.flow;
        let preds = flow.preds(block);
        let is_before = |pred: &BlockId| (flow.place[pred.index()] as usize) < place;
        let count = self.vars.count;
        let mut found = false;
        // Variables that ways have different values for.
        let mut differ = 0u64;
        let at = *self.blocks.of(block);
        for &pred in preds.iter().filter(|pred| is_before(pred)) {
            if !self.leads(pred, block) {
                continue;
            }
            let row = pred.index() * count;
            let row = &self.ends[row..row + count];
            if !core::mem::replace(&mut found, true) {
                self.now.copy_from_slice(row);
                continue;
            }
            for var in ones(at.reads & !differ) {
                if !self.f.is_equal(self.now[var], row[var]) {
                    differ |= 1 << var;
                }
            }
        }
        if !found {
            return false;
        }
        self.block = block;
        self.is_reached[block.index()] = true;
        let is_head = !preds.iter().all(is_before);
        let round = self.rounds[place];
        if is_head {
            differ |= at.reads & round.writes;
            let kept = ones(at.reads & !differ);
            self.kept.extend(kept.map(|var| (block, var, self.now[var])));
        }
        self.f.blocks[block.index()].params = Vec::with_capacity(differ.count_ones() as usize);
        for var in ones(differ) {
            let param = self.f.param(block, at.start);
            let mut bits = if !is_head {
                0
            } else if round.wide >> var & 1 == 0 {
                32
            } else {
                64
            };
            for &pred in preds.iter().filter(|pred| is_before(pred)) {
                if self.leads(pred, block) {
                    bits = self.f.bits(self.end_of(pred, var)).max(bits);
                }
            }
            self.f.set_bits(param, bits);
            self.now[var] = param;
        }
        self.params[block.index()] = differ;
        self.starts = true;
        true
    }

    /// Instructions of the block at hand.
    fn body(&mut self) -> Result<(), CompileError> {
        let (start, end) = {
            let block = self.blocks.of(self.block);
            (block.start, block.end)
        };
        self.f.blocks[self.block.index()].insts = Vec::with_capacity((end - start) as usize);
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
        Ok(())
    }

    /// Counts the instructions from here to the next that may end the run, or the end of the block.
    fn charge(&mut self, from: Pc) {
        self.starts = false;
        let end = self.blocks.of(self.block).end;
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

    /// Gives edges the values of the parameters they lead to; whether what was taken for granted where loops start
    /// holds on all ways back. If it does, it does whenever control comes there, by how often it has come there before.
    fn join(&mut self) -> bool {
        let kept = core::mem::take(&mut self.kept);
        for (block, var, value) in kept {
            let preds = self.flow.preds(block).iter();
            let changes = |&&pred: &&BlockId| {
                self.leads(pred, block) && !self.f.is_equal(self.end_of(pred, var), value)
            };
            if preds.clone().any(|pred| changes(&pred)) {
                return false;
            }
        }
        let args = |block: &BlockId| {
            let params = self.params[block.index()].count_ones();
            self.flow.preds(*block).len() * params as usize
        };
        self.f.reserve_args(self.flow.order.iter().map(args).sum());
        let count = self.vars.count;
        let mut fits = true;
        for &from in &self.flow.order {
            if !self.is_reached[from.index()] {
                continue;
            }
            let row = from.index() * count;
            let ends = &self.ends[row..row + count];
            self.f.change_edges(from, |f, edge| {
                let vars = self.params[edge.to.index()];
                if vars == 0 {
                    return edge;
                }
                for (n, var) in ones(vars).enumerate() {
                    let param = f.blocks[edge.to.index()].params[n];
                    fits &= f.bits(ends[var]) <= f.bits(param);
                }
                f.edge(edge.to, ones(vars).map(|var| ends[var]))
            });
        }
        fits
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

#[cfg(test)]
mod tests;
