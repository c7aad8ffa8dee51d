//! The middle form as a graph of tests, each with two ways on.
//!
//! Blocks are made from the end to the start, so that where a test leads is known when it is made,
//! and equal blocks are the same block. Then tests that are decided by what was tested before are left
//! out ([`Graph::thread`]).
//!
//! What is kept exactly: whether a packet is rejected for being too short. A test whose outcome does not
//! matter any more but which may reject stays as a *touch*, a test with mask 0 that only loads.

mod build;
mod ends;
mod few;
mod idle;
mod join;
mod merge;
mod plain;
mod refusal;
mod regroup;
mod reload;
mod sets;
mod sink;
mod thread;

use crate::form::{Cmp, Effect, Rhs, Test, Value, ValueId, Values, compare, ones};
use crate::implies::Fact;
use crate::lower::Meaning;
use crate::memory::bytes;
use build::Builder;
pub(crate) use plain::PlainHeader;
use skep_cbpf::AluOp;
use std::cell::Cell;

/// Position of a [`Block`].
pub(crate) type BlockId = u32;

/// Rejects the packet.
pub(crate) const REJECT: BlockId = 0;
/// Accepts the packet.
pub(crate) const ACCEPT: BlockId = 1;

/// Blocks that are searched one by one.
const SEARCHED: usize = 20;

/// Memory of graphs, one after the other: what passes have for each block, and blocks.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    blocks: Vec<Block>,
    spare: Vec<Block>,
    needs: Vec<u32>,
    table: Vec<BlockId>,
    made: Vec<BlockId>,
    counts: Vec<u32>,
    ways: Vec<(BlockId, BlockId)>,
    bits: Vec<u64>,
    facts: Vec<build::Row>,
    few: few::Memory,
    thread: thread::Memory,
    regroup: regroup::Memory,
}

impl Memory {
    /// Blocks that there is room for.
    pub(crate) const fn room(&self) -> usize {
        self.blocks.capacity()
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let Self { blocks, spare, needs, table, made, counts, ways, bits, facts, .. } = self;
        let own = bytes(blocks) + bytes(spare) + bytes(needs) + bytes(table) + bytes(made);
        let more = bytes(counts) + bytes(ways) + bytes(bits) + bytes(facts);
        own + more + self.few.bytes() + self.thread.bytes() + self.regroup.bytes()
    }
}

/// A vector's memory for so many elements, all the same. Whoever takes it puts it back.
pub(crate) fn filled<T: Clone>(memory: &mut Vec<T>, count: usize, element: T) -> Vec<T> {
    let mut vec = std::mem::take(memory);
    vec.clear();
    vec.resize(count, element);
    vec
}

/// What a block does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Test(Test),
    /// Sets cells and goes on to `yes`.
    Effect(u32),
    /// Returns.
    End,
}

/// A test and where it leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) step: Step,
    pub(crate) yes: BlockId,
    pub(crate) no: BlockId,
}

impl Block {
    /// Whether they are equal; where they lead differs most often.
    fn is(&self, other: &Self) -> bool {
        (self.yes, self.no) == (other.yes, other.no) && self.step == other.step
    }
}

/// Blocks; those a block leads to stand before it.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    memory: &'a mut Memory,
    pub(crate) values: &'a Values,
    pub(crate) blocks: Vec<Block>,
    /// For each of the first blocks, the bytes that a packet has at least which is accepted from there on.
    needs: Vec<u32>,
    table: Vec<BlockId>,
    /// Blocks that are in the table; few are searched one by one.
    in_table: usize,
    optimise: bool,
    /// Whether equal blocks are to be the same.
    shares: bool,
    /// Values that say whether others are in sets not known yet, with the others.
    pub(crate) reserved: Vec<(ValueId, ValueId)>,
    /// Sets that became known: the value that says it, and the numbers.
    pub(crate) found: Vec<(ValueId, Vec<u32>)>,
    /// How often a test turned out to lead to one place only.
    folded: u32,
    /// Whether a touch was made.
    has_touches: bool,
    /// The first block of a graph in which tests neither decide others nor are in a bad order, nor are there twice.
    plain: BlockId,
    splits: Splits,
    /// Whether it made a difference.
    was_split: Cell<bool>,
    ignored: Ignored,
}

