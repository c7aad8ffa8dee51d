//! Types written, and read again.

use crate::{fixture, flows};
use skep_btf::{Body, Btf, BtfError, BtfExt, Builder, ByteOrder, Def, FuncLinkage, Int};
use skep_btf::{Member, Param, SecVar, TypeId, VarLinkage, Variant, WriteError};
use std::process::Command;

const FIXTURES: [&str; 8] = [
    "flows.el.btf",
    "flows.eb.btf",
    "core.el.btf",
    "core.eb.btf",
    "core_target.el.btf",
    "core_target.eb.btf",
    "layouts.el.btf",
    "layouts.eb.btf",
];

/// Adds the types of `btf` one by one.
fn rebuild(btf: &Btf) -> Btf {
    let mut builder = Builder::new();
    for ty in btf.types() {
        let members: Vec<_>;
        let variants: Vec<_>;
        let params: Vec<_>;
        let section: Vec<_>;
        let def = match ty.body {
            Body::Void => unreachable!(),
            Body::Int(int) => Def::Int(int),
            Body::Ptr(to) => Def::Ptr(to),
            Body::Array { elem, index, len } => Def::Array { elem, index, len },
            Body::Struct { size, members: list } => {
                members = list.iter().collect();
                Def::Struct { size, members: &members }
            }
            Body::Union { size, members: list } => {
                members = list.iter().collect();
                Def::Union { size, members: &members }
            }
            Body::Enum { size, signed, variants: list } => {
                variants = list.iter().collect();
                Def::Enum { size, signed, variants: &variants }
            }
            Body::Enum64 { size, signed, variants: list } => {
                variants = list.iter().collect();
                Def::Enum64 { size, signed, variants: &variants }
            }
            Body::Fwd { union } => Def::Fwd { union },
            Body::Typedef(to) => Def::Typedef(to),
            Body::Volatile(to) => Def::Volatile(to),
            Body::Const(to) => Def::Const(to),
            Body::Restrict(to) => Def::Restrict(to),
            Body::TypeTag(to) => Def::TypeTag(to),
            Body::Func { proto, linkage } => Def::Func { proto, linkage },
            Body::FuncProto { ret, params: list } => {
                params = list.iter().collect();
                Def::FuncProto { ret, params: &params }
            }
            Body::Var { ty, linkage } => Def::Var { ty, linkage },
            Body::Datasec { size, vars } => {
                section = vars.iter().collect();
                Def::Datasec { size, vars: &section }
            }
            Body::Float { size } => Def::Float { size },
            Body::DeclTag { ty, component } => Def::DeclTag { ty, component },
        };
        assert_eq!(builder.add(ty.name, def).unwrap(), ty.id);
    }
    builder.finish().unwrap()
}

fn debug(btf: &Btf) -> String {
    format!("{btf:?}")
}

#[test]
fn every_kind_survives() {
    for name in FIXTURES {
        let btf = Btf::parse(&fixture(name)).unwrap();
        assert_eq!(debug(&rebuild(&btf)), debug(&btf), "{name}");
        let mut builder = Builder::new();
        assert_eq!(builder.append(&btf), Ok(0));
        assert_eq!(debug(&builder.finish().unwrap()), debug(&btf), "{name}");
    }
}

#[test]
fn either_byte_order() {
    for (order, btf) in flows() {
        let name = if order == ByteOrder::Little { "flows.el.btf" } else { "flows.eb.btf" };
        assert_eq!(btf.to_bytes(order), fixture(name), "as clang writes it");
        let other = if order == ByteOrder::Little { ByteOrder::Big } else { ByteOrder::Little };
        let turned = Btf::parse(&btf.to_bytes(other)).unwrap();
        assert_eq!((turned.order(), debug(&turned)), (other, debug(&btf)));
    }
}

#[test]
fn ext_as_clang_writes_it() {
    for name in ["flows", "core"] {
        for (suffix, order) in [("el", ByteOrder::Little), ("eb", ByteOrder::Big)] {
            let btf = Btf::parse(&fixture(&format!("{name}.{suffix}.btf"))).unwrap();
            let bytes = fixture(&format!("{name}.{suffix}.btf.ext"));
            let ext = BtfExt::parse(&bytes, &btf).unwrap();
            assert_eq!(ext.to_bytes(&btf, order).unwrap(), bytes);
            let empty = Builder::new().finish().unwrap();
            assert_eq!(ext.to_bytes(&empty, order), None, "no such strings");
            let none = BtfExt::default().to_bytes(&empty, order).unwrap();
            assert_eq!(BtfExt::parse(&none, &empty).unwrap(), BtfExt::default());
        }
    }
}

#[test]
fn strings_are_found() {
    let (_, btf) = flows().into_iter().next().unwrap();
    let off = btf.string("flow").unwrap();
    assert_eq!(btf.text(off), "flow");
    assert_eq!(btf.string("").map(|off| off.0), Some(0));
    assert_eq!(btf.string("no such string"), None);
    let mut builder = Builder::new();
    let [a, again, b] = ["a", "a", "b"].map(|text| builder.string(text).unwrap());
    assert_eq!((a, a.0, b.0), (again, 1, 3));
    let btf = builder.finish().unwrap();
    assert_eq!((btf.string("b"), btf.string("c")), (Some(b), None));
}

