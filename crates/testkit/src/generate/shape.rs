//! Helpers that read, write, move and resize the packet.

use super::{Body, Generator, STACK};
use rand::Rng;
use skep_abi::ProgType;
use skep_isa::{AluOp, Call, Insn, Reg, Src};

/// An argument of a helper.
#[derive(Clone, Copy)]
enum Arg {
    /// Between two numbers, the second not included.
    Range(i32, i32),
    /// Any number the program has.
    Number,
    /// One of these.
    Of(&'static [i32]),
    /// Initialised stack.
    Stack,
    /// Bytes of it.
    Len,
}

/// A helper's number, its arguments after the context, and whether it invalidates what the program
/// knows of the packet.
type Row = (i32, &'static [Arg], bool);

const OFFSET: Arg = Arg::Range(-2, 90);

#[rustfmt::skip]
const XDP: [Row; 6] = [
    (44, &[Arg::Range(-40, 12)], true), // adjust_head
    (54, &[Arg::Of(&[-36, -32, -8, -4, -3, 0, 4, 8])], true), // adjust_meta
    (65, &[Arg::Range(-12, 60)], true), // adjust_tail
    (188, &[], false), // get_buff_len
    (189, &[OFFSET, Arg::Stack, Arg::Len], false), // load_bytes
    (190, &[OFFSET, Arg::Stack, Arg::Len], false), // store_bytes
];

/// `BPF_F_ADJ_ROOM_*`: alone, together, and such as do not go together.
const ROOM: &[i32] =
    &[0, 0, 0, 1, 2, 4, 6, 2 | 8, 2 | 16, 4 | 8, 4 | 16, 8 | 16, 32, 1 | 32, 64, 128, 256, 512];

#[rustfmt::skip]
const TC: [Row; 14] = [
    (9, &[OFFSET, Arg::Stack, Arg::Len, Arg::Of(&[0, 0, 1, 2, 3, 4])], true), // skb_store_bytes
    (26, &[OFFSET, Arg::Stack, Arg::Len], false), // skb_load_bytes
    (68, &[OFFSET, Arg::Stack, Arg::Len, Arg::Of(&[0, 1, 1, 2])], false), // skb_load_bytes_relative
    (10, &[OFFSET, Arg::Number, Arg::Number, Arg::Of(&[0, 2, 2, 4, 4, 3])], true), // l3_csum_replace
    (11, &[OFFSET, Arg::Number, Arg::Number, Arg::Of(&[0, 2, 4, 0x12, 0x14, 0x22, 0x44, 0x64, 0x80])], true), // l4_csum_replace
    (18, &[Arg::Of(&[0x0081, 0xa888, 0x0008]), Arg::Number], true), // skb_vlan_push
    (19, &[], true), // skb_vlan_pop
    (38, &[Arg::Range(70, 400), Arg::Of(&[0, 0, 0, 0, 1])], true), // skb_change_tail
    (39, &[Arg::Range(0, 200)], true), // skb_pull_data
    (41, &[], false), // set_hash_invalid
    (43, &[Arg::Range(0, 40), Arg::Of(&[0, 0, 0, 0, 1])], true), // skb_change_head
    (48, &[Arg::Number], false), // set_hash
    (50, &[Arg::Range(-12, 40), Arg::Of(&[0, 0, 1, 1, 2]), Arg::Of(ROOM)], true), // skb_adjust_room
    (135, &[Arg::Of(&[0, 0, 1, 1, 2, 3, 4])], false), // csum_level
];

impl Generator {
    pub(super) fn shape(&mut self, body: &mut Body) {
        if !self.may_call(body) {
            return self.compute(body);
        }
        let table: &[Row] = if self.prog_type == ProgType::Xdp { &XDP } else { &TC };
        let (helper, args, invalidates) = self.pick(table);
        let regs = [Reg::R2, Reg::R3, Reg::R4, Reg::R5];
        // Numbers first: they may stand in registers of arguments.
        for (arg, reg) in args.iter().zip(regs) {
            if matches!(arg, Arg::Number) {
                let src = self.number(body);
                body.code.mov(reg, src);
            }
        }
        let len = self.rng.random_range(1..=STACK / 2);
        for (&arg, reg) in args.iter().zip(regs) {
            match arg {
                Arg::Range(from, to) => {
                    let imm = self.rng.random_range(from..to);
                    body.code.set(reg, imm);
                }
                Arg::Number => {}
                Arg::Of(table) => {
                    let imm = self.pick(table);
                    body.code.set(reg, imm);
                }
                Arg::Stack => {
                    let off = -self.rng.random_range(len..=STACK);
                    body.code.mov(reg, Reg::FP);
                    body.code.alu(AluOp::Add, reg, Src::Imm(off.into()));
                }
                Arg::Len => body.code.set(reg, len.into()),
            }
        }
        body.code.mov(Reg::R1, Reg::R6);
        body.code.push(Insn::Call(Call::Helper(helper)));
        self.count(body, Reg::R0);
        if invalidates {
            self.find_packet(body);
        }
        self.after_call(body);
    }
}
