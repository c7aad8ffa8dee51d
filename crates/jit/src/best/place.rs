//! Where values are while code runs: a register of the host or a word of its stack for all of their life.
//!
//! In SSA form the values that are alive at a place are all given above it in the tree of dominators, so that one walk
//! down that tree finds a register that is free of all others alive (Hack, Grund and Goos, "Register Allocation for
//! Programs in SSA-Form", 2006). Where there is none, a value goes to the stack for all of its life: the one that is used least for as
//! long as it lives, both counted by turns of loops, so that what only lives on over an inner loop makes room for what is
//! used there. Values that follow each other as a block's parameter are given the same register where it is free, so that
//! most of them need no move.

mod colors;

use crate::code::CompileError;
use crate::lift::{Lifted, Outer};
use crate::surroundings::Callee;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;
use skep_ir::{BlockId, Cmp, Flow, Inst, Mem, Term, UnOp, Value};
use skep_isa::Pc;

/// A processor, as far as its registers are places of values.
pub(crate) trait Host {
    /// A register.
    type Gpr: Copy + Debug + Eq + 'static;

    /// Where arguments of functions are.
    const ARGS: [Self::Gpr; 5];
    /// Where the result of a function is.
    const RESULT: Self::Gpr;
    /// What functions may change.
    const VOLATILE: Set;
    /// What stubs for accesses change.
    const STUBS: Set;
    /// In which order registers are taken: those first that cost nothing, then those that functions save.
    const ORDER: &'static [Self::Gpr];
    /// What functions save where they change it, by the bits of [`Places::saved`].
    const SAVED: &'static [Self::Gpr];
    /// What never holds a value.
    const RESERVED: Set;
    /// What holds none where not all values have registers.
    const SPARE: Set;

    /// The number of a register.
    fn num(reg: Self::Gpr) -> u8;

    /// Registers that an instruction other than a call changes beside its result, and whether its operands must not be in
    /// them either; also tells `wish` what its values would like.
    fn clobbers(
        f: &Lifted,
        value: Value,
        asked: Asked,
        wish: impl FnMut(Value, Self::Gpr),
    ) -> (Set, bool);
}

/// Where a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Loc<R> {
    /// It is used nowhere.
    #[default]
    Nowhere,
    Reg(R),
    /// A word of the host's stack.
    Slot(u32),
    Number(u64),
    /// The frame pointer.
    Frame,
}

/// A set of registers, by their numbers.
pub(crate) type Set = u32;

fn one<H: Host>(reg: H::Gpr) -> Set {
    1 << H::num(reg)
}

/// Where all values of a function are.
pub(crate) struct Places<H: Host> {
    pub(crate) locs: Vec<Loc<H::Gpr>>,
    /// Words of the stack.
    pub(crate) slots: u32,
    /// Those of [`Host::SAVED`] that are written, by their bits.
    pub(crate) saved: u8,
    /// Whether [`Host::SPARE`] holds no value.
    pub(crate) two: bool,
    /// If [`Asked::account`] holds values, so that the account is to be in memory, the word of the stack with its address.
    pub(crate) account: Option<u32>,
    /// What is known of each value.
    lives: Vec<Life<H::Gpr>>,
    /// Values that come into each block.
    live_in: Rows,
}

/// What is asked of places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Registers that hold no values.
    pub(crate) taken: Set,
    /// Whether shifts count in any register.
    pub(crate) counts_anywhere: bool,
    /// Those of `taken` that may hold values if the account of instructions is in memory.
    pub(crate) account: Set,
}

/// How many uses of a value in memory something costs that is taken off an account there: the address is read, and the
/// account read and written.
const CHARGE_USES: u64 = 3;

/// About as many values are alive at once in most functions, at most.
const USUALLY_ALIVE: usize = 32;
/// Values that come into blocks, in all: more is the first tier's.
const MOST_ALIVE: usize = 1 << 22;

/// Values of each block.
#[derive(Default)]
struct Rows {
    values: Vec<Value>,
    /// Where those of each block start.
    starts: Vec<u32>,
}

