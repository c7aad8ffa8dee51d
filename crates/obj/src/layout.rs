//! What stands in an object file, section by section.

use crate::ObjError;
use crate::elf::{Elf, Section};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use object::elf;
use object::endian::Endianness;
use object::read::elf::{FileHeader, SectionHeader as _};
use skep_btf::ByteOrder;

/// Sections and symbols of an object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In the order of the file, without the null section.
    pub sections: Vec<SectionInfo>,
    /// Number of symbols, without the null symbol.
    pub symbols: usize,
}

/// A section as the file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionInfo {
    /// Its name.
    pub name: String,
    /// `SHT_*` in short: `progbits`, `rel`; a hexadecimal number for types of no general use.
    pub kind: Cow<'static, str>,
    /// Position in the file.
    pub at: u64,
    /// Bytes; those of `nobits` are not in the file.
    pub size: u64,
    /// Holds instructions.
    pub code: bool,
    /// Can be written to.
    pub write: bool,
    /// Takes memory when loaded.
    pub alloc: bool,
}

/// Lists the sections of a BPF object, whether or not an image can be made of it.
///
/// # Errors
/// [`ObjError`] if the file is no BPF object or its headers are malformed.
///
/// ```
/// # let bytes = include_bytes!("../../../corpus/obj/basic.clang19.o");
/// let layout = skep_obj::layout(bytes).unwrap();
/// assert!(layout.sections.iter().any(|section| section.name == "xdp" && section.code));
/// ```
pub fn layout(bytes: &[u8]) -> Result<Layout, ObjError> {
    let elf = Elf::read(bytes)?;
    if elf.order == ByteOrder::Big {
        return Err(ObjError::BigEndian);
    }
    let sections = elf.sections.iter().filter(|section| section.kind != elf::SHT_NULL);
    Ok(Layout {
        sections: sections.map(SectionInfo::new).collect(),
        symbols: elf.symbols.len().saturating_sub(1),
    })
}

/// The section `.BTF` of any 64- or 32-bit ELF file: a kernel, a module of one, or a BPF object.
///
/// # Errors
/// [`ObjError`] if the file is no ELF file or is cut off.
///
/// ```
/// # let bytes = include_bytes!("../../../corpus/obj/basic.clang19.o");
/// let btf = skep_obj::btf_section(bytes).unwrap().unwrap();
/// assert!(skep_btf::Btf::parse(btf).is_ok());
/// assert!(skep_obj::btf_section(b"#!/bin/sh").is_err());
/// ```
pub fn btf_section(bytes: &[u8]) -> Result<Option<&[u8]>, ObjError> {
    let magic = bytes.first_chunk().ok_or(ObjError::NoMagic { len: bytes.len() })?;
    if *magic != elf::ELFMAG {
        return Err(ObjError::Magic { found: *magic });
    }
    match bytes.get(4) {
        Some(&elf::ELFCLASS32) => find_btf::<elf::FileHeader32<Endianness>>(bytes),
        _ => find_btf::<elf::FileHeader64<Endianness>>(bytes),
    }
    .map_err(|_| ObjError::Damaged { what: "headers or sections lie beyond its end" })
}

fn find_btf<E: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> object::Result<Option<&[u8]>> {
    let header = E::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    match sections.section_by_name(endian, b".BTF") {
        Some((_, section)) => section.data(endian, bytes).map(Some),
        None => Ok(None),
    }
}

impl SectionInfo {
    fn new(section: &Section<'_>) -> Self {
        let flag = |flag| section.flags & u64::from(flag) != 0;
        Self {
            name: section.name.into(),
            kind: kind(section.kind),
            at: section.at,
            size: section.size,
            code: flag(elf::SHF_EXECINSTR),
            write: flag(elf::SHF_WRITE),
            alloc: flag(elf::SHF_ALLOC),
        }
    }
}

fn kind(kind: u32) -> Cow<'static, str> {
    match kind {
        elf::SHT_PROGBITS => "progbits".into(),
        elf::SHT_NOBITS => "nobits".into(),
        elf::SHT_SYMTAB => "symtab".into(),
        elf::SHT_STRTAB => "strtab".into(),
        elf::SHT_REL => "rel".into(),
        elf::SHT_RELA => "rela".into(),
        elf::SHT_NOTE => "note".into(),
        _ => alloc::format!("{kind:#x}").into(),
    }
}
