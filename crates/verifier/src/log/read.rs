//! A refusal read back from a kernel's log.
//!
//! Logs of all releases are understood: those before 5.18, which tell what is known at lines of their own
//! and call numbers `inv`; those after; and those of 7.3, whose report of its own is passed over. Of a log
//! that tells of all ways (`log_level` 2) the one that led to the refusal is found.

mod insn;
mod reason;
mod state;

use super::message::rule_of;
use crate::frame::Slot;
use crate::reg::RegState;
use crate::trace::Step;
use crate::verdict::{Rejection, Stats};
use insn::{insn, number};
use reason::{narrowed, place, reject};
use skep_abi::ProgType;
use skep_isa::{Call, Insn, Insns, Pc};
use skep_prog::{Extern, Image, LineInfo, Prog};
use state::{Known, Maps};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Instructions of a program that are made room for.
const MAX_INSNS: u32 = 1_000_000;
/// Steps that are kept.
const MAX_STEPS: usize = 100_000;

/// Why a text tells of no refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No line of it is an instruction, a known message or a figure of the verifier.
    #[error("this is no log of the kernel's verifier")]
    NoLog,
    /// It ends with the figures of a program that was accepted.
    #[error("the log tells of a program that was accepted")]
    Accepted,
    /// The message at its end is not one of those that are known.
    #[error("the log ends with a message that is not known: a newer kernel, or a cut-off log?")]
    Unknown,
}

/// A refusal as a log tells it.
#[derive(Clone, Debug)]
pub struct LoggedRejection {
    /// The program, with `goto +0` for what the log does not show, and the maps that it names.
    pub image: Image,
    /// Slots whose instruction the log shows, ascending.
    pub shown: Vec<Pc>,
    /// The refusal.
    pub rejection: Rejection,
    /// The way to it, as far as the log tells it.
    pub steps: Vec<Step>,
    /// Whether the log tells what each instruction left behind, so that all steps are known. Before
    /// Linux 5.18 it tells what was known at a few places.
    pub is_detailed: bool,
}

impl LoggedRejection {
    /// The program.
    #[must_use]
    pub fn prog(&self) -> Option<&Prog> {
        self.image.progs.first()
    }
}

/// Reads a log. Lines of loaders around it are passed over.
///
/// # Errors
/// [`LogError`] if it tells of no refusal.
pub fn read_log(text: &str) -> Result<LoggedRejection, LogError> {
    let mut reader = Reader::default();
    for line in verifiers_own(text).lines() {
        // Messages without an end of line run into the figures.
        match line.find("processed ").filter(|_| line.contains(" insns (limit ")) {
            Some(at) => {
                reader.line(line[..at].trim());
                reader.line(&line[at..]);
            }
            None => reader.line(line.trim()),
        }
    }
    reader.finish()
}

/// What stands between the last marks that libbpf puts around a log.
fn verifiers_own(text: &str) -> &str {
    let Some(begin) = text.rfind("BEGIN PROG LOAD LOG --") else { return text };
    let text = text.get(begin..).unwrap_or_default();
    let text = text.split_once('\n').map_or("", |(_, rest)| rest);
    text.find("-- END PROG LOAD LOG").and_then(|end| text.get(..end)).unwrap_or(text)
}

#[derive(Clone)]
struct Frame {
    regs: [RegState; 11],
    stack: Vec<Slot>,
    in_callback: bool,
    in_async_callback: bool,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            regs: [RegState::NOT_INIT; 11],
            stack: Vec::new(),
            in_callback: false,
            in_async_callback: false,
        }
    }
}