impl Rows {
    fn new(blocks: usize, all: &[(BlockId, Value)]) -> Self {
        let mut starts = vec![0u32; blocks + 1];
        for (block, _) in all {
            starts[block.index()] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut values = vec![Value::NONE; all.len()];
        for (block, value) in all {
            let at = &mut starts[block.index()];
            *at -= 1;
            values[*at as usize] = *value;
        }
        Self { values, starts }
    }

    #[inline]
    fn of(&self, block: BlockId) -> &[Value] {
        let row = self.starts.get(block.index()..block.index() + 2);
        let range = row.map_or(0..0, |row| row[0] as usize..row[1] as usize);
        self.values.get(range).unwrap_or_default()
    }
}

impl<H: Host> Places<H> {
    /// Where a value is.
    pub(crate) fn loc(&self, value: Value) -> Loc<H::Gpr> {
        self.locs.get(value.index()).copied().unwrap_or(Loc::Nowhere)
    }

    /// Values that come into a block, other than its parameters.
    pub(crate) fn comes_in(&self, block: BlockId) -> &[Value] {
        self.live_in.of(block)
    }

    /// How often a value is used.
    pub(crate) fn uses(&self, value: Value) -> u32 {
        self.lives.get(value.index()).map_or(0, |life| life.uses)
    }

    /// Places for the values of a function.
    ///
    /// # Errors
    /// [`CompileError`] if the function is too large.
    pub(crate) fn new(f: &Lifted, flow: &Flow, asked: Asked) -> Result<Self, CompileError> {
        let lives = Lives::<H>::new(f, flow, asked)?;
        let two = lives.needs_two;
        let mut places = lives.place(asked.taken, two);
        if asked.account != 0 && places.slots > 0 {
            let other = lives.place(asked.taken & !asked.account, two);
            if lives.spilled(&other) + CHARGE_USES * lives.charges() < lives.spilled(&places) {
                let account = Some(other.slots);
                places = Self { account, slots: other.slots + 1, ..other };
            }
        }
        (places.lives, places.live_in) = (lives.each, lives.live_in);
        Ok(places)
    }
}

/// What is known of a value.
#[derive(Clone, Copy)]
struct Life<R> {
    /// Registers it cannot have.
    forbidden: Set,
    /// The one it would like.
    wish: Option<R>,
    /// How much it is used, and how long it lives, by turns of loops.
    weight: u32,
    span: u32,
    /// How often it is used.
    uses: u32,
    /// What parameter it becomes.
    becomes: Value,
}

impl<R> Life<R> {
    const NONE: Self =
        Self { forbidden: 0, wish: None, weight: 0, span: 0, uses: 0, becomes: Value::NONE };

    /// It is used once more, or given, where there are so many turns.
    const fn weighs(&mut self, weight: u32) {
        self.weight = self.weight.saturating_add(weight);
    }
}

/// Of how many uses of a number that is held one counts: without a register, it is made anew for each.
const HELD_PARTS: u32 = 4;

/// Which values are alive where.
struct Lives<'a, H: Host> {
    f: &'a Lifted,
    flow: &'a Flow,
    asked: Asked,
    /// What is known of each value.
    each: Vec<Life<H::Gpr>>,
    /// Values that come into each block.
    live_in: Rows,
    /// Values whose last use in their block is at an instruction, by its position, from the end of each block; the
    /// end of the block counts as one.
    deaths: Vec<(u32, Value)>,
    ranges: Vec<(usize, usize)>,
    /// Whether an instruction may need two registers for numbers.
    needs_two: bool,
    /// Whether numbers are held over loops: such a value needs no place at all.
    any_held: bool,
    /// How many values are alive at once somewhere.
    most_alive: usize,
}

impl<'a, H: Host> Lives<'a, H> {
    fn new(f: &'a Lifted, flow: &'a Flow, asked: Asked) -> Result<Self, CompileError> {
        let len = f.insts.len();
        let mut this = Self {
            f,
            flow,
            asked,
            each: vec![Life::NONE; len],
            live_in: Rows::default(),
            deaths: Vec::with_capacity(len),
            ranges: vec![(0, 0); f.blocks.len()],
            needs_two: false,
            any_held: false,
            most_alive: 0,
        };
        let mut now = Now::new(len);
        this.find_live_in(&mut now)?;
        for &block in &flow.order {
            this.walk(block, &mut now);
        }
        Ok(this)
    }

