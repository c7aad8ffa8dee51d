//! BTF.ext of all objects: which instruction is which function, line and relocation.

use super::LinkError;
use super::sections::Sections;
use super::source::Source;
use super::types::Merged;
use alloc::string::String;
use alloc::vec::Vec;
use skep_btf::{Btf, BtfExt, Builder, ByteOrder, CoreRelo, FuncInfo, LineInfo, SecRecords, StrOff};

/// The bytes of `.BTF` and `.BTF.ext`.
pub(super) fn merge(
    sources: &[Source],
    sections: &Sections,
    (merged, order): (Merged, ByteOrder),
) -> Result<(Vec<u8>, Vec<u8>), LinkError> {
    let mut builder = Builder::new();
    builder.append(&merged.btf)?;
    let mut ext = BtfExt::default();
    for (number, source) in sources.iter().enumerate() {
        let (Some(btf), Some(from)) = (&source.btf, &source.ext) else { continue };
        let at = At { sections, number, source };
        let id = |id| merged.id(number, id);
        let mut text =
            |off: StrOff| -> Result<StrOff, LinkError> { Ok(builder.string(&btf.text(off))?) };
        at.records(&from.func_info, &mut ext.func_info, |info, insn_off| {
            Ok(id(info.ty).map(|ty| FuncInfo { insn_off, ty }))
        })?;
        at.records(&from.line_info, &mut ext.line_info, |info, insn_off| {
            let (file, text) = (text(info.file)?, text(info.text)?);
            Ok(Some(LineInfo { insn_off, file, text, ..*info }))
        })?;
        at.records(&from.core_relos, &mut ext.core_relos, |relo, insn_off| {
            let access = text(relo.access)?;
            Ok(id(relo.ty).map(|ty| CoreRelo { insn_off, ty, access, ..*relo }))
        })?;
    }
    let names = ext.func_info.iter().map(|one| &one.section);
    let names = names.chain(ext.line_info.iter().map(|one| &one.section));
    for name in names.chain(ext.core_relos.iter().map(|one| &one.section)) {
        builder.string(name)?;
    }
    let btf: Btf = builder.finish()?;
    let bytes = ext.to_bytes(&btf, order).ok_or(LinkError::TooManyTypes)?;
    Ok((btf.to_bytes(order), bytes))
}

/// Where the sections of one object came to stand.
struct At<'a> {
    sections: &'a Sections,
    number: usize,
    source: &'a Source,
}

impl At<'_> {
    /// Appends the records of each section to those of the section it became part of. What `new` gives
    /// nothing for is left out.
    fn records<T>(
        &self,
        from: &[SecRecords<T>],
        to: &mut Vec<SecRecords<T>>,
        mut new: impl FnMut(&T, u32) -> Result<Option<T>, LinkError>,
    ) -> Result<(), LinkError>
    where
        T: Record,
    {
        for SecRecords { section, records } in from {
            let place = self.source.file.section(section).ok_or_else(|| LinkError::Ext {
                file: self.source.name.clone(),
                section: section.chars().take(crate::elf::MAX_NAME).collect(),
            })?;
            let Some(placed) = self.sections.placed(self.number, place) else { continue };
            let too_large = || LinkError::TooLarge { section: section.clone(), limit: u32::MAX };
            let base = u32::try_from(placed.at).map_err(|_| too_large())?;
            let out = of(section, to);
            for record in records {
                let at = base.checked_add(record.insn_off()).ok_or_else(too_large)?;
                out.extend(new(record, at)?);
            }
        }
        Ok(())
    }
}

/// The records of a section.
fn of<'t, T>(section: &String, to: &'t mut Vec<SecRecords<T>>) -> &'t mut Vec<T> {
    let index = to.iter().position(|one| one.section == *section).unwrap_or(to.len());
    if index == to.len() {
        to.push(SecRecords { section: section.clone(), records: Vec::new() });
    }
    &mut to.get_mut(index).expect("bug: added above").records
}

trait Record {
    fn insn_off(&self) -> u32;
}

impl Record for FuncInfo {
    fn insn_off(&self) -> u32 {
        self.insn_off
    }
}

impl Record for LineInfo {
    fn insn_off(&self) -> u32 {
        self.insn_off
    }
}

impl Record for CoreRelo {
    fn insn_off(&self) -> u32 {
        self.insn_off
    }
}
