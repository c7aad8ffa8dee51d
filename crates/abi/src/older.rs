//! Where Linux 6.12 says otherwise than 6.18, in tables that have no release in their rows.
//!
//! Source: 6.12 with its stable updates. What changed between, changed in one of the releases between;
//! these functions take it for a change after 6.12.

use crate::arg_flag::{FIXED_SIZE, OR_NULL, RDONLY};
use crate::hooks::{SLEEPABLE_LSM, is_listed};
use crate::prog_type::bits::*;
use crate::release::v;
use crate::{Arg, Helper, ProgType, Release};
use alloc::borrow::Cow;

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

/// The parameters of a helper that programs of this type call, as a release has them; `now` are those of
/// 6.18. Most differences are memory that later prototypes say is written, or only read.
#[must_use]
pub fn args(
    helper: &Helper,
    prog_type: ProgType,
    now: &'static [Arg],
    release: Release,
) -> Cow<'static, [Arg]> {
    let bit = 1_u64 << prog_type.number();
    let mut args = Cow::Borrowed(now);
    let rows = ARG_FLAGS.iter().filter(|row| row.0 == helper.name && row.1 & bit != 0);
    for &(_, _, at, flags) in rows.filter(|_| release <= OLDER) {
        if let Some(arg) = args.to_mut().get_mut(at) {
            arg.flags = flags;
        }
    }
    args
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
        let snprintf = Helper::find(helper_id("snprintf").unwrap()).unwrap();
        let first = |release| args(snprintf, ProgType::Xdp, snprintf.args, release)[0].flags;
        assert_eq!(first(old), OR_NULL);
        assert_ne!(first(new), OR_NULL);
    }
}
