//! BTF that is opened and not checked as a whole, and split BTF.

use crate::builder::{Builder, CONST, FUNC, PTR, SIGNED, STRUCT, TYPEDEF};
use crate::flows;
use skep_btf::{Body, Btf, BtfError, ByteOrder, Kind, TypeId};
use std::sync::Arc;

#[test]
fn opened_is_as_parsed() {
    for name in ["flows.el.btf", "flows.eb.btf", "core.el.btf"] {
        let bytes = crate::fixture(name);
        let parsed = Btf::parse(&bytes).unwrap();
        let opened = Btf::open(bytes).unwrap();
        assert_eq!(format!("{opened:?}"), format!("{parsed:?}"));
        for ty in parsed.types() {
            assert_eq!(opened.find(ty.name, ty.kind()).map(|ty| ty.id), {
                parsed.find(ty.name, ty.kind()).map(|ty| ty.id)
            });
            assert_eq!(opened.size_of(ty.id), parsed.size_of(ty.id));
        }
        assert!(opened.into_checked().is_ok());
    }
}

/// What is malformed is not there, what is beside it is.
#[test]
fn malformed_types_are_not_there() {
    let mut b = Builder::default();
    let int = b.int("int", 4, SIGNED);
    let size = b.int("odd", 3, 0);
    let dangling = b.to("", PTR, TypeId(99));
    let name = b.ty("s", STRUCT, 1, 4, &[9999, int.0, 0]);
    let func = b.to("f", FUNC, int);
    let good = b.fields("good", STRUCT, 4, &[("a", int, 0)]);
    let btf = Btf::open(b.bytes()).unwrap();
    for bad in [size, dangling, name, func] {
        assert!(btf.get(bad).is_none(), "{bad}");
    }
    assert!(btf.find("odd", Kind::Int).is_none());
    assert_eq!(btf.find("good", Kind::Struct).unwrap().id, good);
    assert_eq!(btf.size_of(good), Some(4));
    assert!(btf.into_checked().is_err());
}

/// Work on types that contain themselves ends, and nothing overflows the stack.
#[test]
fn cycles_end() {
    let mut b = Builder::default();
    let own = TypeId(1);
    b.fields("own", STRUCT, 4, &[("a", own, 0), ("b", own, 0)]);
    b.fields("", STRUCT, 4, &[("", TypeId(2), 0), ("", TypeId(2), 0)]);
    b.to("t", TYPEDEF, TypeId(4));
    b.to("", CONST, TypeId(3));
    b.array(TypeId(5), 2);
    b.to("", PTR, TypeId(6));
    let btf = Btf::open(b.bytes()).unwrap();
    for ty in btf.types() {
        let _ = btf.size_of(ty.id);
        let _ = btf.resolve(ty.id);
        let _ = btf.show(ty.id, &[0; 64], ByteOrder::Little).to_string();
    }
    assert!(btf.resolve(TypeId(3)).is_none());
    assert!(matches!(btf.into_checked(), Err(BtfError::Cycle { id: TypeId(1), .. })));
}

/// A kernel with `int` and `struct base`, and a module that goes on from it.
fn split() -> (Arc<Btf>, Builder) {
    let mut base = Builder::default();
    let int = base.int("int", 4, SIGNED);
    base.fields("base", STRUCT, 4, &[("a", int, 0)]);
    let module = Builder {
        strings: Vec::new(),
        base: (2, u32::try_from(base.strings.len()).unwrap()),
        ..Builder::default()
    };
    (Arc::new(base.build()), module)
}

#[test]
fn modules_go_on_from_the_kernel() {
    let (base, mut module) = split();
    let ptr = module.to("", PTR, TypeId(2));
    let own = module.fields("own", STRUCT, 16, &[("base", ptr, 0), ("n", TypeId(1), 64)]);
    assert_eq!((ptr, own), (TypeId(3), TypeId(4)));
    let btf = Btf::parse_split(&module.bytes(), Arc::clone(&base)).unwrap();
    assert_eq!((btf.len(), btf.base_len()), (4, 2));
    let names: Vec<_> = btf.types().map(|ty| ty.name).collect();
    assert_eq!(names, ["int", "base", "", "own"]);
    assert_eq!(btf.find("base", Kind::Struct).unwrap().id, TypeId(2));
    assert_eq!(btf.find("own", Kind::Struct).unwrap().id, own);
    let Body::Struct { members, .. } = btf.get(own).unwrap().body else { panic!() };
    assert_eq!(members.get(1).unwrap().name, "n");
    assert_eq!(btf.size_of(members.get(1).unwrap().ty), Some(4));
    assert!(btf.get(TypeId(5)).is_none());
    // A header has what is the module's own, and what that needs.
    let header = skep_btf::dump_c(&btf).unwrap();
    assert!(header.contains("struct own {"), "{header}");
    assert!(!header.contains("struct base {"), "a pointer needs no more than the name: {header}");

    let nothing = Builder { strings: Vec::new(), ..split().1 };
    assert_eq!(Btf::parse_split(&nothing.bytes(), base).unwrap().len(), 2);
}

#[test]
fn modules_that_do_not_fit() {
    let (base, module) = split();
    let parse = |module: &Builder| Btf::parse_split(&module.bytes(), Arc::clone(&base));
    let big = Builder { order: ByteOrder::Big, strings: Vec::new(), ..Builder::default() };
    assert!(matches!(parse(&big), Err(BtfError::BaseOrder)));
    let mut beyond = Builder { strings: Vec::new(), base: module.base, ..Builder::default() };
    beyond.to("", PTR, TypeId(4));
    assert!(matches!(parse(&beyond), Err(BtfError::NoType { to: TypeId(4), types: 3, .. })));
    let mut kind = Builder { strings: Vec::new(), base: module.base, ..Builder::default() };
    kind.ty("", 20, 0, 0, &[]);
    assert!(matches!(parse(&kind), Err(BtfError::Kind { id: TypeId(3), kind: 20, .. })));
    assert!(parse(&module).unwrap().find("base", Kind::Struct).is_some());
}

/// Bytes that others share are copied before they are written to.
#[test]
fn shared_bytes_stay() {
    for (order, _) in flows() {
        let name = if order == ByteOrder::Little { "flows.el.btf" } else { "flows.eb.btf" };
        let bytes = Arc::new(crate::fixture(name));
        struct Shared(Arc<Vec<u8>>);
        impl AsRef<[u8]> for Shared {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let mut btf = Btf::open(Shared(Arc::clone(&bytes))).unwrap();
        let copy = btf.clone();
        let bss = btf.find(".bss", Kind::Datasec).unwrap().id;
        assert!(btf.place_vars(bss, 24, |_| Some(16)));
        assert_eq!((btf.size_of(bss), copy.size_of(bss)), (Some(24), Some(0)));
        assert_eq!(*bytes, crate::fixture(name));
    }
}
