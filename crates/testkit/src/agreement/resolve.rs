//! Instructions with the kernel's numbers for maps, functions and variables.

use crate::agreement::Target;
use skep_btf::fixup::kernel_func;
use skep_btf::{Btf, Kind, TypeId};
use skep_isa::{Call, ImmSrc, Insn, Insns, RawInsn};
use skep_prog::{Extern, Prog};

/// Of libbpf: `POISON_CALL_KFUNC_BASE`, a call of an optional function that is not there.
const NO_KFUNC: i32 = 2_002_000_000;

/// The program as the kernel takes it; `fd` says the number of a map by its index in the image.
///
/// # Errors
/// The name of a function or variable that this kernel does not have.
pub(crate) fn resolve(
    prog: &Prog,
    types: Option<&Btf>,
    target: &Target,
    fd: impl Fn(i32) -> Option<i32>,
) -> Result<Vec<RawInsn>, String> {
    let mut insns = Insns::default();
    for (_, insn) in prog.insns.iter() {
        let insn = match insn {
            Insn::LoadImm { dst, imm } => {
                Insn::LoadImm { dst, imm: immediate(prog, types, target, &fd, imm)? }
            }
            Insn::Call(Call::Kfunc { id, module: Extern::MODULE }) => {
                Insn::Call(function(prog, types, target, id)?)
            }
            other => other,
        };
        insns.push(insn);
    }
    Ok(insns.encode())
}

fn immediate(
    prog: &Prog,
    types: Option<&Btf>,
    target: &Target,
    fd: &impl Fn(i32) -> Option<i32>,
    imm: ImmSrc,
) -> Result<ImmSrc, String> {
    Ok(match imm {
        ImmSrc::MapIdx(idx) => fd(idx).map_or(imm, ImmSrc::MapFd),
        ImmSrc::MapIdxValue { idx, at } => fd(idx).map_or(imm, |fd| ImmSrc::MapValue { fd, at }),
        ImmSrc::BtfId { id, fd: Extern::FD } => {
            let ext = external(prog, id)?;
            let address = match ext.type_id {
                Some(_) => target
                    .find(&ext.name, Kind::Var)
                    .or_else(|| named(ext, types, target))
                    .map(|id| ImmSrc::BtfId { id: id.0.cast_signed(), fd: 0 }),
                None => target.address(&ext.name).map(ImmSrc::Value),
            };
            match address {
                Some(imm) => imm,
                None if ext.weak => ImmSrc::Value(0),
                None => return Err(format!("no variable {} in this kernel", ext.name)),
            }
        }
        _ => imm,
    })
}

/// The function that libbpf would take.
fn named(ext: &Extern, types: Option<&Btf>, target: &Target) -> Option<TypeId> {
    match types.zip(ext.type_id) {
        Some((btf, ty)) => kernel_func(btf, ty, &ext.name, &target.btf),
        None => target.find(&ext.name, Kind::Func),
    }
}

fn function(prog: &Prog, types: Option<&Btf>, target: &Target, id: i32) -> Result<Call, String> {
    let ext = external(prog, id)?;
    match named(ext, types, target) {
        Some(func) => Ok(Call::Kfunc { id: func.0.cast_signed(), module: 0 }),
        None if ext.weak => Ok(Call::Helper(NO_KFUNC.wrapping_add(id))),
        None => Err(format!("no function {} in this kernel", ext.name)),
    }
}

fn external(prog: &Prog, id: i32) -> Result<&Extern, String> {
    let ext = usize::try_from(id).ok().and_then(|id| prog.externs.get(id));
    ext.ok_or_else(|| format!("extern {id} is not in the list"))
}
