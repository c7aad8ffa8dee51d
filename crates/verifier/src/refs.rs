//! What must be given back: references to objects, locks, saved interrupt state.

use crate::change::Change;
use crate::reg::{Base, RegState, flag};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::state::{LockPlace, RefKind, Reference, State};
use crate::verifier::Verifier;
use skep_abi::ProgType;
use skep_isa::Reg;

impl State {
    /// Whether the reference was acquired and not released. Kernel: `find_reference_state`.
    pub(crate) fn has_reference(&self, id: u32) -> bool {
        self.refs.iter().any(|held| held.kind == RefKind::Ptr && held.id == id)
    }

    /// Forgets a reference; whether it was there. Kernel: `release_reference_nomark`.
    pub(crate) fn drop_reference(&mut self, id: u32) -> bool {
        let at = self.refs.iter().position(|held| held.kind == RefKind::Ptr && held.id == id);
        at.map(|at| self.refs.remove(at)).is_some()
    }

    /// Takes a lock. Kernel: `acquire_lock_state`.
    pub(crate) fn take_lock(&mut self, pc: u32, kind: RefKind, id: u32, place: LockPlace) {
        self.refs.push(Reference { kind, id, pc, place });
        self.active_locks += 1;
        self.active_lock_id = id;
        self.active_lock_place = place;
    }

    /// Whether such a lock is held. Kernel: `find_lock_state`.
    pub(crate) fn holds_lock(&self, kinds: &[RefKind], id: u32, place: LockPlace) -> bool {
        self.refs
            .iter()
            .any(|held| kinds.contains(&held.kind) && held.id == id && held.place == place)
    }

    /// Gives a lock back; whether it was held. Kernel: `release_lock_state`.
    pub(crate) fn drop_lock(&mut self, kind: RefKind, id: u32, place: LockPlace) -> bool {
        let mut before = (0, LockPlace::None);
        for at in 0..self.refs.len() {
            let held = self.refs[at];
            if held.kind == kind && held.id == id && held.place == place {
                self.refs.remove(at);
                self.active_locks -= 1;
                (self.active_lock_id, self.active_lock_place) = before;
                return true;
            }
            if held.kind.is_lock() {
                before = (held.id, held.place);
            }
        }
        false
    }

    /// Restores interrupts; whether this was the innermost saved state.
    /// Kernel: `release_irq_state`.
    pub(crate) fn drop_irq(&mut self, id: u32) -> bool {
        if id != self.active_irq_id {
            return false;
        }
        let mut before = 0;
        for at in 0..self.refs.len() {
            if self.refs[at].kind != RefKind::Irq {
                continue;
            }
            if self.refs[at].id == id {
                self.refs.remove(at);
                self.active_irq_id = before;
                return true;
            }
            before = self.refs[at].id;
        }
        false
    }
}

/// How the end of a program is called where it may not be.
pub(crate) const EXIT: &str = "BPF_EXIT instruction in main prog";

