//! What is refused, and where the error says it is.

use crate::builder::*;
use skep_btf::{Btf, BtfError, Kind, TypeId};

/// A well-formed input with one integer type.
fn good() -> Vec<u8> {
    let mut b = Builder::default();
    b.int("int", 4, SIGNED);
    b.bytes()
}

#[test]
fn headers() {
    assert!(Btf::parse(&good()).is_ok());
    let table: [(usize, &[u8], &str); 14] = [
        (0, &[0x9f, 0xec], "magic 0xec9f is not 0xeb9f in either byte order"),
        (2, &[2], "byte 2: version 2 is not known, only 1 is"),
        (3, &[1], "byte 3: flags 0x1 are not known, none is"),
        (4, &[23], "byte 4: header length 23 is less than 24"),
        (4, &[0xff, 0xff, 0xff, 0xff], "byte 0: header needs 4294967295 bytes, 45 are left"),
        (8, &[255], "type section of 16 bytes at 255 ends beyond the 21 bytes after the header"),
        (
            8,
            &[0xff; 8],
            "type section of 4294967295 bytes at 4294967295 ends beyond the 21 bytes after the header",
        ),
        (8, &[2], "type section 2..18 and string section 16..21 overlap"),
        (8, &[1, 0, 0, 0, 12], "byte 8: type section offset 1 is not a multiple of 4"),
        (12, &[15], "byte 36: type needs 4 bytes, 3 are left"),
        (12, &[12], "byte 24: type needs 16 bytes, 12 are left"),
        (12, &[8], "byte 24: type needs 12 bytes, 8 are left"),
        (16, &[17], "string section of 5 bytes at 17 ends beyond the 21 bytes after the header"),
        (20, &[4], "byte 44: string section does not end with a zero byte"),
    ];
    for (at, patch, want) in table {
        let mut bytes = good();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        assert_eq!(Btf::parse(&bytes).unwrap_err().to_string(), want);
    }
    for (at, byte, want) in [(40, b'x', "begin"), (44, b'x', "end")] {
        let mut bytes = good();
        bytes[at] = byte;
        let err = Btf::parse(&bytes).unwrap_err().to_string();
        assert!(err.contains(want), "{err}");
    }
}

#[test]
fn longer_headers_are_accepted() {
    let mut bytes = good();
    bytes[4] = 32;
    bytes.splice(24..24, [7; 8]);
    assert_eq!(Btf::parse(&bytes).unwrap().len(), 1);
}

#[test]
fn strings_in_any_order_with_types() {
    // Strings first, then types: offsets say so.
    let mut bytes = good();
    let types: Vec<u8> = bytes.drain(24..40).collect();
    bytes.extend([0, 0, 0]);
    bytes.extend(types);
    bytes[8] = 8;
    bytes[16] = 0;
    assert_eq!(Btf::parse(&bytes).unwrap().find("int", Kind::Int).unwrap().id, TypeId(1));
}

/// One record, refused with this text; the first word of it is byte 24 of the input.
#[test]
#[rustfmt::skip]
fn records() {
    let table: [(&[u32], &str); 24] = [
        (&[0, 0, 0],                     "byte 28: type 1 has kind 0, known are 1 to 19"),
        (&[0, 20 << 24, 0],              "byte 28: type 1 has kind 20, known are 1 to 19"),
        (&[0, 31 << 24, 0],              "byte 28: type 1 has kind 31, known are 1 to 19"),
        (&[99, PTR << 24, 0],            "byte 24: string offset 99 is beyond the 5 bytes of strings"),
        (&[0, PTR << 24 | 0x10000, 0],   "byte 28: pointer type 1 cannot have info 0x2010000"),
        (&[0, PTR << 24 | 1, 0],         "byte 28: pointer type 1 cannot have length 0x1"),
        (&[0, PTR << 24 | FLAG, 0],      "byte 28: pointer type 1 cannot have kind flag in info 0x82000000"),
        (&[0, PTR << 24, 2],             "byte 32: type 2 does not exist, there are 1"),
        (&[0, PTR << 24, u32::MAX],      "byte 32: type 4294967295 does not exist, there are 1"),
        (&[0, INT << 24, 3, 24],         "byte 32: int type 1 cannot have size 0x3"),
        (&[0, INT << 24, 4, 33],         "byte 36: int type 1 cannot have encoding 0x21"),
        (&[0, INT << 24, 4, 0x1_0020],   "byte 36: int type 1 cannot have encoding 0x10020"),
        (&[0, INT << 24, 4, 8 << 24 | 32], "byte 36: int type 1 cannot have encoding 0x8000020"),
        (&[0, INT << 24, 4, 0],          "byte 36: int type 1 cannot have encoding 0x0"),
        (&[0, ENUM << 24, 3],            "byte 32: enum type 1 cannot have size 0x3"),
        (&[0, ENUM << 24 | 1, 4, 9, 0],  "byte 36: string offset 9 is beyond the 5 bytes of strings"),
        (&[0, ENUM64 << 24, 0],          "byte 32: 64-bit enum type 1 cannot have size 0x0"),
        (&[0, FLOAT << 24, 5],           "byte 32: float type 1 cannot have size 0x5"),
        (&[0, STRUCT << 24 | 2, 4, 0, 0, 0], "byte 24: type needs 36 bytes, 24 are left"),
        (&[0, STRUCT << 24 | 1, 4, 0, 5, 0], "byte 40: type 5 does not exist, there are 1"),
        (&[0, ARRAY << 24, 0, 0, 7, 1],  "byte 40: type 7 does not exist, there are 1"),
        (&[0, VAR << 24, 0, 3],          "byte 36: variable type 1 cannot have linkage 0x3"),
        (&[0, DECL_TAG << 24, 0, 0x8000_0000], "byte 36: declaration tag type 1 cannot have component 0x80000000"),
        (&[0, FUNC << 24, 0],            "byte 32: function type 1 cannot refer to type 0, a void"),
    ];
    for (words, want) in table {
        let b = Builder { words: words.into(), strings: b"\0int\0".into(), ..Builder::default() };
        assert_eq!(b.parse().unwrap_err().to_string(), want);
    }
}

