//! Types of a compiled object, in both byte orders.

use crate::builder::{ARRAY, DECL_TAG, ENUM, PTR, STRUCT, TYPE_TAG};
use crate::builder::{Builder, CONST, FLAG, FUNC_PROTO, FWD, TYPEDEF, UNION, VOLATILE};
use crate::flows;
use skep_btf::{Body, Btf, ByteOrder, FuncLinkage, Kind, Type, TypeId, VarLinkage};

#[test]
fn counts_and_order() {
    for (order, btf) in flows() {
        assert_eq!(btf.order(), order);
        assert_eq!(btf.len(), 67);
        assert!(!btf.is_empty());
        assert_eq!(btf.types().count(), 67);
        assert!(btf.types().zip(1..).all(|(ty, id)| ty.id == TypeId(id)));
        assert_eq!(btf.get(TypeId::VOID).unwrap().kind(), Kind::Void);
        assert!(btf.get(TypeId(68)).is_none());
        assert!(btf.get(TypeId(u32::MAX)).is_none());
    }
    assert!(Builder::default().build().is_empty());
}

#[test]
fn find_wants_name_and_kind() {
    for (_, btf) in flows() {
        let id = |name, kind| btf.find(name, kind).map(|ty| ty.id.0);
        assert_eq!(id("key", Kind::Struct), Some(8));
        assert_eq!(id("key", Kind::Union), None);
        assert_eq!(id("ke", Kind::Struct), None);
        assert_eq!(id("keys", Kind::Struct), None);
        assert_eq!(id("first", Kind::Func), Some(43));
        assert_eq!(id(".maps", Kind::Datasec), Some(65));
        assert_eq!(id("", Kind::Array), Some(3));
    }
}

#[test]
fn members() {
    for (_, btf) in flows() {
        let Body::Struct { size: 128, members } = btf.find("flow", Kind::Struct).unwrap().body
        else {
            panic!("flow is no struct of 128 bytes")
        };
        assert_eq!((members.len(), members.is_empty()), (13, false));
        let shape: Vec<_> = members.iter().map(|m| (m.name, m.bit_off, m.bitfield)).collect();
        assert_eq!(
            shape[1..5],
            [
                ("packets", 320, None),
                ("syn", 384, Some(1)),
                ("delta", 385, Some(5)),
                ("action", 390, Some(8)),
            ]
        );
        assert_eq!(shape[11], ("", 896, None));
        assert_eq!(members.get(12).unwrap().name, "hook");
        assert_eq!(members.get(13), None);
    }
}

#[test]
fn functions_and_variables() {
    for (_, btf) in flows() {
        let linkage = |name| match btf.find(name, Kind::Func).unwrap().body {
            Body::Func { linkage, proto } => (linkage, btf.get(proto).unwrap().kind()),
            other => panic!("{other:?}"),
        };
        assert_eq!(linkage("first"), (FuncLinkage::Global, Kind::FuncProto));
        assert_eq!(linkage("count"), (FuncLinkage::Static, Kind::FuncProto));
        assert_eq!(linkage("log_kfunc"), (FuncLinkage::Extern, Kind::FuncProto));

        let linkage = |name| match btf.find(name, Kind::Var).unwrap().body {
            Body::Var { linkage, .. } => linkage,
            other => panic!("{other:?}"),
        };
        assert_eq!(linkage("total"), VarLinkage::Global);
        assert_eq!(linkage("last_ns"), VarLinkage::Static);

        let Body::FuncProto { ret, params } = btf.get(TypeId(39)).unwrap().body else { panic!() };
        assert_eq!(btf.get(ret).unwrap().name, "int");
        let params: Vec<_> = params.iter().map(|param| (param.name, param.ty)).collect();
        assert_eq!(params, [("", TypeId(22)), ("", TypeId::VOID)]);
    }
}

