//! Functions of the executable sections, as they stand in the object.

use crate::ObjError;
use crate::elf::{Elf, Place, Section, Symbol};
use alloc::vec::Vec;
use skep_btf::TypeId;
use skep_isa::{DecodeError, Insn, Insns, Pc, RawInsn, SlotError};
use skep_prog::{CoreReloc, LineInfo};

/// A function.
pub(crate) struct Func<'a> {
    pub(crate) name: &'a str,
    /// Number of its section.
    pub(crate) section: usize,
    /// Its first byte in the section.
    pub(crate) start: u64,
    /// Known to this file only: no program of its own.
    pub(crate) local: bool,
    /// Not for others than the programs of the object.
    pub(crate) hidden: bool,
    pub(crate) insns: Insns,
    /// The first slot that is no instruction, where such functions are kept: `goto +0` stands there.
    pub(crate) undecoded: Option<NoInsn>,
    /// Calls of functions and their addresses: where, and number of the function. Complete and
    /// ascending after [`relocate`](crate::reloc::relocate).
    pub(crate) calls: Vec<(Pc, usize)>,
    /// What only a kernel has: where, and number among the object's.
    pub(crate) ksyms: Vec<(Pc, usize)>,
    /// Its type.
    pub(crate) type_id: Option<TypeId>,
    /// Its source lines, counted from its own start; ascending.
    pub(crate) lines: Vec<LineInfo>,
    /// Its CO-RE relocations, counted from its own start.
    pub(crate) core: Vec<CoreReloc>,
}

/// A slot that is no instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoInsn {
    pub(crate) pc: Pc,
    pub(crate) raw: RawInsn,
    pub(crate) source: DecodeError,
}

/// What becomes of functions that do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// The object is refused.
    Refused,
    /// They are kept and marked.
    Marked,
}

/// All functions by section and start. No two overlap.
pub(crate) struct Funcs<'a> {
    pub(crate) list: Vec<Func<'a>>,
}

impl<'a> Funcs<'a> {
    pub(crate) fn collect(elf: &Elf<'a>, undecodable: Undecodable) -> Result<Self, ObjError> {
        let mut symbols: Vec<(usize, &Symbol<'a>)> = elf
            .symbols
            .iter()
            .filter(|symbol| symbol.is_func)
            .filter_map(|symbol| match symbol.place {
                Place::Section(section) if elf.sections.get(section)?.is_code() => {
                    Some((section, symbol))
                }
                _ => None,
            })
            .collect();
        symbols.sort_by_key(|&(section, symbol)| (section, symbol.value, symbol.local));
        // Of several names for the same bytes the first global one counts.
        symbols.dedup_by_key(|&mut (section, symbol)| (section, symbol.value, symbol.size));
        let mut list = Vec::new();
        for (i, &(index, symbol)) in symbols.iter().enumerate() {
            let next = symbols.get(i.saturating_add(1)).filter(|&&(section, _)| section == index);
            let section = elf.sections.get(index).expect("bug: filtered above");
            let next = next.map(|&(_, next)| next);
            list.push(Func::new(index, section, symbol, next, undecodable)?);
        }
        let this = Self { list };
        this.cover(elf)?;
        Ok(this)
    }

    /// Code without any function would be passed over in silence.
    fn cover(&self, elf: &Elf<'_>) -> Result<(), ObjError> {
        let mut bare = elf.sections.iter().enumerate().filter(|&(index, section)| {
            section.is_code() && !section.data.is_empty() && self.of(index).is_empty()
        });
        bare.next().map_or(Ok(()), |(_, section)| {
            Err(ObjError::NoFunctions { section: section.name.into() })
        })
    }

    /// The functions of a section.
    pub(crate) fn of(&self, section: usize) -> &[Func<'a>] {
        let start = self.list.partition_point(|func| func.section < section);
        let end = self.list.partition_point(|func| func.section <= section);
        self.list.get(start..end).unwrap_or_default()
    }

    /// The function that begins at a byte of a section.
    pub(crate) fn starting(&self, section: usize, at: u64) -> Option<usize> {
        self.list.binary_search_by_key(&(section, at), |func| (func.section, func.start)).ok()
    }

    /// The function and instruction at a byte of a section.
    pub(crate) fn insn_at(&self, section: usize, at: u64) -> Option<(usize, Pc)> {
        let next = self.list.partition_point(|func| (func.section, func.start) <= (section, at));
        let index = next.checked_sub(1)?;
        let func = self.list.get(index)?;
        let within = at.checked_sub(func.start)?;
        let pc = Pc(u32::try_from(within / 8).ok()?);
        let found = func.section == section && within % 8 == 0 && func.insns.get(pc).is_some();
        found.then_some((index, pc))
    }
}

impl Funcs<'_> {
    /// Whether a byte of a section lies in a function that does not decode.
    pub(crate) fn is_undecoded(&self, section: usize, at: u64) -> bool {
        let next = self.list.partition_point(|func| (func.section, func.start) <= (section, at));
        let before = next.checked_sub(1).and_then(|index| self.list.get(index));
        before.is_some_and(|func| func.section == section && func.undecoded.is_some())
    }