#[test]
fn functions_have_prototypes_and_known_linkage() {
    let mut b = Builder::default();
    b.ty("", FUNC_PROTO, 0, 0, &[]);
    b.ty("f", FUNC, 3, 1, &[]);
    let err = b.parse().unwrap_err().to_string();
    assert_eq!(err, "byte 40: function type 2 cannot have linkage 0x3");
}

#[test]
fn values_do_not_consist_of_functions() {
    for kind in [PTR, CONST, TYPEDEF, VAR] {
        let mut b = Builder::default();
        b.ty("", FUNC_PROTO, 0, 0, &[]);
        b.ty("f", FUNC, 0, 1, &[]);
        b.ty("", kind, 0, 2, if kind == VAR { &[0] } else { &[] });
        let err = b.parse().unwrap_err();
        assert!(matches!(err, BtfError::Refers { at: 56, to: TypeId(2), .. }), "{err}");
    }
    let mut b = Builder::default();
    let int = b.int("int", 4, 0);
    b.ty(".data", DATASEC, 1, 4, &[int.0, 0, 4]);
    assert!(matches!(b.parse(), Err(BtfError::Refers { at: 52, kind: Kind::Datasec, .. })));
}

type Make = fn(&mut Builder) -> TypeId;

#[test]
fn cycles() {
    // Types refer to types 1 and 2 as they come.
    let one_and_two = |first: Make, second: Make| {
        let mut b = Builder::default();
        first(&mut b);
        second(&mut b);
        b.parse().err()
    };
    let to_1: [Make; 4] = [
        |b| b.to("t", TYPEDEF, TypeId(1)),
        |b| b.to("", CONST, TypeId(1)),
        |b| b.array(TypeId(1), 2),
        |b| b.fields("s", STRUCT, 8, &[("m", TypeId(1), 0)]),
    ];
    let to_2: [Make; 4] = [
        |b| b.to("t", TYPEDEF, TypeId(2)),
        |b| b.to("", VOLATILE, TypeId(2)),
        |b| b.array(TypeId(2), 0),
        |b| b.fields("u", UNION, 8, &[("m", TypeId(2), 0)]),
    ];
    for first in to_2 {
        for second in to_1 {
            let err = one_and_two(first, second);
            assert!(matches!(err, Some(BtfError::Cycle { .. })), "{err:?}");
        }
        let pointer: Make = |b| b.to("", PTR, TypeId(1));
        // Through a pointer only what has a name may meet itself.
        let mut b = Builder::default();
        first(&mut b);
        pointer(&mut b);
        let named = b.words[0] != 0;
        assert_eq!(b.parse().is_ok(), named);
    }
    let mut b = Builder::default();
    b.to("t", TYPEDEF, TypeId(1));
    let err = b.parse().unwrap_err();
    assert_eq!(err, BtfError::Cycle { at: 24, id: TypeId(1) });
}

#[test]
fn nesting_has_a_limit() {
    for kind in [TYPEDEF, PTR] {
        let mut b = Builder::default();
        let mut id = b.int("int", 4, 0);
        for _ in 1..Btf::MAX_NESTING {
            id = b.to("", kind, id);
        }
        assert!(b.parse().is_ok());
        id = b.to("", kind, id);
        let err = b.parse().unwrap_err();
        assert!(
            matches!(err, BtfError::Deep { id: at, limit: Btf::MAX_NESTING, .. } if at == id),
            "{err}"
        );
    }
    // A chain that is too long by far, last link first.
    let mut b = Builder::default();
    for id in 2..100_000 {
        b.to("", TYPEDEF, TypeId(id));
    }
    b.to("", TYPEDEF, TypeId::VOID);
    assert!(matches!(b.parse(), Err(BtfError::Deep { .. })));
}
