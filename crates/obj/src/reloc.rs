//! Relocations of code: which map, byte of data or function an instruction means.
//!
//! Source: LLVM's `BPFELFObjectWriter.cpp` for which relocations there are, and
//! `Documentation/bpf/llvm_reloc.rst` for what they compute. The addend stands in the instruction: in
//! the low half of an `lddw` in bytes, in a call in slots and less one.

use crate::ObjError;
use crate::elf::{Elf, Place, Reloc};
use crate::externs::{Externs, Ref};
use crate::func::{Func, Funcs};
use crate::map::{MAPS, Maps};
use alloc::collections::btree_map::{BTreeMap, Entry};
use alloc::collections::btree_set::BTreeSet;
use alloc::vec::Vec;
use skep_abi::MapType;
use skep_isa::{Call, ImmSrc, Insn, Pc, Reg};
use skep_prog::MapDef;

/// `lddw`, 64 bits.
pub(crate) const R_BPF_64_64: u32 = 1;
/// 64 bits of data.
pub(crate) const R_BPF_64_ABS64: u32 = 2;
/// A call.
pub(crate) const R_BPF_64_32: u32 = 10;

/// What a symbol and an addend lead to.
pub(crate) enum Target {
    /// A map, by index.
    Map(usize),
    /// A byte of the data section in a map.
    Data(usize, i32),
    /// A function, by index.
    Func(usize),
}

/// What the addresses of code may lead to besides functions.
pub(crate) struct Known<'k> {
    pub(crate) maps: &'k Maps,
    pub(crate) externs: &'k Externs<'k>,
    /// The map of `.kconfig`.
    pub(crate) kconfig: Option<usize>,
}

/// Puts maps and data in the place of addresses and notes which functions are called.
pub(crate) fn relocate(
    elf: &Elf<'_>,
    funcs: &mut Funcs<'_>,
    known: &Known<'_>,
) -> Result<(), ObjError> {
    for index in 0..elf.sections.len() {
        if elf.sections.get(index).is_some_and(|section| section.is_code()) {
            for reloc in elf.relocs(index)? {
                if !funcs.is_dead(elf, index, reloc.at) && !funcs.is_undecoded(index, reloc.at) {
                    Site { elf, section: index, reloc }.apply(funcs, known)?;
                }
            }
        }
    }
    let all: Result<Vec<_>, _> = funcs.list.iter().map(|func| calls(elf, funcs, func)).collect();
    for (func, calls) in funcs.list.iter_mut().zip(all?) {
        func.calls = calls;
    }
    Ok(())
}

/// A relocation and the section it applies to.
pub(crate) struct Site<'e, 'a> {
    pub(crate) elf: &'e Elf<'a>,
    pub(crate) section: usize,
    pub(crate) reloc: Reloc<'a>,
}

impl Site<'_, '_> {
    pub(crate) fn bad(&self, why: &'static str) -> ObjError {
        ObjError::Reloc {
            section: self.elf.sections.get(self.section).map_or("", |s| s.name).into(),
            at: self.reloc.at,
            symbol: self.reloc.symbol.name.into(),
            why,
        }
    }

    fn apply(&self, funcs: &mut Funcs<'_>, known: &Known<'_>) -> Result<(), ObjError> {
        let (func, pc) = funcs
            .insn_at(self.section, self.reloc.at)
            .ok_or_else(|| self.bad("no instruction of a function begins there"))?;
        let here = funcs.list.get(func).expect("bug: found above");
        let insn = *here.insns.get(pc).expect("bug: found above");
        if self.reloc.symbol.place == Place::Undefined {
            let (symbol, name) = (self.reloc.symbol.name, here.name);
            let ext = known.externs.get(symbol).ok_or_else(|| ObjError::Undefined {
                symbol: symbol.into(),
                func: name.into(),
                insn: pc,
            })?;
            let here = funcs.list.get_mut(func).expect("bug: found above");
            return self.provide(here, (pc, insn), ext, known);
        }
        let (dst, target) = match (self.reloc.kind, insn) {
            (R_BPF_64_64, Insn::LoadImm { dst, imm: ImmSrc::Value(addend) }) => {
                (dst, self.target(i64::from(low_half(addend)), funcs, known.maps)?)
            }
            (R_BPF_64_32, Insn::Call(Call::Local(off))) => {
                (Reg::R0, Target::Func(self.callee(off, funcs)?))
            }
            (R_BPF_64_64, _) => return Err(self.bad("the instruction there is no lddw")),
            (R_BPF_64_32, _) => return Err(self.bad("the instruction there calls no function")),
            _ => return Err(self.bad("this type of relocation has no meaning in code")),
        };
        let here = funcs.list.get_mut(func).expect("bug: found above");
        let imm = match target {
            Target::Func(callee) => {
                here.calls.push((pc, callee));
                return Ok(());
            }
            Target::Map(map) => ImmSrc::MapIdx(self.idx(map)?),
            Target::Data(map, at) => ImmSrc::MapIdxValue { idx: self.idx(map)?, at },
        };
        *here.insns.get_mut(pc).expect("bug: found above") = Insn::LoadImm { dst, imm };
        Ok(())
    }

