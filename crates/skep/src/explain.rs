//! A refusal in words for people.
//!
//! What the verifier says is data: a rule, a place, facts, and the way that led there. Here it becomes a
//! [`Diagnostic`]: the place in the source, where the value in question comes from, where it got the
//! bounds it has or lost them, the branches on the way, the kernel's own words, whose fault it is, and
//! what would do.

mod blame;
mod origin;
mod place;
mod title;
mod value;
mod way;

pub use blame::Blame;

use crate::check::Checked;
use origin::{Origin, origin_of};
use place::Places;
use skep_diag::Diagnostic;
use skep_isa::{Call, Insn, Pc, Reg, Src};
use skep_prog::{Image, Prog};
use skep_verifier::{Fact, LoggedRejection, RegState, Rejection, Rule, Step, Verdict};
use value::{describe, name_map};

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
    let places = Places::of(image, prog, rejection.pc, |_| true);
    let (poison, steps) = (checked.poison.as_deref(), &checked.steps[..]);
    let (expr, origins) = (None, Vec::new());
    let is_detailed = true;
    Some(Cx { image, prog, rejection, steps, is_detailed, poison, expr, origins }.explain(places))
}

/// Explains a refusal that a kernel's log tells of.
#[must_use]
pub fn explain_log(log: &LoggedRejection) -> Option<Explained> {
    let (image, prog, rejection) = (&log.image, log.prog()?, &log.rejection);
    let is_shown = |pc| log.shown.binary_search(&pc).is_ok();
    let places = Places::of(image, prog, rejection.pc, is_shown);
    let (steps, poison, expr, origins) = (&log.steps[..], None, None, Vec::new());
    let is_detailed = log.is_detailed;
    Some(Cx { image, prog, rejection, steps, is_detailed, poison, expr, origins }.explain(places))
}