/// Whether ways go on past tests that only they decide, though other ways that meet them before do not: each then has a
/// copy of what is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Splits {
    Yes,
    No,
}

/// Values of which packets do not matter that end before what is loaded for them, or have a divisor that is 0.
///
/// If there are any, the graph may accept what it should reject, and must be compared with one that does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ignored {
    values: u64,
}

impl Ignored {
    pub(crate) const NOTHING: Self = Self { values: 0 };
    pub(crate) const ALL: Self = Self { values: u64::MAX };

    /// One of the first 64 values more.
    pub(crate) const fn with(self, value: ValueId) -> Self {
        Self { values: self.values | 1 << (value & 63) }
    }

    const fn has(self, value: ValueId) -> bool {
        self.values == u64::MAX || value < u64::BITS && self.values >> value & 1 != 0
    }
}

impl<'a> Graph<'a> {
    /// The graph of a meaning, and its first block.
    pub(crate) fn of(
        meaning: &'a Meaning,
        optimise: bool,
        splits: Splits,
        ignored: Ignored,
        memory: &'a mut Memory,
    ) -> (Self, BlockId) {
        let mut graph = Self {
            values: &meaning.values,
            blocks: std::mem::take(&mut memory.blocks),
            needs: std::mem::take(&mut memory.needs),
            table: std::mem::take(&mut memory.table),
            memory,
            in_table: 0,
            optimise,
            reserved: Vec::new(),
            found: Vec::new(),
            folded: 0,
            shares: optimise,
            has_touches: false,
            plain: REJECT,
            splits,
            was_split: Cell::new(false),
            ignored,
        };
        // Every third form of a long expression is a test that is not there already.
        graph.blocks.reserve(meaning.forms.len() / 3);
        graph.begin();
        let root = Builder::new(&mut graph, meaning).root();
        (graph, root)
    }

    /// Blocks from `root` on.
    pub(crate) fn len(&mut self, root: BlockId) -> usize {
        let ways = self.ways(root);
        let len = ways.iter().skip(ACCEPT as usize + 1).filter(|&&ways| ways > 0).count();
        self.memory.counts = ways;
        len
    }

    /// Whether ways were split, so that another graph may be smaller.
    pub(crate) fn may_be_smaller(&self, root: BlockId) -> bool {
        /// Blocks, at most, that are worth another look.
        const MOST: BlockId = 256;
        self.was_split.get() && root <= MOST
    }

    /// How many ways from `root` lead to each block. The caller gives it back as [`Memory::counts`].
    fn ways(&mut self, root: BlockId) -> Vec<u32> {
        let mut ways = filled(&mut self.memory.counts, root as usize + 1, 0);
        ways[root as usize] = 1;
        for id in (ACCEPT + 1..=root).rev() {
            if ways[id as usize] == 0 {
                continue;
            }
            let Block { yes, no, .. } = self.blocks[id as usize];
            ways[yes as usize] += 1;
            if yes != no {
                ways[no as usize] += 1;
            }
        }
        ways
    }

    /// Makes the blocks to which ways lead anew, from the end. `replace` may make one differently; it is
    /// told what became of those before.
    fn rebuild(
        &mut self,
        root: BlockId,
        ways: &[u32],
        replace: impl FnMut(&mut Self, BlockId, &[BlockId]) -> Option<BlockId>,
    ) -> BlockId {
        self.renew(
            root,
            |id, block| (ways[id as usize] > 0).then_some((block.yes, block.no)),
            replace,
        )
    }

    /// Makes the blocks for which `leads` says where they lead anew, and forgets all others.
    fn renew(
        &mut self,
        root: BlockId,
        leads: impl Fn(BlockId, &Block) -> Option<(BlockId, BlockId)>,
        mut replace: impl FnMut(&mut Self, BlockId, &[BlockId]) -> Option<BlockId>,
    ) -> BlockId {
        let old = self.clear();
        let mut made = filled(&mut self.memory.made, root as usize + 1, REJECT);
        made[ACCEPT as usize] = ACCEPT;
        for id in ACCEPT + 1..=root {
            let block = &old[id as usize];
            let Some((yes, no)) = leads(id, block) else { continue };
            made[id as usize] = match replace(self, id, &made) {
                Some(new) => new,
                None => {
                    let is_same = (yes, no) == (block.yes, block.no);
                    self.remake(block.step, made[yes as usize], made[no as usize], is_same)
                }
            };
        }
        let root = made[root as usize];
        (self.memory.spare, self.memory.made) = (old, made);
        root
    }

