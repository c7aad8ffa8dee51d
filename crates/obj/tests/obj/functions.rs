//! Functions: where they begin and end, and what calls and addresses lead to.

use crate::build::{CALL, CODE, FUNC, LDDW, OBJECT, Object, PROGBITS, SECTION, Symbol, Types};
use crate::{chain, refused};
use skep_abi::ProgType;
use skep_isa::{Call, ImmSrc, Insn, Pc, Reg};
use skep_prog::Image;

const R_64: u32 = 1;
const R_ABS64: u32 = 2;
const R_CALL: u32 = 10;

fn call(off: i32) -> Insn {
    Insn::Call(Call::Local(off))
}

#[track_caller]
fn parse(object: &Object) -> Image {
    skep_obj::parse(&object.build()).unwrap_or_else(|err| panic!("{}", chain(&err)))
}

/// Names and starts of the functions of a program.
fn functions(image: &Image, prog: &str) -> Vec<(String, u32)> {
    let prog = image.prog(prog).unwrap();
    prog.subprogs.iter().map(|sub| (sub.name.clone(), sub.start.0)).collect()
}

#[test]
fn a_size_of_zero_reaches_to_the_next_function() {
    let mut object = Object::default();
    let tc = object.code("tc", &[LDDW, Insn::Exit, Insn::Exit]);
    object.symbol("b", FUNC, tc, 24, 0);
    object.symbol("a", FUNC, tc, 0, 0);
    let image = parse(&object);
    let len = |name| image.prog(name).unwrap().insns.len();
    assert_eq!((len("a"), len("b")), (3, 1));
    // In the order of the section, not of the symbols.
    assert_eq!(image.progs[0].name, "a");
}

#[test]
fn functions_that_call_each_other_stand_once() {
    let mut object = Object::default();
    let text = object.code(".text", &[call(0), Insn::Exit, call(-3), Insn::Exit]);
    let xdp = object.code("xdp", &[CALL, CALL, LDDW, Insn::Exit]);
    let even = object.symbol("even", FUNC, text, 0, 16);
    let odd = object.symbol("odd", FUNC, text, 16, 16);
    object.symbol("main", FUNC, xdp, 0, 40);
    object.relocs(xdp, &[(0, odd, R_CALL), (8, even, R_CALL), (16, odd, R_64)]);
    // even's call of offset 0 leads into even itself.
    refused(
        &object.build(),
        "function 'even' of section '.text', insn 0: no function begins at +0",
    );
    object.sections[0].data[4] = 1;
    let image = parse(&object);
    assert_eq!(image.progs.len(), 1);
    let expected = [("main", 0), ("odd", 5), ("even", 7)];
    assert_eq!(functions(&image, "main"), expected.map(|(name, at)| (name.into(), at)));
    let insns = &image.progs[0].insns;
    let calls = [(0, 4), (1, 5), (5, 1), (7, -3)];
    for (pc, off) in calls {
        assert_eq!(insns.get(Pc(pc)), Some(&call(off)), "insn {pc}");
    }
    let address = Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::Func(2) };
    assert_eq!(insns.get(Pc(2)), Some(&address));
}

#[test]
fn the_addend_of_a_section_symbol_finds_the_function() {
    let mut object = Object::default();
    let text = object.code(".text", &[Insn::Exit, Insn::Exit, Insn::Exit]);
    let lddw = Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::Value(16) };
    let xdp = object.code("xdp", &[call(0), lddw, Insn::Exit]);
    let section = object.symbol("", SECTION, text, 0, 0);
    for (name, at) in [("a", 0), ("b", 8), ("c", 16)] {
        let (name, section) = (name.into(), text);
        let size = 8;
        object.symbols.push(Symbol {
            name,
            kind: FUNC,
            section,
            value: at,
            size,
            ..Symbol::default()
        });
    }
    object.symbol("main", FUNC, xdp, 0, 32);
    object.relocs(xdp, &[(8, section, R_64), (0, section, R_CALL)]);
    let expected = [("main", 0), ("b", 4), ("c", 5)];
    assert_eq!(functions(&parse(&object), "main"), expected.map(|(name, at)| (name.into(), at)));
}

#[test]
fn text_alone_gives_programs_without_a_type() {
    let mut object = Object::default();
    let text = object.code(".text", &[Insn::Exit, Insn::Exit]);
    object.symbol("a", FUNC, text, 0, 8);
    object.symbol("b", FUNC, text, 8, 8);
    object.symbols[1].global = false;
    let image = parse(&object);
    let progs: Vec<_> = image.progs.iter().map(|p| (p.name.as_str(), p.prog_type)).collect();
    assert_eq!(progs, [("a", ProgType::Unspec)]);
    let xdp = object.code("xdp", &[Insn::Exit]);
    object.symbol("c", FUNC, xdp, 0, 8);
    assert_eq!(parse(&object).progs.len(), 1);
}

