//! A refusal in words for people.
//!
//! What the verifier says is data: a rule, a place, facts, and the way that led there. Here it becomes a
//! [`Diagnostic`]: the place in the source, where the value in question comes from, where it got the
//! bounds it has, the branches on the way, the kernel's own words, and what would do.

mod origin;
mod place;
mod value;

use crate::check::Checked;
use origin::{Origin, origin_of};
use place::Places;
use skep_diag::Diagnostic;
use skep_isa::{Insn, Pc, Reg};
use skep_prog::{Image, Prog};
use skep_verifier::{Fact, RegState, Rejection, Rule, Step, Verdict};
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
}

/// Branches on the way that are told.
const BRANCHES: usize = 5;

/// Explains a refusal; `None` where the program was not refused.
#[must_use]
pub fn explain(image: &Image, prog: &Prog, checked: &Checked<'_>) -> Option<Explained> {
    let Verdict::Rejected(rejection) = &checked.verdict else { return None };
    let mut places = Places::of(image, prog, rejection.pc);
    let cx = Cx { image, prog, rejection, steps: &checked.steps };
    let reg = cx.reg();
    let mut diag = Diagnostic::error(rejection.reject.rule.name(), cx.title(reg));
    if let Some(pc) = rejection.pc {
        if let Some(span) = places.span(pc) {
            diag = diag.label(span, cx.here(reg));
        }
        if let Some((reg, _)) = reg {
            for origin in origin_of(cx.steps, reg, prog) {
                let (at, text) = cx.tell(&origin, reg);
                match places.span(at).filter(|_| places.is_other(at, pc)) {
                    Some(span) => diag = diag.context(span, text),
                    None => diag = diag.note(format!("insn {at}: {text}")),
                }
            }
        }
        for (at, text) in cx.since() {
            match places.span(at).filter(|_| places.is_other(at, pc)) {
                Some(span) => diag = diag.context(span, text),
                None => diag = diag.note(format!("insn {at}: {text}")),
            }
        }
        diag = diag.note(cx.insn(pc, reg));
        if let Some(way) = cx.way() {
            diag = diag.note(way);
        }
    }
    for fact in &rejection.reject.facts {
        if let Fact::Map(map) = fact {
            diag = diag.note(name_map(image, *map));
        }
    }
    let kernel = rejection.reject.kernel.lines().last().unwrap_or_default();
    if !kernel.is_empty() {
        diag = diag.note(format!("the kernel says: {kernel}"));
    }
    if let Some(help) = cx.help(reg) {
        diag = diag.help(help);
    }
    let (name, text) = places.into_text();
    Some(Explained { name, text, diagnostic: diag })
}

struct Cx<'a> {
    image: &'a Image,
    prog: &'a Prog,
    rejection: &'a Rejection,
    steps: &'a [Step],
}

