//! What r0 must be at exit.
//!
//! Kernel: `check_return_code`, Linux 6.18. Where a value does not fit, the verifier says `At program exit
//! the register R0 has smin=… smax=… should have been in […, …]`.

use crate::hooks::{BOOL_LSM, is_listed};
use crate::{AttachType, ProgType};

/// What the function returns that a program is for, by BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Nothing, or there is no function.
    Void,
    /// A number.
    Number,
    /// A pointer to a structure.
    Pointer,
}

/// What r0 must be at exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultRule {
    /// It is not looked at and need not be set.
    Unread,
    /// Any number.
    Any,
    /// A number in this range, bounds included.
    Range(i32, i32),
    /// The same of the lower half; the upper does not matter.
    Range32(i32, i32),
    /// 0, or a referenced pointer of the type that the function returns, of which the reference ends.
    NullOrReference,
}

impl ProgType {
    /// What r0 must be when a program ends that is for this place and, of the kernel, this function.
    ///
    /// For the callbacks of timers and work queues it is 0 everywhere. An exception (`bpf_throw`) gives its
    /// cookie as result. Extensions return what their target does.
    #[must_use]
    pub fn result_rule(
        self,
        attach_type: Option<AttachType>,
        function: &str,
        returns: Returns,
    ) -> ResultRule {
        match (self, attach_type, returns) {
            (Self::Lsm, Some(AttachType::LsmCgroup), Returns::Void) => ResultRule::Range(1, 1),
            (Self::Lsm, Some(AttachType::LsmCgroup), _) => ResultRule::Range(0, 1),
            (Self::Lsm | Self::StructOps, _, Returns::Void) => ResultRule::Unread,
            (Self::StructOps, _, Returns::Pointer) => ResultRule::NullOrReference,
            (Self::Lsm, ..) if is_listed(BOOL_LSM, function) => ResultRule::Range32(0, 1),
            (Self::Lsm, ..) => ResultRule::Range32(-4095, 0),
            _ => {
                let range = self.info().results_at(attach_type);
                range.map_or(ResultRule::Any, |(min, max)| ResultRule::Range(min, max))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttachType::*;

    #[test]
    fn hooks_of_security_modules_return_as_their_function() {
        let rule =
            |place, function, returns| ProgType::Lsm.result_rule(Some(place), function, returns);
        let errors = ResultRule::Range32(-4095, 0);
        assert_eq!(rule(LsmMac, "bpf_lsm_file_open", Returns::Number), errors);
        let flag = ResultRule::Range32(0, 1);
        assert_eq!(rule(LsmMac, "bpf_lsm_audit_rule_known", Returns::Number), flag);
        assert_eq!(rule(LsmMac, "bpf_lsm_task_free", Returns::Void), ResultRule::Unread);
        assert_eq!(rule(LsmCgroup, "bpf_lsm_sock_graft", Returns::Void), ResultRule::Range(1, 1));
        assert_eq!(
            rule(LsmCgroup, "bpf_lsm_socket_bind", Returns::Number),
            ResultRule::Range(0, 1)
        );
    }

    #[test]
    fn others_return_by_type_and_place() {
        let rule = |prog: ProgType, place| prog.result_rule(place, "", Returns::Void);
        assert_eq!(rule(ProgType::Xdp, None), ResultRule::Any);
        assert_eq!(rule(ProgType::CgroupSkb, Some(CgroupInetEgress)), ResultRule::Range(0, 3));
        assert_eq!(rule(ProgType::Kprobe, None), ResultRule::Any);
        assert_eq!(rule(ProgType::Kprobe, Some(TraceKprobeSession)), ResultRule::Range(0, 1));
        assert_eq!(rule(ProgType::Netfilter, Some(Netfilter)), ResultRule::Range(0, 1));
        let ops = ProgType::StructOps.result_rule(None, "", Returns::Number);
        assert_eq!(ops, ResultRule::Any);
    }
}
