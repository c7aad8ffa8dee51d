//! What programs become on AArch64, read back by an independent disassembler.

use crate::programs::{self, ALL, CHECKED, HARDENED, everything, prog};
use skep_isa::{AluOp, Call, CondOp, Insn, Insns, Reg, Size, Src, Width};
use skep_jit::a64::{Features, compile, compile_best};
use skep_jit::{Code, CompileError, Entry, NoSurroundings};
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

const BOTH: [Features; 2] = [Features { lse: false }, Features { lse: true }];

/// All instructions of the code.
fn read(code: &Code) -> Vec<String> {
    let read = |word: &[u8]| {
        let insn = InstDecoder::default().decode(&mut U8Reader::new(word));
        insn.map_or_else(|err| panic!("{word:x?}: {err:?}"), |insn| insn.to_string())
    };
    code.bytes.chunks(4).map(read).collect()
}

/// Where the branch at a position leads.
fn target(at: usize, text: &str) -> Option<i64> {
    let (_, distance) = text.rsplit_once('$')?;
    let (sign, digits) = distance.split_once("0x")?;
    let distance = i64::from_str_radix(digits, 16).ok()?;
    let distance = if sign.contains('-') { -distance } else { distance };
    Some(i64::try_from(at * 4).ok()? + distance)
}

#[track_caller]
fn check(code: &Code, what: &str) -> Vec<String> {
    let insns = read(code);
    let end = i64::try_from(code.bytes.len()).unwrap();
    for (at, text) in insns.iter().enumerate() {
        if let Some(to) = target(at, text) {
            assert!((0..end).contains(&to), "{what}: {text} to {to:#x}");
        }
        // What the program does not have, nobody else may lose: x18 and x26 to x28 are never named.
        for reg in ["18", "26", "27", "28"] {
            for name in [format!("x{reg}"), format!("w{reg}")] {
                assert!(!text.split([' ', ',']).any(|word| word == name), "{what}: {text}");
            }
        }
    }
    assert!(code.at.is_sorted(), "{what}: slots out of order");
    assert!(code.at.iter().all(|at| at % 4 == 0 && i64::from(*at) < end), "{what}");
    assert_eq!(insns.last().unwrap(), "brk #0x0", "{what}: no trap at the end");
    insns
}

#[test]
fn everything_becomes_instructions() {
    for features in BOTH {
        let code = compile(&prog(everything()), &ALL, features).unwrap();
        assert_eq!(code.entry, Entry::AsFunction);
        let insns = check(&code, "everything");
        assert_eq!(insns.iter().any(|text| text.starts_with("ldaddal")), features.lse);
        assert_eq!(insns.iter().any(|text| text.starts_with("ldxr")), !features.lse);
        let code = compile(&prog(everything()), &HARDENED, features).unwrap();
        check(&code, "everything, hardened");
        for outside in [&CHECKED, &programs::BOTH] {
            let code = compile(&prog(everything()), outside, features).unwrap();
            check(&code, "everything, checked");
            assert!(code.checks.is_sorted_by_key(|check| check.pc) && code.checks.len() > 200);
        }
    }
}

/// Slots keep their number: others stand where what the second tier does not take was.
#[test]
fn everything_but_what_is_ordered_becomes_optimised_instructions() {
    let nothing = Insn::Jump { off: 0 };
    let is_ordered =
        |insn: &Insn| matches!(insn, Insn::LoadAcquire { .. } | Insn::StoreRelease { .. });
    let all = everything();
    let pick = |(_, insn): (_, Insn)| if is_ordered(&insn) { nothing } else { insn };
    let plain: Insns = all.iter().map(pick).collect();
    for features in BOTH {
        let code = compile_best(&prog(plain.clone()), &ALL, features).unwrap();
        check(&code, "everything, optimised");
        assert_eq!(code.entry, Entry::AsFunction);
        assert!(matches!(
            compile_best(&prog(all.clone()), &ALL, features),
            Err(CompileError::Unsupported { .. })
        ));
    }
}

