//! Names of functions and hooks that are treated apart.
//!
//! Source: the BTF sets of `kernel/bpf/bpf_lsm.c` and `kernel/bpf/verifier.c`, the iterators'
//! `struct bpf_iter_reg`.

use crate::reg::{Base, flag};

/// An argument of an iterator's program, besides the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct IterArg {
    /// Bytes from the start of the context.
    pub(super) off: i32,
    pub(super) base: Base,
    /// Flags besides that it may be null.
    pub(super) flags: u32,
    /// Structure of the kernel that it points to.
    pub(super) object: &'static str,
}

const fn trusted(off: i32, object: &'static str) -> IterArg {
    IterArg { off, base: Base::BtfId, flags: flag::TRUSTED, object }
}

const fn object(off: i32, object: &'static str) -> IterArg {
    IterArg { off, base: Base::BtfId, flags: 0, object }
}

const fn buffer(off: i32, flags: u32) -> IterArg {
    IterArg { off, base: Base::Buf, flags, object: "" }
}

/// Iterators and their arguments.
pub(super) const ITER_ARGS: &[(&str, &[IterArg])] = &[
    ("task", &[trusted(8, "task_struct")]),
    ("task_file", &[object(8, "task_struct"), object(24, "file")]),
    ("task_vma", &[object(8, "task_struct"), object(16, "vm_area_struct")]),
    ("bpf_map", &[trusted(8, "bpf_map")]),
    ("bpf_map_elem", &[buffer(16, flag::RDONLY), buffer(24, 0)]),
    ("bpf_prog", &[object(8, "bpf_prog")]),
    ("bpf_link", &[object(8, "bpf_link")]),
    ("cgroup", &[trusted(8, "cgroup")]),
    ("kmem_cache", &[trusted(8, "kmem_cache")]),
    ("dmabuf", &[object(8, "dma_buf")]),
    ("bpf_sk_storage_map", &[object(16, "sock"), buffer(24, 0)]),
    ("sockmap", &[buffer(16, flag::RDONLY), object(24, "sock")]),
    ("tcp", &[trusted(8, "sock_common")]),
    ("udp", &[trusted(8, "udp_sock")]),
    ("unix", &[trusted(8, "unix_sock")]),
    ("netlink", &[object(8, "netlink_sock")]),
    ("ipv6_route", &[object(8, "fib6_info")]),
    ("ksym", &[object(8, "kallsym_iter")]),
];

/// Hooks that no program is attached to.
pub(super) const DISABLED_LSM: &[&str] = &[
    "vm_enough_memory",
    "inode_need_killpriv",
    "inode_getsecurity",
    "inode_listsecurity",
    "inode_copy_up_xattr",
    "getselfattr",
    "getprocattr",
    "setprocattr",
    "key_getsecurity",
    "audit_rule_match",
    "xfrm_decode_session",
    "ismaclabel",
    "file_alloc_security",
];

/// Hooks whose programs may sleep.
pub(super) const SLEEPABLE_LSM: &[&str] = &[
    "bpf",
    "bpf_map",
    "bpf_map_create",
    "bpf_map_free",
    "bpf_prog",
    "bpf_prog_load",
    "bpf_token_create",
    "bpf_token_free",
    "bpf_token_cmd",
    "bpf_token_capable",
    "bprm_check_security",
    "bprm_committed_creds",
    "bprm_committing_creds",
    "bprm_creds_for_exec",
    "bprm_creds_from_file",
    "capget",
    "capset",
    "cred_prepare",
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
    "inode_post_removexattr",
    "inode_readlink",
    "inode_removexattr",
    "inode_rename",
    "inode_rmdir",
    "inode_setattr",
    "inode_setxattr",
    "inode_symlink",
    "inode_unlink",
    "kernel_module_request",
    "kernel_read_file",
    "kernfs_init_security",
    "path_unlink",
    "path_mkdir",
    "path_rmdir",
    "path_truncate",
    "path_symlink",
    "path_link",
    "path_rename",
    "path_chmod",
    "path_chown",
    "mmap_file",
    "netlink_send",
    "path_notify",
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
    "task_prctl",
    "task_setscheduler",
    "userns_create",
    "bdev_alloc_security",
    "bdev_setintegrity",
];

/// Hooks whose arguments may be on their way in or out of existence.
pub(super) const UNTRUSTED_LSM: &[&str] = &[
    "bpf_map_free",
    "bpf_prog_free",
    "file_alloc_security",
    "file_free_security",
    "sk_alloc_security",
    "sk_free_security",
    "task_free",
    "bdev_alloc_security",
    "bdev_free_security",
];

/// Hooks that return whether something is so.
pub(super) const TRUTHS_LSM: &[&str] =
    &["xfrm_state_pol_flow_match", "audit_rule_known", "inode_xattr_skipcap"];

/// Functions that never return.
pub(super) const NO_RETURN: &[&str] = &[
    "__ia32_sys_exit",
    "__ia32_sys_exit_group",
    "__kunit_abort",
    "kunit_try_catch_throw",
    "__module_put_and_kthread_exit",
    "__x64_sys_exit",
    "__x64_sys_exit_group",
    "do_exit",
    "do_group_exit",
    "kthread_complete_and_exit",
    "make_task_dead",
];

/// Functions that tracing itself calls.
pub(super) const UNTRACED: &[&str] = &[
    "___migrate_enable",
    "migrate_disable",
    "migrate_enable",
    "rcu_read_unlock_strict",
    "preempt_count_add",
    "preempt_count_sub",
    "__rcu_read_lock",
    "__rcu_read_unlock",
];

/// Functions, besides system calls, into which errors can be injected, or whose result programs may
/// change.
pub(super) const FALLIBLE: &[&str] = &[
    "should_failslab",
    "should_fail_alloc_page",
    "should_fail_usercopy",
    "should_fail_bio",
    "should_fail_futex",
    "bpf_modify_return_test",
    "bpf_modify_return_test2",
    "bpf_modify_return_test_tp",
    "bpf_fentry_test1",
    "__filemap_add_folio",
    "btrfs_cow_block",
    "open_ctree",
    "update_socket_protocol",
];
