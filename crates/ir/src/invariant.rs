//! What loops compute anew in each turn from what does not change in them, computed once before them.
//!
//! Compilers have done so for what they see. What is left is what they do not: addresses, extensions and numbers that come
//! with the lowering, and slots of the stack whose address a helper knows.
//!
//! Only what each turn does anyway is moved, so that no turn pays for what it would have gone round, and only as much as
//! there are registers for: a value that has to come from the stack in each turn is no better than one that is made there.
//! Loads are moved only from the function's own frame, which no other thread sees, and out of loops where nothing can change
//! what they read. All others stay where they are, once for each turn, as others may write there.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BlockId, Edge, Inst, Mem, Term, Value};
use crate::repeat::body_of;
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::Size;

/// Loops of a function at most, as each takes some time.
const MOST_LOOPS: u8 = 64;
/// Values that are in registers in a loop, at most: one less than the host with the fewest has for values, for what is in
/// between.
const REGISTERS: usize = 11;
/// The same over calls, which keep so many.
const REGISTERS_OVER_CALLS: usize = 4;

/// What a loop does, as far as it matters to what may be moved out of it.
#[derive(Default)]
struct Effects {
    calls: bool,
    /// Whether it stores to places that may be anywhere in the frame.
    writes_anywhere: bool,
    /// Where else it stores to the frame, from where to where.
    writes: Vec<(i64, i64)>,
}

impl<C> Func<C> {
    /// Moves such values; whether there are new blocks, so that [`Flow`] is to be found anew.
    ///
    /// Instructions that nothing uses are to be gone before, and sums to be in the addresses that take them.
    pub fn hoist_invariants(&mut self, flow: &Flow) -> bool {
        let (mut splits, mut left) = (false, MOST_LOOPS);
        // The last loop that each value is given in, by how many are left then.
        let mut inside: Vec<u8> = Vec::new();
        // Values in new blocks, with the blocks before these: both are part of the same loops.
        let mut beside: Vec<(BlockId, Value)> = Vec::new();
        // Inner loops come behind those around them, so that what leaves one may leave the next.
        for &head in flow.heads.iter().rev() {
            let Some(mut body) = body_of(flow, head) else { continue };
            let Some(less) = left.checked_sub(1) else { break };
            left = less;
            body.sort_unstable_by_key(|block| flow.place[block.index()]);
            if inside.is_empty() {
                inside = vec![MOST_LOOPS; self.insts.len()];
            }
            self.mark(&body, &beside, &mut inside, left);
            let moved = self.invariants(flow, &body, |value| inside[value.index()] == left);
            if !moved.is_empty() {
                splits |= self.move_before(flow, &body, &moved, &mut beside);
            }
        }
        splits
    }

    /// Notes of all values of a loop that they are given in it.
    fn mark(&self, body: &[BlockId], beside: &[(BlockId, Value)], inside: &mut [u8], as_of: u8) {
        for block in body {
            let of_block = &self.blocks[block.index()];
            of_block.params.iter().for_each(|value| inside[value.index()] = as_of);
            of_block.insts.iter().for_each(|value| inside[value.index()] = as_of);
        }
        for (_, value) in beside.iter().filter(|(before, _)| body.contains(before)) {
            inside[value.index()] = as_of;
        }
    }

    /// The values of a loop that may be computed before it, in order, as many as there is room for.
    fn invariants(
        &self,
        flow: &Flow,
        body: &[BlockId],
        is_inside: impl Fn(Value) -> bool,
    ) -> Vec<Value> {
        let mut found: Vec<Value> = Vec::new();
        let mut effects = None;
        let is_back = |block: &&BlockId| {
            flow.preds(body[0]).contains(*block) && flow.is_back(**block, body[0])
        };
        let is_always = |block: BlockId| {
            body.len() == 1 || body.iter().filter(is_back).all(|back| flow.dominates(block, *back))
        };
        for &block in body.iter().filter(|block| is_always(**block)) {
            for &value in &self.blocks[block.index()].insts {
                let inst = self.inst(value);
                if !inst.is_pure() && !matches!(inst, Inst::Load { .. }) {
                    continue;
                }
                let mut stays = true;
                inst.operands(|used| {
                    stays &= !is_inside(used) || found.contains(&used);
                });
                let may_move = stays
                    && match *inst {
                        Inst::Load { size, mem, .. } => {
                            self.frame_range(mem, size).is_some_and(|read| {
                                effects.get_or_insert_with(|| self.effects(body)).leaves(read)
                            })
                        }
                        _ => true,
                    };
                if may_move {
                    found.push(value);
                }
            }
        }
        if !found.is_empty() {
            let calls = effects.unwrap_or_else(|| self.effects(body)).calls;
            let most = if calls { REGISTERS_OVER_CALLS } else { REGISTERS };
            found.truncate(self.with_room(body, &found, most));
        }
        found
    }

    /// What a loop does to the frame.
    fn effects(&self, body: &[BlockId]) -> Effects {
        let mut effects = Effects::default();
        for value in body.iter().flat_map(|block| &self.blocks[block.index()].insts) {
            match *self.inst(*value) {
                Inst::Call { .. } => effects.calls = true,
                Inst::Store { size, mem, .. } => match self.frame_range(mem, size) {
                    Some(range) => effects.writes.push(range),
                    None => effects.writes_anywhere = true,
                },
                Inst::Copy { .. } | Inst::Atomic { .. } => effects.writes_anywhere = true,
                _ => {}
            }
        }
        effects
    }