/// What is not plain must not be done as if it were, whatever the instruction.
#[test]
fn every_load_goes_the_way_it_is_told() {
    let [dst, base] = [Reg::R0, Reg::R1];
    for load in [
        Insn::Load { size: Size::W, dst, base, off: 0 },
        Insn::LoadSx { size: Size::W, dst, base, off: 0 },
        Insn::LoadAcquire { size: Size::W, dst, base, off: 0 },
    ] {
        // Slot 1 is bridged.
        let insns = [Insn::Jump { off: 0 }, load, Insn::Exit].into_iter().collect();
        let code = compile(&prog(insns), &ALL, BOTH[1]).unwrap();
        let plain = read(&code).into_iter().find(|text| text.contains("[x0"));
        assert_eq!(plain, None, "{load:?}");
    }
}

#[test]
fn functions_and_entries_become_instructions() {
    for (text, entry) in [
        ("r0 = 2\nexit", Entry::Direct),
        ("r6 = 2\n*(u64 *)(r10 - 8) = r6\nr0 = r6\nexit", Entry::Direct),
        ("call f\nexit\nf:\nr7 = 1\n*(u64 *)(r10 - 8) = r7\nr0 = r7\nexit", Entry::Direct),
        ("m:\ncall m\nexit", Entry::AsFunction),
        ("r0 = 0\nl:\nmay_goto e\nr0 += 1\ngoto l\ne:\nexit", Entry::Direct),
    ] {
        let prog = prog(skep_asm::assemble(text).unwrap());
        let code = compile(&prog, &NoSurroundings, BOTH[1]).unwrap();
        assert_eq!(code.entry, entry, "{text}");
        check(&code, text);
    }
}

/// What an instruction becomes, or several.
#[track_caller]
fn becomes(text: &str, want: &str) {
    let prog = prog(skep_asm::assemble(&format!("{text}\nexit")).unwrap());
    let code = compile(&prog, &NoSurroundings, BOTH[1]).unwrap();
    let insns = check(&code, text);
    // Behind it: the result moved to where C has it, the return, and the trap.
    let insns = &insns[..insns.len() - 3];
    assert_eq!(insns.join("; "), want, "{text}");
}

#[test]
fn groups_become_one_instruction() {
    becomes("r3 = r1\nr3 += r2", "add x2, x0, x1");
    becomes("r3 = r1\nr3 += r3", "add x2, x0, x0");
    becomes("r3 = r1\nw3 += 5", "add w2, w0, #0x5");
    becomes("r3 = r1\nr3 += r2\nr3 = *(u8 *)(r3 + 0)", "ldrb w2, [x0, x1]");
    becomes("r3 = r1\nr3 <<= 56\nr3 s>>= 56", "sxtb x2, w0");
    becomes("r3 <<= 32\nr3 >>= 29", "ubfiz x2, x2, #0x3, #0x20");
    becomes("r4 = r1\nr4 <<= 7\nr1 >>= 57\nr4 |= r1", "ror x3, x0, #0x39; lsr x0, x0, #0x39");
    becomes("r1 /= 0", "mov w0, #0x0");
    becomes("r1 %= 8", "and x0, x0, #0x7");
    becomes("r1 %= r2", "udiv x9, x0, x1; msub x0, x9, x1, x0");
    becomes("r1 *= 16", "lsl x0, x0, #0x4");
    becomes("*(u32 *)(r1 + 4) = 0", "str wzr, [x0, #0x4]");
}

#[test]
fn jumps_become_one_instruction() {
    becomes("if r1 == 0 goto +0", "cbz x0, $+0x4");
    becomes("if w1 > 0 goto +0", "cbnz w0, $+0x4");
    becomes("if r1 s< 0 goto +0", "tbnz x0, #0x3f, $+0x4");
    becomes("if w1 & 8 goto +0", "tbnz w0, #0x3, $+0x4");
    becomes("if r1 > -7 goto +0", "cmn x0, #0x7; b.hi $+0x4");
    becomes("if r1 == 0 goto +1\ngoto +0", "cbnz x0, $+0x4");
}

