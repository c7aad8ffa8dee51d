//! What is wrong, in one line with the numbers.

use super::Cx;
use super::told::ordinal;
use super::value::range_of;
use skep_abi::ProgType;
use skep_isa::{Call, Insn};
use skep_prog::CoreReloc;
use skep_verifier::{Base, Byte, Fact, Rule};

impl Cx<'_> {
    /// One line with the numbers.
    pub(super) fn title(&self) -> String {
        if let Some(why) = self.poison {
            return why.to_string();
        }
        if let Some((_, why)) = self.undecoded {
            return format!("this is no instruction: {why}");
        }
        if let Some((what, _)) = self.wrong() {
            return what.into();
        }
        let special = match self.rejection.reject.rule {
            Rule::MemMapValue | Rule::MemRegion => self.title_memory(),
            Rule::MemPacket => self.title_packet(),
            Rule::RegUninit => Some(self.title_uninit()),
            Rule::RefLeak => Some(self.title_leak()),
            Rule::HelperUnknown => Some(self.title_helper()),
            Rule::MemStack => self.title_stack(),
            Rule::MemStackUninit => self.title_unwritten(),
            Rule::ReturnRange | Rule::Callback => self.title_result(),
            Rule::SubprogArg => Some(self.title_arg()),
            Rule::MemCtx => self.title_ctx(),
            _ => None,
        };
        special.or_else(|| self.told_title()).unwrap_or_else(|| self.title_by_rule())
    }

    /// Where the rule says enough.
    fn title_by_rule(&self) -> String {
        let (name, what) = (self.subject(), self.what());
        let (has_reg, through) = (self.reg().is_some(), self.through());
        match self.rejection.reject.rule {
            Rule::PtrNull if has_reg => format!("{through} may go through null: {name} is {what}"),
            Rule::MemNotPointer if self.mover().is_some() => format!(
                "{through} uses a pointer into the packet from before {}, which may move it",
                self.mover().unwrap_or_default()
            ),
            Rule::MemNotPointer if self.ender().is_some() => {
                format!("{through} uses what {} has ended", self.ender().unwrap_or_default())
            }
            Rule::MemNotPointer if has_reg => {
                format!("{through} does not lead to memory: {name} is {what}")
            }
            Rule::HelperArg | Rule::KfuncArg if has_reg => {
                let call = self.call().map_or_else(|| self.callee(), str::to_string);
                let is_null = self.reg().is_some_and(|(_, state)| state.is_null());
                let what = if is_null { "null" } else { &what };
                match self.required().or_else(|| self.expected()) {
                    Some(need) => format!("{call} takes {} in {name}, not {what}", kinds(need)),
                    None => format!("{call} does not take {what} in {name}"),
                }
            }
            Rule::HelperSize if has_reg => {
                let may = if self.is_exact() { "is" } else { "may be" };
                let is_negative = self.reg().is_some_and(|(_, state)| state.num.smin < 0);
                let what = if is_negative { "negative" } else { range_of(&what) };
                let call = self.callee();
                match self.parameter() {
                    Some(_) => format!("the size that {call} gets, {name}, {may} {what}"),
                    None => format!("the size that {call} gets in {name} {may} {what}"),
                }
            }
            Rule::HelperGpl => {
                format!("{} is for programs under a GPL-compatible licence", self.callee())
            }
            Rule::LimitBranches => {
                "there are too many ways through the program: more than 8192 branches wait to be followed".into()
            }
            Rule::LoopInfinite => "the loop may never end: nothing changes in it".into(),
            Rule::Privilege if self.required().is_some() => {
                format!("{}programs need {}", self.kind(), self.required().unwrap_or_default())
            }
            Rule::LimitInsns if self.required().is_some() => {
                format!("a program has {}", self.required().unwrap_or_default())
            }
            Rule::LimitInsns => {
                "there are too many ways through the program: more than a million instructions".into()
            }
            rule => {
                let kernel = self.kernel();
                match self.required().filter(|_| kernel.is_empty()) {
                    Some(need) => format!("this needs {need}"),
                    None if kernel.is_empty() => lower(rule.summary()),
                    None => lower(kernel),
                }
            }
        }
    }

    /// Map values and other memory of a known size.
    fn title_memory(&self) -> Option<String> {
        let (_, state) = self.reg()?;
        // Nothing is accessed where the pointer alone is at fault.
        if self.kernel().contains("prohibited for !root") {
            return None;
        }
        let is_fixed = state.num.is_const().is_some();
        let who = match self.insn_at() {
            Some(Insn::Call(_)) => format!("{}, with {},", self.callee(), self.subject()),
            _ => self.through(),
        };
        let Some((start, end, size)) = self.access() else {
            if self.told_title().is_some() {
                return None;
            }
            return Some(if self.leads_nowhere() {
                format!(
                    "nothing may be accessed through {}, which is {}",
                    self.subject(),
                    self.what()
                )
            } else {
                format!("{who} may reach anywhere: its offset has no bounds that hold")
            });
        };
        let memory = match (state.ty.base, state.map()) {
            (Base::MapValue, Some(map)) if self.words.holds_variables(map) => {
                self.words.map(map).to_string()
            }
            (Base::MapValue, Some(map)) => format!("a value of {}", self.words.map(map)),
            (Base::MapKey, Some(map)) => format!("a key of {}", self.words.map(map)),
            _ => "the memory".to_string(),
        };
        Some(if start < 0 {
            let begin = if is_fixed { "begins" } else { "may begin" };
            format!("{who} {begin} {} before {memory}", bytes(-start))
        } else {
            let reach = if is_fixed { "reaches" } else { "may reach" };
            match size {
                0 => format!("{who} needs {memory}, which has no bytes"),
                _ => format!("{who} {reach} byte {end}, and {memory} has {}", bytes(size)),
            }
        })
    }

    fn title_packet(&self) -> Option<String> {
        let Some((_, end, size)) = self.access() else {
            return Some(format!("{} may read behind the end of the packet", self.through()));
        };
        let who = match self.insn_at() {
            Some(Insn::Call(_)) => format!("{}, with {},", self.callee(), self.subject()),
            _ => self.through(),
        };
        Some(match size {
            0 => format!("{who} reaches byte {end} of a packet that may be shorter"),
            _ => format!(
                "{who} reaches byte {end} of the packet, of which {size} are known to be there"
            ),
        })
    }

    fn title_uninit(&self) -> String {
        let name = self.reg().map_or_else(|| "r0".to_string(), |(reg, _)| reg.to_string());
        let is_exit = matches!(self.insn_at(), Some(Insn::Exit));
        match self.clobberer() {
            Some(at) if name != "r0" => {
                let call = self.called_at(at);
                format!("{name} is read after {call}, which leaves nothing in r1 to r5")
            }
            _ if name == "r0" && is_exit => "the program ends without a result in r0".into(),
            _ => format!("{name} is read before it is written"),
        }
    }

    fn title_leak(&self) -> String {
        match self.leaked() {
            Some(call) if call.contains("_iter_") => {
                format!("the iterator of {call} is not destroyed on this way")
            }
            Some(call) => format!("what {call} gave is not released on this way"),
            None => "what was acquired is not released on this way".into(),
        }
    }

    fn title_helper(&self) -> String {
        match self.insn_at() {
            Some(Insn::Call(Call::Helper(id))) if id != CoreReloc::POISON => {
                format!("{}programs cannot call {}", self.kind(), self.callee())
            }
            _ => "the instruction was made invalid by CO-RE: the kernel lacks what it needs".into(),
        }
    }

    /// Accesses outside of the stack.
    fn title_stack(&self) -> Option<String> {
        let (kernel, who) = (self.kernel(), self.toucher());
        if let (Some((size, there)), Some((map, what, _))) = (self.reach(), self.size_of()) {
            let of = self.words.map(map);
            return Some(format!(
                "{who} takes a {what} of {of}, {}, and {} leads to {there} on the stack",
                bytes(size),
                self.subject()
            ));
        }
        if let Some((size, there)) = self.reach() {
            let may = if self.is_exact() { "reaches" } else { "may reach" };
            return Some(format!(
                "{who} {may} {} where {there} are left on the stack",
                bytes(size)
            ));
        }
        if kernel.contains("prohibited") {
            return None;
        }
        if kernel.contains("variable-offset") {
            let (name, what) = (self.subject(), self.what());
            return Some(format!("{who} may reach outside of the stack: {name} is {what}"));
        }
        let off = self.number("off=").or_else(|| self.number("off "))?;
        Some(match off {
            _ if self.is_unwritten() => {
                let size = self.number("size=").unwrap_or(1);
                format!("{who} reads {} at fp{off}, and nothing was written there", bytes(size))
            }
            0.. => format!("{who} reaches fp+{off}, and the stack ends at fp"),
            _ => format!("{who} reaches fp{off}, and the stack has 512 bytes: it begins at fp-512"),
        })
    }

    /// Whether an access lies inside of the stack, where the program has not come so far.
    pub(super) fn is_unwritten(&self) -> bool {
        let range = self.number("off=").zip(self.number("size="));
        self.kernel().starts_with("invalid read from stack")
            && range.is_some_and(|(off, size)| off >= -512 && off.saturating_add(size) <= 0)
    }

    /// Stack that is read and was not written.
    fn title_unwritten(&self) -> Option<String> {
        let kernel = &self.rejection.reject.kernel;
        let (line, rest) =
            kernel.lines().find_map(|line| Some((line, line.split_once("off ")?.1)))?;
        let (base, rest) = rest.split_once('+')?;
        let (at, size) = rest.split_once(" size ")?;
        let base: i64 = base.parse().ok()?;
        let at = base.checked_add(at.parse().ok()?)?;
        let size: i64 = size.trim().parse().ok()?;
        if !line.contains("read from stack") {
            return None;
        }
        let who = self.toucher();
        let how = match self.stack_byte(at) {
            Some(Byte::Dynptr) => "a dynptr is there",
            Some(Byte::Iter) => "an iterator is there",
            Some(Byte::IrqFlag) => "the state of interrupts is kept there",
            Some(Byte::Spill) => "a pointer is kept there",
            _ if at == base => "nothing was written there",
            _ => {
                return Some(format!(
                    "{who} reads {} at fp{base}, and the byte at fp{at} was never written",
                    bytes(size)
                ));
            }
        };
        Some(format!("{who} reads {} at fp{base}, and {how}", bytes(size)))
    }

    /// What a byte of the stack was before the instruction.
    fn stack_byte(&self, at: i64) -> Option<Byte> {
        let last = self.steps.last().filter(|step| Some(step.pc) == self.rejection.pc)?;
        let below = usize::try_from((-at).checked_sub(1)?).ok()?;
        last.stack.get(below / 8).map(|slot| slot.bytes[below % 8])
    }

    /// Results outside of what is allowed.
    fn title_result(&self) -> Option<String> {
        let (low, high) = self.allowed()?;
        let (_, state) = self.reg()?;
        let who = match self.rejection.reject.rule {
            Rule::Callback => self.prog.subprog_at(self.rejection.pc?).map_or_else(
                || "the callback".to_string(),
                |sub| format!("the callback `{}`", sub.name),
            ),
            _ if self.kernel().contains("callback return") => "the callback".into(),
            _ => "the program".into(),
        };
        let verb = if self.is_always_wrong() { "returns" } else { "may return" };
        let what = self.words.describe(&state);
        let only = if low == high { low.to_string() } else { format!("{low}..={high}") };
        Some(format!("{who} {verb} {}, and only {only} is allowed here", range_of(&what)))
    }

    /// The results that are allowed, least and greatest.
    pub(super) fn allowed(&self) -> Option<(i64, i64)> {
        let (_, range) = self.kernel().split_once("should have been in [")?;
        let (low, high) = range.split_once(']')?.0.split_once(", ")?;
        Some((low.parse().ok()?, high.parse().ok()?))
    }

    /// Whether no value that the result may have is allowed.
    pub(super) fn is_always_wrong(&self) -> bool {
        let range = self.allowed().zip(self.reg());
        range.is_some_and(|((low, high), (_, state))| state.num.smax < low || state.num.smin > high)
    }

    /// An argument that the prototype of a global function does not allow.
    fn title_arg(&self) -> String {
        let named = self.kernel().split_once("('").and_then(|(_, rest)| rest.split_once("')"));
        let of = match (named, self.call()) {
            (Some((name, _)), _) => name,
            (None, Some(name)) => name,
            (None, None) => return lower(self.kernel()),
        };
        let Some((reg, state)) = self.reg() else {
            return format!("`{of}` is not given what its prototype says");
        };
        let what = if state.is_null() { "null".into() } else { self.words.describe(&state) };
        let n = usize::from(reg.num());
        let start = self.prog.subprogs.iter().find(|sub| sub.name == of).map(|sub| sub.start);
        let param =
            start.and_then(|start| self.words.parameter(start, n)).and_then(|(name, _)| name);
        let nth = ordinal(u32::from(reg.num()));
        let ty = start.and_then(|start| self.words.parameter_type(start, n));
        match (param, ty) {
            (Some(param), _) if state.ty.may_be_null() => {
                format!("parameter `{param}` of `{of}` cannot be null, and gets {what}")
            }
            (Some(param), Some(ty)) => {
                format!("parameter `{param}` of `{of}` is a `{ty}`, and cannot be {what}")
            }
            (Some(param), None) => format!("parameter `{param}` of `{of}` cannot be {what}"),
            (None, _) => format!("the {nth} argument of `{of}` cannot be {what}"),
        }
    }

    fn title_ctx(&self) -> Option<String> {
        let kernel = self.kernel();
        if !kernel.starts_with("invalid bpf_context")
            || self.rejection.reject.kernel.contains("func '")
        {
            return None;
        }
        let (size, off, how) = match self.insn_at()? {
            Insn::Store { size, off, .. } => (size, off, "written"),
            Insn::Load { size, off, .. } => (size, off, "read"),
            Insn::LoadSx { size, off, .. } => (size, off, "read with their sign extended"),
            _ => return None,
        };
        let kind = self.kind();
        let size = bytes(i64::from(size.bytes()));
        Some(match self.expr.as_deref().filter(|expr| expr.contains("->")) {
            Some(field) => format!(
                "`{field}`, {size} at offset {off} of the context, may not be {how} by {kind}programs"
            ),
            None => {
                format!("{size} at offset {off} of the context of {kind}programs may not be {how}")
            }
        })
    }

    /// Whoever accesses memory: the function called, or the access.
    fn toucher(&self) -> String {
        match self.insn_at() {
            Some(Insn::Call(_)) => self.callee(),
            _ => self.through(),
        }
    }

    /// Whether the size of the access is known.
    fn is_exact(&self) -> bool {
        let facts = &self.rejection.reject.facts;
        !facts.iter().any(|fact| {
            matches!(fact, Fact::Reg(_, state) if state.is_scalar() && state.num.is_const().is_none())
        })
    }

    /// A number behind a word in what the kernel says.
    fn number(&self, key: &str) -> Option<i64> {
        let (_, rest) = self.kernel().split_once(key)?;
        let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    }

    /// What the kernel says that it takes.
    fn expected(&self) -> Option<&str> {
        self.kernel().split_once("expected=").map(|(_, expected)| expected)
    }

    /// Bytes of stack that a call may reach, and those that are there.
    pub(super) fn reach(&self) -> Option<(i64, i64)> {
        let (off, size) = (self.number(" off=")?, self.number(" size=")?);
        (off < 0 && size > off.checked_neg()?).then_some((size, -off))
    }

    /// The kind of program, before a noun; nothing where it is not known.
    pub(super) fn kind(&self) -> String {
        match self.prog.prog_type {
            ProgType::Unspec => String::new(),
            known => format!("{} ", known.name()),
        }
    }

    /// The function that the instruction calls.
    pub(super) fn callee(&self) -> String {
        match (self.insn_at(), self.rejection.pc) {
            (Some(Insn::Call(call)), Some(pc)) => self.words.callee(pc, call),
            _ => "the call".into(),
        }
    }
}

/// A number of bytes.
pub(super) fn bytes(n: i64) -> String {
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
        "fp, dynptr_ptr" => "a dynptr on the stack",
        "scalar" => "a number",
        "func" => "a function of the program",
        "map_value" => "a pointer to a map value",
        "map_value, ptr_" => "a pointer to a map value or to an object of the program",
        text if text.starts_with("sock") => "a socket that is not null",
        text if text.starts_with("fp, ") => "a pointer to memory",
        text if text.starts_with("ringbuf_mem") => "a record of a ring buffer",
        text if text.starts_with("percpu_") => "a pointer to a per-CPU variable",
        text if text.contains("ptr_") => "a pointer to a kernel structure that is held or trusted",
        text => text,
    }
}
