//! Instructions of the programs that are loaded, as bytes.

/// One instruction.
pub(crate) type Insn = [u8; 8];

fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    let (off, imm) = (off.to_le_bytes(), imm.to_le_bytes());
    [code, dst | src << 4, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
}

/// `dst = imm`
pub(crate) fn mov(dst: u8, imm: i32) -> Insn {
    insn(0xb7, dst, 0, 0, imm)
}

/// `dst = src`
pub(crate) fn copy(dst: u8, src: u8) -> Insn {
    insn(0xbf, dst, src, 0, 0)
}

/// The bits of opcodes that tell 1, 2, 4 and 8 bytes apart.
fn size_bits(size: u32) -> u8 {
    match size {
        1 => 0x10,
        2 => 0x08,
        4 => 0x00,
        _ => 0x18,
    }
}

/// `dst = *(size *)(src + off)`
pub(crate) fn load(size: u32, dst: u8, src: u8, off: i16) -> Insn {
    insn(0x61 | size_bits(size), dst, src, off, 0)
}

/// `*(size *)(dst + off) = src`
pub(crate) fn store(size: u32, dst: u8, src: u8, off: i16) -> Insn {
    insn(0x63 | size_bits(size), dst, src, off, 0)
}

/// `*(size *)(dst + off) = imm`
pub(crate) fn store_imm(size: u32, dst: u8, off: i16, imm: i32) -> Insn {
    insn(0x62 | size_bits(size), dst, 0, off, imm)
}

/// `exit`
pub(crate) fn exit() -> Insn {
    insn(0x95, 0, 0, 0, 0)
}
