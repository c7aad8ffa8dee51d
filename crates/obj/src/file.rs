//! Object files as sections, symbols and relocations: read, changed, written.
//!
//! [`parse`](crate::parse) makes programs and maps of an object; an [`ObjectFile`] is the object itself,
//! for tools that make objects of objects.

use crate::ObjError;
use crate::elf::{Elf, Section, Symbol};
use alloc::string::String;
use alloc::vec::Vec;
use object::elf;
use skep_btf::ByteOrder;

mod write;

pub use write::FileError;

/// A relocatable BPF object.
///
/// String tables, the symbol table and tables of relocations are no sections here: they are made of
/// names, [`ObjectFile::symbols`] and [`FileSection::relocs`] when the object is written.
///
/// ```
/// # let bytes = include_bytes!("../../../corpus/obj/basic.clang19.o");
/// use skep_obj::ObjectFile;
///
/// let file = ObjectFile::read(bytes).unwrap();
/// assert!(file.sections.iter().any(|section| section.name == "xdp" && !section.relocs.is_empty()));
/// let written = file.write().unwrap();
/// assert_eq!(ObjectFile::read(&written).unwrap(), file);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectFile {
    /// Byte order of all numbers, the instructions' too.
    pub order: ByteOrder,
    /// In the order of the file.
    pub sections: Vec<FileSection>,
    /// In the order of the file, but local ones first.
    pub symbols: Vec<FileSymbol>,
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSection {
    /// Its name.
    pub name: String,
    /// `SHT_*`
    pub kind: u32,
    /// `SHF_*`
    pub flags: u64,
    /// Where it may begin: a power of two.
    pub align: u64,
    /// Bytes of an entry, for tables of such.
    pub entry: u64,
    /// What it holds.
    pub content: Content,
    /// What changes in it when addresses are known; ascending in objects of compilers.
    pub relocs: Vec<FileReloc>,
}

/// What a section holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// As many zeroes, which take no bytes in the file.
    Zeroes(u64),
}

/// A symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSymbol {
    /// Its name; empty for sections.
    pub name: String,
    /// What it names.
    pub kind: SymbolKind,
    /// Who sees it.
    pub binding: Binding,
    /// Not for others than the programs of the object.
    pub hidden: bool,
    /// Where it is.
    pub place: SymbolPlace,
    /// Byte of the section.
    pub value: u64,
    /// Bytes of what it names.
    pub size: u64,
}

/// What a symbol names: `STT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the format")]
pub enum SymbolKind {
    NoType,
    Object,
    Func,
    Section,
    File,
}

/// Who sees a symbol: `STB_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of the format")]
pub enum Binding {
    Local,
    Global,
    Weak,
}

/// Where a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolPlace {
    /// In another object, or in the kernel.
    Undefined,
    /// In a section, by index.
    Section(usize),
    /// Nowhere: a number or the name of a file.
    Absolute,
}

/// A relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileReloc {
    /// Byte of the section.
    pub at: u64,
    /// `R_BPF_*`
    pub kind: u32,
    /// Index of the symbol.
    pub symbol: usize,
}

impl Content {
    /// Bytes it takes when loaded.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Zeroes(len) => *len,
        }
    }

    /// Whether it takes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that are in the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Zeroes(_) => &[],
        }
    }
}

impl FileSection {
    /// Holds instructions.
    #[must_use]
    pub fn is_code(&self) -> bool {
        self.kind == elf::SHT_PROGBITS && self.flags & u64::from(elf::SHF_EXECINSTR) != 0
    }
}

/// Largest alignment of a section: that of a page.
const MAX_ALIGN: u64 = 4096;

impl ObjectFile {
    /// Takes an object apart.
    ///
    /// Tables of address-significant symbols, which linkers of executables read, are left out.
    ///
    /// # Errors
    /// [`ObjError`] if the file is no BPF object, or has sections or symbols of kinds that BPF
    /// compilers do not write.
    pub fn read(bytes: &[u8]) -> Result<Self, ObjError> {
        let elf = Elf::read(bytes)?;
        let kept = |section: &Section<'_>| !section.is_table();
        // From section numbers of the file to indices.
        let mut index = Vec::new();
        let mut next = 0_usize;
        for section in &elf.sections {
            index.push(kept(section).then_some(next));
            next = next.saturating_add(usize::from(kept(section)));
        }
        let of = |number: usize| index.get(number).copied().flatten();
        let (symbols, numbers) = symbols(&elf, of)?;
        let mut sections = Vec::new();
        for (number, section) in elf.sections.iter().enumerate() {
            if matches!(section.kind, elf::SHT_REL) && of(section.info).is_none() {
                return Err(ObjError::RelocTable { section: section.name.into() });
            }
            if of(number).is_some() {
                let mut new = self::section(section)?;
                for reloc in elf.relocs(number)? {
                    let symbol = numbers.get(reloc.index).copied().flatten();
                    let symbol = symbol.ok_or_else(|| ObjError::Reloc {
                        section: section.name.into(),
                        at: reloc.at,
                        symbol: reloc.symbol.name.into(),
                        why: "the symbol stands for nothing",
                    })?;
                    new.relocs.push(FileReloc { at: reloc.at, kind: reloc.kind, symbol });
                }
                sections.push(new);
            }
        }
        Ok(Self { order: elf.order, sections, symbols })
    }

