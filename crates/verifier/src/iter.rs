//! Open-coded iterators: made, moved on and destroyed by functions of the kernel.
//!
//! `next` may give something or nothing. That it gave something goes on as a branch, in which numbers
//! that changed since the last round and that nothing depends on are forgotten, so that the loop
//! converges; that it gave nothing goes on here.

use crate::btf_ref::BtfRef;
use crate::dynptr::and_then_said;
use crate::frame::{Byte, Slot};
use crate::kfunc::KMeta;
use crate::mem::Spi;
use crate::reg::{Base, Extra, IterState, RegState, RegType, flag};
use crate::reject::{Reject, Res, Stop, reject};
use crate::rule::Rule;
use crate::state::StateId;
use crate::verifier::Verifier;
use skep_abi::{Errno, kfunc_flag};
use skep_btf::{Body, TypeId};
use skep_isa::{Reg, Size};

/// What the names of iterators' types begin with.
const PREFIX: &str = "bpf_iter_";

/// Why an iterator is not one that can be moved on.
enum NotReady {
    Uninit(Option<Stop>),
    OutsideRcu,
}

impl<'a> Verifier<'a> {
    /// An iterator as argument number `at`. Kernel: `process_iter_arg`.
    pub(crate) fn process_iter_arg(
        &mut self,
        meta: &mut KMeta<'a>,
        at: usize,
        reg: Reg,
    ) -> Res<()> {
        let state = *self.reg(reg);
        let fail = |said, text: &str| Err(and_then_said(said, Rule::Iter, text, (reg, state)));
        if !state.ty.is(Base::Stack) {
            return fail(None, &format!("arg#{at} expected pointer to an iterator on stack"));
        }
        let Some((id, size, name)) = iter_type(meta, at) else {
            return fail(None, &format!("expected valid iter pointer as arg #{at}"));
        };
        let slots = (size / 8) as usize;
        if meta.has(kfunc_flag::ITER_NEW) {
            let (free, said) = match self.is_iter_free(&state, slots) {
                Ok(free) => (free, None),
                Err(stop) => (false, Some(stop)),
            };
            if !free {
                let text = format!("expected uninitialized iter_{name} as arg #{at}");
                return fail(said, &text);
            }
            for off in (0..i32::try_from(slots * 8).unwrap_or(0)).step_by(8) {
                self.check_mem_access(reg, off, Size::Dw, true, None, false, false)?;
            }
            return self.make_iter(meta, &state, id, slots);
        }
        match self.is_iter_ready(&state, id, slots)? {
            Ok(()) => {}
            Err(NotReady::Uninit(said)) => {
                let text = format!("expected an initialized iter_{name} as arg #{at}");
                return fail(said, &text);
            }
            Err(NotReady::OutsideRcu) => {
                let text = format!("expected an RCU CS when using {}", meta.name);
                return Reject::new(Rule::Iter, text).errno(Errno::EPROTO).stop();
            }
        }
        let Spi::At(spi) = self.iter_get_spi(&state, slots)? else {
            return reject(Rule::Internal, "an iterator beyond the stack");
        };
        self.mark_stack_slot_obj_read(&state, spi, slots);
        meta.iter = Some((state.frame, spi));
        meta.ref_obj_id = self.cur.frames[state.frame as usize].stack[spi].reg.ref_obj_id;
        if meta.has(kfunc_flag::ITER_DESTROY) {
            self.end_iter(&state, spi, slots)?;
        }
        Ok(())
    }

    /// Kernel: `is_iter_reg_valid_uninit`.
    fn is_iter_free(&self, reg: &RegState, slots: usize) -> Res<bool> {
        let Spi::At(spi) = self.iter_get_spi(reg, slots)? else { return Ok(true) };
        let stack = &self.cur.frames[reg.frame as usize].stack;
        let first = spi + 1 - slots.min(spi + 1);
        Ok(stack[first..=spi].iter().all(|slot| !slot.bytes.contains(&Byte::Iter)))
    }

    /// Kernel: `is_iter_reg_valid_init`.
    fn is_iter_ready(&self, reg: &RegState, id: TypeId, slots: usize) -> Res<Result<(), NotReady>> {
        let spi = match self.iter_get_spi(reg, slots) {
            Ok(Spi::At(spi)) => spi,
            Ok(Spi::OutOfRange) => return Ok(Err(NotReady::Uninit(None))),
            Err(stop @ Stop::Reject(_)) => return Ok(Err(NotReady::Uninit(Some(stop)))),
            Err(stop) => return Err(stop),
        };
        let stack = &self.cur.frames[reg.frame as usize].stack;
        for step in 0..slots {
            let slot = &stack[spi - step];
            if slot.reg.ty.has(flag::UNTRUSTED) {
                return Ok(Err(NotReady::OutsideRcu));
            }
            let same = matches!(
                slot.reg.extra,
                Extra::Iter { btf: BtfRef::Kernel, id: of, .. } if of == id
            );
            if (step == 0) != (slot.reg.ref_obj_id != 0)
                || !same
                || slot.bytes.iter().any(|&byte| byte != Byte::Iter)
            {
                return Ok(Err(NotReady::Uninit(None)));
            }
        }
        Ok(Ok(()))
    }

