//! Loops that copy or add up memory element by element, many elements at once.
//!
//! Such a loop is one block that loads an element in each turn and either stores it or adds it to a sum, at addresses that
//! grow by the element's size. Before it comes a loop whose turns do the work of so many of its turns, by [`Inst::Copy`] or
//! [`Inst::Sum`], as long as one turn more is left at least. What is left is done by the loop as it was, which is also the only
//! one that control leaves by: so what is used behind it is what it was.
//!
//! ```text
//! before ──► entry ──► wide ◄─┐          entry: may so many elements be copied at once?
//!              │         │ └──┘          wide:  are so many and one more left?
//!              ▼         ▼
//!             loop ◄── rest
//!             │ └┘
//! ```
//!
//! No byte is read or written that the loop would not read or write. What it reads and writes it does at other widths, and
//! bytes that it would write one after the other may become visible in any order. Nobody can tell but other threads that look
//! at the same memory meanwhile. These have no promise of more: plain loads and stores are not ordered, neither by the
//! kernel's model of memory nor by its compilers', and no element falls apart, as the host moves aligned words of 8 bytes as
//! wholes. Operations that others may rely on are atomic ones, which no such loop has.
//!
//! A copy gives the same if no byte that it writes is read from later within the same instruction: if the place that it goes
//! to is not behind the one that it comes from by less than its length. Where that is not known, it is asked at the start, since
//! both grow by the same.

use crate::flow::Flow;
use crate::fold::{compare, compute};
use crate::func::Func;
use crate::inst::{BinOp, BlockId, Cmp, Cond, Edge, Inst, Mem, Term, Value};
use crate::unroll::Loop;
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::{Size, Width};

/// Bytes that are copied at once.
const COPIED: u8 = 32;
/// Instructions of a loop, at most.
const MOST_INSTS: usize = 16;
/// Loops of a function at most, as each takes some time.
const MOST_LOOPS: usize = 32;
/// How deep a sum of addresses is looked into.
const DEPTH: u32 = 4;
/// Turns of a loop at least, where they are known, in those of the wide one.
const LEAST_TURNS: u64 = 3;

/// What a loop does to memory.
#[derive(Clone, Copy)]
enum Kind {
    /// It stores what it loads from there.
    Copy { from: Mem, to: Mem },
    /// It adds what it loads, by an instruction of a width, to a parameter.
    Sum { from: Mem, width: Width, param: Value },
}

/// How it is known that turns are left.
#[derive(Clone, Copy)]
enum Bound {
    /// There are so many turns; the parameter of that place starts as a number and grows by another.
    Turns { turns: u64, at: usize, start: u64, step: u64 },
    /// It goes on while the parameter of that place, when it has grown, compares so with a value that stays.
    While { at: usize, step: u64, cond: Cond, end: Value },
}

/// A loop that may be widened.
struct Narrow {
    block: BlockId,
    before: BlockId,
    enter: Edge,
    kind: Kind,
    bound: Bound,
    /// What parameters grow by in a turn, and on which width; nothing for a sum.
    steps: Vec<Option<(Width, u64)>>,
    /// The load.
    load: Value,
    size: Size,
    /// What a turn takes off the account.
    charge: u32,
}

impl Narrow {
    /// Bytes that are dealt with at once.
    const fn len(&self) -> u8 {
        match (self.kind, self.size) {
            (Kind::Copy { .. }, _) => COPIED,
            // As many as a sum of them takes about the same time.
            (Kind::Sum { .. }, Size::B) => 64,
            (Kind::Sum { .. }, _) => 128,
        }
    }

    /// Turns that are done at once.
    fn turns(&self) -> u64 {
        u64::from(self.len() / self.size.bytes())
    }
}

impl<C> Func<C> {
    /// Widens such loops; whether there are any, so that [`Flow`] is to be
    /// found anew.
    pub fn widen_loops(&mut self, flow: &Flow) -> bool {
        let (mut any, mut left) = (false, MOST_LOOPS);
        for &block in &flow.heads {
            let Some(narrow) = self.narrow(flow, block) else { continue };
            let Some(less) = left.checked_sub(1) else { break };
            left = less;
            any |= self.widen(&narrow);
        }
        any
    }

