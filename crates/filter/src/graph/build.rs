//! A meaning as a graph, made from its end to its start.
//!
//! A condition is asked only if those to its left came out in a certain way. What tests among them say then decides
//! tests of the condition, and tests that ways out of it lead to: those are left out here, before there are blocks for them.
//! What only meets on some ways is left to [`Graph::thread`].

use super::{ACCEPT, Block, BlockId, Graph, REJECT, Step};
use crate::form::{Cmp, Form, FormId, Rhs, Test, Value, ValueId};
use crate::implies::Fact;
use crate::lower::Meaning;
use smallvec::SmallVec;

/// Facts looked at, the latest of those that hold.
const LOOKED_AT: usize = 8;
/// Conditions entered for facts.
const ENTERED: u32 = 10;
/// Conditions with `or` between them that are worth a look for equal beginnings.
const LIST: usize = 4;
/// Forms of the shortest expression with so many.
const SHORTEST: usize = 36;
/// Beginnings that a list may have: protocols, for all practical purposes.
const BEGINNINGS: usize = 8;

/// The bit of a value.
const fn bit(value: ValueId) -> u64 {
    1 << (value & 63)
}

pub(super) struct Builder<'g, 'a> {
    graph: &'g mut Graph<'a>,
    meaning: &'a Meaning,
    /// What holds where the condition at hand is asked, the latest last.
    facts: Vec<Row>,
    /// A test as [`Graph::normal`] makes it, of the form that is built next.
    ready: Option<(FormId, Test, Option<bool>)>,
}

/// A fact, and which values it and those before it are about, as bits that others share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    fact: Fact,
    values: u64,
}

/// What a condition begins with: whether a value is a number.
type Beginning = (ValueId, u32);

/// A condition of a list.
#[derive(Clone, Copy)]
struct Item {
    form: FormId,
    is_not: bool,
    beginning: Option<Beginning>,
}

impl<'g, 'a> Builder<'g, 'a> {
    pub(super) fn new(graph: &'g mut Graph<'a>, meaning: &'a Meaning) -> Self {
        let mut facts = std::mem::take(&mut graph.memory.facts);
        facts.clear();
        Self { graph, meaning, facts, ready: None }
    }

    /// The graph of the meaning: its first block.
    pub(super) fn root(mut self) -> BlockId {
        let root = self.build(self.meaning.root, ACCEPT, REJECT);
        self.graph.memory.facts = self.facts;
        root
    }

    fn note(&mut self, fact: Fact) {
        let before = self.facts.last().map_or(0, |row| row.values);
        self.facts.push(Row { fact, values: before | bit(fact.test.value) });
    }

    /// The latest facts, if some are about the value.
    #[inline]
    fn about(&self, value: ValueId) -> impl Iterator<Item = &Fact> {
        let is_any = self.facts.last().is_some_and(|row| row.values & bit(value) != 0);
        let known = if is_any { &self.facts[..] } else { &[] };
        known.iter().rev().take(LOOKED_AT).map(|row| &row.fact)
    }

    fn form(&self, form: FormId) -> Form {
        self.meaning.forms.get(form as usize).copied().unwrap_or(Form::Const(false))
    }

    /// The condition `form`, which leads to `yes` or `no`. Left operands are gone along, right ones, which
    /// are nested no deeper than parentheses, are entered.
    fn build(&mut self, form: FormId, yes: BlockId, no: BlockId) -> BlockId {
        let (mut form, mut yes, mut no) = (form, yes, no);
        let mut may_be_list = self.graph.optimise && self.meaning.forms.len() >= SHORTEST;
        loop {
            match self.form(form) {
                Form::And(left, right) => {
                    if std::mem::take(&mut may_be_list)
                        && let Some(first) = self.list(form, true, no, yes)
                    {
                        return first;
                    }
                    yes = self.behind(left, true, right, yes, no);
                    form = left;
                }
                Form::Or(left, right) => {
                    if std::mem::take(&mut may_be_list)
                        && let Some(first) = self.list(form, false, yes, no)
                    {
                        return first;
                    }
                    no = self.behind(left, false, right, yes, no);
                    form = left;
                }
                Form::Not(operand) => {
                    (yes, no) = (no, yes);
                    form = operand;
                }
                Form::Const(value) => return if value { yes } else { no },
                Form::Test(test) => return self.test_of(form, test, yes, no),
                Form::Effect(effect) => {
                    if self.graph.optimise && (yes == REJECT || self.meaning.is_idle(effect)) {
                        return yes;
                    }
                    return self.graph.add(Block { step: Step::Effect(effect), yes, no: yes });
                }
            }
        }
    }

    /// The test that a form is.
    fn test_of(&mut self, form: FormId, test: Test, yes: BlockId, no: BlockId) -> BlockId {
        match self.ready.take() {
            Some((of, test, always)) if of == form => self.normal_test(test, always, yes, no),
            _ => self.test(test, yes, no),
        }
    }

