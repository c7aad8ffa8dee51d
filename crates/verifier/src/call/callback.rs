//! Functions that helpers call back.
//!
//! A callback that runs during the call is followed as a branch of its own, from the call into the
//! function and back to the call, until a round changes nothing. One that runs later starts afresh.

use super::{Meta, id};
use crate::btf_ref::BtfRef;
use crate::frame::{Frame, MAIN, RetRange};
use crate::reg::{Base, DynptrKind, Extra, RegState, RegType};
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::state::State;
use crate::verifier::Verifier;
use crate::waiting::Pending;
use skep_abi::{Errno, MapType};

/// What a callback gets in its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    /// `bpf_for_each_map_elem`, over this map.
    MapElem(u32),
    /// `bpf_loop`
    Loop,
    /// `bpf_find_vma`
    FindVma,
    /// `bpf_user_ringbuf_drain`
    UserRingbuf,
    /// `bpf_rbtree_add`, comparing objects of the field's type.
    Less(crate::record::Graph),
    /// `bpf_timer_set_callback`
    Timer,
    /// `bpf_wq_set_callback` and `bpf_task_work_schedule_*`: later, with the value that holds the
    /// field, and maybe sleeping.
    Later {
        /// The map of the value.
        map: u32,
        /// Which look-up it came from.
        uid: u32,
        /// Whether it may return any number of 32 bits.
        free: bool,
    },
}

impl Callback {
    /// Whether it runs on its own, after the call.
    const fn is_async(self) -> bool {
        matches!(self, Self::Timer | Self::Later { .. })
    }
}

impl Verifier<'_> {
    /// The callback of a helper.
    pub(crate) fn push_callback(&mut self, meta: &Meta) -> Res<()> {
        let callback = match meta.func {
            id::FOR_EACH_MAP_ELEM => Callback::MapElem(meta.map.unwrap_or(0)),
            id::LOOP => Callback::Loop,
            id::FIND_VMA => Callback::FindVma,
            id::USER_RINGBUF_DRAIN => Callback::UserRingbuf,
            _ => Callback::Timer,
        };
        match meta.subprog {
            Some(subprog) => self.follow_callback(subprog, callback, false),
            None => reject(Rule::Internal, "no callback"),
        }
    }

    /// Kernel: `push_callback_call`.
    pub(crate) fn follow_callback(
        &mut self,
        subprog: u32,
        callback: Callback,
        sleepable: bool,
    ) -> Res<()> {
        // That the arguments of the call do not fit the callback's prototype is of no matter.
        let _ = self.check_subprog_call(subprog)?;
        let info = &mut self.subprogs[subprog as usize];
        info.is_cb = true;
        let start = info.start;
        let pc = self.pc;
        if callback.is_async() {
            info.is_async_cb = true;
            return self.push_async(subprog, callback, sleepable);
        }
        let mut state = self.cur.clone();
        self.enter(&mut state, subprog, pc, |this, caller, callee| {
            this.set_callback_args(callback, caller, callee)
        })?;
        state.callback_unroll_depth += 1;
        let caller = state.frames.len() - 2;
        state.frames[caller].callback_depth += 1;
        self.push_state(state, start, pc, false)?;
        self.frame_mut().callback_depth = 0;
        Ok(())
    }

    /// Kernel: `push_async_cb`.
    fn push_async(&mut self, subprog: u32, callback: Callback, sleepable: bool) -> Res<()> {
        const MAX_PENDING: usize = 8192;
        let start = self.subprogs[subprog as usize].start;
        let caller = self.frame().clone();
        let mut frame = Frame::new(MAIN, 0, subprog);
        frame.async_entries = caller.async_entries + 1;
        self.set_callback_args(callback, &caller, &mut frame)?;
        if self.pending.len() >= MAX_PENDING {
            return reject(
                Rule::LimitBranches,
                format!(
                    "The sequence of {} jumps is too complex for async cb.",
                    self.pending.len() + 1
                ),
            );
        }
        let state = Box::new(State::new(frame, start, sleepable));
        let branch = Pending { state, pc: start, prev_pc: self.pc };
        self.pending.push(branch, &mut self.remembered);
        Ok(())
    }

    /// Kernel: the functions `set_*_callback_state`.
    fn set_callback_args(
        &mut self,
        callback: Callback,
        caller: &Frame,
        callee: &mut Frame,
    ) -> Res<()> {
        let value = |base, extra| RegState::pointer(RegType::new(base), extra);
        callee.in_callback = true;
        callee.callback_ret = RetRange { min: 0, max: 1 };
        let regs = &mut callee.regs;
        match callback {
            Callback::MapElem(map) => {
                let extra = caller.regs[1].extra;
                self.check_each_map(map)?;
                regs[1] = caller.regs[1];
                regs[2] = value(Base::MapKey, extra);
                regs[3] = value(Base::MapValue, extra);
                regs[4] = caller.regs[3];
            }
            Callback::Loop => {
                // The kernel leaves the precision of a fresh register.
                regs[1] = RegState::UNKNOWN;
                regs[2] = caller.regs[3];
            }
            Callback::FindVma => {
                let vma = self.need_struct("vm_area_struct")?;
                regs[1] = caller.regs[1];
                regs[2] = value(Base::BtfId, Extra::Btf { btf: BtfRef::Kernel, id: vma });
                regs[3] = caller.regs[4];
            }
            Callback::UserRingbuf => {
                regs[1] = self.dynptr_param(DynptrKind::Local);
                regs[2] = caller.regs[3];
            }
            Callback::Less(graph) => {
                for reg in &mut regs[1..=2] {
                    *reg = self.graph_node(graph);
                    self.set_non_owning(reg)?;
                }
            }
            Callback::Timer | Callback::Later { .. } => {
                let extra = match callback {
                    Callback::Later { map, uid, .. } => Extra::Map { map, uid },
                    _ => caller.regs[1].extra,
                };
                regs[1] = value(Base::ConstMap, extra);
                regs[2] = value(Base::MapKey, extra);
                regs[3] = value(Base::MapValue, extra);
                callee.in_callback = false;
                callee.in_async_callback = true;
                callee.callback_ret = match callback {
                    Callback::Later { free: true, .. } => RetRange { min: i32::MIN, max: i32::MAX },
                    _ => RetRange { min: 0, max: 0 },
                };
            }
        }
        Ok(())
    }

    /// Maps whose values `bpf_for_each_map_elem` goes through.
    fn check_each_map(&self, map: u32) -> Res<()> {
        use MapType as M;
        let known = matches!(
            self.maps[map as usize].map_type(),
            M::Array | M::PercpuArray | M::Hash | M::PercpuHash | M::LruHash | M::LruPercpuHash
        );
        if known {
            return Ok(());
        }
        Reject::new(Rule::HelperMap, "callback function not allowed for map")
            .errno(Errno::ENOTSUPP)
            .fact(Fact::Map(map))
            .stop()
    }

    /// Whether this is part of a comparison that a tree asks for while its lock is held.
    /// Kernel: `in_rbtree_lock_required_cb`.
    pub(crate) fn in_rbtree_lock_required_cb(&self) -> bool {
        self.cur
            .frames
            .iter()
            .skip(1)
            .any(|frame| frame.in_callback && self.is_rbtree_call(frame.callsite))
    }
}
