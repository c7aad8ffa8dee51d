//! The graph as a classic program.
//!
//! Two walks. From the root on, each block gets the instructions that bring its value into `A`, fewer if
//! all ways to it leave something there or in `X` ([`Machine`]). From the end back, the blocks are laid
//! out: all that a jump leads to is in place when the jump is, so its distance is known, and one of more
//! than 255 instructions goes by way of a `ja` or a further `ret` right behind it.

mod deep;
mod machine;
mod state;

use crate::error::{Error, ErrorKind};
use crate::form::{Cmp, Effect, Init, Rhs, Test, Value};
use crate::graph::{ACCEPT, BlockId, Graph, REJECT, Step};
use crate::lower::Meaning;
use crate::memory::bytes;
use machine::Machine;
pub(crate) use machine::{MEMBER, PREFIX, PREFIX_CELL};
use skep_cbpf::{AluOp, CheckError, CondOp, Insn, MAX_INSNS, Program, Reg, Src, check_insns};
use skep_diag::Span;
use state::State;

/// Blocks that are searched one by one.
const SEARCHED: usize = 16;

/// How a block ends.
#[derive(Clone, Copy, Debug)]
struct Branch {
    /// Nothing: it goes on to `yes`.
    cond: Option<(CondOp, Src)>,
    yes: BlockId,
    no: BlockId,
}

/// A block whose instructions are there: where they end, those of the one before it being where they begin.
#[derive(Clone, Copy, Debug)]
struct Part {
    id: BlockId,
    end: usize,
    branch: Branch,
}

/// Memory of programs in the making, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    states: Vec<State>,
    code: Vec<Insn>,
    parts: Vec<Part>,
    places: Vec<Places>,
    made: Vec<Made>,
    buckets: Vec<u32>,
    out: Vec<Insn>,
}

impl Memory {
    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let Self { states, code, parts, places, made, buckets, out } = self;
        let layout = bytes(places) + bytes(made) + bytes(buckets) + bytes(out);
        bytes(states) + bytes(code) + bytes(parts) + layout
    }
}

/// What is done where a program is refused otherwise.
#[derive(Clone, Copy, Debug, Default)]
struct Care {
    /// All memory is written at the start.
    writes_all: bool,
    /// No operand waits in a cell that need not.
    saves_cells: bool,
}

/// The program of a graph.
///
/// What stands behind a `ret` is, to the kernel, reached with the scratch memory that the `ret` is reached with. A long
/// program has such in its middle, and so may be refused for memory that is written on every way; then all
/// memory is written at the start.
pub(crate) fn emit(
    meaning: &Meaning,
    graph: &mut Graph<'_>,
    root: BlockId,
    optimise: bool,
    memory: &mut Memory,
) -> Result<Program, Error> {
    let mut care = Care::default();
    loop {
        match emit_with(meaning, graph, root, optimise, care, memory) {
            Err(Error { kind: ErrorKind::Refused(CheckError::Uninitialised { .. }), .. })
                if !care.writes_all =>
            {
                care.writes_all = true;
            }
            Err(Error { kind: ErrorKind::Registers, .. }) if !care.saves_cells => {
                care.saves_cells = true;
            }
            program => return program,
        }
    }
}

