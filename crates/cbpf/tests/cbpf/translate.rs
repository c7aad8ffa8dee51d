//! Translations give the answers of the interpreter.

use crate::ebpf::Machine;
use crate::generate;
use rand::RngCore;
use skep_cbpf::{
    Ancillary, Device, Packet, RawInsn, Target, TranslateError, Verdict, check, print, translate,
};
use skep_isa::{Insn, Insns, Pc, Src, Width};

const TARGETS: [Target; 4] = [
    Target::SocketFilter,
    Target::Xdp(Verdict::XDP),
    Target::Tc(Verdict::TC),
    Target::Tc(Verdict { accept: 77, reject: -1 }),
];

/// What the hook returns for this answer of the interpreter.
pub(crate) fn verdict(target: Target, answer: u32) -> u32 {
    match target {
        Target::SocketFilter => answer,
        Target::Xdp(v) | Target::Tc(v) if answer == 0 => v.reject.cast_unsigned(),
        Target::Xdp(v) | Target::Tc(v) => v.accept.cast_unsigned(),
    }
}

/// Linux loads no program with instructions that nothing leads to.
#[track_caller]
fn all_reached(insns: &Insns) {
    let mut reached = vec![false; insns.len() + 1];
    reached[0] = true;
    for (pc, insn) in insns.iter() {
        assert!(reached[pc.index()], "nothing leads to {pc}: {insn:?}");
        if insn.falls_through() {
            reached[pc.index() + 1] = true;
        }
        if let Some(target) = insn.jump_off().map(|off| pc.jump(off).unwrap()) {
            reached[target.index()] = true;
        }
    }
    assert!(!reached[insns.len()], "the end is no instruction");
}

#[track_caller]
fn same_answers(raws: &[RawInsn], frames: &[Vec<u8>], mark: u32) -> u32 {
    let program = check(raws).unwrap();
    let mut runs = 0;
    for target in TARGETS {
        let Ok(insns) = translate(&program, target) else { continue };
        all_reached(&insns);
        for frame in frames {
            let mut packet = Packet::ethernet(frame, u32::try_from(frame.len()).unwrap());
            packet.meta.mark = mark;
            packet.meta.random = 7;
            packet.meta.device = Some(Device { index: 3, hardware: 1 });
            if target == Target::SocketFilter {
                (packet.data, packet.len) = (14, packet.len - 14);
            }
            let want = verdict(target, program.run(&packet));
            let got = Machine::run(&insns, target, &packet);
            let listing = print(raws, skep_cbpf::Format::Text);
            assert_eq!(got, want, "{target:?}\n{frame:02x?}\n{listing}");
            runs += 1;
        }
    }
    runs
}

#[test]
fn random_programs() {
    let rng = &mut generate::rng(1);
    let mut runs = 0;
    let mut programs = 0;
    while programs < 4000 {
        let raws = generate::program(rng);
        // A second random number is another one here than for the helper.
        let randoms = raws.iter().filter(|raw| raw.k == Ancillary::Random.k()).count();
        if check(&raws).is_err() || randoms > 1 {
            continue;
        }
        programs += 1;
        let frames: Vec<_> = (0..4).map(|_| generate::packet(rng)).collect();
        runs += same_answers(&raws, &frames, rng.next_u32());
    }
    assert!(runs > 4 * 3 * programs, "{runs} runs of {programs} programs");
}

#[test]
fn loads_around_every_end() {
    let frame: Vec<u8> = (1..=60).collect();
    let frames: Vec<_> = (14..=60).map(|len| frame[..len].to_vec()).collect();
    let ret = RawInsn::stmt(0x16, 0);
    for code in [0x20, 0x28, 0x30, 0xb1] {
        for k in [0, 1, 13, 14, 57, 60, 0xfff0_0000, 0xfff0_0020, 0xffe0_0005, 0xffdf_ffff, 0xfffc]
        {
            same_answers(&[RawInsn::stmt(code, k), ret], &frames, 0);
            if code == 0xb1 {
                continue;
            }
            for x in [0, 5, u32::MAX, 0x7fff_ffff, 0x8000_0000, 0xfff0_0001, 0xffe0_0000] {
                let load = RawInsn::stmt(code + 0x20, k.wrapping_sub(x));
                same_answers(&[RawInsn::stmt(0x01, x), load, ret], &frames, 0);
            }
        }
    }
}

#[test]
fn packets_end_at_65535_with_direct_access() {
    let frame = vec![1; 70_000];
    let packet = Packet::new(&frame);
    let target = Target::Xdp(Verdict::XDP);
    let run = |insns: &[RawInsn]| {
        Machine::run(&translate(&check(insns).unwrap(), target).unwrap(), target, &packet)
    };
    let (abs, ind, ret) = (0x28, 0x48, RawInsn::stmt(0x06, 1));
    for (at, want) in [(0xfffc, 2), (0xfffd, 2), (0xfffe, 1), (0x1_0000, 1), (69_999, 1)] {
        assert_eq!(run(&[RawInsn::stmt(abs, at), ret]), want, "{at:#x}");
        assert_eq!(run(&[RawInsn::stmt(0x01, at), RawInsn::stmt(ind, 0), ret]), want, "{at:#x}");
    }
}