    fn test(&mut self, test: Test, yes: BlockId, no: BlockId) -> BlockId {
        if self.facts.is_empty() {
            return self.graph.test(test, yes, no);
        }
        let (test, always) = self.graph.normal(test);
        self.normal_test(test, always, yes, no)
    }

    fn normal_test(
        &mut self,
        test: Test,
        always: Option<bool>,
        yes: BlockId,
        no: BlockId,
    ) -> BlockId {
        match self.decides(&test).filter(|_| always.is_none()) {
            Some(true) => yes,
            Some(false) => no,
            None => self.graph.normal_test(test, always, yes, no),
        }
    }

    /// The condition `form`, which is asked only if `left` came out as `holds`.
    fn behind(
        &mut self,
        left: FormId,
        holds: bool,
        form: FormId,
        yes: BlockId,
        no: BlockId,
    ) -> BlockId {
        if !self.graph.optimise {
            return self.build(form, yes, no);
        }
        let before = self.facts.len();
        let (mut left, mut holds) = (left, holds);
        while let Form::Not(operand) = self.form(left) {
            (left, holds) = (operand, !holds);
        }
        let mut ready = None;
        if let Form::Test(test) = self.form(left) {
            let (test, always) = self.graph.normal(test);
            if always.is_none() {
                if self.decides(&test) == Some(!holds) {
                    return REJECT;
                }
                self.note(Fact { test, holds });
            }
            ready = Some((left, test, always));
        } else {
            if before > 0 && self.is_never(left, holds) {
                return REJECT;
            }
            self.learn(left, holds, &mut { ENTERED });
        }
        let first = self.knowing(form, before, yes, no);
        self.facts.truncate(before);
        self.ready = ready;
        first
    }

    /// The condition `form`, where more holds than the first so many facts.
    fn knowing(&mut self, form: FormId, before: usize, yes: BlockId, no: BlockId) -> BlockId {
        if self.facts.len() == before {
            return self.build(form, yes, no);
        }
        let on = |id: BlockId| if id > ACCEPT { self.follow(id) } else { id };
        let (yes, no) = (on(yes), on(no));
        self.build(form, yes, no)
    }

    /// Whether the condition cannot come out like this, by what holds.
    fn is_never(&self, form: FormId, holds: bool) -> bool {
        let (mut form, mut holds) = (form, holds);
        for _ in 0..ENTERED {
            match self.form(form) {
                Form::Test(test) => {
                    let (test, always) = self.graph.normal(test);
                    return always.is_none() && self.decides(&test) == Some(!holds);
                }
                Form::And(left, _) if holds => form = left,
                Form::Or(left, _) if !holds => form = left,
                Form::Not(operand) => (form, holds) = (operand, !holds),
                _ => break,
            }
        }
        false
    }

    /// What tests say if the condition came out like this; the last of them first.
    fn learn(&mut self, form: FormId, holds: bool, left: &mut u32) {
        let (mut form, mut holds) = (form, holds);
        while *left > 0 {
            *left -= 1;
            match self.form(form) {
                Form::Test(test) => {
                    let (test, always) = self.graph.normal(test);
                    if always.is_none() {
                        self.note(Fact { test, holds });
                    }
                    return;
                }
                Form::Not(operand) => (form, holds) = (operand, !holds),
                Form::And(one, other) if holds => {
                    self.learn(other, holds, left);
                    form = one;
                }
                Form::Or(one, other) if !holds => {
                    self.learn(other, holds, left);
                    form = one;
                }
                _ => return,
            }
        }
    }

    fn decides(&self, test: &Test) -> Option<bool> {
        self.about(test.value).find_map(|fact| fact.decides(test))
    }

    /// The first block from here on that what holds does not decide.
    ///
    /// The values of facts were loaded to know them, so leaving out other tests of them leaves out no load.
    fn follow(&self, mut id: BlockId) -> BlockId {
        while let Block { step: Step::Test(test), yes, no } = self.graph.blocks[id as usize] {
            let mut facts = self.about(test.value);
            let decided = facts.find_map(|fact| Some((fact, fact.decides(&test)?)));
            id = match decided.filter(|(fact, _)| self.graph.goes_past(fact, &test)) {
                Some((_, true)) => yes,
                Some((_, false)) => no,
                None => break,
            };
        }
        id
    }

