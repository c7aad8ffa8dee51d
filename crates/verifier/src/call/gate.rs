//! Who may call which helper, and with what prototype.

use crate::env::Lockdown;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Arg, Cap, Helper, Lockdown as Locked, Ret, older};
use std::borrow::Cow;

/// What calls of a helper are checked against. Kernel: `struct bpf_func_proto`.
#[derive(Clone, Debug)]
pub(crate) struct Proto {
    pub(crate) ret: Ret,
    pub(crate) args: Cow<'static, [Arg]>,
    pub(crate) may_sleep: bool,
    pub(crate) gpl_only: bool,
    pub(crate) takes_packet: bool,
    pub(crate) fastcall: bool,
}

/// Why there is no prototype.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoProto {
    /// The kernel has no such helper.
    Unknown,
    /// Programs of this type may not call it.
    NotHere,
}

/// Licences that count as compatible with the GPL. Kernel: `license_is_gpl_compatible`.
const GPL: [&str; 6] =
    ["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"];

/// Name of a helper in messages. Kernel: `func_id_name`.
pub(crate) fn func_name(func: u32) -> String {
    match func {
        0 => "bpf_unspec".to_owned(),
        _ => {
            Helper::find(func).map_or("unknown".to_owned(), |helper| format!("bpf_{}", helper.name))
        }
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
        let known = self.protos.borrow().get(&func).cloned();
        known.unwrap_or_else(|| {
            let proto = self.find_proto(func);
            self.protos.borrow_mut().insert(func, proto.clone());
            proto
        })
    }

    fn find_proto(&self, func: u32) -> Result<Proto, NoProto> {
        if func == 0 {
            return Err(NoProto::NotHere);
        }
        let helper = Helper::find(func).ok_or(NoProto::Unknown)?;
        if helper.since > self.env.kernel.release {
            return Err(NoProto::Unknown);
        }
        let (prog_type, attach) = (self.prog.prog_type, self.prog.attach_type);
        let caps = self.env.caps;
        let bpf = caps.bpf || caps.sys_admin;
        let allowed = match helper.needs_cap(prog_type) {
            None => true,
            Some(Cap::Bpf) => bpf,
            Some(Cap::Perfmon) => bpf && (caps.perfmon || caps.sys_admin),
            Some(Cap::SysAdmin) => caps.sys_admin,
        };
        let locked = helper.lockdown().is_some_and(|what| {
            let from = match what {
                Locked::WriteUser => Lockdown::Integrity,
                Locked::ReadKernel => Lockdown::Confidentiality,
            };
            self.env.kernel.lockdown >= from
        });
        let release = self.env.kernel.release;
        let yet = older::may_call(helper, prog_type, attach, release);
        if !allowed || locked || !yet || !self.is_configured(helper) {
            return Err(NoProto::NotHere);
        }
        let proto = helper.variant(prog_type, attach).ok_or(NoProto::NotHere)?;
        Ok(Proto {
            ret: proto.ret,
            args: older::args(helper, prog_type, proto.args, release),
            may_sleep: proto.may_sleep(),
            gpl_only: proto.is_gpl_only(),
            takes_packet: proto.takes_packet(),
            fastcall: proto.is_fastcall(),
        })
    }

    /// Whether the kernel was built with the helper, as far as its configuration and its types tell.
    fn is_configured(&self, helper: &Helper) -> bool {
        let set = |option: &&str| self.env.kernel.is_set(option);
        let told: Option<Vec<bool>> = helper.configs().iter().map(set).collect();
        if let Some(told) = told.filter(|told| !told.is_empty()) {
            return told.into_iter().all(|set| set);
        }
        if self.vmlinux.is_none() || helper.configs().is_empty() {
            return true;
        }
        let name = helper.name;
        let stem = name.trim_end_matches("_str");
        let compat = format!("bpf_{stem}_compat{}", name.strip_prefix(stem).unwrap_or_default());
        [format!("bpf_{name}"), format!("bpf_sock_ops_{name}"), compat]
            .iter()
            .any(|symbol| self.kernel_func(symbol).is_some())
    }

    /// The helper may be called at all, here. Kernel: the first part of `check_helper_call`.
    pub(crate) fn check_helper_gates(&self, func: u32) -> Res<Proto> {
        let name = || func_and_number(func);
        let refuse =
            |rule, text: String| Reject::new(rule, text).fact(Fact::Call(func_name(func))).stop();
        let proto = match self.proto(func) {
            Ok(proto) => proto,
            Err(NoProto::Unknown) => {
                return refuse(Rule::HelperUnknown, format!("invalid func {}", name()));
            }
            Err(NoProto::NotHere) => {
                let text = format!("program of this type cannot use helper {}", name());
                return refuse(Rule::HelperUnknown, text);
            }
        };
        if proto.gpl_only && !self.is_gpl() {
            let text = "cannot call GPL-restricted function from non-GPL compatible program";
            return refuse(Rule::HelperGpl, text.into());
        }
        self.check_allowed(func)?;
        if proto.may_sleep && !self.in_sleepable() {
            let text = "helper call might sleep in a non-sleepable prog";
            return refuse(Rule::HelperSleep, text.into());
        }
        if proto.may_sleep {
            let cur = &self.cur;
            let regions = [
                (cur.active_rcu_locks != 0, "rcu_read_lock"),
                (cur.active_preempt_locks != 0, "non-preemptible"),
                (cur.active_irq_id != 0, "IRQ-disabled"),
            ];
            if let Some((_, region)) = regions.into_iter().find(|(active, _)| *active) {
                let text = format!("sleepable helper {} in {region} region", name());
                return refuse(Rule::HelperSleep, text);
            }
        }
        Ok(proto)
    }

    /// Helpers that only programs at certain functions may call. Kernel: `bpf_func_proto.allowed`.
    fn check_allowed(&self, func: u32) -> Res<()> {
        let (prog_type, attach) = (self.prog.prog_type, self.prog.attach_type);
        let only = Helper::find(func).and_then(|helper| helper.only_in(prog_type, attach));
        let target = &self.mem.attached;
        let (name, member) = match target.ops {
            Some(ops) => (ops.name, Some(target.name.as_str())),
            None => (target.name.as_str(), None),
        };
        if only.is_none_or(|only| only.admits(name, member)) {
            return Ok(());
        }
        Reject::new(Rule::HelperUnknown, "helper call is not allowed in probe")
            .fact(Fact::Call(func_name(func)))
            .stop()
    }
}