fn emit_with(
    meaning: &Meaning,
    graph: &mut Graph<'_>,
    root: BlockId,
    optimise: bool,
    care: Care,
    memory: &mut Memory,
) -> Result<Program, Error> {
    let count = (root as usize + 1).max(2);
    let Memory { states, code: kept, parts, places, made, buckets, out } = memory;
    let mut machine = Machine::new(meaning, optimise, std::mem::take(kept));
    machine.waits = !care.saves_cells;
    if care.writes_all {
        machine.write_all();
    }
    // What is in the registers where a block begins.
    states.clear();
    states.resize(count, State::NOWHERE);
    let has_cells = meaning.cells.iter().any(Option::is_some);
    let needed = if optimise && has_cells { graph.needed(root) } else { 0 };
    let asked = if has_cells { asked(meaning, graph, root) } else { 0 };
    let start = machine.prologue(asked, needed)?;
    states[root as usize] = start;
    let mut prologue = machine.code.len();
    parts.clear();
    parts.reserve(count);
    for id in (ACCEPT + 1..=root).rev() {
        machine.state = states[id as usize];
        if machine.state.is_nowhere() {
            continue;
        }
        let block = graph.block(id);
        let branch = match block.step {
            Step::Test(test) => branch(&mut machine, test, block.yes, block.no)?,
            Step::Effect(effect) => {
                machine.effect(effect)?;
                Branch { cond: None, yes: block.yes, no: block.yes }
            }
            Step::End => continue,
        };
        parts.push(Part { id, end: machine.code.len(), branch });
        states[branch.yes as usize].meet(&machine.state);
        if branch.no != branch.yes {
            states[branch.no as usize].meet(&machine.state);
        }
    }
    let code = &mut machine.code;
    if optimise && machine.stores {
        drop_dead_stores(code, &mut prologue, parts);
    }
    places.clear();
    places.resize(count, Places::default());
    let is_few = parts.len() <= SEARCHED;
    if !is_few {
        buckets.clear();
        buckets.resize(parts.len().next_power_of_two(), 0);
        made.clear();
        made.reserve(parts.len());
    }
    out.clear();
    out.reserve(code.len() + parts.len());
    let mut layout = Layout { out, places, made, buckets };
    for (id, k) in [(REJECT, 0), (ACCEPT, meaning.snaplen)] {
        if !states[id as usize].is_nowhere() {
            layout.ret(id, k);
        }
    }
    for at in (0..parts.len()).rev() {
        let Part { id, end, branch } = &parts[at];
        let begin = if at == 0 { prologue } else { parts[at - 1].end };
        let own = &code[begin..*end];
        let there = match branch.cond {
            _ if !optimise => None,
            None if own.is_empty() => {
                layout.places[*id as usize] = layout.places[branch.yes as usize];
                continue;
            }
            _ if is_few => layout.find(own, branch, &parts[at..], code),
            _ => layout.find_or_note(*id, own, branch),
        };
        match there {
            Some(begin) => layout.places[*id as usize].begin = begin,
            None => {
                layout.branch(branch, meaning.snaplen);
                layout.straight(*id, own);
            }
        }
    }
    if root <= ACCEPT {
        // One instruction will do, behind what the cells may reject.
        layout.jump(root, meaning.snaplen);
    }
    layout.out.extend(code[..prologue].iter().rev());
    *kept = machine.code;
    finish(out)
}

/// Takes out stores of cells that nothing loads.
fn drop_dead_stores(code: &mut Vec<Insn>, prologue: &mut usize, parts: &mut [Part]) {
    let jumps = |insn: &Insn| matches!(insn, Insn::Jump { .. } | Insn::JumpIf { .. });
    // Jumps inside of straight code count what is between. What a table is asked for is read by no instruction.
    if code.iter().any(|insn| jumps(insn) || *insn == PREFIX) {
        return;
    }
    let loaded = code.iter().fold(0u32, |loaded, insn| match *insn {
        Insn::LoadMem { k, .. } => loaded | 1 << (k & 31),
        _ => loaded,
    });
    let is_dead_store =
        |insn: &Insn| matches!(*insn, Insn::Store { k, .. } if loaded & 1 << (k & 31) == 0);
    // A constant that is loaded to be stored is not looked at any more.
    let is_dead = |code: &[Insn], at: usize| {
        let is_constant = matches!(code.get(at), Some(Insn::LoadImm { reg: Reg::A, .. }));
        code.get(at).is_some_and(is_dead_store)
            || is_constant && code.get(at + 1).is_some_and(is_dead_store)
    };
    let mut kept = Vec::with_capacity(code.len());
    let mut begin = 0;
    for end in std::iter::once(prologue).chain(parts.iter_mut().map(|part| &mut part.end)) {
        let part = &code[begin..*end];
        kept.extend((0..part.len()).filter(|&at| !is_dead(part, at)).map(|at| part[at]));
        begin = std::mem::replace(end, kept.len());
    }
    *code = kept;
}

