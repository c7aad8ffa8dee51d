//! From the bytes of an object to its image.

use crate::budget::Budget;
use crate::elf::Elf;
use crate::externs::Externs;
use crate::func::{Func, Funcs, NoInsn, Undecodable};
use crate::map::Maps;
use crate::reloc::Known;
use crate::{ObjError, arena, data, exception, lines, link, map, reloc, statics, struct_ops};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::size_of;
use skep_abi::{ProgType, Section};
use skep_btf::{Btf, BtfExt, ByteOrder};
use skep_isa::{DecodeError, Pc, RawInsn};
use skep_prog::{Image, Initial, Prog, check_flow};

/// Section of functions that are no programs by themselves.
pub(crate) const TEXT: &str = ".text";

/// Makes an image of a relocatable BPF object.
///
/// Programs are the global functions of the sections that [`Section::find`] knows, in the order of
/// the file. Behind each stand the functions it needs, each once. If the only code is in `.text`,
/// its global functions are programs of type [`ProgType::Unspec`].
///
/// # Errors
/// [`ObjError`]; it names the place and, where a kernel is needed to go on, what for.
///
/// ```
/// # let bytes = include_bytes!("../../../corpus/obj/basic.clang19.o");
/// let image = skep_obj::parse(bytes).unwrap();
/// assert_eq!(image.prog("count").unwrap().section, "xdp");
/// assert_eq!(image.maps[0].name, "flows");
/// ```
pub fn parse(bytes: &[u8]) -> Result<Image, ObjError> {
    read(bytes, Undecodable::Refused).map(|(image, _)| image)
}

/// A program that holds what is no instruction.
#[derive(Clone, Debug)]
pub struct Undecoded {
    /// The program, with `goto +0` where it does not decode.
    pub prog: Prog,
    /// The first slot that is no instruction.
    pub pc: Pc,
    /// What stands there.
    pub raw: RawInsn,
    /// Why it is no instruction.
    pub source: DecodeError,
    /// Programs of the image that stand before it in the file.
    pub at: usize,
}

/// As [`parse`], but a program that is broken does not stand in the way of the others: those that do not
/// decode are returned beside the image, and jumps are not looked at.
///
/// For those who judge programs, one by one, as kernels do.
///
/// # Errors
/// [`ObjError`] where the object as a whole is malformed.
pub fn parse_each(bytes: &[u8]) -> Result<(Image, Vec<Undecoded>), ObjError> {
    read(bytes, Undecodable::Marked)
}

fn read(bytes: &[u8], undecodable: Undecodable) -> Result<(Image, Vec<Undecoded>), ObjError> {
    let elf = Elf::read(bytes)?;
    if elf.order == ByteOrder::Big {
        return Err(ObjError::BigEndian);
    }
    let mut budget = Budget::new(bytes.len());
    let mut btf = btf(&elf)?;
    let externs = Externs::collect(&elf, btf.as_ref())?;

    let mut maps = Maps::default();
    map::collect(&elf, btf.as_ref(), &mut maps)?;
    data::collect(&elf, btf.as_ref(), &mut maps)?;
    arena::place(&elf, &mut maps)?;
    let kconfig = externs.map(btf.as_mut()).map(|def| maps.add(def));
    struct_ops::collect(&elf, btf.as_ref(), &mut maps, &mut budget)?;

    let mut funcs = Funcs::collect(&elf, undecodable)?;
    if let (Some(btf), Some((_, section))) = (&btf, elf.section(".BTF.ext")) {
        let ext = BtfExt::parse(section.data, btf).map_err(|source| ObjError::Btf {
            section: ".BTF.ext",
            at: section.at,
            source,
        })?;
        lines::attach(&elf, btf, &ext, &mut funcs, &mut budget)?;
    }
    if let Some(btf) = &mut btf {
        let hidden = funcs.list.iter().filter(|func| func.hidden && !func.local);
        for func in hidden.filter_map(|func| func.type_id) {
            btf.hide_func(func);
        }
    }
    let known = Known { maps: &maps, externs: &externs, kconfig };
    reloc::relocate(&elf, &mut funcs, &known)?;
    statics::fill(&elf, &funcs, &mut maps, &mut budget)?;
    struct_ops::fill(&elf, btf.as_ref(), &funcs, &mut maps, &mut budget)?;

    let callbacks = exception::callbacks(&elf, btf.as_ref(), &funcs)?;
    let (progs, undecoded) = progs(&elf, &funcs, &callbacks, &externs, &mut budget, undecodable)?;
    let image = Image {
        progs,
        maps: maps.defs,
        license: license(&elf),
        btf: btf.map(Arc::new),
        kconfig: externs.kconfig,
    };
    initial_progs(&image, &undecoded)?;
    Ok((image, undecoded))
}