    #[inline]
    fn is_placed(&self, value: Value) -> bool {
        value != Value::NONE && !matches!(self.f.inst(value), Inst::Const(_) | Inst::Frame)
    }

    /// Calls `g` with each value that a block uses or hands on.
    fn each_use(&self, block: BlockId, mut g: impl FnMut(Value)) {
        for &value in &self.f.blocks[block.index()].insts {
            self.f.inst(value).operands(&mut g);
        }
        self.f.term_operands(block, &mut g);
        self.f.edges(block, |edge| self.f.args(edge).iter().copied().for_each(&mut g));
    }

    /// Values alive at the start of blocks, value by value (Brandner, Boissinot, Darte, Dupont de Dinechin and Rastello,
    /// "Computing Liveness Sets for SSA-Form Programs", 2011, algorithm 6): the cost is that of what is found.
    fn find_live_in(&mut self, now: &mut Now) -> Result<(), CompileError> {
        let f = self.f;
        if self.flow.order.len() == 1 {
            self.live_in = Rows::new(f.blocks.len(), &[]);
            return Ok(());
        }
        // Where each value is given; what is not placed is given nowhere.
        const NOWHERE: BlockId = BlockId(u32::MAX);
        let mut home = vec![NOWHERE; f.insts.len()];
        // Uses outside of the block that gives a value, each with the one before of the same value; the last of each value.
        let mut uses: Vec<(BlockId, u32)> = Vec::with_capacity(2 * USUALLY_ALIVE);
        let mut used: Vec<Value> = Vec::with_capacity(USUALLY_ALIVE);
        let last_use = &mut now.at;
        let mut outside: Vec<Value> = Vec::with_capacity(USUALLY_ALIVE);
        // What gives a value comes before what uses it.
        for &block in &self.flow.order {
            let block_of = &f.blocks[block.index()];
            for value in block_of.params.iter().chain(&block_of.insts) {
                home[value.index()] = block;
            }
            self.each_use(block, |value| {
                if home[value.index()] != block {
                    outside.push(value);
                }
            });
            for value in outside.drain(..).filter(|value| home[value.index()] != NOWHERE) {
                let at = u32::try_from(uses.len()).unwrap_or(u32::MAX);
                let before = core::mem::replace(&mut last_use[value.index()], at);
                uses.push((block, before));
                if before == u32::MAX {
                    used.push(value);
                }
            }
        }
        // From each use up to where the value is given, as far as no other use has led before.
        let mut last = vec![Value::NONE; f.blocks.len()];
        let mut found: Vec<(BlockId, Value)> = Vec::with_capacity(2 * uses.len());
        let mut next = Vec::with_capacity(f.blocks.len());
        for value in used {
            let home = home[value.index()];
            let mut use_at = core::mem::replace(&mut last_use[value.index()], u32::MAX);
            while let Some(&(block, before)) = uses.get(use_at as usize) {
                next.push(block);
                use_at = before;
                while let Some(block) = next.pop() {
                    if core::mem::replace(&mut last[block.index()], value) == value {
                        continue;
                    }
                    found.push((block, value));
                    let preds = self.flow.preds(block).iter();
                    next.extend(preds.filter(|pred| **pred != home));
                }
            }
            if found.len() > MOST_ALIVE {
                let what = "a function too large for the second tier";
                return Err(CompileError::Unsupported { pc: Pc(0), what });
            }
        }
        self.live_in = Rows::new(f.blocks.len(), &found);
        Ok(())
    }

