//! The ELF container: header, sections, symbols, relocations.
//!
//! # Invariants
//!
//! [`Elf::read`] establishes them:
//! - the file is a relocatable object for BPF;
//! - every section lies inside the file, and all together are no larger than it, so that work on
//!   each section is work on the file once;
//! - names are UTF-8 of at most [`MAX_NAME`] bytes.

use crate::ObjError;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem::size_of;
use object::elf;
use object::endian::Endianness;
use object::read::ReadRef as _;
use object::read::elf::{FileHeader as _, Rel as _, SectionHeader as _, Sym as _};
use skep_btf::ByteOrder;

mod header;

type FileHeader = elf::FileHeader64<Endianness>;
type SectionHeader = elf::SectionHeader64<Endianness>;

/// Longest name of a section or symbol. Paths stand in section names (`uprobe//path/to/it:symbol`).
pub(crate) const MAX_NAME: usize = 1024;

/// An object file, taken apart.
pub(crate) struct Elf<'a> {
    pub(crate) order: ByteOrder,
    endian: Endianness,
    /// By section number; the null section included.
    pub(crate) sections: Vec<Section<'a>>,
    /// By symbol number; the null symbol included.
    pub(crate) symbols: Vec<Symbol<'a>>,
    /// Name to the first section of this name.
    named: BTreeMap<&'a str, usize>,
    /// Section and name to symbol number.
    by_name: BTreeMap<(usize, &'a str), usize>,
    /// Section to the sections that relocate it.
    tables: BTreeMap<usize, Vec<usize>>,
}

/// A section.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    /// `SHT_*`
    pub(crate) kind: u32,
    /// `SHF_*`
    pub(crate) flags: u64,
    /// Its position in the file.
    pub(crate) at: u64,
    /// Its size, which takes no bytes of the file for `SHT_NOBITS`.
    pub(crate) size: u64,
    /// Its bytes; none for `SHT_NOBITS`.
    pub(crate) data: &'a [u8],
    /// `sh_addralign`
    pub(crate) align: u64,
    /// `sh_entsize`
    pub(crate) entry: u64,
    /// For symbols the section of their names.
    link: usize,
    /// For relocations the section they apply to.
    pub(crate) info: usize,
}

/// A symbol.
#[derive(Clone, Copy)]
pub(crate) struct Symbol<'a> {
    /// The section's name for a section symbol.
    pub(crate) name: &'a str,
    pub(crate) is_func: bool,
    /// Known to this file only.
    pub(crate) local: bool,
    /// Not for others than the programs of the object.
    pub(crate) hidden: bool,
    /// Gives way to a definition, or may stay without one.
    pub(crate) weak: bool,
    pub(crate) place: Place,
    pub(crate) value: u64,
    pub(crate) size: u64,
    pub(crate) raw: RawSymbol,
}

/// The fields of a symbol that say more than [`Symbol`] does.
#[derive(Clone, Copy)]
pub(crate) struct RawSymbol {
    /// `STT_*`
    pub(crate) kind: u8,
    /// `STB_*`
    pub(crate) bind: u8,
    /// `STV_*`
    pub(crate) visibility: u8,
    /// Section number, or `SHN_*`.
    pub(crate) shndx: u16,
}

/// Where a symbol is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Undefined,
    Section(usize),
    /// Absolute, common and whatever else has no section.
    Nowhere,
}

/// A relocation of type `kind` at byte `at` of a section.
#[derive(Clone, Copy)]
pub(crate) struct Reloc<'a> {
    pub(crate) at: u64,
    pub(crate) kind: u32,
    pub(crate) symbol: Symbol<'a>,
    /// The symbol's number.
    pub(crate) index: usize,
}

