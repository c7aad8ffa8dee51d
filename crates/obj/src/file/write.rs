//! An object file into bytes.

use super::{Binding, Content, FileReloc, FileSection, FileSymbol, ObjectFile};
use super::{SymbolKind, SymbolPlace};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use object::elf;
use object::endian::Endianness;
use object::write::StringId;
use object::write::elf::{FileHeader, Rel, SectionHeader, SectionIndex, Sym, Writer};
use skep_btf::ByteOrder;

/// Why an object cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum FileError {
    /// Names end at a zero byte.
    #[error("name '{}' has a zero byte", name.escape_debug())]
    Name { name: String },
    /// A symbol in a section that does not exist.
    #[error("symbol '{symbol}' is in section {section}, there are {sections}")]
    SymbolSection { symbol: String, section: usize, sections: usize },
    /// A relocation by a symbol that does not exist.
    #[error("section '{section}': relocation of byte {at} by symbol {symbol}, there are {symbols}")]
    RelocSymbol { section: String, at: u64, symbol: usize, symbols: usize },
    /// More than the format numbers without extensions.
    #[error("{sections} sections are more than 65279")]
    Sections { sections: usize },
    /// Not a power of two.
    #[error("section '{section}' is to be aligned to {align}, no power of two up to 4096")]
    Align { section: String, align: u64 },
    /// Positions or counts that this host or the format cannot hold.
    #[error("more bytes or symbols than can be counted")]
    Full,
}

impl ObjectFile {
    /// The bytes of the object. What [`ObjectFile::read`] makes of them is equal to it, if local symbols
    /// come first.
    ///
    /// # Errors
    /// [`FileError`] if symbols or relocations refer to what is not there.
    pub fn write(&self) -> Result<Vec<u8>, FileError> {
        self.check()?;
        let tables: Vec<String> = self.sections.iter().map(table_name).collect();
        let endian = match self.order {
            ByteOrder::Little => Endianness::Little,
            ByteOrder::Big => Endianness::Big,
        };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(endian, true, &mut bytes);
        let plan = Plan::new(self, &tables, &mut writer);
        plan.write(self, &mut writer)?;
        Ok(bytes)
    }

    pub(crate) fn check(&self) -> Result<(), FileError> {
        let sections = self.sections.len();
        // Each may have relocations, and four are made.
        if sections.saturating_mul(2).saturating_add(4) >= usize::from(elf::SHN_LORESERVE) {
            return Err(FileError::Sections { sections });
        }
        let names = self.sections.iter().map(|section| &section.name);
        let mut names = names.chain(self.symbols.iter().map(|symbol| &symbol.name));
        if let Some(name) = names.find(|name| name.contains('\0')) {
            return Err(FileError::Name { name: name.clone() });
        }
        for symbol in &self.symbols {
            if let SymbolPlace::Section(section) = symbol.place
                && section >= sections
            {
                let symbol = symbol.name.clone();
                return Err(FileError::SymbolSection { symbol, section, sections });
            }
        }
        let symbols = self.symbols.len();
        let mut total = 0_u64;
        for section in &self.sections {
            let FileSection { name, align, .. } = section;
            if !align.is_power_of_two() || *align > super::MAX_ALIGN {
                return Err(FileError::Align { section: name.clone(), align: *align });
            }
            total = u64::try_from(section.content.bytes().len())
                .ok()
                .and_then(|len| total.checked_add(len))
                .ok_or(FileError::Full)?;
            if let Some(&FileReloc { at, symbol, .. }) =
                section.relocs.iter().find(|reloc| reloc.symbol >= symbols)
            {
                return Err(FileError::RelocSymbol { section: name.clone(), at, symbol, symbols });
            }
        }
        let fits = u32::try_from(symbols).is_ok() && total < 1 << 40;
        if fits { Ok(()) } else { Err(FileError::Full) }
    }
}

/// Name of the relocations of a section.
fn table_name(section: &FileSection) -> String {
    format!(".rel{}", section.name)
}

/// Where everything goes: the format wants positions before bytes.
struct Plan {
    /// Of each section: its header's name and position.
    sections: Vec<(StringId, usize)>,
    /// Of each section with relocations: name and position of those.
    tables: Vec<Option<(StringId, usize)>>,
    /// Name of each symbol.
    names: Vec<Option<StringId>>,
    /// Symbols in the order of the file, local ones first.
    order: Vec<usize>,
    /// Number of each symbol in the file.
    numbers: Vec<u32>,
    /// Local symbols, the null symbol included.
    locals: u32,
    symtab: SectionIndex,
}

