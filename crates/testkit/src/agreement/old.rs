//! The kernel's old table of verifier tests, `tools/testing/selftests/bpf/verifier/*.c`.
//!
//! Its cases are instructions written as C initialisers, with fix-ups that only the code around them
//! understands. A driver (`old_cases.c`) includes that code, lets it make the maps and prints what each
//! case has become.

use crate::agreement::subject::{Raw, image_hash};
use crate::agreement::{Corpus, Expect, Subject, Target};
use serde_json::Value;
use skep_abi::{AttachType, MapType, ProgType};
use skep_btf::{Btf, Kind, TypeId};
use skep_isa::{Insns, RawInsn};
use skep_prog::{Image, Initial, MapDef, Prog};
use skep_sys::FuncInfo;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{fs, io};

const DRIVER: &str = include_str!("old_cases.c");

/// Builds and runs the driver; returns the file with the cases.
///
/// # Errors
/// If a tool fails.
pub fn dump(corpus: &Corpus) -> io::Result<PathBuf> {
    let cases = corpus.out.join("old.cases");
    if cases.exists() {
        return Ok(cases);
    }
    let dir = corpus.out.join("old");
    fs::create_dir_all(dir.join("verifier"))?;
    let tests = corpus.tests();
    let mut sources: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(tests.join("verifier"))? {
        sources.push(entry?.path());
    }
    sources.retain(|path| path.extension().is_some_and(|ext| ext == "c"));
    sources.sort();
    let list: String = sources.iter().map(|path| included(path)).collect();
    fs::write(dir.join("verifier/tests.h"), list)?;
    fs::write(dir.join("cases.c"), DRIVER)?;
    let program = dir.join("cases");
    let mut gcc = Command::new("gcc");
    gcc.args(["-w", "-O1", "-D_GNU_SOURCE", "-I"]).arg(&dir).arg("-I").arg(corpus.headers());
    gcc.arg("-I").arg(&tests).arg("-I").arg(corpus.source.join("tools/include"));
    gcc.arg("-I").arg(corpus.source.join("tools/include/uapi"));
    gcc.arg(dir.join("cases.c")).arg("-o").arg(&program).arg("-lbpf");
    run(&mut gcc)?;
    fs::write(&cases, run(&mut Command::new(&program))?)?;
    Ok(cases)
}

/// A case that is none tells which file the following come from.
fn included(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{{ .descr = \"@file {name}\" }},\n#include \"{}\"\n", path.display())
}

fn run(command: &mut Command) -> io::Result<Vec<u8>> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!("{command:?}: {text}")))
        }
    }
}

/// The cases as subjects.
///
/// # Errors
/// If the file cannot be read or a line is none of the driver's.
pub fn old(cases: &Path, target: &Target) -> io::Result<Vec<Subject>> {
    let text = fs::read_to_string(cases)?;
    let mut all: Vec<Subject> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let bad = || io::Error::other(format!("{}:{}: not a case", cases.display(), at + 1));
        let value: Value = serde_json::from_str(line).map_err(io::Error::other)?;
        let mut subject = subject(&value, target).ok_or_else(bad)?;
        let twins = all.iter().filter(|other| other.name == subject.name).count();
        if twins > 0 {
            subject.name = format!("{} ({})", subject.name, twins + 1);
        }
        all.push(subject);
    }
    Ok(all)
}

