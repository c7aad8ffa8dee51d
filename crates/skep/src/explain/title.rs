//! What is wrong, in one line with the numbers.

use super::{Cx, describe};
use skep_abi::ProgType;
use skep_isa::{Call, Insn};
use skep_prog::CoreReloc;
use skep_verifier::Rule;

impl Cx<'_> {
    /// One line with the numbers.
    pub(super) fn title(&self) -> String {
        if let Some(why) = self.poison {
            return why.to_string();
        }
        let reg = self.reg();
        let name = reg.map(|(reg, _)| reg.to_string()).unwrap_or_default();
        let what = reg.map(|(_, state)| describe(self.image, &state)).unwrap_or_default();
        let through = match &self.expr {
            Some(expr) => format!("`{expr}`"),
            None if name.is_empty() => "the access".into(),
            None => format!("the access through {name}"),
        };
        match (self.rejection.reject.rule, self.access()) {
            (Rule::MemMapValue | Rule::MemRegion, Some((start, end, size))) => {
                let memory = match self.rejection.reject.rule {
                    Rule::MemMapValue => "map value",
                    _ => "piece of memory",
                };
                if start < 0 {
                    format!("{through} may begin {} before the {memory}", bytes(-start))
                } else {
                    format!("{through} may end at byte {end} of a {size}-byte {memory}")
                }
            }
            (Rule::MemRegion, None) if self.leads_nowhere() => {
                format!("nothing may be accessed through {name}, which is {what}")
            }
            (Rule::MemMapValue | Rule::MemRegion, None) if self.reg().is_some() => {
                format!("{through} may reach anywhere: its offset has no bounds that hold")
            }
            (Rule::MemPacket, Some((_, end, size))) => match size {
                0 => format!("{through} reaches byte {end} of a packet that may be shorter"),
                _ => format!(
                    "{through} reaches byte {end} of the packet, of which {size} are known to be there"
                ),
            },
            (Rule::RegUninit, _) => match name.as_str() {
                "r0" if matches!(self.insn_at(), Some(Insn::Exit)) => {
                    "the program ends without a result in r0".into()
                }
                _ if self.was_clobbered() => format!("{name} is read after a call that clobbers it"),
                _ => format!("{name} is read before it is written"),
            },
            (Rule::PtrNull | Rule::MemNotPointer, _) if name.is_empty() => lower(self.kernel()),
            (Rule::PtrNull, _) => format!("{through} may go through null: {name} is {what}"),
            (Rule::MemNotPointer, _) if self.was_moved() => {
                format!("{through} uses a pointer into the packet from before a call that may move it")
            }
            (Rule::MemNotPointer, _) if self.was_ended() => {
                format!("{through} uses what a call before has ended")
            }
            (Rule::MemNotPointer, _) => {
                format!("{through} does not lead to memory: {name} is {what}")
            }
            (Rule::HelperArg | Rule::KfuncArg, _) if !name.is_empty() => {
                let call = self.call().map_or_else(|| self.callee(), str::to_string);
                match self.required().or_else(|| self.expected()) {
                    Some(need) => format!("{call} takes {} in {name}, not {what}", kinds(need)),
                    None => format!("{call} does not take {what} in {name}"),
                }
            }
            (Rule::HelperSize, _) if !name.is_empty() => {
                format!("the size in {name} that {} gets may be {}", self.callee(), range_of(&what))
            }
            (Rule::RefLeak, _) => match self.since_pc().and_then(|pc| self.prog.insns.get(pc).copied()) {
                Some(Insn::Call(call)) => {
                    format!("what {} gave is not released on this way", self.call_name(call))
                }
                _ => "what was acquired is not released on this way".into(),
            },
            (Rule::HelperUnknown, _) => match self.insn_at() {
                Some(Insn::Call(Call::Helper(id))) if id != CoreReloc::POISON => {
                    let name = self.callee();
                    format!("{}programs cannot call {name}", self.kind())
                }
                _ => "the instruction was made invalid by CO-RE: the kernel lacks what it needs".into(),
            },
            (Rule::HelperGpl, _) => {
                format!("{} is for programs under a GPL-compatible licence", self.callee())
            }
            (Rule::MemStack, _) if self.reach().is_some() => {
                let (size, there) = self.reach().unwrap_or_default();
                format!("{} may reach {} where {there} are left on the stack", self.callee(), bytes(size))
            }
            (Rule::MemStack, _) if self.kernel().contains("variable-offset") => {
                format!("{through} may reach outside of the stack: {name} is {what}")
            }
            (Rule::MemStack, _) if self.kernel().contains("off=-") => {
                let off = self.kernel().split("off=").nth(1).and_then(|rest| rest.split(' ').next());
                format!("the stack has 512 bytes, and {} is below them", off.unwrap_or("this"))
            }
            (Rule::LimitBranches, _) => {
                "there are too many ways through the program: more than 8192 branches wait to be followed".into()
            }
            (Rule::ReturnRange, _) if self.kernel().contains("should have been in") => {
                let range = self.kernel().split("should have been in ").nth(1).unwrap_or_default();
                format!("the program may return {}, but only {range} is allowed here", range_of(&what))
            }
            (Rule::PtrBounds, _) if what.contains("any number") => {
                format!("an offset in {name} that may be any number is added to a pointer")
            }
            (Rule::LoopInfinite, _) => "the loop may never end: nothing changes in it".into(),
            (Rule::Privilege, _) if self.required().is_some() => {
                let need = self.required().unwrap_or_default();
                format!("{}programs need {need}", self.kind())
            }
            (Rule::LimitInsns, _) if self.required().is_some() => {
                format!("a program has {}", self.required().unwrap_or_default())
            }
            (Rule::LimitInsns, _) => {
                "there are too many ways through the program: more than a million instructions".into()
            }
            (Rule::MemCtx, _) => self.title_ctx(),
            (rule, _) => {
                let kernel = self.kernel();
                match self.required().filter(|_| kernel.is_empty()) {
                    Some(need) => format!("this needs {need}"),
                    None if kernel.is_empty() => lower(rule.summary()),
                    None => lower(kernel),
                }
            }
        }
    }

    /// What the kernel says that it takes.
    fn expected(&self) -> Option<&str> {
        self.kernel().split_once("expected=").map(|(_, expected)| expected)
    }

    /// Bytes of stack that a call may reach, and those that are there.
    pub(super) fn reach(&self) -> Option<(i64, i64)> {
        let kernel = self.kernel();
        let number = |key: &str| -> Option<i64> {
            let (_, rest) = kernel.split_once(key)?;
            let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().ok()
        };
        let (off, size) = (number(" off=")?, number(" size=")?);
        (off < 0 && size > off.checked_neg()?).then_some((size, -off))
    }

    /// The kind of program, before a noun; nothing where it is not known.
    fn kind(&self) -> String {
        match self.prog.prog_type {
            ProgType::Unspec => String::new(),
            known => format!("{} ", known.name()),
        }
    }

    fn title_ctx(&self) -> String {
        let kind = self.kind();
        let size = |size: skep_isa::Size| size.bytes();
        match self.insn_at() {
            Some(Insn::Store { size: of, off, .. })
                if self.kernel().starts_with("invalid bpf_context") =>
            {
                format!(
                    "{} at offset {off} of the context of {kind}programs may not be written",
                    bytes(i64::from(size(of)))
                )
            }
            Some(Insn::Load { size: of, off, .. })
                if self.kernel().starts_with("invalid bpf_context") =>
            {
                format!(
                    "{} at offset {off} of the context of {kind}programs may not be read",
                    bytes(i64::from(size(of)))
                )
            }
            _ if self.kernel().contains("variable ctx access") => {
                "the context is accessed at an offset that is not constant".into()
            }
            _ => lower(self.kernel()),
        }
    }

    /// The function that the instruction calls.
    pub(super) fn callee(&self) -> String {
        match self.insn_at() {
            Some(Insn::Call(call)) => self.call_name(call),
            _ => "the call".into(),
        }
    }

    /// What is known at the place.
    pub(super) fn here(&self) -> String {
        let Some((reg, state)) = self.reg() else { return String::new() };
        let what = describe(self.image, &state);
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
                format!("{reg} is {what}; {} too far", bytes(end - size))
            }
            _ => format!("{reg} is {what}"),
        }
    }
}

/// A number of bytes.
fn bytes(n: i64) -> String {
    if n == 1 { "1 byte".into() } else { format!("{n} bytes") }
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

/// Kinds of values, as the kernel names them, in words.
fn kinds(expected: &str) -> &str {
    match expected.trim() {
        "map_ptr" => "a map",
        "ctx" => "the context",
        "fp" => "a pointer to the stack",
        "scalar" => "a number",
        text if text.starts_with("sock") => "a socket that is not null",
        text if text.starts_with("fp, ") => "a pointer to memory",
        text if text.starts_with("ringbuf_mem") => "a record of a ring buffer",
        text => text,
    }
}

/// A value without saying that it is a number.
fn range_of(what: &str) -> &str {
    what.strip_prefix("a number of ").unwrap_or(what)
}
