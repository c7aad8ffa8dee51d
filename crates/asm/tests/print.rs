//! Images that no text of ours made.

use skep_abi::{MapType, ProgType};
use skep_asm::{Dialect, ListOptions, PrintOptions, list, parse, print, print_insn};
use skep_diag::Source;
use skep_isa::{Call, ImmSrc, Insn, Pc, Reg};
use skep_prog::{Image, LineInfo, MapDef, Prog, Subprog};

fn call(off: i32) -> Insn {
    Insn::Call(Call::Local(off))
}

fn image() -> Image {
    let insns = [call(2), call(2), Insn::Exit, Insn::Exit, Insn::Exit];
    let mut prog = Prog::new("main", ProgType::Xdp, insns.into_iter().collect());
    let sub = |name: &str, start| Subprog { name: name.into(), start: Pc(start), type_id: None };
    prog.subprogs = vec![sub("main", 0), sub("same", 3), sub("same", 4)];
    let line = |pc, text: &str| LineInfo {
        pc: Pc(pc),
        file: "a.c".into(),
        text: text.into(),
        line: 7 + pc,
        col: 1,
    };
    prog.lines = [line(0, "\tf(x); /* a\nb"), line(2, ""), line(3, "exit")].into();
    Image { progs: vec![prog], ..Image::default() }
}

#[test]
fn functions_of_one_name_get_two() {
    let text = print(&image(), &PrintOptions::default());
    let want = "\
.section \"\", type=xdp
main:
    call same
    call same.4
    exit
same:
    exit
same.4:
    exit
";
    assert_eq!(text, want);
}

#[test]
fn source_lines_are_comments() {
    let text = print(&image(), &PrintOptions { source: true, dialect: Dialect::Mnemonic });
    let want = "\
.section \"\", type=xdp
; f(x); /* a b @ a.c:7
main:
    call local same
    call local same.4
    exit
; exit @ a.c:10
same:
    exit
same.4:
    exit
";
    assert_eq!(text, want);
    let (again, _) = parse(&Source::new("", &text), ProgType::Unspec).unwrap();
    assert_eq!(again.progs[0].insns, image().progs[0].insns);
}

#[test]
fn listings_have_source_lines_too() {
    let options = ListOptions { source: true, ..ListOptions::default() };
    let want = "\
0000000000000000 <main>:
; f(x); /* a b @ a.c:7
       0:\tcall pc+0x2 <same>
       1:\tcall pc+0x2 <same>
       2:\texit

0000000000000018 <same>:
; exit @ a.c:10
       3:\texit

0000000000000020 <same>:
       4:\texit
";
    assert_eq!(list(&image().progs[0], &[], &options), want);
}

#[test]
fn maps_are_named_where_they_are_known() {
    let maps = [MapDef::new("counts", MapType::Hash, 4, 8, 16)];
    let load = |imm| Insn::LoadImm { dst: Reg::R1, imm };
    let table = [
        (ImmSrc::MapIdx(0), "r1 = counts ll", "lddw %r1, map_by_fd(counts)"),
        (ImmSrc::MapIdx(1), "r1 = map[idx:1]", "lddw %r1, map_by_idx(1)"),
        (ImmSrc::MapIdx(-1), "r1 = map[idx:-1]", "lddw %r1, map_by_idx(-1)"),
        (
            ImmSrc::MapIdxValue { idx: 0, at: -4 },
            "r1 = map[counts][0]-0x4",
            "lddw %r1, map_val(map_by_fd(counts))-4",
        ),
    ];
    for (imm, c_like, mnemonic) in table {
        assert_eq!(print_insn(&load(imm), Dialect::CLike, &maps), c_like);
        assert_eq!(print_insn(&load(imm), Dialect::Mnemonic, &maps), mnemonic);
    }
}
