//! Pointers to objects in values of maps.

use super::{Access, Found};
use crate::btf_ref::BtfRef;
use crate::null::is_alloc;
use crate::record::{Field, FieldKind, Kinds};
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::Errno;
use skep_abi::trust::RCU_PROTECTED;
use skep_btf::TypeId;
use skep_isa::{Insn, Reg, Src};

impl Verifier<'_> {
    /// A load or store of a pointer field. Kernel: `check_map_kptr_access`.
    pub(super) fn check_map_kptr_access(&mut self, access: Access, field: &Field) -> Res<()> {
        let refuse = |kernel: String| {
            Reject::new(Rule::Kptr, kernel)
                .fact(Fact::Reg(access.base, *self.reg(access.base)))
                .stop()
        };
        let insn = self.insn(self.pc);
        let load = match insn {
            Insn::Load { .. } => true,
            Insn::Store { .. } => false,
            _ => {
                return refuse(
                    "kptr in map can only be accessed using BPF_MEM instruction mode".into(),
                );
            }
        };
        if !load && matches!(field.kind, FieldKind::KptrRef | FieldKind::KptrPercpu) {
            return refuse("store to referenced kptr disallowed".into());
        }
        if !load && field.kind == FieldKind::Uptr {
            return refuse("store to uptr disallowed".into());
        }
        match insn {
            Insn::Store { src: Src::Imm(0), .. } => Ok(()),
            Insn::Store { src: Src::Imm(_), .. } => {
                refuse(format!("BPF_ST imm must be 0 when storing to kptr at off={}", field.offset))
            }
            Insn::Store { src: Src::Reg(src), .. } => {
                if self.reg(src).is_null() {
                    return self.mark_chain_precision(src);
                }
                self.kptr_match_type(field, src)
            }
            _ => match access.value {
                Some(dst) => self.load_kptr(dst, field),
                None => Ok(()),
            },
        }
    }

    fn load_kptr(&mut self, dst: Reg, field: &Field) -> Res<()> {
        let Some((btf, id)) = field.kptr else { return Ok(()) };
        if field.kind == FieldKind::Uptr {
            let size = self.btf_of(btf).and_then(|btf| btf.size_of(id)).unwrap_or(0);
            let ty = RegType::new(Base::Mem).with(flag::MAYBE_NULL);
            let id = self.new_id();
            *self.reg_mut(dst) = RegState { id, ..RegState::pointer(ty, Extra::Mem(size)) };
            return Ok(());
        }
        let flags = self.loaded_kptr_flags(field, (btf, id));
        self.mark_btf_ld_reg(dst, Found::Pointer(id), btf, flags);
        Ok(())
    }

    /// Kernel: `btf_ld_kptr_type`.
    fn loaded_kptr_flags(&self, field: &Field, (btf, id): (BtfRef, TypeId)) -> u32 {
        let safe = match field.kind {
            FieldKind::KptrPercpu => true,
            FieldKind::KptrRef => self.is_rcu_protected(btf, id),
            _ => false,
        };
        if !safe || !self.in_rcu_cs() {
            return flag::MAYBE_NULL | flag::UNTRUSTED;
        }
        let mut flags = flag::MAYBE_NULL | flag::RCU;
        if field.kind == FieldKind::KptrPercpu {
            flags |= flag::PERCPU;
        } else if btf != BtfRef::Kernel {
            flags |= flag::ALLOC;
        }
        let node =
            self.struct_record((btf, id)).is_some_and(|record| record.has(Kinds::GRAPH_NODE));
        if node { flags | flag::NON_OWN_REF } else { flags }
    }

    /// Kernel: `rcu_protected_object`.
    pub(crate) fn is_rcu_protected(&self, btf: BtfRef, id: TypeId) -> bool {
        btf != BtfRef::Kernel || RCU_PROTECTED.contains(&self.type_name(btf, id))
    }

    /// The pointer in a register may be stored in a field. Kernel: `map_kptr_match_type`.
    pub(crate) fn kptr_match_type(&self, field: &Field, at: Reg) -> Res<()> {
        let reg = self.reg(at);
        let Some(want) = field.kptr else {
            return Reject::new(Rule::Internal, "a pointer field without a type").stop();
        };
        let unref = field.kind == FieldKind::KptrUnref;
        let have = reg.btf().filter(|_| reg.ty.base == Base::BtfId);
        let mut named = "";
        if let Some((btf, id)) = have {
            let mut allowed = flag::MAYBE_NULL;
            if btf == BtfRef::Kernel {
                allowed |= flag::TRUSTED | flag::RCU | if unref { flag::UNTRUSTED } else { 0 };
            } else {
                allowed |= flag::ALLOC;
                allowed |= if field.kind == FieldKind::KptrPercpu { flag::PERCPU } else { 0 };
            }
            let percpu = (field.kind == FieldKind::KptrPercpu) == reg.ty.has(flag::PERCPU);
            if reg.ty.flags & !allowed == 0 && percpu {
                named = self.type_name(btf, id);
                self.check_ptr_off_reg_at(at, reg, true)?;
                let walk = !is_alloc(reg.ty);
                if self.btf_struct_ids_match((btf, id), reg.off, want, !unref, walk) {
                    return Ok(());
                }
            }
        }
        let to = self.type_name(want.0, want.1);
        let or = if unref { format!(" or untrusted_ptr_{to}") } else { String::new() };
        Reject::new(
            Rule::Kptr,
            format!(
                "invalid kptr access, R{} type={}{named} expected=ptr_{to}{or}",
                at.num(),
                reg.ty.kernel_name()
            ),
        )
        .errno(Errno::EACCES)
        .fact(Fact::Reg(at, *reg))
        .stop()
    }
}
