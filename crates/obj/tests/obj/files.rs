//! Files that are no objects, or broken as ELF files.

use crate::build::{CODE, FUNC, Object, PROGBITS, RELA, Section, Symbol};
use crate::refused;
use skep_isa::Insn;

/// `SEC("xdp") int f() { exit }`
fn one() -> Object {
    let mut object = Object::default();
    let xdp = object.code("xdp", &[Insn::Exit]);
    object.symbol("f", FUNC, xdp, 0, 8);
    object
}

#[test]
fn the_smallest_object_is_a_program() {
    let image = skep_obj::parse(&one().build()).unwrap();
    assert_eq!(image.progs.len(), 1);
    assert_eq!((image.progs[0].name.as_str(), image.progs[0].insns.len()), ("f", 1));
    assert!(image.btf.is_none() && image.license.is_empty());
}

#[test]
fn unaligned_bytes_are_read_too() {
    let bytes = one().build();
    for shift in 0..8 {
        let mut shifted = vec![0; shift];
        shifted.extend(&bytes);
        assert_eq!(skep_obj::parse(&shifted[shift..]).unwrap().progs.len(), 1);
    }
}

#[test]
fn other_files_are_called_by_their_name() {
    let set = |at: usize, values: &[u8]| {
        let mut bytes = one().build();
        bytes[at..at + values.len()].copy_from_slice(values);
        bytes
    };
    let cases: &[(&[u8], &str)] = &[
        (b"", "no ELF file: 0 bytes"),
        (b"\x7fEL", "no ELF file: 3 bytes"),
        (b"#!/bin/sh", "no ELF file: begins with 23 21 2f 62, not with 7f 45 4c 46"),
        (b"\x7fELF", "file header at byte 0 needs 64 bytes, the file has 4"),
        (&one().build()[..63], "file header at byte 0 needs 64 bytes, the file has 63"),
        (&set(4, &[1]), "a 32-bit ELF file, BPF objects are 64-bit"),
        (
            &set(4, &[3]),
            "ELF class 3, byte order 1: known are class 2 (64-bit), order 1 (little-endian)",
        ),
        (
            include_bytes!("../../../../corpus/obj/basic.be.o"),
            "a big-endian BPF object, only little-endian ones can run here (clang -target bpfel)",
        ),
        (
            &set(5, &[2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 22]),
            "an ELF file for S/390 (machine 22), not for BPF (clang -target bpf)",
        ),
        (&set(18, &[62]), "an ELF file for x86-64 (machine 62), not for BPF (clang -target bpf)"),
        (
            &set(18, &[0, 1]),
            "an ELF file for another machine (machine 256), not for BPF (clang -target bpf)",
        ),
        (&set(16, &[3]), "ELF type 3, BPF objects are relocatable files (type 1)"),
        (&set(58, &[63]), "section headers of 63 bytes, need 64"),
        (&set(62, &[9]), "4 sections, but no section with their names"),
        (&set(60, &[9]), "section headers at byte 127 needs 576 bytes, the file has 383"),
    ];
    for (bytes, want) in cases {
        refused(bytes, want);
    }
}

#[test]
fn broken_sections_and_symbols_are_named() {
    let case = |change: fn(&mut Object), want: &str| {
        let mut object = one();
        change(&mut object);
        refused(&object.build(), want);
    };
    case(
        |object| object.sections[0].size = Some(1 << 40),
        "section 'xdp' has 1099511627776 bytes at byte 64, the file has 383",
    );
    case(
        |object| object.sections[0].at = Some(u64::MAX - 3),
        "section 'xdp' has 8 bytes at byte 18446744073709551612, the file has 383",
    );
    case(
        |object| {
            for _ in 0..9 {
                let (at, size) = (Some(0), Some(128));
                object.sections.push(Section { kind: PROGBITS, at, size, ..Section::default() });
            }
        },
        "sections have 1215 bytes together, the file has 959",
    );
    case(
        |object| object.sections[0].name = [b'n'; 1025].into(),
        "name of a section at byte 3 of the names is too long",
    );
    case(
        |object| object.sections[0].name = b"\xff".into(),
        "name of a section at byte 3 of the names is no UTF-8",
    );
    case(
        |object| object.symbols[0].name = b"\xff".into(),
        "name of a symbol at byte 1 of the names is no UTF-8",
    );
    case(|object| object.symbols[0].section = 9, "symbol 'f' is in section 9, there are 4");
    case(
        |object| {
            object.section(".relxdp", RELA, 0, &[0; 24]);
            object.sections[1].info = 1;
        },
        "section '.relxdp' has relocations with addends, expected without",
    );
    case(
        |object| object.relocs(1, &[(0, 7, 1)]),
        "section '.rel': relocation of byte 0 by symbol 7, there are 2",
    );
    case(
        |object| {
            object.relocs(1, &[(0, 1, 1)]);
            object.sections[1].data.pop();
        },
        "section '.rel' has 15 bytes, not a multiple of 16",
    );
}

#[test]
fn a_layout_lists_what_no_image_can_be_made_of() {
    let mut object = one();
    object.section("mystery", PROGBITS, CODE, &[0; 8]);
    object.symbols.push(Symbol { name: b"g".into(), section: 2, kind: FUNC, ..Symbol::default() });
    let layout = skep_obj::layout(&object.build()).unwrap();
    let names: Vec<&str> = layout.sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["xdp", "mystery", "", ""]);
    let mystery = &layout.sections[1];
    assert_eq!((mystery.kind.as_ref(), mystery.at, mystery.size), ("progbits", 72, 8));
    assert_eq!((mystery.code, mystery.alloc, mystery.write), (true, true, false));
    assert_eq!(layout.symbols, 2);
}
