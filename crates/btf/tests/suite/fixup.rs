//! CO-RE relocations against types that differ from the program's.

use crate::builder::{Builder, PTR, SIGNED, STRUCT, TYPEDEF, UNION};
use crate::{fixture, fixture_path};
use skep_btf::fixup::{CoreError, CoreKind, Fixup, Resolver, Target, spell};
use skep_btf::{Btf, BtfExt, CoreRelo, StrOff, TypeId};

fn resolve_all(order: &str) -> Vec<(String, Result<Fixup, CoreError>)> {
    let local = Btf::parse(&fixture(&format!("core.{order}.btf"))).unwrap();
    let ext = BtfExt::parse(&fixture(&format!("core.{order}.btf.ext")), &local).unwrap();
    let target = Btf::parse(&fixture(&format!("core_target.{order}.btf"))).unwrap();
    let mut resolver = Resolver::new(&local, &[Target { name: "vmlinux", btf: &target }]);
    let relos = ext.core_relos.iter().flat_map(|section| &section.records);
    let resolve = |relo: &CoreRelo| {
        let what = spell(&local, relo.ty, relo.access, relo.kind);
        (format!("{} {what}", CoreKind::new(relo.kind).unwrap()), resolver.resolve(relo))
    };
    relos.map(resolve).collect()
}

fn listing(order: &str) -> String {
    let line = |(what, result): (String, Result<Fixup, CoreError>)| match result {
        Err(err) => format!("{what}: error: {err}\n"),
        Ok(fixup) => {
            let checked = if fixup.checked { "" } else { "~" };
            let new = fixup.new.map_or_else(|none| none.to_string(), |new| new.to_string());
            let access = match fixup.access {
                access if access.old == 0 && access.new == 0 => String::new(),
                access => {
                    let kept = if access.resizable { "" } else { " refused" };
                    format!(", access {} -> {}{kept}", access.old, access.new)
                }
            };
            format!("{what}: {checked}{} -> {new}{access}\n", fixup.old)
        }
    };
    resolve_all(order).into_iter().map(line).collect()
}

