//! Locks, and fields of map values that only their functions may use.

use crate::call::{Meta, low_half};
use crate::record::{FieldKind, Kinds};
use crate::reg::{Base, Extra};
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::state::{LockPlace, RefKind};
use crate::verifier::Verifier;
use skep_abi::Errno;
use skep_isa::Reg;

/// What is done with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockOp {
    /// Taken, or given back.
    pub(crate) lock: bool,
    /// A `bpf_res_spin_lock`.
    pub(crate) res: bool,
    /// With interrupts off.
    pub(crate) irq: bool,
}

impl LockOp {
    /// The name that messages begin with.
    const fn name(self) -> &'static str {
        if self.res { "bpf_res_spin" } else { "bpf_spin" }
    }

    const fn kind(self) -> RefKind {
        match (self.res, self.irq) {
            (false, _) => RefKind::Lock,
            (true, false) => RefKind::ResLock,
            (true, true) => RefKind::ResLockIrq,
        }
    }
}

impl Verifier<'_> {
    /// A refusal about a lock.
    fn refuse_lock<T>(&self, reg: Reg, text: String) -> Res<T> {
        Reject::new(Rule::Lock, text).fact(Fact::Reg(reg, *self.reg(reg))).stop()
    }

    /// Kernel: `process_spin_lock`.
    pub(crate) fn process_spin_lock(&mut self, reg: Reg, op: LockOp) -> Res<()> {
        let state = *self.reg(reg);
        let name = op.name();
        let Some(var) = state.num.is_const() else {
            return self.refuse_lock(
                reg,
                format!(
                    "R{} doesn't have constant offset. {name}_lock has to be at the constant offset",
                    reg.num()
                ),
            );
        };
        let map = if state.ty.is(Base::MapValue) { state.map() } else { None };
        let what = match map {
            Some(map) => {
                let def = self.maps[map as usize].def;
                if self.btf.is_none() || def.value_type.is_none() {
                    return self.refuse_lock(
                        reg,
                        format!("map '{}' has to have BTF in order to use {name}_lock", def.name),
                    );
                }
                format!("map '{}'", def.name)
            }
            None => "local 'kptr'".to_owned(),
        };
        let kind = if op.res { FieldKind::ResSpinLock } else { FieldKind::SpinLock };
        let Some(at) = self.record_of(&state).and_then(|record| record.offset_of(kind)) else {
            return self.refuse_lock(reg, format!("{what} has no valid {name}_lock"));
        };
        let off = var.wrapping_add_signed(i64::from(state.off));
        if u64::from(at) != off {
            return self.refuse_lock(
                reg,
                format!(
                    "off {} doesn't point to 'struct {name}_lock' that is at {at}",
                    off.cast_signed()
                ),
            );
        }
        let place = match (map, state.btf()) {
            (Some(map), _) => LockPlace::Map(map),
            // The kernel compares the sets of types, of which there is one here.
            _ => LockPlace::Object(skep_btf::TypeId::VOID),
        };
        if op.lock { self.take_lock(reg, op, place) } else { self.give_lock(reg, op, place) }
    }

    fn take_lock(&mut self, reg: Reg, op: LockOp, place: LockPlace) -> Res<()> {
        let id = self.reg(reg).id;
        if self.cur.active_locks != 0 {
            let held = |kinds: &[RefKind]| self.cur.refs.iter().any(|r| kinds.contains(&r.kind));
            if !op.res && held(&[RefKind::Lock]) {
                let text = "Locking two bpf_spin_locks are not allowed";
                return self.refuse_lock(reg, text.to_owned());
            }
            let kinds = [RefKind::ResLock, RefKind::ResLockIrq];
            if op.res && self.cur.holds_lock(&kinds, id, place) {
                let text = "Acquiring the same lock again, AA deadlock detected";
                return self.refuse_lock(reg, text.to_owned());
            }
        }
        let pc = self.pc;
        self.cur.take_lock(pc, op.kind(), id, place);
        Ok(())
    }

    fn give_lock(&mut self, reg: Reg, op: LockOp, place: LockPlace) -> Res<()> {
        let (id, name) = (self.reg(reg).id, op.name());
        if self.cur.active_locks == 0 {
            return self.refuse_lock(reg, format!("{name}_unlock without taking a lock"));
        }
        if !self.cur.holds_lock(&[op.kind()], id, place) {
            return self.refuse_lock(reg, format!("{name}_unlock of different lock"));
        }
        if id != self.cur.active_lock_id || place != self.cur.active_lock_place {
            return self.refuse_lock(reg, format!("{name}_unlock cannot be out of order"));
        }
        if !self.cur.drop_lock(op.kind(), id, place) {
            return self.refuse_lock(reg, format!("{name}_unlock of different lock"));
        }
        self.invalidate_non_owning_refs();
        Ok(())
    }

    /// A timer in a map value. Kernel: `process_timer_func`.
    pub(crate) fn process_timer(&mut self, reg: Reg, meta: &mut Meta) -> Res<()> {
        let (map, uid) = self.check_map_field(reg, FieldKind::Timer, "bpf_timer")?;
        if meta.map.is_some() {
            return reject(Rule::Internal, "Two map pointers in a timer helper");
        }
        meta.map = Some(map);
        meta.map_uid = uid;
        Ok(())
    }

    /// The pointer is to this field of a map value. Kernel: `check_map_field_pointer`.
    pub(crate) fn check_map_field(
        &mut self,
        reg: Reg,
        kind: FieldKind,
        name: &str,
    ) -> Res<(u32, u32)> {
        let state = *self.reg(reg);
        let refuse = |text: String| {
            Reject::new(Rule::MemSpecialField, text)
                .errno(Errno::EINVAL)
                .fact(Fact::Reg(reg, state))
                .fact(Fact::Arg(reg.num()))
                .stop()
        };
        let Some(var) = state.num.is_const() else {
            return refuse(format!(
                "R{} doesn't have constant offset. {name} has to be at the constant offset",
                reg.num()
            ));
        };
        let Extra::Map { map, uid } = state.extra else {
            return reject(Rule::Internal, "map value without map");
        };
        let info = &self.maps[map as usize];
        if self.btf.is_none() || info.def.value_type.is_none() {
            return refuse(format!(
                "map '{}' has to have BTF in order to use {name}",
                info.def.name
            ));
        }
        let Some(at) = info.record.offset_of(kind) else {
            return refuse(format!("map '{}' has no valid {name}", info.def.name));
        };
        let off = var.wrapping_add_signed(i64::from(state.off));
        if u64::from(at) != off {
            return refuse(format!(
                "off {} doesn't point to 'struct {name}' that is at {at}",
                off.cast_signed()
            ));
        }
        Ok((map, uid))
    }

    /// A pointer field that is exchanged. Kernel: `process_kptr_func`.
    pub(crate) fn process_kptr_dest(&mut self, reg: Reg, meta: &mut Meta) -> Res<()> {
        let state = *self.reg(reg);
        let refuse = |text: String, errno| {
            Reject::new(Rule::Kptr, text)
                .errno(errno)
                .fact(Fact::Reg(reg, state))
                .fact(Fact::Arg(reg.num()))
                .stop()
        };
        if !Self::is_alloc_object(&state)
            && let Some(map) = state.map()
        {
            let def = self.maps[map as usize].def;
            if self.btf.is_none() || def.value_type.is_none() {
                return refuse(
                    format!("map '{}' has to have BTF in order to use bpf_kptr_xchg", def.name),
                    Errno::EINVAL,
                );
            }
            meta.map = Some(map);
        }
        let Some(var) = state.num.is_const() else {
            return refuse(
                format!(
                    "R{} doesn't have constant offset. kptr has to be at the constant offset",
                    reg.num()
                ),
                Errno::EINVAL,
            );
        };
        let record = self.record_of(&state).filter(|record| record.has(Kinds::KPTR));
        let Some(record) = record else {
            return refuse(format!("R{} has no valid kptr", reg.num()), Errno::EINVAL);
        };
        let off = state.off.wrapping_add(low_half(var).cast_signed());
        let field = record.find(off.cast_unsigned(), Kinds::KPTR).copied();
        let Some(field) = field else {
            return refuse(format!("off={off} doesn't point to kptr"), Errno::EACCES);
        };
        if field.kind == FieldKind::KptrUnref {
            return refuse(format!("off={off} kptr isn't referenced kptr"), Errno::EACCES);
        }
        meta.kptr = Some(field);
        Ok(())
    }
}
