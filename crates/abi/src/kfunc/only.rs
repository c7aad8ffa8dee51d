//! Kernel functions for some programs of a type only.
//!
//! Kernel: the filters of the registered sets (`btf_kfunc_id_set.filter`), Linux 6.18.

use super::Kfunc;
use crate::{AttachType, ProgType};

impl Kfunc {
    /// Whether a program may call it: of this type, for this place and, if its members decide, for this
    /// member of this structure of operations.
    ///
    /// Otherwise the verifier says `calling kernel function NAME is not allowed`. Functions of receive
    /// metadata (`bpf_xdp_metadata_`) want programs bound to a device, and say so in words of their own.
    #[must_use]
    pub fn admits(
        &self,
        prog_type: ProgType,
        attach_type: Option<AttachType>,
        ops: Option<(&str, &str)>,
    ) -> bool {
        let filtered = match self.name {
            "bpf_session_cookie" | "bpf_session_is_return" => matches!(
                attach_type,
                Some(AttachType::TraceKprobeSession | AttachType::TraceUprobeSession)
            ),
            "bpf_sock_destroy" => attach_type == Some(AttachType::TraceIter),
            name if QDISC.contains(&name) => ops.is_some_and(|(ops, member)| {
                ops == "Qdisc_ops" && qdisc_members(name).is_none_or(|list| list.contains(&member))
            }),
            _ => true,
        };
        filtered && self.progs.contains(prog_type)
    }

    /// Whether only the kernel itself puts calls of it into programs.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        qdisc_members(self.name).is_some_and(<[&str]>::is_empty)
    }
}

const QDISC: &[&str] = &[
    "bpf_skb_get_hash",
    "bpf_kfree_skb",
    "bpf_qdisc_skb_drop",
    "bpf_qdisc_watchdog_schedule",
    "bpf_qdisc_bstats_update",
    "bpf_qdisc_init_prologue",
    "bpf_qdisc_reset_destroy_epilogue",
];

/// Members of `struct Qdisc_ops` that may call a function; `None` if all.
fn qdisc_members(function: &str) -> Option<&'static [&'static str]> {
    Some(match function {
        "bpf_qdisc_skb_drop" => &["enqueue"],
        "bpf_qdisc_watchdog_schedule" => &["enqueue", "dequeue"],
        "bpf_qdisc_bstats_update" => &["dequeue"],
        "bpf_qdisc_init_prologue" | "bpf_qdisc_reset_destroy_epilogue" => &[],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_name_functions() {
        for name in QDISC.iter().chain(&["bpf_session_cookie", "bpf_sock_destroy"]) {
            assert!(Kfunc::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn members_of_a_queueing_discipline_differ() {
        let drop = Kfunc::find("bpf_qdisc_skb_drop").unwrap();
        let admits = |member| drop.admits(ProgType::StructOps, None, Some(("Qdisc_ops", member)));
        assert!(admits("enqueue") && !admits("dequeue"));
        assert!(!drop.admits(ProgType::StructOps, None, Some(("tcp_congestion_ops", "init"))));
        assert!(Kfunc::find("bpf_qdisc_init_prologue").unwrap().is_hidden());
        assert!(!drop.is_hidden());
    }
}