impl Verifier<'_> {
    /// A new reference, taken by the current instruction. Kernel: `acquire_reference`.
    pub(crate) fn acquire_reference(&mut self) -> u32 {
        let id = self.new_id();
        let pc = self.pc;
        self.cur.refs.push(Reference { kind: RefKind::Ptr, id, pc, place: LockPlace::None });
        id
    }

    /// Kernel: `acquire_irq_state`.
    pub(crate) fn acquire_irq(&mut self) -> u32 {
        let id = self.new_id();
        let pc = self.pc;
        self.cur.refs.push(Reference { kind: RefKind::Irq, id, pc, place: LockPlace::None });
        self.cur.active_irq_id = id;
        id
    }

    /// What stands in for a value that is no longer one. Kernel: `mark_reg_invalid`.
    pub(crate) fn invalid(&self) -> RegState {
        if self.allow_ptr_leaks { self.unknown() } else { RegState::NOT_INIT }
    }

    /// Ends every register and spilled register that is so. Kernel: the loops around
    /// `mark_reg_invalid`.
    pub(crate) fn invalidate_where(&mut self, is: impl Fn(&RegState) -> bool) {
        let invalid = self.invalid();
        self.cur.for_each_reg(|reg| {
            if is(reg) {
                *reg = invalid;
            }
        });
    }

    /// Releases a reference with all that derives from it; it must be held.
    /// Kernel: `release_reference`.
    pub(crate) fn release_reference(&mut self, id: u32) -> Res<()> {
        if !self.try_release(id) {
            return crate::reject::reject(
                Rule::RefRelease,
                "reference has not been acquired before",
            );
        }
        Ok(())
    }

    /// The same; whether it was held.
    pub(crate) fn try_release(&mut self, id: u32) -> bool {
        let held = self.cur.drop_reference(id);
        if held {
            self.invalidate_where(|reg| reg.ref_obj_id == id);
        }
        held
    }

    /// Kernel: `invalidate_non_owning_refs`.
    pub(crate) fn invalidate_non_owning_refs(&mut self) {
        self.invalidate_where(|reg| reg.ty.has(flag::NON_OWN_REF));
    }

    /// The packet may have moved. Kernel: `clear_all_pkt_pointers`.
    pub(crate) fn clear_packet_pointers(&mut self) {
        self.invalidate_where(|reg| {
            (matches!(reg.ty.base, Base::Packet | Base::PacketMeta | Base::PacketEnd)
                && reg.ty.flags == 0)
                || (reg.ty.base == Base::Mem
                    && reg.ty.has(flag::DYNPTR_SKB | flag::DYNPTR_XDP | flag::DYNPTR_SKB_META))
        });
    }

    /// Nothing is held that must be given back first. `what` does not return.
    /// Kernel: `check_resource_leak`.
    pub(crate) fn check_resource_leak(
        &self,
        exception: bool,
        check_lock: bool,
        what: &str,
    ) -> Res<()> {
        let State { active_locks, active_irq_id, active_rcu_locks, active_preempt_locks, .. } =
            *self.cur;
        let depths = active_locks | active_irq_id | active_rcu_locks | active_preempt_locks;
        if depths == 0 && self.cur.refs.is_empty() {
            return Ok(());
        }
        let in_region = |active: bool, region: &str, kinds: &[RefKind]| {
            if !(check_lock && active) {
                return Ok(());
            }
            let text = match (what == EXIT && !self.has(Change::LeakWords), region) {
                (false, _) => format!("{what} cannot be used inside {region}-ed region"),
                (true, "bpf_spin_lock") => "bpf_spin_unlock is missing".into(),
                (true, "bpf_rcu_read_lock") => "bpf_rcu_read_unlock is missing".into(),
                (true, _) => match self.cur.active_preempt_locks {
                    1 => "1 bpf_preempt_enable is missing".into(),
                    n => format!("{n} bpf_preempt_enable(s) are missing"),
                },
            };
            let mut reject = Reject::new(Rule::Lock, text);
            if let Some(held) = self.cur.refs.iter().rev().find(|held| kinds.contains(&held.kind)) {
                reject = reject.fact(Fact::Since(held.pc));
            }
            reject.stop()
        };
        let locks = [RefKind::Lock, RefKind::ResLock, RefKind::ResLockIrq];
        in_region(self.cur.active_locks != 0, "bpf_spin_lock", &locks)?;
        self.check_reference_leak(exception, what)?;
        in_region(self.cur.active_irq_id != 0, "bpf_local_irq_save", &[RefKind::Irq])?;
        in_region(self.cur.active_rcu_locks != 0, "bpf_rcu_read_lock", &[])?;
        in_region(self.cur.active_preempt_locks != 0, "bpf_preempt_disable", &[])
    }

    /// Kernel: `check_reference_leak`.
    fn check_reference_leak(&self, exception: bool, what: &str) -> Res<()> {
        if !exception && self.cur.curframe() != 0 {
            return Ok(());
        }
        let returned = self.reg(Reg::R0).ref_obj_id;
        // A program of a structure may return a reference to the kernel.
        let may_return = self.prog.prog_type == ProgType::StructOps && !exception;
        let mut reject: Option<Reject> = None;
        let mut text = String::new();
        for held in &self.cur.refs {
            if held.kind != RefKind::Ptr || (may_return && held.id == returned) {
                continue;
            }
            text += &format!("Unreleased reference id={} alloc_insn={}\n", held.id, held.pc);
            let so_far = reject.take().unwrap_or_else(|| Reject::new(Rule::RefLeak, ""));
            reject = Some(so_far.fact(Fact::Since(held.pc)));
        }
        match reject {
            None => Ok(()),
            Some(mut reject) => {
                reject.kernel = match what {
                    EXIT | "bpf_throw" if !self.has(Change::LeakWords) => text.trim_end().into(),
                    "BPF_LD_[ABS|IND]" if !self.has(Change::LeakWords) => {
                        format!("{text}{what} cannot be mixed with socket references")
                    }
                    _ => format!("{text}{what} would lead to reference leak"),
                };
                reject.stop()
            }
        }
    }
}
