//! Several objects made one.

use crate::build::{CODE, FUNC, NOBITS, OBJECT, Object, PROGBITS, SECTION, Types};
use skep_btf::{Btf, BtfExt, ByteOrder};
use skep_isa::{Call, ImmSrc, Insn, Reg};
use skep_obj::{Binding, Content, LinkInput, Linked, ObjectFile, parse, static_link};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Linkage in the types.
const STATIC: u32 = 0;
const GLOBAL: u32 = 1;
const EXTERN: u32 = 2;
/// `SHF_ALLOC | SHF_WRITE`
const DATA: u64 = 3;
const ABS64: u32 = 2;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/obj")
}

fn link(inputs: &[(&str, &[u8])]) -> Result<Linked, String> {
    let inputs: Vec<_> = inputs.iter().map(|&(name, bytes)| LinkInput { name, bytes }).collect();
    static_link(&inputs).map_err(|err| match err.source() {
        Some(source) => format!("{err}: {source}"),
        None => err.to_string(),
    })
}

/// Two objects made by hand.
fn two(a: impl Fn(&mut Made), b: impl Fn(&mut Made)) -> Result<Linked, String> {
    let bytes = |with: &dyn Fn(&mut Made)| {
        let mut made = Made { object: Object::default(), types: Types::new() };
        with(&mut made);
        made.object.section(".BTF", PROGBITS, 0, &made.types.build());
        made.object.build()
    };
    link(&[("a.o", &bytes(&a)), ("b.o", &bytes(&b))])
}

#[track_caller]
fn refused(a: impl Fn(&mut Made), b: impl Fn(&mut Made), want: &str) {
    assert_eq!(two(a, b).map_or_else(|err| err, |_| "linked".into()), want);
}

struct Made {
    object: Object,
    types: Types,
}

impl Made {
    /// A variable in a section, or, in section 0, one that is somewhere else.
    fn var(&mut self, name: &str, ty: u32, section: u16) {
        let linkage = if section == 0 { EXTERN } else { GLOBAL };
        let var = self.types.var(name, ty, linkage);
        if section != 0 {
            let section = self.object.sections[usize::from(section) - 1].name.clone();
            self.types.datasec(std::str::from_utf8(&section).unwrap(), var, 4);
        }
        self.object.symbol(name, if section == 0 { 0 } else { OBJECT }, section, 0, 4);
    }

    /// Adds a symbol that other objects do not see.
    fn local(&mut self, name: &str, kind: u8, section: u16, value: u64, size: u64) {
        self.object.symbol(name, kind, section, value, size);
        self.object.symbols.last_mut().unwrap().global = false;
    }

    fn int(&mut self, name: &str) {
        let data = self.object.section(".data", PROGBITS, DATA, &[1, 0, 0, 0]);
        self.var(name, 1, data);
    }

    /// A function of so many parameters.
    fn func(&mut self, name: &str, params: u32, section: u16) {
        let entries: Vec<u32> = (0..params).flat_map(|_| [0, 1]).collect();
        let proto = self.types.push("", 13, params, 1, &entries);
        self.types.push(name, 12, if section == 0 { EXTERN } else { GLOBAL }, proto, &[]);
        self.object.symbol(name, if section == 0 { 0 } else { FUNC }, section, 0, 8);
    }

    /// A map of so many entries, defined or declared.
    fn map(&mut self, name: &str, entries: u32, defined: bool) {
        let (ty, size, max) = (self.types.uint(2), self.types.uint(4), self.types.uint(entries));
        let record = self.types.record(&[
            ("type", ty),
            ("key_size", size),
            ("value_size", size),
            ("max_entries", max),
        ]);
        let var = self.types.var(name, record, if defined { GLOBAL } else { EXTERN });
        self.types.datasec(".maps", var, 32);
        let section =
            if defined { self.object.section(".maps", PROGBITS, DATA, &[0; 32]) } else { 0 };
        self.object.symbol(name, if defined { OBJECT } else { 0 }, section, 0, 32);
    }
}