    /// Conditions with `or` between them (with `and`, each with `not` before it, if `is_not`), if some begin with the
    /// same test: then that is asked once, and behind it what remains of all of them. The value is
    /// loaded first in any case, so no load moves.
    fn list(&mut self, form: FormId, is_not: bool, yes: BlockId, no: BlockId) -> Option<BlockId> {
        let (Form::And(left, last) | Form::Or(left, last)) = self.form(form) else { return None };
        // Few are lists; the last two tell most others.
        let (mut one, mut other) = ((last, is_not), (left, is_not));
        while let Some((_, last)) = self.parts(one.0, one.1) {
            one = last;
        }
        while let Some((_, last)) = self.parts(other.0, other.1) {
            other = last;
        }
        let (one, other) = (self.beginning(one), self.beginning(other));
        if one.is_none() || one.map(|one| one.0) != other.map(|other| other.0) {
            return None;
        }
        let mut items: SmallVec<[Item; 16]> = SmallVec::new();
        let mut pending: SmallVec<[(FormId, bool); 8]> = smallvec::smallvec![(form, is_not)];
        while let Some((form, is_not)) = pending.pop() {
            match self.parts(form, is_not) {
                Some((left, right)) => pending.extend([left, right]),
                None => {
                    let beginning = self.beginning((form, is_not));
                    items.push(Item { form, is_not, beginning });
                }
            }
        }
        (items.len() >= LIST).then(|| self.items(&items, yes, no))
    }

    /// The two conditions of which one suffices.
    fn parts(&self, form: FormId, is_not: bool) -> Option<((FormId, bool), (FormId, bool))> {
        match self.form(form) {
            Form::Or(left, right) if !is_not => Some(((left, false), (right, false))),
            Form::And(left, right) if is_not => Some(((left, true), (right, true))),
            Form::Not(operand) => match self.form(operand) {
                Form::Or(left, right) if is_not => Some(((left, false), (right, false))),
                Form::And(left, right) if !is_not => Some(((left, true), (right, true))),
                _ => None,
            },
            _ => None,
        }
    }

    /// What the condition begins with.
    fn beginning(&self, (mut form, is_not): (FormId, bool)) -> Option<Beginning> {
        for _ in 0..if is_not { 0 } else { ENTERED } {
            match self.form(form) {
                Form::And(left, _) => form = left,
                Form::Test(Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(k) }) => {
                    let is_load = matches!(self.graph.values.get(value), Value::Abs(..));
                    return is_load.then_some((value, k));
                }
                _ => break,
            }
        }
        None
    }

    /// Conditions, the last first, of which one suffices.
    fn items(&mut self, items: &[Item], yes: BlockId, no: BlockId) -> BlockId {
        let mut next = no;
        let mut rest = items;
        while let Some(&item) = rest.first() {
            // Those that begin with a test of the same value, and the numbers, in the order of the text, the last first.
            let mut numbers: SmallVec<[u32; BEGINNINGS]> = SmallVec::new();
            let mut count = 0;
            while let Some(value) = item.beginning.map(|beginning| beginning.0)
                && let Some(Item { beginning: Some((other, k)), .. }) = rest.get(count)
                && *other == value
            {
                match numbers.iter().position(|number| number == k) {
                    Some(at) => {
                        numbers.remove(at);
                    }
                    None if numbers.len() == BEGINNINGS => break,
                    None => {}
                }
                numbers.push(*k);
                count += 1;
            }
            let (run, before) = rest.split_at(count.max(1));
            let known = self.facts.len();
            for item in before.iter().take(LIST) {
                self.learn(item.form, item.is_not, &mut { ENTERED / 2 });
            }
            next = match item.beginning {
                Some((value, _)) if run.len() > 1 => self.run(run, value, &numbers, yes, next),
                _ => {
                    let (yes, no) = if item.is_not { (next, yes) } else { (yes, next) };
                    self.knowing(item.form, known, yes, no)
                }
            };
            self.facts.truncate(known);
            rest = before;
        }
        next
    }

    /// A condition whose beginning holds.
    fn behind_beginning(&mut self, form: FormId, yes: BlockId, no: BlockId) -> BlockId {
        match self.form(form) {
            // Most have nothing to the left but that.
            Form::And(left, right) if matches!(self.form(left), Form::Test(_)) => {
                self.build(right, yes, no)
            }
            _ => self.build(form, yes, no),
        }
    }

    /// Conditions, the last first, that begin with a test whether the value is one of the numbers.
    fn run(
        &mut self,
        run: &[Item],
        value: ValueId,
        numbers: &[u32],
        yes: BlockId,
        no: BlockId,
    ) -> BlockId {
        let known = self.facts.len();
        let mut next = no;
        for &number in numbers {
            let test = Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(number) };
            let (normal, always) = self.graph.normal(test);
            self.note(Fact { test: normal, holds: true });
            let (there, mut rest) = (self.follow(yes), self.follow(no));
            for item in run {
                if always.is_none() && item.beginning == Some((value, number)) {
                    rest = self.behind_beginning(item.form, there, rest);
                }
            }
            self.facts.truncate(known);
            next = self.test(test, rest, next);
        }
        next
    }
}
