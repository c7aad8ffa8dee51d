//! Decoding and encoding are inverse to each other, over all opcodes.

use skep_cbpf::table::{ANCILLARY, TABLE};
use skep_cbpf::{Ancillary, Insn, RawInsn, Size};

const KS: [u32; 8] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_efff, 0xffff_f000, 0xffff_f03c, !0];
const JS: [(u8, u8); 4] = [(0, 0), (1, 0), (0, 255), (7, 3)];

#[test]
fn encode_is_inverse_to_decode_but_for_unused_fields() {
    let (mut accepted, mut exact) = (0, 0);
    for code in 0..=u16::MAX {
        for k in KS {
            for (jt, jf) in JS {
                let raw = RawInsn { code, jt, jf, k };
                let Ok(insn) = Insn::decode(raw) else { continue };
                let again = insn.encode();
                assert_eq!(Insn::decode(again), Ok(insn), "{raw:?}");
                assert_eq!(again.code, code);
                assert!(again.k == k || again.k == 0, "{raw:?}");
                accepted += 1;
                exact += u32::from(again == raw);
            }
        }
    }
    let (ks, js) = (8, 4);
    assert_eq!(accepted, 49 * ks * js);
    // Jumps with an immediate use all fields, those with X both offsets; 21 others use k: ten loads,
    // two stores, ten operations, `ja` and `ret`. The rest uses nothing.
    let (all, offs, k) = (4, 4, 3 + 3 + 2 + 2 + 1 + 2 + 10 + 1 + 1);
    assert_eq!(exact, all * ks * js + offs * js + k * ks + (49 - all - offs - k));
}

#[test]
fn ancillary_offsets_are_no_packet_offsets() {
    for (i, &(anc, name)) in (0..).zip(&ANCILLARY) {
        let raw = RawInsn::stmt(0x28, 0xffff_f000 + 4 * i);
        assert_eq!(Insn::decode(raw), Ok(Insn::LoadAnc { size: Size::H, anc }));
        assert_eq!((anc.k(), anc.name(), Ancillary::at(anc.k())), (raw.k, name, Some(anc)));
    }
    assert_eq!(Ancillary::at(0xffff_f001), None);
    assert_eq!(Ancillary::at(0xffff_f040), None);
    // Indirect loads have none.
    let ind = RawInsn::stmt(0x48, 0xffff_f000);
    assert_eq!(Insn::decode(ind), Ok(Insn::LoadInd { size: Size::H, k: 0xffff_f000 }));
}

#[test]
fn rows_say_what_they_decode_to() {
    for row in &TABLE {
        assert_eq!(Insn::decode(RawInsn::stmt(row.code, 0)), Ok(row.insn));
        assert_eq!(row.insn.encode(), RawInsn::stmt(row.code, 0));
    }
    let error = Insn::decode(RawInsn::stmt(0x0e, 0)).unwrap_err();
    assert_eq!(error.to_string(), "unknown opcode 0x0e");
}
