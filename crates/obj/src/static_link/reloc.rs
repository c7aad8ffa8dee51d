//! Relocations of all objects, for where sections and symbols came to stand.

use super::LinkError;
use super::sections::{Placed, Sections};
use super::source::Source;
use super::symbols::Symbols;
use crate::reloc::R_BPF_64_ABS64;
use crate::{Content, FileReloc, FileSymbol, SymbolKind, SymbolPlace};
use skep_btf::ByteOrder;

/// Opcode of a call.
const CALL: u8 = 0x85;

/// Appends the relocations of each section to those of the section it became part of.
pub(super) fn append(
    sources: &[Source],
    sections: &mut Sections,
    symbols: &Symbols,
) -> Result<(), LinkError> {
    for (index, source) in sources.iter().enumerate() {
        for (number, section) in source.file.sections.iter().enumerate() {
            let Some(placed) = sections.placed(index, number) else { continue };
            for reloc in &section.relocs {
                let bad = |why| LinkError::Reloc {
                    section: section.name.clone(),
                    file: source.name.clone(),
                    at: reloc.at,
                    why,
                };
                if reloc.at >= section.content.len() {
                    return Err(bad("that is beyond the section"));
                }
                let symbol = symbols.placed(index, reloc.symbol);
                let symbol = symbol.ok_or_else(|| bad("what it refers to is left out"))?;
                let new = FileReloc { at: placed.at.saturating_add(reloc.at), symbol, ..*reloc };
                let target = source.file.symbols.get(reloc.symbol);
                let shift = target.and_then(|target| moved(target, index, sections));
                let out = sections.list.get_mut(placed.section);
                let out = out.expect("bug: sections are placed in sections");
                if let (Some(Placed { at, .. }), Content::Bytes(bytes)) = (shift, &mut out.content)
                {
                    let code = section.is_code();
                    add((bytes, source.file.order), &new, code, at)
                        .ok_or_else(|| bad("its addend cannot be moved"))?;
                }
                out.relocs.push(new);
            }
        }
    }
    Ok(())
}

/// For the symbol of a section, whose value stays 0, where its section came to stand.
fn moved(symbol: &FileSymbol, source: usize, sections: &Sections) -> Option<Placed> {
    match (symbol.kind, symbol.place) {
        (SymbolKind::Section, SymbolPlace::Section(section)) => sections.placed(source, section),
        _ => None,
    }
}

/// Adds to the addend of a relocation, which stands in what it relocates: in calls in slots, elsewhere
/// in bytes.
fn add(
    (bytes, order): (&mut [u8], ByteOrder),
    reloc: &FileReloc,
    code: bool,
    by: u64,
) -> Option<()> {
    let at = usize::try_from(reloc.at).ok()?;
    let bytes = bytes.get_mut(at..)?;
    if code {
        let [opcode, _, _, _, imm @ ..] = bytes.first_chunk_mut::<8>()?;
        let by = i32::try_from(if *opcode == CALL { by / 8 } else { by }).ok()?;
        *imm = match order {
            ByteOrder::Little => i32::from_le_bytes(*imm).checked_add(by)?.to_le_bytes(),
            ByteOrder::Big => i32::from_be_bytes(*imm).checked_add(by)?.to_be_bytes(),
        };
    } else if reloc.kind == R_BPF_64_ABS64 {
        let word = bytes.first_chunk_mut::<8>()?;
        *word = match order {
            ByteOrder::Little => u64::from_le_bytes(*word).checked_add(by)?.to_le_bytes(),
            ByteOrder::Big => u64::from_be_bytes(*word).checked_add(by)?.to_be_bytes(),
        };
    } else {
        return None;
    }
    Some(())
}