    /// Index of the first section with this name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<usize> {
        self.sections.iter().position(|section| section.name == name)
    }
}

fn section(section: &Section<'_>) -> Result<FileSection, ObjError> {
    let name = || String::from(section.name);
    // An alignment of 0 is one of 1.
    let align = section.align.max(1);
    if !align.is_power_of_two() || align > MAX_ALIGN {
        return Err(ObjError::Align { section: name(), align: section.align, limit: MAX_ALIGN });
    }
    let content = match section.kind {
        elf::SHT_NOBITS => Content::Zeroes(section.size),
        elf::SHT_PROGBITS | elf::SHT_NOTE => Content::Bytes(section.data.into()),
        kind => return Err(ObjError::SectionKind { section: name(), kind }),
    };
    Ok(FileSection {
        name: name(),
        kind: section.kind,
        flags: section.flags,
        align,
        entry: section.entry,
        content,
        relocs: Vec::new(),
    })
}

/// The symbols, and from numbers in the file to their indices.
type Symbols = (Vec<FileSymbol>, Vec<Option<usize>>);

fn symbols(elf: &Elf<'_>, of: impl Fn(usize) -> Option<usize>) -> Result<Symbols, ObjError> {
    let (mut symbols, mut order) = (Vec::new(), Vec::new());
    order.resize(elf.symbols.len(), None);
    for local in [true, false] {
        let all = elf.symbols.iter().enumerate().skip(1);
        for (number, from) in all.filter(|(_, symbol)| symbol.local == local) {
            let Some(symbol) = symbol(from, &of)? else { continue };
            if let Some(slot) = order.get_mut(number) {
                *slot = Some(symbols.len());
            }
            symbols.push(symbol);
        }
    }
    Ok((symbols, order))
}

/// `None` for symbols of sections that are made anew.
fn symbol(
    from: &Symbol<'_>,
    of: impl Fn(usize) -> Option<usize>,
) -> Result<Option<FileSymbol>, ObjError> {
    let bad = |what: &'static str, number: u32| ObjError::Symbol {
        symbol: from.name.into(),
        what,
        number,
    };
    let place = match from.raw.shndx {
        number @ (elf::SHN_UNDEF | elf::SHN_ABS) if from.raw.kind == elf::STT_SECTION => {
            return Err(bad("section", number.into()));
        }
        elf::SHN_UNDEF => SymbolPlace::Undefined,
        elf::SHN_ABS => SymbolPlace::Absolute,
        number @ elf::SHN_LORESERVE.. => return Err(bad("section", number.into())),
        number => match of(number.into()) {
            Some(index) => SymbolPlace::Section(index),
            None => return Ok(None),
        },
    };
    let kind = match from.raw.kind {
        elf::STT_NOTYPE => SymbolKind::NoType,
        elf::STT_OBJECT => SymbolKind::Object,
        elf::STT_FUNC => SymbolKind::Func,
        elf::STT_SECTION => SymbolKind::Section,
        elf::STT_FILE => SymbolKind::File,
        number => return Err(bad("type", number.into())),
    };
    let binding = match from.raw.bind {
        elf::STB_LOCAL => Binding::Local,
        elf::STB_GLOBAL => Binding::Global,
        elf::STB_WEAK => Binding::Weak,
        number => return Err(bad("binding", number.into())),
    };
    let hidden = !matches!(from.raw.visibility, elf::STV_DEFAULT | elf::STV_PROTECTED);
    let name = if kind == SymbolKind::Section { String::new() } else { from.name.into() };
    let &Symbol { value, size, .. } = from;
    Ok(Some(FileSymbol { name, kind, binding, hidden, place, value, size }))
}
