//! Types of several objects, merged.

use crate::builder::{self, ENUM, FWD, PTR, SIGNED, STRUCT, TYPEDEF, VAR};
use crate::fixture;
use crate::write::bpftool;
use skep_btf::{Body, Btf, Builder, ByteOrder, Kind, TypeId, dedup};

fn joined(all: &[&Btf]) -> Btf {
    let mut builder = Builder::new();
    for btf in all {
        builder.append(btf).unwrap();
    }
    builder.finish().unwrap()
}

fn count(btf: &Btf, kind: Kind) -> usize {
    btf.types().filter(|ty| ty.kind() == kind).count()
}

/// Two copies of one object become one, but for variables.
#[test]
fn twice_the_same() {
    for name in ["flows.el.btf", "core.el.btf", "core_target.el.btf", "layouts.el.btf"] {
        let one = Btf::parse(&fixture(name)).unwrap();
        let alone = dedup(&one).unwrap().btf;
        let both = dedup(&joined(&[&one, &one])).unwrap();
        let kept = count(&alone, Kind::Var) + count(&alone, Kind::Datasec);
        assert_eq!(both.btf.len(), alone.len() + kept, "{name}");
        assert_eq!(format!("{:?}", dedup(&both.btf).unwrap().btf), format!("{:?}", both.btf));
        for ty in one.types() {
            let second = TypeId(ty.id.0 + u32::try_from(one.len()).unwrap());
            let same = both.map(ty.id) == both.map(second);
            let is_kept = matches!(ty.kind(), Kind::Var | Kind::Datasec);
            assert_eq!(same, !is_kept, "{name}: {ty:?}");
            let new = both.btf.get(both.map(ty.id).unwrap()).unwrap();
            assert_eq!(new.name, ty.name);
            assert_eq!(both.btf.size_of(new.id), one.size_of(ty.id));
        }
        assert_eq!(both.map(TypeId::VOID), Some(TypeId::VOID));
        assert_eq!(both.map(TypeId(u32::MAX)), None);
    }
}

/// `struct list { struct list *next; struct other *to; };` with what `other` is.
fn list(b: &mut builder::Builder, other: Option<&[(&str, TypeId, u32)]>) -> TypeId {
    let start = b.types;
    let [own, next, to, other_id] = [1, 2, 3, 4].map(|n| TypeId(start + n));
    b.fields("list", STRUCT, 16, &[("next", next, 0), ("to", to, 64)]);
    b.to("", PTR, own);
    b.to("", PTR, other_id);
    match other {
        Some(members) => b.fields("other", STRUCT, 4, members),
        None => b.ty("other", FWD, 0, 0, &[]),
    };
    own
}

#[test]
fn circles_and_declarations() {
    let mut b = builder::Builder::default();
    let int = b.int("int", 4, SIGNED);
    let a = list(&mut b, None);
    let second = list(&mut b, Some(&[("n", int, 0)]));
    let third = list(&mut b, Some(&[("n", int, 0)]));
    let merged = dedup(&b.build()).unwrap();
    assert_eq!(merged.btf.len(), 5);
    assert_eq!(merged.map(a), merged.map(second));
    assert_eq!(merged.map(a), merged.map(third));
    assert_eq!(count(&merged.btf, Kind::Fwd), 0);
    let Body::Struct { members, .. } = merged.btf.get(merged.map(a).unwrap()).unwrap().body else {
        panic!()
    };
    let to = merged.btf.get(members.get(1).unwrap().ty).unwrap();
    let Body::Ptr(other) = to.body else { panic!() };
    assert_eq!(merged.btf.get(other).unwrap().kind(), Kind::Struct);
}

/// With two definitions, a declaration could mean either; the first struct that is otherwise the same
/// decides, as with libbpf.
#[test]
fn definitions_that_differ() {
    let mut b = builder::Builder::default();
    let int = b.int("int", 4, SIGNED);
    let lists = [
        list(&mut b, None),
        list(&mut b, Some(&[("n", int, 0)])),
        list(&mut b, Some(&[("m", int, 0)])),
        list(&mut b, None),
    ];
    let merged = dedup(&b.build()).unwrap();
    let [a, n, m, again] = lists.map(|id| merged.map(id).unwrap());
    assert!(a == n && n == again && n != m);
    assert_eq!(count(&merged.btf, Kind::Fwd), 0);
    assert_eq!(merged.btf.len(), 1 + 2 * 4);
}

#[test]
fn what_tells_types_apart() {
    let mut b = builder::Builder::default();
    let int = b.int("int", 4, SIGNED);
    let long = b.int("long", 8, SIGNED);
    let other_int = b.int("int", 4, 0);
    let [v, w] = ["V", "W"].map(|name| b.string(name));
    let ids = [
        b.to("t", TYPEDEF, int),
        b.to("t", TYPEDEF, long),
        b.to("t", TYPEDEF, other_int),
        b.to("u", TYPEDEF, int),
        b.array(int, 2),
        b.array(int, 3),
        b.fields("s", STRUCT, 4, &[("a", int, 0)]),
        b.fields("s", STRUCT, 8, &[("a", int, 0)]),
        b.fields("s", STRUCT, 8, &[("a", int, 32)]),
        b.ty("e", ENUM, 1, 4, &[v, 1]),
        b.ty("e", ENUM, 1, 4, &[w, 1]),
        b.ty("e", ENUM, 1, 4, &[v, 2]),
        b.ty("x", VAR, 0, int.0, &[1]),
        b.ty("x", VAR, 0, int.0, &[1]),
    ];
    let merged = dedup(&b.build()).unwrap();
    assert_eq!(merged.btf.len(), 3 + ids.len());

    let mut b = builder::Builder::default();
    let v = b.string("V");
    let declared = b.ty("e", ENUM, 0, 4, &[]);
    let defined = b.ty("e", ENUM, 1, 4, &[v, 1]);
    let merged = dedup(&b.build()).unwrap();
    assert_eq!(merged.map(declared), merged.map(defined));
}

/// Long chains of types that look alike take no square of time.
#[test]
fn chains() {
    let mut b = builder::Builder::default();
    let int = b.int("int", 4, SIGNED);
    for _ in 0..2 {
        let mut last = int;
        for _ in 0..20_000 {
            last = b.to("", PTR, last);
            last = b.to("t", TYPEDEF, last);
        }
    }
    assert_eq!(dedup(&b.build()).unwrap().btf.len(), 1 + 2 * 20_000);
}

#[test]
fn running_kernel() {
    let Ok(bytes) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        eprintln!("skipped: this kernel does not show its types");
        return;
    };
    let btf = Btf::parse(&bytes).unwrap();
    let start = std::time::Instant::now();
    let merged = dedup(&btf).unwrap().btf;
    eprintln!("{} of {} types in {:?}", merged.len(), btf.len(), start.elapsed());
    assert!(merged.len() * 100 > btf.len() * 98, "pahole has merged them before");
    let Some(text) = bpftool(&merged.to_bytes(ByteOrder::Little), "raw") else { return };
    assert_eq!(text.lines().filter(|line| line.starts_with('[')).count(), merged.len());
}
