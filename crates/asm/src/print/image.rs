//! A whole image as text that gives the same image again.

use super::name::{name, quoted};
use super::{Dialect, Operands, insn_text};
use crate::data::KINDS;
use skep_abi::Section;
use skep_isa::{Call, ImmSrc, Insn, Pc};
use skep_prog::{DataKind, Image, Initial, LineInfo, MapDef, Prog, targets};
use std::collections::{BTreeMap, BTreeSet};

/// How to print.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrintOptions {
    /// How instructions are written.
    pub dialect: Dialect,
    /// Source lines as comments above their instructions.
    pub source: bool,
}

/// The image as text: licence, maps, data, programs with labels.
///
/// Reading the text gives the image again but for line information, BTF and names of labels.
#[must_use]
pub fn print(image: &Image, options: &PrintOptions) -> String {
    let mut out = Vec::new();
    if !image.license.is_empty() {
        out.push(format!(".license {}", quoted(image.license.as_bytes())));
    }
    for map in &image.maps {
        match map.data {
            Some(kind) => print_data(&mut out, map, kind),
            None => out.push(format!(".map {}, {}", name(&map.name), definition(map))),
        }
    }
    for prog in &image.progs {
        if !out.is_empty() {
            out.push(String::new());
        }
        print_prog(&mut out, prog, &image.maps, options);
    }
    out.push(String::new());
    out.join("\n")
}

/// Type and parameters of a map.
fn definition(map: &MapDef) -> String {
    let mut out = map.map_type.to_string();
    let plain = MapDef::new("", map.map_type, 0, 0, 0);
    let mut add = |key: &str, value: u64, default: u64| {
        if value != default {
            out += &format!(", {key}={value}");
        }
    };
    add("key", map.key_size.into(), 0);
    add("value", map.value_size.into(), 0);
    add("entries", map.max_entries.into(), 0);
    add("numa", map.numa_node.into(), 0);
    add("extra", map.map_extra, 0);
    if map.flags != plain.flags {
        out += &format!(", flags={:#x}", map.flags);
    }
    if map.pinned {
        out += ", pinned";
    }
    if let Some(inner) = &map.inner {
        out += &format!(", inner=({}", definition(inner));
        if inner.name != format!("{}.inner", map.name) {
            out += &format!(", name={}", name(&inner.name));
        }
        out += ")";
    }
    if let Initial::Progs(members) | Initial::Maps(members) = &map.initial {
        for (index, member) in members {
            out += &format!(", {index}={}", name(member));
        }
    }
    out
}

fn print_data(out: &mut Vec<String>, map: &MapDef, kind: DataKind) {
    let row = KINDS.iter().find(|row| row.1 == kind);
    let &(directive, _, flags) = row.expect("bug: a kind of data has no directive");
    let mut line = format!("{directive} {}", name(&map.name));
    if map.flags != flags {
        line += &format!(", flags={:#x}", map.flags);
    }
    out.push(line);
    let bytes: &[u8] = if let Initial::Value(bytes) = &map.initial { bytes } else { &[] };
    print_bytes(out, bytes);
    let rest = (map.value_size as usize).saturating_sub(bytes.len());
    if rest > 0 {
        out.push(format!("    .zero {rest}"));
    }
}

/// Text as text, many zeroes as a number, the rest as numbers.
fn print_bytes(out: &mut Vec<String>, mut bytes: &[u8]) {
    let printable = |&byte: &u8| byte == b'\n' || (b' '..0x7f).contains(&byte);
    let run = |bytes: &[u8], what: &dyn Fn(&u8) -> bool| {
        bytes.iter().position(|byte| !what(byte)).unwrap_or(bytes.len())
    };
    while !bytes.is_empty() {
        let (text, zeroes) = (run(bytes, &printable), run(bytes, &|&byte| byte == 0));
        let len = if text >= 4 {
            let zero = bytes.get(text) == Some(&0);
            let directive = if zero { ".asciz" } else { ".ascii" };
            out.push(format!("    {directive} {}", quoted(&bytes[..text])));
            text + usize::from(zero)
        } else if zeroes >= 8 {
            out.push(format!("    .zero {zeroes}"));
            zeroes
        } else {
            let len = (1..bytes.len().min(8))
                .find(|&at| {
                    run(&bytes[at..], &printable) >= 4 || run(&bytes[at..], &|&b| b == 0) >= 8
                })
                .unwrap_or(bytes.len().min(8));
            let numbers: Vec<_> = bytes[..len].iter().map(u8::to_string).collect();
            out.push(format!("    .byte {}", numbers.join(", ")));
            len
        };
        bytes = &bytes[len..];
    }
}

