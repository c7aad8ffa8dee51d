//! Hooks of Linux security modules (LSM), as lists.
//!
//! Names stand without the `bpf_lsm_` before them. Source: the sets of `kernel/bpf/bpf_lsm.c`, as they stand
//! in the memory of 6.18.

/// Programs here may sleep: `sleepable_lsm_hooks`.
#[rustfmt::skip]
pub const SLEEPABLE_LSM: &[&str] = &[
    "bpf", "bpf_map", "bpf_map_create", "bpf_map_free", "bpf_prog", "bpf_prog_free", "bpf_prog_load",
    "bpf_token_capable", "bpf_token_cmd", "bpf_token_create", "bpf_token_free", "bprm_check_security",
    "bprm_committed_creds", "bprm_committing_creds", "bprm_creds_for_exec", "bprm_creds_from_file",
    "capget", "capset", "cred_prepare", "file_ioctl", "file_lock", "file_open", "file_post_open",
    "file_receive", "inode_create", "inode_free_security", "inode_getattr", "inode_getxattr", "inode_mknod",
    "inode_need_killpriv", "inode_post_removexattr", "inode_post_setxattr", "inode_readlink",
    "inode_removexattr", "inode_rename", "inode_rmdir", "inode_setattr", "inode_setxattr", "inode_symlink",
    "inode_unlink", "kernel_module_request", "kernel_read_file", "kernfs_init_security", "mmap_file",
    "netlink_send", "path_chmod", "path_chown", "path_link", "path_mkdir", "path_notify", "path_rename",
    "path_rmdir", "path_symlink", "path_truncate", "path_unlink", "release_secctx", "sb_alloc_security",
    "sb_eat_lsm_opts", "sb_kern_mount", "sb_mount", "sb_remount", "sb_set_mnt_opts", "sb_show_options",
    "sb_statfs", "sb_umount", "settime", "socket_accept", "socket_bind", "socket_connect", "socket_create",
    "socket_getpeername", "socket_getpeersec_dgram", "socket_getsockname", "socket_getsockopt",
    "socket_listen", "socket_post_create", "socket_recvmsg", "socket_sendmsg", "socket_shutdown",
    "socket_socketpair", "syslog", "task_alloc", "task_prctl", "task_setscheduler", "userns_create",
];

/// Arguments of programs here are not trusted: `untrusted_lsm_hooks`.
#[rustfmt::skip]
pub const UNTRUSTED_LSM: &[&str] = &[
    "bpf_map_free", "bpf_prog_free", "file_alloc_security", "file_free_security", "sk_alloc_security",
    "sk_free_security", "task_free",
];

/// No program can be for these: `bpf_lsm_disabled_hooks`.
#[rustfmt::skip]
pub const DISABLED_LSM: &[&str] = &[
    "audit_rule_match", "getprocattr", "getselfattr", "inode_copy_up_xattr", "inode_getsecurity",
    "inode_listsecurity", "inode_need_killpriv", "ismaclabel", "key_getsecurity", "setprocattr",
    "vm_enough_memory", "xfrm_decode_session",
];

/// Programs of cgroups here are those of the current task: `bpf_lsm_current_hooks`.
pub const CURRENT_LSM: &[&str] = &["sk_alloc_security", "sk_free_security"];

/// Hooks that return 0 or 1, where others return an error number: `bool_lsm_hooks`.
#[rustfmt::skip]
pub const BOOL_LSM: &[&str] = &[
    "audit_rule_known", "inode_xattr_skipcap", "xfrm_state_pol_flow_match",
];

/// Whether a hook, with or without `bpf_lsm_`, is in a list.
#[must_use]
pub fn is_listed(list: &[&str], hook: &str) -> bool {
    list.contains(&hook.strip_prefix("bpf_lsm_").unwrap_or(hook))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_with_and_without_their_prefix() {
        assert!(is_listed(SLEEPABLE_LSM, "bpf_lsm_file_open"));
        assert!(is_listed(SLEEPABLE_LSM, "file_open"));
        assert!(!is_listed(SLEEPABLE_LSM, "task_free"));
        for list in [SLEEPABLE_LSM, UNTRUSTED_LSM, DISABLED_LSM, CURRENT_LSM, BOOL_LSM] {
            assert!(list.is_sorted() && list.iter().all(|name| !name.starts_with("bpf_lsm_")));
        }
    }
}