#[test]
fn enumerations() {
    for (_, btf) in flows() {
        let Body::Enum { size: 4, signed: true, variants } =
            btf.find("action", Kind::Enum).unwrap().body
        else {
            panic!()
        };
        let all: Vec<_> = variants.iter().map(|v| (v.name, v.value)).collect();
        assert_eq!(all, [("ACTION_DROP", 1), ("ACTION_PASS", 2), ("ACTION_ABORT", -1)]);
        let Body::Enum64 { size: 8, signed: false, variants } =
            btf.find("big", Kind::Enum64).unwrap().body
        else {
            panic!()
        };
        assert_eq!(variants.get(1).unwrap().value, 0x8000_0000_0000_0001);
    }
}

#[test]
fn sizes() {
    for (_, btf) in flows() {
        let size = |name, kind| btf.size_of(btf.find(name, kind).unwrap().id);
        assert_eq!(size("__be32", Kind::Typedef), Some(4));
        assert_eq!(size("flow", Kind::Struct), Some(128));
        assert_eq!(size("licence", Kind::Var), Some(4));
        assert_eq!(size("first", Kind::Func), None);
        assert_eq!(btf.size_of(TypeId(22)), Some(8), "pointer");
        assert_eq!(btf.size_of(TypeId(6)), Some(4096), "int [1024]");
        assert_eq!(btf.size_of(TypeId::VOID), None);
        assert_eq!(btf.size_of(TypeId(999)), None);
    }
}

#[test]
fn sizes_do_not_wrap() {
    let mut b = Builder::default();
    let int = b.int("int", 4, 0);
    let fits = b.array(int, 0x3fff_ffff);
    let large = b.array(int, 0x4000_0000);
    let square = b.array(fits, u32::MAX);
    let none = b.array(int, 0);
    let btf = b.build();
    assert_eq!(btf.size_of(fits), Some(0xffff_fffc));
    assert_eq!(btf.size_of(large), None);
    assert_eq!(btf.size_of(square), None);
    assert_eq!(btf.size_of(none), Some(0));
}

#[test]
fn resolve_skips_names_and_qualifiers() {
    let mut b = Builder::default();
    let int = b.int("int", 4, 0);
    let mut id = int;
    for (name, kind) in [("", CONST), ("a", TYPEDEF), ("", VOLATILE), ("t", TYPE_TAG), ("", 11)] {
        id = b.to(name, kind, id);
    }
    let void = b.to("v", TYPEDEF, TypeId::VOID);
    let ptr = b.to("", PTR, id);
    let btf = b.build();
    assert_eq!(btf.resolve(id).unwrap().id, int);
    assert_eq!(btf.resolve(void).unwrap().kind(), Kind::Void);
    assert_eq!(btf.resolve(ptr).unwrap().id, ptr);
    assert!(btf.resolve(TypeId(99)).is_none());
}

#[test]
fn declaration_tags_and_forwards() {
    let mut b = Builder::default();
    let fwd = b.ty("later", FWD, FLAG, 0, &[]);
    let whole = b.ty("tag", DECL_TAG, 0, fwd.0, &[u32::MAX]);
    let part = b.ty("tag", DECL_TAG, 0, fwd.0, &[3]);
    let btf = b.build();
    let component = |id| match btf.get(id).unwrap().body {
        Body::DeclTag { ty, component } if ty == fwd => component,
        other => panic!("{other:?}"),
    };
    assert!(matches!(btf.get(fwd).unwrap().body, Body::Fwd { union: true }));
    assert_eq!((component(whole), component(part)), (None, Some(3)));
}

#[test]
fn lists_and_cycles_through_pointers_are_fine() {
    // struct node { struct node *next; int (*call)(struct node *); };
    let mut b = Builder::default();
    let node = TypeId(1);
    b.fields("node", STRUCT, 16, &[("next", TypeId(2), 0), ("call", TypeId(4), 64)]);
    b.to("", PTR, node);
    b.ty("", FUNC_PROTO, 1, 0, &[0, 2]);
    b.to("", PTR, TypeId(3));
    let btf = b.build();
    assert_eq!(btf.size_of(node), Some(16));
    assert!(format!("{btf:?}").contains("next"));
}