#[derive(Default)]
struct Reader {
    insns: BTreeMap<u32, Insn>,
    lines: BTreeMap<u32, LineInfo>,
    /// Kernel functions that are called, numbered as they are met.
    names: BTreeMap<String, i32>,
    /// The source line that the next instruction belongs to.
    source: Option<(Arc<str>, u32, Arc<str>)>,
    maps: Maps,
    frames: Vec<Frame>,
    refs: Vec<u32>,
    steps: Vec<Step>,
    /// Whether the next step follows a branch that was left.
    popped: bool,
    /// Lines since the last instruction that are none of the known kinds.
    messages: Vec<String>,
    /// Inside of the report that 7.3 adds.
    in_report: bool,
    stats: Option<Stats>,
    /// What lines of states are about, after a line that says so.
    listing: Option<Listing>,
    /// What was known before the last instruction, told after it.
    before: Option<Frame>,
    is_detailed: bool,
}

/// A call or return is told in two lines of states.
#[derive(Clone, Copy, PartialEq)]
enum Listing {
    Caller,
    Callee,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("; ") {
            return self.source(rest);
        }
        if let Some(figures) = line.strip_prefix("processed ") {
            let count = figures.split(' ').next().and_then(number).unwrap_or(0);
            self.stats = Some(Stats { insns: count, ..Stats::default() });
            self.in_report = false;
            return;
        }
        match line {
            "" => return,
            "caller:" | "returning from callee:" => return self.listing = Some(Listing::Caller),
            "callee:" => return self.listing = Some(Listing::Callee),
            _ => {}
        }
        if let Some(rest) = line.strip_prefix("to caller at ") {
            self.frames.truncate(self.frames.len().saturating_sub(1).max(1));
            let state = rest.split_once(':').map_or("", |(_, state)| state);
            return self.state(state, true);
        }
        if let Some(rest) = line.strip_prefix("from ").filter(|rest| rest.contains(" to ")) {
            return self.from(rest);
        }
        if line.starts_with("Validating ") && line.contains("func#") {
            self.steps.clear();
            self.frames.clear();
            return;
        }
        if let Some((pc, rest)) = line.split_once(':')
            && let Some(pc) = number::<u32>(pc)
        {
            return self.numbered(pc, rest.trim_start());
        }
        if matches!(self.listing, Some(Listing::Caller | Listing::Callee)) && is_state(line) {
            let is_callee = self.listing.take() == Some(Listing::Callee);
            if is_callee {
                self.frames.push(Frame::default());
            }
            return self.state(line, true);
        }
        if is_state(line) {
            self.state(line, true);
            self.before = self.frames.last().cloned();
            return;
        }
        if line.starts_with("Verification failed:") {
            self.in_report = true;
        }
        let is_noise = [
            "last_idx ",
            "regs=",
            "parent ",
            "mark_precise: ",
            "propagating ",
            "func#",
            "Func#",
            "cur state: ",
            "old state: ",
        ];
        if !self.in_report && !is_noise.iter().any(|start| line.starts_with(start)) {
            self.messages.push(line.into());
        }
    }

    /// `; x = y; @ file.c:12`, or without the place.
    fn source(&mut self, rest: &str) {
        let place = rest.rsplit_once(" @ ").and_then(|(text, place)| {
            let (file, line) = place.rsplit_once(':')?;
            Some((text, file, number::<u32>(line)?))
        });
        // Before Linux 6.9 the text alone is told.
        let (text, file, line) = place.unwrap_or((rest, "", 0));
        self.source = Some((file.into(), line, text.into()));
    }

    /// `4: (bf) r1 = r2 ; R1=…` or `4: R0=…`
    fn numbered(&mut self, pc: u32, rest: &str) {
        if pc >= MAX_INSNS {
            return;
        }
        if !rest.starts_with('(') {
            if is_state(rest) {
                self.state(rest, true);
            }
            return;
        }
        let (text, known) = match rest.split_once(';') {
            Some((text, known)) => (text, Some((known, false))),
            None => match state_of_other(rest) {
                Some((text, known)) => (text, Some((known, true))),
                None => (rest, None),
            },
        };
        // What ends a way at a jump is told behind it.
        let ends = [" infinite loop detected ", " BPF program is too large. Processed "];
        let (text, message) = match ends.iter().find_map(|end| text.find(end)) {
            Some(at) => (&text[..at], Some(text[at..].trim())),
            None => (text, None),
        };
        let Some(insn) = insn(text.trim()) else { return };
        self.messages.clear();
        self.messages.extend(message.map(String::from));
        let insn = self.named(insn, text);
        self.insns.insert(pc, insn);
        if let Some((file, line, text)) = self.source.take() {
            self.lines.entry(pc).or_insert(LineInfo { pc: Pc(pc), file, text, line, col: 0 });
        }
        self.step(pc);
        if let Some((known, whole)) = known {
            self.is_detailed |= !whole;
            self.state(known, whole);
        }
    }

    /// A call of a kernel function with its name kept: among the externs of the program.
    fn named(&mut self, insn: Insn, text: &str) -> Insn {
        let Insn::Call(Call::Kfunc { .. }) = insn else { return insn };
        let name = text.split_once("call ").and_then(|(_, rest)| rest.split_once('#'));
        let Some((name, _)) = name.filter(|(name, _)| *name != "kernel-function") else {
            return insn;
        };
        let next = i32::try_from(self.names.len()).unwrap_or(i32::MAX);
        let id = *self.names.entry(name.into()).or_insert(next);
        Insn::Call(Call::Kfunc { id, module: Extern::MODULE })
    }

    fn step(&mut self, pc: u32) {
        if self.steps.len() >= MAX_STEPS {
            self.steps.drain(..MAX_STEPS / 2);
        }
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        self.before = None;
        let frame = self.frames.last().cloned().unwrap_or_default();
        let (at, popped) = (self.frames.len() - 1, std::mem::take(&mut self.popped));
        self.steps.push(Step {
            pc: Pc(pc),
            frame: u32::try_from(at).unwrap_or(u32::MAX),
            regs: frame.regs,
            stack: frame.stack,
            refs: self.refs.clone(),
            in_callback: frame.in_callback,
            in_async_callback: frame.in_async_callback,
            popped,
        });
    }

    /// `4 to 9: R0=…`: what comes next follows a branch that was left at 4.
    fn from(&mut self, rest: &str) {
        let Some((from, rest)) = rest.split_once(" to ") else { return };
        let (to, known) = rest.split_once(':').unwrap_or((rest, ""));
        let to = to.split(' ').next().and_then(number::<u32>);
        if let (Some(from), Some(_)) = (number::<u32>(from), to) {
            if let Some(at) = self.steps.iter().rposition(|step| step.pc.0 == from) {
                self.steps.truncate(at + 1);
                let depth = self.steps.last().map_or(1, |step| step.frame as usize + 1);
                self.frames.truncate(depth);
            }
            self.messages.clear();
            self.popped = true;
        }
        if is_state(known.trim()) {
            self.state(known, true);
        }
    }

    /// Takes in what is known; a whole state says that nothing else is.
    fn state(&mut self, text: &str, whole: bool) {
        let (frame, known) = state::read(text, &mut self.maps);
        let depth = (frame as usize).min(8) + 1;
        if whole && text.contains("frame") && self.frames.len() > depth {
            self.frames.truncate(depth);
        }
        while self.frames.len() < depth {
            self.frames.push(Frame::default());
        }
        let Some(last) = self.frames.last_mut() else { return };
        if whole {
            *last = Frame::default();
            self.refs.clear();
        }
        for one in known {
            match one {
                Known::Reg(at, reg) => last.regs[at] = reg,
                Known::Slot(at, slot) => {
                    if last.stack.len() <= at {
                        last.stack.resize(at + 1, Slot::INVALID);
                    }
                    last.stack[at] = slot;
                }
                Known::Refs(refs) => self.refs = refs,
                Known::InCallback => last.in_callback = true,
                Known::InAsyncCallback => last.in_async_callback = true,
            }
        }
    }

    /// The kernel function that is called where the log ends.
    fn called(&self) -> Option<&str> {
        let Insn::Call(Call::Kfunc { id, .. }) = self.insns.get(&self.steps.last()?.pc.0)? else {
            return None;
        };
        self.names.iter().find(|(_, of)| *of == id).map(|(name, _)| name.as_str())
    }

    fn finish(mut self) -> Result<LoggedRejection, LogError> {
        if let (Some(before), Some(last)) = (self.before.take(), self.steps.last_mut()) {
            (last.regs, last.stack) = (before.regs, before.stack);
        }
        if self.messages.is_empty() {
            return Err(match (&self.stats, self.insns.is_empty()) {
                (Some(_), _) => LogError::Accepted,
                (None, true) => LogError::NoLog,
                (None, false) => LogError::Unknown,
            });
        }
        // Loaders add words of their own after the figures; the message is the last line that is known.
        let lines: Vec<&str> = self.messages.iter().map(String::as_str).collect();
        let known = lines.iter().rposition(|line| rule_of(&[line]).is_some());
        let lines = known.map_or(&lines[..], |at| &lines[..=at]);
        let Some(rule) = rule_of(lines) else {
            return Err(if self.insns.is_empty() { LogError::NoLog } else { LogError::Unknown });
        };
        let pc = self.steps.last().map(|step| step.pc).or_else(|| place(lines));
        let rule = narrowed(rule, lines, self.steps.last(), self.called());
        let reject = reject(rule, lines, self.steps.last());
        let rejection = Rejection {
            pc,
            reject,
            path: self.steps.iter().map(|step| step.pc).collect(),
            stats: self.stats.unwrap_or_default(),
        };
        let shown = self.insns.keys().copied().map(Pc).collect();
        let mut prog = Prog::new("program", ProgType::Unspec, program(&self.insns));
        prog.lines = self.lines.into_values().collect();
        let mut named: Vec<(String, i32)> = self.names.into_iter().collect();
        named.sort_by_key(|(_, id)| *id);
        let named = named.into_iter().map(|(name, _)| Extern { name, type_id: None, weak: false });
        prog.externs = named.collect();
        let image = Image { progs: vec![prog], maps: self.maps, ..Image::default() };
        let (steps, is_detailed) = (self.steps, self.is_detailed);
        Ok(LoggedRejection { image, shown, rejection, steps, is_detailed })
    }
}

