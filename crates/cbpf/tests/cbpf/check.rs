//! What the checker rejects, and with which words.

use skep_cbpf::{CheckError, RawInsn, check};

const RET: RawInsn = RawInsn::stmt(0x06, 0);

const fn stmt(code: u16, k: u32) -> RawInsn {
    RawInsn::stmt(code, k)
}

const fn jeq(jt: u8, jf: u8) -> RawInsn {
    RawInsn::jump(0x15, 0, jt, jf)
}

#[track_caller]
fn rejects(insns: &[RawInsn], words: &str) {
    assert_eq!(check(insns).map(|_| ()).map_err(|e| e.to_string()), Err(words.to_owned()));
}

#[track_caller]
fn accepts(insns: &[RawInsn]) {
    let program = check(insns).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(program.insns().len(), insns.len());
}

#[test]
fn length() {
    rejects(&[], "0 instructions, a program has 1 to 4096");
    accepts(&[RET; 1]);
    accepts(&[RET; 4096]);
    rejects(&[RET; 4097], "4097 instructions, a program has 1 to 4096");
}

#[test]
fn single_instructions() {
    let rejected = [
        (stmt(0xff, 0), "insn 0: unknown opcode 0xff"),
        (stmt(0x0e, 0), "insn 0: unknown opcode 0x0e"),
        (stmt(0x106, 0), "insn 0: unknown opcode 0x106"),
        (stmt(0x34, 0), "insn 0: division by 0"),
        (stmt(0x94, 0), "insn 0: division by 0"),
        (stmt(0x64, 32), "insn 0: shift by 32, the most is 31"),
        (stmt(0x74, u32::MAX), "insn 0: shift by 4294967295, the most is 31"),
        (stmt(0x02, 16), "insn 0: scratch memory M[16], the last is M[15]"),
        (stmt(0x61, 1 << 31), "insn 0: scratch memory M[2147483648], the last is M[15]"),
        (stmt(0x20, 0xffff_f040), "insn 0: no ancillary data at offset 0xfffff040"),
        (stmt(0x28, u32::MAX), "insn 0: no ancillary data at offset 0xffffffff"),
        (stmt(0x05, 1), "insn 0: jump to 2, the last instruction is 1"),
        (stmt(0x05, u32::MAX), "insn 0: jump to 4294967296, the last instruction is 1"),
        (jeq(0, 1), "insn 0: jump to 2, the last instruction is 1"),
        (jeq(255, 0), "insn 0: jump to 256, the last instruction is 1"),
    ];
    for (insn, words) in rejected {
        rejects(&[insn, RET], words);
    }
    let accepted = [
        stmt(0x34, 1),
        stmt(0x94, u32::MAX),
        stmt(0x3c, 0), // by X
        stmt(0x64, 31),
        stmt(0x6c, 99), // by X, and k is not used
        stmt(0x02, 15),
        stmt(0x20, 0xffff_f03c),
        stmt(0x20, 0xffff_efff),
        stmt(0x48, u32::MAX),
        stmt(0x05, 0),
        jeq(0, 0),
    ];
    for insn in accepted {
        accepts(&[insn, RET]);
    }
}

#[test]
fn the_last_instruction_returns() {
    rejects(&[stmt(0x00, 1)], "insn 0: the last instruction must be ret");
    rejects(&[RET, stmt(0x05, 0), stmt(0x07, 0)], "insn 2: the last instruction must be ret");
    rejects(&[RET, jeq(0, 0)], "insn 1: jump to 2, the last instruction is 1");
    accepts(&[stmt(0x16, 0)]);
}

#[test]
fn scratch_memory_is_written_before_it_is_read() {
    let (st, ld, ja) = (stmt(0x02, 3), stmt(0x60, 3), |k| stmt(0x05, k));
    let words = |pc| format!("insn {pc}: M[3] may be read before it is written");
    accepts(&[st, ld, RET]);
    rejects(&[ld, RET], &words(0));
    rejects(&[stmt(0x03, 4), stmt(0x61, 3), RET], &words(1));
    // On one of two ways only.
    rejects(&[jeq(0, 1), st, ld, RET], &words(2));
    // On both.
    accepts(&[jeq(0, 2), st, ja(1), st, ld, RET]);
    // The way that lacks it returns, but stands directly before: Linux rejects that too.
    rejects(&[jeq(0, 2), st, ja(1), RET, ld, RET], &words(4));
    accepts(&[jeq(1, 0), RET, st, ld, RET]);
    // Nothing leads here.
    accepts(&[ja(1), ld, RET]);
}

#[test]
fn jumps_fit_once_converted() {
    // Each `ldxb` becomes 18 slots at offset 0, and 19 at others.
    let jump_over = |k: u32, count: u16| {
        let mut insns = vec![stmt(0x05, count.into())];
        insns.resize(usize::from(count) + 1, stmt(0xb1, k));
        insns.push(RET);
        check(&insns)
    };
    assert!(jump_over(0, 1820).is_ok());
    assert_eq!(jump_over(0, 1821), Err(CheckError::JumpTooLong { pc: 0, slots: 32778 }));
    assert!(jump_over(1, 1724).is_ok());
    let error = jump_over(1, 1725).unwrap_err();
    let words = "insn 0: jump over 32775 eBPF instructions, Linux allows 32767";
    assert_eq!(error.to_string(), words);
}
