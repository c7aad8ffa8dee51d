//! What BTF.ext says about functions: types, source lines, CO-RE relocations.

use crate::ObjError;
use crate::budget::Budget;
use crate::elf::Elf;
use crate::func::Funcs;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use skep_btf::{Btf, BtfExt, SecRecords, StrOff};
use skep_isa::Pc;
use skep_prog::{CoreReloc, LineInfo};

/// Attaches the records of `ext` to the functions.
pub(crate) fn attach(
    elf: &Elf<'_>,
    btf: &Btf,
    ext: &BtfExt,
    funcs: &mut Funcs<'_>,
    budget: &mut Budget,
) -> Result<(), ObjError> {
    let mut sections = BTreeMap::new();
    for (index, section) in elf.sections.iter().enumerate().filter(|(_, s)| s.is_code()) {
        sections.entry(section.name).or_insert(index);
    }
    let mut at = At { elf, sections, what: "function" };
    at.each(
        &ext.func_info,
        |info| info.insn_off,
        funcs,
        |funcs, func, pc, info| {
            if pc == Pc(0) {
                funcs.list.get_mut(func).expect("bug: found by position").type_id = Some(info.ty);
            }
            Ok(pc == Pc(0))
        },
    )?;
    at.what = "line";
    let mut texts = Texts { btf, known: BTreeMap::new() };
    at.each(
        &ext.line_info,
        |info| info.insn_off,
        funcs,
        |funcs, func, pc, info| {
            let lines = &mut funcs.list.get_mut(func).expect("bug: found by position").lines;
            if lines.last().is_some_and(|last| last.pc >= pc) {
                return Ok(false);
            }
            let (file, text) = (texts.get(info.file, budget)?, texts.get(info.text, budget)?);
            lines.push(LineInfo { pc, file, text, line: info.line, col: info.column.into() });
            Ok(true)
        },
    )?;
    at.what = "CO-RE relocation";
    at.each(
        &ext.core_relos,
        |relo| relo.insn_off,
        funcs,
        |funcs, func, pc, relo| {
            let func = funcs.list.get_mut(func).expect("bug: found by position");
            func.core.push(CoreReloc { pc, ty: relo.ty, access: relo.access, kind: relo.kind });
            Ok(true)
        },
    )
}

/// Finds instructions by section name and byte.
struct At<'e, 'a> {
    elf: &'e Elf<'a>,
    sections: BTreeMap<&'a str, usize>,
    what: &'static str,
}

impl At<'_, '_> {
    /// Calls `take` with function and instruction of each record. Records must stand at an
    /// instruction, and `take` must want them there.
    fn each<'f, T>(
        &self,
        all: &[SecRecords<T>],
        off: impl Fn(&T) -> u32,
        funcs: &mut Funcs<'f>,
        mut take: impl FnMut(&mut Funcs<'f>, usize, Pc, &T) -> Result<bool, ObjError>,
    ) -> Result<(), ObjError> {
        for SecRecords { section, records } in all {
            let index = self.sections.get(section.as_str()).copied();
            for record in records {
                let at = off(record);
                let found = index.and_then(|index| funcs.insn_at(index, at.into()));
                let is_undecoded = index.is_some_and(|index| funcs.is_undecoded(index, at.into()));
                let taken = match (found, index) {
                    // What does not decode may have records in the middle of what it was meant to be.
                    (Some((func, pc)), _) => take(funcs, func, pc, record)? || is_undecoded,
                    (None, _) if is_undecoded => true,
                    (None, Some(index)) => funcs.is_dead(self.elf, index, at.into()),
                    (None, None) => false,
                };
                if !taken {
                    let section = section.chars().take(crate::elf::MAX_NAME).collect();
                    return Err(ObjError::DebugInfo { what: self.what, section, at });
                }
            }
        }
        Ok(())
    }
}

/// Strings of the BTF, each made once.
struct Texts<'a> {
    btf: &'a Btf,
    known: BTreeMap<StrOff, Arc<str>>,
}

impl Texts<'_> {
    fn get(&mut self, off: StrOff, budget: &mut Budget) -> Result<Arc<str>, ObjError> {
        if let Some(text) = self.known.get(&off) {
            return Ok(text.clone());
        }
        let text = self.btf.text(off);
        budget.spend(text.len())?;
        let text: Arc<str> = text.into();
        self.known.insert(off, text.clone());
        Ok(text)
    }
}
