//! For people: a table for each kind of thing.

use super::facts::{Facts, Runs, unique};
use super::type_name::type_name;
use crate::failure::visible;
use crate::table::{Align, Cell, Table, thousands};
use crate::term::Out;
use anstyle::Style;
use skep_obj::{Layout, SectionInfo};
use skep_prog::{Image, MapDef, Prog};
use std::io::{self, Write};
use std::path::Path;

pub(super) fn write(
    name: &Path,
    facts: &Facts<'_>,
    image: &Image,
    out: &mut Out<'_>,
) -> io::Result<()> {
    let kind = if facts.layout.is_some() { "ELF object" } else { "assembly text" };
    let license = match image.license.as_str() {
        "" => "no license".to_string(),
        license => format!("license {}", visible(license)),
    };
    let types = match image.btf.as_deref().map_or(0, skep_btf::Btf::len) {
        0 => "no BTF".to_string(),
        types => format!("{} BTF types", thousands(types as u64)),
    };
    let name = format!("{}:", visible(&name.to_string_lossy()));
    let rest = format!("{kind}, {license}, {types}");
    out.wrapped(0, &[(out.style.name, &name), (Style::new(), &rest)])?;
    if let Some(layout) = facts.layout {
        writeln!(out)?;
        sections(layout, out)?;
    }
    if !image.progs.is_empty() {
        writeln!(out)?;
        progs(facts, image, out)?;
    }
    if !image.maps.is_empty() {
        writeln!(out)?;
        maps(image, out)?;
    }
    writeln!(out)?;
    needs(facts, image, out)
}

/// Sections with content; symbols and relocations are for linkers.
pub(super) fn sections(layout: &Layout, out: &mut Out<'_>) -> io::Result<()> {
    let mut table = Table::new(vec![Align::Left, Align::Left, Align::Right, Align::Left]);
    table.head(["sections", "kind", "bytes", ""], out.style.faint);
    let has_content = |section: &&SectionInfo| {
        section.size > 0 && matches!(&*section.kind, "progbits" | "nobits")
    };
    for section in layout.sections.iter().filter(has_content) {
        let cells = [
            visible(&section.name),
            section.kind.to_string(),
            thousands(section.size),
            flags(section),
        ];
        table.row(cells.map(Cell::from).into());
    }
    table.write(out, 0)
}

/// What a loader makes of it.
fn flags(section: &SectionInfo) -> String {
    let flag = match (section.alloc, section.code, section.write) {
        (true, true, _) => "code",
        (true, _, true) => "writable",
        (true, ..) => "constant",
        (false, ..) => "",
    };
    flag.to_string()
}

fn progs(facts: &Facts<'_>, image: &Image, out: &mut Out<'_>) -> io::Result<()> {
    use Align::{Left, Right};
    let mut table = Table::new(vec![Left, Left, Left, Right, Right, Left]);
    let head = ["programs", "section", "type", "insns", "subprogs", "runs here"];
    table.head(head, out.style.faint);
    let (good, bad) = (out.style.good, out.style.bad);
    for (prog, runs) in image.progs.iter().zip(&facts.runs) {
        let cells = [
            visible(&prog.name),
            visible(&prog.section),
            prog_type(prog),
            thousands(prog.insns.len() as u64),
            prog.subprogs.len().saturating_sub(1).to_string(),
        ];
        let mut row: Vec<Cell> = cells.map(Cell::from).into();
        row.push(match runs {
            Runs::With(options) if options.is_empty() => Cell { text: "yes".into(), style: good },
            Runs::With(options) => {
                Cell { text: format!("yes, with {}", options.join(" and ")), style: good }
            }
            Runs::No(_) => Cell { text: "no".into(), style: bad },
        });
        table.row(row);
    }
    table.write(out, 0)?;
    for (option, what) in OPTIONS {
        let is_it = |runs: &Runs| matches!(runs, Runs::With(all) if all.contains(&option));
        if facts.runs.iter().any(is_it) {
            out.wrapped(0, &[(good, &format!("{option}:")), (Style::new(), what)])?;
        }
    }
    for runs in &facts.runs {
        if let Runs::No(why) = runs {
            out.wrapped(0, &[(bad, "no:"), (Style::new(), &visible(why))])?;
        }
    }
    Ok(())
}

/// Options of `skep run` for what programs depend on.
const OPTIONS: [(&str, &str); 2] = [
    (
        "--btf",
        "the types of the kernel that the program is for; those of the running one by default",
    ),
    ("--kconfig", "the configuration of that kernel; that of the running one by default"),
];

fn prog_type(prog: &Prog) -> String {
    match prog.attach_type {
        Some(attach) if attach.name() != prog.prog_type.name() => {
            format!("{} ({attach})", prog.prog_type)
        }
        _ => prog.prog_type.to_string(),
    }
}

fn maps(image: &Image, out: &mut Out<'_>) -> io::Result<()> {
    use Align::{Left, Right};
    let mut table = Table::new(vec![Left, Left, Left, Left, Right, Left]);
    table.head(["maps", "type", "key", "value", "entries", "flags"], out.style.faint);
    for map in &image.maps {
        let cells = [
            visible(&map.name),
            map.map_type.to_string(),
            shape(image, map.key_size, map.key_type),
            shape(image, map.value_size, map.value_type),
            thousands(map.max_entries.into()),
            map_flags(map),
        ];
        table.row(cells.map(Cell::from).into());
    }
    table.write(out, 0)
}

/// The type, or the number of bytes where there is none.
fn shape(image: &Image, size: u32, ty: Option<skep_btf::TypeId>) -> String {
    let name = image.btf.as_deref().zip(ty).and_then(|(btf, ty)| type_name(btf, ty));
    match (name, size) {
        (Some(name), _) => visible(&name),
        (None, 0) => "–".to_string(),
        (None, size) => format!("{size} bytes"),
    }
}

fn map_flags(map: &MapDef) -> String {
    let flags = (map.flags != 0).then(|| format!("{:#x}", map.flags));
    let pinned = map.pinned.then(|| "pinned".to_string());
    flags.into_iter().chain(pinned).collect::<Vec<_>>().join(", ")
}

fn needs(facts: &Facts<'_>, image: &Image, out: &mut Out<'_>) -> io::Result<()> {
    let helpers: Vec<&str> = facts.helpers.iter().map(|(_, name)| name.as_str()).collect();
    let kfuncs = if facts.kfuncs { vec!["yes"] } else { Vec::new() };
    let rows = [
        ("program types", unique(image.progs.iter().map(|prog| prog.prog_type.name()))),
        ("map types", unique(image.maps.iter().map(|map| map.map_type.name()))),
        ("helpers", helpers),
        ("kernel functions", kfuncs),
    ];
    let faint = out.style.faint;
    for (what, names) in rows.iter().filter(|(_, names)| !names.is_empty()) {
        out.wrapped(0, &[(faint, &format!("needs {what}:")), (Style::new(), &names.join(", "))])?;
    }
    Ok(())
}