#[test]
fn what_has_no_room() {
    let add = |def: Def<'_>| Builder::new().add("x", def).unwrap_err();
    let member = Member { name: "m", ty: TypeId(1), bit_off: 1 << 24, bitfield: Some(3) };
    assert_eq!(
        add(Def::Struct { size: 1 << 22, members: &[member] }),
        WriteError::BitOff { bit_off: 1 << 24 }
    );
    let many = vec![Param { name: "", ty: TypeId(1) }; 65_536];
    let err = add(Def::FuncProto { ret: TypeId::VOID, params: &many });
    assert_eq!(err, WriteError::Entries { len: 65_536 });
    let table = [
        (false, false, -1_i128),
        (false, false, 1 << 32),
        (false, true, 1 << 31),
        (true, false, -1),
        (true, false, 1 << 64),
        (true, true, 1 << 63),
    ];
    for (wide, signed, value) in table {
        let variants = &[Variant { name: "V", value }];
        let err = match wide {
            false => add(Def::Enum { size: 4, signed, variants }),
            true => add(Def::Enum64 { size: 8, signed, variants }),
        };
        assert_eq!(err, WriteError::Value { value });
    }
}

#[test]
fn what_makes_no_sense_is_not_finished() {
    let mut builder = Builder::new();
    builder.add("", Def::Ptr(TypeId(2))).unwrap();
    assert!(matches!(builder.finish(), Err(BtfError::NoType { to: TypeId(2), .. })));
}

/// All kinds, as bpftool, which is libbpf, reads them.
#[test]
fn bpftool_reads_it() {
    let mut b = Builder::new();
    let int = Int { size: 4, bits: 32, bit_off: 0, signed: true, char: false, bool: false };
    let int = b.add("int", Def::Int(int)).unwrap();
    let ptr = b.add("", Def::Ptr(int)).unwrap();
    b.add("", Def::Array { elem: int, index: int, len: 3 }).unwrap();
    let field = |name, bit_off, bitfield| Member { name, ty: int, bit_off, bitfield };
    let members = [field("a", 0, Some(3)), field("b", 32, None)];
    let pair = b.add("pair", Def::Struct { size: 8, members: &members }).unwrap();
    b.add("u", Def::Union { size: 4, members: &[field("n", 0, None)] }).unwrap();
    let variants = [Variant { name: "MINUS", value: -1 }];
    b.add("e", Def::Enum { size: 4, signed: true, variants: &variants }).unwrap();
    let variants = [Variant { name: "HUGE", value: u64::MAX.into() }];
    b.add("e64", Def::Enum64 { size: 8, signed: false, variants: &variants }).unwrap();
    b.add("later", Def::Fwd { union: true }).unwrap();
    b.add("t", Def::Typedef(pair)).unwrap();
    let constant = b.add("", Def::Const(int)).unwrap();
    b.add("", Def::Volatile(constant)).unwrap();
    b.add("", Def::Restrict(ptr)).unwrap();
    b.add("user", Def::TypeTag(int)).unwrap();
    let params = [Param { name: "p", ty: ptr }];
    let proto = b.add("", Def::FuncProto { ret: int, params: &params }).unwrap();
    let func = b.add("f", Def::Func { proto, linkage: FuncLinkage::Global }).unwrap();
    let var = b.add("v", Def::Var { ty: int, linkage: VarLinkage::Global }).unwrap();
    let vars = [SecVar { var, off: 4, size: 4 }];
    b.add(".data", Def::Datasec { size: 8, vars: &vars }).unwrap();
    b.add("double", Def::Float { size: 8 }).unwrap();
    b.add("tag", Def::DeclTag { ty: func, component: Some(0) }).unwrap();
    let btf = b.finish().unwrap();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let Some(text) = bpftool(&btf.to_bytes(order), "raw") else { return };
        for line in [
            "[4] STRUCT 'pair' size=8 vlen=2\n\t'a' type_id=1 bits_offset=0 bitfield_size=3\n",
            "\t'b' type_id=1 bits_offset=32\n",
            "[6] ENUM 'e' encoding=SIGNED size=4 vlen=1\n\t'MINUS' val=-1\n",
            "'HUGE' val=18446744073709551615",
            "[8] FWD 'later' fwd_kind=union",
            "[15] FUNC 'f' type_id=14 linkage=global",
            "[17] DATASEC '.data' size=8 vlen=1\n\ttype_id=16 offset=4 size=4",
            "[18] FLOAT 'double' size=8",
            "[19] DECL_TAG 'tag' type_id=15 component_idx=0",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
    }
}

/// What bpftool says about types; `None` without it.
pub(crate) fn bpftool(bytes: &[u8], format: &str) -> Option<String> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("skep-btf-{}-{number}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let output = ["bpftool", "/usr/sbin/bpftool"].into_iter().find_map(|tool| {
        let args = ["btf", "dump", "file", path.to_str().unwrap(), "format", format];
        Command::new(tool).args(args).output().ok()
    });
    let _ = std::fs::remove_file(&path);
    let Some(output) = output else {
        assert!(std::env::var_os("SKEP_REQUIRE_TOOLS").is_none(), "no bpftool");
        eprintln!("skipped: no bpftool");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
