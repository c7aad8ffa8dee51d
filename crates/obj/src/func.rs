//! Functions of the executable sections, as they stand in the object.

use crate::ObjError;
use crate::elf::{Elf, Place, Section, Symbol};
use alloc::vec::Vec;
use skep_btf::TypeId;
use skep_isa::{Insns, Pc};
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

/// All functions by section and start. No two overlap.
pub(crate) struct Funcs<'a> {
    pub(crate) list: Vec<Func<'a>>,
}

impl<'a> Funcs<'a> {
    pub(crate) fn collect(elf: &Elf<'a>) -> Result<Self, ObjError> {
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
            list.push(Func::new(index, section, symbol, next.map(|&(_, next)| next))?);
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
        Ok(Self {
            name: symbol.name,
            section: index,
            start: symbol.value,
            local: symbol.local,
            hidden: symbol.hidden,
            insns: decode(bytes, symbol, section)?,
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