/// The types, with variables where the object has them.
fn btf(elf: &Elf<'_>) -> Result<Option<Btf>, ObjError> {
    let Some((_, section)) = elf.section(".BTF") else { return Ok(None) };
    let mut btf = Btf::parse(section.data).map_err(|source| ObjError::Btf {
        section: ".BTF",
        at: section.at,
        source,
    })?;
    data::place_vars(elf, &mut btf);
    Ok(Some(btf))
}

/// Functions that are no programs by themselves cannot be in a prog array.
fn initial_progs(image: &Image, undecoded: &[Undecoded]) -> Result<(), ObjError> {
    let broken = undecoded.iter().map(|one| &one.prog);
    let known: BTreeSet<&str> =
        image.progs.iter().chain(broken).map(|prog| prog.name.as_str()).collect();
    for map in &image.maps {
        let Initial::Progs(progs) = &map.initial else { continue };
        if let Some((index, func)) = progs.iter().find(|(_, name)| !known.contains(&**name)) {
            let (map, func) = (map.name.clone(), func.clone());
            return Err(ObjError::InitialProg { map, index: *index, func });
        }
    }
    Ok(())
}

fn license(elf: &Elf<'_>) -> String {
    let data = elf.section("license").map_or(&[][..], |(_, section)| section.data);
    let text = data.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn progs(
    elf: &Elf<'_>,
    funcs: &Funcs<'_>,
    callbacks: &BTreeMap<&str, Option<usize>>,
    externs: &Externs<'_>,
    budget: &mut Budget,
    undecodable: Undecodable,
) -> Result<(Vec<Prog>, Vec<Undecoded>), ObjError> {
    let section = |func: &Func<'_>| elf.sections.get(func.section).map_or("", |s| s.name);
    let only_text = funcs.list.iter().all(|func| section(func) == TEXT);
    let (mut progs, mut undecoded) = (Vec::new(), Vec::new());
    for (index, func) in funcs.list.iter().enumerate() {
        let section = section(func);
        let (prog_type, attach_type) = match Section::find(section) {
            Some((row, _)) => (row.prog_type, row.attach_type),
            None if section != TEXT => return Err(unknown(section)),
            None if only_text => (ProgType::Unspec, None),
            None => continue,
        };
        if !func.local {
            let callback = callbacks.get(func.name).copied().flatten();
            let linked = link::link(index, callback, funcs, externs, budget)?;
            let broken = linked.undecoded(funcs);
            let mut prog = Prog::new(func.name, prog_type, linked.insns);
            prog.section = section.into();
            prog.attach_type = attach_type;
            prog.subprogs = linked.subprogs;
            prog.lines = linked.lines.into();
            prog.externs = linked.externs;
            prog.core_relocs = linked.core_relocs;
            if undecodable == Undecodable::Refused {
                check_flow(&prog.insns)
                    .map_err(|source| ObjError::Flow { prog: func.name.into(), source })?;
            }
            budget.spend(size_of::<Prog>().saturating_add(section.len()))?;
            match broken {
                None => progs.push(prog),
                Some(NoInsn { pc, raw, source }) => {
                    undecoded.push(Undecoded { prog, pc, raw, source, at: progs.len() });
                }
            }
        }
    }
    Ok((progs, undecoded))
}

/// The section name that was probably meant is the one with the fewest changes; of those, one as
/// long.
fn unknown(section: &str) -> ObjError {
    let whole = section.strip_prefix('?').unwrap_or(section);
    let base = whole.split('/').next().unwrap_or(whole);
    let near = skep_abi::SECTIONS.iter().min_by_key(|row| {
        let name = if row.takes_target { base } else { whole };
        (changes(name, row.name), name.len().abs_diff(row.name.len()))
    });
    let near = near.map_or("", |row| row.name);
    ObjError::UnknownSection { section: section.into(), near }
}

/// Insertions, deletions and replacements that make `a` of `b` (Levenshtein).
fn changes(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        for (j, y) in b.bytes().enumerate() {
            let above = row.get(j.saturating_add(1)).copied().unwrap_or(usize::MAX);
            let replaced = diagonal.saturating_add(usize::from(x != y));
            let here = replaced.min(above.saturating_add(1)).min(left.saturating_add(1));
            diagonal = above;
            if let Some(cell) = row.get_mut(j) {
                *cell = left;
            }
            left = here;
        }
        if let Some(cell) = row.get_mut(b.len()) {
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}