    /// Goes through a block from its end, and notes what each instruction means for the values alive around it.
    fn walk(&mut self, block: BlockId, now: &mut Now) {
        let f = self.f;
        let start = self.deaths.len();
        let weight = self.weight(block);
        now.clear();
        let insts = &f.blocks[block.index()].insts;
        let end = u32::try_from(insts.len()).unwrap_or(u32::MAX);
        f.edges(block, |edge| {
            for &value in self.live_in.of(edge.to) {
                now.add(value, end);
            }
        });
        f.edges(block, |edge| {
            let params = &f.blocks[edge.to.index()].params;
            for (&arg, &param) in f.args(edge).iter().zip(params) {
                if self.is_placed(arg) {
                    let becomes = &mut self.each[arg.index()].becomes;
                    if *becomes == Value::NONE {
                        *becomes = param;
                    }
                    self.used(arg, end, weight, now);
                }
            }
        });
        // No number chooses a case: `decide_comparisons`.
        f.term_operands(block, |value| {
            if self.is_placed(value) {
                self.used(value, end, weight, now);
                if matches!(f.blocks[block.index()].term, Term::Return(_)) {
                    self.each[value.index()].wish = Some(H::RESULT);
                }
            }
        });
        for (at, &value) in (0..end).zip(insts).rev() {
            if let Some(until) = now.remove(value) {
                self.lives_for(value, until - at, weight);
            }
            let inst = f.inst(value);
            self.any_held |= matches!(inst, Inst::Un { op: UnOp::Hold, .. });
            let (clobbers, operands_too) = self.clobbers(value, inst);
            if clobbers != 0 {
                for &(value, _) in &now.values {
                    self.each[value.index()].forbidden |= clobbers;
                }
            }
            self.each[value.index()].weighs(weight);
            let (mut operands, mut count) = ([Value::NONE; 5], 0);
            inst.operands(|operand| {
                operands[count] = operand;
                count += 1;
            });
            let mut any_number = false;
            for &operand in &operands[..count] {
                let given = f.inst(operand);
                if matches!(given, Inst::Const(_) | Inst::Frame) {
                    any_number = true;
                    continue;
                }
                let is_held = matches!(given, Inst::Un { op: UnOp::Hold, .. });
                any_number |= is_held;
                self.used(operand, at, weight, now);
                if operands_too {
                    self.each[operand.index()].forbidden |= clobbers;
                }
            }
            self.most_alive = self.most_alive.max(now.values.len());
            if any_number && !self.needs_two {
                self.needs_two = self.numbers(inst) > 1;
            }
        }
        if let Term::Branch { cmp, .. } = f.blocks[block.index()].term {
            self.needs_two |= self.compared_numbers(cmp) > 1;
        }
        for &(value, until) in &now.values {
            self.lives_for(value, until + 1, weight);
        }
        let first = if block == BlockId(0) { u32::MAX } else { 0 };
        for (n, &param) in f.blocks[block.index()].params.iter().enumerate() {
            let life = &mut self.each[param.index()];
            life.weighs(weight);
            if first != 0 {
                life.wish = H::ARGS.get(n).copied();
            }
        }
        self.ranges[block.index()] = (start, self.deaths.len());
    }

    #[inline]
    fn used(&mut self, value: Value, at: u32, weight: u32, now: &mut Now) {
        let life = &mut self.each[value.index()];
        life.uses += 1;
        life.weighs(weight);
        if now.add(value, at) {
            self.deaths.push((at, value));
        }
    }

    fn lives_for(&mut self, value: Value, insts: u32, weight: u32) {
        let span = &mut self.each[value.index()].span;
        *span = span.saturating_add(insts.saturating_mul(weight));
    }

    /// Whether a value would be missed less in a register than another: by uses for as long as it lives.
    fn is_less(&self, value: Value, than: Value) -> bool {
        let of = |value: Value| {
            let life = &self.each[value.index()];
            // A number needs no memory where it has no register.
            let parts = if self.held(value).is_some() { HELD_PARTS } else { 1 };
            (u64::from(life.weight / parts), u64::from(life.span.max(1)))
        };
        let ((weight, span), (other_weight, other_span)) = (of(value), of(than));
        weight * other_span < other_weight * span
    }

