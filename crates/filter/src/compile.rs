//! The compiler.

use crate::ast::Expr;
use crate::diff::{Difference, Effort, diff};
use crate::emit::{MEMBER, PREFIX, PREFIX_CELL, emit};
use crate::error::{Error, ErrorKind};
use crate::form::{Cmp, Form, Rhs, Test, Value, ValueId};
use crate::graph::{Graph, Ignored, PlainHeader, REJECT, Splits};
use crate::lower::{Meaning, Options};
use crate::memory::{Memory, Workspace};
use crate::table::{LARGE, Prefixes, Table};
use skep_cbpf::{Insn, Lookup, MAX_INSNS, Program, Reg, check_insns};
use skep_diag::Span;
use std::collections::HashMap;

/// Blocks of which no program that the kernel takes can be made.
const MUCH_TOO_LONG: usize = 4 * MAX_INSNS;

/// Instructions of a program, at most, for which a proof is looked for that a smaller one does, and how long.
const PROVED: usize = 256;
const EFFORT: Effort = Effort { conflicts: 1000, least: 0, gates: 30_000, rounds: 50 };
/// Instructions of the smallest program that is made in other ways as well, as smaller ones gain nothing by it.
const FEW_INSNS: usize = 10;
/// Blocks of the largest graph whose lists become no search trees in the smallest programs.
const NO_TREES: usize = 256;
/// Proofs that are looked for value by value, at most.
const PROOFS: u32 = 8;

/// The program that accepts all packets, or none.
#[must_use]
pub fn program_of_all(accepts: bool, snaplen: u32) -> Program {
    let k = if accepts { snaplen.max(1) } else { 0 };
    check_insns(vec![Insn::RetK { k }]).expect("bug: a return is a program")
}

impl Expr {
    /// The expression as a classic program, which returns [`Options::snaplen`] for packets that match
    /// and 0 for others.
    ///
    /// # Errors
    /// Those of [`Expr::meaning`] and [`Meaning::compile`].
    pub fn compile(&self, options: &Options<'_>) -> Result<Program, Error> {
        let whole = Span::new(0, self.text().len());
        let place = |error: Error| {
            if error.span == Span::default() { Error::new(whole, error.kind) } else { error }
        };
        Workspace::with(|Workspace { meaning, memory }| {
            self.lower(options, meaning)?;
            meaning.compile_in(options.optimise, memory).map_err(place)
        })
    }
}

/// A program that looks into tables: its parts for [`skep_cbpf::translate_with_tables`].
#[derive(Clone, Debug)]
pub struct Tabled {
    /// The program, in which some instructions stand for lookups.
    pub program: Program,
    /// Which, and in which table.
    pub lookups: Vec<Lookup>,
    /// The tables.
    pub tables: Vec<Table>,
}

impl Meaning {
    /// A program for eBPF, in which large lists of numbers are tables: those of lists after `in`, with
    /// [`Options::tables`], and of numbers with `or` between them.
    ///
    /// # Errors
    /// As [`Meaning::compile`]; [`ErrorKind::TableTooLarge`].
    pub fn compile_with_tables(&self, optimise: bool) -> Result<Tabled, Error> {
        let refuses = optimise && !self.as_it_stands;
        if refuses && let Some(error) = &self.folded {
            return Err(error.clone());
        }
        Workspace::with(|work| self.tabled(optimise, &mut work.memory))
    }