impl Plan {
    fn new<'a>(file: &'a ObjectFile, tables: &'a [String], writer: &mut Writer<'a>) -> Self {
        writer.reserve_file_header();
        // Section numbers are the indices and one.
        let names: Vec<StringId> = file
            .sections
            .iter()
            .map(|section| {
                writer.reserve_section_index();
                writer.add_section_name(section.name.as_bytes())
            })
            .collect();
        let sections = file.sections.iter().zip(names).map(|(section, name)| {
            let len = section.content.bytes().len();
            let align = usize::try_from(section.align).unwrap_or(1);
            (name, writer.reserve(len, align))
        });
        let sections: Vec<_> = sections.collect();
        let tables = file.sections.iter().zip(tables).map(|(section, name)| {
            if section.relocs.is_empty() {
                return None;
            }
            writer.reserve_section_index();
            let name = writer.add_section_name(name.as_bytes());
            Some((name, writer.reserve_relocations(section.relocs.len(), false)))
        });
        let tables: Vec<_> = tables.collect();
        let symtab = writer.reserve_symtab_section_index();
        writer.reserve_strtab_section_index();
        writer.reserve_shstrtab_section_index();

        let is_local = |symbol: &FileSymbol| symbol.binding == Binding::Local;
        let (mut order, globals): (Vec<usize>, Vec<usize>) = (0..file.symbols.len())
            .partition(|&index| file.symbols.get(index).is_some_and(is_local));
        let locals = u32::try_from(order.len()).unwrap_or(u32::MAX).saturating_add(1);
        order.extend(globals);
        writer.reserve_null_symbol_index();
        let mut numbers = vec![0; order.len()];
        for &index in &order {
            if let Some(number) = numbers.get_mut(index) {
                *number = writer.reserve_symbol_index(None).0;
            }
        }
        let names = file.symbols.iter().map(|symbol| {
            (!symbol.name.is_empty()).then(|| writer.add_string(symbol.name.as_bytes()))
        });
        let names = names.collect();
        writer.reserve_symtab();
        writer.reserve_strtab();
        writer.reserve_shstrtab();
        writer.reserve_section_headers();
        Self { sections, tables, names, order, numbers, locals, symtab }
    }

    fn write(&self, file: &ObjectFile, writer: &mut Writer<'_>) -> Result<(), FileError> {
        let header = FileHeader {
            os_abi: 0,
            abi_version: 0,
            e_type: elf::ET_REL,
            e_machine: elf::EM_BPF,
            e_entry: 0,
            e_flags: 0,
        };
        writer.write_file_header(&header).map_err(|_| FileError::Full)?;
        for (section, &(_, at)) in file.sections.iter().zip(&self.sections) {
            writer.pad_until(at);
            writer.write(section.content.bytes());
        }
        for section in file.sections.iter().filter(|section| !section.relocs.is_empty()) {
            writer.write_align_relocation();
            for &FileReloc { at, kind, symbol } in &section.relocs {
                let r_sym = self.numbers.get(symbol).copied().unwrap_or_default();
                let rel = Rel { r_offset: at, r_sym, r_type: kind, r_addend: 0 };
                writer.write_relocation(false, &rel);
            }
        }
        writer.write_null_symbol();
        for &index in &self.order {
            if let Some(symbol) = file.symbols.get(index) {
                writer.write_symbol(&self.symbol(symbol, index));
            }
        }
        writer.write_strtab();
        writer.write_shstrtab();
        self.headers(file, writer);
        Ok(())
    }

    fn symbol(&self, symbol: &FileSymbol, index: usize) -> Sym {
        let (section, st_shndx) = match symbol.place {
            SymbolPlace::Undefined => (None, elf::SHN_UNDEF),
            SymbolPlace::Absolute => (None, elf::SHN_ABS),
            SymbolPlace::Section(index) => (Some(number(index)), 0),
        };
        let kind = match symbol.kind {
            SymbolKind::NoType => elf::STT_NOTYPE,
            SymbolKind::Object => elf::STT_OBJECT,
            SymbolKind::Func => elf::STT_FUNC,
            SymbolKind::Section => elf::STT_SECTION,
            SymbolKind::File => elf::STT_FILE,
        };
        let bind = match symbol.binding {
            Binding::Local => elf::STB_LOCAL,
            Binding::Global => elf::STB_GLOBAL,
            Binding::Weak => elf::STB_WEAK,
        };
        Sym {
            name: self.names.get(index).copied().flatten(),
            section,
            st_info: bind << 4 | kind,
            st_other: if symbol.hidden { elf::STV_HIDDEN } else { elf::STV_DEFAULT },
            st_shndx,
            st_value: symbol.value,
            st_size: symbol.size,
        }
    }

    fn headers(&self, file: &ObjectFile, writer: &mut Writer<'_>) {
        writer.write_null_section_header();
        for (section, &(name, at)) in file.sections.iter().zip(&self.sections) {
            writer.write_section_header(&SectionHeader {
                name: Some(name),
                sh_type: match section.content {
                    Content::Bytes(_) => section.kind,
                    Content::Zeroes(_) => elf::SHT_NOBITS,
                },
                sh_flags: section.flags,
                sh_addr: 0,
                sh_offset: u64::try_from(at).unwrap_or(u64::MAX),
                sh_size: section.content.len(),
                sh_link: 0,
                sh_info: 0,
                sh_addralign: section.align,
                sh_entsize: section.entry,
            });
        }
        for (index, (section, table)) in file.sections.iter().zip(&self.tables).enumerate() {
            if let &Some((name, at)) = table {
                let count = section.relocs.len();
                writer.write_relocation_section_header(
                    name,
                    number(index),
                    self.symtab,
                    at,
                    count,
                    false,
                );
            }
        }
        writer.write_symtab_section_header(self.locals);
        writer.write_strtab_section_header();
        writer.write_shstrtab_section_header();
    }
}

/// The number of a section in the file.
fn number(index: usize) -> SectionIndex {
    SectionIndex(u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1))
}