    /// How many registers an instruction may need for numbers.
    fn numbers(&self, inst: &Inst) -> u32 {
        let large = |value: Value| self.is_large(value);
        let any = |value: Value| self.is_number(value);
        let mem = |mem: Mem| any(mem.base) + 2 * any(mem.index);
        match *inst {
            Inst::Store { mem: at, value, .. } => mem(at) + large(value),
            Inst::Load { mem: at, .. } | Inst::Sum { mem: at, .. } => mem(at),
            // What it comes from and where it goes to are looked for one after the other.
            Inst::Copy { to, from, .. } => mem(to).max(any(from)),
            Inst::Atomic { mem: at, value, expected, .. } => {
                2 * mem(at) + any(value) + any(expected)
            }
            Inst::Bin { a, b, .. } => any(a) + large(b),
            Inst::Select { cmp, .. } => self.compared_numbers(cmp),
            _ => 0,
        }
    }

    /// The same of a comparison.
    fn compared_numbers(&self, cmp: Cmp) -> u32 {
        self.is_number(cmp.a) + self.is_large(cmp.b)
    }

    /// 1 for a number that does not stand in instructions.
    fn is_large(&self, value: Value) -> u32 {
        let number = self.f.known(value).or_else(|| self.held(value));
        u32::from(number.is_some_and(|number| i32::try_from(number.cast_signed()).is_err()))
    }

    /// 1 for what has no register of its own.
    fn is_number(&self, value: Value) -> u32 {
        let is_frame = matches!(self.f.insts.get(value.index()), Some(Inst::Frame));
        u32::from(self.f.known(value).or_else(|| self.held(value)).is_some() || is_frame)
    }

    /// The number that a value holds.
    fn held(&self, value: Value) -> Option<u64> {
        match self.f.insts.get(value.index()) {
            Some(&Inst::Un { op: UnOp::Hold, a }) => self.f.known(a),
            _ => None,
        }
    }

    /// Registers that an instruction changes beside its result, and whether its operands must not be in them either; also
    /// notes what its values would like.
    #[inline]
    fn clobbers(&mut self, value: Value, inst: &Inst) -> (Set, bool) {
        let mut wish = |value: Value, reg: H::Gpr| {
            if let Some(life) = self.each.get_mut(value.index()) {
                life.wish = Some(reg);
            }
        };
        let Inst::Call { callee, args } = *inst else {
            return H::clobbers(self.f, value, self.asked, wish);
        };
        match self.f.callees[callee as usize] {
            Outer::Callee(Callee::Cpu) => (0, false),
            Outer::Load { .. } | Outer::Store { .. } | Outer::Packet { .. } => (H::STUBS, false),
            Outer::Local(_) | Outer::Callee(_) => {
                wish(value, H::RESULT);
                for (arg, reg) in args.into_iter().zip(H::ARGS) {
                    wish(arg, reg);
                }
                (H::VOLATILE, false)
            }
        }
    }

    /// Registers for as many values as may be.
    fn place(&self, taken: Set, two: bool) -> Places<H> {
        let is_free = |reg: &&H::Gpr| one::<H>(**reg) & (taken | H::RESERVED) == 0;
        let surely_spills =
            !self.any_held && self.most_alive > H::ORDER.iter().filter(is_free).count();
        if two || surely_spills {
            debug_assert!(!surely_spills || self.color(taken, false).slots > 0);
            return self.color(taken, true);
        }
        let places = self.color(taken, false);
        if places.slots == 0 { places } else { self.color(taken, true) }
    }

    /// How often values are used that have no register, by turns of loops.
    fn spilled(&self, places: &Places<H>) -> u64 {
        let lives = self.each.iter().zip(&places.locs);
        let spilled = lives.filter(|(_, loc)| matches!(loc, Loc::Slot(_)));
        spilled.map(|(life, _)| u64::from(life.weight)).sum()
    }

    /// How often something is charged or put back, by turns of loops.
    fn charges(&self) -> u64 {
        // What asks mostly does so by what a charge has left.
        let is_one =
            |value: &&Value| matches!(self.f.inst(**value), Inst::Charge(_) | Inst::Refund(_));
        let of = |block: &BlockId| {
            let count = self.f.blocks[block.index()].insts.iter().filter(is_one).count();
            u64::from(self.weight(*block)) * count as u64
        };
        self.flow.order.iter().map(of).sum()
    }