    /// Takes out all blocks but those that end.
    fn clear(&mut self) -> Vec<Block> {
        let room = self.blocks.len();
        let new = std::mem::take(&mut self.memory.spare);
        let old = std::mem::replace(&mut self.blocks, new);
        self.blocks.clear();
        self.blocks.reserve(room);
        self.blocks.extend_from_slice(&old[..=ACCEPT as usize]);
        self.needs.truncate(ACCEPT as usize + 1);
        self.in_table = 0;
        self.plain = REJECT;
        old
    }

    /// The blocks that end, and no others.
    fn begin(&mut self) {
        let end = Block { step: Step::End, yes: REJECT, no: REJECT };
        self.blocks.clear();
        self.blocks.extend([end, end]);
        self.needs.clear();
        self.needs.extend([u32::MAX, 0]);
    }

    /// A block with other ways on.
    fn remake(&mut self, step: Step, yes: BlockId, no: BlockId, is_same: bool) -> BlockId {
        match step {
            // A touch.
            Step::Test(test) if is_same && thread::is_touch(&test, yes, no) => {
                self.touch(test.value, yes)
            }
            Step::Test(test) => self.finish(test, yes, no),
            Step::Effect(_) if yes == REJECT => REJECT,
            Step::Effect(_) | Step::End => self.add(Block { step, yes, no }),
        }
    }

    pub(crate) fn block(&self, id: BlockId) -> Block {
        self.blocks.get(id as usize).copied().unwrap_or(Block {
            step: Step::End,
            yes: REJECT,
            no: REJECT,
        })
    }

    /// A test, decided where it can be.
    pub(crate) fn test(&mut self, test: Test, yes: BlockId, no: BlockId) -> BlockId {
        if self.optimise {
            let (test, always) = self.normal(test);
            return self.normal_test(test, always, yes, no);
        }
        // A graph of which no program is made keeps them.
        if self.ignored == Ignored::NOTHING && self.faults(&test) {
            REJECT
        } else {
            self.add(Block { step: Step::Test(test), yes, no })
        }
    }

    /// Whether one of the values cannot be computed, whatever the packet.
    fn faults(&self, test: &Test) -> bool {
        let faults = |id| self.values.get(id) == Value::Fault;
        faults(test.value) || matches!(test.rhs, Rhs::Value(rhs) if faults(rhs))
    }

    /// A test as [`Graph::normal`] makes it, and whether that decides it.
    fn normal_test(
        &mut self,
        test: Test,
        always: Option<bool>,
        yes: BlockId,
        no: BlockId,
    ) -> BlockId {
        if self.faults(&test) {
            return REJECT;
        }
        if let Some(holds) = always {
            let next = if holds { yes } else { no };
            let next = match test.rhs {
                Rhs::Const(_) => next,
                Rhs::Value(rhs) => self.touch(rhs, next),
            };
            return self.touch(test.value, next);
        }
        let (mut yes, mut no) = (yes, no);
        if self.asks(yes, test.value) {
            yes = self.skip(yes, Fact { test, holds: true });
        }
        if self.asks(no, test.value) {
            no = self.skip(no, Fact { test, holds: false });
        }
        self.finish(test, yes, no)
    }

    /// Whether a block tests the value.
    fn asks(&self, id: BlockId, value: ValueId) -> bool {
        id > ACCEPT
            && matches!(&self.blocks[id as usize].step, Step::Test(test) if test.value == value)
    }