struct Cx<'a> {
    image: &'a Image,
    prog: &'a Prog,
    rejection: &'a Rejection,
    steps: &'a [Step],
    /// Whether what was known is known of all steps.
    is_detailed: bool,
    /// Why the instruction was poisoned by CO-RE, if it was.
    poison: Option<&'a str>,
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
        let maps = self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Map(map) => Some(*map),
            _ => None,
        });
        if let Some(map) = maps.or_else(|| self.reg().and_then(|(_, state)| state.map())) {
            diag = diag.note(name_map(self.image, map));
        }
        let kernel = self.kernel();
        if !kernel.is_empty() {
            diag = diag.note(format!("the kernel says: {kernel}"));
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
        let (reg, state) = facts.find_map(|fact| match fact {
            Fact::Reg(reg, state) => Some((*reg, *state)),
            _ => None,
        })?;
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

    /// Whether a call took the value away.
    fn was_clobbered(&self) -> bool {
        self.origins.iter().any(|origin| matches!(origin, Origin::Clobbered { .. }))
    }

    /// Whether a call may have moved the packet.
    fn was_moved(&self) -> bool {
        self.origins.iter().any(|origin| matches!(origin, Origin::Moved { .. }))
    }

    /// Whether a call ended what a pointer led to.
    fn was_ended(&self) -> bool {
        self.origins.iter().any(|origin| matches!(origin, Origin::Ended { .. }))
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

    /// Adds what is known at the place and where that comes from.
    fn places(&self, mut diag: Diagnostic, places: &mut Places<'_>, pc: Pc) -> Diagnostic {
        let Some(span) = places.span(pc) else { return diag };
        diag = diag.label(span, self.here());
        let mut taken = vec![span];
        let line = |at: Pc| self.prog.line_at(at).map(|line| (line.file.clone(), line.line));
        // What is added and multiplied in the line itself can be seen there.
        let is_plain = |one: &&Origin| match one {
            Origin::Added { pc: at, .. } | Origin::Scaled { pc: at, .. } => {
                line(*at).is_none() || line(*at) != line(pc)
            }
            _ => true,
        };
        let told = self.origins.iter().filter(is_plain);
        let mut told: Vec<(Pc, String)> = told.map_while(|one| self.tell(one)).collect();
        told.extend(self.since());
        for (at, text) in told.into_iter().take(CONTEXTS) {
            match places.span(at).filter(|span| !taken.contains(span)) {
                Some(span) => {
                    taken.push(span);
                    diag = diag.context(span, text);
                }
                None => diag = diag.note(format!("insn {at}: {text}")),
            }
        }
        diag
    }

    /// What happened to the value, in words, and where.
    fn tell(&self, origin: &Origin) -> Option<(Pc, String)> {
        let what = |value: &RegState| value::range(self.image, value);
        Some(match origin {
            Origin::Made { pc, value } => match self.prog.insns.get(*pc).copied() {
                Some(Insn::Call(call)) => {
                    let name = self.call_name(call);
                    (*pc, format!("{name} returns {}", what(value)))
                }
                Some(Insn::Load { base, .. } | Insn::LoadSx { base, .. }) => {
                    let step = self.steps.iter().rev().find(|step| step.pc == *pc);
                    let from = step.map(|step| step.regs[usize::from(base.num())]);
                    let from = from.map_or_else(String::new, |from| {
                        format!(" from {}", value::region(self.image, &from))
                    });
                    (*pc, format!("read{from} here: {}", what(value)))
                }
                _ => (*pc, format!("{} from here", what(value))),
            },
            Origin::Bounded { pc, value } if value.ty.is_packet() => {
                let bytes = value.range();
                (*pc, format!("this comparison shows {bytes} bytes of the packet to be there"))
            }
            Origin::Bounded { pc, value } => {
                (*pc, format!("{} after this comparison", what(value)))
            }
            Origin::Added { pc, to, value } => {
                (*pc, format!("added to {} here: {}", what(to), what(value)))
            }
            Origin::Scaled { pc, by, value } => {
                (*pc, format!("multiplied by {by} here: {}", what(value)))
            }
            Origin::Clobbered { pc } => (*pc, "this call leaves nothing in r1 to r5".into()),
            Origin::Moved { pc } => {
                (*pc, "this call may move the packet: pointers from before lead nowhere now".into())
            }
            Origin::Ended { pc } => {
                (*pc, "this call ends what the pointer led to: nothing is there any more".into())
            }
            Origin::Blurred { pc } => (
                *pc,
                "what is kept on the stack here is bytes, without what was known of them".into(),
            ),
            Origin::Reread { pc } => {
                (*pc, "compared here, but what is used is read again after".into())
            }
            Origin::NeverWritten => return None,
        })
    }

    /// What to call a function.
    fn call_name(&self, call: Call) -> String {
        match call {
            Call::Helper(id) => u32::try_from(id)
                .ok()
                .and_then(skep_abi::Helper::find)
                .map_or_else(|| format!("helper {id}"), |helper| format!("bpf_{}", helper.name)),
            _ => "the call".into(),
        }
    }

    /// Instructions where what is missing began.
    fn since(&self) -> Vec<(Pc, String)> {
        let text = match self.rejection.reject.rule {
            Rule::RefLeak => "acquired here",
            Rule::Lock => "taken here",
            Rule::LoopInfinite | Rule::CfgBackEdge => "the loop begins here",
            _ => "since here",
        };
        self.since_pc().map(|pc| (pc, text.to_string())).into_iter().collect()
    }

    /// The instruction as the machine has it.
    fn insn(&self, pc: Pc) -> String {
        let text = self.prog.insns.get(pc).copied().map_or_else(String::new, |insn| {
            skep_asm::print_insn(&insn, skep_asm::Dialect::CLike, &self.image.maps)
        });
        match self.reg() {
            Some((reg, state)) => {
                format!("insn {pc}: {text}, where {reg} is {}", describe(self.image, &state))
            }
            None => format!("insn {pc}: {text}"),
        }
    }

    /// What to call the pointer that may be null.
    fn null_name(&self) -> Option<String> {
        let made = self.origins.iter().find_map(|origin| match origin {
            Origin::Made { pc, .. } => Some(*pc),
            _ => None,
        })?;
        // `struct flow *flow = bpf_map_lookup_elem(…);`
        let line = self.prog.line_at(made)?;
        let (left, _) = line.text.split_once('=')?;
        let name = left.trim().rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
        (!name.is_empty() && left.len() > name.len()).then(|| name.to_string())
    }
}
