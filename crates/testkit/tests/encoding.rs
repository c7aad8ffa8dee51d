//! What is no instruction is refused by the running kernel too, in the words that are told of it.

use skep_abi::ProgType;
use skep_isa::{Insns, RawInsn, SlotError};
use skep_prog::{Image, Prog};
use skep_testkit::agreement::{Mode, Oracle, Verdict, single, target};
use skep_testkit::host;
use skep_verifier::kernel_on_encoding;

/// Every opcode with every field as it may be and as it may not.
fn slots() -> impl Iterator<Item = RawInsn> {
    let fields = [(0, 0, 0), (0x10, 0, 0), (0xb0, 0, 0), (0x0c, 0, 0), (0, 5, 0), (0, 0, 0x33)];
    (0..=u8::MAX).flat_map(move |code| {
        fields.into_iter().map(move |(regs, off, imm)| RawInsn { code, regs, off, imm })
    })
}

#[test]
fn what_does_not_decode_is_refused_in_the_kernels_words() {
    if host().is_none() {
        return;
    }
    let Ok(target) = target() else { return eprintln!("skipped: a kernel without types") };
    if !target.release.starts_with("6.18.") {
        return eprintln!("skipped: the words are those of 6.18");
    }
    let mov = |regs, imm| RawInsn { code: 0xb7, regs, off: 0, imm };
    let mov_reg = RawInsn { code: 0xbf, regs: 0x16, off: 0, imm: 0 };
    let load = RawInsn { code: 0x61, regs: 0x10, off: 0, imm: 0 };
    let jump = RawInsn { code: 0x15, regs: 0, off: 1, imm: 7 };
    let exit = RawInsn { code: 0x95, regs: 0, off: 0, imm: 0 };
    let insns = Insns::decode([mov(0, 0), exit]).expect("two instructions");
    let prog = Prog::new("p", ProgType::SocketFilter, insns);
    let subject = single(Image { progs: vec![prog], ..Image::default() }, "encoding");
    let mut oracle = Oracle::new(&target);
    let prepared = oracle.prepare(&subject).expect("a program without maps");
    let (mut asked, mut wrong) = (0, Vec::new());
    for slot in slots() {
        // A way around it, so that nothing is unreachable; jumps by 5 land inside.
        let mut raws = vec![mov_reg, load, jump, slot];
        raws.extend([mov(0, 0); 6]);
        raws.push(exit);
        let Err(SlotError::Insn { source, .. }) = Insns::decode(raws.iter().copied()) else {
            continue;
        };
        // Two things are wrong with the first two, and the kernel names the other; it does not look at `off` of exit.
        let other = matches!((slot.code, slot.dst()), (0x0d | 0x8d, 12));
        let other = other || slot.code == 0x99 && slot.imm != 0;
        if other || slot.code == 0x95 && slot.off != 0 {
            continue;
        }
        let answer = oracle.ask(&prepared, &raws, Mode::Privileged);
        asked += 1;
        if answer.verdict != Verdict::Rejected || answer.last != kernel_on_encoding(&source) {
            wrong.push(format!("{slot:x?}: {source}: {:?} {}", answer.verdict, answer.last));
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 1000, "{asked}");
}