fn long_jump(cond: Insn, len: usize) -> Code {
    let body = core::iter::repeat_n(
        Insn::Alu { width: Width::W64, op: AluOp::Add, dst: Reg::R0, src: Src::Imm(1) },
        len,
    );
    let off = i32::try_from(len).unwrap();
    let all = [cond, Insn::JumpLong { off }].into_iter().chain(body).chain([Insn::Exit]);
    compile(&prog(all.collect()), &NoSurroundings, BOTH[1]).unwrap()
}

#[test]
fn far_jumps_lead_over_others() {
    let set =
        Insn::JumpIf { width: Width::W64, op: CondOp::Set, dst: Reg::R1, src: Src::Imm(4), off: 1 };
    assert_eq!(read(&long_jump(set, 100))[0], "tbz w0, #0x2, $+0x194");
    assert_eq!(read(&long_jump(set, 20_000))[..2], ["tbnz w0, #0x2, $+0x8", "b $+0x13884"]);
    let less =
        Insn::JumpIf { width: Width::W64, op: CondOp::Lt, dst: Reg::R1, src: Src::Imm(4), off: 1 };
    assert_eq!(read(&long_jump(less, 20_000))[1], "b.hs $+0x13884");
    assert_eq!(read(&long_jump(less, 300_000))[1..3], ["b.lo $+0x8", "b $+0x124f84"]);
}

#[test]
fn what_leaves_the_function_or_is_too_long_is_refused() {
    let jump = |off| Insn::Jump { off };
    for insns in [
        vec![],
        vec![jump(1), Insn::Exit],
        vec![Insn::Call(Call::Local(1)), jump(1), Insn::Exit, Insn::Exit],
    ] {
        let what = format!("{insns:?}");
        let result = compile(&prog(insns.into_iter().collect()), &NoSurroundings, BOTH[1]);
        assert!(result.is_err(), "{what} has code");
    }
    let atomic = Insn::Call(Call::Helper(7));
    let insns: Insns = core::iter::repeat_n(atomic, 2_000_000).chain([Insn::Exit]).collect();
    let result = compile(&prog(insns), &ALL, BOTH[0]);
    assert_eq!(result.err(), Some(CompileError::TooLong));
}

/// Branches rest on what the first pass takes for the most that instructions can become, which the compiler
/// asserts of each: here all of them with each of the ways of accesses.
#[test]
fn no_instruction_is_longer_than_is_reckoned() {
    let insns = everything();
    for features in BOTH {
        for insn in insns.iter().map(|(_, insn)| insn) {
            for before in 0..4 {
                let pad = core::iter::repeat_n(Insn::JumpLong { off: 0 }, before);
                let list: Insns = pad.chain([insn, Insn::Jump { off: 0 }, Insn::Exit]).collect();
                for outside in [&ALL, &HARDENED, &CHECKED, &programs::BOTH] {
                    let code = compile(&prog(list.clone()), outside, features);
                    assert!(code.is_ok(), "{insn:?}: {code:?}");
                }
            }
        }
    }
}

/// What a program becomes in the second tier, up to where the result is moved to where C has it.
#[track_caller]
fn becomes_best(text: &str, want: &str) {
    let prog = prog(skep_asm::assemble(&format!("{text}\nexit")).unwrap());
    let code = compile_best(&prog, &NoSurroundings, BOTH[1]).unwrap();
    let insns = check(&code, text);
    assert_eq!(insns[..insns.len() - 3].join("; "), want, "{text}");
}

