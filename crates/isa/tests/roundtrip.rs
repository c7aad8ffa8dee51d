//! Decoding and encoding are inverse to each other, over everything that fits in a test.

use skep_isa::{Insn, Insns, Pc, RawInsn, decode};

const OFFS: [i16; 12] = [0, 1, 2, 3, 8, 16, 32, 64, -1, -8, i16::MIN, i16::MAX];
#[rustfmt::skip]
const IMMS: [i32; 23] = [
    0, 1, 2, -1, 8, 16, 32, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe0, 0xe1, 0xf0, 0xf1, 0x100,
    0x110, 0x10000, 0x20000, i32::MIN, i32::MAX,
];

/// Counted from the tables by hand, so that a row that stops decoding is noticed:
/// 11 registers, 121 pairs, 12 offsets, 23 immediates.
#[test]
fn decode_then_encode_is_identity() {
    let (r, rr, off, imm) = (11u64, 121u64, 12u64, 23u64);
    let seconds = [None, Some(RawInsn::default()), Some(RawInsn { imm: 7, ..RawInsn::default() })];
    let mut accepted = 0u64;
    for code in 0..=255u8 {
        for regs in 0..=255u8 {
            for off in OFFS {
                for imm in IMMS {
                    let raw = RawInsn { code, regs, off, imm };
                    for second in seconds {
                        let Ok(insn) = Insn::decode(raw, second) else { continue };
                        let (first, rest) = insn.encode();
                        assert_eq!(first, raw, "{insn:?}");
                        assert_eq!(rest.is_some(), insn.slots() == 2);
                        assert!(rest.is_none() || rest == second, "{insn:?}");
                        accepted += 1;
                    }
                }
            }
        }
    }
    let alu = 2 * 14 * (rr + r * imm); // 14 operations, two widths, register and immediate
    let moves = rr * (2 + 3 + 2); // sign extensions and both casts
    let unary = 2 * r + 3 * 3 * r; // neg, byte order
    let cond = 2 * 11 * (rr + r * imm) * off;
    let jumps = 3 * off + 3 * imm + r + off + 2 * imm + imm * off + r + 1;
    let memory = rr * off * (4 + 3 + 4) + 4 * r * off * imm; // ldx, ldxs, stx; st
    let atomic = rr * off * (2 * 10 + 4 * 2);
    let packet = 3 * imm + 3 * r * imm;
    let one_slot = alu + moves + unary + cond + jumps + memory + atomic + packet;
    // Every lddw takes a zero second slot; value, map value, variable and indexed value take 7 too.
    let lddw = r * imm * (7 + 4);
    assert_eq!(accepted, one_slot * 3 + lddw);
}

#[test]
fn big_endian_slots_mirror_little_endian_ones() {
    let raw = RawInsn::new(0x61, 3, 10, -8, 0x0102_0304);
    assert_eq!(raw.to_le_bytes(), [0x61, 0xa3, 0xf8, 0xff, 4, 3, 2, 1]);
    assert_eq!(raw.to_be_bytes(), [0x61, 0x3a, 0xff, 0xf8, 1, 2, 3, 4]);
    assert_eq!(RawInsn::from_be_bytes(raw.to_be_bytes()), raw);
    assert_eq!(RawInsn::from_le_bytes(raw.to_le_bytes()), raw);
}

#[test]
fn errors_name_slot_and_field() {
    let text = |bytes: &[u8]| {
        let err = decode(bytes).unwrap_err();
        match std::error::Error::source(&err) {
            Some(source) => format!("{err}: {source}"),
            None => err.to_string(),
        }
    };
    assert_eq!(text(&[0; 7]), "7 bytes are no whole number of 8-byte instructions");
    assert_eq!(text(&[0xff; 8]), "insn 0 is no instruction: unknown opcode 0xff");
    assert_eq!(
        text(&[0x18, 1, 0, 0, 0, 0, 0, 0]),
        "insn 0 is no instruction: lddw needs a second slot"
    );
    let mut exit_then_bad = vec![0x95, 0, 0, 0, 0, 0, 0, 0];
    exit_then_bad.extend([0xbf, 0xb1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        text(&exit_then_bad),
        "insn 1 is no instruction: register r11 in field src, the last is r10"
    );
    exit_then_bad[8..].copy_from_slice(&[0x95, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(
        text(&exit_then_bad),
        "insn 1 is no instruction: opcode 0x95 does not take 0x1 in field off"
    );
}

#[test]
fn lddw_takes_two_slots() {
    let bytes = [0x18, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let insns: Insns = decode(&bytes).unwrap();
    assert_eq!(insns.len(), 3);
    assert_eq!(insns.get(Pc(1)), None);
    assert_eq!(insns.iter().map(|(pc, _)| pc.0).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(insns.to_le_bytes(), bytes);
}

#[test]
fn slots_that_were_cleared_are_jumps_to_the_next() {
    let lddw = [0x18, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0];
    let exit = [0x95, 0, 0, 0, 0, 0, 0, 0];
    let mut insns: Insns = decode(&[&lddw[..], &lddw, &exit].concat()).unwrap();
    insns.clear(Pc(2));
    assert_eq!(insns.get(Pc(2)), None);
    assert_eq!(insns.iter().map(|(pc, _)| pc.0).collect::<Vec<_>>(), [0, 4]);
    let jump = [0x05, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(insns.to_le_bytes(), [&lddw[..], &jump, &jump, &exit].concat());
    // Where there is nothing, nothing changes.
    insns.clear(Pc(9));
    assert_eq!(insns.len(), 5);
}