impl Cx<'_> {
    /// The register in question.
    fn reg(&self) -> Option<(Reg, RegState)> {
        let facts = self.rejection.reject.facts.iter();
        facts.clone().find_map(|fact| match fact {
            Fact::Reg(reg, state) => Some((*reg, *state)),
            _ => None,
        })
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

    /// One line with the numbers.
    fn title(&self, reg: Option<(Reg, RegState)>) -> String {
        let what = reg.map(|(reg, state)| (reg, describe(self.image, &state)));
        match (self.rejection.reject.rule, what, self.access()) {
            (Rule::MemMapValue | Rule::MemRegion, Some((reg, _)), Some((start, end, size))) => {
                let memory = if self.rejection.reject.rule == Rule::MemMapValue {
                    "map value"
                } else {
                    "piece of memory"
                };
                if start < 0 {
                    format!("access through {reg} may begin {} bytes before the {memory}", -start)
                } else {
                    format!("access through {reg} may end at byte {end} of a {size}-byte {memory}")
                }
            }
            (Rule::MemPacket, Some((reg, _)), Some((_, end, size))) => format!(
                "access through {reg} reaches byte {end} of the packet, of which {size} are known to be there"
            ),
            (Rule::RegUninit, Some((reg, _)), _) => format!("{reg} is read before it is written"),
            (Rule::PtrNull, Some((reg, what)), _) => {
                format!("{reg} may be null: it is {what}")
            }
            (Rule::MemNotPointer, Some((reg, what)), _) => {
                format!("memory is accessed through {reg}, which is {what}")
            }
            (Rule::HelperArg | Rule::KfuncArg, Some((reg, what)), _) => match self.call() {
                Some(call) => format!("{call} does not take {what} in {reg}"),
                None => format!("the call does not take {what} in {reg}"),
            },
            (Rule::RefLeak, ..) => "what was acquired is not released on this way".into(),
            (Rule::LoopInfinite, ..) => "the loop may never end: nothing changes in it".into(),
            (Rule::LimitInsns, ..) => {
                "there are too many ways through the program: more than a million instructions"
                    .into()
            }
            (rule, ..) => {
                let kernel = self.rejection.reject.kernel.lines().last().unwrap_or_default();
                if kernel.is_empty() { lower(rule.summary()) } else { lower(kernel) }
            }
        }
    }

    /// What is known at the place.
    fn here(&self, reg: Option<(Reg, RegState)>) -> String {
        let Some((reg, state)) = reg else { return String::new() };
        let what = describe(self.image, &state);
        match self.access() {
            Some((_, end, size)) if end > size && size >= 0 => {
                format!("{reg} is {what}; {} bytes fewer would fit", end - size)
            }
            _ => format!("{reg} is {what}"),
        }
    }

    /// Where a value comes from.
    fn tell(&self, origin: &Origin, reg: Reg) -> (Pc, String) {
        match origin {
            Origin::Made { pc, value } => {
                let what = describe(self.image, value);
                (*pc, format!("{reg} gets its value here: {what}"))
            }
            Origin::Bounded { pc, value } => {
                (*pc, format!("{reg} gets its bounds here: {}", describe(self.image, value)))
            }
            Origin::Clobbered { pc } => (*pc, format!("the call leaves nothing in {reg}")),
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
        let facts = self.rejection.reject.facts.iter();
        facts
            .filter_map(|fact| match fact {
                Fact::Since(pc) => Some((Pc(*pc), text.to_string())),
                _ => None,
            })
            .collect()
    }

    /// The instruction as the machine has it.
    fn insn(&self, pc: Pc, reg: Option<(Reg, RegState)>) -> String {
        let text = self.prog.insns.get(pc).map_or_else(String::new, |insn| {
            skep_asm::print_insn(insn, skep_asm::Dialect::CLike, &self.image.maps)
        });
        match reg {
            Some((reg, state)) => {
                format!("insn {pc}: {text}, where {reg} is {}", describe(self.image, &state))
            }
            None => format!("insn {pc}: {text}"),
        }
    }

    /// The last branches on the way.
    fn way(&self) -> Option<String> {
        let mut told = Vec::new();
        for pair in self.steps.windows(2) {
            let Some(Insn::JumpIf { .. }) = self.prog.insns.get(pair[0].pc) else { continue };
            let taken = pair[1].pc.0 != pair[0].pc.0 + 1;
            let line = self.prog.line_at(pair[0].pc).map(|line| line.line);
            let place =
                line.map_or_else(|| format!("insn {}", pair[0].pc), |line| format!("line {line}"));
            told.push(format!("{place} {}", if taken { "jumps" } else { "goes on" }));
        }
        if told.is_empty() {
            return None;
        }
        let skipped = told.len().saturating_sub(BRANCHES);
        let start = if skipped > 0 { format!("… {skipped} branches, ") } else { String::new() };
        Some(format!("on the way: {start}{}", told[skipped..].join(", ")))
    }

    /// What would do.
    fn help(&self, reg: Option<(Reg, RegState)>) -> Option<String> {
        let name = reg.map(|(reg, _)| reg.to_string()).unwrap_or_default();
        Some(match self.rejection.reject.rule {
            Rule::MemPacket => {
                let end = self.access().map_or(0, |(_, end, _)| end);
                format!(
                    "compare with the end of the packet before: `if (data + {end} > data_end) return …`"
                )
            }
            Rule::MemMapValue | Rule::MemRegion => {
                "test the index before the access, in the variable that is used for it".into()
            }
            Rule::PtrNull => format!("compare {name} with null before: `if (!ptr) return …`"),
            Rule::RegUninit => match name.as_str() {
                "r1" | "r2" | "r3" | "r4" | "r5" => format!(
                    "calls clobber r1 to r5: keep {name} in r6 to r9 or on the stack across a call"
                ),
                _ => format!("write {name} on every way that leads here"),
            },
            Rule::MemStackUninit => {
                "initialise the memory before it is passed, with = {} for example".into()
            }
            Rule::RefLeak => {
                "release it on every way to the exit, after a comparison with null".into()
            }
            Rule::HelperGpl => {
                "give the object a licence: char _license[] SEC(\"license\") = \"GPL\";".into()
            }
            Rule::LoopInfinite => "let every round change what the loop's condition reads".into(),
            Rule::LimitInsns => {
                "bound loops tightly, or use bpf_loop(), so that their body is followed once".into()
            }
            Rule::StackDepth => {
                "large variables fit into a per-CPU array map instead of the stack".into()
            }
            _ => return None,
        })
    }
}

/// A sentence of the kernel's as a title.
fn lower(text: &str) -> String {
    let text = text.trim().trim_end_matches(['.', '!']);
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // R1, BPF_LDX and the like stay as they are.
        (Some(first), Some(next)) if next.is_lowercase() || next == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.into(),
    }
}