/// Whether a text begins as a state does.
fn is_state(text: &str) -> bool {
    let text = match text.strip_prefix("frame").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => rest,
        None => text,
    };
    let (name, _) = text.split_once('=').unwrap_or((text, ""));
    let register = name.strip_prefix('R').and_then(|rest| rest.chars().next());
    (register.is_some_and(|c| c.is_ascii_digit()) || name.starts_with("fp-"))
        && text.contains('=')
        && !name.contains(' ')
}

/// `(55) if r0 != 0x0 goto pc+1 6: R0=…`: the way that was followed first is overwritten by the state at
/// the start of the other.
fn state_of_other(text: &str) -> Option<(&str, &str)> {
    let at = text.find(": R").or_else(|| text.find(": frame"))?;
    let (insn, state) = (text.get(..at)?, text.get(at + 2..)?);
    let (insn, pc) = insn.rsplit_once(' ')?;
    number::<u32>(pc)?;
    Some((insn, state))
}

/// The instructions, with `goto +0` for those that were not shown.
fn program(known: &BTreeMap<u32, Insn>) -> Insns {
    let mut insns = Insns::default();
    let last = known.keys().next_back().copied().unwrap_or(0);
    let mut pc = 0;
    while pc <= last {
        let next = known.get(&pc).copied().unwrap_or(Insn::Jump { off: 0 });
        // What a wide instruction would cover was shown as an instruction of its own.
        let next = if next.slots() == 2 && known.contains_key(&(pc + 1)) {
            Insn::Jump { off: 0 }
        } else {
            next
        };
        pc += next.slots();
        insns.push(next);
    }
    insns
}