/// The cells that the blocks from the root on read or set, as bits.
fn asked(meaning: &Meaning, graph: &Graph<'_>, root: BlockId) -> u64 {
    let mut reached = vec![false; root as usize + 1];
    if let Some(first) = reached.last_mut() {
        *first = true;
    }
    let (mut asked, mut pending) = (0u64, Vec::new());
    for id in (ACCEPT + 1..=root).rev() {
        if !reached[id as usize] {
            continue;
        }
        let block = graph.block(id);
        for next in [block.yes, block.no] {
            reached[next as usize] = true;
        }
        match block.step {
            Step::Test(test) => {
                pending.push(test.value);
                if let Rhs::Value(rhs) = test.rhs {
                    pending.push(rhs);
                }
            }
            Step::Effect(effect) => {
                if let Some(&effect) = meaning.effects.get(effect as usize) {
                    asked |= effect.sets();
                    if let Effect::Set(_, value) = effect {
                        pending.push(value);
                    }
                }
            }
            Step::End => {}
        }
    }
    let mut seen = vec![false; meaning.values.len()];
    while let Some(id) = pending.pop() {
        if std::mem::replace(&mut seen[id as usize], true) {
            continue;
        }
        match meaning.values.get(id) {
            Value::Cell(cell) => asked |= 1 << cell,
            Value::Ind(_, base, _)
            | Value::Neg(base)
            | Value::Member(_, base)
            | Value::Prefix(_, base, _) => pending.push(base),
            Value::Alu(_, left, right) => pending.extend([left, right]),
            _ => {}
        }
    }
    // The place of a payload is counted from that of the header, and looking for it may reject the
    // packet in many ways.
    for (cell, init) in meaning.cells.iter().enumerate() {
        if let Some(Init::Wlan { header, .. }) = init {
            asked |= 1 << cell | header.map_or(0, |header| 1 << header);
        }
    }
    asked
}

/// The program, from its instructions, the last first.
fn finish(insns: &[Insn]) -> Result<Program, Error> {
    if insns.len() > MAX_INSNS {
        let kind = ErrorKind::TooLong { insns: insns.len(), most: MAX_INSNS };
        return Err(Error::new(Span::default(), kind));
    }
    let len = insns.len();
    check_insns(insns.iter().rev().copied().collect()).map_err(|err| {
        let kind = match err {
            // Of a jump that is short here, but long when the kernel has translated it.
            CheckError::JumpTooLong { .. } => ErrorKind::TooLong { insns: len, most: MAX_INSNS },
            err => ErrorKind::Refused(err),
        };
        Error::new(Span::default(), kind)
    })
}

/// Brings the value of a test where it is wanted, and says which jump decides.
fn branch(
    machine: &mut Machine<'_>,
    test: Test,
    yes: BlockId,
    no: BlockId,
) -> Result<Branch, Error> {
    let when = |op, src, yes, no| Ok(Branch { cond: Some((op, src)), yes, no });
    let k = match test.rhs {
        Rhs::Const(k) => k,
        Rhs::Value(rhs) => {
            let swapped = machine.pair(test.value, rhs, true)?;
            return match (test.cmp, swapped) {
                (Cmp::Eq, _) => when(CondOp::Eq, Src::X, yes, no),
                (Cmp::Gt, false) => when(CondOp::Gt, Src::X, yes, no),
                (Cmp::Ge, false) => when(CondOp::Ge, Src::X, yes, no),
                // `l > r` is the opposite of `r >= l`.
                (Cmp::Gt, true) => when(CondOp::Ge, Src::X, no, yes),
                (Cmp::Ge, true) => when(CondOp::Gt, Src::X, no, yes),
            };
        }
    };
    if yes == no && test.mask == 0 {
        machine.value(test.value)?;
        return Ok(Branch { cond: None, yes, no });
    }
    if test.is_of_bits() {
        machine.bits(test.value, test.mask)?;
        let (yes, no) = if k == 0 { (no, yes) } else { (yes, no) };
        return when(CondOp::Set, Src::K(test.mask), yes, no);
    }
    machine.masked(test.value, test.mask)?;
    let op = match test.cmp {
        Cmp::Eq => CondOp::Eq,
        Cmp::Gt => CondOp::Gt,
        Cmp::Ge => CondOp::Ge,
    };
    when(op, Src::K(k), yes, no)
}

/// Where a block is, in instructions from the end; 0 is nowhere.
#[derive(Clone, Copy, Debug, Default)]
struct Places {
    /// Its first instruction.
    begin: u32,
    /// The last instruction laid out that does nothing but go on to it.
    detour: u32,
}

/// The program from its end.
struct Layout<'a> {
    out: &'a mut Vec<Insn>,
    places: &'a mut [Places],
    /// What is laid out, and for each hash the last of it.
    made: &'a mut Vec<Made>,
    buckets: &'a mut [u32],
}

/// A block that is laid out.
#[derive(Clone, Copy, Debug)]
struct Made {
    cond: Option<(CondOp, Src)>,
    /// Places, which are the same for what is the same.
    yes: u32,
    no: u32,
    id: BlockId,
    /// Instructions of its straight code.
    len: u32,
    /// The one before with the same hash, counted from 1.
    before: u32,
}

