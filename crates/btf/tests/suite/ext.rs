//! BTF.ext of compiled objects and made by hand.

use crate::builder::Builder;
use crate::{fixture, flows};
use skep_btf::{Btf, BtfError, BtfExt, Kind, StrOff, TypeId};

fn parsed() -> [(Btf, BtfExt); 2] {
    let [(_, le), (_, be)] = flows();
    [(le, "flows.el.btf.ext"), (be, "flows.eb.btf.ext")].map(|(btf, name)| {
        let ext = BtfExt::parse(&fixture(name), &btf).unwrap();
        (btf, ext)
    })
}

#[test]
fn functions() {
    for (btf, ext) in parsed() {
        let all: Vec<_> = ext
            .func_info
            .iter()
            .flat_map(|sec| sec.records.iter().map(move |info| (&sec.section, info)))
            .map(|(sec, info)| (sec.as_str(), info.insn_off, btf.get(info.ty).unwrap().name))
            .collect();
        assert_eq!(all, [("xdp", 0, "first"), (".text", 0, "count"), ("tc", 0, "second")]);
        assert!(
            ext.func_info
                .iter()
                .flat_map(|s| &s.records)
                .all(|f| { btf.get(f.ty).unwrap().kind() == Kind::Func })
        );
    }
}

#[test]
fn lines_are_those_of_the_source() {
    let source = String::from_utf8(fixture("flows.bpf.c")).unwrap();
    let source: Vec<&str> = source.lines().collect();
    for (btf, ext) in parsed() {
        let sections: Vec<_> = ext.line_info.iter().map(|sec| sec.section.as_str()).collect();
        assert_eq!(sections, ["xdp", ".text", "tc"]);
        let mut seen = 0;
        for info in ext.line_info.iter().flat_map(|sec| &sec.records) {
            assert_eq!(info.file(&btf), "./flows.bpf.c");
            let line = usize::try_from(info.line).unwrap();
            assert_eq!(info.text(&btf), source[line - 1], "line {line}");
            assert!(usize::from(info.column) <= source[line - 1].len(), "{info:?}");
            assert_eq!(info.insn_off % 8, 0);
            seen += 1;
        }
        assert!(seen > 8, "{seen} lines");
    }
}

#[test]
fn core_relocations() {
    for (btf, ext) in parsed() {
        let [sec] = &*ext.core_relos else { panic!("{:?}", ext.core_relos) };
        assert_eq!(sec.section, "tc");
        let all: Vec<_> = sec
            .records
            .iter()
            .map(|r| (btf.get(r.ty).unwrap().name, btf.text(r.access), r.kind))
            .collect();
        assert_eq!(all, [("task", "0:0".into(), 0), ("task", "0:1".into(), 0)]);
    }
}

/// A `.BTF.ext` of one function record of `size` bytes in the section named by string 1.
fn one_func(size: u32, count: u32, record: &[u32]) -> Vec<u8> {
    let mut words = vec![size, 1, count];
    words.extend(record);
    let len = u32::try_from(words.len() * 4).unwrap();
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    let header = [24, 0, len, len, 0];
    bytes.extend(header.iter().chain(&words).flat_map(|word| word.to_le_bytes()));
    bytes
}

fn small() -> Btf {
    let mut b = Builder::default();
    b.int("int", 4, 0);
    b.build()
}

#[test]
fn text_need_not_be_utf8() {
    let mut b = Builder::default();
    b.strings.extend(b"/* \xe9t\xe9 */\0");
    b.int("caf\u{e9}", 4, 0);
    // A name that begins inside a character has nothing before it stops being UTF-8.
    let split = u32::try_from(b.strings.len() - 2).unwrap();
    b.words.extend([split, 2 << 24, 0]);
    let btf = b.build();
    assert_eq!(btf.text(StrOff(1)), "/* \u{fffd}t\u{fffd} */");
    assert_eq!(btf.text(StrOff(u32::MAX)), "");
    assert_eq!(btf.get(TypeId(1)).unwrap().name, "caf\u{e9}");
    assert_eq!(btf.get(TypeId(2)).unwrap().name, "");
    assert_eq!(btf.find("caf\u{e9}", Kind::Int).unwrap().id, TypeId(1));
}

#[test]
fn larger_records_are_accepted() {
    let ext = BtfExt::parse(&one_func(16, 1, &[8, 1, 77, 78]), &small()).unwrap();
    let [sec] = &*ext.func_info else { panic!() };
    assert_eq!((sec.section.as_str(), sec.records[0].insn_off), ("int", 8));
    assert_eq!(sec.records[0].ty, TypeId(1));
    assert!(ext.line_info.is_empty() && ext.core_relos.is_empty());
}

#[test]
#[rustfmt::skip]
fn malformed() {
    let table: [(u32, u32, &[u32], &str); 9] = [
        (4,  1, &[0],          "byte 24: func_info records of 4 bytes, at least 8 are needed"),
        (0,  1, &[0],          "byte 24: func_info records of 0 bytes, at least 8 are needed"),
        (10, 1, &[0, 1, 0],    "byte 24: record size 10 is not a multiple of 4"),
        (8,  0, &[],           "byte 28: func_info section without records"),
        (8,  2, &[0, 1],       "byte 44: func_info needs 8 bytes, 0 are left"),
        (8,  u32::MAX, &[0, 1], "byte 44: func_info needs 8 bytes, 0 are left"),
        (0xffff_fffc, 1, &[0, 1], "byte 36: func_info needs 4294967292 bytes, 8 are left"),
        (8,  1, &[0, 2],       "byte 40: type 2 does not exist, there are 1"),
        (8,  1, &[0, 1, 1],    "byte 44: section header needs 8 bytes, 4 are left"),
    ];
    for (size, count, record, want) in table {
        let err = BtfExt::parse(&one_func(size, count, record), &small()).unwrap_err();
        assert_eq!(err.to_string(), want);
    }
    let mut bytes = one_func(8, 1, &[0, 1]);
    bytes[28] = 50;
    let err = BtfExt::parse(&bytes, &small()).unwrap_err();
    assert_eq!(err, BtfError::Str { at: 28, off: 50, len: 5 });
    bytes[12] = 200;
    let err = BtfExt::parse(&bytes, &small()).unwrap_err();
    assert!(matches!(err, BtfError::Section { section: "func_info", len: 200, .. }), "{err}");
}
