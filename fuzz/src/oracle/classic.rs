//! Classic programs out of bytes.

use skep_cbpf::{Insn, RawInsn, table::TABLE};

/// Eight bytes each, as `struct sock_filter` of a little-endian host.
#[must_use]
pub fn raws(data: &[u8]) -> Vec<RawInsn> {
    let raw = |&[a, b, jt, jf, k @ ..]: &[u8; 8]| RawInsn {
        code: u16::from_le_bytes([a, b]),
        jt,
        jf,
        k: u32::from_le_bytes(k),
    };
    data.as_chunks().0.iter().map(raw).collect()
}

/// The same, with what the checker would refuse replaced by something similar.
#[must_use]
pub fn repaired(data: &[u8]) -> Vec<RawInsn> {
    let mut raws = raws(data);
    raws.truncate(1000);
    raws.push(RawInsn::stmt(0x16, 0));
    let len = raws.len();
    for (pc, raw) in raws.iter_mut().enumerate() {
        let behind = len - 1 - pc;
        repair(raw, behind);
    }
    // Cells that are read before they are written make no program.
    let stores = (0..4).map(|cell| RawInsn::stmt(0x02, cell));
    stores.chain(raws).collect()
}

fn repair(raw: &mut RawInsn, behind: usize) {
    let known = TABLE.iter().find(|row| row.code == raw.code);
    let row = known.unwrap_or(&TABLE[usize::from(raw.code) % TABLE.len()]);
    raw.code = row.code;
    let fits = |off: u8| u8::try_from(usize::from(off) % behind.max(1)).unwrap_or(0);
    (raw.jt, raw.jf) = match row.insn {
        Insn::JumpIf { .. } => (fits(raw.jt), fits(raw.jf)),
        _ => (0, 0),
    };
    match row.insn {
        Insn::LoadMem { .. } | Insn::Store { .. } => raw.k %= 4,
        Insn::Jump { .. } if raw.k as usize >= behind => raw.k %= fit(behind),
        Insn::Alu { .. } if matches!(raw.code & 0xf0, 0x60 | 0x70) => raw.k %= 32,
        _ => {}
    }
}

fn fit(behind: usize) -> u32 {
    u32::try_from(behind.max(1)).unwrap_or(1)
}
