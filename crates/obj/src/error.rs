//! Why no image can be made of a file.

use crate::MapError;
use alloc::string::String;
use skep_btf::BtfError;
use skep_isa::{Pc, SlotError};
use skep_prog::FlowError;

/// Why no image can be made of a file. `at` is a byte of the section or file that is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum ObjError {
    // The file.
    /// The file is too short to be anything.
    #[error("no ELF file: {len} bytes")]
    NoMagic { len: usize },
    /// Some other kind of file.
    #[error(
        "no ELF file: begins with {:02x} {:02x} {:02x} {:02x}, not with 7f 45 4c 46",
        found[0], found[1], found[2], found[3]
    )]
    Magic { found: [u8; 4] },
    /// A file whose parts lie beyond its end, or contradict each other.
    #[error("an ELF file that is cut off or damaged: {what}")]
    Damaged { what: &'static str },
    /// ELF of neither known class or byte order.
    #[error(
        "ELF class {class}, byte order {order}: known are class 2 (64-bit), order 1 (little-endian)"
    )]
    Ident { class: u8, order: u8 },
    /// BPF objects are 64-bit.
    #[error("a 32-bit ELF file, BPF objects are 64-bit")]
    Class32,
    /// For hosts that are big-endian.
    #[error("a big-endian BPF object, only little-endian ones can run here (clang -target bpfel)")]
    BigEndian,
    /// Compiled for a CPU.
    #[error("an ELF file for {name} (machine {machine}), not for BPF (clang -target bpf)")]
    Machine { machine: u16, name: &'static str },
    /// An executable, library or core file.
    #[error("ELF type {kind}, BPF objects are relocatable files (type 1)")]
    NotRelocatable { kind: u16 },
    /// The file ends inside something.
    #[error("{what} at byte {at} needs {need} bytes, the file has {len}")]
    Truncated { what: &'static str, at: u64, need: u64, len: usize },
    /// Not the structure that this reads.
    #[error("section headers of {entry} bytes, need {need}")]
    SectionHeaderSize { entry: usize, need: usize },
    /// The header does not say where the names of sections are.
    #[error("{sections} sections, but no section with their names")]
    NoNames { sections: usize },
    /// A section does not lie inside the file.
    #[error("section '{section}' has {size} bytes at byte {at}, the file has {len}")]
    Section { section: String, at: u64, size: u64, len: usize },
    /// Sections share bytes.
    #[error("sections have {total} bytes together, the file has {len}")]
    Overlap { total: usize, len: usize },
    /// A table of symbols or relocations ends inside an entry.
    #[error("section '{section}' has {len} bytes, not a multiple of {entry}")]
    Entries { section: String, len: usize, entry: usize },
    /// The name of a section or symbol cannot be read.
    #[error("name of a {what} at byte {at} of the names {why}")]
    Name { what: &'static str, at: u32, why: &'static str },
    /// A symbol in a section that does not exist.
    #[error("symbol '{symbol}' is in section {section}, there are {sections}")]
    SymbolSection { symbol: String, section: usize, sections: usize },
    /// Relocations with addends, which no BPF compiler writes.
    #[error("section '{section}' has relocations with addends, expected without")]
    Rela { section: String },
    /// A relocation by a symbol that does not exist.
    #[error("section '{section}': relocation of byte {at} by symbol {symbol}, there are {symbols}")]
    RelocSymbol { section: String, at: u64, symbol: u32, symbols: usize },
    /// A table of relocations that applies to no section.
    #[error("section '{section}' relocates a section that does not exist or holds no data")]
    RelocTable { section: String },
    /// A section that BPF compilers do not write.
    #[error("section '{section}' has type {kind:#x}, which no BPF compiler writes")]
    SectionKind { section: String, kind: u32 },
    /// An alignment that is no power of two, or larger than a page.
    #[error("section '{section}' is aligned to {align}, must be a power of two up to {limit}")]
    Align { section: String, align: u64, limit: u64 },
    /// A symbol that BPF compilers do not write.
    #[error("symbol '{symbol}' has {what} {number:#x}, which no BPF compiler writes")]
    Symbol { symbol: String, what: &'static str, number: u32 },

    // Types.
    /// The types cannot be read.
    #[error("section '{section}' at byte {at} of the file")]
    Btf { section: &'static str, at: u64, source: BtfError },
    /// Types are missing where they carry the meaning.
    #[error("section '{section}' has no types in .BTF (compile with clang -g, do not strip .BTF)")]
    NoTypes { section: &'static str },
    /// A record of BTF.ext does not belong to an instruction, or is out of order.
    #[error(
        "{what} record of .BTF.ext for byte {at} of section '{section}' leads to no such place"
    )]
    DebugInfo { what: &'static str, section: String, at: u32 },

    // Functions.
    /// A section with code and an unknown name.
    #[error("section '{section}' says no program type; did you mean '{near}'?")]
    UnknownSection { section: String, near: &'static str },
    /// Code without a function symbol.
    #[error("section '{section}' has code, but no symbol of type FUNC")]
    NoFunctions { section: String },
    /// A function beyond its section, in another one, or not at an instruction.
    #[error(
        "function '{func}' is bytes {start}..{end} of section '{section}', must be whole instructions before byte {limit}"
    )]
    FunctionRange { func: String, section: String, start: u64, end: u64, limit: u64 },
    /// An instruction does not decode.
    #[error("function '{func}' at byte {start} of section '{section}'")]
    Insn { func: String, section: String, start: u64, source: SlotError },
    /// A relocation that makes no sense.
    #[error("section '{section}': relocation of byte {at} by '{symbol}': {why}")]
    Reloc { section: String, at: u64, symbol: String, why: &'static str },
    /// A function or variable that is not in the object.
    #[error(
        "function '{func}', insn {insn}: '{symbol}' is not defined in this object: link the one that defines it (skep link)"
    )]
    Undefined { symbol: String, func: String, insn: Pc },
    /// A call that leads into a function.
    #[error("function '{func}' of section '{section}', insn {insn}: no function begins at {off:+}")]
    NoCallee { func: String, section: String, insn: Pc, off: i32 },
    /// The function that is to be called when a program throws.
    #[error(
        "program '{prog}': exception callback '{func}' is no global function of section '.text'"
    )]
    NoCallback { prog: String, func: String },
    /// A jump leaves the program.
    #[error("program '{prog}'")]
    Flow { prog: String, source: FlowError },
    /// A program is longer than any kernel takes.
    #[error("with function '{func}' the program has {slots} instructions, the limit is {limit}")]
    TooLong { func: String, slots: usize, limit: usize },
    /// Programs share so much that the image grows out of proportion.
    #[error("the image would take more than {limit} bytes")]
    TooLarge { limit: usize },

    // What only a kernel can provide.
    /// A variable of `.kconfig` of a type that no configuration has values for.
    #[error(
        "extern '{name}' of section '.kconfig' is no bool, char, integer, tristate or char array"
    )]
    KconfigType { name: String },

    // Maps and data.
    /// `struct bpf_map_def`.
    #[error(
        "section 'maps' holds struct bpf_map_def, which libbpf 1.0 dropped: define maps by type in SEC(\".maps\")"
    )]
    LegacyMaps,
    /// A map's type makes no sense.
    #[error("map '{map}'")]
    Map { map: String, source: MapError },
    /// A map in the types that the symbol table does not know.
    #[error("map '{map}' has no symbol in section '.maps'")]
    MapSymbol { map: String },
    /// Two maps at one place.
    #[error("map '{map}' is at byte {at} of its section, and so is another")]
    SamePlace { map: String, at: u64 },
    /// Initial content beyond the map.
    #[error("map '{map}': initial value for index {index}, max_entries is {max_entries}")]
    InitialIndex { map: String, index: u32, max_entries: u32 },
    /// A subprogram in a prog array.
    #[error("map '{map}': index {index} is to be '{func}', which is no program by itself")]
    InitialProg { map: String, index: u32, func: String },
    /// Global variables of an arena without an arena, or with one that is too small.
    #[error("section '{section}' has {size} bytes of variables for an arena, {why}")]
    ArenaData { section: &'static str, size: u64, why: &'static str },
    /// Several arenas.
    #[error("maps '{first}' and '{second}' are both arenas, an object has one at most")]
    Arenas { first: String, second: String },
    /// A struct of the kernel that cannot be one.
    #[error("struct_ops '{map}': {why}")]
    StructOps { map: String, why: &'static str },
    /// A data section larger than a map's value can be.
    #[error("section '{section}' has {size} bytes, the limit is {limit}")]
    DataSize { section: String, size: u64, limit: u32 },
}