impl<'a> Elf<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, ObjError> {
        let (header, endian) = header::read(bytes)?;
        let sections = sections(header, endian, bytes)?;
        let symbols = symbols(&sections, endian)?;
        let (mut named, mut by_name) = (BTreeMap::new(), BTreeMap::new());
        let mut tables = BTreeMap::<_, Vec<_>>::new();
        for (index, symbol) in symbols.iter().enumerate() {
            if let Place::Section(section) = symbol.place {
                by_name.entry((section, symbol.name)).or_insert(index);
            }
        }
        for (index, section) in sections.iter().enumerate() {
            if !section.is_table() {
                named.entry(section.name).or_insert(index);
            }
            if matches!(section.kind, elf::SHT_REL | elf::SHT_RELA) {
                tables.entry(section.info).or_default().push(index);
            }
        }
        let order = match endian {
            Endianness::Little => ByteOrder::Little,
            Endianness::Big => ByteOrder::Big,
        };
        Ok(Self { order, endian, sections, symbols, named, by_name, tables })
    }

    /// The first section of this name that is no table, and its number.
    pub(crate) fn section(&self, name: &str) -> Option<(usize, &Section<'a>)> {
        let &index = self.named.get(name)?;
        Some((index, self.sections.get(index)?))
    }

    /// The symbol of this name in a section.
    pub(crate) fn symbol(&self, section: usize, name: &str) -> Option<&Symbol<'a>> {
        self.symbols.get(*self.by_name.get(&(section, name))?)
    }

    /// The relocations that apply to a section, in the order of the file.
    pub(crate) fn relocs(&self, section: usize) -> Result<Vec<Reloc<'a>>, ObjError> {
        let mut relocs = Vec::new();
        let tables = self.tables.get(&section).map_or(&[][..], Vec::as_slice);
        for table in tables.iter().filter_map(|&table| self.sections.get(table)) {
            if table.kind == elf::SHT_RELA {
                return Err(ObjError::Rela { section: table.name.into() });
            }
            for entry in table.entries::<elf::Rel64<Endianness>>()? {
                relocs.push(self.reloc(table, entry)?);
            }
        }
        Ok(relocs)
    }

    fn reloc(
        &self,
        table: &Section<'a>,
        entry: &elf::Rel64<Endianness>,
    ) -> Result<Reloc<'a>, ObjError> {
        let (at, index) = (entry.r_offset(self.endian), entry.r_sym(self.endian));
        let number = usize::try_from(index).unwrap_or(usize::MAX);
        let &symbol = self.symbols.get(number).ok_or_else(|| ObjError::RelocSymbol {
            section: table.name.into(),
            at,
            symbol: index,
            symbols: self.symbols.len(),
        })?;
        Ok(Reloc { at, kind: entry.r_type(self.endian), symbol, index: number })
    }
}

/// `SHT_LLVM_ADDRSIG`: numbers of symbols whose addresses are compared.
const LLVM_ADDRSIG: u32 = 0x6fff_4c03;

impl<'a> Section<'a> {
    /// Says how the file is made, and is made anew with it; its name has no meaning.
    pub(crate) const fn is_table(&self) -> bool {
        matches!(
            self.kind,
            elf::SHT_NULL
                | elf::SHT_STRTAB
                | elf::SHT_SYMTAB
                | elf::SHT_REL
                | elf::SHT_RELA
                | LLVM_ADDRSIG
        )
    }

    /// Holds instructions.
    pub(crate) fn is_code(&self) -> bool {
        self.kind == elf::SHT_PROGBITS && self.flags & u64::from(elf::SHF_EXECINSTR) != 0
    }

    /// The section as a table of structures.
    fn entries<T: object::Pod>(&self) -> Result<&'a [T], ObjError> {
        object::pod::slice_from_all_bytes(self.data).map_err(|()| ObjError::Entries {
            section: self.name.into(),
            len: self.data.len(),
            entry: size_of::<T>(),
        })
    }
}

/// All sections, and the proof that they do not overlap much.
fn sections<'a>(
    header: &FileHeader,
    endian: Endianness,
    bytes: &'a [u8],
) -> Result<Vec<Section<'a>>, ObjError> {
    let headers = header::sections(header, endian, bytes)?;
    let names = header.shstrndx(endian, bytes).unwrap_or_default();
    let names = usize::try_from(names).ok().and_then(|index| headers.get(index));
    let names = match names {
        Some(names) => data((names, endian), "section names", bytes)?,
        None if headers.is_empty() => &[],
        None => return Err(ObjError::NoNames { sections: headers.len() }),
    };
    let mut sections = Vec::new();
    let mut total = 0_usize;
    for header in headers {
        let section = section((header, endian), names, bytes)?;
        total = total.saturating_add(section.data.len());
        sections.push(section);
    }
    if total > bytes.len() {
        return Err(ObjError::Overlap { total, len: bytes.len() });
    }
    Ok(sections)
}