/// What an object says, whatever its byte order: code, types, relocations, symbols.
fn said(file: &ObjectFile) -> Vec<String> {
    let mut lines = Vec::new();
    let section = |name| Some(file.sections[file.section(name)?].content.bytes());
    let btf = Btf::parse(section(".BTF").unwrap()).unwrap();
    assert_eq!(btf.order(), file.order);
    let ext = BtfExt::parse(section(".BTF.ext").unwrap(), &btf).unwrap();
    lines.push(format!("{btf:?}"));
    let text = |off| btf.text(off).into_owned();
    lines.push(format!("{:?}", ext.func_info));
    for of in &ext.line_info {
        lines.extend(of.records.iter().map(|line| {
            let (file, source) = (text(line.file), text(line.text));
            format!(
                "{} {} {file} {}:{} {source}",
                of.section, line.insn_off, line.line, line.column
            )
        }));
    }
    for of in &ext.core_relos {
        lines.extend(of.records.iter().map(|relo| {
            let (at, access) = (relo.insn_off, text(relo.access));
            format!("{} {at} {:?} {:?} {access}", of.section, relo.ty, relo.kind)
        }));
    }
    for section in &file.sections {
        lines.push(format!("{} {:x} {:?}", section.name, section.flags, section.relocs));
        if section.is_code() {
            for insn in section.content.bytes().chunks(8) {
                let mut insn: [u8; 8] = insn.try_into().unwrap();
                if file.order == ByteOrder::Big {
                    // Both registers share a byte; offset and number are swapped each by itself.
                    insn[1] = insn[1].rotate_left(4);
                    insn[2..4].reverse();
                    insn[4..].reverse();
                }
                lines.push(format!("{insn:x?}"));
            }
        }
    }
    lines.extend(file.symbols.iter().map(|symbol| format!("{symbol:?}")));
    lines
}

#[test]
fn objects_of_both_byte_orders_are_linked() {
    let read = |name: &str| fs::read(corpus().join(name)).unwrap();
    let (little_a, little_b) = (read("join_a.o"), read("join_b.o"));
    let (big_a, big_b) = (read("join_a.be.o"), read("join_b.be.o"));
    let little = link(&[("a.o", &little_a), ("b.o", &little_b)]).unwrap().file;
    let big = link(&[("a.o", &big_a), ("b.o", &big_b)]).unwrap();
    assert!(big.undefined.is_empty());
    assert_eq!(big.file.order, ByteOrder::Big);
    let (ours, theirs) = (said(&big.file), said(&little));
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(&theirs).for_each(|(ours, theirs)| assert_eq!(ours, theirs));
    let bytes = big.file.write().unwrap();
    assert_eq!(bytes[..6], [0x7f, b'E', b'L', b'F', 2, 2]);
    assert_eq!(ObjectFile::read(&bytes).unwrap(), big.file);
    let mixed = link(&[("a.o", &little_a), ("b.o", &big_b)]).unwrap_err();
    let want =
        "a.o is little-endian and b.o big-endian: compile both for one target, bpfel or bpfeb";
    assert_eq!(mixed.to_string(), want);
}

#[test]
fn objects_that_need_each_other_become_one() {
    let read = |name: &str| fs::read(corpus().join(name)).unwrap();
    let (a, b) = (read("join_a.o"), read("join_b.o"));
    let linked = link(&[("join_a.o", &a), ("join_b.o", &b)]).unwrap();
    assert_eq!(linked.undefined, []);
    let bytes = linked.file.write().unwrap();
    // What is in it stands in `joined.txt`.
    let path = corpus().join("joined.o");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &bytes).unwrap();
    }
    assert!(fs::read(path).unwrap() == bytes, "joined.o is another object");
    // Alone, each lacks what the other one defines.
    let alone = link(&[("join_a.o", &a)]).unwrap();
    let names: Vec<&str> = alone.undefined.iter().map(|one| &*one.symbol).collect();
    assert_eq!(names, ["level", "other", "seen_b", "totals"]);
    assert!(alone.undefined.iter().all(|one| one.file == "join_a.o"));
    // Linking goes on where it stopped.
    let half = alone.file.write().unwrap();
    let whole = link(&[("half.o", &half), ("join_b.o", &b)]).unwrap();
    let progs = |file: &ObjectFile| {
        let image = parse(&file.write().unwrap()).unwrap();
        image.progs.into_iter().map(|prog| prog.insns).collect::<Vec<_>>()
    };
    assert_eq!(progs(&whole.file), progs(&linked.file));
}

