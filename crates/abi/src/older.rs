//! Where Linux 6.12 says otherwise than 6.18, in tables that have no release in their rows.
//!
//! Source: 6.12 with its stable updates. What changed between, changed in one of the releases between;
//! these functions take it for a change after 6.12.

use crate::arg_flag::{FIXED_SIZE, OR_NULL, RDONLY};
use crate::hooks::{SLEEPABLE_LSM, is_listed};
use crate::prog_type::bits::*;
use crate::release::v;
use crate::trust::{self, Safe};
use crate::{Helper, ProgType, Release};

/// The release that these tables know besides the one they are of.
const OLDER: Release = v(6, 12);

/// Whether programs for an LSM hook may sleep, by release.
#[must_use]
pub fn lsm_may_sleep(hook: &str, release: Release) -> bool {
    const NOT_YET: &[&str] = &["bpf_prog_free", "inode_post_removexattr", "inode_removexattr"];
    const STILL: &[&str] = &["current_getsecid_subj", "task_getsecid_obj"];
    let older = release <= OLDER;
    is_listed(SLEEPABLE_LSM, hook) && !(older && is_listed(NOT_YET, hook))
        || older && is_listed(STILL, hook)
}

/// How far a pointer in a field is trusted, by release.
#[must_use]
pub fn safe_field(structure: &str, field: &str, release: Release) -> Option<Safe> {
    let safe = trust::safe_field(structure, field)?;
    match structure {
        "dentry" if release <= OLDER => Some(Safe::Trusted),
        "cgroup_subsys_state" if release <= OLDER => None,
        _ => Some(safe),
    }
}

/// The flags of a parameter, counted from 0, of a helper that programs of this type call, by release.
///
/// `None` if the helper has no such parameter. Most differences are memory that later prototypes say is
/// written, or only read.
#[must_use]
pub fn arg_flags(
    helper: &Helper,
    prog_type: ProgType,
    arg: usize,
    release: Release,
) -> Option<u32> {
    let now = helper.args.get(arg)?.flags;
    let bit = 1_u64 << prog_type.number();
    let row = ARG_FLAGS
        .iter()
        .find(|row| row.0 == helper.name && row.1 & bit != 0 && row.2 == arg && release <= OLDER);
    Some(row.map_or(now, |row| row.3))
}

const ANY: u64 = u64::MAX;
const RAW: u64 = RAW_TRACEPOINT | RAW_TRACEPOINT_WRITABLE | TRACING | LSM | SYSCALL;

/// Helper, program types, parameter, flags up to 6.12.
const ARG_FLAGS: &[(&str, u64, usize, u32)] = &[
    ("d_path", ANY, 1, 0),
    ("fib_lookup", ANY, 1, 0),
    ("get_stack", RAW, 1, RDONLY),
    ("kallsyms_lookup_name", ANY, 0, 0),
    ("read_branch_records", ANY, 1, OR_NULL),
    ("snprintf", ANY, 0, OR_NULL),
    ("snprintf_btf", ANY, 0, 0),
    ("sysctl_get_name", ANY, 1, 0),
    ("tcp_raw_check_syncookie_ipv4", ANY, 0, FIXED_SIZE),
    ("tcp_raw_check_syncookie_ipv4", ANY, 1, FIXED_SIZE),
    ("tcp_raw_check_syncookie_ipv6", ANY, 0, FIXED_SIZE),
    ("tcp_raw_check_syncookie_ipv6", ANY, 1, FIXED_SIZE),
    ("tcp_raw_gen_syncookie_ipv4", ANY, 0, FIXED_SIZE),
    ("tcp_raw_gen_syncookie_ipv4", ANY, 1, 0),
    ("tcp_raw_gen_syncookie_ipv6", ANY, 0, FIXED_SIZE),
    ("tcp_raw_gen_syncookie_ipv6", ANY, 1, 0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    #[test]
    fn rows_differ_from_what_is_now_in_how_memory_is_used_alone() {
        use crate::arg_flag::{UNINIT, WRITE};
        for &(name, _, arg, flags) in ARG_FLAGS {
            let helper = Helper::find(helper_id(name).unwrap()).unwrap();
            let now = helper.args[arg].flags;
            assert_ne!(now, flags, "{name}");
            let rest = !(RDONLY | WRITE | UNINIT);
            assert_eq!(now & rest, flags & rest, "{name}");
        }
    }

    #[test]
    fn the_release_decides() {
        let (old, new) = (v(6, 6), v(6, 18));
        assert!(!lsm_may_sleep("inode_removexattr", old));
        assert!(lsm_may_sleep("bpf_lsm_inode_removexattr", new));
        assert!(
            lsm_may_sleep("task_getsecid_obj", old) && !lsm_may_sleep("task_getsecid_obj", new)
        );
        assert_eq!(safe_field("dentry", "d_inode", old), Some(Safe::Trusted));
        assert_eq!(safe_field("dentry", "d_inode", new), Some(Safe::TrustedOrNull));
        assert_eq!(safe_field("file", "f_inode", old), safe_field("file", "f_inode", new));
        let snprintf = Helper::find(helper_id("snprintf").unwrap()).unwrap();
        assert_eq!(arg_flags(snprintf, ProgType::Xdp, 0, old), Some(OR_NULL));
        assert_ne!(arg_flags(snprintf, ProgType::Xdp, 0, new), Some(OR_NULL));
        assert_eq!(arg_flags(snprintf, ProgType::Xdp, 5, new), None);
    }
}
