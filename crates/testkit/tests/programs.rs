//! Random programs in both engines.

use skep_isa::{AluOp, Call, Insn, Src, Width};
use skep_testkit::{
    Compared, Frame, PACKET_LEN, compare, differential, host, kernel, packet, program, user,
};
use std::collections::BTreeSet;

#[test]
fn random_programs_do_the_same() {
    let Some(host) = host() else { return };
    let (mut accepted, mut different) = (0, Vec::new());
    let seeds = 1_000_000..1_000_400;
    for seed in seeds.clone() {
        match differential(host, seed) {
            Compared::Refused(_) => {}
            Compared::Equal => accepted += 1,
            Compared::Different(difference) => different.push(format!("seed {seed}: {difference}")),
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    assert!(accepted * 10 >= seeds.count() * 6, "only {accepted} programs were accepted");
}

/// The comparison above is worth something only if it sees a difference where there is one.
#[test]
fn a_changed_program_is_noticed() {
    let Some(host) = host() else { return };
    let bytes = packet(1, PACKET_LEN);
    let frames = [Frame(&bytes)];
    let (mut changed, mut noticed) = (0, 0);
    for seed in 0..60 {
        let image = program(seed);
        let Ok(kernel) = kernel(&image, "main", &frames) else { continue };
        let mut other = image.clone();
        let insns = &mut other.progs[0].insns;
        let pc = insns.iter().find_map(|(pc, insn)| match insn {
            Insn::Alu { op: AluOp::Xor | AluOp::Mul | AluOp::SMod | AluOp::Arsh, .. } => Some(pc),
            _ => None,
        });
        let Some(Insn::Alu { op, .. }) = pc.and_then(|pc| insns.get_mut(pc)) else { continue };
        *op = AluOp::Sub;
        changed += 1;
        let user = user(host, &other, "main", &frames).unwrap();
        noticed += usize::from(user.difference(&kernel).is_some());
    }
    assert!(changed > 20, "only {changed} programs had something to change");
    // Some changes are in code that does not run, or of values that are not used.
    assert!(noticed * 2 > changed, "{noticed} of {changed} changes were noticed");
}

/// Fields of which the kernel keeps 16 bits, written with more and read in the same run.
#[test]
fn wide_numbers_in_narrow_fields_are_cut_as_in_the_kernel() {
    let Some(host) = host() else { return };
    let bytes = packet(1, PACKET_LEN);
    let mut texts = Vec::new();
    for field in [12, 44, 72] {
        for number in [0u32, 7, 0x1_2345, 0xfffe, 0xffff, 0x1_0001, 0xffff_ffff, 0x8000_0001] {
            let immediate = number.cast_signed();
            texts.extend([
                format!(" r2 = {number:#x} ll\n *(u32 *)(r1 + {field}) = r2\n"),
                format!(" r2 = {immediate}\n *(u32 *)(r1 + {field}) = r2\n"),
                format!(" *(u32 *)(r1 + {field}) = {immediate}\n"),
            ]);
        }
    }
    for text in texts {
        let field = text.rsplit(")(r1 + ").next().unwrap().split(')').next().unwrap();
        let program = format!(
            ".section \"tc\"\nmain:\n r2 = 3\n *(u32 *)(r1 + {field}) = r2\n{text} \
             r0 = *(u32 *)(r1 + {field})\n exit\n"
        );
        let image = skep::read_image(program.as_bytes(), "narrow.s").unwrap().image;
        match compare(host, &image, "main", &[Frame(&bytes)]) {
            Compared::Equal => {}
            other => panic!("{program}: {other:?}"),
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_program() {
    for seed in 0..50 {
        let (a, b) = (program(seed), program(seed));
        assert_eq!((&a.progs, &a.maps), (&b.progs, &b.maps));
    }
    assert_ne!(program(1).progs, program(2).progs);
}

/// All that the generator is meant to make, it makes; without a kernel.
#[test]
fn programs_use_every_instruction() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for seed in 0..600 {
        seen.extend(program(seed).progs[0].insns.iter().map(|(_, insn)| kind(&insn)));
    }
    let missing: Vec<String> = wanted().into_iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(missing.is_empty(), "never made: {missing:?}");
}

/// Callbacks of a loop and over a map, programs that others go on with, tags in front of the protocol.
#[test]
fn programs_call_back_and_go_on_and_frames_have_tags() {
    let (mut helpers, mut progs) = (BTreeSet::new(), BTreeSet::new());
    let mut tags = [0; 3];
    for seed in 0..600 {
        let image = program(seed);
        progs.insert(image.progs.len());
        for (_, insn) in image.progs.iter().flat_map(|prog| prog.insns.iter()) {
            if let Insn::Call(Call::Helper(id)) = insn {
                helpers.insert(id);
            }
        }
        let bytes = packet(seed, PACKET_LEN);
        let is_tag = |at: usize| matches!(bytes[at..at + 2], [0x81, 0x00] | [0x88, 0xa8]);
        tags[[12, 16].into_iter().take_while(|&at| is_tag(at)).count()] += 1;
    }
    assert!([12, 164, 181].iter().all(|id| helpers.contains(id)), "{helpers:?}");
    assert_eq!(progs.into_iter().collect::<Vec<_>>(), [1, 3]);
    assert!(tags.iter().all(|&count| count > 50), "{tags:?}");
}

fn source(src: Src) -> &'static str {
    if matches!(src, Src::Reg(_)) { "reg" } else { "imm" }
}

fn kind(insn: &Insn) -> String {
    match *insn {
        Insn::Alu { width, op, src, .. } => format!("{op:?} {width:?} {}", source(src)),
        Insn::MovSx { width, from, .. } => format!("movsx {width:?} {from:?}"),
        Insn::Neg { width, .. } => format!("neg {width:?}"),
        Insn::Swap { kind, size, .. } => format!("swap {kind:?} {size:?}"),
        Insn::Load { size, .. } => format!("load {size:?}"),
        Insn::LoadSx { size, .. } => format!("loadsx {size:?}"),
        Insn::Store { size, src, .. } => format!("store {size:?} {}", source(src)),
        Insn::Atomic { size, op, .. } => format!("{op:?} {size:?}"),
        Insn::LoadAcquire { size, .. } => format!("acquire {size:?}"),
        Insn::StoreRelease { size, .. } => format!("release {size:?}"),
        Insn::JumpIf { width, op, src, .. } => format!("if {op:?} {width:?} {}", source(src)),
        Insn::LoadImm { imm, .. } => {
            format!("lddw {imm:?}").split(['(', ' ', '{']).take(2).collect()
        }
        Insn::Call(call) => format!("{call:?}").split('(').take(1).collect(),
        Insn::Jump { .. } => "ja".into(),
        Insn::JumpLong { .. } => "gotol".into(),
        Insn::MayGoto { .. } => "may_goto".into(),
        Insn::Exit => "exit".into(),
        _ => format!("{insn:?}"),
    }
}

fn wanted() -> Vec<String> {
    let widths = [Width::W32, Width::W64];
    let mut all: Vec<String> =
        ["ja", "gotol", "may_goto", "exit", "Helper", "Local"].map(String::from).to_vec();
    for width in widths {
        all.push(format!("neg {width:?}"));
        for from in &["B", "H", "W"][..if width == Width::W64 { 3 } else { 2 }] {
            all.push(format!("movsx {width:?} {from}"));
        }
        for src in ["reg", "imm"] {
            let ops = "Add Sub Mul Div SDiv Or And Lsh Rsh Mod SMod Xor Mov Arsh";
            all.extend(ops.split(' ').map(|op| format!("{op} {width:?} {src}")));
            let conds = "Eq Gt Ge Set Ne SGt SGe Lt Le SLt SLe";
            all.extend(conds.split(' ').map(|op| format!("if {op} {width:?} {src}")));
        }
    }
    for size in ["B", "H", "W", "Dw"] {
        for what in ["load", "acquire", "release"] {
            all.push(format!("{what} {size}"));
        }
        all.extend(["reg", "imm"].map(|src| format!("store {size} {src}")));
        if size != "Dw" {
            all.push(format!("loadsx {size}"));
        }
        if size != "B" {
            all.extend(["Le", "Be", "Always"].map(|kind| format!("swap {kind} {size}")));
        }
        if matches!(size, "W" | "Dw") {
            let ops = "Add Or And Xor FetchAdd FetchOr FetchAnd FetchXor Xchg CmpXchg";
            all.extend(ops.split(' ').map(|op| format!("{op} {size}")));
        }
    }
    all
}
