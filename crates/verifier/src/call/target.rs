//! Functions of the kernel whose attached programs may do more, or less, than others.
//!
//! Source: the sets of `kernel/bpf/bpf_lsm.c` and `kernel/trace/bpf_trace.c`.

/// Hooks of security modules whose callers may sleep. Kernel: `sleepable_lsm_hooks`.
#[rustfmt::skip]
const SLEEPABLE_LSM: &[&str] = &[
    "bpf",
    "bpf_map",
    "bpf_map_create",
    "bpf_map_free",
    "bpf_prog",
    "bpf_prog_load",
    "bpf_token_capable",
    "bpf_token_cmd",
    "bpf_token_create",
    "bpf_token_free",
    "bprm_check_security",
    "bprm_committed_creds",
    "bprm_committing_creds",
    "bprm_creds_for_exec",
    "bprm_creds_from_file",
    "capget",
    "capset",
    "cred_prepare",
    "current_getsecid_subj",
    "file_ioctl",
    "file_lock",
    "file_open",
    "file_post_open",
    "file_receive",
    "inode_create",
    "inode_free_security",
    "inode_getattr",
    "inode_getxattr",
    "inode_mknod",
    "inode_need_killpriv",
    "inode_post_setxattr",
    "inode_readlink",
    "inode_rename",
    "inode_rmdir",
    "inode_setattr",
    "inode_setxattr",
    "inode_symlink",
    "inode_unlink",
    "kernel_module_request",
    "kernel_read_file",
    "kernfs_init_security",
    "mmap_file",
    "netlink_send",
    "path_chmod",
    "path_chown",
    "path_link",
    "path_mkdir",
    "path_notify",
    "path_rename",
    "path_rmdir",
    "path_symlink",
    "path_truncate",
    "path_unlink",
    "release_secctx",
    "sb_alloc_security",
    "sb_eat_lsm_opts",
    "sb_kern_mount",
    "sb_mount",
    "sb_remount",
    "sb_set_mnt_opts",
    "sb_show_options",
    "sb_statfs",
    "sb_umount",
    "settime",
    "socket_accept",
    "socket_bind",
    "socket_connect",
    "socket_create",
    "socket_getpeername",
    "socket_getpeersec_dgram",
    "socket_getsockname",
    "socket_getsockopt",
    "socket_listen",
    "socket_post_create",
    "socket_recvmsg",
    "socket_sendmsg",
    "socket_shutdown",
    "socket_socketpair",
    "syslog",
    "task_alloc",
    "task_getsecid_obj",
    "task_prctl",
    "task_setscheduler",
    "userns_create",
];

/// Hooks that answer yes or no. Kernel: `bool_lsm_hooks`.
const BOOL_LSM: &[&str] = &["xfrm_state_pol_flow_match", "audit_rule_known", "inode_xattr_skipcap"];

/// Functions in which `bpf_d_path` is safe. Kernel: `btf_allowlist_d_path`.
const D_PATH: &[&str] = &[
    "security_file_permission",
    "security_inode_getattr",
    "security_file_open",
    "security_path_truncate",
    "vfs_truncate",
    "vfs_fallocate",
    "dentry_open",
    "vfs_getattr",
    "filp_close",
];

/// The hook without its prefix.
fn hook(name: &str) -> &str {
    name.strip_prefix("bpf_lsm_").unwrap_or(name)
}

/// Whether callers of the hook may sleep.
pub(crate) fn is_sleepable_lsm(name: &str) -> bool {
    SLEEPABLE_LSM.contains(&hook(name))
}

/// Whether the hook answers yes or no.
pub(crate) fn is_bool_lsm(name: &str) -> bool {
    BOOL_LSM.contains(&hook(name))
}

/// Whether programs at the function may call `bpf_d_path`.
pub(crate) fn allows_d_path(name: &str) -> bool {
    D_PATH.contains(&name)
}
