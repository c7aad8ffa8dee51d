//! Whose fault a refusal is, and what would do.

use super::Cx;
use super::origin::Origin;
use skep_abi::{Helper, ProgType};
use skep_isa::{Call, Insn};
use skep_prog::CoreReloc;
use skep_verifier::{Base, RegState, Rule};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The program does something wrong.
    Program,
    /// The program may be right, but the verifier cannot see it.
    Unseen,
    /// Privileges, licence, program type, configuration or release do not allow it.
    Setting,
}

impl Blame {
    /// In a sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Program => "a mistake in the program",
            Self::Unseen => "the program may be right, but the verifier does not see that it is",
            Self::Setting => {
                "the code may be fine: licence, privileges, program type or kernel do not allow it"
            }
        }
    }

    /// For machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Unseen => "unseen",
            Self::Setting => "setting",
        }
    }
}

impl Cx<'_> {
    /// Whose fault it is.
    pub(super) fn blame(&self) -> Blame {
        let kernel = self.kernel();
        let reg = self.reg().map(|(_, state)| state);
        let is_fixed = reg.is_some_and(|state| state.num.is_const().is_some());
        match self.rejection.reject.rule {
            Rule::AttachTarget if self.prog.prog_type == ProgType::Ext => Blame::Program,
            Rule::HelperGpl
            | Rule::CfgBackEdge
            | Rule::PtrLeak
            | Rule::PtrCompare
            | Rule::Privilege
            | Rule::ProgType
            | Rule::HelperUnknown
            | Rule::KfuncUnknown
            | Rule::HelperSleep
            | Rule::AttachTarget
            | Rule::Speculation => Blame::Setting,
            _ if kernel.contains("prohibited for !root") => Blame::Setting,
            _ if kernel.contains("attempt to corrupt spilled pointer") => Blame::Setting,
            // The kernel is older than what is used.
            Rule::MapUse if kernel.is_empty() => Blame::Setting,
            Rule::MemStack if self.size_of().is_some() => Blame::Program,
            Rule::MemStack if self.reach().is_some() => Blame::Unseen,
            Rule::MemMapValue | Rule::MemRegion | Rule::MemStack | Rule::MemPacket if is_fixed => {
                Blame::Program
            }
            Rule::HelperSize | Rule::PtrBounds if is_fixed => Blame::Program,
            Rule::ReturnRange if self.is_always_wrong() => Blame::Program,
            Rule::MemMapValue
            | Rule::MemRegion
            | Rule::MemPacket
            | Rule::MemStack
            | Rule::HelperSize
            | Rule::LimitInsns
            | Rule::LimitBranches
            | Rule::LoopInfinite
            | Rule::ReturnRange
            | Rule::PtrBounds => Blame::Unseen,
            _ => Blame::Program,
        }
    }

    /// What would do.
    pub(super) fn help(&self) -> Option<String> {
        if self.poison.is_some() {
            return Some(
                "ask first: `if (bpf_core_field_exists(…))` or bpf_core_type_exists(); the branch that is not taken may hold what the kernel lacks"
                    .into(),
            );
        }
        if let Some((_, remedy)) = self.wrong() {
            return (!remedy.is_empty()).then(|| remedy.into());
        }
        let reg = self.reg();
        let name = reg.map(|(reg, _)| reg.to_string()).unwrap_or_default();
        let state = reg.map(|(_, state)| state);
        if let Some(help) = self.help_lost().or_else(|| self.told_help()) {
            return Some(self.by_name(help));
        }
        if let Some(help) = self.help_size_of() {
            return Some(help);
        }
        Some(match self.rejection.reject.rule {
            Rule::MemPacket => self.help_packet(state),
            Rule::MemMapValue | Rule::MemRegion => return self.help_memory(state),
            Rule::MemStack if self.is_unwritten() => {
                "initialise all of it, padding too: `= {}` for a variable, __builtin_memset() for what has padding".into()
            }
            Rule::MemStack if self.reach().is_some() => {
                let (_, there) = self.reach().unwrap_or_default();
                format!("bound the size before the call: `if (len > {there}) return …;`")
            }
            Rule::MemStack if state.is_some_and(|state| state.num.is_const().is_some()) => {
                "the pointer leads to fewer bytes of stack: stay inside of the variable that it was taken of; fp-512 is the lowest byte, fp-1 the highest".into()
            }
            Rule::MemStack => {
                "accesses through r10 reach from -512 to -1; a variable index needs a test of both ends before".into()
            }
            Rule::MemNotPointer => return self.help_not_pointer(state),
            Rule::PtrNull => match (self.null_name(), self.parameter()) {
                (Some(param), Some(_)) => format!(
                    "test it first: `if (!{param}) return …;`, or tag the parameter `__arg_nonnull`"
                ),
                (Some(expr), None) => format!("test it first: `if (!{expr}) return …;`"),
                (None, _) => format!("compare {name} with null before it is used"),
            },
            Rule::RegUninit => match name.as_str() {
                "r1" | "r2" | "r3" | "r4" | "r5" if self.clobberer().is_some() => format!(
                    "calls clobber r1 to r5: keep {name} in r6 to r9 or on the stack across a call"
                ),
                "r0" => "r0 is the result: set it on every way to the exit".into(),
                _ => format!("write {name} on every way that leads here"),
            },
            Rule::MemStackUninit if self.title().ends_with("a dynptr is there") => {
                "read what it leads to by bpf_dynptr_read(), bpf_dynptr_data() or bpf_dynptr_slice()".into()
            }
            Rule::MemStackUninit if self.title().ends_with("is there") => {
                "leave it to its functions, and use other stack".into()
            }
            Rule::MemStackUninit => {
                "initialise all of it, padding too: `= {}` for a variable, __builtin_memset() for what has padding".into()
            }
            Rule::RefLeak => match self.releaser() {
                Some(by) => format!("call {by} on every way to the exit, also the early ones"),
                None => "release it on every way to the exit, also the early ones".into(),
            },
            Rule::RefRelease => "release what was acquired, once, after a comparison with null".into(),
            Rule::HelperGpl => {
                "with a compatible licence: `char _license[] SEC(\"license\") = \"GPL\";`".into()
            }
            Rule::HelperSize => self.help_size(state),
            Rule::HelperUnknown => return self.help_helper(),
            Rule::HelperMap => return self.help_map(),
            Rule::KfuncUnknown => {
                "`bpftool btf dump file /sys/kernel/btf/vmlinux` lists the kernel's functions; each is for certain program types only".into()
            }
            Rule::MemCtx => {
                "read the fields of the context by their names, at constant offsets: ctx->field; few of them may be written".into()
            }
            Rule::LoopInfinite => "let every round change what the loop's condition reads, and bound it by a constant".into(),
            Rule::LimitInsns | Rule::LimitBranches => {
                "bound loops by a small constant, or use bpf_loop(), so that their body is followed once".into()
            }
            Rule::StackDepth => {
                "keep large variables in a per-CPU array map instead of the stack".into()
            }
            Rule::PtrBounds => {
                "make the index unsigned and test it before: `if (i < N)`; the test must be of the variable that is added".into()
            }
            Rule::HelperArg | Rule::SubprogArg
                if state.is_some_and(|state| state.ty.may_be_null()) =>
            {
                match self.null_name() {
                    Some(expr) => format!("test it first: `if (!{expr}) return …;`"),
                    None => format!("compare {name} with 0 before the call"),
                }
            }
            Rule::PtrLeak => "return or store a number instead of an address".into(),
            Rule::CfgBackEdge => "unroll the loop: `#pragma unroll`, or load it with CAP_BPF".into(),
            Rule::ReturnRange => return self.help_return(),
            Rule::SubprogArg if state.is_some_and(|state| state.ty.base == Base::Ctx) => {
                "declare the parameter as the context of this type of program, or tag it `__arg_ctx`".into()
            }
            Rule::Privilege => "load it with CAP_BPF (and CAP_PERFMON or CAP_NET_ADMIN as its type asks)".into(),
            Rule::CfgFallThrough => "end every function with exit or a jump back".into(),
            Rule::CfgUnreachable => "remove the instructions that nothing leads to".into(),
            _ => return None,
        })
    }

    /// Memory that is smaller than a key or value of the map.
    fn help_size_of(&self) -> Option<String> {
        let (map, what, size) = self.size_of()?;
        let too_small = match self.rejection.reject.rule {
            Rule::MemStack => self.reach().is_some(),
            Rule::MemMapValue | Rule::MemRegion => {
                self.access().is_some_and(|(start, end, there)| start >= 0 && end > there)
            }
            _ => false,
        };
        let of = self.words.map(map);
        too_small.then(|| {
            format!("pass the address of a variable as large as a {what} of {of}: {size} bytes")
        })
    }

    /// Where what was known got lost on the stack.
    fn help_lost(&self) -> Option<String> {
        self.origins.iter().find_map(|origin| match origin {
            Origin::Overwritten { .. } => Some(
                "keep it where nothing else is stored, or test it again after it is read".into(),
            ),
            Origin::Blurred { .. } | Origin::Cut { .. } => Some(
                "store and read all 8 bytes of it, aligned, or test it again after it is read"
                    .into(),
            ),
            _ => None,
        })
    }

    /// A help that speaks of `p`, by the pointer's name where it is known.
    fn by_name(&self, help: String) -> String {
        if !help.contains("(!p)") {
            return help;
        }
        match self.null_name() {
            Some(name) => format!("test it first: `if (!{name}) return …;`"),
            None => format!("compare {} with null first", self.subject()),
        }
    }

    fn help_packet(&self, state: Option<RegState>) -> String {
        let end = self.access().map_or(0, |(_, end, _)| end);
        let is_fixed = state.is_some_and(|state| state.num.is_const().is_some());
        let kernel = self.kernel();
        if kernel.contains("negative") {
            return "keep what is added in an unsigned variable and mask it: `off &= 0xff;`".into();
        }
        if end == 0 {
            "access what lies before data_end: `if (p + 1 > data_end) return …;`".into()
        } else if is_fixed && self.begins_at_start(state) {
            format!("compare before: `if (data + {end} > data_end) return …;`")
        } else {
            "what is added to a packet pointer must be small (`& 0x3fff`), and the sum compared: `if ((void *)(p + 1) > data_end) return …;`".into()
        }
    }

    /// Whether the pointer is one to the packet's start plus a constant.
    fn begins_at_start(&self, state: Option<RegState>) -> bool {
        state.is_some_and(|state| state.id == 0)
    }

    fn help_memory(&self, state: Option<RegState>) -> Option<String> {
        let state = state?;
        if self.leads_nowhere() {
            let help = "access through the pointer that was compared with the end of the packet";
            return matches!(state.ty.base, Base::PacketEnd).then(|| help.into());
        }
        if self.access().is_some_and(|(_, _, size)| size == 0) {
            return Some("give the values a size before it is loaded".into());
        }
        if state.num.is_const().is_some() {
            return Some(match self.insn_at() {
                Some(Insn::Call(_)) => "pass a smaller size, or larger memory".into(),
                _ => "use an offset that lies inside, or make the memory larger".into(),
            });
        }
        let (low, high, by) = self.index().unwrap_or((0, 0, 1));
        let kernel = self.kernel();
        if kernel.contains("min value is negative") || low < 0 {
            return Some("make the index unsigned, or test it for being negative too: `if (i >= 0 && i < N)`".into());
        }
        if kernel.contains("unbounded") || high == i64::MAX {
            return Some(
                "test the index before: `if (i < N)`, in the variable that is used for the access"
                    .into(),
            );
        }
        match self.access() {
            Some((_, end, size)) if end > size => {
                let most = high.saturating_sub((end - size + by - 1) / by);
                if most < 0 {
                    None
                } else {
                    let name = self.index_name().unwrap_or("i");
                    Some(format!("test the index before: `if ({name} <= {most})`"))
                }
            }
            _ => Some(
                "test the index before: `if (i < N)`, in the variable that is used for the access"
                    .into(),
            ),
        }
    }

    fn help_not_pointer(&self, state: Option<RegState>) -> Option<String> {
        if self.mover().is_some() {
            return Some(
                "read data and data_end from the context again after the call, and compare again"
                    .into(),
            );
        }
        if self.ender().is_some() {
            return Some("do what needs it before the call, or get it anew after it".into());
        }
        let state = state?;
        Some(match state.ty.base {
            Base::PacketEnd => {
                "data_end is only for comparison: access through a pointer from data".into()
            }
            Base::ConstMap => "look the value up first: bpf_map_lookup_elem()".into(),
            Base::Scalar => {
                "memory of the kernel is read with bpf_probe_read_kernel(), that of a process with bpf_probe_read_user(); other pointers come from the context, maps and helpers".into()
            }
            _ => return None,
        })
    }

    fn help_size(&self, state: Option<RegState>) -> String {
        let signed = state.is_some_and(|state| state.num.smin < 0);
        if self.kernel().contains("zero-sized") {
            "bound the size at both ends: `if (len == 0 || len > sizeof(buf)) return …;`".into()
        } else if signed {
            "make the size unsigned and bound it: `if (len > sizeof(buf)) return …;`, or `len &= sizeof(buf) - 1;`".into()
        } else {
            "bound the size before the call: `if (len > sizeof(buf)) return …;`".into()
        }
    }

    fn help_helper(&self) -> Option<String> {
        let Some(Insn::Call(Call::Helper(id))) = self.insn_at() else { return None };
        if id == CoreReloc::POISON {
            return None;
        }
        let helper = u32::try_from(id).ok().and_then(Helper::find);
        match helper {
            Some(helper) if helper.progs.contains(self.prog.prog_type) => Some(format!(
                "programs of this type may call bpf_{} since Linux {}, at some places, and where the kernel's configuration, lockdown and their loader's capabilities allow it",
                helper.name, helper.since
            )),
            Some(helper) => {
                let types: Vec<&str> = helper.progs.iter().map(|one| one.name()).collect();
                let more = types.len().saturating_sub(6);
                let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
                let first = types.iter().take(6).copied().collect::<Vec<_>>().join(", ");
                Some(format!("bpf_{} is for programs of type {first}{rest}", helper.name))
            }
            None => Some(
                "no release has a helper of this number: is the object newer than the kernel?"
                    .into(),
            ),
        }
    }

    fn help_map(&self) -> Option<String> {
        let call = self.call()?;
        let needs = match call {
            _ if call.contains("tail_call") => "a map of type prog_array",
            _ if call.contains("ringbuf") => "a map of type ringbuf",
            _ if call.contains("perf_event") => "a map of type perf_event_array",
            _ if call.contains("redirect_map") => "a devmap, cpumap or xskmap",
            _ => return None,
        };
        Some(format!("{call} takes {needs}"))
    }

    fn help_return(&self) -> Option<String> {
        let (low, high) = self.allowed()?;
        Some(if low == high {
            format!("return {low}")
        } else if self.is_always_wrong() {
            format!("return a number of {low}..={high}")
        } else {
            format!("return a constant of {low}..={high}, or what was tested to be one")
        })
    }

    /// The function that gives back what was acquired.
    fn releaser(&self) -> Option<String> {
        let name = self.leaked()?;
        let by = match name.as_str() {
            "bpf_ringbuf_reserve" => "bpf_ringbuf_submit() or bpf_ringbuf_discard()",
            "bpf_ringbuf_reserve_dynptr" => {
                "bpf_ringbuf_submit_dynptr() or bpf_ringbuf_discard_dynptr()"
            }
            "bpf_sk_lookup_tcp" | "bpf_sk_lookup_udp" | "bpf_skc_lookup_tcp" => "bpf_sk_release()",
            "bpf_obj_new_impl" => "bpf_obj_drop()",
            "bpf_percpu_obj_new_impl" => "bpf_percpu_obj_drop()",
            "bpf_cpumask_create" => "bpf_cpumask_release()",
            "bpf_task_from_pid" | "bpf_task_from_vpid" => "bpf_task_release()",
            "bpf_cgroup_from_id" | "bpf_cgroup_ancestor" => "bpf_cgroup_release()",
            "bpf_lookup_user_key" | "bpf_lookup_system_key" => "bpf_key_put()",
            "bpf_get_task_exe_file" => "bpf_put_file()",
            name if name.contains("_ct_lookup") || name.contains("_ct_alloc") => "bpf_ct_release()",
            name => {
                let iter = name.strip_suffix("_new").filter(|name| name.contains("_iter_"));
                let by = match (iter, name.strip_suffix("_acquire")) {
                    (Some(iter), _) => format!("{iter}_destroy"),
                    (None, Some(of)) => format!("{of}_release"),
                    (None, None) => return None,
                };
                return Some(format!("{by}()"));
            }
        };
        Some(by.into())
    }

    /// The index as it stands in the source: `i` of `v->tab[i]`.
    fn index_name(&self) -> Option<&str> {
        let (_, rest) = self.expr.as_deref()?.rsplit_once('[')?;
        let (name, _) = rest.split_once(']')?;
        let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || "_.->".contains(c));
        is_name.then_some(name)
    }
}