#[test]
fn optimised_programs_have_short_loops_and_few_branches() {
    becomes_best(
        "r0 = 0\nr3 = 0\nl:\nr4 = r1\nr4 += r3\nr5 = *(u8 *)(r4 + 0)\nr0 ^= r5\nr3 += 1\nif r3 < r2 goto l",
        "mov w8, #0x0; mov w13, #0x0; ldrb w14, [x0, x13]; eor x8, x8, x14; add x13, x13, #0x1; \
         cmp x13, x1; b.lo $-0x10; mov x7, x8",
    );
    becomes_best(
        "r0 = 0\nl:\nr5 = *(u64 *)(r1 + 0)\nif r5 == 0 goto e\nr0 ^= r5\nr1 = r5\ngoto l\ne:",
        "mov w7, #0x0; ldr x0, [x0]; cbz x0, $+0xc; eor x7, x7, x0; b $-0xc",
    );
    becomes_best(
        "r0 = 1\nif r1 > 7 goto e\nr0 = 2\ne:",
        "cmp x0, #0x7; mov w10, #0x1; mov w9, #0x2; csel x7, x10, x9, hi",
    );
}

#[test]
fn loops_over_memory_do_many_bytes_at_once() {
    let turn = |body: &str, bytes: u32| {
        format!(
            "r0 = 0\nl:\n{body}\nr1 += {bytes}\nr2 += {bytes}\nr3 += -1\nif r3 != 0 goto l\nexit"
        )
    };
    let has = |text: &str, want: &str| {
        let prog = prog(skep_asm::assemble(text).unwrap());
        let code = compile_best(&prog, &NoSurroundings, BOTH[1]).unwrap();
        let insns = check(&code, text).join("; ");
        assert!(insns.contains(want), "{text}: {insns}");
    };
    has(
        &turn("r5 = *(u32 *)(r1 + 8)\n*(u32 *)(r2 + 4) = r5", 4),
        "ldur q0, [x8, #0x8]; ldur q1, [x8, #0x18]; stur q0, [x13, #0x4]; stur q1, [x13, #0x14]",
    );
    has(&turn("r5 = *(u8 *)(r1 + 0)\nr0 += r5", 1), "uadalp v0.8h, v2.16b; uaddlv s0, v0.8h; fmov");
    has(&turn("r5 = *(u16 *)(r1 + 0)\nr0 += r5", 2), "uadalp v0.4s, v2.8h; uaddlv d0, v0.4s; fmov");
    has(&turn("r5 = *(u32 *)(r1 + 0)\nr0 += r5", 4), "uadalp v0.2d, v2.4s; addp d0, v0.2d; fmov");
}

#[test]
fn what_has_been_found_is_read_in_place() {
    // A call at slot 0, and a load at slot 3.
    let insns: Insns = [
        Insn::Call(Call::Helper(18)),
        Insn::Call(Call::Helper(19)),
        Insn::Jump { off: 0 },
        Insn::LoadSx { size: Size::W, dst: Reg::R0, base: Reg::R6, off: 20 },
        Insn::Exit,
    ]
    .into_iter()
    .collect();
    let has = |code: &Code, wants: &[&str]| {
        let insns = check(code, "probes").join("; ");
        for want in wants {
            assert!(insns.contains(want), "{want}: {insns}");
        }
    };
    let in_place = [
        "ldr x9, [x2]; ldr x10, [x2, #0x8]; ldr x11, [x2, #0x10]; ldr x12, [x2, #0x18]; \
         ldr x7, [x2, #0x20]; ldrb w3, [x2, #0x28]; str x9, [x0]; ",
        "ldr x9, [x2]; str x9, [x0]; mov w7, #0x0; ",
    ];
    for features in BOTH {
        let code = compile(&prog(insns.clone()), &ALL, features).unwrap();
        has(&code, &in_place);
        has(&code, &["add x9, x19, #0x14; ", "ldrsw x7, [x9]; "]);
        has(&compile_best(&prog(insns.clone()), &ALL, features).unwrap(), &in_place);
        let code = compile(&prog(insns.clone()), &CHECKED, features).unwrap();
        has(&code, &["ldr x11, [x9]; str x11, [x10]; mov w7, #0x0; "]);
    }
}
