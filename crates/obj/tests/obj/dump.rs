//! Objects of three compilers, and what becomes of them.
//!
//! `corpus/obj/NAME.o` must give `corpus/obj/NAME.txt`: the image, or the error. `UPDATE=1` rewrites
//! the texts.

use crate::chain;
use skep_btf::fixup::{CoreKind, spell};
use skep_btf::{Body, Btf, TypeId};
use skep_isa::{Call, ImmSrc, Insn, Pc};
use skep_obj::ObjError;
use skep_prog::{Extern, Image, Initial, MapDef, Prog};
use std::fmt::{Display, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn objects(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|err| panic!("{}: {err}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "o"));
    paths.sort();
    assert!(!paths.is_empty(), "{}: no objects", dir.display());
    paths
}

#[test]
fn objects_become_the_images_on_file() {
    let mut failures = Vec::new();
    for object in objects(&root().join("corpus/obj")) {
        let got = dump(skep_obj::parse(&fs::read(&object).unwrap()));
        let text = object.with_extension("txt");
        if env::var_os("UPDATE").is_some() {
            fs::write(&text, &got).unwrap();
        }
        let want = fs::read_to_string(&text).unwrap_or_default();
        if got != want {
            failures.push(format!("{}\n--- want\n{want}--- got\n{got}", object.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn examples_become_images() {
    for object in objects(&root().join("examples")) {
        let image = skep_obj::parse(&fs::read(&object).unwrap());
        let image = image.unwrap_or_else(|err| panic!("{}: {}", object.display(), chain(&err)));
        assert!(!image.progs.is_empty(), "{}", object.display());
        for prog in &image.progs {
            assert!(!prog.lines.is_empty(), "{}: {}", object.display(), prog.name);
        }
    }
}

fn dump(image: Result<Image, ObjError>) -> String {
    let image = match image {
        Ok(image) => image,
        Err(err) => return format!("error: {}\n", chain(&err)),
    };
    let mut out = String::new();
    writeln!(out, "license {:?}", image.license).unwrap();
    for map in &image.maps {
        dump_map(&mut out, map, image.btf.as_deref(), "map");
    }
    for var in &image.kconfig {
        let weak = if var.weak { ", weak" } else { "" };
        let ty = ty(image.btf.as_deref(), Some(var.type_id));
        writeln!(out, "  {} at {}, {ty}{weak}", var.name, var.at).unwrap();
    }
    for prog in &image.progs {
        dump_prog(&mut out, prog, &image);
    }
    out
}

fn dump_map(out: &mut String, map: &MapDef, btf: Option<&Btf>, what: &str) {
    writeln!(out, "\n{what} {}: {}", map.name, map.map_type).unwrap();
    let (key, value) = (ty(btf, map.key_type), ty(btf, map.value_type));
    writeln!(out, "  key {} {key}, value {} {value}", map.key_size, map.value_size).unwrap();
    let flags = map.flags;
    writeln!(out, "  max_entries {}, flags {flags:#x}, node {}", map.max_entries, map.numa_node)
        .unwrap();
    writeln!(out, "  extra {}, pinned {}, data {:?}", map.map_extra, map.pinned, map.data).unwrap();
    match &map.initial {
        Initial::Empty => {}
        Initial::Value(bytes) => writeln!(out, "  = {}", hex(bytes)).unwrap(),
        Initial::StructOps(ops) => {
            writeln!(out, "  = {}, optional {}", hex(&ops.value), ops.optional).unwrap();
            for (at, prog) in &ops.progs {
                writeln!(out, "  at {at} {prog}").unwrap();
            }
        }
        Initial::Progs(named) | Initial::Maps(named) => {
            for (index, name) in named {
                writeln!(out, "  [{index}] = {name}").unwrap();
            }
        }
    }
    let section = map.value_type.filter(|_| map.data.is_some());
    let section = btf.zip(section).and_then(|(btf, id)| Some((btf, btf.get(id)?.body)));
    if let Some((btf, Body::Datasec { size, vars })) = section {
        writeln!(out, "  {size} bytes of variables").unwrap();
        for var in vars.iter() {
            writeln!(out, "  {} at {}", btf.get(var.var).unwrap().name, var.off).unwrap();
        }
    }
    if let Some(inner) = &map.inner {
        dump_map(out, inner, btf, "inner");
    }
}

fn ty(btf: Option<&Btf>, id: Option<TypeId>) -> String {
    let ty = id.and_then(|id| btf?.get(id));
    ty.map_or("-".into(), |ty| format!("{} {:?}", ty.kind(), ty.name))
}

fn dump_prog(out: &mut String, prog: &Prog, image: &Image) {
    let attach = prog.attach_type.map_or("-".into(), |attach| attach.to_string());
    writeln!(out, "\nprog {}: {:?}, {}, {attach}", prog.name, prog.section, prog.prog_type)
        .unwrap();
    let functions: Vec<String> = prog
        .subprogs
        .iter()
        .map(|sub| format!("{} {} {}", sub.start, sub.name, ty(image.btf.as_deref(), sub.type_id)))
        .collect();
    writeln!(out, "  functions {}", functions.join(", ")).unwrap();
    for ext in &prog.externs {
        let weak = if ext.weak { ", weak" } else { "" };
        writeln!(out, "  extern {}, {}{weak}", ext.name, ty(image.btf.as_deref(), ext.type_id))
            .unwrap();
    }
    for core in &prog.core_relocs {
        let btf = image.btf.as_deref().unwrap();
        let kind = CoreKind::new(core.kind).unwrap();
        let what = spell(btf, core.ty, core.access, core.kind);
        writeln!(out, "  insn {} holds {kind} of {what}", core.pc).unwrap();
    }
    for (pc, insn) in prog.insns.iter() {
        if let Some(line) = prog.lines.iter().find(|line| line.pc == pc) {
            let file = line.file.rsplit('/').next().unwrap();
            writeln!(out, "  {file}:{}:{}: {}", line.line, line.col, line.text.trim()).unwrap();
        }
        let at = |off| pc.jump(off).unwrap();
        let target = |off| name(prog, at(off));
        let map = |idx| &image.maps[usize::try_from(idx).unwrap()].name;
        let ext = |id| &prog.externs[usize::try_from(id).unwrap()].name;
        match insn {
            Insn::Call(Call::Local(off)) => show(out, pc, "call", target(off)),
            Insn::LoadImm { imm: ImmSrc::Func(off), .. } => show(out, pc, "address", target(off)),
            Insn::Call(Call::Kfunc { id, module: Extern::MODULE }) => {
                show(out, pc, "kernel's", ext(id));
            }
            Insn::LoadImm { imm: ImmSrc::BtfId { id, fd: Extern::FD }, .. } => {
                show(out, pc, "address of kernel's", ext(id));
            }
            Insn::LoadImm { imm: ImmSrc::MapIdx(idx), .. } => {
                show(out, pc, "map", map(idx));
            }
            Insn::LoadImm { imm: ImmSrc::MapIdxValue { idx, at }, .. } => {
                show(out, pc, &format!("byte {at} of"), map(idx));
            }
            _ => {}
        }
    }
    let bytes = prog.insns.to_le_bytes();
    for (pc, slot) in bytes.chunks(8).enumerate() {
        writeln!(out, "  {pc:>3} {}", hex(slot)).unwrap();
    }
}

fn show(out: &mut String, pc: Pc, what: &str, name: impl Display) {
    writeln!(out, "    insn {pc}: {what} {name}").unwrap();
}

fn name(prog: &Prog, start: Pc) -> &str {
    let sub = prog.subprogs.iter().find(|sub| sub.start == start);
    &sub.unwrap_or_else(|| panic!("{}: no function at {start}", prog.name)).name
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
