//! Helpers for programs of certain functions only.
//!
//! Kernel: `struct bpf_func_proto.allowed` (the verifier says `helper call is not allowed in probe`),
//! `bpf_iter_get_func_proto`, `bpf_lsm_func_proto`, `get_func_proto` of the structures of operations.

use super::Helper;
use crate::AttachType::{self, *};
use crate::hooks::{SLEEPABLE_LSM, is_listed};
use crate::prog_type::bits::*;
use crate::{ProgType, ProgTypes};

/// Which programs of a type and place may call a helper, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// Those for one of these functions of the kernel's BTF.
    Functions(&'static [&'static str]),
    /// Those for LSM hooks that may sleep: [`crate::hooks::SLEEPABLE_LSM`], with `bpf_lsm_` before.
    SleepableHooks,
    /// Those for functions of the kernel whose names do not begin so.
    NotNamed(&'static str),
    /// Those that are members of another structure than this.
    NotOps(&'static str),
    /// Those that are members of this structure, save some.
    Ops(&'static str, &'static [&'static str]),
}

impl Only {
    /// Whether a program for this function, or for this member of this structure, is among them.
    #[must_use]
    pub fn admits(&self, target: &str, member: Option<&str>) -> bool {
        match self {
            Self::Functions(names) => names.contains(&target),
            Self::SleepableHooks => {
                target.strip_prefix("bpf_lsm_").is_some_and(|hook| is_listed(SLEEPABLE_LSM, hook))
            }
            Self::NotNamed(prefix) => !target.starts_with(prefix),
            Self::NotOps(ops) => target != *ops,
            Self::Ops(ops, but) => {
                target == *ops && !member.is_some_and(|name| but.contains(&name))
            }
        }
    }
}

impl Helper {
    /// Which of the programs that [`Helper::admits`] may call it; `None` if all.
    #[must_use]
    pub fn only_in(&self, prog_type: ProgType, attach_type: Option<AttachType>) -> Option<Only> {
        let bit = 1_u64 << prog_type.number();
        let here = |row: &&Row| {
            row.1 & bit != 0
                && row.0.contains(&self.name)
                && (row.2.is_empty() || attach_type.is_some_and(|place| row.2.contains(&place)))
        };
        let found = ROWS.iter().find(here).map(|row| row.3);
        // Programs for this structure call no helpers at all.
        let ops = (prog_type == ProgType::StructOps).then_some(Only::NotOps("bpf_dummy_ops"));
        found.or(ops)
    }
}

type Row = (&'static [&'static str], u64, &'static [AttachType], Only);

const PATHS: Only = Only::Functions(&[
    "security_file_permission",
    "security_inode_getattr",
    "security_file_open",
    "security_path_truncate",
    "vfs_truncate",
    "vfs_fallocate",
    "dentry_open",
    "vfs_getattr",
    "filp_close",
]);
const NOWHERE: Only = Only::Functions(&[]);
const STORAGE: &[&str] = &["sk_storage_get", "sk_storage_delete"];
const OPTIONS: &[&str] = &["setsockopt", "getsockopt"];
const TCP: &str = "tcp_congestion_ops";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (&["d_path"], TRACING, &[TraceRawTp, TraceFentry, TraceFexit, ModifyReturn], PATHS),
    (&["d_path"], LSM, &[], Only::SleepableHooks),
    (&["d_path"], SYSCALL, &[], NOWHERE),
    (&["ima_inode_hash", "ima_file_hash"], LSM, &[], Only::SleepableHooks),
    (STORAGE, TRACING, &[TraceFentry, TraceFexit], Only::NotNamed("bpf_sk_storage")),
    (STORAGE, TRACING, &[ModifyReturn], NOWHERE),
    (STORAGE, SYSCALL, &[], NOWHERE),
    (OPTIONS, TRACING, &[TraceIter], Only::Functions(&["bpf_iter_tcp", "bpf_iter_unix"])),
    (OPTIONS, LSM, &[LsmCgroup], Only::Functions(&[
        "bpf_lsm_sock_graft", "bpf_lsm_inet_csk_clone", "bpf_lsm_inet_conn_established",
        "bpf_lsm_socket_post_create", "bpf_lsm_socket_socketpair",
    ])),
    (OPTIONS, STRUCT_OPS, &[], Only::Ops(TCP, &["release"])),
    (STORAGE, STRUCT_OPS, &[], Only::Ops(TCP, &[])),
    (&["tcp_send_ack", "ktime_get_coarse_ns"], STRUCT_OPS, &[], Only::Ops(TCP, &[])),
];

/// Every row, for the page: helpers, program types, places, which programs.
pub(crate) fn only()
-> impl Iterator<Item = (&'static [&'static str], ProgTypes, &'static [AttachType], Only)> {
    ROWS.iter().map(|row| (row.0, ProgTypes::of(row.1), row.2, row.3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    #[test]
    fn rows_are_of_helpers_that_the_programs_may_call() {
        for (names, progs, places, _) in ROWS {
            for name in *names {
                let helper = Helper::find(helper_id(name).unwrap()).unwrap();
                for &prog in ProgType::ALL.iter().filter(|prog| progs >> prog.number() & 1 == 1) {
                    let admitted = |&place: &AttachType| helper.admits(prog, Some(place));
                    assert!(helper.progs.contains(prog), "{name} {prog}");
                    assert!(places.iter().all(admitted), "{name} {prog}");
                }
            }
        }
    }

    #[test]
    fn the_function_decides() {
        let only = |name, prog, place| {
            Helper::find(helper_id(name).unwrap()).unwrap().only_in(prog, place).unwrap()
        };
        let path = only("d_path", ProgType::Tracing, Some(TraceFentry));
        assert!(path.admits("filp_close", None) && !path.admits("vfs_read", None));
        let hook = only("d_path", ProgType::Lsm, Some(LsmMac));
        assert!(hook.admits("bpf_lsm_file_open", None) && !hook.admits("bpf_lsm_task_free", None));
        let option = only("setsockopt", ProgType::StructOps, None);
        assert!(option.admits(TCP, Some("init")) && !option.admits(TCP, Some("release")));
    }
}