    /// The loop that a block is, if it is such a one.
    fn narrow(&self, flow: &Flow, block: BlockId) -> Option<Narrow> {
        let found = self.loop_of(flow, block)?;
        let Loop { back, before, enter, cmp, goes_on, .. } = found;
        let of_block = &self.blocks[block.index()];
        if of_block.insts.len() > MOST_INSTS {
            return None;
        }
        let (mut load, mut store, mut charge) = (None, None, 0u32);
        for &value in &of_block.insts {
            match *self.inst(value) {
                Inst::Load { size, signed: false, mem } if load.is_none() && store.is_none() => {
                    load = Some((value, size, mem));
                }
                Inst::Store { size, mem, value } if store.is_none() => {
                    store = Some((size, mem, value));
                }
                Inst::Charge(insns) => charge = charge.checked_add_signed(insns)?,
                ref inst if inst.is_pure() => {}
                _ => return None,
            }
        }
        let (load, size, from) = load?;
        let inside =
            Inside { params: &of_block.params, insts: &of_block.insts, args: self.args(back) };
        let grows = |mem: Mem| {
            mem.index == Value::NONE
                && self.growth(&inside, mem.base, DEPTH) == Some(size.bytes().into())
        };
        let kind = match store {
            Some((as_size, to, value)) => {
                let is_same = as_size == size && value == load;
                (is_same && grows(to)).then_some(Kind::Copy { from, to })?
            }
            None if size != Size::Dw => self.sum(&inside, load, from)?,
            None => return None,
        };
        if !grows(from) {
            return None;
        }
        let mut steps: Vec<Option<(Width, u64)>> = Vec::with_capacity(of_block.params.len());
        for &param in &of_block.params {
            let is_sum = matches!(kind, Kind::Sum { param: sum, .. } if sum == param);
            let step = self.step_of(&inside, param);
            if step.is_none() && !is_sum {
                return None;
            }
            steps.push(step.filter(|_| !is_sum));
        }
        let bound = match self.turns_of(&found) {
            Some((at, turns)) => {
                let start = self.known(*self.args(enter).get(at)?)?;
                let (_, step) = (*steps.get(at)?)?;
                Bound::Turns { turns, at, start, step }
            }
            None => self.bound(&inside, cmp, goes_on)?,
        };
        // On 32 bits parameters may start anew from 0, which addresses that are computed from them do not say. The one that
        // turns are counted by does not where it ends below that.
        let is_counter = |n: usize| match bound {
            Bound::Turns { turns, at, start, step } if at == n => {
                let end = step.checked_mul(turns).and_then(|all| all.checked_add(start));
                end.is_some_and(|end| end <= u32::MAX.into())
            }
            _ => false,
        };
        let is_wide = |(n, step): (usize, &Option<(Width, u64)>)| match step {
            Some((Width::W32, _)) => is_counter(n),
            _ => true,
        };
        let is_wide = steps.iter().enumerate().all(is_wide);
        is_wide.then_some(Narrow { block, before, enter, kind, bound, steps, load, size, charge })
    }

    /// The sum that a loop makes of what it loads.
    fn sum(&self, inside: &Inside<'_>, load: Value, from: Mem) -> Option<Kind> {
        let mut all = inside.params.iter().zip(inside.args);
        all.find_map(|(&param, &next)| match *self.insts.get(next.index())? {
            Inst::Bin { op: BinOp::Add, width, a, b }
                if (a, b) == (param, load) || (a, b) == (load, param) =>
            {
                Some(Kind::Sum { from, width, param })
            }
            _ => None,
        })
    }

    /// What a parameter grows by in each turn, on its width.
    fn step_of(&self, inside: &Inside<'_>, param: Value) -> Option<(Width, u64)> {
        let at = inside.params.iter().position(|other| *other == param)?;
        let next = *inside.args.get(at)?;
        if next == param {
            return Some((Width::W64, 0));
        }
        match *self.insts.get(next.index())? {
            Inst::Bin { op: BinOp::Add, width, a, b } if a == param => {
                Some((width, self.known(b)?))
            }
            _ => None,
        }
    }

