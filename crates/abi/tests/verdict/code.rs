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

/// `call` of the helper with this number
pub(crate) fn call(helper: u32) -> Insn {
    insn(0x85, 0, 0, 0, i32::try_from(helper).unwrap())
}

/// `call` of the function of the kernel with this number in its types
pub(crate) fn call_kernel(func: u32) -> Insn {
    insn(0x85, 0, 2, 0, i32::try_from(func).unwrap())
}

/// `dst = dst + imm`
pub(crate) fn add(dst: u8, imm: i32) -> Insn {
    insn(0x07, dst, 0, 0, imm)
}

/// `dst = map` by its descriptor, in two slots
pub(crate) fn load_map(dst: u8, fd: i32) -> [Insn; 2] {
    [insn(0x18, dst, 1, 0, fd), insn(0, 0, 0, 0, 0)]
}

/// `r0 = *(u8 *)skb[imm]`
pub(crate) fn load_absolute() -> Insn {
    insn(0x30, 0, 0, 0, 0)
}

/// `if dst > src goto pc + 1 + off`
pub(crate) fn jump_above(dst: u8, src: u8, off: i16) -> Insn {
    insn(0x2d, dst, src, off, 0)
}

/// `if dst != 0 goto pc + 1 + off`
pub(crate) fn jump_set(dst: u8, off: i16) -> Insn {
    insn(0x55, dst, 0, off, 0)
}

/// `dst = address of the first value of a map`, in two slots
pub(crate) fn load_map_value(dst: u8, fd: i32) -> [Insn; 2] {
    [insn(0x18, dst, 2, 0, fd), insn(0, 0, 0, 0, 0)]
}

/// `exit`
pub(crate) fn exit() -> Insn {
    insn(0x95, 0, 0, 0, 0)
}
