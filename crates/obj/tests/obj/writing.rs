//! Objects that are read and written again.

use crate::build::{FUNC, NOBITS, Object};
use skep_isa::Insn;
use skep_obj::{
    Binding, Content, FileError, FileReloc, FileSection, FileSymbol, ObjectFile, SymbolKind,
    SymbolPlace, layout, parse,
};
use std::path::Path;
use std::process::Command;

/// Objects of the corpus and the examples that can be read.
fn objects() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dirs = ["corpus/obj", "examples"].map(|dir| std::fs::read_dir(root.join(dir)).unwrap());
    let paths = dirs.into_iter().flatten().map(|entry| entry.unwrap().path());
    let objects = paths.filter(|path| path.extension().is_some_and(|ext| ext == "o"));
    let mut objects: Vec<_> = objects
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .filter(|(_, bytes)| layout(bytes).is_ok())
        .collect();
    objects.sort();
    assert!(objects.len() > 20, "{}", objects.len());
    objects
}

#[test]
fn what_is_written_reads_as_what_was_read() {
    for (name, bytes) in objects() {
        let file = ObjectFile::read(&bytes).unwrap_or_else(|err| panic!("{name}: {err}"));
        let written = file.write().unwrap();
        assert_eq!(ObjectFile::read(&written).unwrap(), file, "{name}");
        let (old, new) = (parse(&bytes), parse(&written));
        // Positions in the file are named by errors and may differ.
        match (&old, &new) {
            (Ok(old), Ok(new)) => assert_eq!(format!("{old:?}"), format!("{new:?}"), "{name}"),
            _ => assert_eq!(old.is_ok(), new.is_ok(), "{name}: {old:?}, {new:?}"),
        }
    }
}

#[test]
fn other_tools_read_what_is_written() {
    let tools = [("llvm-readelf-19", &["-a"][..]), ("llvm-objdump-19", &["-d", "-r"][..])];
    let mut tools = tools.to_vec();
    tools.push(("bpftool", &["btf", "dump", "file"][..]));
    for (tool, args) in tools {
        if Command::new(tool).arg("--version").output().is_err() {
            let why = format!("skipped: no {tool}");
            assert!(std::env::var_os("SKEP_REQUIRE_TOOLS").is_none(), "{why}");
            eprintln!("{why}");
            continue;
        }
        for (name, bytes) in objects() {
            let written = ObjectFile::read(&bytes).unwrap().write().unwrap();
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{tool}.o"));
            std::fs::write(&path, written).unwrap();
            let out = Command::new(tool).args(args).arg(&path).output().unwrap();
            let err = String::from_utf8_lossy(&out.stderr);
            let has_types = layout(&bytes).unwrap().sections.iter().any(|s| s.name == ".BTF");
            if tool != "bpftool" || has_types {
                assert!(out.status.success() && err.is_empty(), "{tool}: {name}: {err}");
                assert!(out.stdout.len() > 100, "{tool}: {name}");
            }
        }
    }
}

/// A function of one instruction, and a symbol for it that `change` may change.
fn one(change: impl Fn(&mut ObjectFile)) -> Result<Vec<u8>, FileError> {
    let mut file = ObjectFile::default();
    file.sections.push(FileSection {
        name: "xdp".into(),
        kind: 1,
        flags: 6,
        align: 8,
        entry: 0,
        content: Content::Bytes(vec![0x95, 0, 0, 0, 0, 0, 0, 0]),
        relocs: Vec::new(),
    });
    file.symbols.push(FileSymbol {
        name: "f".into(),
        kind: SymbolKind::Func,
        binding: Binding::Global,
        hidden: false,
        place: SymbolPlace::Section(0),
        value: 0,
        size: 8,
    });
    change(&mut file);
    file.write()
}

#[test]
fn objects_can_be_made_from_nothing() {
    let image = parse(&one(|_| ()).unwrap()).unwrap();
    assert_eq!(image.progs[0].insns.len(), 1);
    let bytes = one(|file| {
        file.symbols[0].hidden = true;
        file.symbols[0].binding = Binding::Weak;
        file.symbols.push(FileSymbol {
            name: "here.c".into(),
            kind: SymbolKind::File,
            binding: Binding::Local,
            hidden: false,
            place: SymbolPlace::Absolute,
            value: 0,
            size: 0,
        });
    });
    let file = ObjectFile::read(&bytes.unwrap()).unwrap();
    let names: Vec<&str> = file.symbols.iter().map(|symbol| &*symbol.name).collect();
    assert_eq!(names, ["here.c", "f"], "local symbols come first");
    assert!(file.symbols[1].hidden && file.symbols[1].binding == Binding::Weak);
}

#[test]
fn what_leads_nowhere_is_not_written() {
    #[track_caller]
    fn refused(change: impl Fn(&mut ObjectFile), want: &str) {
        assert_eq!(one(change).unwrap_err().to_string(), want);
    }
    let reloc = FileReloc { at: 0, kind: 1, symbol: 7 };
    refused(
        |file| file.sections[0].relocs.push(reloc),
        "section 'xdp': relocation of byte 0 by symbol 7, there are 1",
    );
    refused(
        |file| file.symbols[0].place = SymbolPlace::Section(1),
        "symbol 'f' is in section 1, there are 1",
    );
    refused(|file| file.symbols[0].name = "f\0g".into(), "name 'f\\0g' has a zero byte");
    refused(
        |file| file.sections[0].align = 3,
        "section 'xdp' is to be aligned to 3, no power of two up to 4096",
    );
}

#[test]
fn objects_of_other_compilers_are_refused() {
    #[track_caller]
    fn refused(change: impl Fn(&mut Object), want: &str) {
        let mut object = Object::default();
        let xdp = object.code("xdp", &[Insn::Exit]);
        object.symbol("f", FUNC, xdp, 0, 8);
        change(&mut object);
        assert_eq!(ObjectFile::read(&object.build()).unwrap_err().to_string(), want);
    }
    refused(
        |object| {
            object.section(".group", 17, 0, &[1, 0, 0, 0]);
        },
        "section '.group' has type 0x11, which no BPF compiler writes",
    );
    refused(
        |object| object.symbols[0].kind = 6,
        "symbol 'f' has type 0x6, which no BPF compiler writes",
    );
    refused(
        |object| object.symbols[0].section = 0xfff2,
        "symbol 'f' has section 0xfff2, which no BPF compiler writes",
    );
    refused(
        |object| {
            object.section(".bss", NOBITS, 3, &[]);
            object.section(".rel.bss", 9, 0, &[]);
        },
        "section '.rel.bss' relocates a section that does not exist or holds no data",
    );
}
