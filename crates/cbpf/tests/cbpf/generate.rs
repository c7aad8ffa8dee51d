//! Random programs and packets.

use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use skep_cbpf::table::TABLE;
use skep_cbpf::{AluOp, Insn, RawInsn};

pub(crate) fn rng(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

/// A program that often passes the checker: known opcodes, small jumps and offsets.
pub(crate) fn program(rng: &mut SmallRng) -> Vec<RawInsn> {
    let stores = (0..3).map(|cell| RawInsn::stmt(if cell == 1 { 0x03 } else { 0x02 }, cell));
    let mut insns: Vec<_> = stores.take(if rng.random() { 3 } else { 0 }).collect();
    for _ in 0..rng.random_range(1..25) {
        let row = &TABLE[rng.random_range(0..TABLE.len())];
        let returns = matches!(row.insn, Insn::RetK { .. } | Insn::RetA);
        if returns && rng.random_ratio(3, 4) {
            continue;
        }
        let mut raw = RawInsn::stmt(row.code, immediate(rng, row.insn));
        if matches!(row.insn, Insn::JumpIf { .. }) {
            (raw.jt, raw.jf) = (rng.random_range(0..5), rng.random_range(0..5));
        }
        insns.push(raw);
    }
    insns.push(RawInsn::stmt(if rng.random() { 0x16 } else { 0x06 }, rng.next_u32()));
    insns
}

fn immediate(rng: &mut SmallRng, insn: Insn) -> u32 {
    match insn {
        Insn::LoadAbs { .. } | Insn::LoadInd { .. } | Insn::LoadMsh { .. } => {
            match rng.random_range(0..20) {
                0 => rng.next_u32(),
                1 => 0xffff_f000 + 4 * rng.random_range(0..16),
                2 => 0xfff0_0000 + rng.random_range(0..60),
                3 => 0xffe0_0000 + rng.random_range(0..60),
                4 => 0u32.wrapping_sub(rng.random_range(0..40)),
                _ => rng.random_range(0..70),
            }
        }
        Insn::LoadMem { .. } | Insn::Store { .. } => rng.random_range(0..3),
        Insn::Alu { op: AluOp::Lsh | AluOp::Rsh, .. } => rng.random_range(0..32),
        Insn::Jump { .. } => rng.random_range(0..4),
        _ => match rng.random_range(0..5) {
            0 => rng.next_u32(),
            1 => u32::MAX,
            _ => rng.random_range(0..64),
        },
    }
}

pub(crate) fn packet(rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(14..100)];
    rng.fill_bytes(&mut bytes);
    if rng.random() {
        bytes.iter_mut().for_each(|byte| *byte %= 64);
    }
    let protos = [0x0800u16, 0x86dd, 0x8100, 0x0806];
    bytes[12..14].copy_from_slice(&protos[rng.random_range(0..4)].to_be_bytes());
    bytes
}