    fn finish(&mut self, test: Test, yes: BlockId, no: BlockId) -> BlockId {
        let (mut yes, mut no) = (yes, no);
        let is_len = self.values.known_len() == Some(test.value) && test.mask == u32::MAX;
        if let (true, Rhs::Const(k)) = (is_len, test.rhs) {
            // What is accepted is at least as long as what is loaded of it.
            match test.cmp {
                Cmp::Ge if self.needed(no) >= k => no = REJECT,
                Cmp::Eq if self.needed(yes) > k => yes = REJECT,
                _ => {}
            }
            match test.cmp {
                Cmp::Ge if no == REJECT && self.needed(yes) >= k => return yes,
                Cmp::Eq if yes == REJECT && self.needed(no) > k => return no,
                _ => {}
            }
        }
        if let Rhs::Value(rhs) = test.rhs
            && let Some((most, least)) = self.as_length(&test, rhs)
        {
            if least > most {
                yes = no;
            } else if self.needed(yes) > most {
                yes = REJECT;
            }
        }
        if yes == no {
            self.folded += 1;
            let next = match test.rhs {
                Rhs::Const(_) => yes,
                Rhs::Value(rhs) => self.touch(rhs, yes),
            };
            return self.touch(test.value, next);
        }
        // The next block loads the value, too, and comes to the same without what is tested here.
        if matches!(test.rhs, Rhs::Const(_)) {
            let asks = |id| self.asks(id, test.value);
            if asks(no) && self.leads(no, Fact { test, holds: true }, yes) {
                return no;
            }
            if asks(yes) && self.leads(yes, Fact { test, holds: false }, no) {
                return yes;
            }
        }
        // Nothing would be left to load what it is compared with, if that is a value.
        if self.values.overlap() && matches!(test.rhs, Rhs::Const(_)) {
            let past = |from, holds, to| self.leads_by_bytes(from, Fact { test, holds }, to);
            if past(no, true, yes) {
                return self.touch(test.value, no);
            }
            if past(yes, false, no) {
                return self.touch(test.value, yes);
            }
        }
        self.add(Block { step: Step::Test(test), yes, no })
    }

    /// Whether the test of a block, which loads less or need not, leads to another by what a fact says of its bytes.
    fn leads_by_bytes(&self, from: BlockId, fact: Fact, to: BlockId) -> bool {
        let Block { step: Step::Test(test), yes, no } = self.blocks[from as usize] else {
            return false;
        };
        let is_loaded = to == REJECT
            || self.end(test.value).is_some_and(|end| Some(end) <= self.end(fact.test.value));
        let decided = idle::by_bytes(self.values, [fact], &test).filter(|_| is_loaded);
        decided.is_some_and(|decided| to == if decided { yes } else { no })
    }

    /// What a value is at most that is to be equal to the length, and the bytes that the packet has at least of which it is computed.
    fn as_length(&self, test: &Test, rhs: ValueId) -> Option<(u32, u32)> {
        let other = match self.values.known_len()? {
            len if len == test.value => rhs,
            len if len == rhs => test.value,
            _ => return None,
        };
        ((test.cmp, test.mask) == (Cmp::Eq, u32::MAX))
            .then(|| (self.values.most(other), self.least(other)))
    }

    /// How a value compares with itself, or with itself and something added.
    fn is_always(&self, test: &Test, rhs: ValueId) -> Option<bool> {
        if test.value == rhs {
            return Some(test.cmp != Cmp::Gt);
        }
        let is_another = |value: ValueId, other: ValueId| {
            matches!(self.values.get(value), Value::Alu(AluOp::Add | AluOp::Xor, inner, more)
                if inner == other && self.values.constant(more).is_some_and(|more| more != 0))
        };
        let is_another = is_another(test.value, rhs) || is_another(rhs, test.value);
        (test.cmp == Cmp::Eq && is_another).then_some(false)
    }

