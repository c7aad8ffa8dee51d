//! A refusal in words for people.
//!
//! What the verifier says is data: a rule, a place, facts, and the way that led there. Here it becomes a
//! [`Diagnostic`]: the place in the source, where the value in question comes from, where it got the
//! bounds it has or lost them, the branches on the way, the kernel's own words, whose fault it is, and
//! what would do.

mod blame;
mod origin;
mod place;
mod tell;
mod title;
mod told;
mod value;
mod way;

pub use blame::Blame;

use crate::check::Checked;
use origin::{Origin, origin_of};
use place::Places;
use skep_diag::Diagnostic;
use skep_isa::{DecodeError, Insn, Pc, RawInsn, Reg, Src};
use skep_prog::{Image, Prog};
use skep_verifier::{Base, Fact, LoggedRejection, RegState, Rejection, Rule, Step, Verdict};
use value::Words;

/// A refusal with the text that it is about.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What to call the text.
    pub name: String,
    /// The text: lines of the source that are known, or a listing of the program.
    pub text: String,
    /// The refusal.
    pub diagnostic: Diagnostic,
    /// Whose fault it is.
    pub blame: Blame,
}

/// Places besides the one that was refused.
const CONTEXTS: usize = 3;

/// Explains a refusal; `None` where the program was not refused.
#[must_use]
pub fn explain(image: &Image, prog: &Prog, checked: &Checked<'_>) -> Option<Explained> {
    let Verdict::Rejected(rejection) = &checked.verdict else { return None };
    let undecoded = checked.undecoded.as_ref();
    let is_known = |pc| undecoded.is_none() || Some(pc) != rejection.pc;
    let words = Words { image, prog, types: checked.types.as_deref() };
    let places = Places::of(words, main_place(rejection), is_known);
    let (poison, steps) = (checked.poison.as_deref(), &checked.steps[..]);
    let (expr, origins) = (None, Vec::new());
    let is_detailed = true;
    let cx = Cx { words, prog, rejection, steps, is_detailed, poison, undecoded, expr, origins };
    Some(cx.explain(places))
}

/// Explains a refusal that a kernel's log tells of.
#[must_use]
pub fn explain_log(log: &LoggedRejection) -> Option<Explained> {
    let (image, prog, rejection) = (&log.image, log.prog()?, &log.rejection);
    let is_shown = |pc| log.shown.binary_search(&pc).is_ok();
    let words = Words { image, prog, types: None };
    let places = Places::of(words, main_place(rejection), is_shown);
    let (steps, poison, expr, origins) = (&log.steps[..], None, None, Vec::new());
    let is_detailed = log.is_detailed;
    let undecoded = None;
    let cx = Cx { words, prog, rejection, steps, is_detailed, poison, undecoded, expr, origins };
    Some(cx.explain(places))
}

/// The instruction in whose file the story is told.
fn main_place(rejection: &Rejection) -> Option<Pc> {
    let of_stacks = |fact: &Fact| match fact {
        Fact::Stacks(stacks) => stacks.last().map(|&(start, _)| Pc(start)),
        _ => None,
    };
    rejection.pc.or_else(|| rejection.reject.facts.iter().find_map(of_stacks))
}

struct Cx<'a> {
    words: Words<'a>,
    prog: &'a Prog,
    rejection: &'a Rejection,
    steps: &'a [Step],
    /// Whether what was known is known of all steps.
    is_detailed: bool,
    /// Why the instruction was poisoned by CO-RE, if it was.
    poison: Option<&'a str>,
    /// What is no instruction, and why.
    undecoded: Option<&'a (RawInsn, DecodeError)>,
    /// What stands at the place in the source.
    expr: Option<String>,
    /// What happened to the value in question, the last first.
    origins: Vec<Origin>,
}

