//! Structs of the kernel that objects fill in, and variables of arenas.

use crate::build::{FUNC, OBJECT, Object, PROGBITS, Types};
use crate::refused;
use skep_isa::Insn;
use skep_obj::parse;
use skep_prog::{Initial, StructOps};

const GLOBAL: u32 = 1;
const ABS64: u32 = 2;

/// A struct of a function, a number and a pointer in a section, and a program in another.
struct Made {
    object: Object,
    types: Types,
    ops: u16,
    prog: u32,
}

fn ops(section: &str, prog: &str) -> Made {
    let mut types = Types::new();
    let proto = types.push("", 13, 0, 1, &[]);
    let func = types.ptr(proto);
    let number = types.ptr(1);
    let record = types.record(&[("init", func), ("count", number)]);
    let var = types.var("mine", record, GLOBAL);
    types.datasec(section, var, 16);
    let mut object = Object::default();
    let code = object.code(prog, &[Insn::Exit]);
    let ops =
        object.section(section, PROGBITS, 3, &[0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    let prog = object.symbol("start", FUNC, code, 0, 8);
    object.symbol("mine", OBJECT, ops, 0, 16);
    Made { object, types, ops, prog }
}

impl Made {
    fn point(mut self, at: u64) -> Vec<u8> {
        self.object.relocs(self.ops, &[(at, self.prog, ABS64)]);
        self.object.section(".BTF", PROGBITS, 0, &self.types.build());
        self.object.build()
    }
}

#[test]
fn structs_become_maps() {
    let sections = [
        (".struct_ops", 0, false),
        (".struct_ops.link", 1 << 13, false),
        ("?.struct_ops", 0, true),
        ("?.struct_ops.link", 1 << 13, true),
    ];
    for (section, flags, optional) in sections {
        let image = parse(&ops(section, "struct_ops/init").point(0)).unwrap();
        let map = &image.maps[0];
        assert_eq!((map.name.as_str(), map.value_size, map.flags), ("mine", 16, flags));
        let value = vec![0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        let progs = vec![(0, "start".to_owned())];
        assert_eq!(map.initial, Initial::StructOps(StructOps { value, progs, optional }));
        let btf = image.btf.as_ref().unwrap();
        assert!(btf.size_of(map.value_type.unwrap()) == Some(16));
    }
}

#[test]
fn members_hold_what_they_can() {
    refused(
        &ops(".struct_ops", "struct_ops").point(8),
        "section '.struct_ops': relocation of byte 8 by 'start': no member there points to a function",
    );
    refused(
        &ops(".struct_ops", "struct_ops").point(4),
        "section '.struct_ops': relocation of byte 4 by 'start': no member there points to a function",
    );
    refused(
        &ops(".struct_ops", "struct_ops").point(16),
        "section '.struct_ops': relocation of byte 16 by 'start': no struct is defined there",
    );
    refused(
        &ops(".struct_ops", "xdp").point(0),
        "section '.struct_ops': relocation of byte 0 by 'start': a member holds a program of a section 'struct_ops'",
    );
    let mut made = ops(".struct_ops", "struct_ops");
    made.prog = made.object.symbols.len().try_into().unwrap();
    refused(
        &made.point(0),
        "section '.struct_ops': relocation of byte 0 by 'mine': a member that points to a function holds a program",
    );
}

#[test]
fn structs_must_be_structs() {
    let mut made = ops(".struct_ops", "struct_ops");
    made.types = Types::new();
    let var = made.types.var("mine", 1, GLOBAL);
    made.types.datasec(".struct_ops", var, 4);
    refused(&made.point(0), "struct_ops 'mine': a variable that is no struct");
    let mut made = ops(".struct_ops", "struct_ops");
    made.object.symbols[1].value = 8;
    refused(&made.point(0), "struct_ops 'mine': the variable lies beyond the section");
    let mut made = ops(".struct_ops", "struct_ops");
    made.types = Types::new();
    refused(
        &made.point(0),
        "section '.struct_ops' has no types in .BTF (compile with clang -g, do not strip .BTF)",
    );
}

/// An object with arenas of so many pages, and so many bytes of variables.
fn arenas(pages: &[u32], bytes: usize) -> Vec<u8> {
    let mut types = Types::new();
    let mut object = Object::default();
    let names = ["first", "second"];
    let maps = object.section(".maps", PROGBITS, 3, &[0; 64]);
    let mut vars = Vec::new();
    for (i, (&pages, name)) in pages.iter().zip(names).enumerate() {
        let (ty, entries) = (types.uint(33), types.uint(pages));
        let record = types.record(&[("type", ty), ("max_entries", entries)]);
        let at = u32::try_from(i).unwrap() * 32;
        vars.extend([types.var(name, record, GLOBAL), at, 32]);
        object.symbol(name, OBJECT, maps, at.into(), 32);
    }
    if !vars.is_empty() {
        types.push(".maps", 15, u32::try_from(vars.len() / 3).unwrap(), 64, &vars);
    }
    let code = object.code("xdp", &[Insn::Exit]);
    object.symbol("f", FUNC, code, 0, 8);
    object.section(".addr_space.1", PROGBITS, 3, &vec![1; bytes]);
    if vars.is_empty() {
        object.sections.remove(0);
        object.symbols[0].section = 1;
    }
    object.section(".BTF", PROGBITS, 0, &types.build());
    object.build()
}

#[test]
fn arenas_begin_with_their_variables() {
    let image = parse(&arenas(&[1], 8)).unwrap();
    assert_eq!(image.maps[0].initial, Initial::Value(vec![1; 8]));
    assert_eq!(parse(&arenas(&[1], 0)).unwrap().maps[0].initial, Initial::Empty);
    refused(
        &arenas(&[1], 4097),
        "section '.addr_space.1' has 4097 bytes of variables for an arena, more than the pages that the map has as max_entries",
    );
    refused(
        &arenas(&[], 8),
        "section '.addr_space.1' has 8 bytes of variables for an arena, but the object defines no map of type arena",
    );
    refused(
        &arenas(&[1, 1], 8),
        "maps 'first' and 'second' are both arenas, an object has one at most",
    );
}