    /// Kernel: `mark_stack_slots_iter`.
    fn make_iter(&mut self, meta: &KMeta<'a>, reg: &RegState, id: TypeId, slots: usize) -> Res<()> {
        let Spi::At(spi) = self.iter_get_spi(reg, slots)? else {
            return reject(Rule::Internal, "an iterator beyond the stack");
        };
        let held = self.acquire_reference();
        let mut ty = RegType::new(Base::Stack);
        if meta.has(kfunc_flag::RCU_PROTECTED) {
            ty = ty.with(if self.in_rcu_cs() { flag::RCU } else { flag::UNTRUSTED });
        }
        let extra = Extra::Iter { btf: BtfRef::Kernel, id, state: IterState::Active, depth: 0 };
        for step in 0..slots {
            let mut state = RegState::pointer(ty, extra);
            state.ref_obj_id = if step == 0 { held } else { 0 };
            self.cur.frames[reg.frame as usize].stack[spi - step] =
                Slot { reg: state, bytes: [Byte::Iter; 8] };
            self.mark_stack_write(reg.frame, 1 << (spi - step));
        }
        Ok(())
    }

    /// Kernel: `unmark_stack_slots_iter`.
    fn end_iter(&mut self, reg: &RegState, spi: usize, slots: usize) -> Res<()> {
        let held = self.cur.frames[reg.frame as usize].stack[spi].reg.ref_obj_id;
        self.release_reference(held)?;
        for step in 0..slots {
            self.cur.frames[reg.frame as usize].stack[spi - step] = Slot::INVALID;
            self.mark_stack_write(reg.frame, 1 << (spi - step));
        }
        Ok(())
    }

    /// Kernel: `process_iter_next_call`.
    pub(crate) fn process_iter_next(&mut self, meta: &KMeta<'a>) -> Res<()> {
        let Some((frame, spi)) = meta.iter else {
            return reject(Rule::Internal, "an iterator without place");
        };
        let extra = self.cur.frames[frame as usize].stack[spi].reg.extra;
        let Extra::Iter { btf, id, state, depth } = extra else {
            return reject(Rule::Internal, "unexpected iterator state");
        };
        if state == IterState::Active {
            let pc = self.pc;
            let here = self.cur.parent.filter(|&parent| self.is_same_call(parent, pc));
            let Some(here) = here else {
                return reject(Rule::Internal, "bad parent state for iter next call");
            };
            let depth = self.remembered.get(here).state.dfs_depth;
            let before = self.previous_entry(pc, depth);
            let mut queued = self.cur.clone();
            queued.frames[frame as usize].stack[spi].reg.extra =
                Extra::Iter { btf, id, state: IterState::Active, depth: depth.wrapping_add(1) };
            if let Some(before) = before {
                self.widen(before, &mut queued);
            }
            self.mark_not_null(&mut queued.top_mut().regs[0]);
            self.push_state(queued, pc + 1, pc, false)?;
        }
        self.cur.frames[frame as usize].stack[spi].reg.extra =
            Extra::Iter { btf, id, state: IterState::Drained, depth };
        *self.reg_mut(Reg::R0) = self.constant(0);
        Ok(())
    }

    pub(crate) fn is_same_call(&self, id: StateId, pc: u32) -> bool {
        let state = &self.remembered.get(id).state;
        state.pc == pc
            && state.frames.len() == self.cur.frames.len()
            && state.frames.iter().zip(&self.cur.frames).all(|(a, b)| a.callsite == b.callsite)
    }
}

/// Type, size and short name of the iterator that a parameter points to.
/// Kernel: `btf_check_iter_arg`.
fn iter_type<'a>(meta: &KMeta<'a>, at: usize) -> Option<(TypeId, u32, &'a str)> {
    let Body::Ptr(to) = meta.btf.resolve(meta.params.get(at)?.ty)?.body else { return None };
    let ty = meta.btf.resolve(to)?;
    let Body::Struct { size, .. } = ty.body else { return None };
    Some((ty.id, size, ty.name.strip_prefix(PREFIX)?))
}