#[test]
fn the_strong_definition_wins_wherever_it_stands() {
    for strong_first in [true, false] {
        let make = |strong: bool| {
            move |made: &mut Made| {
                let value = if strong { 1 } else { 2 };
                let data = made.object.section(".data", PROGBITS, DATA, &[value, 0, 0, 0]);
                made.var("level", 1, data);
                made.object.symbols.last_mut().unwrap().weak = !strong;
            }
        };
        let linked = two(make(strong_first), make(!strong_first)).unwrap();
        let level = linked.file.symbols.iter().find(|symbol| symbol.name == "level").unwrap();
        assert_eq!(level.binding, Binding::Global);
        assert_eq!(level.value, if strong_first { 0 } else { 4 });
        let image = parse(&linked.file.write().unwrap());
        assert!(image.is_ok(), "{image:?}");
    }
}

#[test]
fn hidden_is_catching() {
    let linked = two(
        |made| made.int("level"),
        |made| {
            made.var("level", 1, 0);
            made.object.symbols[0].visibility = 2;
        },
    );
    let linked = linked.unwrap();
    assert!(linked.file.symbols.iter().any(|symbol| symbol.name == "level" && symbol.hidden));
}

#[test]
fn addends_follow_their_sections() {
    let make = |made: &mut Made| {
        let to = |imm| Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::Value(imm) };
        let text = made.object.code(".text", &[Insn::Exit, Insn::Exit]);
        let bss = made.object.section(".bss", NOBITS, DATA, &[]);
        made.object.sections[usize::from(bss) - 1].size = Some(12);
        let xdp = made.object.code("xdp", &[to(4), Insn::Call(Call::Local(0)), Insn::Exit]);
        made.local("text", SECTION, text, 0, 0);
        made.local("bss", SECTION, bss, 0, 0);
        made.local("leaf", FUNC, text, 8, 8);
        made.object.relocs(xdp, &[(0, 2, 1), (16, 1, 10)]);
    };
    let linked = two(make, make).unwrap();
    let xdp = &linked.file.sections[linked.file.section("xdp").unwrap()];
    let at: Vec<u64> = xdp.relocs.iter().map(|reloc| reloc.at).collect();
    assert_eq!(at, [0, 16, 32, 48]);
    let Content::Bytes(bytes) = &xdp.content else { panic!("no bytes") };
    let imm = |at: usize| i32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap());
    // The second `.bss` begins at 12, since nothing says that it must be aligned; the second `.text` is
    // two slots further.
    assert_eq!([imm(0), imm(16), imm(32), imm(48)], [4, 0, 16, 2]);
    // One symbol for each section is enough.
    let sections = linked.file.symbols.iter().filter(|symbol| symbol.name.is_empty());
    assert_eq!(sections.count(), 2);
}

#[test]
fn addresses_in_data_follow_too() {
    let make = |made: &mut Made| {
        let data = made.object.section(".data", PROGBITS, DATA, &[3, 0, 0, 0, 0, 0, 0, 0]);
        made.local("data", SECTION, data, 0, 0);
        made.object.relocs(data, &[(0, 1, ABS64)]);
    };
    let linked = two(make, make).unwrap();
    let data = &linked.file.sections[linked.file.section(".data").unwrap()];
    assert_eq!(data.content.bytes()[8], 11);
    refused(
        make,
        |made| {
            make(made);
            made.object.sections[1].data[8..12].copy_from_slice(&[4, 0, 0, 0]);
        },
        "section '.data' of b.o: relocation of byte 0: its addend cannot be moved",
    );
}