    /// What a value grows by in each turn, modulo 2^64, if that is the same in all.
    fn growth(&self, inside: &Inside<'_>, value: Value, depth: u32) -> Option<u64> {
        if inside.params.contains(&value) {
            // Widths are looked at where all parameters are known.
            return self.step_of(inside, value).map(|(_, step)| step);
        }
        if !inside.insts.contains(&value) {
            return Some(0);
        }
        let depth = depth.checked_sub(1)?;
        match *self.inst(value) {
            Inst::Bin { op: BinOp::Add, width: Width::W64, a, b } => {
                let (a, b) = (self.growth(inside, a, depth)?, self.growth(inside, b, depth)?);
                Some(a.wrapping_add(b))
            }
            Inst::Bin { op: BinOp::Shl, width: Width::W64, a, b } => {
                let count = self.known(b).filter(|count| *count < 64)?;
                Some(self.growth(inside, a, depth)? << count)
            }
            _ => None,
        }
    }

    /// How it is known that turns are left, where nobody knows how many there are.
    fn bound(&self, inside: &Inside<'_>, cmp: Cmp, goes_on: bool) -> Option<Bound> {
        let cond = if goes_on { cmp.cond } else { cmp.cond.not() };
        let is_next = |value: Value| inside.args.iter().position(|next| *next == value);
        let stays =
            |value: Value| !inside.params.contains(&value) && !inside.insts.contains(&value);
        let (at, cond, end) = match (is_next(cmp.a), is_next(cmp.b)) {
            (Some(at), _) if stays(cmp.b) => (at, cond, cmp.b),
            (_, Some(at)) if stays(cmp.a) => (at, cond.swap(), cmp.a),
            _ => return None,
        };
        let (width, step) = self.step_of(inside, inside.params[at])?;
        let is_known = matches!(cond, Cond::Ne | Cond::Lt | Cond::SLt);
        let is_near = match cond {
            // It may go either way.
            Cond::Ne => (1..=8).contains(&step.cast_signed().unsigned_abs()),
            _ => (1..=8).contains(&step),
        };
        let is_plain = (cmp.width, width) == (Width::W64, Width::W64) && is_near;
        (is_known && is_plain).then_some(Bound::While { at, step, cond, end })
    }

    /// Puts the wide loop before a loop; whether it is worth it.
    fn widen(&mut self, narrow: &Narrow) -> bool {
        let Narrow { block, before, enter, bound, .. } = *narrow;
        let is_short =
            matches!(bound, Bound::Turns { turns, .. } if turns < LEAST_TURNS * narrow.turns());
        let is_apart = self.is_apart(narrow);
        if is_short || is_apart == Some(false) {
            return false;
        }
        let (entry, wide, rest) = (self.block(), self.block(), self.block());
        let origin = self.origin(narrow.load);
        let first = self.args(enter).to_vec();
        let limit = self.limit(narrow, entry, origin);
        let mut asks: Vec<Cmp> = Vec::new();
        if is_apart.is_none() {
            asks.extend(self.asked_apart(narrow, entry, &first, origin));
        }
        if matches!(bound, Bound::While { .. }) {
            asks.push(self.is_left(narrow, entry, &first, limit, origin));
        }
        // Each asks in a block of its own; a last one only jumps, so that there is a place before the wide loop.
        let mut at = entry;
        let mut blocks = vec![entry, wide, rest];
        for cmp in asks {
            let to = self.block();
            blocks.push(to);
            let (yes, no) = (self.edge(to, []), self.edge(block, first.iter().copied()));
            self.blocks[at.index()].term = Term::Branch { cmp: compare(self, cmp), yes, no };
            at = to;
        }
        let edge = self.edge(wide, first.iter().copied());
        self.blocks[at.index()].term = Term::Jump(edge);
        self.change_edges(before, |_, edge| {
            if edge.to == block { Edge { to: entry, start: 0, len: 0 } } else { edge }
        });
        let next = self.wide_turn(narrow, wide, origin);
        let cmp = self.is_left(narrow, wide, &next, limit, origin);
        let (yes, no) = (self.edge(wide, next.iter().copied()), self.edge(rest, []));
        self.blocks[wide.index()].term = Term::Branch { cmp: compare(self, cmp), yes, no };
        let left = self.left_over(narrow, &first, next, origin);
        let edge = self.edge(block, left);
        self.blocks[rest.index()].term = Term::Jump(edge);
        for new in blocks {
            self.blocks[new.index()].place = self.blocks[before.index()].place;
        }
        true
    }