fn section<'a>(
    (header, endian): (&SectionHeader, Endianness),
    names: &'a [u8],
    bytes: &'a [u8],
) -> Result<Section<'a>, ObjError> {
    let kind = header.sh_type(endian);
    let name =
        if kind == elf::SHT_NULL { "" } else { name(names, header.sh_name(endian), "section")? };
    Ok(Section {
        name,
        kind,
        flags: header.sh_flags(endian),
        at: header.sh_offset(endian),
        size: header.sh_size(endian),
        data: data((header, endian), name, bytes)?,
        align: header.sh_addralign(endian),
        entry: header.sh_entsize(endian),
        link: index(header.sh_link(endian)),
        info: index(header.sh_info(endian)),
    })
}

/// The bytes of a section.
fn data<'a>(
    (header, endian): (&SectionHeader, Endianness),
    name: &str,
    bytes: &'a [u8],
) -> Result<&'a [u8], ObjError> {
    // In the null section the size is the number of sections when there are many.
    if header.sh_type(endian) == elf::SHT_NULL {
        return Ok(&[]);
    }
    let Some((at, size)) = header.file_range(endian) else { return Ok(&[]) };
    bytes.read_bytes_at(at, size).map_err(|()| ObjError::Section {
        section: name.into(),
        at,
        size,
        len: bytes.len(),
    })
}

/// The symbols of the one symbol table; none without it.
fn symbols<'a>(sections: &[Section<'a>], endian: Endianness) -> Result<Vec<Symbol<'a>>, ObjError> {
    let Some(table) = sections.iter().find(|section| section.kind == elf::SHT_SYMTAB) else {
        return Ok(Vec::new());
    };
    let names = sections.get(table.link).map_or(&[][..], |section| section.data);
    // The first stands for no symbol, whatever is written there.
    let null = elf::Sym64::<Endianness>::default();
    let entries = table.entries::<elf::Sym64<Endianness>>()?.iter().skip(1);
    core::iter::once(&null)
        .chain(entries)
        .map(|entry| symbol((entry, endian), names, sections))
        .collect()
}

fn symbol<'a>(
    (entry, endian): (&elf::Sym64<Endianness>, Endianness),
    names: &'a [u8],
    sections: &[Section<'a>],
) -> Result<Symbol<'a>, ObjError> {
    let shndx = entry.st_shndx(endian);
    let place = match shndx {
        elf::SHN_UNDEF => Place::Undefined,
        elf::SHN_LORESERVE.. => Place::Nowhere,
        _ => Place::Section(usize::from(shndx)),
    };
    let name = match (entry.st_type(), place) {
        (elf::STT_SECTION, Place::Section(index)) => sections.get(index).map_or("", |s| s.name),
        _ => name(names, entry.st_name(endian), "symbol")?,
    };
    if let Place::Section(section) = place
        && section >= sections.len()
    {
        let (symbol, sections) = (name.into(), sections.len());
        return Err(ObjError::SymbolSection { symbol, section, sections });
    }
    Ok(Symbol {
        name,
        is_func: entry.st_type() == elf::STT_FUNC,
        local: entry.st_bind() == elf::STB_LOCAL,
        hidden: matches!(entry.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL),
        weak: entry.st_bind() == elf::STB_WEAK,
        place,
        value: entry.st_value(endian),
        size: entry.st_size(endian),
        raw: RawSymbol {
            kind: entry.st_type(),
            bind: entry.st_bind(),
            visibility: entry.st_visibility(),
            shndx,
        },
    })
}

/// The name at `at` of a string table; offset 0 is no name, even of an empty table.
fn name<'a>(names: &'a [u8], at: u32, what: &'static str) -> Result<&'a str, ObjError> {
    if at == 0 {
        return Ok("");
    }
    let bad = |why| ObjError::Name { what, at, why };
    let rest = names.get(index(at)..).ok_or(bad("lies beyond the names"))?;
    let window = rest.get(..=MAX_NAME).unwrap_or(rest);
    let end = window.iter().position(|&byte| byte == 0);
    let end = end.ok_or(bad(if window.len() > MAX_NAME { "is too long" } else { "has no end" }))?;
    let name = window.get(..end).unwrap_or_default();
    core::str::from_utf8(name).map_err(|_| bad("is no UTF-8"))
}

/// Numbers of the file as an index; those that do not fit lead nowhere either.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
