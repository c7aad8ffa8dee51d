//! Which functions of the kernel a tracing program can be for.
//!
//! Source: the lists of `kernel/bpf/verifier.c` and the sets in the memory of 6.18.

use crate::AttachType;

/// No program can be for these (`btf_id_deny`); which exist depends on the configuration.
pub const DENIED: &[&str] = &[
    "___migrate_enable",
    "migrate_disable",
    "migrate_enable",
    "rcu_read_unlock_strict",
    "preempt_count_add",
    "preempt_count_sub",
    "__rcu_read_lock",
    "__rcu_read_unlock",
];

/// They do not return, so no program can be for their end (`noreturn_deny`); since 6.15.
pub const NO_RETURN: &[&str] = &[
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

/// Errors may be injected into these, but programs for them may not sleep
/// (`btf_non_sleepable_error_inject`).
pub const INJECTED_ATOMIC: &[&str] =
    &["__filemap_add_folio", "should_fail_alloc_page", "should_failslab"];

/// Programs may change what these return, besides functions whose names begin with `security_` and those
/// into which errors may be injected; the second says whether such a program may sleep.
pub const MODIFIABLE: &[(&str, bool)] = &[
    ("bpf_fentry_test1", true),
    ("bpf_modify_return_test", false),
    ("bpf_modify_return_test2", false),
    ("bpf_modify_return_test_tp", false),
    ("update_socket_protocol", false),
];

/// Whether a program may change what a function returns (`fmod_ret`), given whether errors may be injected
/// into it. Otherwise the verifier says `NAME() is not modifiable`.
#[must_use]
pub fn may_modify(function: &str, injectable: bool) -> bool {
    injectable
        || function.starts_with("security_")
        || MODIFIABLE.iter().any(|row| row.0 == function)
}

/// Whether a program of type `tracing` for this function may sleep, given whether errors may be injected
/// into it. Otherwise the verifier says `NAME is not sleepable`.
#[must_use]
pub fn may_sleep(function: &str, injectable: bool) -> bool {
    injectable && !INJECTED_ATOMIC.contains(&function) || MODIFIABLE.contains(&(function, true))
}

/// Why no program can be for a function at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unattachable {
    /// The verifier needs it itself.
    Denied,
    /// It does not return.
    NoReturn,
}

/// Whether the lists forbid a program for this function at this place.
///
/// # Errors
/// [`Unattachable`] with the list.
pub fn may_attach(attach_type: AttachType, function: &str) -> Result<(), Unattachable> {
    let at_end = matches!(attach_type, AttachType::TraceFexit | AttachType::ModifyReturn);
    if DENIED.contains(&function) {
        return Err(Unattachable::Denied);
    }
    if at_end && NO_RETURN.contains(&function) {
        return Err(Unattachable::NoReturn);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_decides_where_a_function_has_no_end() {
        assert_eq!(may_attach(AttachType::TraceFentry, "do_exit"), Ok(()));
        assert_eq!(may_attach(AttachType::TraceFexit, "do_exit"), Err(Unattachable::NoReturn));
        let denied = Err(Unattachable::Denied);
        assert_eq!(may_attach(AttachType::TraceFentry, "migrate_disable"), denied);
        assert_eq!(may_attach(AttachType::TraceFexit, "vfs_read"), Ok(()));
    }

    #[test]
    fn what_is_modified_and_what_sleeps_depends_on_error_injection() {
        assert!(may_modify("security_file_open", false) && !may_modify("vfs_read", false));
        assert!(may_modify("update_socket_protocol", false));
        assert!(may_sleep("bpf_fentry_test1", false) && !may_sleep("vfs_read", false));
        assert!(may_sleep("__x64_sys_read", true) && !may_sleep("should_failslab", true));
    }
}
