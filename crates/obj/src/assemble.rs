//! An object of programs and maps that come from no object: what an assembler writes.
//!
//! Programs stand in the sections that they name, the functions they call in `.text`, maps as variables of
//! `.maps` whose types say what they are, data in sections of its own. libbpf, bpftool and [`parse`] make
//! of it what went in.
//!
//! [`parse`]: crate::parse()

use crate::reloc::{R_BPF_64_32, R_BPF_64_64};
use crate::{Binding, Content, FileError, FileReloc, FileSection, FileSymbol, ObjectFile};
use crate::{SymbolKind, SymbolPlace};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use maps::Types;
use object::elf;
use skep_abi::Section;
use skep_btf::{BtfError, BtfExt, ByteOrder, FuncInfo, LineInfo, SecRecords, WriteError};
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc};
use skep_prog::{Image, Prog};

mod maps;

/// Bytes of a slot.
const SLOT: u64 = 8;

/// Why an image cannot be written as an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum AssembleError {
    /// Loaders know by the section what a program is for.
    #[error("program '{prog}' is in section '{section}', which does not say what it is for")]
    Section { prog: String, section: String },
    /// Symbols of an object have different names.
    #[error("two programs or maps are called '{name}'")]
    Twice { name: String },
    /// Functions are put in other places, so they may only be called.
    #[error("function '{func}', insn {pc}: goes to insn {to}, which is in another function")]
    Outside { func: String, pc: Pc, to: i64 },
    /// A program is no function for others.
    #[error("function '{func}', insn {pc}: no function begins at insn {to}, or it is the program")]
    NoFunc { func: String, pc: Pc, to: i64 },
    /// The index of a map that is not there.
    #[error("function '{func}', insn {pc}: there is no map {map}, or it holds no data")]
    NoMap { func: String, pc: Pc, map: i32 },
    /// Objects tell functions and variables of the kernel by type, which the image does not have.
    #[error("function '{func}' refers to '{name}' of the kernel, of which no type is known")]
    Extern { func: String, name: String },
    /// Relocations by types.
    #[error("program '{prog}' depends on the kernel's types")]
    Types { prog: String },
    /// Objects have variables that the loader fills by type.
    #[error("map '{map}' holds {what}, for which the object would need types")]
    Map { map: String, what: &'static str },
    /// Content that names nothing.
    #[error("map '{map}' is to hold '{name}', which is not there")]
    Missing { map: String, name: String },
    /// The types of maps.
    #[error("types of maps: {0}")]
    Write(#[from] WriteError),
    /// The types of maps.
    #[error("types of maps: {0}")]
    Btf(#[from] BtfError),
    /// The object.
    #[error(transparent)]
    File(#[from] FileError),
    /// Positions that the format cannot hold.
    #[error("more than can be counted")]
    Full,
}

/// The object of an image without types.
///
/// ```
/// use skep_abi::ProgType;
/// use skep_isa::{ImmSrc, Insn, Reg};
/// use skep_prog::{Image, Prog};
///
/// let insns = [Insn::LoadImm { dst: Reg::R0, imm: ImmSrc::Value(2) }, Insn::Exit];
/// let mut prog = Prog::new("pass", ProgType::SocketFilter, insns.into_iter().collect());
/// prog.section = "socket".into();
/// let image = Image { progs: vec![prog], ..Image::default() };
/// let object = skep_obj::assemble(&image).unwrap().write().unwrap();
/// assert_eq!(skep_obj::parse(&object).unwrap().progs[0].insns, image.progs[0].insns);
/// ```
///
/// # Errors
/// [`AssembleError`] for what objects say by types: kernel functions, `.kconfig`, CO-RE.
pub fn assemble(image: &Image) -> Result<ObjectFile, AssembleError> {
    let mut object = Assembly::default();
    for (at, prog) in image.progs.iter().enumerate() {
        object.place(at, prog)?;
    }
    object.place_maps(&image.maps)?;
    for (at, prog) in image.progs.iter().enumerate() {
        object.write(at, prog)?;
    }
    object.write_maps(&image.maps)?;
    if !image.license.is_empty() {
        let mut text = image.license.clone().into_bytes();
        text.push(0);
        let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let section = object.section("license", DATA, 1);
        object.bytes(section).extend(text);
        object.symbol("_license", SymbolKind::Object, Binding::Global, (section, 0), size);
    }
    object.write_types()?;
    let file = object.file;
    file.check()?;
    Ok(file)
}

/// Flags of sections with instructions.
const CODE: u32 = elf::SHF_ALLOC | elf::SHF_EXECINSTR;
/// Flags of sections with data.
const DATA: u32 = elf::SHF_ALLOC | elf::SHF_WRITE;

/// A function, and where it goes.
#[derive(Clone, Copy)]
struct Place {
    /// Slots of the program that it takes.
    start: u32,
    end: u32,
    section: usize,
    symbol: usize,
}

/// An object being made.
#[derive(Default)]
struct Assembly {
    file: ObjectFile,
    sections: BTreeMap<String, usize>,
    /// Symbol of `.text`, where it was made.
    text: Option<usize>,
    names: BTreeSet<String>,
    /// Functions by program and first slot.
    funcs: BTreeMap<(usize, u32), Place>,
    /// Symbols of programs by name.
    progs: BTreeMap<String, usize>,
    /// Symbols of maps, in their order.
    maps: Vec<usize>,
    /// Bytes promised to each section so far.
    promised: BTreeMap<usize, u64>,
    types: Types,
    /// Types of functions, by section.
    func_info: BTreeMap<usize, Vec<FuncInfo>>,
    /// Where instructions come from, by section.
    lines: BTreeMap<usize, Vec<LineInfo>>,
}

impl Assembly {
    /// The section of this name.
    fn section(&mut self, name: &str, flags: u32, align: u64) -> usize {
        let next = self.file.sections.len();
        let at = *self.sections.entry(name.into()).or_insert(next);
        if at == next {
            self.file.sections.push(FileSection {
                name: name.into(),
                kind: elf::SHT_PROGBITS,
                flags: flags.into(),
                align,
                entry: 0,
                content: Content::Bytes(Vec::new()),
                relocs: Vec::new(),
            });
        }
        at
    }

    /// The bytes of a section that has some.
    fn bytes(&mut self, section: usize) -> &mut Vec<u8> {
        match self.file.sections.get_mut(section).map(|section| &mut section.content) {
            Some(Content::Bytes(bytes)) => bytes,
            _ => unreachable!("bug: sections are made with bytes"),
        }
    }

    fn symbol(
        &mut self,
        name: &str,
        kind: SymbolKind,
        binding: Binding,
        (section, value): (usize, u64),
        size: u64,
    ) -> usize {
        let place = SymbolPlace::Section(section);
        let name = name.into();
        self.file.symbols.push(FileSymbol {
            name,
            kind,
            binding,
            hidden: false,
            place,
            value,
            size,
        });
        self.file.symbols.len().saturating_sub(1)
    }

    /// Takes a name that nothing else may have.
    fn name(&mut self, name: &str) -> Result<(), AssembleError> {
        if self.names.insert(name.into()) {
            return Ok(());
        }
        Err(AssembleError::Twice { name: name.into() })
    }

    /// Finds places for the functions of a program.
    fn place(&mut self, at: usize, prog: &Prog) -> Result<(), AssembleError> {
        let known = Section::find(&prog.section).is_some_and(|(row, _)| {
            row.prog_type == prog.prog_type && row.attach_type == prog.attach_type
        });
        if !known {
            let (prog, section) = (prog.name.clone(), prog.section.clone());
            return Err(AssembleError::Section { prog, section });
        }
        if !prog.core_relocs.is_empty() {
            return Err(AssembleError::Types { prog: prog.name.clone() });
        }
        if let Some(named) = prog.externs.first() {
            let (func, name) = (prog.name.clone(), named.name.clone());
            return Err(AssembleError::Extern { func, name });
        }
        self.name(&prog.name)?;
        let end = u32::try_from(prog.insns.len()).map_err(|_| AssembleError::Full)?;
        let mut starts = vec![(0, prog.name.as_str())];
        let others = prog.subprogs.iter().filter(|sub| sub.start != Pc(0));
        starts.extend(others.map(|sub| (sub.start.0, sub.name.as_str())));
        let ends = starts.iter().skip(1).map(|&(start, _)| start).chain([end]);
        for (&(start, name), end) in starts.iter().zip(ends) {
            let entry = start == 0;
            let section = if entry { prog.section.as_str() } else { ".text" };
            let section = self.section(section, CODE, SLOT);
            if !entry && self.text.is_none() {
                let place = (section, 0);
                let text = self.symbol("", SymbolKind::Section, Binding::Local, place, 0);
                self.text = Some(text);
            }
            let offset = self.promised.entry(section).or_default();
            let value = *offset;
            let size = u64::from(end.saturating_sub(start)).saturating_mul(SLOT);
            *offset = offset.saturating_add(size);
            let binding = if entry { Binding::Global } else { Binding::Local };
            let name = if entry { name.into() } else { self.local_name(name) };
            let symbol = self.symbol(&name, SymbolKind::Func, binding, (section, value), size);
            self.funcs.insert((at, start), Place { start, end, section, symbol });
            if entry {
                self.progs.insert(name, symbol);
            }
        }
        Ok(())
    }

    /// A name for a function that other programs may have a function of the same name beside.
    fn local_name(&mut self, name: &str) -> String {
        let mut unique = String::from(name);
        let mut number = 1_u32;
        while !self.names.insert(unique.clone()) {
            unique = format!("{name}_{number}");
            number = number.saturating_add(1);
        }
        unique
    }

    /// Writes the functions of a program to their places.
    fn write(&mut self, at: usize, prog: &Prog) -> Result<(), AssembleError> {
        let places: Vec<Place> =
            self.funcs.range((at, 0)..=(at, u32::MAX)).map(|(_, &place)| place).collect();
        for place in places {
            let mut insns = Insns::default();
            let here =
                self.file.symbols.get(place.symbol).map(|symbol| (&symbol.name, symbol.value));
            let (func, base) = here.map_or((String::new(), 0), |(name, at)| (name.clone(), at));
            for (pc, insn) in prog.insns.iter() {
                if (place.start..place.end).contains(&pc.0) {
                    let from = Site { prog: at, func: &func, pc, place };
                    let (insn, symbol) = self.detach(insn, from)?;
                    let to = insns.push(insn);
                    if let Some((kind, symbol)) = symbol {
                        let at = base.saturating_add(u64::from(to.0).saturating_mul(SLOT));
                        let reloc = FileReloc { at, kind, symbol };
                        if let Some(section) = self.file.sections.get_mut(place.section) {
                            section.relocs.push(reloc);
                        }
                    }
                }
            }
            let name = func.clone();
            self.bytes(place.section).extend(insns.to_le_bytes());
            let ty = self.types.func(&name, place.start == 0)?;
            let insn_off = u32::try_from(base).map_err(|_| AssembleError::Full)?;
            self.func_info.entry(place.section).or_default().push(FuncInfo { insn_off, ty });
            self.write_lines(prog, place, base)?;
        }
        Ok(())
    }

    /// Says where the instructions of a function come from; it begins at byte `base` of its section.
    fn write_lines(&mut self, prog: &Prog, place: Place, base: u64) -> Result<(), AssembleError> {
        let lines = prog.lines.iter().filter(|line| (place.start..place.end).contains(&line.pc.0));
        for line in lines {
            let slots = u64::from(line.pc.0.saturating_sub(place.start));
            let at = base.saturating_add(slots.saturating_mul(SLOT));
            let insn_off = u32::try_from(at).map_err(|_| AssembleError::Full)?;
            let file = self.types.builder.string(&line.file)?;
            let text = self.types.builder.string(&line.text)?;
            let column = u16::try_from(line.col).unwrap_or(0);
            let line = line.line;
            let lines = self.lines.entry(place.section).or_default();
            lines.push(LineInfo { insn_off, file, text, line, column });
        }
        Ok(())
    }

    /// The name of a section, which the types hold as well.
    fn named(&mut self, section: usize) -> Result<String, AssembleError> {
        let name = self.file.sections.get(section).map(|section| section.name.clone());
        let name = name.unwrap_or_default();
        self.types.builder.string(&name)?;
        Ok(name)
    }

    /// Writes the types of maps and functions, and where instructions come from.
    fn write_types(&mut self) -> Result<(), AssembleError> {
        let mut ext = BtfExt::default();
        for (section, records) in mem::take(&mut self.func_info) {
            let section = self.named(section)?;
            ext.func_info.push(SecRecords { section, records });
        }
        for (section, records) in mem::take(&mut self.lines) {
            let section = self.named(section)?;
            ext.line_info.push(SecRecords { section, records });
        }
        let btf = mem::take(&mut self.types.builder).finish()?;
        let lines = ext.to_bytes(&btf, ByteOrder::Little).ok_or(AssembleError::Full)?;
        let section = self.section(".BTF", 0, 4);
        self.bytes(section).extend(btf.to_bytes(ByteOrder::Little));
        let section = self.section(".BTF.ext", 0, 4);
        self.bytes(section).extend(lines);
        Ok(())
    }

    /// An instruction without what it refers to, and the symbol of that.
    fn detach(
        &self,
        insn: Insn,
        from: Site<'_>,
    ) -> Result<(Insn, Option<(u32, usize)>), AssembleError> {
        let Site { prog, func, pc, place } = from;
        let target = |off: i32| i64::from(pc.0).saturating_add(1).saturating_add(i64::from(off));
        // Loaders want functions of one object by the section and the place in it.
        let function = |off: i32| {
            let to = target(off);
            let start = u32::try_from(to).ok().filter(|&start| start != 0);
            let place = start.and_then(|start| self.funcs.get(&(prog, start)));
            let symbol = place.and_then(|place| self.file.symbols.get(place.symbol));
            let slots = symbol.and_then(|symbol| i32::try_from(symbol.value / SLOT).ok());
            let found = slots.zip(self.text);
            found.ok_or_else(|| AssembleError::NoFunc { func: func.into(), pc, to })
        };
        let map = |idx: i32| {
            let symbol = usize::try_from(idx).ok().and_then(|idx| self.maps.get(idx)).copied();
            symbol.ok_or_else(|| AssembleError::NoMap { func: func.into(), pc, map: idx })
        };
        if let Some(off) = insn.jump_off() {
            let to = target(off);
            let inside = i64::from(place.start)..i64::from(place.end);
            if !inside.contains(&to) {
                return Err(AssembleError::Outside { func: func.into(), pc, to });
            }
        }
        Ok(match insn {
            Insn::Call(Call::Local(off)) => {
                let (slots, text) = function(off)?;
                (Insn::Call(Call::Local(slots.saturating_sub(1))), Some((R_BPF_64_32, text)))
            }
            Insn::LoadImm { dst, imm: ImmSrc::Func(off) } => {
                let (slots, text) = function(off)?;
                let imm = ImmSrc::Value(u64::from(slots.unsigned_abs()).saturating_mul(SLOT));
                (Insn::LoadImm { dst, imm }, Some((R_BPF_64_64, text)))
            }
            Insn::LoadImm { dst, imm: ImmSrc::MapIdx(idx) } => {
                let imm = ImmSrc::Value(0);
                (Insn::LoadImm { dst, imm }, Some((R_BPF_64_64, map(idx)?)))
            }
            Insn::LoadImm { dst, imm: ImmSrc::MapIdxValue { idx, at } } => {
                let symbol = map(idx)?;
                let data = self.file.symbols.get(symbol).map(|symbol| symbol.kind);
                let offset = u64::try_from(at).ok();
                let (Some(SymbolKind::Section), Some(offset)) = (data, offset) else {
                    return Err(AssembleError::NoMap { func: func.into(), pc, map: idx });
                };
                let imm = ImmSrc::Value(offset);
                (Insn::LoadImm { dst, imm }, Some((R_BPF_64_64, symbol)))
            }
            insn => (insn, None),
        })
    }
}

/// Where an instruction stands.
#[derive(Clone, Copy)]
struct Site<'a> {
    prog: usize,
    func: &'a str,
    pc: Pc,
    place: Place,
}