fn subject(value: &Value, target: &Target) -> Option<Subject> {
    let int = |key: &str| u32::try_from(value[key].as_u64()?).ok();
    let prog_type = ProgType::from_number(int("prog_type")?)?;
    let (file, descr) = (value["file"].as_str()?, value["descr"].as_str()?);
    let insns: Vec<RawInsn> = {
        let bytes = hex(value["insns"].as_str()?)?;
        bytes.as_chunks::<8>().0.iter().map(|&chunk| RawInsn::from_le_bytes(chunk)).collect()
    };
    let pairs = |key: &str| -> Option<Vec<(usize, usize)>> {
        let pair = |pair: &Value| {
            Some((
                usize::try_from(pair[0].as_u64()?).ok()?,
                usize::try_from(pair[1].as_u64()?).ok()?,
            ))
        };
        value[key].as_array().map_or(Some(Vec::new()), |list| list.iter().map(pair).collect())
    };
    let uses = pairs("uses")?;
    let funcs = pairs("funcs")?.into_iter().map(|(insn_off, type_id)| {
        let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
        FuncInfo { insn_off: number(insn_off), type_id: number(type_id) }
    });
    let funcs: Vec<FuncInfo> = funcs.collect();

    let mut types = value["btf"].as_str().and_then(hex);
    let mut maps = Vec::new();
    for (at, map) in value["maps"].as_array()?.iter().enumerate() {
        types = types.or_else(|| map["btf"].as_str().and_then(hex));
        maps.push(map_def(map, at)?);
    }
    let (decoded, undecoded) = match Insns::decode(indexed(&insns, &uses)) {
        Ok(insns) => (insns, None),
        Err(err) => (Insns::default(), Some(err)),
    };
    let mut prog = Prog::new(descr, prog_type, decoded);
    prog.attach_type = attach_type(prog_type, int("attach_type")?);
    prog.subprogs = funcs
        .iter()
        .map(|func| skep_prog::Subprog {
            name: format!("f{}", func.insn_off),
            start: skep_isa::Pc(func.insn_off),
            type_id: Some(TypeId(func.type_id)),
        })
        .collect();
    let expect = Expect {
        privileged: Some(value["result"] != 2),
        unprivileged: match value["result_unpriv"].as_u64()? {
            0 => Some(value["result"] != 2),
            result => Some(result != 2),
        },
        flags: 0,
    };
    let image = Image {
        progs: vec![prog],
        maps,
        license: "GPL".into(),
        btf: match types {
            Some(bytes) => Some(Arc::new(Btf::parse(&bytes).ok()?)),
            None => None,
        },
        ..Image::default()
    };
    let attach = match value["kfunc"].as_str()? {
        "" => Ok(None),
        _ if value["module"] == 1 => Err("a function of a module".into()),
        name => attach(prog_type, int("attach_type")?, name, target),
    };
    Some(Subject {
        file: file.into(),
        name: format!("{file}#{descr}"),
        image_hash: image_hash(&image),
        image: Arc::new(image),
        prog: 0,
        flags: int("flags")?,
        attach,
        target: None,
        member: None,
        expect,
        raw: Some(Raw { insns, uses, funcs, undecoded }),
    })
}

/// Maps by their position in the image, as in any other.
fn indexed(insns: &[RawInsn], uses: &[(usize, usize)]) -> Vec<RawInsn> {
    let mut insns = insns.to_vec();
    for &(pc, map) in uses {
        if let Some(insn) = insns.get_mut(pc) {
            // `BPF_PSEUDO_MAP_FD` and `…_VALUE` become `BPF_PSEUDO_MAP_IDX` and `…_IDX_VALUE`.
            let src = insn.src() + 4;
            insn.regs = insn.dst() | src << 4;
            insn.imm = i32::try_from(map).unwrap_or(-1);
        }
    }
    insns
}

/// The number 0 is an attach type only for programs that have one.
fn attach_type(prog_type: ProgType, number: u32) -> Option<AttachType> {
    let takes_none = number == 0 && prog_type != ProgType::CgroupSkb;
    AttachType::from_number(number).filter(|_| !takes_none)
}

fn attach(
    prog_type: ProgType,
    attach_type: u32,
    name: &str,
    target: &Target,
) -> Result<Option<TypeId>, String> {
    const TRACE_ITER: u32 = 28;
    let name = match prog_type {
        ProgType::Lsm => format!("bpf_lsm_{name}"),
        _ if attach_type == TRACE_ITER => format!("bpf_iter_{name}"),
        _ => name.to_string(),
    };
    let found = target.find(&name, Kind::Func);
    found.map(Some).ok_or_else(|| format!("no {name} in this kernel"))
}

fn map_def(value: &Value, at: usize) -> Option<MapDef> {
    let int = |key: &str| u32::try_from(value[key].as_u64()?).ok();
    let map_type = MapType::from_number(int("type")?)?;
    let mut def =
        MapDef::new(&format!("map{at}"), map_type, int("key")?, int("value")?, int("max")?);
    def.flags = int("flags")?;
    if value["btf"].is_string() {
        def.key_type = int("key_id").map(TypeId);
        def.value_type = int("value_id").map(TypeId);
    }
    if let Some(content) = value["content"].as_str().and_then(hex)
        && content.iter().any(|&byte| byte != 0)
    {
        def.initial = Initial::Value(content);
    }
    if value["inner"].is_object() {
        def.inner = Some(Box::new(map_def(&value["inner"], at)?));
    }
    Some(def)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_in_pairs() {
        assert_eq!(hex("0aff"), Some(vec![0x0a, 0xff]));
        assert_eq!(hex("0af"), None);
        assert_eq!(hex("0g"), None);
    }

    #[test]
    fn a_map_is_named_by_its_index() {
        let load = RawInsn::new(0x18, 1, 1, 0, 77);
        let insns = indexed(&[load, RawInsn::default()], &[(0, 3)]);
        assert_eq!((insns[0].src(), insns[0].dst(), insns[0].imm), (5, 1, 3));
    }
}
