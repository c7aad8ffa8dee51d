//! Objects of the kernel's types and of the program's own.

use super::btf_walk::{Misfit, Step, walk};
use super::{Access, Found};
use crate::btf_ref::BtfRef;
use crate::null::{is_alloc, is_non_owning, is_rcu};
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Errno, ProgType};
use skep_btf::TypeId;
use skep_isa::Reg;

/// An access to an object.
#[derive(Clone, Copy)]
struct Use {
    base: Reg,
    off: i32,
    size: i32,
    write: bool,
    dst: Option<Reg>,
}

impl Verifier<'_> {
    pub(super) fn access_btf(&mut self, reg: &RegState, access: Access) -> Res<()> {
        let Access { base, off, size, write, value, .. } = access;
        self.check_ptr_to_btf_access(reg, Use { base, off, size, write, dst: value })
    }

    /// A function reads an object.
    pub(super) fn check_btf_argument(
        &mut self,
        base: Reg,
        reg: &RegState,
        size: i32,
        write: bool,
    ) -> Res<()> {
        self.check_ptr_to_btf_access(reg, Use { base, off: reg.off, size, write, dst: None })
    }

    /// Kernel: `check_ptr_to_btf_access`.
    fn check_ptr_to_btf_access(&mut self, reg: &RegState, access: Use) -> Res<()> {
        let Some((btf, id)) = reg.btf() else {
            return Reject::new(Rule::Internal, "an object without a type").stop();
        };
        let name = self.type_name(btf, id);
        self.check_object_base(reg, access, btf, name)?;
        let hooked = access.write && !reg.ty.has(flag::ALLOC) && self.has_write_hook();
        if hooked {
            return self.write_by_hook(reg, access, name);
        }
        let refuse = |rule: Rule, text: &str| {
            Reject::new(rule, text).fact(Fact::Reg(access.base, *reg)).stop()
        };
        if access.write && !is_alloc(reg.ty) {
            return refuse(Rule::MemReadOnly, "only read is supported");
        }
        if reg.ty.has(flag::ALLOC)
            && !is_non_owning(reg.ty)
            && !is_rcu(reg.ty)
            && reg.ref_obj_id == 0
        {
            return refuse(
                Rule::Internal,
                "verifier bug: ref_obj_id for allocated object must be non-zero",
            );
        }
        let alloc = reg.ty.has(flag::ALLOC);
        self.check_object_fields((btf, id), access, alloc)?;
        let (found, mut flags, field) = self
            .btf_struct_access((btf, id), access.off, access.size, alloc)
            .map_err(|misfit| {
                Reject::new(Rule::MemBtf, misfit.kernel)
                    .errno(misfit.errno)
                    .fact(Fact::Reg(access.base, *reg))
            })?;
        if let Found::Pointer(to) = found {
            flags = self.trust_of_field(reg, field, to, flags);
        }
        if let Some(dst) = access.dst.filter(|_| !access.write) {
            self.mark_btf_ld_reg(dst, found, btf, flags);
        }
        Ok(())
    }

    /// The pointer itself: who may follow it, and from where.
    fn check_object_base(&self, reg: &RegState, access: Use, btf: BtfRef, name: &str) -> Res<()> {
        let n = access.base.num();
        let off = access.off;
        let refuse = |rule: Rule, errno: Errno, kernel: String| {
            Reject::new(rule, kernel).errno(errno).fact(Fact::Reg(access.base, *reg)).stop()
        };
        if !self.allow_ptr_leaks {
            return refuse(
                Rule::Privilege,
                Errno::EPERM,
                format!("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"),
            );
        }
        if btf == BtfRef::Kernel && !self.is_gpl() {
            return refuse(
                Rule::HelperGpl,
                Errno::EINVAL,
                format!("Cannot access kernel 'struct {name}' from non-GPL compatible program"),
            );
        }
        if off < 0 {
            return refuse(
                Rule::MemBtf,
                Errno::EACCES,
                format!("R{n} is ptr_{name} invalid negative access: off={off}"),
            );
        }
        if reg.num.is_const() != Some(0) {
            return refuse(
                Rule::MemBtf,
                Errno::EACCES,
                format!(
                    "R{n} is ptr_{name} invalid variable offset: off={off}, var_off={}",
                    reg.num.var_off
                ),
            );
        }
        for (flag, what) in [(flag::USER, "user"), (flag::PERCPU, "percpu")] {
            if reg.ty.has(flag) {
                return refuse(
                    Rule::MemBtf,
                    Errno::EACCES,
                    format!("R{n} is ptr_{name} access {what} memory: off={off}"),
                );
            }
        }
        if access.write && reg.ty.has(flag::UNTRUSTED) {
            return refuse(Rule::MemReadOnly, Errno::EACCES, "only read is supported".into());
        }
        Ok(())
    }

    /// Fields with a meaning in the program's own objects are not accessed.
    fn check_object_fields(&self, ty: (BtfRef, TypeId), access: Use, alloc: bool) -> Res<()> {
        let Some(record) = self.struct_record(ty).filter(|_| alloc) else { return Ok(()) };
        let (from, to) = (i64::from(access.off), i64::from(access.off) + i64::from(access.size));
        let touched = record.fields.iter().find(|field| {
            let at = i64::from(field.offset);
            from < at + i64::from(field.size) && at < to
        });
        match touched {
            Some(field) => Reject::new(
                Rule::MemSpecialField,
                format!("direct access to {} is disallowed", field.kind.name()),
            )
            .fact(Fact::Reg(access.base, *self.reg(access.base)))
            .stop(),
            None => Ok(()),
        }
    }

    /// What a load gets, the flags of a pointer, and the field it is in.
    /// Kernel: `btf_struct_access`.
    pub(super) fn btf_struct_access(
        &self,
        (btf, id): (BtfRef, TypeId),
        off: i32,
        size: i32,
        alloc: bool,
    ) -> Result<(Found, u32, &str), Misfit> {
        let Some(types) = self.btf_of(btf) else {
            return Err(Misfit { errno: Errno::EINVAL, kernel: "no types".into() });
        };
        let (mut id, mut off, mut flags) = (id, off, 0);
        // Each step goes into a smaller structure.
        loop {
            match walk(types, id, off, size, &mut flags, !alloc)? {
                Step::Number => return Ok((Found::Number, 0, "")),
                // In the program's own objects, pointers are numbers.
                Step::Pointer { .. } if alloc => return Ok((Found::Number, 0, "")),
                Step::Pointer { to, field } => return Ok((Found::Pointer(to), flags, field)),
                Step::Memory => return Ok((Found::Memory, flag::RDONLY | flag::UNTRUSTED, "")),
                Step::Struct(inner) => (id, off) = (inner, 0),
            }
        }
    }

    /// What was loaded from an object. Kernel: `mark_btf_ld_reg`.
    pub(crate) fn mark_btf_ld_reg(&mut self, dst: Reg, found: Found, btf: BtfRef, flags: u32) {
        let mut reg = match found {
            Found::Number => self.unknown(),
            Found::Pointer(id) => {
                RegState::pointer(RegType::new(Base::BtfId).with(flags), Extra::Btf { btf, id })
            }
            Found::Memory => RegState::pointer(RegType::new(Base::Mem).with(flags), Extra::Mem(0)),
        };
        if found != Found::Number && reg.ty.may_be_null() {
            reg.id = self.new_id();
        }
        *self.reg_mut(dst) = reg;
    }

    /// Whether programs of the type may write some objects of the kernel.
    /// Kernel: `env->ops->btf_struct_access`.
    fn has_write_hook(&self) -> bool {
        matches!(
            self.prog.prog_type,
            ProgType::SchedCls | ProgType::SchedAct | ProgType::Xdp | ProgType::StructOps
        )
    }

    fn write_by_hook(&self, reg: &RegState, access: Use, name: &str) -> Res<()> {
        let connection = matches!(name, "nf_conn" | "nf_conn___init");
        if self.prog.prog_type == ProgType::StructOps || connection {
            return unsupported(format!("writing to struct {name}"));
        }
        Reject::new(Rule::MemReadOnly, "only read is supported")
            .fact(Fact::Reg(access.base, *reg))
            .stop()
    }
}