    /// What holds if a copy may be made so many bytes at once, by the values of parameters at the start.
    fn asked_apart(
        &mut self,
        narrow: &Narrow,
        entry: BlockId,
        first: &[Value],
        origin: u32,
    ) -> Option<Cmp> {
        let Kind::Copy { from, to } = narrow.kind else { return None };
        let from = self.address_in(narrow, entry, first, from, origin);
        let to = self.address_in(narrow, entry, first, to, origin);
        let width = Width::W64;
        let distance =
            self.push(entry, Inst::Bin { op: BinOp::Sub, width, a: to, b: from }, origin);
        // The same place, or one behind by so much, or one before.
        let one = self.number(u64::MAX, origin);
        let less =
            self.push(entry, Inst::Bin { op: BinOp::Add, width, a: distance, b: one }, origin);
        let least = self.number(u64::from(COPIED) - 1, origin);
        Some(Cmp { cond: Cond::Ge, width, a: less, b: least })
    }

    /// Whether a copy may be made so many bytes at once, if that is known.
    fn is_apart(&self, narrow: &Narrow) -> Option<bool> {
        match narrow.kind {
            Kind::Sum { .. } => Some(true),
            Kind::Copy { from, to } if from.base == to.base => {
                let distance = i64::from(to.disp) - i64::from(from.disp);
                Some(distance <= 0 || distance >= COPIED.into())
            }
            Kind::Copy { .. } => None,
        }
    }

    /// One turn of the wide loop; the values that the next one has.
    fn wide_turn(&mut self, narrow: &Narrow, wide: BlockId, origin: u32) -> Vec<Value> {
        let (len, at_once) = (narrow.len(), narrow.turns());
        let params = self.blocks[narrow.block.index()].params.clone();
        let mut own = Vec::with_capacity(params.len());
        for param in params {
            let new = self.param(wide, self.origin(param));
            self.set_bits(new, self.bits(param));
            own.push(new);
        }
        let charge = u64::from(narrow.charge) * at_once;
        if charge != 0 {
            let insns = i32::try_from(charge).unwrap_or(i32::MAX);
            self.push_as_is(wide, Inst::Charge(insns), origin);
        }
        let mut added = (Value::NONE, Width::W64);
        match narrow.kind {
            Kind::Copy { from, to } => {
                let to = Mem::new(self.value_in(narrow, wide, &own, to.base, origin), to.disp);
                let disp = from.disp;
                let from = self.value_in(narrow, wide, &own, from.base, origin);
                self.push_as_is(wide, Inst::Copy { len, to, from, disp }, origin);
            }
            Kind::Sum { from, width, .. } => {
                let base = self.value_in(narrow, wide, &own, from.base, origin);
                let mem = Mem::new(base, from.disp);
                let sum = self.push_as_is(wide, Inst::Sum { size: narrow.size, len, mem }, origin);
                added = (sum, width);
            }
        }
        let mut next = Vec::with_capacity(own.len());
        for (&a, step) in own.iter().zip(&narrow.steps) {
            let (b, width) = match *step {
                Some((width, step)) => (self.number(step.wrapping_mul(at_once), origin), width),
                None => added,
            };
            next.push(self.push(wide, Inst::Bin { op: BinOp::Add, width, a, b }, origin));
        }
        next
    }