impl Cx<'_> {
    /// Tells the whole story.
    fn explain(mut self, mut places: Places<'_>) -> Explained {
        if let Some(pc) = self.rejection.pc {
            self.expr = places.expression(pc);
            if let Some((reg, _)) = self.reg().filter(|_| self.is_detailed) {
                self.origins = origin_of(self.steps, reg, self.prog);
            }
        }
        let mut diag = Diagnostic::error(self.rejection.reject.rule.name(), self.title());
        if let Some(pc) = self.rejection.pc {
            diag = self.places(diag, &mut places, pc);
            diag = diag.note(self.insn(pc));
            if !self.is_placed()
                && let Some(way) = way::way(self.prog, self.steps)
            {
                diag = diag.note(way);
            }
        }
        diag = self.stacks(diag, &mut places);
        let maps = self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Map(map) | Fact::SizeOf { map, .. } => Some(*map),
            _ => None,
        });
        let of_value = |state: RegState| {
            state.map().filter(|_| matches!(state.ty.base, Base::MapValue | Base::ConstMap))
        };
        if let Some(map) = maps.or_else(|| self.reg().and_then(|(_, state)| of_value(state))) {
            diag = diag.note(self.words.name_map(map));
        }
        let kernel = self.kernel();
        if !kernel.is_empty() {
            diag = diag.note(format!("the kernel says: {kernel}"));
        } else if self.wrong().is_some() {
            let errno = self.rejection.reject.errno.name();
            diag = diag.note(format!(
                "the kernel refuses the types of the whole object with {errno} and says no more"
            ));
        }
        let blame = self.blame();
        diag = diag.note(blame.text());
        if let Some(help) = self.help() {
            diag = diag.help(help);
        }
        let (name, text) = places.into_text();
        Explained { name, text, diagnostic: diag, blame }
    }

    /// The register in question.
    fn reg(&self) -> Option<(Reg, RegState)> {
        let mut facts = self.rejection.reject.facts.iter();
        let found = facts.find_map(|fact| match fact {
            Fact::Reg(reg, state) => Some((*reg, *state)),
            _ => None,
        });
        let (reg, state) = found.or_else(|| self.named_reg())?;
        // Of a sum of a pointer and a number, the number is in question, and where it is.
        if let Some(Insn::Alu { dst, src: Src::Reg(src), .. }) = self.insn_at()
            && state.is_scalar()
            && dst == reg
            && self.steps.last().is_some_and(|step| !step.regs[usize::from(dst.num())].is_scalar())
        {
            return Some((src, state));
        }
        Some((reg, state))
    }

    /// The register that the kernel names, `R1` or `arg#0`, or that is accessed through, where no fact says.
    fn named_reg(&self) -> Option<(Reg, RegState)> {
        let (kernel, insn) = (self.kernel(), self.insn_at()?);
        let digit = |rest: &str| rest.chars().next()?.to_digit(10);
        let reg = match insn {
            Insn::Call(_) if kernel.starts_with("release kernel function") => 1,
            // Locks, timers and pointers in values are the first of what their functions take.
            Insn::Call(_) if kernel.starts_with("off") && kernel.contains("doesn't point to") => 1,
            Insn::Call(_) if digit(kernel.strip_prefix('R').unwrap_or_default()).is_some() => {
                digit(kernel.strip_prefix('R')?)?
            }
            Insn::Call(_) => {
                let after = |word: &&str| digit(kernel.split_once(*word)?.1);
                let words = ["arg#", "arg #", "args#"];
                words.iter().find_map(after)?.checked_add(1).filter(|at| *at <= 5)?
            }
            _ if kernel.starts_with('R') => digit(kernel.strip_prefix('R')?)?,
            Insn::Load { base, .. }
            | Insn::LoadSx { base, .. }
            | Insn::Store { base, .. }
            | Insn::Atomic { base, .. } => u32::from(base.num()),
            _ => return None,
        };
        let reg = Reg::new(u8::try_from(reg).ok()?)?;
        let last = self.steps.last().filter(|step| Some(step.pc) == self.rejection.pc)?;
        Some((reg, *last.regs.get(usize::from(reg.num()))?))
    }

    /// Whether the register is of a kind that no access is made through.
    fn leads_nowhere(&self) -> bool {
        self.kernel().contains("invalid mem access")
    }

    /// The bytes reached and the bytes there are.
    fn access(&self) -> Option<(i64, i64, i64)> {
        self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Access { start, end, size } => Some((*start, *end, *size)),
            _ => None,
        })
    }

    /// The map of which the memory in question must hold a key or a value, which of the two, and its size.
    fn size_of(&self) -> Option<(u32, &'static str, u32)> {
        self.rejection.reject.facts.iter().find_map(|fact| match *fact {
            Fact::SizeOf { map, key, size } => Some((map, if key { "key" } else { "value" }, size)),
            _ => None,
        })
    }

    fn call(&self) -> Option<&str> {
        self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Call(name) => Some(name.as_str()),
            _ => None,
        })
    }

    fn required(&self) -> Option<&str> {
        self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Required(what) => Some(what.as_str()),
            _ => None,
        })
    }

    /// What is wrong where the kernel says nothing of it, and what would do.
    fn wrong(&self) -> Option<(&str, &str)> {
        self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Wrong { what, remedy } => Some((what.as_str(), remedy.as_str())),
            _ => None,
        })
    }

    fn since_pc(&self) -> Option<Pc> {
        self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Since(pc) => Some(Pc(*pc)),
            _ => None,
        })
    }

    /// The kernel's last line.
    fn kernel(&self) -> &str {
        self.rejection.reject.kernel.lines().last().unwrap_or_default()
    }

    fn insn_at(&self) -> Option<Insn> {
        self.prog.insns.get(self.rejection.pc?).copied()
    }

    /// Whether the rule is about the text alone, whatever way leads there.
    fn is_placed(&self) -> bool {
        matches!(
            self.rejection.reject.rule,
            Rule::InsnEncoding
                | Rule::CfgTarget
                | Rule::CfgUnreachable
                | Rule::CfgFallThrough
                | Rule::CfgBackEdge
                | Rule::HelperUnknown
                | Rule::HelperGpl
                | Rule::KfuncUnknown
                | Rule::StackDepth
        )
    }

    /// The call that took the value away.
    fn clobberer(&self) -> Option<Pc> {
        self.origins.iter().find_map(|origin| match origin {
            Origin::Clobbered { pc } => Some(*pc),
            _ => None,
        })
    }

    /// The parameter that the value is, unchanged: its name, and the function's.
    fn parameter(&self) -> Option<(Option<&str>, &str)> {
        match self.origins.first()? {
            Origin::Param { start, n, .. } => self.words.parameter(*start, *n),
            _ => None,
        }
    }

    /// What to call the value in question.
    fn subject(&self) -> String {
        let name = self.reg().map(|(reg, _)| reg.to_string()).unwrap_or_default();
        match self.parameter() {
            Some((Some(param), of)) => format!("parameter `{param}` of `{of}`"),
            Some((None, of)) => format!("the parameter of `{of}` in {name}"),
            None if name.is_empty() => "the value".into(),
            None => name,
        }
    }

    /// What is known of the value in question.
    fn what(&self) -> String {
        self.reg().map_or_else(|| "what is there".into(), |(_, state)| self.words.describe(&state))
    }

    /// The access, as it stands in the source.
    fn through(&self) -> String {
        if let Some(Insn::Call(_)) = self.insn_at() {
            return self.callee();
        }
        match (&self.expr, self.reg()) {
            (Some(expr), _) => format!("`{expr}`"),
            (None, None) => "the access".into(),
            (None, Some((reg, _))) => format!("the access through {reg}"),
        }
    }

    /// The call that may have moved the packet.
    fn mover(&self) -> Option<String> {
        self.origins.iter().find_map(|origin| match origin {
            Origin::Moved { pc } => Some(self.called_at(*pc)),
            _ => None,
        })
    }

    /// The call that ended what a pointer led to.
    fn ender(&self) -> Option<String> {
        self.origins.iter().find_map(|origin| match origin {
            Origin::Ended { pc } => Some(self.called_at(*pc)),
            _ => None,
        })
    }

    /// The function that is called at a place, in a sentence.
    fn called_at(&self, pc: Pc) -> String {
        match self.prog.insns.get(pc).copied() {
            Some(Insn::Call(call)) => match self.words.callee(pc, call).as_str() {
                "the call" => "a call".into(),
                name => name.into(),
            },
            Some(Insn::LoadAbs { .. } | Insn::LoadInd { .. }) => "a load of the packet".into(),
            _ => "a call".into(),
        }
    }

    /// Range of the variable part of an offset, in units of the index, and bytes a unit.
    fn index(&self) -> Option<(i64, i64, i64)> {
        let added = self.origins.iter().find_map(|origin| match origin {
            Origin::Added { value, .. } => Some((value.num.smin, value.num.smax)),
            _ => None,
        });
        let (low, high) =
            added.or_else(|| self.reg().map(|(_, state)| (state.num.smin, state.num.smax)))?;
        let by = self.origins.iter().find_map(|origin| match origin {
            Origin::Scaled { by, .. } => Some(*by),
            _ => None,
        });
        let by = by.unwrap_or(1).max(1);
        Some((low / by, high / by, by))
    }
}