    /// How much what is done in a block counts.
    fn weight(&self, block: BlockId) -> u32 {
        1 << (3 * self.flow.depth[block.index()].min(8))
    }
}

/// Values alive at a place.
struct Now {
    /// Where each is among the others.
    at: Vec<u32>,
    /// Each with up to where it lives in the block.
    values: Vec<(Value, u32)>,
}

impl Now {
    fn new(len: usize) -> Self {
        Self { at: vec![u32::MAX; len], values: Vec::with_capacity(USUALLY_ALIVE) }
    }

    fn clear(&mut self) {
        for (value, _) in self.values.drain(..) {
            self.at[value.index()] = u32::MAX;
        }
    }

    /// Whether it was not alive, so that it is up to here.
    #[inline]
    fn add(&mut self, value: Value, until: u32) -> bool {
        let at = &mut self.at[value.index()];
        if *at != u32::MAX {
            return false;
        }
        *at = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push((value, until));
        true
    }

    /// Up to where it was alive.
    #[inline]
    fn remove(&mut self, value: Value) -> Option<u32> {
        let at = core::mem::replace(&mut self.at[value.index()], u32::MAX);
        if at == u32::MAX {
            return None;
        }
        let (_, until) = self.values.swap_remove(at as usize);
        if let Some(&(moved, _)) = self.values.get(at as usize) {
            self.at[moved.index()] = at;
        }
        Some(until)
    }
}

/// Whether values in one register are never alive at once, and none is where it is changed: the checker of
/// allocations, which goes by what is alive alone.
#[cfg(any(test, debug_assertions))]
pub(crate) fn check<H: Host>(
    f: &Lifted,
    flow: &Flow,
    asked: Asked,
    places: &Places<H>,
) -> Result<(), Value> {
    let mut lives = Lives::<H>::new(f, flow, asked).map_err(|_| Value::NONE)?;
    let mut now = Now::new(f.insts.len());
    let reg = |value: Value| match places.locs[value.index()] {
        Loc::Reg(reg) => Some(reg),
        _ => None,
    };
    for &block in &flow.order {
        now.clear();
        f.edges(block, |edge| {
            for &value in lives.live_in.of(edge.to) {
                now.add(value, 0);
            }
            for &value in f.args(edge).iter().filter(|value| lives.is_placed(**value)) {
                now.add(value, 0);
            }
        });
        f.term_operands(block, |value| {
            if lives.is_placed(value) {
                now.add(value, 0);
            }
        });
        let apart = |now: &Now| {
            let mut seen = 0;
            now.values
                .iter()
                .map(|(value, _)| value)
                .find(|value| match (places.locs[value.index()], reg(**value)) {
                    (Loc::Nowhere, _) => true,
                    (_, Some(reg)) => {
                        let was = seen;
                        seen |= one::<H>(reg);
                        was & one::<H>(reg) != 0
                    }
                    _ => false,
                })
                .copied()
        };
        for &value in f.blocks[block.index()].insts.iter().rev() {
            if let Some(wrong) = apart(&now) {
                return Err(wrong);
            }
            now.remove(value);
            let inst = *f.inst(value);
            // What is written while others are alive must be where none of them is.
            if let Some(own) = reg(value)
                && let Some(&wrong) = now
                    .values
                    .iter()
                    .map(|(value, _)| value)
                    .find(|other| reg(**other) == Some(own))
            {
                return Err(wrong);
            }
            let (clobbers, _) = lives.clobbers(value, &inst);
            let is_hit =
                |value: &&Value| reg(**value).is_some_and(|reg| one::<H>(reg) & clobbers != 0);
            if let Some(&wrong) = now.values.iter().map(|(value, _)| value).find(is_hit) {
                return Err(wrong);
            }
            inst.operands(|operand| {
                if lives.is_placed(operand) {
                    now.add(operand, 0);
                }
            });
        }
        if let Some(wrong) = apart(&now) {
            return Err(wrong);
        }
    }
    Ok(())
}