    /// Comparisons with constants as [`Cmp::Eq`] and [`Cmp::Ge`], masks without bits that the value
    /// never has, and whether that decides it.
    fn normal(&self, mut test: Test) -> (Test, Option<bool>) {
        let mut k = match test.rhs {
            Rhs::Const(k) => k,
            Rhs::Value(rhs) => return (test, self.is_always(&test, rhs)),
        };
        if let Some(value) = self.values.constant(test.value) {
            return (test, Some(compare(test.cmp, value & test.mask, k)));
        }
        let bits = ones(self.values.most(test.value));
        let most = bits & test.mask;
        if test.cmp == Cmp::Gt {
            if k >= most {
                return (test, Some(false));
            }
            (test.cmp, k) = (Cmp::Ge, k + 1);
        }
        test.rhs = Rhs::Const(k);
        let always = match test.cmp {
            Cmp::Eq if k & !most != 0 => Some(false),
            Cmp::Eq if most == 0 => Some(true),
            Cmp::Eq if test.mask == u32::MAX && self.values.is_never(test.value, k) => Some(false),
            Cmp::Ge | Cmp::Gt if k == 0 => Some(true),
            Cmp::Ge | Cmp::Gt if k > most => Some(false),
            _ => None,
        };
        // Nothing but 0 is below 1, nothing but the greatest is not below it.
        if test.cmp == Cmp::Ge && k == most && test.mask & bits == bits && always.is_none() {
            test.cmp = Cmp::Eq;
        }
        test.mask = if most == bits { u32::MAX } else { most };
        (test, always)
    }

    /// Goes on to `next` if the value can be computed, which it can if what it is made of can.
    fn touch(&mut self, value: ValueId, next: BlockId) -> BlockId {
        let (Value::Neg(_) | Value::Alu(..)) = self.values.get(value) else {
            return self.touch_one(value, next);
        };
        // As deep as the expression is long.
        let (mut next, mut pending) = (next, vec![value]);
        while let Some(value) = pending.pop() {
            match self.values.get(value) {
                Value::Neg(operand) => pending.push(operand),
                Value::Alu(op, left, right) => {
                    pending.extend([left, right]);
                    if matches!(op, AluOp::Div | AluOp::Mod) {
                        next = self.divides(right, next);
                    }
                }
                _ => next = self.touch_one(value, next),
            }
        }
        next
    }