    fn tabled(&self, optimise: bool, memory: &mut Memory) -> Result<Tabled, Error> {
        let refuses = optimise && !self.as_it_stands;
        let mut meaning = self.clone();
        let specialises = optimise && meaning.fast;
        let plain = if specialises { meaning.plain_headers() } else { Vec::new() };
        let reserved = meaning.reserve_sets(&plain);
        let (mut graph, mut root) =
            Graph::of(&meaning, optimise, Splits::Yes, Ignored::NOTHING, &mut memory.graph);
        graph.reserved = reserved;
        if optimise {
            root = graph.thread(root);
            root = graph.in_order(root);
            root = graph.specialise(root, &plain);
        }
        root = graph.trees(root);
        if refuses && root == REJECT {
            drop(graph);
            let program = self.rejecting(memory)?;
            return Ok(Tabled { program, lookups: Vec::new(), tables: Vec::new() });
        }
        let program = emit(&meaning, &mut graph, root, optimise, &mut memory.emit)?;
        let mut sets = meaning.sets.clone();
        for (member, numbers) in std::mem::take(&mut graph.found) {
            if let Value::Member(set, _) = meaning.values.get(member)
                && let Some(set) = sets.get_mut(set as usize)
            {
                *set = numbers;
            }
        }
        let (tables, lookups) = self.tables_of(&program, &sets)?;
        Ok(Tabled { program, lookups, tables })
    }

