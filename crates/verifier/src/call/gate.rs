//! Who may call which helper, and with what prototype.

use super::id;
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Arg, Helper, ProgType, Ret};

/// What calls of a helper are checked against. Kernel: `struct bpf_func_proto`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proto {
    pub(crate) ret: Ret,
    pub(crate) args: &'static [Arg],
    pub(crate) may_sleep: bool,
    pub(crate) gpl_only: bool,
    pub(crate) takes_packet: bool,
}

/// Why there is no prototype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoProto {
    /// The kernel has no such helper.
    Unknown,
    /// Programs of this type may not call it.
    NotHere,
}

/// Helpers that programs of any type may call without `CAP_BPF`. Kernel: the first part of
/// `bpf_base_func_proto`.
const FOR_ALL: &[&str] = &[
    "map_lookup_elem",
    "map_update_elem",
    "map_delete_elem",
    "map_push_elem",
    "map_pop_elem",
    "map_peek_elem",
    "map_lookup_percpu_elem",
    "get_prandom_u32",
    "get_smp_processor_id",
    "get_numa_node_id",
    "tail_call",
    "ktime_get_ns",
    "ktime_get_boot_ns",
    "ktime_get_tai_ns",
    "ringbuf_output",
    "ringbuf_reserve",
    "ringbuf_submit",
    "ringbuf_discard",
    "ringbuf_query",
    "strncmp",
    "strtol",
    "strtoul",
    "get_current_pid_tgid",
    "get_ns_current_pid_tgid",
];

/// Helpers of general use that need `CAP_BPF` besides. Kernel: the second part.
const WITH_BPF: &[&str] = &[
    "spin_lock",
    "spin_unlock",
    "jiffies64",
    "per_cpu_ptr",
    "this_cpu_ptr",
    "timer_init",
    "timer_set_callback",
    "timer_start",
    "timer_cancel",
    "kptr_xchg",
    "for_each_map_elem",
    "loop",
    "user_ringbuf_drain",
    "ringbuf_reserve_dynptr",
    "ringbuf_submit_dynptr",
    "ringbuf_discard_dynptr",
    "dynptr_from_mem",
    "dynptr_read",
    "dynptr_write",
    "dynptr_data",
    "cgrp_storage_get",
    "cgrp_storage_delete",
    "get_current_cgroup_id",
    "get_current_ancestor_cgroup_id",
    "current_task_under_cgroup",
];

/// Helpers of general use that need `CAP_PERFMON` besides. Kernel: the third part, and
/// `bpf_sk_base_func_proto`.
const WITH_PERFMON: &[&str] = &[
    "trace_printk",
    "get_current_task",
    "get_current_task_btf",
    "probe_read_user",
    "probe_read_kernel",
    "probe_read_user_str",
    "probe_read_kernel_str",
    "snprintf_btf",
    "snprintf",
    "task_pt_regs",
    "trace_vprintk",
    "perf_event_read_value",
    "skc_to_tcp6_sock",
    "skc_to_tcp_sock",
    "skc_to_tcp_timewait_sock",
    "skc_to_tcp_request_sock",
    "skc_to_udp6_sock",
    "skc_to_unix_sock",
    "skc_to_mptcp_sock",
];

/// Helpers that read memory of the kernel, which lockdown prevents.
const READS_KERNEL: &[&str] = &["probe_read", "probe_read_str", "probe_read_kernel", "probe_read_kernel_str"];

/// Licences that count as compatible with the GPL. Kernel: `license_is_gpl_compatible`.
const GPL: [&str; 6] = [
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
];

/// Name of a helper in messages. Kernel: `func_id_name`.
pub(crate) fn func_name(func: u32) -> String {
    match func {
        0 => "bpf_unspec".to_owned(),
        _ => Helper::find(func).map_or("unknown".to_owned(), |helper| format!("bpf_{}", helper.name)),
    }
}

/// `bpf_map_lookup_elem#1`
pub(crate) fn func_and_number(func: u32) -> String {
    format!("{}#{}", func_name(func), func.cast_signed())
}

