//! An ELF file for debuggers: the functions of a program as symbols, and their source lines as DWARF.
//!
//! It describes code that lies in memory already: its section has the address of the code there, so that nothing in
//! the file needs to be relocated.

use crate::symbol::Symbol;
use gimli::write::{
    Address, AttributeValue, DwarfUnit, EndianVec, LineProgram, LineString, Sections,
};
use gimli::{DW_AT_high_pc, DW_AT_low_pc, DW_AT_name, DW_AT_producer, DW_TAG_subprogram};
use gimli::{Encoding, Format, LittleEndian};
use object::elf;
use object::write::elf::{FileHeader, SectionHeader, Sym, Writer};
use object::write::{Error, StringId};
use std::path::Path;

/// A section with debugging information.
type Section = (&'static str, Vec<u8>);

/// The file for functions of one program, which follow each other in memory.
pub(crate) fn write(symbols: &[Symbol<'_>]) -> Option<Vec<u8>> {
    let (first, last) = (symbols.first()?, symbols.last()?);
    let end = last.address.checked_add(last.code.len() as u64)?;
    let mut text = vec![0; usize::try_from(end.checked_sub(first.address)?).ok()?];
    for symbol in symbols {
        let at = usize::try_from(symbol.address.checked_sub(first.address)?).ok()?;
        text.get_mut(at..at + symbol.code.len())?.copy_from_slice(symbol.code);
    }
    // Without line information names are what there is to say.
    let debug = debug_sections(symbols, end).unwrap_or_default();
    elf_file(symbols, &text, &debug).ok()
}

fn debug_sections(symbols: &[Symbol<'_>], end: u64) -> Result<Vec<Section>, gimli::write::Error> {
    let line = symbols.iter().find_map(|symbol| symbol.lines.first());
    let Some(line) = line else { return Ok(Vec::new()) };
    let base = symbols.first().map_or(0, |symbol| symbol.address);
    let encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 8 };
    let mut dwarf = DwarfUnit::new(encoding);
    let (dir, file) = split(&line.source.file);
    let string = |text: &str| LineString::String(text.bytes().filter(|&b| b != 0).collect());
    let mut program = LineProgram::new(
        encoding,
        gimli::LineEncoding::default(),
        string(dir),
        None,
        string(file),
        None,
    );
    for symbol in symbols.iter().filter(|symbol| !symbol.lines.is_empty()) {
        program.begin_sequence(Some(Address::Constant(symbol.address)));
        for line in &symbol.lines {
            let (dir, file) = split(&line.source.file);
            let dir = program.add_directory(string(dir));
            let file = program.add_file(string(file), dir, None);
            let row = program.row();
            row.address_offset = line.at.into();
            row.line = line.source.line.into();
            row.column = line.source.col.into();
            row.file = file;
            program.generate_row();
        }
        program.end_sequence(symbol.code.len() as u64);
    }
    dwarf.unit.line_program = program;
    let name = dwarf.strings.add(file);
    let producer = dwarf.strings.add("skep");
    let root = dwarf.unit.get_mut(dwarf.unit.root());
    root.set(DW_AT_name, AttributeValue::StringRef(name));
    root.set(DW_AT_producer, AttributeValue::StringRef(producer));
    root.set(DW_AT_low_pc, AttributeValue::Address(Address::Constant(base)));
    root.set(DW_AT_high_pc, AttributeValue::Udata(end.saturating_sub(base)));
    for symbol in symbols {
        let name = dwarf.strings.add(symbol.name.as_str());
        let root = dwarf.unit.root();
        let function = dwarf.unit.add(root, DW_TAG_subprogram);
        let function = dwarf.unit.get_mut(function);
        function.set(DW_AT_name, AttributeValue::StringRef(name));
        function.set(DW_AT_low_pc, AttributeValue::Address(Address::Constant(symbol.address)));
        function.set(DW_AT_high_pc, AttributeValue::Udata(symbol.code.len() as u64));
    }
    let mut sections = Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections)?;
    let mut all = Vec::new();
    sections.for_each(|id, data| {
        if !data.slice().is_empty() {
            all.push((id.name(), data.slice().to_vec()));
        }
        Ok::<(), gimli::write::Error>(())
    })?;
    Ok(all)
}

fn split(path: &str) -> (&str, &str) {
    let path = Path::new(path);
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or("bpf");
    let dir = path.parent().and_then(Path::to_str).filter(|name| !name.is_empty());
    (dir.unwrap_or("."), file)
}

const MACHINE: u16 = if cfg!(target_arch = "aarch64") { elf::EM_AARCH64 } else { elf::EM_X86_64 };

fn elf_file(symbols: &[Symbol<'_>], text: &[u8], debug: &[Section]) -> Result<Vec<u8>, Error> {
    let base = symbols.first().map_or(0, |symbol| symbol.address);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(object::Endianness::Little, true, &mut bytes);
    writer.reserve_file_header();
    let text_at = writer.reserve(text.len(), 16);
    let debug_at: Vec<usize> =
        debug.iter().map(|(_, data)| writer.reserve(data.len(), 1)).collect();
    writer.reserve_null_section_index();
    let text_name = writer.add_section_name(b".text");
    let text_index = writer.reserve_section_index();
    let debug_names: Vec<StringId> =
        debug.iter().map(|(name, _)| writer.add_section_name(name.as_bytes())).collect();
    for _ in debug {
        writer.reserve_section_index();
    }
    writer.reserve_null_symbol_index();
    let names: Vec<StringId> =
        symbols.iter().map(|symbol| writer.add_string(symbol.name.as_bytes())).collect();
    for _ in symbols {
        writer.reserve_symbol_index(Some(text_index));
    }
    writer.reserve_symtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab_section_index();
    writer.reserve_strtab();
    writer.reserve_shstrtab_section_index();
    writer.reserve_shstrtab();
    writer.reserve_section_headers();

    let header = FileHeader {
        os_abi: 0,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: MACHINE,
        e_entry: base,
        e_flags: 0,
    };
    writer.write_file_header(&header)?;
    writer.pad_until(text_at);
    writer.write(text);
    for ((_, data), at) in debug.iter().zip(debug_at.iter()) {
        writer.pad_until(*at);
        writer.write(data);
    }
    writer.write_null_symbol();
    for (symbol, name) in symbols.iter().zip(names) {
        writer.write_symbol(&Sym {
            name: Some(name),
            section: Some(text_index),
            st_info: elf::STB_GLOBAL << 4 | elf::STT_FUNC,
            st_other: 0,
            st_shndx: 0,
            st_value: symbol.address,
            st_size: symbol.code.len() as u64,
        });
    }
    writer.write_strtab();
    writer.write_shstrtab();
    writer.write_null_section_header();
    let section = |name, sh_flags: u32, sh_addr, at: usize, len: usize, align| SectionHeader {
        name: Some(name),
        sh_type: elf::SHT_PROGBITS,
        sh_flags: sh_flags.into(),
        sh_addr,
        sh_offset: at as u64,
        sh_size: len as u64,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: align,
        sh_entsize: 0,
    };
    let flags = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
    writer.write_section_header(&section(text_name, flags, base, text_at, text.len(), 16));
    for (((_, data), name), at) in debug.iter().zip(debug_names).zip(debug_at) {
        writer.write_section_header(&section(name, 0, 0, at, data.len(), 1));
    }
    writer.write_symtab_section_header(1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbol::Line;
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
    use skep_isa::Pc;
    use skep_prog::LineInfo;

    #[test]
    fn readers_find_functions_at_their_addresses() {
        let source =
            LineInfo { pc: Pc(0), file: "/src/a.c".into(), text: "".into(), line: 7, col: 3 };
        let lines = vec![Line { at: 2, source: &source }];
        let a = Symbol {
            name: "bpf_prog_a".into(),
            prog: 0,
            address: 0x7f00_0000_1000,
            code: &[0x90; 8],
            lines,
        };
        let b = Symbol {
            name: "bpf_prog_a_f".into(),
            prog: 0,
            address: 0x7f00_0000_1008,
            code: &[0xc3],
            lines: Vec::new(),
        };
        let bytes = write(&[a, b]).unwrap();
        let file = object::File::parse(&bytes[..]).unwrap();
        let symbols: Vec<_> = file
            .symbols()
            .map(|symbol| (symbol.name().unwrap(), symbol.address(), symbol.size()))
            .collect();
        let want = [("bpf_prog_a", 0x7f00_0000_1000, 8), ("bpf_prog_a_f", 0x7f00_0000_1008, 1)];
        assert_eq!(symbols, want);
        let text = file.section_by_name(".text").unwrap();
        assert_eq!((text.address(), text.size()), (0x7f00_0000_1000, 9));
        for name in [".debug_line", ".debug_info", ".debug_abbrev"] {
            assert!(file.section_by_name(name).is_some(), "{name}");
        }
    }
}
