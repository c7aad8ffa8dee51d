//! What a program's return value means.

use super::Hook;
use std::fmt;

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It goes on its way.
    Pass,
    /// It ends here.
    Drop,
    /// It goes back out of the interface it came in by.
    Tx,
    /// It goes where a redirect helper said before.
    Redirect,
    /// It ends here, and the kernel reports an error (tracepoint `xdp_exception`).
    Aborted,
}

/// A return value at a hook.
///
/// ```
/// use skep_hooks::{Action, Hook};
///
/// let verdict = Hook::Xdp.verdict(3);
/// assert_eq!((verdict.action, verdict.name), (Action::Tx, "XDP_TX"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verdict {
    /// What happens.
    pub action: Action,
    /// The kernel's name of the code, for tables. Codes that the hook does not know share one.
    pub name: &'static str,
    /// The returned value. Hooks see its lower half only.
    pub code: u32,
    /// How many bytes of the packet a socket gets, see [`Packet::trim`](crate::Packet::trim).
    pub keep: Option<u32>,
    /// Whether the hook knows the code.
    pub known: bool,
}

impl Hook {
    /// What the return value of a program means at this hook.
    ///
    /// - XDP: kernel, `bpf_warn_invalid_xdp_action`: unknown codes abort.
    /// - tc: `cls_bpf_exec_opcode` in direct-action mode; `tcf_bpf_act` for actions. Unknown codes
    ///   count as `TC_ACT_UNSPEC`: the next filter decides, and without one the packet passes.
    ///   What a filter steals, queues or traps is gone.
    /// - Socket filter: `sk_filter_trim_cap`; the value is the number of bytes to keep.
    /// - cgroup: `bpf_prog_run_array_cg`; on egress bit 1 asks for congestion notification.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "programs return 32 bits")]
    pub const fn verdict(self, r0: u64) -> Verdict {
        let code = r0 as u32;
        match self {
            Self::Xdp => xdp(code),
            Self::TcIngress | Self::TcEgress => classifier(code),
            Self::SchedAct => tc_action(code),
            Self::SocketFilter => socket(code),
            Self::CgroupSkbIngress => cgroup(code, code != 0, false),
            Self::CgroupSkbEgress => cgroup(code, code & 1 != 0, code >> 1 != 0),
        }
    }
}

const fn known(action: Action, name: &'static str, code: u32) -> Verdict {
    Verdict { action, name, code, keep: None, known: true }
}

const fn unknown(action: Action, name: &'static str, code: u32) -> Verdict {
    Verdict { action, name, code, keep: None, known: false }
}

/// `enum xdp_action`.
const fn xdp(code: u32) -> Verdict {
    match code {
        0 => known(Action::Aborted, "XDP_ABORTED", code),
        1 => known(Action::Drop, "XDP_DROP", code),
        2 => known(Action::Pass, "XDP_PASS", code),
        3 => known(Action::Tx, "XDP_TX", code),
        4 => known(Action::Redirect, "XDP_REDIRECT", code),
        _ => unknown(Action::Aborted, "XDP_ABORTED", code),
    }
}

/// `TC_ACT_UNSPEC`, -1.
const UNSPEC: u32 = u32::MAX;

/// `TC_ACT_*` of `include/uapi/linux/pkt_cls.h`, as a classifier returns them.
const fn classifier(code: u32) -> Verdict {
    match code {
        UNSPEC => known(Action::Pass, "TC_ACT_UNSPEC", code),
        0 => known(Action::Pass, "TC_ACT_OK", code),
        2 => known(Action::Drop, "TC_ACT_SHOT", code),
        4 => known(Action::Drop, "TC_ACT_STOLEN", code),
        7 => known(Action::Redirect, "TC_ACT_REDIRECT", code),
        8 => known(Action::Drop, "TC_ACT_TRAP", code),
        _ => unknown(Action::Pass, "TC_ACT_UNSPEC", code),
    }
}

/// The same, as an action returns them: reclassify and pipe go on to others.
const fn tc_action(code: u32) -> Verdict {
    match code {
        UNSPEC => known(Action::Pass, "TC_ACT_UNSPEC", code),
        0 => known(Action::Pass, "TC_ACT_OK", code),
        1 => known(Action::Pass, "TC_ACT_RECLASSIFY", code),
        2 => known(Action::Drop, "TC_ACT_SHOT", code),
        3 => known(Action::Pass, "TC_ACT_PIPE", code),
        7 => known(Action::Redirect, "TC_ACT_REDIRECT", code),
        _ => unknown(Action::Pass, "TC_ACT_UNSPEC", code),
    }
}

const fn socket(code: u32) -> Verdict {
    let (action, name) = match code {
        0 => (Action::Drop, "drop"),
        _ => (Action::Pass, "keep"),
    };
    Verdict { action, name, code, keep: Some(code), known: true }
}

const fn cgroup(code: u32, pass: bool, congestion: bool) -> Verdict {
    match (pass, congestion) {
        (false, false) => known(Action::Drop, "drop", code),
        (true, false) => known(Action::Pass, "pass", code),
        (false, true) => known(Action::Drop, "drop, congestion", code),
        (true, true) => known(Action::Pass, "pass, congestion", code),
    }
}

/// The name; for a code that the hook does not know, also the code.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.known {
            f.pad(self.name)
        } else {
            write!(f, "{} (unknown code {})", self.name, self.code.cast_signed())
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::Tx => "tx",
            Self::Redirect => "redirect",
            Self::Aborted => "aborted",
        })
    }
}