impl Verifier<'_> {
    /// Whether the licence allows what is for GPL-compatible programs.
    pub(crate) fn is_gpl(&self) -> bool {
        GPL.contains(&self.env.image.license.as_str())
    }

    /// The prototype of a helper for this program. Kernel: `get_helper_proto`.
    pub(crate) fn proto(&self, func: u32) -> Result<Proto, NoProto> {
        if func == 0 {
            return Err(NoProto::NotHere);
        }
        let helper = Helper::find(func).ok_or(NoProto::Unknown)?;
        if helper.since > self.env.kernel.release {
            return Err(NoProto::Unknown);
        }
        let (prog_type, attach) = (self.prog.prog_type, self.prog.attach_type);
        if !helper.admits(prog_type, attach) || !self.has_caps_for(helper.name) {
            return Err(NoProto::NotHere);
        }
        if self.env.kernel.lockdown && READS_KERNEL.contains(&helper.name) {
            return Err(NoProto::NotHere);
        }
        Ok(Proto {
            ret: helper.ret,
            args: helper.args,
            may_sleep: helper.may_sleep(),
            gpl_only: helper.is_gpl_only(),
            takes_packet: helper.takes_packet(),
        })
    }

    fn has_caps_for(&self, name: &str) -> bool {
        let caps = self.env.caps;
        if caps.sys_admin || (caps.bpf && caps.perfmon) {
            return true;
        }
        if FOR_ALL.contains(&name) {
            return true;
        }
        if WITH_BPF.contains(&name) {
            return caps.bpf;
        }
        !WITH_PERFMON.contains(&name) || caps.perfmon && caps.bpf
    }

    /// The helper may be called at all, here. Kernel: the first part of `check_helper_call`.
    pub(crate) fn check_helper_gates(&self, func: u32) -> Res<Proto> {
        let name = func_and_number(func);
        let fact = Fact::Call(func_name(func));
        let proto = match self.proto(func) {
            Ok(proto) => proto,
            Err(NoProto::Unknown) => {
                return Reject::new(Rule::HelperUnknown, format!("invalid func {name}"))
                    .fact(fact)
                    .stop();
            }
            Err(NoProto::NotHere) => {
                let text = format!("program of this type cannot use helper {name}");
                return Reject::new(Rule::HelperUnknown, text).fact(fact).stop();
            }
        };
        if proto.gpl_only && !self.is_gpl() {
            return Reject::new(
                Rule::HelperGpl,
                "cannot call GPL-restricted function from non-GPL compatible program",
            )
            .fact(fact)
            .stop();
        }
        self.check_allowed(func)?;
        if proto.may_sleep && !self.in_sleepable() {
            let text = "helper call might sleep in a non-sleepable prog";
            return Reject::new(Rule::HelperSleep, text).fact(fact).stop();
        }
        if proto.may_sleep {
            let cur = &self.cur;
            let regions = [
                (cur.active_rcu_locks != 0, "rcu_read_lock"),
                (cur.active_preempt_locks != 0, "non-preemptible"),
                (cur.active_irq_id != 0, "IRQ-disabled"),
            ];
            if let Some((_, region)) = regions.into_iter().find(|(active, _)| *active) {
                let text = format!("sleepable helper {name} in {region} region");
                return Reject::new(Rule::HelperSleep, text).fact(fact).stop();
            }
        }
        Ok(proto)
    }

    /// Helpers that only programs at certain functions may call. Kernel: `bpf_func_proto.allowed`.
    fn check_allowed(&self, func: u32) -> Res<()> {
        match func {
            id::D_PATH | id::IMA_INODE_HASH | id::IMA_FILE_HASH => self.check_allowed_target(func),
            id::SK_STORAGE_GET | id::SK_STORAGE_DELETE
                if self.prog.prog_type == ProgType::Tracing =>
            {
                // Local storage of sockets may not be used where it is itself at work.
                let target = self.env.attach_to;
                if target.starts_with("bpf_sk_storage") || target.starts_with("bpf_local_storage") {
                    return reject(Rule::HelperUnknown, "helper call is not allowed in probe");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_allowed_target(&self, func: u32) -> Res<()> {
        use skep_abi::AttachType;
        let place = self.env.attach_to;
        let allowed = match func {
            id::D_PATH => match (self.prog.prog_type, self.prog.attach_type) {
                (ProgType::Tracing, Some(AttachType::TraceIter)) => true,
                (ProgType::Lsm, _) => super::target::is_sleepable_lsm(place),
                _ => super::target::allows_d_path(place),
            },
            _ => super::target::is_sleepable_lsm(place),
        };
        if allowed {
            Ok(())
        } else {
            reject(Rule::HelperUnknown, "helper call is not allowed in probe")
        }
    }
}