/// `core.bpf.c` against `core_target.c`, of both byte orders: what is asked, what the compiler wrote
/// (`~` where it may have chosen otherwise), what is right. `UPDATE=1` rewrites the files.
#[test]
fn every_kind() {
    for order in ["el", "eb"] {
        let (text, name) = (listing(order), format!("core.{order}.fixups"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(fixture_path(&name), &text).unwrap();
        }
        let want = String::from_utf8(fixture(&name)).unwrap();
        for (number, (ours, want)) in text.lines().zip(want.lines()).enumerate() {
            assert_eq!(ours, want, "{name}:{}", number + 1);
        }
        assert_eq!(text.lines().count(), want.lines().count());
    }
}

const BYTE_OFFSET: u32 = 0;
const EXISTS: u32 = 2;
const TYPE_EXISTS: u32 = 8;
const MATCHES: u32 = 12;

/// `struct NAME { int before; int a; }` and what asks for `a`.
fn one(name: &str, before: u32, extra: &[&str]) -> Builder {
    let mut b = Builder::default();
    let int = b.int("int", 4, SIGNED);
    b.fields(name, STRUCT, before + 4, &[("", int, 0), ("a", int, before * 8)]);
    for name in extra {
        b.to(name, TYPEDEF, int);
    }
    b
}

fn ask(local: &mut Builder, access: &str, kind: u32, ty: TypeId) -> (Btf, CoreRelo) {
    let access = StrOff(local.string(access));
    (local.build(), CoreRelo { insn_off: 0, ty, access, kind })
}

fn value(local: &Btf, relo: &CoreRelo, targets: &[(&str, &Btf)]) -> Result<Fixup, CoreError> {
    let targets: Vec<_> = targets.iter().map(|&(name, btf)| Target { name, btf }).collect();
    Resolver::new(local, &targets).resolve(relo)
}

#[test]
fn modules_count_when_the_kernel_has_none() {
    let (local, relo) = ask(&mut one("s___mine", 4, &[]), "0:1", BYTE_OFFSET, TypeId(2));
    let [eight, twelve, other] = [("s", 8), ("s___x", 12), ("other", 16)]
        .map(|(name, before)| one(name, before, &[]).build());
    let new = |targets: &[(&str, &Btf)]| value(&local, &relo, targets).unwrap().new;
    assert_eq!(new(&[("vmlinux", &eight), ("mod", &twelve)]), Ok(8));
    assert_eq!(new(&[("vmlinux", &other), ("mod", &twelve)]), Ok(12));
    let none = new(&[("vmlinux", &other), ("mod", &other)]).unwrap_err();
    assert_eq!(none.to_string(), "the target has no struct s___mine.a");
    assert!(new(&[]).is_err());

    let err = value(&local, &relo, &[("v", &other), ("m", &twelve), ("n", &eight)]).unwrap_err();
    assert_eq!(
        err.to_string(),
        "struct s___mine.a is ambiguous: struct s___x [2] of m (value 12, bit 96) or \
         struct s [2] of n (value 8, bit 64)"
    );
}

#[test]
fn candidates_that_did_not_match_stay_out() {
    // The first relocation rules out `s`, where the second would be found.
    let mut b = one("s", 4, &[]);
    let int = TypeId(1);
    b.fields("s___without", STRUCT, 12, &[("b", int, 64)]);
    let target = b.build();
    let mut local = one("s", 0, &[]);
    let both = local.fields("s", STRUCT, 8, &[("a", int, 0), ("b", int, 32)]);
    let [a, b] = ["0:0", "0:1"].map(|text| StrOff(local.string(text)));
    let local = local.build();
    let mut resolver = Resolver::new(&local, &[Target { name: "vmlinux", btf: &target }]);
    let mut new = |access, kind| {
        resolver.resolve(&CoreRelo { insn_off: 0, ty: both, access, kind }).unwrap().new
    };
    assert_eq!(new(b, EXISTS), Ok(1));
    assert_eq!(new(a, EXISTS), Ok(0));
}

#[test]
fn questions_without_sense() {
    let table = [
        ("", "0:1", 13, 2, "relocation kind 13 is not known, known are 0 to 12"),
        ("s", "0:1", 0, 9, "type 9 does not exist in the program's types"),
        ("", "0:1", 0, 2, "field_byte_offset of type 2, which has no name to look for"),
        ("s", "", 0, 2, "has access string '', which leads nowhere"),
        ("s", ":0", 0, 2, "has access string ':0', which leads nowhere"),
        ("s", "0:2", 0, 2, "has access string '0:2', which leads nowhere"),
        ("s", "0:-1", 0, 2, "has access string '0:-1', which leads nowhere"),
        ("s", "0:1:0", 0, 2, "has access string '0:1:0', which leads nowhere"),
        ("s", "0:99999999999", 0, 2, "which leads nowhere"),
        ("s", "1", 8, 2, "type_exists of type 2 has access string '1'"),
        ("s", "0", 11, 2, "enumval_value of type 2 has access string '0'"),
    ];
    for (name, access, kind, ty, want) in table {
        let (local, relo) = ask(&mut one(name, 4, &[]), access, kind, TypeId(ty));
        let err = value(&local, &relo, &[("vmlinux", &local)]).unwrap_err().to_string();
        assert!(err.contains(want), "{err}");
    }
    let long = vec!["0"; 65].join(":");
    let (local, relo) = ask(&mut one("s", 4, &[]), &long, 0, TypeId(2));
    assert!(matches!(value(&local, &relo, &[]), Err(CoreError::Access { .. })));
}

/// Structs that contain two anonymous ones of the level below have 2^60 members.
#[test]
fn searches_are_bounded() {
    let mut b = Builder::default();
    let int = b.int("int", 4, SIGNED);
    let mut last = b.fields("", UNION, 4, &[("x", int, 0)]);
    for level in 0..60 {
        let name = if level == 59 { "s" } else { "" };
        last = b.fields(name, UNION, 4, &[("", last, 0), ("", last, 0)]);
    }
    let target = b.build();
    let mut local = Builder::default();
    local.int("int", 4, SIGNED);
    local.fields("s", UNION, 8, &[("a", TypeId(1), 0)]);
    let (local, relo) = ask(&mut local, "0:0", EXISTS, TypeId(2));
    let err = value(&local, &relo, &[("vmlinux", &target)]).unwrap_err();
    assert!(err.to_string().contains("too many or too deep"), "{err}");

    let mut both = b;
    let (both, relo) = ask(&mut both, "0", MATCHES, last);
    match value(&both, &relo, &[("vmlinux", &both)]) {
        Ok(fixup) => assert_eq!(fixup.new, Ok(1)),
        Err(err) => assert!(matches!(err, CoreError::Candidate { .. }), "{err}"),
    }
}

/// Pointers to pointers end, however many.
#[test]
fn compatible_pointers() {
    for (depth, fits) in [(1, true), (20, true), (31, true), (40, false)] {
        let mut b = Builder::default();
        let mut ty = b.int("int", 4, SIGNED);
        for _ in 0..depth {
            ty = b.to("", PTR, ty);
        }
        let name = b.to("p", TYPEDEF, ty);
        let (btf, relo) = ask(&mut b, "0", TYPE_EXISTS, name);
        let result = value(&btf, &relo, &[("vmlinux", &btf)]);
        assert_eq!(result.is_ok(), fits, "{depth}");
    }
}

/// A 32-bit kernel: its `long` says so, and pointers are half as large there.
#[test]
fn pointers_of_the_target_count() {
    let make = |long: u32, at: u32| {
        let mut b = Builder::default();
        b.int("long unsigned int", long, 0);
        let ptr = b.to("", PTR, TypeId(1));
        b.fields("s", STRUCT, 16, &[("p", ptr, at * 8)]);
        b
    };
    let (local, relo) = ask(&mut make(8, 0), "0:0", BYTE_OFFSET, TypeId(3));
    let target = make(4, 4).build();
    assert_eq!((local.pointer_size(), target.pointer_size()), (8, 4));
    let fixup = value(&local, &relo, &[("vmlinux", &target)]).unwrap();
    assert_eq!((fixup.old, fixup.new), (0, Ok(4)));
    let access = fixup.access;
    assert_eq!((access.old, access.new, access.resizable), (8, 4, true));
}