#[test]
fn symbols_must_agree() {
    refused(
        |made| made.int("level"),
        |made| made.int("level"),
        "'level' is defined in a.o and again in b.o: make one of them static, or __weak if the other may take its place",
    );
    refused(
        |made| made.int("level"),
        |made| {
            let long = made.types.push("long", 1, 0, 8, &[0x0100_0040]);
            made.var("level", long, 0);
        },
        "'level' has different types in a.o and b.o: share its declaration in a header: int 'int' of 4 bytes and of 8",
    );
    refused(
        |made| made.int("level"),
        |made| {
            let ptr = made.types.ptr(1);
            made.var("level", ptr, 0);
        },
        "'level' has different types in a.o and b.o: share its declaration in a header: int and pointer",
    );
    refused(
        |made| {
            let text = made.object.code(".text", &[Insn::Exit]);
            made.func("f", 2, text);
        },
        |made| made.func("f", 3, 0),
        "'f' has different types in a.o and b.o: share its declaration in a header: function prototype '' with 2 parts and with 3",
    );
    refused(
        |made| made.int("level"),
        |made| {
            made.object.symbol("level", 0, 0, 0, 0);
        },
        "'level' has no type in b.o, so it cannot be matched with other objects: compile with clang -g, and strip with -g only",
    );
    refused(
        |made| made.int("level"),
        |made| {
            made.var("level", 1, 0);
            let var = made.types.var("other", 1, EXTERN) - 1;
            made.types.datasec(".kconfig", var, 4);
        },
        "'level' is in section '.data' in a.o and in '.kconfig' in b.o: declare it as it is defined",
    );
    refused(
        |made| made.map("flows", 8, true),
        |made| made.map("flows", 16, false),
        "map 'flows' has another max_entries in a.o than in b.o: share its definition in a header",
    );
    let linked = two(|made| made.map("flows", 8, true), |made| made.map("flows", 8, false));
    assert_eq!(linked.unwrap().undefined, []);
}

#[test]
fn sections_must_agree() {
    let license = |text: &'static str| {
        move |made: &mut Made| {
            made.object.section("license", PROGBITS, DATA, text.as_bytes());
        }
    };
    refused(
        license("GPL\0"),
        license("MIT\0"),
        "section 'license' is \"GPL\" in a.o and \"MIT\" in b.o: all objects must say the same",
    );
    assert!(two(license("GPL\0"), license("GPL\0")).is_ok());
    refused(
        |made| made.int("a"),
        |made| {
            made.object.section(".data", PROGBITS, 2, &[0]);
        },
        "section '.data' has flags 0x2 in b.o and 0x3 before: name one of them differently",
    );
    refused(
        |_| (),
        |made| {
            made.object.section("xdp", PROGBITS, CODE, &[0x95, 0, 0, 0]);
        },
        "section 'xdp' of b.o has 4 bytes of code, not a multiple of 8",
    );
    refused(
        |made| {
            let bss = made.object.section(".bss", NOBITS, DATA, &[]);
            made.object.sections[usize::from(bss) - 1].size = Some(1 << 30);
        },
        |made| {
            let bss = made.object.section(".bss", NOBITS, DATA, &[]);
            made.object.sections[usize::from(bss) - 1].size = Some(1 << 30);
        },
        "section '.bss' would have more than 2147483647 bytes",
    );
}

#[test]
fn errors_name_the_object() {
    assert_eq!(link(&[]).unwrap_err(), "nothing to link: no object was given");
    let err = link(&[("a.o", b"#!/bin/sh")]).unwrap_err();
    assert_eq!(err, "a.o: no ELF file: begins with 23 21 2f 62, not with 7f 45 4c 46");
    let mut object = Object::default();
    object.section(".BTF", PROGBITS, 0, b"no types");
    let err = link(&[("b.o", &object.build())]).unwrap_err();
    assert_eq!(err, "section '.BTF' of b.o: magic 0x6f6e is not 0xeb9f in either byte order");
}

#[test]
fn static_variables_stay_apart() {
    let make = |made: &mut Made| {
        let bss = made.object.section(".bss", NOBITS, DATA, &[]);
        made.object.sections[usize::from(bss) - 1].size = Some(4);
        let var = made.types.var("count", 1, STATIC);
        made.types.datasec(".bss", var, 4);
        made.local("count", OBJECT, bss, 0, 4);
    };
    let linked = two(make, make).unwrap();
    let counts = linked.file.symbols.iter().filter(|symbol| symbol.name == "count");
    assert_eq!(counts.map(|symbol| symbol.value).collect::<Vec<_>>(), [0, 4]);
    let bytes = linked.file.sections[linked.file.section(".BTF").unwrap()].content.bytes();
    let btf = Btf::parse(bytes).unwrap();
    let section = btf.find(".bss", skep_btf::Kind::Datasec).unwrap();
    let skep_btf::Body::Datasec { size, vars } = section.body else { panic!("no section") };
    assert_eq!((size, vars.iter().map(|var| var.off).collect::<Vec<_>>()), (8, vec![0, 4]));
}