fn print_prog(out: &mut Vec<String>, prog: &Prog, maps: &[MapDef], options: &PrintOptions) {
    out.push(section(prog));
    let labels = labels(prog);
    let called = called(prog);
    let funcs: BTreeSet<Pc> = prog.subprogs.iter().map(|sub| sub.start).collect();
    let mut lines = prog.lines.iter().peekable();
    for (pc, insn) in prog.insns.iter() {
        if options.source {
            while let Some(line) = lines.next_if(|line| line.pc <= pc) {
                out.extend(source_line(line));
            }
        }
        if let Some(label) = labels.get(&pc) {
            if funcs.contains(&pc) && pc != Pc(0) && !called.contains(&pc) {
                out.push(format!(".type {}, @function", name(label)));
            }
            out.push(format!("{}:", name(label)));
        }
        let operands = Operands { dialect: options.dialect, maps, labels: Some((pc, &labels)) };
        out.push(format!("    {}", insn_text(&insn, &operands)));
    }
}

/// `.section "xdp"`, with the type where the name does not say it.
fn section(prog: &Prog) -> String {
    let mut out = format!(".section {}", quoted(prog.section.as_bytes()));
    let says = Section::find(&prog.section).map(|(row, _)| (row.prog_type, row.attach_type));
    if says != Some((prog.prog_type, prog.attach_type)) {
        out += &format!(", type={}", prog.prog_type);
        if let Some(attach) = prog.attach_type {
            out += &format!(", attach={attach}");
        }
    }
    out
}

/// Where functions start because something refers to them.
fn called(prog: &Prog) -> BTreeSet<Pc> {
    let target = |(pc, insn): (Pc, Insn)| match insn {
        Insn::Call(Call::Local(off)) | Insn::LoadImm { imm: ImmSrc::Func(off), .. } => pc.jump(off),
        _ => None,
    };
    prog.insns.iter().filter_map(target).collect()
}

/// A name for each slot that needs one: the program's, those of its functions, and invented ones.
/// Linked files may have static functions of one name, of which all but the first get another.
fn labels(prog: &Prog) -> BTreeMap<Pc, String> {
    let mut labels = BTreeMap::from([(Pc(0), prog.name.clone())]);
    let mut taken = BTreeSet::from([prog.name.clone()]);
    let mut add = |labels: &mut BTreeMap<_, _>, pc: Pc, mut label: String, other: &str| {
        if labels.contains_key(&pc) {
            return;
        }
        while !taken.insert(label.clone()) {
            label += other;
        }
        labels.insert(pc, label);
    };
    for sub in &prog.subprogs {
        add(&mut labels, sub.start, sub.name.clone(), &format!(".{}", sub.start));
    }
    let called = called(prog);
    for pc in targets(&prog.insns).into_iter().filter(|&pc| prog.insns.get(pc).is_some()) {
        let label = if called.contains(&pc) { format!("func_{pc}") } else { format!("L{pc}") };
        add(&mut labels, pc, label, "_");
    }
    labels
}

/// `; text @ file:line`
pub(super) fn source_line(line: &LineInfo) -> Option<String> {
    let text = line.text.trim();
    if text.is_empty() {
        return None;
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let file: String = line.file.chars().filter(|c| !c.is_control()).collect();
    Some(format!("; {text} @ {file}:{}", line.line))
}