    /// The tables that a program looks into, and where it does. Equal sets have one table.
    fn tables_of(
        &self,
        program: &Program,
        sets: &[Vec<u32>],
    ) -> Result<(Vec<Table>, Vec<Lookup>), Error> {
        /// What is in a table.
        #[derive(PartialEq)]
        enum Set<'a> {
            Numbers(&'a [u32]),
            Prefixes(&'a Prefixes),
        }
        const NO_NUMBERS: Set<'_> = Set::Numbers(&[]);
        let (mut tables, mut lookups): (Vec<(Set<'_>, Table)>, _) = (Vec::new(), Vec::new());
        for (pc, pair) in program.insns().windows(2).enumerate() {
            let (set, words) = match *pair {
                [Insn::LoadImm { reg: Reg::X, k }, MEMBER] => {
                    let numbers = sets.get(k as usize);
                    (numbers.map_or(NO_NUMBERS, |numbers| Set::Numbers(numbers)), (1, 0))
                }
                [Insn::LoadImm { reg: Reg::X, k }, PREFIX] => {
                    let number = k & ((1 << PREFIX_CELL) - 1);
                    let prefixes = self.prefixes.get(number as usize);
                    let words = prefixes.map_or(1, Prefixes::words);
                    (prefixes.map_or(NO_NUMBERS, Set::Prefixes), (words, k >> PREFIX_CELL))
                }
                _ => continue,
            };
            let map = match tables.iter().position(|(other, _)| *other == set) {
                Some(map) => map,
                None => {
                    let table = match set {
                        Set::Numbers(numbers) => Table::of(numbers),
                        Set::Prefixes(prefixes) => Table::of_prefixes(prefixes),
                    };
                    tables.push((set, table?));
                    tables.len() - 1
                }
            };
            lookups.push(tables[map].1.lookup(pc + 1, map, words));
        }
        Ok((tables.into_iter().map(|(_, table)| table).collect(), lookups))
    }

    /// Values for sets that may be found among the tests: of each value that is compared with many numbers.
    fn reserve_sets(&mut self, plain: &[PlainHeader]) -> Vec<(ValueId, ValueId)> {
        /// Lists of the same value.
        const LISTS: usize = 4;
        let mut counts: HashMap<ValueId, usize> = HashMap::new();
        for form in &self.forms {
            if let Form::Test(Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(_) }) =
                form
            {
                *counts.entry(*value).or_default() += 1;
            }
        }
        let mut many: Vec<ValueId> =
            counts.into_iter().filter(|row| row.1 >= LARGE).map(|row| row.0).collect();
        let behind: Vec<ValueId> = many
            .iter()
            .flat_map(|&value| plain.iter().filter_map(move |header| header.of(value)))
            .collect();
        many.extend(behind);
        many.sort_unstable();
        let mut reserved = Vec::new();
        for value in many.into_iter().flat_map(|value| std::iter::repeat_n(value, LISTS)) {
            let set = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
            self.sets.push(Vec::new());
            reserved.push((self.values.add(Value::Member(set, value)), value));
        }
        reserved
    }

    /// A classic program that accepts the packets that match.
    ///
    /// # Errors
    /// [`ErrorKind::TooLong`] if the kernel would not take it. When optimising, as in libpcap:
    /// [`ErrorKind::RejectsAll`] if it sees that no packet can match, [`ErrorKind::Constant`] for arithmetic on
    /// constants that has no result.
    pub fn compile(&self, optimise: bool) -> Result<Program, Error> {
        Workspace::with(|work| self.compile_in(optimise, &mut work.memory))
    }

    fn compile_in(&self, optimise: bool, memory: &mut Memory) -> Result<Program, Error> {
        if !self.sets.is_empty() || !self.prefixes.is_empty() {
            return Err(Error::new(Span::default(), ErrorKind::Tables));
        }
        let refuses = optimise && !self.as_it_stands;
        if refuses && let Some(error) = &self.folded {
            return Err(error.clone());
        }
        if optimise && self.fast {
            let mut fast = self.clone();
            let plain = fast.plain_headers();
            match fast.compile_with(true, &plain, Ignored::NOTHING, memory) {
                // The small one may do.
                Err(Error { kind: ErrorKind::TooLong { .. }, .. }) if !plain.is_empty() => {}
                program => return program,
            }
        }
        let program = self.compile_with(optimise, &[], Ignored::NOTHING, memory)?;
        if optimise && self.smallest && program.insns().len() <= PROVED {
            return self.smallest(program, memory);
        }
        Ok(program)
    }

    /// The program, or a smaller one that is proved to accept the same packets: one that is made as if packets were
    /// never too short for what is loaded of them, or for some values at least.
    fn smallest(&self, program: Program, memory: &mut Memory) -> Result<Program, Error> {
        let compared = |other: &Program| diff(&program, other, EFFORT);
        let nothing = program_of_all(false, self.snaplen);
        match compared(&nothing) {
            Difference::Equal(_) if self.as_it_stands => return Ok(nothing),
            Difference::Equal(_) => return self.rejecting(memory),
            Difference::Packet(_) => {}
            // Nor will the others be decided.
            Difference::Undecided(_) => return Ok(program),
        }
        let mut smaller = |ignored, than: &Program| {
            let other = self.compile_with(true, &[], ignored, memory).ok()?;
            (other.insns().len() < than.insns().len()).then_some(other)
        };
        let Some(other) = smaller(Ignored::ALL, &program) else { return Ok(program) };
        match compared(&other) {
            Difference::Equal(_) => return Ok(other),
            Difference::Packet(_) => {}
            Difference::Undecided(_) => return Ok(program),
        }
        let values = u32::try_from(self.values.len()).unwrap_or(u32::MAX).min(u64::BITS);
        let (mut best, mut ignored, mut proofs) = (None, Ignored::NOTHING, 0);
        for value in (0..values).filter(|&value| self.values.may_fail(value)) {
            let more = ignored.with(value);
            let Some(other) = smaller(more, best.as_ref().unwrap_or(&program)) else { continue };
            match compared(&other) {
                Difference::Equal(_) => (best, ignored) = (Some(other), more),
                Difference::Packet(_) => {}
                Difference::Undecided(_) => break,
            }
            proofs += 1;
            if proofs == PROOFS {
                break;
            }
        }
        Ok(best.unwrap_or(program))
    }

    /// The program where no packet matches.
    ///
    /// # Errors
    /// [`ErrorKind::RejectsAll`] if libpcap sees that, too.
    fn rejecting(&self, memory: &mut Memory) -> Result<Program, Error> {
        let seen = self.as_libpcap_sees_it();
        let (graph, root) = Graph::of(&seen, false, Splits::No, Ignored::ALL, &mut memory.graph);
        if graph.is_refused(root) {
            return Err(Error::new(Span::default(), ErrorKind::RejectsAll));
        }
        Ok(program_of_all(false, self.snaplen))
    }

    /// The same in which numbers that are compared are other values than what conditions load: libpcap has them at
    /// an index, and only finds out later that it is constant. It does not look through what is computed.
    fn as_libpcap_sees_it(&self) -> Self {
        let mut seen = self.clone();
        for &(first, end, computed) in &self.relations {
            for form in seen.forms.get_mut(first as usize..end as usize).unwrap_or_default() {
                if let Form::Test(test) = form
                    && test.mask != 0
                {
                    let other = match seen.values.get(computed.unwrap_or(test.value)) {
                        Value::Abs(size, at) => {
                            let at = seen.values.add(Value::Const(at));
                            Value::Ind(size, at, 0)
                        }
                        Value::Ind(size, base, off) => {
                            let base = seen.values.add(Value::Neg(base));
                            Value::Ind(size, base, off)
                        }
                        value => value,
                    };
                    test.value = seen.values.add(other);
                }
            }
        }
        seen
    }

    fn compile_with(
        &self,
        optimise: bool,
        plain: &[PlainHeader],
        ignored: Ignored,
        memory: &mut Memory,
    ) -> Result<Program, Error> {
        let (program, may_be_smaller) =
            self.compile_once(optimise, plain, Splits::Yes, ignored, memory)?;
        if !may_be_smaller {
            return Ok(program);
        }
        // Copies that a split makes may be more than what it leaves out.
        match self.compile_once(optimise, plain, Splits::No, ignored, memory) {
            Ok((other, _)) if other.insns().len() < program.insns().len() => Ok(other),
            _ => Ok(program),
        }
    }

    /// The program, and whether one without split ways may be smaller.
    fn compile_once(
        &self,
        optimise: bool,
        plain: &[PlainHeader],
        splits: Splits,
        ignored: Ignored,
        memory: &mut Memory,
    ) -> Result<(Program, bool), Error> {
        let refuses = optimise && !self.as_it_stands;
        let (mut graph, mut root) = Graph::of(self, optimise, splits, ignored, &mut memory.graph);
        if optimise {
            root = graph.thread(root);
            // Blocks share instructions, but not so many.
            if root as usize > MUCH_TOO_LONG {
                let insns = graph.len(root);
                if insns > MUCH_TOO_LONG {
                    let kind = ErrorKind::TooLong { insns, most: MAX_INSNS };
                    return Err(Error::new(Span::default(), kind));
                }
            }
            root = graph.with_tags_late(self, root);
            root = graph.in_order(root);
            let idle = graph.without_idle(root);
            root = if idle == root { root } else { graph.in_order(idle) };
            root = graph.specialise(root, plain);
            // Trees take a test more for each sixteen numbers.
            if self.fast || !self.smallest || root as usize > NO_TREES {
                root = graph.trees(root);
            }
        }
        if refuses && root == REJECT {
            drop(graph);
            return Ok((self.rejecting(memory)?, false));
        }
        let may_be_smaller = splits == Splits::Yes && !self.fast && graph.may_be_smaller(root);
        let mut program = emit(self, &mut graph, root, optimise, &mut memory.emit)?;
        let is_worth_it = optimise && !self.fast && program.insns().len() >= FEW_INSNS;
        // What may make the program smaller, or larger. All but one seldom find something.
        let passes = [
            Graph::without_needless,
            Graph::in_order_of_some,
            Graph::without_reloads,
            Graph::merged,
            Graph::joined,
        ];
        let passes = if self.smallest { &passes[..] } else { &passes[3..4] };
        for pass in if is_worth_it { passes } else { &[] } {
            let Some(new) = pass(&mut graph, root) else { continue };
            root = new;
            if refuses && root == REJECT {
                drop(graph);
                return Ok((self.rejecting(memory)?, false));
            }
            if let Ok(other) = emit(self, &mut graph, root, optimise, &mut memory.emit)
                && other.insns().len() < program.insns().len()
            {
                program = other;
            }
        }
        Ok((program, may_be_smaller))
    }
}
