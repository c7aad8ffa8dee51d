//! Objects of the kernel's types and of the program's own.

use super::btf_walk::{Misfit, Step, walk};
use super::{Access, Found};
use crate::btf_ref::BtfRef;
use crate::null::{is_alloc, is_non_owning, is_rcu};
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Errno, ProgType, Store};
use skep_btf::{Body, Btf, TypeId};
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
        let hook = self.write_hook().filter(|_| access.write && !reg.ty.has(flag::ALLOC));
        if let Some(stores) = hook {
            return self.write_by_hook(reg, access, name, stores);
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

    /// Fields of the kernel's objects that the program may write, where its type has such.
    /// Kernel: `env->ops->btf_struct_access`.
    fn write_hook(&self) -> Option<&'static [Store]> {
        match self.prog.prog_type {
            ProgType::StructOps => Some(self.mem.attached.stores),
            prog_type if prog_type.stores().is_empty() => None,
            prog_type => Some(prog_type.stores()),
        }
    }

    fn write_by_hook(&self, reg: &RegState, access: Use, name: &str, stores: &[Store]) -> Res<()> {
        let refuse = |kernel: String| {
            Reject::new(Rule::MemReadOnly, kernel).fact(Fact::Reg(access.base, *reg)).stop()
        };
        let mut known = stores.iter().filter(|store| store.structure == name).peekable();
        if known.peek().is_none() {
            return refuse("only read is supported".into());
        }
        let kind = name.strip_suffix("___init").unwrap_or(name);
        let off = i64::from(access.off);
        let place = known.find_map(|store| {
            let (at, size) = self.field_place(kind, store.field)?;
            let hit = if store.inside { (at..at + size).contains(&off) } else { off == at };
            hit.then_some(at + size)
        });
        match place {
            None => refuse(format!("no write support to {kind} at off {off}")),
            Some(end) if off + i64::from(access.size) > end => refuse(format!(
                "write access at off {off} with size {} beyond the member of {kind} ended at {end}",
                access.size
            )),
            Some(_) => Ok(()),
        }
    }

    /// Where a field of a structure of the kernel is, and its bytes; all of it for no name.
    fn field_place(&self, structure: &str, path: &str) -> Option<(i64, i64)> {
        let btf = self.vmlinux?;
        let mut id = self.kernel_struct(structure)?;
        let mut at = 0;
        for name in path.split('.').filter(|name| !name.is_empty()) {
            let (bits, ty) = member(btf, id, name)?;
            at += i64::from(bits / 8);
            id = ty;
        }
        Some((at, i64::from(btf.size_of(id)?)))
    }
}

/// Position in bits and type of a member, also of one inside an unnamed structure.
fn member(btf: &Btf, id: TypeId, name: &str) -> Option<(u32, TypeId)> {
    let (Body::Struct { members, .. } | Body::Union { members, .. }) = btf.resolve(id)?.body else {
        return None;
    };
    members.iter().find_map(|entry| match entry.name {
        "" => member(btf, entry.ty, name).map(|(bits, ty)| (bits + entry.bit_off, ty)),
        found => (found == name).then_some((entry.bit_off, entry.ty)),
    })
}