    /// Whether a byte of a section begins an instruction of no function. Linkers leave such: the code
    /// of a weak function that gave way to another.
    pub(crate) fn is_dead(&self, elf: &Elf<'_>, section: usize, at: u64) -> bool {
        let next = self.list.partition_point(|func| (func.section, func.start) <= (section, at));
        let before = next.checked_sub(1).and_then(|index| self.list.get(index));
        let covered = before.filter(|func| func.section == section).is_some_and(|func| {
            let len = u64::try_from(func.insns.len()).unwrap_or(u64::MAX);
            at.saturating_sub(func.start) / 8 < len
        });
        let is_there = elf.sections.get(section).is_some_and(|section| at < section.size);
        is_there && !covered && at.is_multiple_of(8)
    }
}

impl<'a> Func<'a> {
    fn new(
        index: usize,
        section: &Section<'a>,
        symbol: &Symbol<'a>,
        next: Option<&Symbol<'a>>,
        undecodable: Undecodable,
    ) -> Result<Self, ObjError> {
        let limit = next.map_or(section.size, |next| next.value);
        // Hand-written assembly may give no size.
        let end = match symbol.size {
            0 => limit,
            size => symbol.value.saturating_add(size),
        };
        let range = || {
            let (start, end) = (usize::try_from(symbol.value).ok()?, usize::try_from(end).ok()?);
            if end > usize::try_from(limit).ok()? || start >= end || start % 8 != 0 {
                return None;
            }
            section.data.get(start..end)
        };
        let bytes = range().ok_or_else(|| ObjError::FunctionRange {
            func: symbol.name.into(),
            section: section.name.into(),
            start: symbol.value,
            end,
            limit,
        })?;
        let (insns, undecoded) = match decode(bytes, symbol, section) {
            Ok(insns) => (insns, None),
            Err(ObjError::Insn { source: SlotError::Insn { .. }, .. })
                if undecodable == Undecodable::Marked =>
            {
                decode_around(bytes)
            }
            Err(err) => return Err(err),
        };
        Ok(Self {
            name: symbol.name,
            section: index,
            start: symbol.value,
            local: symbol.local,
            hidden: symbol.hidden,
            insns,
            undecoded,
            calls: Vec::new(),
            ksyms: Vec::new(),
            type_id: None,
            lines: Vec::new(),
            core: Vec::new(),
        })
    }
}

fn decode(bytes: &[u8], symbol: &Symbol<'_>, section: &Section<'_>) -> Result<Insns, ObjError> {
    skep_isa::decode(bytes).map_err(|source| ObjError::Insn {
        func: symbol.name.into(),
        section: section.name.into(),
        start: symbol.value,
        source,
    })
}

/// Decodes with `goto +0` in the place of what is no instruction, and says what the first of those is.
fn decode_around(bytes: &[u8]) -> (Insns, Option<NoInsn>) {
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut raws = chunks.iter().map(|&chunk| RawInsn::from_le_bytes(chunk)).peekable();
    let (mut insns, mut first) = (Insns::default(), None);
    while let Some(raw) = raws.next() {
        match Insn::decode(raw, raws.peek().copied()) {
            Ok(insn) => {
                insns.push(insn);
                if insn.slots() == 2 {
                    raws.next();
                }
            }
            Err(source) => {
                let pc = insns.push(Insn::Jump { off: 0 });
                first.get_or_insert(NoInsn { pc, raw, source });
            }
        }
    }
    (insns, first)
}