impl Layout<'_> {
    fn ret(&mut self, id: BlockId, k: u32) {
        self.out.push(Insn::RetK { k });
        self.places[id as usize].begin = self.len();
    }

    /// Instructions laid out.
    fn len(&self) -> u32 {
        u32::try_from(self.out.len()).unwrap_or(u32::MAX)
    }

    fn begin(&self, id: BlockId) -> u32 {
        self.places[id as usize].begin
    }

    /// Distance of a jump that is the next instruction, to a block or to a way there.
    fn near(&self, id: BlockId) -> Option<u8> {
        let (here, Places { begin, detour }) = (self.len(), self.places[id as usize]);
        let short = |distance: u32| u8::try_from(distance).ok();
        short(here - begin).or_else(|| short(here - detour).filter(|_| detour > 0))
    }

    /// Where a block is that ends with the same instructions, and so is this one, of few: `parts` are this one and those
    /// that are laid out.
    fn find(&self, own: &[Insn], branch: &Branch, parts: &[Part], code: &[Insn]) -> Option<u32> {
        let (yes, no) = (self.begin(branch.yes), self.begin(branch.no));
        // Where the instructions of one begin, those before it end.
        parts.windows(2).find_map(|pair| {
            let Part { id, end, branch: other } = &pair[1];
            let is_same = other.cond == branch.cond
                && (self.begin(other.yes), self.begin(other.no)) == (yes, no)
                && code[pair[0].end..*end].ends_with(own);
            let longer = || u32::try_from(end - pair[0].end - own.len()).unwrap_or(0);
            is_same.then(|| self.begin(*id) - longer())
        })
    }

    /// The same of many; what is not found is noted, as it is laid out next.
    fn find_or_note(&mut self, id: BlockId, own: &[Insn], branch: &Branch) -> Option<u32> {
        let (yes, no) = (self.begin(branch.yes), self.begin(branch.no));
        let k = match branch.cond {
            Some((_, Src::K(k))) => k,
            _ => 0,
        };
        let key = k.wrapping_mul(0x9e37_79b1) ^ yes.wrapping_mul(31) ^ no.wrapping_mul(1021);
        let bucket = (key ^ key >> 15) as usize & (self.buckets.len() - 1);
        let before = self.buckets[bucket];
        let len = u32::try_from(own.len()).unwrap_or(0);
        let mut at = before;
        while let Some(made) = self.made.get((at as usize).wrapping_sub(1)) {
            if (made.cond, made.yes, made.no) == (branch.cond, yes, no) && len <= made.len {
                let begin = self.places[made.id as usize].begin;
                let there = &self.out[(begin - made.len) as usize..][..own.len()];
                if there.iter().rev().eq(own) {
                    return Some(begin - made.len + len);
                }
            }
            at = made.before;
        }
        self.made.push(Made { cond: branch.cond, yes, no, id, len, before });
        self.buckets[bucket] = u32::try_from(self.made.len()).unwrap_or(0);
        None
    }

    /// What a block does before it branches.
    fn straight(&mut self, id: BlockId, code: &[Insn]) {
        self.out.extend(code.iter().rev());
        self.places[id as usize].begin = self.len();
    }

    /// Goes on to a block, whatever the distance.
    fn jump(&mut self, id: BlockId, snaplen: u32) {
        let begin = self.begin(id);
        let distance = self.len() - begin;
        if distance == 0 && begin > 0 {
            return;
        }
        self.out.push(match id {
            REJECT => Insn::RetK { k: 0 },
            ACCEPT => Insn::RetK { k: snaplen },
            _ => Insn::Jump { k: distance },
        });
        self.places[id as usize].detour = self.len();
    }

    fn branch(&mut self, branch: &Branch, snaplen: u32) {
        let Some((op, src)) = branch.cond else {
            return self.jump(branch.yes, snaplen);
        };
        // A detour for one may push the other out of reach.
        let (jt, jf) = loop {
            match (self.near(branch.yes), self.near(branch.no)) {
                (Some(jt), Some(jf)) => break (jt, jf),
                (None, _) => self.jump(branch.yes, snaplen),
                (_, None) => self.jump(branch.no, snaplen),
            }
        };
        self.out.push(Insn::JumpIf { op, src, jt, jf });
    }
}

/// Operations with a constant.
const fn alu(op: AluOp, k: u32) -> Insn {
    Insn::Alu { op, src: Src::K(k) }
}