#[test]
fn a_function_of_several_names_has_the_first_global_one() {
    let mut object = Object::default();
    let text = object.code(".text", &[Insn::Exit, Insn::Exit]);
    let xdp = object.code("xdp", &[CALL, CALL, Insn::Exit]);
    let mut calls = Vec::new();
    for (name, global, at) in [("a", false, 0), ("b", true, 0), ("c", true, 0), ("d", false, 8)] {
        let symbol = Symbol {
            name: name.into(),
            kind: FUNC,
            global,
            weak: false,
            visibility: 0,
            section: text,
            value: at,
            size: 8,
        };
        object.symbols.push(symbol);
        calls.push(u32::try_from(object.symbols.len()).unwrap());
    }
    for name in ["main", "same"] {
        object.symbol(name, FUNC, xdp, 0, 24);
    }
    object.relocs(xdp, &[(0, calls[0], R_CALL), (8, calls[2], R_CALL)]);
    let image = parse(&object);
    assert_eq!(image.progs.len(), 1);
    let expected = [("main", 0), ("b", 3)];
    assert_eq!(functions(&image, "main"), expected.map(|(name, at)| (name.into(), at)));
    // The same start alone does not make it the same function.
    object.symbols[5].size = 16;
    let range =
        "function 'main' is bytes 0..24 of section 'xdp', must be whole instructions before byte 0";
    refused(&object.build(), range);
}

#[test]
fn a_program_has_the_function_that_is_called_when_it_throws() {
    let object = |tags: &[&str], calls_it: bool| {
        let mut types = Types::new();
        let proto = types.push("", 13, 0, 1, &[]);
        let main = types.push("main", 12, 1, proto, &[]);
        for tag in tags {
            types.push(tag, 17, 0, main, &[u32::MAX]);
        }
        let mut object = Object::default();
        let text = object.code(".text", &[Insn::Exit; 2]);
        let first = if calls_it { CALL } else { Insn::Exit };
        let xdp = object.code("xdp", &[first, Insn::Exit]);
        object.symbol("other", FUNC, text, 0, 8);
        let caught = object.symbol("caught", FUNC, text, 8, 8);
        object.symbol("main", FUNC, xdp, 0, 16);
        if calls_it {
            object.relocs(xdp, &[(0, caught, R_CALL)]);
        }
        object.section(".BTF", PROGBITS, 0, &types.build());
        object
    };
    let names = |tags: &[&str], calls_it| functions(&parse(&object(tags, calls_it)), "main");
    let both = [("main", 0), ("caught", 2)].map(|(name, at)| (name.into(), at));
    assert_eq!(names(&["exception_callback:caught"], false), both);
    assert_eq!(names(&["exception_callback:caught"], true), both);
    assert_eq!(names(&["exception_callback:caught"; 2], false), [("main".into(), 0)]);
    assert_eq!(names(&["caught"], false), [("main".into(), 0)]);
    for name in ["", "main", "nobody"] {
        let want = format!(
            "program 'main': exception callback '{name}' is no global function of section '.text'"
        );
        refused(&object(&[&format!("exception_callback:{name}")], false).build(), &want);
    }
    let mut local = object(&["exception_callback:caught"], false);
    local.symbols[1].global = false;
    refused(
        &local.build(),
        "program 'main': exception callback 'caught' is no global function of section '.text'",
    );
}

#[test]
fn functions_that_are_none_are_refused() {
    let case = |insns: &[Insn], symbols: &[(&str, u64, u64)], want: &str| {
        let mut object = Object::default();
        let xdp = object.code("xdp", insns);
        for &(name, at, size) in symbols {
            object.symbol(name, FUNC, xdp, at, size);
        }
        refused(&object.build(), want);
    };
    let exits = [Insn::Exit; 2];
    case(&exits, &[], "section 'xdp' has code, but no symbol of type FUNC");
    let range = |range: &str, limit| {
        format!(
            "function 'f' is bytes {range} of section 'xdp', must be whole instructions before byte {limit}"
        )
    };
    case(&exits, &[("f", 0, 17)], &range("0..17", 16));
    case(&exits, &[("f", 0, u64::MAX)], &range("0..18446744073709551615", 16));
    case(&exits, &[("f", 16, 0)], &range("16..16", 16));
    case(&exits, &[("f", 4, 8)], &range("4..12", 16));
    case(&exits, &[("f", 0, 16), ("g", 8, 8)], &range("0..16", 8));
    case(
        &exits,
        &[("f", 0, 12)],
        "function 'f' at byte 0 of section 'xdp': 12 bytes are no whole number of 8-byte instructions",
    );
    case(
        &[LDDW, Insn::Exit],
        &[("f", 0, 8), ("g", 8, 16)],
        "function 'f' at byte 0 of section 'xdp': insn 0 is no instruction: lddw needs a second slot",
    );
    case(
        &[Insn::Jump { off: 3 }, Insn::Exit],
        &[("f", 0, 16)],
        "program 'f': insn 0: a jump of +3 leads to no instruction",
    );
}