    /// What the loop as it was starts with behind the wide one: numbers where they are known.
    fn left_over(
        &mut self,
        narrow: &Narrow,
        first: &[Value],
        next: Vec<Value>,
        origin: u32,
    ) -> Vec<Value> {
        let Bound::Turns { turns, .. } = narrow.bound else { return next };
        let done = (turns - 1) / narrow.turns() * narrow.turns();
        let each = first.iter().zip(next).zip(&narrow.steps);
        each.map(|((&first, next), step)| match (self.known(first), *step) {
            (Some(start), Some((width, step))) => {
                let number = compute(BinOp::Add, width, start, step.wrapping_mul(done));
                self.number(number, origin)
            }
            _ => next,
        })
        .collect()
    }

    /// What the parameter that is compared must be other than or below for the wide loop to go on, or what it is compared with.
    fn limit(&mut self, narrow: &Narrow, entry: BlockId, origin: u32) -> Value {
        let at_once = narrow.turns();
        match narrow.bound {
            Bound::Turns { turns, start, step, .. } => {
                let all = (turns - 1) / at_once * at_once;
                self.number(start.wrapping_add(step.wrapping_mul(all)), origin)
            }
            Bound::While { cond: Cond::Ne, end, .. } => end,
            Bound::While { step, cond, end, .. } => {
                // The end less so much, or the least that there is.
                let (least, cond) = match cond {
                    Cond::SLt => (1 << 63, Cond::SGe),
                    _ => (0, Cond::Ge),
                };
                let bytes = step * at_once;
                let [bytes, b, least] =
                    [bytes, least + bytes, least].map(|number| self.number(number, origin));
                let width = Width::W64;
                let less = Inst::Bin { op: BinOp::Sub, width, a: end, b: bytes };
                let yes = self.push(entry, less, origin);
                let cmp = compare(self, Cmp { cond, width, a: end, b });
                self.push(entry, Inst::Select { cmp, yes, no: least }, origin)
            }
        }
    }

    /// What holds if turns of the wide loop are left, and one more of the loop, by the values of parameters.
    fn is_left(
        &mut self,
        narrow: &Narrow,
        block: BlockId,
        values: &[Value],
        limit: Value,
        origin: u32,
    ) -> Cmp {
        let width = Width::W64;
        match narrow.bound {
            Bound::Turns { at, .. } => Cmp { cond: Cond::Ne, width, a: values[at], b: limit },
            Bound::While { at, step, cond: Cond::Ne, .. } => {
                let step = step.cast_signed();
                let (a, b) = if step < 0 { (values[at], limit) } else { (limit, values[at]) };
                let left = Inst::Bin { op: BinOp::Sub, width, a, b };
                let a = self.push(block, left, origin);
                let b = self.number(step.unsigned_abs() * narrow.turns(), origin);
                Cmp { cond: Cond::Gt, width, a, b }
            }
            Bound::While { at, cond, .. } => Cmp { cond, width, a: values[at], b: limit },
        }
    }

    /// The address of an access, where parameters of the loop have such values.
    fn address_in(
        &mut self,
        narrow: &Narrow,
        block: BlockId,
        values: &[Value],
        mem: Mem,
        origin: u32,
    ) -> Value {
        let a = self.value_in(narrow, block, values, mem.base, origin);
        let b = self.number(i64::from(mem.disp).cast_unsigned(), origin);
        self.push(block, Inst::Bin { op: BinOp::Add, width: Width::W64, a, b }, origin)
    }

    /// A value of the loop whose growth is known, where parameters have such values.
    fn value_in(
        &mut self,
        narrow: &Narrow,
        block: BlockId,
        values: &[Value],
        value: Value,
        origin: u32,
    ) -> Value {
        let of_loop = &self.blocks[narrow.block.index()];
        if let Some(n) = of_loop.params.iter().position(|param| *param == value) {
            return values[n];
        }
        match *self.inst(value) {
            Inst::Bin { op, width, a, b } if of_loop.insts.contains(&value) => {
                let a = self.value_in(narrow, block, values, a, origin);
                let b = self.value_in(narrow, block, values, b, origin);
                self.push(block, Inst::Bin { op, width, a, b }, origin)
            }
            _ => value,
        }
    }
}

/// What is in a loop.
struct Inside<'a> {
    params: &'a [Value],
    insts: &'a [Value],
    /// What parameters are in the next turn.
    args: &'a [Value],
}