#[test]
fn missing_data_is_named() {
    use Ancillary as Anc;
    let everywhere = [Anc::Nlattr, Anc::NlattrNest, Anc::PayOffset, Anc::HaType];
    let xdp_has = [Anc::IfIndex, Anc::Cpu, Anc::Random, Anc::AluXorX];
    for &(anc, name) in &skep_cbpf::table::ANCILLARY {
        let insns = [RawInsn::stmt(0x07, 0), RawInsn::stmt(0x20, anc.k()), RawInsn::stmt(0x16, 0)];
        let program = check(&insns).unwrap();
        for target in TARGETS {
            let xdp = matches!(target, Target::Xdp(_));
            let missing = everywhere.contains(&anc) || (xdp && !xdp_has.contains(&anc));
            match translate(&program, target) {
                Ok(_) => assert!(!missing, "{name} {target:?}"),
                Err(error) => {
                    assert!(missing, "{error}");
                    let TranslateError::Unsupported { pc, anc: which, .. } = error else {
                        panic!("{error}")
                    };
                    assert_eq!((pc, which), (1, anc));
                }
            }
        }
        same_answers(&insns, &[vec![0; 40]], 0x1234_5678);
    }
    let error = TranslateError::Unsupported { pc: 4, anc: Anc::PayOffset, hook: "XDP" };
    assert_eq!(error.to_string(), "insn 4: ancillary data `poff` does not exist for XDP");
}

#[test]
fn what_cannot_be_reached_is_left_out() {
    let (ret, ja) = (RawInsn::stmt(0x06, 1), |k| RawInsn::stmt(0x05, k));
    // Ancillary data that does not exist there does not matter then.
    let dead = RawInsn::stmt(0x20, Ancillary::Nlattr.k());
    same_answers(&[ja(1), dead, ret], &[vec![0; 20]], 0);
    same_answers(&[ret, dead, ret], &[vec![0; 20]], 0);
    // With direct access, nothing goes on from a load that no packet is long enough for.
    same_answers(&[RawInsn::stmt(0x20, 0x10_0000), RawInsn::stmt(0x07, 0), ret], &[vec![0; 20]], 0);
    let program = check(&[ja(1), dead, ret]).unwrap();
    // The prologue of 1, the jump, and the return of 2.
    assert_eq!(translate(&program, Target::SocketFilter).unwrap().len(), 4);
}

/// How many comparisons of the end of the packet there are.
fn ends(insns: &Insns) -> usize {
    let is_end =
        |insn: &Insn| matches!(insn, Insn::JumpIf { width: Width::W64, src: Src::Reg(_), .. });
    insns.iter().filter(|(_, insn)| is_end(insn)).count()
}

#[test]
fn the_length_is_compared_once_for_several_loads() {
    let frames: Vec<Vec<u8>> =
        (14..80).map(|len| (0..len).map(|at| u8::try_from(at).unwrap()).collect()).collect();
    let target = Target::Xdp(Verdict::XDP);
    let count = |raws: &[RawInsn]| ends(&translate(&check(raws).unwrap(), target).unwrap());
    let eq = |k, jt, jf| RawInsn { code: 0x15, jt, jf, k };
    let (byte, yes, no) =
        (|k| RawInsn::stmt(0x30, k), RawInsn::stmt(0x06, 1), RawInsn::stmt(0x06, 0));
    // All that is accepted has 41 bytes, which the first load asks for.
    let all = [byte(9), eq(9, 0, 3), byte(40), eq(40, 0, 1), yes, no];
    same_answers(&all, &frames, 0);
    assert_eq!(count(&all), 1);
    // With 10 bytes some is accepted. At the start there is a comparison for all, then one for each.
    let some = [byte(9), eq(9, 0, 2), byte(40), eq(40, 0, 0), yes];
    same_answers(&some, &frames, 0);
    assert_eq!(count(&some), 3);
    // What most packets do not have is asked for where it is loaded.
    let far = [byte(9), eq(9, 0, 2), byte(70), eq(70, 0, 0), yes];
    same_answers(&far, &frames, 0);
    assert_eq!(count(&far), 4);
}