    /// Goes on to `next` if the value, which is a divisor, is not 0.
    fn divides(&mut self, value: ValueId, next: BlockId) -> BlockId {
        // The length is 0 only where no byte can be loaded.
        let is_long = self.values.known_len() == Some(value) && self.needed(next) > 0;
        let is_ignored = self.ignored.has(value);
        if next == REJECT || is_long || is_ignored || !self.values.may_be_zero(value) {
            return next;
        }
        // Something added to a number, or exclusive or, is 0 for one number.
        let (mut value, mut k) = (value, 0u32);
        while let Value::Alu(op @ (AluOp::Add | AluOp::Xor), inner, by) = self.values.get(value)
            && let Some(by) = self.values.constant(by)
        {
            k = if op == AluOp::Add { k.wrapping_sub(by) } else { k ^ by };
            value = inner;
        }
        let test = Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(k) };
        self.test(test, REJECT, next)
    }

    fn touch_one(&mut self, value: ValueId, next: BlockId) -> BlockId {
        if next == REJECT || !self.may_reject(value) || self.is_touched(value, next) {
            return next;
        }
        let test = Test { value, mask: 0, cmp: Cmp::Eq, rhs: Rhs::Const(0) };
        self.has_touches = true;
        self.add(Block { step: Step::Test(test), yes: next, no: next })
    }

    /// Whether computing the value may reject the packet.
    fn may_reject(&self, value: ValueId) -> bool {
        !self.ignored.has(value) && self.values.may_fail(value)
    }

    /// Whether the block loads the value itself first, or more is loaded before any packet is accepted.
    fn is_touched(&mut self, value: ValueId, block: BlockId) -> bool {
        self.end_at_most(value).is_some_and(|end| end <= self.needed(block))
            || matches!(self.block(block).step, Step::Test(test)
                if test.value == value || ends::ends_behind(self.values, test.value, value))
    }

    /// The first block from here on that the fact does not decide.
    ///
    /// The fact's value was loaded to know it, so leaving out another test of that value leaves out no
    /// load.
    fn skip(&self, mut id: BlockId, fact: Fact) -> BlockId {
        while let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] {
            id = match fact.decides(&test).filter(|_| self.goes_past(&fact, &test)) {
                Some(true) => yes,
                Some(false) => no,
                None => break,
            };
        }
        id
    }

    /// Whether a way goes on past a test that a fact decides.
    #[inline]
    fn goes_past(&self, fact: &Fact, test: &Test) -> bool {
        if fact.is_plain(test) {
            return true;
        }
        self.was_split.set(true);
        self.splits == Splits::Yes
    }

    /// Whether a few tests from a block on, all decided by the fact, lead to another.
    fn leads(&self, mut from: BlockId, fact: Fact, to: BlockId) -> bool {
        const STEPS: usize = 4;
        for _ in 0..STEPS {
            let Block { step: Step::Test(test), yes, no } = self.blocks[from as usize] else {
                break;
            };
            from = match fact.decides(&test) {
                Some(true) => yes,
                Some(false) => no,
                None => break,
            };
            if from == to {
                return true;
            }
        }
        false
    }

    /// The block, or the equal one that is there already.
    pub(crate) fn add(&mut self, block: Block) -> BlockId {
        let id = BlockId::try_from(self.blocks.len()).unwrap_or(BlockId::MAX);
        if self.shares {
            // It stands behind those that it leads to; most lead to one of the last.
            let first = block.yes.max(block.no).max(ACCEPT) + 1;
            let later = self.blocks.get(first as usize..).unwrap_or(&[]);
            let there = if later.len() < SEARCHED {
                (first..).zip(later).find(|(_, other)| block.is(other)).map(|found| found.0)
            } else {
                self.find(&block)
            };
            if let Some(there) = there {
                return there;
            }
        }
        self.blocks.push(block);
        id
    }

    /// The equal block, found in the table.
    fn find(&mut self, block: &Block) -> Option<BlockId> {
        self.fill_table();
        let mask = self.table.len() - 1;
        let mut slot = hash(block) & mask;
        while self.table[slot] != 0 {
            let id = self.table[slot];
            if block.is(&self.blocks[id as usize]) {
                return Some(id);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// All blocks into the table, which has room for as many again at least.
    fn fill_table(&mut self) {
        if self.blocks.len() * 2 >= self.table.len() || self.in_table == 0 {
            let len = (self.blocks.len() * 4).next_power_of_two();
            self.table.clear();
            self.table.resize(len, 0);
            self.in_table = ACCEPT as usize + 1;
        }
        let mask = self.table.len() - 1;
        let rest = self.blocks.get(self.in_table..).unwrap_or(&[]);
        for block in rest {
            let mut slot = hash(block) & mask;
            while self.table[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.table[slot] = BlockId::try_from(self.in_table).unwrap_or(BlockId::MAX);
            self.in_table += 1;
        }
    }
}

impl Drop for Graph<'_> {
    /// The memory is for the next one.
    fn drop(&mut self) {
        self.memory.blocks = std::mem::take(&mut self.blocks);
        self.memory.needs = std::mem::take(&mut self.needs);
        self.memory.table = std::mem::take(&mut self.table);
    }
}

impl Meaning {
    /// Whether an effect sets only a cell that nothing reads, and cannot reject.
    fn is_idle(&self, effect: u32) -> bool {
        match self.effects.get(effect as usize) {
            Some(&Effect::Tag(cell)) => !self.values.contains(Value::Cell(cell)),
            _ => false,
        }
    }
}

fn hash(block: &Block) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let ways = u64::from(block.yes) << 32 | u64::from(block.no);
    let own = match block.step {
        Step::Test(Test { value, mask, cmp, rhs }) => {
            let rhs = match rhs {
                Rhs::Const(k) => u64::from(k),
                Rhs::Value(id) => u64::from(id) | 1 << 40,
            };
            let mask = u64::from(mask).rotate_left(29) ^ cmp as u64;
            (u64::from(value) << 48 ^ rhs).wrapping_mul(ODD) ^ mask.wrapping_mul(ODD | 2)
        }
        Step::Effect(effect) => u64::from(effect),
        Step::End => 0,
    };
    let mixed = (ways.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ own).wrapping_mul(ODD);
    (mixed >> 29) as usize
}

#[cfg(test)]
mod tests;