    /// From where to where an access goes in the frame, if it surely goes there.
    fn frame_range(&self, mem: Mem, size: Size) -> Option<(i64, i64)> {
        let is_frame = matches!(self.inst(mem.base), Inst::Frame) && mem.index == Value::NONE;
        is_frame.then(|| (i64::from(mem.disp), i64::from(mem.disp) + i64::from(size.bytes())))
    }

    /// How many of the values, from the first on, have registers before the loop and in it.
    fn with_room(&self, body: &[BlockId], found: &[Value], most: usize) -> usize {
        // Values that live all through the loop: those of outside and, as nobody has followed them, those that go from
        // block to block in it.
        let mut through: Vec<Value> = Vec::new();
        let mut uses: Vec<Value> = Vec::new();
        for &block in body {
            let of_block = &self.blocks[block.index()];
            let given = of_block.params.iter().chain(&of_block.insts);
            let mut given: Vec<Value> = given.copied().collect();
            given.sort_unstable();
            self.each_use(block, |value| {
                uses.push(value);
                let is_placed = !matches!(self.inst(value), Inst::Const(_) | Inst::Frame);
                if is_placed && given.binary_search(&value).is_err() {
                    through.push(value);
                }
            });
        }
        through.sort_unstable();
        through.dedup();
        uses.sort_unstable();
        let between = body.iter().map(|block| self.most_alive(*block, &through)).max();
        let mut alive = through.len() + between.unwrap_or(0);
        for (n, &value) in found.iter().enumerate() {
            // What only leads to a value that is moved does not live in the loop.
            let mut ends = 0;
            self.inst(value).operands(|used| {
                let start = uses.partition_point(|other| *other < used);
                let is_only = uses.get(start + 1) != Some(&used);
                ends += usize::from(is_only && (through.contains(&used) || found.contains(&used)));
            });
            alive = (alive + 1).saturating_sub(ends);
            if alive > most {
                return n;
            }
        }
        found.len()
    }

    /// How many values of a block live at once in it at most, other than those.
    fn most_alive(&self, block: BlockId, others: &[Value]) -> usize {
        let of_block = &self.blocks[block.index()];
        let is_other = |value: &Value| {
            others.binary_search(value).is_ok()
                || matches!(self.inst(*value), Inst::Const(_) | Inst::Frame)
        };
        let mut alive: Vec<Value> = Vec::new();
        let use_it = |value: Value, alive: &mut Vec<Value>| {
            if !is_other(&value) && !alive.contains(&value) {
                alive.push(value);
            }
        };
        self.term_operands(block, |value| use_it(value, &mut alive));
        self.edges(block, |edge| {
            self.args(edge).iter().for_each(|value| use_it(*value, &mut alive));
        });
        let mut most = alive.len();
        for &value in of_block.insts.iter().rev() {
            alive.retain(|other| *other != value);
            self.inst(value).operands(|used| use_it(used, &mut alive));
            most = most.max(alive.len());
        }
        most
    }

    /// Calls `f` with each value that a block uses or hands on.
    fn each_use(&self, block: BlockId, mut f: impl FnMut(Value)) {
        for &value in &self.blocks[block.index()].insts {
            self.inst(value).operands(&mut f);
        }
        self.term_operands(block, &mut f);
        self.edges(block, |edge| self.args(edge).iter().copied().for_each(&mut f));
    }

    /// Moves values to the block before a loop, or to a new one; whether it is new.
    fn move_before(
        &mut self,
        flow: &Flow,
        body: &[BlockId],
        moved: &[Value],
        beside: &mut Vec<(BlockId, Value)>,
    ) -> bool {
        let head = body[0];
        let mut outside = flow.preds(head).iter().filter(|pred| !body.contains(pred));
        let (Some(&before), None) = (outside.next(), outside.next()) else { return false };
        let is_jump = matches!(self.blocks[before.index()].term, Term::Jump(_));
        let to = if is_jump { before } else { self.split(before, head) };
        for &block in body {
            let stays = |value: &Value| !moved.contains(value);
            let mut insts = core::mem::take(&mut self.blocks[block.index()].insts);
            insts.retain(stays);
            self.blocks[block.index()].insts = insts;
        }
        self.blocks[to.index()].insts.extend_from_slice(moved);
        if !is_jump {
            beside.extend(moved.iter().map(|value| (before, *value)));
        }
        !is_jump
    }

    /// A new block between two, on the one way that leads from the first to the second.
    fn split(&mut self, from: BlockId, to: BlockId) -> BlockId {
        let between = self.block();
        self.blocks[between.index()].place = self.blocks[from.index()].place;
        self.change_edges(from, |f, edge| {
            if edge.to != to {
                return edge;
            }
            f.blocks[between.index()].term = Term::Jump(edge);
            Edge { to: between, start: 0, len: 0 }
        });
        between
    }
}

impl Effects {
    /// Whether what a load reads stays what it is.
    fn leaves(&self, (start, end): (i64, i64)) -> bool {
        let is_apart = |&(from, to): &(i64, i64)| to <= start || end <= from;
        !self.calls && !self.writes_anywhere && self.writes.iter().all(is_apart)
    }
}
