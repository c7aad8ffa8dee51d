//! Map definitions that define nothing, and what initial content may be.

use crate::build::{FUNC, NOBITS, OBJECT, Object, PROGBITS, Types};
use crate::{chain, refused};
use skep_abi::MapType;
use skep_isa::Insn;
use skep_prog::{DataKind, Initial};

const STATIC: u32 = 0;
const GLOBAL: u32 = 1;
const EXTERN: u32 = 2;

/// An object with a map `m` of this type and a program `f`.
fn object(mut types: Types, ty: u32, linkage: u32) -> Object {
    let var = types.var("m", ty, linkage);
    types.datasec(".maps", var, 64);
    let mut object = Object::default();
    let maps = object.section(".maps", PROGBITS, 3, &[0; 64]);
    object.symbol("m", OBJECT, maps, 0, 64);
    let xdp = object.code("xdp", &[Insn::Exit]);
    object.symbol("f", FUNC, xdp, 0, 8);
    object.section(".BTF", PROGBITS, 0, &types.build());
    object
}

/// Members of a map definition, made with the types they need.
type Members = fn(&mut Types) -> Vec<(&'static str, u32)>;

fn defined(members: Members) -> Object {
    let mut types = Types::new();
    let members = members(&mut types);
    let ty = types.record(&members);
    object(types, ty, GLOBAL)
}

#[test]
fn definitions_that_make_no_sense_are_refused() {
    let case = |members: Members, want: &str| {
        refused(&defined(members).build(), &format!("map 'm': {want}"));
    };
    case(|_| vec![], "map type isn't specified");
    case(|t| vec![("type", t.uint(0))], "map type isn't specified");
    case(|t| vec![("type", t.uint(999))], "map type 999 is not known");
    case(|t| vec![("typ", t.uint(1))], "unknown field 'typ'");
    case(|t| vec![("type", t.uint(1)), ("type", t.uint(1))], "field 'type' is there twice");
    case(|_| vec![("type", 1)], "attr 'type': expected pointer, got int");
    case(|t| vec![("type", t.ptr(1))], "attr 'type': expected array, got int");
    case(|t| vec![("type", t.ptr(0))], "attr 'type': expected array, got void");
    case(|_| vec![("key", 1)], "attr 'key': expected pointer, got int");
    case(|t| vec![("value", t.ptr(0))], "can't determine value size for type [0]");
    case(|t| vec![("key", t.ptr(1)), ("key_size", t.uint(8))], "conflicting key size 4 != 8");
    case(|t| vec![("value_size", t.uint(2)), ("value", t.ptr(1))], "conflicting value size 2 != 4");
    case(|t| vec![("pinning", t.uint(2))], "invalid pinning value 2");
    case(
        |t| {
            let two = [t.string("a"), 1, t.string("b"), 2];
            vec![("map_extra", t.push("", 6, 2, 4, &two))]
        },
        "attr 'map_extra': expected one enum value, got enum",
    );
    case(
        |t| {
            let name = t.string("a");
            vec![("map_extra", t.push("", 6 | 0x80, 1, 4, &[name, u32::MAX]))]
        },
        "attr 'map_extra': -1 does not fit",
    );
}

#[test]
fn ring_buffers_take_whole_pages() {
    let case = |map_type: u32, size: u32, want: u32| {
        let mut types = Types::new();
        let (map_type, size) = (types.uint(map_type), types.uint(size));
        let ty = types.record(&[("type", map_type), ("max_entries", size)]);
        let image = skep_obj::parse(&object(types, ty, GLOBAL).build()).unwrap();
        assert_eq!(image.maps[0].max_entries, want);
    };
    for (size, want) in [
        (0, 0),
        (1, 4096),
        (4096, 4096),
        (4097, 8192),
        (12288, 16384),
        (1 << 31, 1 << 31),
        (u32::MAX, u32::MAX),
    ] {
        case(27, size, want);
        case(31, size, want);
        case(1, size, size);
    }
}

#[test]
fn hidden_variables_are_not_shared() {
    let flags = |visibility: u8, linkage| {
        let mut types = Types::new();
        let var = types.var("v", 1, linkage);
        types.datasec(".data", var, 4);
        let mut object = Object::default();
        let data = object.section(".data", PROGBITS, 3, &[0; 4]);
        object.symbol("v", OBJECT, data, 0, 4);
        object.symbols[0].visibility = visibility;
        object.section(".BTF", PROGBITS, 0, &types.build());
        skep_obj::parse(&object.build()).unwrap().maps[0].flags
    };
    let mmapable = 0x400;
    assert_eq!(
        [0, 1, 2, 3].map(|visibility| flags(visibility, GLOBAL)),
        [mmapable, 0, 0, mmapable]
    );
    assert_eq!(flags(0, STATIC), 0);
}

#[test]
fn inner_definitions_that_make_no_sense_are_refused() {
    let case = |members: Members, want: &str| {
        refused(&defined(members).build(), &format!("map 'm': {want}"));
    };
    /// `T *values[len]`
    fn values(t: &mut Types, ty: u32, len: u32) -> (&'static str, u32) {
        let ptr = t.ptr(ty);
        ("values", t.array(ptr, len))
    }
    case(|t| vec![values(t, 1, 1)], "value spec is not a zero-sized array");
    case(|_| vec![("values", 1)], "value spec is not a zero-sized array");
    case(|t| vec![("values", t.array(1, 0))], "values def is of unexpected kind int");
    case(|t| vec![values(t, 1, 0), ("type", t.uint(12))], "'values' member should be last");
    case(|t| vec![("value_size", t.uint(8)), values(t, 1, 0)], "conflicting value size 8 != 4");
    case(
        |t| vec![("type", t.uint(1)), values(t, 1, 0)],
        "'values' of a hash map: should be map-in-map or prog-array",
    );
    case(
        |t| vec![("type", t.uint(3)), values(t, 1, 0)],
        "prog-array value def is of unexpected kind int",
    );
    case(
        |t| vec![("type", t.uint(13)), values(t, 1, 0)],
        "map-in-map inner def is of unexpected kind int",
    );
    case(
        |t| {
            let pinned = t.uint(1);
            let inner = t.record(&[("pinning", pinned)]);
            vec![("type", t.uint(12)), values(t, inner, 0)]
        },
        "inner def can't be pinned",
    );
    case(
        |t| {
            let inmost = values(t, 1, 0);
            let inner = t.record(&[inmost]);
            vec![("type", t.uint(12)), values(t, inner, 0)]
        },
        "multi-level inner maps not supported",
    );
}

#[test]
fn variables_that_are_no_maps_are_refused() {
    let case = |ty: fn(&mut Types) -> u32, linkage: u32, want: &str| {
        let mut types = Types::new();
        let ty = ty(&mut types);
        refused(&object(types, ty, linkage).build(), &format!("map 'm': {want}"));
    };
    case(|_| 1, GLOBAL, "unexpected def kind int");
    case(|t| t.record(&[]), STATIC, "unsupported map linkage static");
    case(|t| t.record(&[]), EXTERN, "declared extern: link the object that defines it (skep link)");
    case(
        |t| {
            let ty = t.uint(1);
            t.record(&["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|name| (name, ty)))
        },
        GLOBAL,
        "invalid def size: type of 72 bytes, variable of 64",
    );

    let array: Members = |t| vec![("type", t.uint(2))];
    let mut nameless = defined(array);
    nameless.symbols[0].name = b"n".into();
    refused(&nameless.build(), "map 'm' has no symbol in section '.maps'");
    let mut untyped = defined(array);
    untyped.sections.pop();
    let no_types =
        "section '.maps' has no types in .BTF (compile with clang -g, do not strip .BTF)";
    refused(&untyped.build(), no_types);
    let mut broken = defined(array);
    broken.sections[2].data[0] = 0;
    let magic = "magic 0xeb00 is not 0xeb9f in either byte order";
    refused(&broken.build(), &format!("section '.BTF' at byte 136 of the file: {magic}"));
}

/// A map with `values` at byte 16 and a relocation of type `kind` at byte `at` by symbol `name`.
fn initial(map_type: u32, at: u64, name: &str, kind: u32) -> Object {
    let mut types = Types::new();
    let number = types.uint(map_type);
    let entries = types.uint(4);
    let inner = types.uint(2);
    let inner = match map_type {
        3 => types.push("", 13, 0, 1, &[]),
        _ => types.record(&[("type", inner)]),
    };
    let ptr = types.ptr(inner);
    let values = types.array(ptr, 0);
    let ty = types.record(&[("type", number), ("max_entries", entries), ("values", values)]);
    // The type without `values`: that is what the variable has room for.
    let mut object = object(types, ty, GLOBAL);
    let data = object.section(".data", PROGBITS, 3, &[0; 8]);
    object.symbol("d", OBJECT, data, 0, 8);
    let index = object.symbols.iter().position(|symbol| symbol.name == name.as_bytes()).unwrap();
    object.relocs(1, &[(at, u32::try_from(index).unwrap() + 1, kind)]);
    object
}

#[test]
fn values_name_programs_and_maps() {
    let image = skep_obj::parse(&initial(3, 32, "f", 2).build())
        .unwrap_or_else(|e| panic!("{}", chain(&e)));
    assert_eq!(image.maps[0].map_type, MapType::ProgArray);
    assert_eq!(image.maps[0].initial, Initial::Progs(vec![(2, "f".into())]));
    let image = skep_obj::parse(&initial(12, 16, "m", 2).build()).unwrap();
    assert_eq!(image.maps[0].initial, Initial::Maps(vec![(0, "m".into())]));
    assert_eq!(image.maps[0].inner.as_ref().unwrap().map_type, MapType::Array);

    let case = |map_type, at, name: &str, kind, why: &str| {
        let want = format!("section '.maps': relocation of byte {at} by '{name}': {why}");
        refused(&initial(map_type, at, name, kind).build(), &want);
    };
    case(3, 32, "f", 1, "this type of relocation has no meaning in a map");
    case(3, 64, "f", 2, "no map is defined there");
    case(3, 8, "f", 2, "only 'values' of a map takes addresses");
    case(3, 20, "f", 2, "only 'values' of a map takes addresses");
    case(3, 16, "m", 2, "a prog array holds programs");
    case(3, 16, "d", 2, "a map holds no addresses of data");
    case(12, 16, "f", 2, "a map of maps holds maps");
    refused(
        &initial(3, 48, "f", 2).build(),
        "map 'm': initial value for index 4, max_entries is 4",
    );
}

#[test]
fn a_prog_array_holds_no_subprograms() {
    let mut object = initial(3, 24, "f", 2);
    let f = object.symbols.iter_mut().find(|symbol| symbol.name == b"f").unwrap();
    f.global = false;
    refused(&object.build(), "map 'm': index 1 is to be 'f', which is no program by itself");
}

#[test]
fn data_sections_become_maps() {
    let mut object = Object::default();
    object.section(".data", PROGBITS, 3, &[1, 2, 3]);
    object.section(".rodata.str1.1", PROGBITS, 0x32, b"hi\0");
    object.section(".bss", NOBITS, 3, &[]);
    object.sections[2].size = Some(i32::MAX.unsigned_abs().into());
    object.section(".database", PROGBITS, 3, &[1]);
    object.section(".data.empty", PROGBITS, 3, &[]);
    let image = skep_obj::parse(&object.build()).unwrap();
    let maps: Vec<_> =
        image.maps.iter().map(|m| (&*m.name, m.value_size, m.flags, m.data)).collect();
    let expected = [
        (".data", 3, 0, Some(DataKind::Data)),
        (".rodata.str1.1", 3, 0x80, Some(DataKind::Rodata)),
        (".bss", 0x7fff_ffff, 0, Some(DataKind::Bss)),
    ];
    assert_eq!(maps, expected);
    assert_eq!(image.maps[0].initial, Initial::Value(vec![1, 2, 3]));
    assert_eq!(image.maps[2].initial, Initial::Empty);

    object.sections[2].size = Some(1 << 32);
    refused(&object.build(), "section '.bss' has 4294967296 bytes, the limit is 2147483647");
}

#[test]
fn functions_in_data_are_what_the_object_holds() {
    let mut object = Object::default();
    let xdp = object.code("xdp", &[Insn::Exit]);
    let data = object.section(".data", PROGBITS, 3, &[0; 8]);
    let func = object.symbol("f", FUNC, xdp, 0, 8);
    object.symbol("table", OBJECT, data, 0, 8);
    object.relocs(data, &[(0, func, 2)]);
    let image = skep_obj::parse(&object.build()).unwrap();
    assert_eq!(image.maps[0].initial, Initial::Value(vec![0; 8]));
}
