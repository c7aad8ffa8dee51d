//! What calls of single kernel functions do to the verifier's state, beyond their flags.
//!
//! Kernel: the special functions of `kernel/bpf/verifier.c`, Linux 6.18.

use super::Kfunc;
use crate::{AttachType, Calls, ProgType};

impl Kfunc {
    /// How it calls a function of the program, if it does.
    #[must_use]
    pub fn calls(&self) -> Option<Calls> {
        match self.name {
            "bpf_rbtree_add_impl" => Some(Calls::Now),
            "bpf_wq_set_callback_impl"
            | "bpf_task_work_schedule_signal_impl"
            | "bpf_task_work_schedule_resume_impl" => Some(Calls::Later),
            _ => None,
        }
    }

    /// Whether pointers into the packet are no longer valid after it.
    #[must_use]
    pub fn changes_packet(&self) -> bool {
        self.name == "bpf_xdp_pull_data"
    }

    /// Whether it may be called with a spin lock held: what works on the structures that the lock guards,
    /// iterators over numbers, and other locks.
    #[must_use]
    pub fn runs_locked(&self) -> bool {
        const NAMES: &[&str] = &[
            "bpf_refcount_acquire_impl",
            "bpf_iter_num_new",
            "bpf_iter_num_next",
            "bpf_iter_num_destroy",
            "bpf_res_spin_lock",
            "bpf_res_spin_unlock",
            "bpf_res_spin_lock_irqsave",
            "bpf_res_spin_unlock_irqrestore",
        ];
        self.guards_list() || self.guards_tree() || NAMES.contains(&self.name)
    }

    /// Whether it works on a list (`bpf_list_head`), whose lock must be held.
    #[must_use]
    pub fn guards_list(&self) -> bool {
        self.name.starts_with("bpf_list_")
    }

    /// Whether it works on a tree (`bpf_rb_root`), whose lock must be held.
    #[must_use]
    pub fn guards_tree(&self) -> bool {
        self.name.starts_with("bpf_rbtree_")
    }

    /// Whether this call ends the program (`bpf_throw`).
    #[must_use]
    pub fn throws(&self) -> bool {
        self.name == "bpf_throw"
    }

    /// Whether a sleepable program, or one of another kind, may make this iterator at this place: that
    /// over tasks of a control group is not for programs that anything may interrupt.
    #[must_use]
    pub fn may_iterate(
        &self,
        prog_type: ProgType,
        attach_type: Option<AttachType>,
        sleepable: bool,
    ) -> bool {
        let calm = prog_type == ProgType::Lsm
            || prog_type == ProgType::Tracing && attach_type == Some(AttachType::TraceIter);
        self.name != "bpf_iter_css_task_new" || calm || sleepable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_table() {
        let some = |test: fn(&Kfunc) -> bool| Kfunc::all().iter().filter(|row| test(row)).count();
        assert_eq!(some(|row| row.calls() == Some(Calls::Now)), 1);
        assert_eq!(some(|row| row.calls() == Some(Calls::Later)), 3);
        assert_eq!(some(Kfunc::changes_packet), 1);
        assert_eq!(some(Kfunc::throws), 1);
        assert_eq!(some(Kfunc::guards_list), 6);
        assert_eq!(some(Kfunc::guards_tree), 6);
        assert_eq!(some(Kfunc::runs_locked), 6 + 6 + 8);
    }

    #[test]
    fn tasks_of_a_group_are_for_some_programs() {
        let tasks = Kfunc::find("bpf_iter_css_task_new").unwrap();
        assert!(tasks.may_iterate(ProgType::Tracing, Some(AttachType::TraceIter), false));
        assert!(!tasks.may_iterate(ProgType::Tracing, Some(AttachType::TraceFentry), false));
        assert!(tasks.may_iterate(ProgType::Tracing, Some(AttachType::TraceFentry), true));
    }
}