#[test]
fn constants_are_turned_round_instead_of_numbers() {
    let frames: Vec<Vec<u8>> = [[8, 0, 1, 2], [8, 1, 1, 2], [0, 8, 2, 1], [0xff; 4]]
        .map(|bytes| [[0; 12].as_slice(), &bytes, &[0; 9]].concat())
        .to_vec();
    let target = Target::Tc(Verdict::TC);
    let swaps = |raws: &[RawInsn]| {
        let insns = translate(&check(raws).unwrap(), target).unwrap();
        insns.iter().filter(|(_, insn)| matches!(insn, Insn::Swap { .. })).count()
    };
    let (yes, no, ret_a) = (RawInsn::stmt(0x06, 1), RawInsn::stmt(0x06, 0), RawInsn::stmt(0x16, 0));
    let jump = |code, k| RawInsn { code, jt: 0, jf: 1, k };
    let (half, word) = (RawInsn::stmt(0x28, 12), RawInsn::stmt(0x20, 12));
    for (operations, want) in [
        (vec![half, jump(0x15, 0x800)], 0),
        (vec![half, jump(0x15, 0x1_0800)], 0),
        (vec![half, RawInsn::stmt(0x44, 0x1_0001), jump(0x15, 0x1_0801)], 0),
        (vec![half, RawInsn::stmt(0x54, 0xff00), jump(0x45, 0x800)], 0),
        (vec![word, RawInsn::stmt(0xa4, 0x1234_5678), jump(0x15, 0x1a34_575a)], 0),
        (vec![half, jump(0x25, 0x800)], 1),
        (vec![half, RawInsn::stmt(0x04, 1), jump(0x15, 0x801)], 1),
        (vec![half, jump(0x15, 0x800), ret_a], 1),
        // Ways meet with numbers of different sizes, and the program is there twice.
        (vec![half, RawInsn { code: 0x45, jt: 0, jf: 1, k: 0x800 }, word, jump(0x15, 0x801)], 4),
    ] {
        let raws = [operations.clone(), vec![yes, no]].concat();
        same_answers(&raws, &frames, 0);
        assert_eq!(swaps(&raws), want, "{operations:?}");
    }
}

/// Loads of one byte at each place, which are compared with what they are.
fn loads(places: &[u32]) -> Vec<RawInsn> {
    let mut insns: Vec<RawInsn> = Vec::new();
    for &k in places {
        insns.push(RawInsn::stmt(0x30, k));
        insns.push(RawInsn { code: 0x15, jt: 0, jf: 0, k });
    }
    insns.push(RawInsn::stmt(0x16, 0));
    insns
}

#[test]
fn several_loads_of_a_socket_filter_are_one_call() {
    // Each length from an empty packet on; what is loaded does not come in the order of the bytes.
    let frames: Vec<Vec<u8>> =
        (14..160).map(|len| (0..len).map(|at| u8::try_from(at).unwrap()).collect()).collect();
    let many: [&[u32]; 5] =
        [&[0, 1], &[9, 3, 27], &[40, 2, 3, 127], &[5, 6, 7, 128], &[1, 2, 300, 9, 0x7fff_fffe]];
    for places in many {
        same_answers(&loads(places), &frames, 0);
        let program = check(&loads(places)).unwrap();
        let insns = translate(&program, Target::SocketFilter).unwrap();
        let calls = |of: fn(&Insn) -> bool| insns.iter().filter(|(_, insn)| of(insn)).count();
        let copies = places.iter().filter(|&&k| k < 128).count() > 2;
        assert_eq!(calls(|insn| matches!(insn, Insn::Call(_))), usize::from(copies), "{places:?}");
        let far = places.iter().filter(|&&k| !copies || k >= 128).count();
        assert_eq!(calls(|insn| matches!(insn, Insn::LoadAbs { .. })), far, "{places:?}");
    }
}

#[test]
fn far_jumps_take_the_long_form() {
    let mut insns = vec![RawInsn::stmt(0x05, 4093)];
    insns.push(RawInsn::stmt(0x16, 0));
    insns.resize(4095, RawInsn::stmt(0x04, 1));
    insns.push(RawInsn::stmt(0x06, 5));
    let jump_of = |insns: &[RawInsn], target| {
        let program = check(insns).unwrap();
        *translate(&program, target).unwrap().get(Pc(3)).unwrap()
    };
    // All between is dead.
    assert_eq!(jump_of(&insns, Target::Xdp(Verdict::XDP)), Insn::Jump { off: 0 });
    // 3050 indirect loads of up to 16 slots, which a conditional jump leads into. Linux's own
    // conversion of the jump over them is short enough.
    let mut insns =
        vec![RawInsn::stmt(0x01, 1), RawInsn::jump(0x15, 1, 0, 1), RawInsn::stmt(0x05, 3051)];
    insns.resize(3054, RawInsn::stmt(0x48, 0));
    insns.push(RawInsn::stmt(0x06, 5));
    let program = check(&insns).unwrap();
    let translated = translate(&program, Target::Xdp(Verdict::XDP)).unwrap();
    all_reached(&translated);
    let long = translated.iter().find_map(|(_, insn)| match insn {
        Insn::JumpLong { off } => Some(off),
        _ => None,
    });
    assert!(long.is_some_and(|off| off > i32::from(i16::MAX)), "{long:?}");
    let packet = Packet::new(&[0; 64]);
    assert_eq!(Machine::run(&translated, Target::Xdp(Verdict::XDP), &packet), 2);
}
