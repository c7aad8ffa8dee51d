//! `lddw`: numbers, maps, values of maps, functions, variables of the kernel.
//!
//! Kernel: `check_ld_imm`, `check_pseudo_btf_id`.

use crate::btf_ref::BtfRef;
use crate::frame::MAIN;
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Res, reject, unsupported};
use crate::rule::Rule;
use crate::verdict::Symbol;
use crate::verifier::Verifier;
use skep_abi::MapType;
use skep_btf::{Body, Kind, TypeId};
use skep_isa::{ImmSrc, Pc, Reg};
use skep_prog::Extern;

/// Stands for the address of a symbol without type.
const KERNEL_ADDRESS: u64 = 0xffff_ffff_8100_0000;

/// What a symbol of the kernel is, by what loading it gives.
fn symbol(loaded: &RegState) -> Symbol {
    match loaded.extra {
        _ if loaded.is_scalar() && loaded.num.is_const() == Some(0) => Symbol::Absent,
        Extra::Mem(0) => Symbol::Func,
        _ => Symbol::Var,
    }
}

impl Verifier<'_> {
    /// `dst = imm ll`
    pub(crate) fn check_load_imm(&mut self, dst: Reg, imm: ImmSrc) -> Res<()> {
        self.check_dst(dst)?;
        let loaded = match imm {
            ImmSrc::Value(value) => self.constant(value),
            ImmSrc::MapIdx(index) => self.load_map(index)?,
            ImmSrc::MapIdxValue { idx, at } => self.load_map_value(idx, at)?,
            ImmSrc::Func(off) => self.load_func(off)?,
            ImmSrc::BtfId { id, fd } => {
                let loaded = self.load_ksym(id, fd)?;
                self.given_here().symbol = Some(symbol(&loaded));
                loaded
            }
            ImmSrc::MapFd(fd) | ImmSrc::MapValue { fd, .. } => {
                return unsupported(format!("a map named by the file descriptor {fd}"));
            }
        };
        *self.reg_mut(dst) = loaded;
        Ok(())
    }

    /// Index of a map of the image.
    fn map_at(&self, index: i32) -> Res<u32> {
        match u32::try_from(index).ok().filter(|&at| (at as usize) < self.env.image.maps.len()) {
            Some(at) => Ok(at),
            None => reject(Rule::MapUse, format!("fd {index} is not pointing to valid bpf_map")),
        }
    }

    fn load_map(&self, index: i32) -> Res<RegState> {
        let map = self.map_at(index)?;
        Ok(RegState::pointer(RegType::new(Base::ConstMap), Extra::Map { map, uid: 0 }))
    }

    fn load_map_value(&self, index: i32, at: i32) -> Res<RegState> {
        let map = self.map_at(index)?;
        let info = &self.maps[map as usize];
        if info.map_type() == MapType::Arena {
            return Ok(self.unknown());
        }
        let mut reg = RegState::pointer(RegType::new(Base::MapValue), Extra::Map { map, uid: 0 });
        reg.off = at;
        Ok(reg)
    }

    /// The address of a function, for helpers that call back.
    fn load_func(&self, off: i32) -> Res<RegState> {
        let start = Pc(self.pc).jump(off).map_or(MAIN, |to| to.0);
        let Some(at) = self.subprog_starting(start) else {
            return reject(Rule::Internal, "a function address leads to no function");
        };
        let subprog = &self.subprogs[at as usize];
        if subprog.func.is_none() && !self.env.tells_functions {
            return reject(Rule::Btf, "missing btf func_info");
        }
        if subprog.is_global {
            return reject(Rule::Callback, "callback function not static");
        }
        if at == 0 {
            return reject(Rule::Callback, "callback function cannot be the main program");
        }
        Ok(RegState::pointer(RegType::new(Base::Func), Extra::Subprog(at)))
    }

    /// A variable of the kernel, by its name in the program or its id.
    fn load_ksym(&self, id: i32, fd: i32) -> Res<RegState> {
        let Some(btf) = self.vmlinux else {
            return unsupported("variables of a kernel whose types are not known");
        };
        let var = if fd == Extern::FD {
            let found = usize::try_from(id).ok().and_then(|at| self.prog.externs.get(at));
            let Some(named) = found else { return unsupported("a variable without a name") };
            if named.type_id.is_none() {
                // The loader puts the address there; which one it is does not matter, if each has its own.
                let nth = u64::try_from(id).unwrap_or(0);
                return Ok(self.constant(KERNEL_ADDRESS + 16 * nth));
            }
            let var = btf.find(&named.name, Kind::Var).map(|var| var.id);
            match var.or_else(|| self.extern_func(id)) {
                Some(var) => var,
                // A loader puts zero there.
                None if named.weak => return Ok(self.constant(0)),
                None => {
                    return unsupported(format!("the kernel variable {}", named.name));
                }
            }
        } else if fd == 0 {
            TypeId(id.cast_unsigned())
        } else {
            return unsupported("a variable of a module");
        };
        self.ksym_type(btf, var)
    }

    fn ksym_type(&self, btf: &skep_btf::Btf, var: TypeId) -> Res<RegState> {
        let memory = |size| {
            let reg = RegType::new(Base::Mem).with(flag::RDONLY);
            Ok(RegState::pointer(reg, Extra::Mem(size)))
        };
        let ty = match btf.get(var).map(|var| var.body) {
            Some(Body::Var { ty, .. }) => ty,
            // Programs ask so whether there is such a function.
            Some(Body::Func { .. }) => return memory(0),
            _ => {
                return reject(Rule::Btf, "pseudo btf_id in ldimm64 isn't KIND_VAR or KIND_FUNC");
            }
        };
        let percpu = btf.find(".data..percpu", Kind::Datasec).is_some_and(|section| {
            matches!(section.body, Body::Datasec { vars, .. } if vars.iter().any(|v| v.var == var))
        });
        let Some(ty) = btf.resolve(ty) else {
            return reject(Rule::Btf, "ldimm64 unable to resolve the type");
        };
        let object = |flags| {
            let reg = RegType::new(Base::BtfId).with(flags);
            RegState::pointer(reg, Extra::Btf { btf: BtfRef::Kernel, id: ty.id })
        };
        if percpu {
            return Ok(object(flag::PERCPU));
        }
        if matches!(ty.kind(), Kind::Struct | Kind::Union) {
            return Ok(object(0));
        }
        match btf.size_of(ty.id) {
            Some(size) => memory(size),
            None => reject(
                Rule::Btf,
                format!("ldimm64 unable to resolve the size of type '{}': -22", ty.name),
            ),
        }
    }
}