    /// Puts what a kernel has to provide in the place of an undefined symbol.
    fn provide(
        &self,
        func: &mut Func<'_>,
        (pc, insn): (Pc, Insn),
        ext: Ref,
        known: &Known<'_>,
    ) -> Result<(), ObjError> {
        match (self.reloc.kind, insn, ext) {
            (R_BPF_64_64, Insn::LoadImm { dst, imm: ImmSrc::Value(addend) }, Ref::Kconfig(at)) => {
                let at = i32::try_from(at).ok().and_then(|at| at.checked_add(low_half(addend)));
                let at = at.ok_or_else(|| self.bad("the offset needs 32 bits"))?;
                let map = known.kconfig.expect("bug: .kconfig has variables");
                let imm = ImmSrc::MapIdxValue { idx: self.idx(map)?, at };
                *func.insns.get_mut(pc).expect("bug: found above") = Insn::LoadImm { dst, imm };
            }
            (R_BPF_64_64, Insn::LoadImm { imm: ImmSrc::Value(0), .. }, Ref::Ksym(ksym)) => {
                func.ksyms.push((pc, ksym));
            }
            (R_BPF_64_32, Insn::Call(Call::Local(-1)), Ref::Ksym(ksym))
                if known.externs.ksyms.get(ksym).is_some_and(|ksym| ksym.is_func) =>
            {
                func.ksyms.push((pc, ksym));
            }
            _ => return Err(self.bad("the instruction there cannot refer to what a kernel has")),
        }
        Ok(())
    }

    fn idx(&self, map: usize) -> Result<i32, ObjError> {
        i32::try_from(map).map_err(|_| self.bad("too many maps"))
    }

    /// The function a call with this offset leads to: `symbol + 8 * (off + 1)`.
    fn callee(&self, off: i32, funcs: &Funcs<'_>) -> Result<usize, ObjError> {
        let Place::Section(section) = self.reloc.symbol.place else {
            return Err(self.bad("the symbol is in no section"));
        };
        let addend = i64::from(off).saturating_add(1).saturating_mul(8);
        let at = self.reloc.symbol.value.checked_add_signed(addend);
        let func = at.and_then(|at| funcs.starting(section, at));
        func.ok_or_else(|| self.bad("no function begins there"))
    }

    /// What `symbol + addend` is.
    pub(crate) fn target(
        &self,
        addend: i64,
        funcs: &Funcs<'_>,
        maps: &Maps,
    ) -> Result<Target, ObjError> {
        let Place::Section(section) = self.reloc.symbol.place else {
            return Err(self.bad("the symbol is in no section"));
        };
        let at = self.reloc.symbol.value.checked_add_signed(addend);
        let at = at.ok_or_else(|| self.bad("the address is before the section"))?;
        if self.elf.sections.get(section).is_some_and(|section| section.is_code()) {
            let func = funcs.starting(section, at);
            return func.map(Target::Func).ok_or_else(|| self.bad("no function begins there"));
        }
        let Some((map, within)) = maps.holding(section, at) else {
            return Err(self.bad("nothing there is loaded: no function, map or data"));
        };
        let is_data = |def: &MapDef| def.data.is_some() || def.map_type == MapType::Arena;
        // Of an arena its variables stand in a section of their own.
        let in_maps = self.elf.sections.get(section).is_some_and(|section| section.name == MAPS);
        if in_maps || !maps.defs.get(map).is_some_and(is_data) {
            return match within {
                0 => Ok(Target::Map(map)),
                _ => Err(self.bad("the address is inside the definition of a map")),
            };
        }
        let within = i32::try_from(within).map_err(|_| self.bad("the offset needs 32 bits"))?;
        Ok(Target::Data(map, within))
    }
}

/// LLVM writes the addend into the first slot only.
fn low_half(addend: u64) -> i32 {
    let [a, b, c, d, ..] = addend.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// All calls of a function: those with a relocation, and those inside a section, whose distance the
/// compiler knew.
fn calls(elf: &Elf<'_>, funcs: &Funcs<'_>, func: &Func<'_>) -> Result<Vec<(Pc, usize)>, ObjError> {
    if func.undecoded.is_some() {
        return Ok(Vec::new());
    }
    let mut calls: BTreeMap<Pc, usize> = func.calls.iter().copied().collect();
    let ksyms: BTreeSet<Pc> = func.ksyms.iter().map(|&(at, _)| at).collect();
    for (pc, insn) in func.insns.iter() {
        let off = match insn {
            Insn::Call(Call::Local(off)) | Insn::LoadImm { imm: ImmSrc::Func(off), .. } => off,
            _ => continue,
        };
        if ksyms.contains(&pc) {
            continue;
        }
        if let Entry::Vacant(call) = calls.entry(pc) {
            let at = callee_of(func.start, pc, off);
            let callee = at.and_then(|at| funcs.starting(func.section, at));
            call.insert(callee.ok_or_else(|| no_callee(elf, func, pc, off))?);
        }
    }
    Ok(calls.into_iter().collect())
}

/// The byte of the section that a call at `pc` of a function leads to.
fn callee_of(start: u64, pc: Pc, off: i32) -> Option<u64> {
    let slot = i64::from(pc.0).checked_add(1)?.checked_add(off.into())?;
    start.checked_add_signed(slot.checked_mul(8)?)
}

fn no_callee(elf: &Elf<'_>, func: &Func<'_>, insn: Pc, off: i32) -> ObjError {
    let section = elf.sections.get(func.section).map_or("", |section| section.name);
    ObjError::NoCallee { func: func.name.into(), section: section.into(), insn, off }
}
