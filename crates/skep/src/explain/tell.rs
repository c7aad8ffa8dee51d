//! What happened on the way to a refusal, told at its places.

use super::origin::Origin;
use super::place::Places;
use super::value::range_of;
use super::{CONTEXTS, Cx};
use skep_diag::Diagnostic;
use skep_isa::{Call, Insn, Pc};
use skep_verifier::{Base, Byte, Fact, RegState, Rule, Step};

impl Cx<'_> {
    /// Adds what is known at the place and where that comes from.
    pub(super) fn places(
        &self,
        mut diag: Diagnostic,
        places: &mut Places<'_>,
        pc: Pc,
    ) -> Diagnostic {
        let Some(span) = places.span(pc) else { return diag };
        diag = diag.label(span, self.here());
        let mut taken = Vec::new();
        let line = |at: Pc| self.prog.line_at(at).map(|line| (line.file.clone(), line.line));
        // What is added and multiplied in the line itself can be seen there.
        let is_plain = |one: &&Origin| match one {
            Origin::Added { pc: at, .. } | Origin::Scaled { pc: at, .. } => {
                line(*at).is_none() || line(*at) != line(pc)
            }
            // The title names it.
            Origin::Param { .. } => self.parameter().is_none(),
            _ => true,
        };
        let told = self.origins.iter().filter(is_plain);
        let mut told: Vec<(Pc, String)> = told.map_while(|one| self.tell(one)).collect();
        // A constant that is used where it is made needs no history.
        if self.reg().is_some_and(|(_, state)| state.is_scalar() && state.num.is_const().is_some())
        {
            told.retain(|(at, _)| places.span(*at) != Some(span));
        }
        let since = self.since();
        // What is missing began there: that is the story.
        let room = CONTEXTS.saturating_sub(since.len());
        told.truncate(room);
        told.extend(since);
        for (at, text) in told {
            match places.span(at).filter(|at| *at != span) {
                Some(span) => taken.push((span, text)),
                None => diag = diag.note(format!("insn {at}: {text}")),
            }
        }
        // Of what happened at one place, the first is told first.
        for (span, text) in taken.into_iter().rev() {
            let same = diag.labels.iter_mut().skip(1).find(|label| label.span == span);
            match same {
                Some(label) => label.text = format!("{}; {text}", label.text),
                None => diag = diag.context(span, text),
            }
        }
        diag
    }

    /// Adds the functions that take too much stack together.
    pub(super) fn stacks(&self, mut diag: Diagnostic, places: &mut Places<'_>) -> Diagnostic {
        let found = self.rejection.reject.facts.iter().find_map(|fact| match fact {
            Fact::Stacks(stacks) => Some(stacks),
            _ => None,
        });
        let most = found.and_then(|stacks| stacks.iter().map(|&(_, size)| size).max());
        let mut is_first = true;
        for &(start, size) in found.into_iter().flatten().rev() {
            let of = self.prog.subprogs.iter().find(|sub| sub.start == Pc(start));
            let name = of.map_or(self.prog.name.as_str(), |of| of.name.as_str());
            let text = format!("`{name}` takes {size} bytes");
            diag = match places.span(Pc(start)) {
                Some(span) if Some(size) == most && is_first => {
                    is_first = false;
                    diag.label(span, text)
                }
                Some(span) => diag.context(span, text),
                None => diag.note(text),
            };
        }
        diag
    }

    /// What happened to the value, in words, and where.
    fn tell(&self, origin: &Origin) -> Option<(Pc, String)> {
        let what = |value: &RegState| self.words.range(value);
        Some(match origin {
            // The address of a variable or a map: the value says that by itself.
            Origin::Made { pc, .. }
                if matches!(self.prog.insns.get(*pc), Some(Insn::LoadImm { .. })) =>
            {
                return None;
            }
            Origin::Made { pc, value, was: Some(was) } if was.is_scalar() && value.is_scalar() => {
                (*pc, format!("{} from here; it was {} before", what(value), what(was)))
            }
            Origin::Made { pc, value, .. } => (*pc, self.tell_made(*pc, value)),
            Origin::Bounded { pc, value } if value.ty.is_packet() && value.range() < 0 => {
                (*pc, "after this comparison it is at the end of the packet or behind it".into())
            }
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
            Origin::Turned { pc, value } => {
                (*pc, format!("{} leaves {} behind", self.name_call(*pc), what(value)))
            }
            Origin::Clobbered { pc } => {
                (*pc, format!("{} leaves nothing in r1 to r5", self.name_call(*pc)))
            }
            Origin::Moved { pc } => {
                let call = self.name_call(*pc);
                (*pc, format!("{call} may move the packet: pointers from before lead nowhere now"))
            }
            Origin::Ended { pc } => {
                let call = self.name_call(*pc);
                (*pc, format!("{call} ends what the pointer led to: nothing is there any more"))
            }
            Origin::Blurred { pc, value } => (
                *pc,
                format!("kept on the stack here as mere bytes: that it is {} is lost", what(value)),
            ),
            Origin::Overwritten { pc, value } => {
                let what = what(value);
                let text = match self.prog.insns.get(*pc) {
                    Some(Insn::Call(_)) => format!(
                        "lost here: {} writes over {what}, which was kept on the stack",
                        self.name_call(*pc)
                    ),
                    _ => format!("lost here: a part is overwritten of {what}, kept on the stack"),
                };
                (*pc, text)
            }
            Origin::Cut { pc, value, was } => {
                let (value, was) = (what(value), what(was));
                (*pc, format!("lost here: only a part is read of {was} on the stack: {value}"))
            }
            Origin::Param { start, n, value } => {
                let (name, of) = self.words.parameter(*start, *n)?;
                let what = self.words.describe(value);
                let text = match name {
                    Some(name) => format!("parameter `{name}` of `{of}`: {what}"),
                    None => format!("parameter {n} of `{of}`: {what}"),
                };
                (*start, text)
            }
            Origin::Given { pc, value } => {
                let (call, what) = (self.name_call(*pc), self.words.describe(value));
                (*pc, format!("{call} gives it to the function: {what}"))
            }
            Origin::Reread { pc } => {
                (*pc, "compared here, but what is used is read again after".into())
            }
            Origin::NeverWritten => return None,
        })
    }

    /// Where a value came into being.
    fn tell_made(&self, pc: Pc, value: &RegState) -> String {
        let what = self.words.range(value);
        match self.prog.insns.get(pc).copied() {
            Some(Insn::Call(call)) => {
                format!("{} returns {what}", self.words.callee(pc, call))
            }
            Some(Insn::Load { base, .. } | Insn::LoadSx { base, .. }) => {
                let step = self.steps.iter().rev().find(|step| step.pc == pc);
                let from = step.map(|step| step.regs[usize::from(base.num())]);
                let from = from
                    .map_or_else(String::new, |from| format!(" from {}", self.words.region(&from)));
                format!("read{from} here: {what}")
            }
            Some(Insn::Store { .. }) => format!("{what}, stored here"),
            _ => format!("{what} from here"),
        }
    }

    /// The function that is called at a place, at the start of a sentence.
    fn name_call(&self, pc: Pc) -> String {
        match self.prog.insns.get(pc).copied() {
            Some(Insn::Call(call)) => match self.words.callee(pc, call).as_str() {
                "the call" => "this call".into(),
                name => name.into(),
            },
            Some(Insn::LoadAbs { .. } | Insn::LoadInd { .. }) => "this load of the packet".into(),
            _ => "this call".into(),
        }
    }

    /// Instructions where what is missing began.
    fn since(&self) -> Vec<(Pc, String)> {
        let text = match self.rejection.reject.rule {
            Rule::RefLeak if self.leaked().is_some_and(|name| name.contains("_iter_")) => {
                "begun here"
            }
            Rule::RefLeak => "acquired here",
            Rule::Lock => "taken here",
            Rule::LoopInfinite | Rule::CfgBackEdge => "the loop begins here",
            _ => "since here",
        };
        let known = self.since_pc().map(|pc| (pc, text.to_string()));
        known.or_else(|| self.opened()).or_else(|| self.object_ended()).into_iter().collect()
    }

    /// Where a dynptr or an iterator ended that is asked for.
    fn object_ended(&self) -> Option<(Pc, String)> {
        if !matches!(self.rejection.reject.rule, Rule::Dynptr | Rule::Iter)
            || !self.kernel().contains(" initialized ")
        {
            return None;
        }
        let (_, state) = self.reg().filter(|(_, state)| state.ty.base == Base::Stack)?;
        let at = i64::from(state.off).checked_add(state.num.is_const()?.cast_signed())?;
        let slot = usize::try_from((-at).checked_sub(1)?).ok()? / 8;
        let own: Vec<&Step> = self.steps.iter().filter(|step| step.frame == state.frame).collect();
        let is_there = |step: &Step| {
            let byte = step.stack.get(slot).map(|slot| slot.bytes[7]);
            matches!(byte, Some(Byte::Dynptr | Byte::Iter))
        };
        let ended = own.windows(2).rev().find(|pair| is_there(pair[0]) && !is_there(pair[1]))?;
        let what = if self.rejection.reject.rule == Rule::Iter { "iterator" } else { "dynptr" };
        let text = match self.prog.insns.get(ended[0].pc) {
            Some(Insn::Call(_)) => format!("{} ends the {what}", self.name_call(ended[0].pc)),
            _ => format!("lost here: this overwrites a part of the {what}"),
        };
        Some((ended[0].pc, text))
    }

    /// The function that gave what is not released.
    pub(super) fn leaked(&self) -> Option<String> {
        let pc = self.since_pc()?;
        match self.prog.insns.get(pc).copied()? {
            Insn::Call(call) => Some(self.words.callee(pc, call)),
            _ => None,
        }
    }

    /// The call that began the section that is at fault, where the verifier has not kept it.
    fn opened(&self) -> Option<(Pc, String)> {
        let rule = self.rejection.reject.rule;
        if !matches!(rule, Rule::Lock | Rule::Collection | Rule::HelperSleep) {
            return None;
        }
        let kernel = &self.rejection.reject.kernel;
        if kernel.contains("without taking") || kernel.contains("unmatched") {
            return None;
        }
        let (names, text): (&[&str], _) = if kernel.contains("rcu") || kernel.contains("RCU") {
            (&["bpf_rcu_read_lock"], "the section begins here")
        } else if kernel.contains("preempt") {
            (&["bpf_preempt_disable"], "preemption is disabled here")
        } else if kernel.contains("irq") {
            (&["bpf_local_irq_save"], "interrupts are disabled here")
        } else if kernel.contains("lock") {
            let locks = &["bpf_spin_lock", "bpf_res_spin_lock", "bpf_res_spin_lock_irqsave"];
            (locks, "taken here")
        } else {
            return None;
        };
        let before = self.steps.len().saturating_sub(1);
        self.steps[..before].iter().rev().find_map(|step| {
            let Insn::Call(call @ (Call::Helper(_) | Call::Kfunc { .. })) =
                *self.prog.insns.get(step.pc)?
            else {
                return None;
            };
            let is_one = names.contains(&self.words.callee(step.pc, call).as_str());
            is_one.then(|| (step.pc, text.to_string()))
        })
    }

    /// The instruction as the machine has it.
    pub(super) fn insn(&self, pc: Pc) -> String {
        if let Some((raw, _)) = self.undecoded {
            let bytes: Vec<String> =
                raw.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            return format!("insn {pc}: {}", bytes.join(" "));
        }
        let insn = self.prog.insns.get(pc).copied();
        let text = insn.map_or_else(String::new, |insn| self.words.insn(pc, &insn));
        match self.reg() {
            Some((reg, state)) => {
                format!("insn {pc}: {text}, where {reg} is {}", self.words.describe(&state))
            }
            None => format!("insn {pc}: {text}"),
        }
    }

    /// What to call the pointer that may be null.
    pub(super) fn null_name(&self) -> Option<String> {
        if let Some((Some(param), _)) = self.parameter() {
            return Some(param.to_string());
        }
        let made = self.origins.iter().find_map(|origin| match origin {
            Origin::Made { pc, .. } => Some(*pc),
            _ => None,
        })?;
        // `struct flow *flow = bpf_map_lookup_elem(…);`
        let line = self.prog.line_at(made)?;
        let here = self.prog.line_at(self.rejection.pc?);
        if here.is_some_and(|here| (&here.file, here.line) == (&line.file, line.line)) {
            return None;
        }
        let (left, right) = line.text.split_once('=')?;
        if right.starts_with('=') || left.contains('(') {
            return None;
        }
        let left = left.trim();
        let name = left.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        // A member (`s->p`) is read again where it is used.
        let before = left.trim_end_matches(name);
        let is_member = before.ends_with('.') || before.ends_with("->");
        (is_name && !is_member).then(|| name.to_string())
    }

    /// What is known at the place.
    fn here(&self) -> String {
        let Some((reg, state)) = self.reg() else { return String::new() };
        let what = self.words.describe(&state);
        let is_fixed = state.num.is_const().is_some();
        match (self.access(), self.index()) {
            (Some((start, end, size)), Some((low, high, by)))
                if !is_fixed && start >= 0 && end > size && size > 0 && high < i64::MAX =>
            {
                let most = high.saturating_sub((end - size + by - 1) / by);
                if most < low {
                    format!("{low}..={high} here; nothing of that fits")
                } else {
                    format!("{low}..={high} here; {low}..={most} would fit")
                }
            }
            (Some((_, end, size)), _) if end > size && size >= 0 && is_fixed => {
                format!("{reg} is {what}; {} too far", super::title::bytes(end - size))
            }
            _ if self.rejection.reject.rule == Rule::ReturnRange => {
                format!("{} here", range_of(&what))
            }
            _ => format!("{reg} is {what}"),
        }
    }
}
