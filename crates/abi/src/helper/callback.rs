//! Functions of the program that a call calls: what they get and what they return.
//!
//! Kernel: `set_*_callback_state` of `kernel/bpf/verifier.c`, Linux 6.18.

use super::Helper;
use super::effect::Calls;
use crate::Kfunc;

/// A function that a call is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Callback {
    /// When it is called.
    pub calls: Calls,
    /// The parameter of the call that names it, from 1.
    pub param: u8,
    /// r1 and on; the rest is not set.
    pub args: &'static [CallbackArg],
    /// What it may return, bounds included.
    pub returns: (i32, i32),
}

/// What a called function gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackArg {
    /// What the caller has in this register.
    Caller(u8),
    /// The map that the caller has in this register, or the one that holds what it has there.
    Map(u8),
    /// A key of that map.
    MapKey(u8),
    /// A value of that map.
    MapValue(u8),
    /// Any number.
    Number,
    /// A pointer to this structure of the kernel, neither trusted nor null.
    Btf(&'static str),
    /// A dynptr over local memory.
    Dynptr,
    /// A node of the tree that the caller has in this register, without ownership.
    Node(u8),
}

use CallbackArg::{Btf, Caller, Dynptr, Map, MapKey, MapValue, Node, Number};

const fn now(param: u8, args: &'static [CallbackArg]) -> Callback {
    Callback { calls: Calls::Now, param, args, returns: (0, 1) }
}

const fn later(param: u8, args: &'static [CallbackArg], returns: (i32, i32)) -> Callback {
    Callback { calls: Calls::Later, param, args, returns }
}

impl Helper {
    /// The function that it calls, if it does.
    #[must_use]
    pub fn callback(&self) -> Option<Callback> {
        Some(match self.name {
            "for_each_map_elem" => now(2, &[Caller(1), MapKey(1), MapValue(1), Caller(3)]),
            "loop" => now(2, &[Number, Caller(3)]),
            "find_vma" => now(3, &[Caller(1), Btf("vm_area_struct"), Caller(4)]),
            "user_ringbuf_drain" => now(2, &[Dynptr, Caller(3)]),
            "timer_set_callback" => later(2, &[Map(1), MapKey(1), MapValue(1)], (0, 0)),
            _ => return None,
        })
    }

    /// Bounds of its result that the prototype does not tell.
    #[must_use]
    pub fn result_bound(&self) -> Option<ResultBound> {
        match self.name {
            "get_stack"
            | "get_task_stack"
            | "probe_read_str"
            | "probe_read_kernel_str"
            | "probe_read_user_str" => Some(ResultBound::Size),
            "get_smp_processor_id" => Some(ResultBound::Cpu),
            _ => None,
        }
    }
}

impl Kfunc {
    /// The function that it calls, if it does.
    #[must_use]
    pub fn callback(&self) -> Option<Callback> {
        let any = (i32::MIN, i32::MAX);
        Some(match self.name {
            "bpf_rbtree_add_impl" => now(3, &[Node(1), Node(1)]),
            "bpf_wq_set_callback_impl" => later(2, &[Map(1), MapKey(1), MapValue(1)], (0, 0)),
            "bpf_task_work_schedule_signal_impl" | "bpf_task_work_schedule_resume_impl" => {
                later(4, &[Map(3), MapKey(3), MapValue(3)], any)
            }
            _ => return None,
        })
    }
}

/// Bounds of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultBound {
    /// From -4095 to the greatest value of the size that was passed.
    Size,
    /// From 0 to below the number of CPUs that the kernel may have.
    Cpu,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArgKind;

    #[test]
    fn callbacks_are_those_of_the_lists_and_their_registers_exist() {
        for helper in Helper::all() {
            let callback = helper.callback();
            assert_eq!(callback.map(|row| row.calls), helper.calls(), "{}", helper.name);
            let Some(callback) = callback else { continue };
            let kind = helper.args[usize::from(callback.param) - 1].kind;
            assert_eq!(kind, ArgKind::Func, "{}", helper.name);
            for arg in callback.args {
                if let Caller(reg) | Map(reg) | MapKey(reg) | MapValue(reg) | Node(reg) = arg {
                    assert!(usize::from(*reg) <= helper.args.len(), "{}", helper.name);
                }
            }
        }
        for kfunc in Kfunc::all() {
            assert_eq!(kfunc.callback().map(|row| row.calls), kfunc.calls(), "{}", kfunc.name);
        }
    }

    #[test]
    fn sizes_bound_results_of_helpers_that_take_one() {
        for helper in Helper::all() {
            if helper.result_bound() == Some(ResultBound::Size) {
                assert!(helper.args.iter().any(|arg| arg.kind == ArgKind::SizeOrZero));
            }
        }
    }
}