#[test]
fn variables_are_placed_by_name() {
    for (_, mut btf) in flows() {
        let vars = |btf: &Btf, section: &str| match btf.find(section, Kind::Datasec).unwrap().body {
            Body::Datasec { size, vars } => {
                let var = vars.get(0).unwrap();
                (size, btf.get(var.var).unwrap().name.to_owned(), var.off)
            }
            other => panic!("{other:?}"),
        };
        let id = |btf: &Btf, section: &str| btf.find(section, Kind::Datasec).unwrap().id;
        let (_, name, off) = vars(&btf, ".maps");
        assert_eq!(off, 0);
        let maps = id(&btf, ".maps");
        assert!(btf.place_vars(maps, 96, |var| (var == name).then_some(16)));
        assert_eq!(vars(&btf, ".maps"), (96, name.clone(), 16));
        assert!(btf.place_vars(maps, 128, |_| None));
        assert_eq!(vars(&btf, ".maps"), (128, name, 16));
        // Static variables stay where compilers put them: their names are not unique.
        let bss = id(&btf, ".bss");
        assert!(btf.place_vars(bss, 24, |_| Some(16)));
        assert_eq!(vars(&btf, ".bss"), (24, "last_ns".to_owned(), 0));
        assert!(!btf.place_vars(TypeId(1), 8, |_| Some(1)));
        assert!(!btf.place_vars(TypeId(99), 8, |_| Some(1)));
    }
}

#[test]
fn old_enumerations_are_unsigned_without_the_flag() {
    let mut b = Builder::default();
    let name = b.string("TOP");
    let plain = b.ty("plain", ENUM, 1, 4, &[name, u32::MAX]);
    let union = b.fields("u", UNION, 4, &[("e", plain, 0)]);
    let btf = b.build();
    let Body::Enum { variants, .. } = btf.get(plain).unwrap().body else { panic!() };
    assert_eq!(variants.get(0).unwrap().value, i128::from(u32::MAX));
    assert!(matches!(btf.get(union), Some(Type { body: Body::Union { size: 4, .. }, .. })));
}

#[test]
fn both_byte_orders_read_alike() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let mut b = Builder { order, ..Builder::default() };
        let int = b.int("int", 4, 0);
        let array = b.ty("", ARRAY, 0, 0, &[int.0, int.0, 7]);
        let btf = b.build();
        assert_eq!((btf.order(), btf.size_of(array)), (order, Some(28)));
    }
    let [(_, le), (_, be)] = flows();
    assert_eq!(format!("{le:?}"), format!("{be:?}"));
}

#[test]
fn declared_enumerations_may_have_no_size() {
    let mut b = Builder::default();
    b.ty("state", ENUM, 0, 0, &[]);
    let btf = b.build();
    assert_eq!(btf.size_of(TypeId(1)), Some(0));
    assert_eq!(btf.show(TypeId(1), &[], ByteOrder::Little).to_string(), "<truncated>");
    assert!(skep_btf::dump_c(&btf).unwrap().contains("enum state"));
}

/// What nests as deep as it may is shown and printed on the stack of a thread.
#[test]
fn the_deepest_types_can_be_used() {
    let mut b = Builder::default();
    let mut id = b.int("int", 4, 0);
    for depth in 2..Btf::MAX_NESTING {
        id = b.fields(&format!("s{depth}"), STRUCT, 4, &[("in", id, 0)]);
    }
    let btf = b.build();
    assert_eq!(btf.size_of(id), Some(4));
    assert!(btf.show(id, &[7, 0, 0, 0], ByteOrder::Little).to_string().contains("in: {in: 7}"));
    assert!(skep_btf::dump_c(&btf).unwrap().contains("struct s2 in;"));

    let mut b = Builder::default();
    let mut id = b.int("int", 4, 0);
    for _ in 3..Btf::MAX_NESTING {
        id = b.to("", PTR, id);
    }
    b.to("deep", TYPEDEF, id);
    assert!(skep_btf::dump_c(&b.build()).unwrap().contains("***deep"));
}