/// A program of `lddw`, a helper call and `exit`; a map section that types say nothing about;
/// initialised data.
fn relocated(relocs: &[(u64, &str, u32)], addend: u64) -> Vec<u8> {
    let mut object = Object::default();
    let lddw = Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::Value(addend) };
    let xdp = object.code("xdp", &[lddw, Insn::Call(Call::Helper(1)), Insn::Exit]);
    let data = object.section(".data", PROGBITS, 3, &[0; 16]);
    let other = object.section(".other", PROGBITS, 3, &[0; 16]);
    let mut by_name = vec![];
    for (name, kind, section, value, size) in [
        ("f", FUNC, xdp, 0, 32),
        ("x", OBJECT, data, 8, 8),
        ("y", OBJECT, other, 0, 8),
        ("missing", 0, 0, 0, 0),
        ("absolute", 0, 0xfff1, 0, 0),
    ] {
        by_name.push((name, object.symbol(name, kind, section, value, size)));
    }
    let number = |name| by_name.iter().find(|&&(known, _)| known == name).unwrap().1;
    let relocs: Vec<_> = relocs.iter().map(|&(at, name, kind)| (at, number(name), kind)).collect();
    object.relocs(xdp, &relocs);
    object.build()
}

#[test]
fn data_is_a_byte_of_a_map() {
    // The addend has 32 bits with a sign; the upper half is not part of it.
    for (addend, at) in [(0, 8), (7, 15), (u64::MAX - 7, 0), (1 << 32 | 1, 9)] {
        let image = skep_obj::parse(&relocated(&[(0, "x", R_64)], addend)).unwrap();
        let imm = ImmSrc::MapIdxValue { idx: 0, at };
        let insn = image.progs[0].insns.get(Pc(0)).copied();
        assert_eq!(insn, Some(Insn::LoadImm { dst: Reg::R1, imm }), "{addend:#x}");
    }
}

#[test]
fn relocations_that_mean_nothing_are_refused() {
    let case = |reloc: (u64, &str, u32), addend: u64, want: &str| {
        let want =
            format!("section 'xdp': relocation of byte {} by '{}': {want}", reloc.0, reloc.1);
        refused(&relocated(&[reloc], addend), &want);
    };
    case((0, "x", R_CALL), 0, "the instruction there calls no function");
    case((0, "x", R_ABS64), 0, "this type of relocation has no meaning in code");
    case((16, "x", R_64), 0, "the instruction there is no lddw");
    case((16, "f", R_CALL), 0, "the instruction there calls no function");
    case((8, "x", R_64), 0, "no instruction of a function begins there");
    case((4, "x", R_64), 0, "no instruction of a function begins there");
    case((32, "x", R_64), 0, "no instruction of a function begins there");
    case((u64::MAX, "x", R_64), 0, "no instruction of a function begins there");
    case((0, "x", R_64), 8, "nothing there is loaded: no function, map or data");
    case((0, "x", R_64), u64::MAX - 8, "the address is before the section");
    case((0, "y", R_64), 0, "nothing there is loaded: no function, map or data");
    case((0, "f", R_64), 8, "no function begins there");
    case((0, "absolute", R_64), 0, "the symbol is in no section");
    refused(
        &relocated(&[(0, "missing", R_64)], 0),
        "function 'f', insn 0: 'missing' is not defined in this object: link the one that defines it (skep link)",
    );
}

#[test]
fn unknown_sections_get_a_suggestion() {
    for (section, near) in [
        ("xpd", "xdp"),
        ("kprob/tcp_close", "kprobe"),
        ("tracepiont/sched/sched_switch", "tracepoint"),
        ("cgroup/conect6", "cgroup/connect6"),
        ("?sockps", "sockops"),
        ("classifer", "classifier"),
    ] {
        let mut object = Object::default();
        let number = object.section(section, PROGBITS, CODE, &[0x95, 0, 0, 0, 0, 0, 0, 0]);
        object.symbol("f", FUNC, number, 0, 8);
        let want = format!("section '{section}' says no program type; did you mean '{near}'?");
        refused(&object.build(), &want);
    }
}

/// What an object hides from others is no global function to the kernel.
#[test]
fn hidden_functions_are_static() {
    let image = skep_obj::parse(include_bytes!("../../../../corpus/obj/joined.o")).unwrap();
    let btf = image.btf.unwrap();
    let linkage = |name: &str| match btf.find(name, skep_btf::Kind::Func).map(|ty| ty.body) {
        Some(skep_btf::Body::Func { linkage, .. }) => Some(linkage),
        _ => None,
    };
    assert_eq!(linkage("secret"), Some(skep_btf::FuncLinkage::Static));
    let others = btf.types().filter(|ty| ty.name != "secret").filter_map(|ty| match ty.body {
        skep_btf::Body::Func { linkage, .. } => Some(linkage),
        _ => None,
    });
    assert!(others.into_iter().any(|linkage| linkage == skep_btf::FuncLinkage::Global));
}
