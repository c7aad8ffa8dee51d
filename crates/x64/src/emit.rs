//! The instructions.
//!
//! An instruction is put in at most three pieces: prefixes, opcode and operand bytes; displacement;
//! immediate. `RSP` and `R12` as a base need a byte for an index, `RBP` and `R13` a displacement; `SPL` to
//! `DIL` need a REX prefix, without which the numbers mean other registers.

use crate::buffer::Assembler;
use crate::operand::{Alu, Bmi, Cond, Gpr, Mem, MemSize, Shift, Unary, Width};

/// Bits of a REX prefix, beside 0x40.
const W: u64 = 8;

impl Width {
    pub(crate) const fn rex(self) -> u64 {
        match self {
            Self::W32 => 0,
            Self::W64 => W,
        }
    }
}

const fn bits(reg: Gpr) -> u64 {
    reg as u64
}

/// An operation on a register and an immediate.
#[inline(always)]
const fn head_of_alu(rex: u64, opcode: u32, op: u64, dst: Gpr) -> Head {
    Head(0, 0).opcode(opcode).byte(0xc0 | op << 3 | (bits(dst) & 7)).behind_rex(rex, false)
}

/// Some bytes of an instruction, first one lowest.
#[derive(Clone, Copy)]
struct Head(u64, usize);

/// None yet.
const OP: Head = Head(0, 0);

impl Head {
    #[inline(always)]
    const fn byte(self, byte: u64) -> Self {
        Self(self.0 | byte << (self.1 * 8), self.1 + 1)
    }

    #[inline(always)]
    const fn rex(self, rex: u64, force: bool) -> Self {
        if rex != 0 || force { self.byte(0x40 | rex) } else { self }
    }

    /// With a REX prefix in front, where it is needed; no branch, as that could not be foreseen.
    #[inline(always)]
    const fn behind_rex(self, rex: u64, force: bool) -> Self {
        let skipped = (rex == 0 && !force) as usize;
        Self((0x40 | rex | self.0 << 8) >> (skipped * 8), self.1 + 1 - skipped)
    }

    /// A prefix, or nothing.
    #[inline(always)]
    fn of(prefix: Option<u8>) -> Self {
        prefix.map_or(Self(0, 0), |prefix| Self(prefix.into(), 1))
    }

    /// With others in front.
    #[inline(always)]
    const fn behind(self, front: Self) -> Self {
        Self(front.0 | self.0 << (front.1 * 8), front.1 + self.1)
    }

    /// An opcode: one byte, or two of which the first is 0x0f, or three.
    #[inline(always)]
    const fn opcode(self, opcode: u32) -> Self {
        let len = if opcode > 0xffff {
            3
        } else if opcode > 0xff {
            2
        } else {
            1
        };
        let big_endian = (opcode << (32 - len * 8)).swap_bytes() as u64;
        Self(self.0 | big_endian << (self.1 * 8), self.1 + len)
    }
}

impl Assembler {
    /// An instruction on two registers: `reg` in the middle of the operand byte, `rm` at its end.
    #[inline(always)]
    pub(crate) fn reg_reg(
        &mut self,
        prefix: Option<u8>,
        rex: u64,
        opcode: u32,
        reg: u64,
        rm: u64,
        force: bool,
    ) {
        let rex = rex | (reg >> 3) << 2 | rm >> 3;
        let head = Head(0, 0).opcode(opcode).byte(0xc0 | (reg & 7) << 3 | (rm & 7));
        let Head(bytes, len) = head.behind_rex(rex, force).behind(Head::of(prefix));
        self.put(bytes, len);
    }

    /// An instruction on a register, or an extension of the opcode, and memory.
    #[inline(always)]
    pub(crate) fn reg_mem(
        &mut self,
        prefix: Option<u8>,
        rex: u64,
        opcode: u32,
        reg: u64,
        mem: Mem,
        force: bool,
    ) {
        let opcode = Head(0, 0).opcode(opcode);
        self.head_mem(Head::of(prefix), rex, opcode, reg, mem, force);
    }

    /// The same with an opcode of a table.
    #[inline(always)]
    fn head_mem(&mut self, prefix: Head, rex: u64, opcode: Head, reg: u64, mem: Mem, force: bool) {
        let base = bits(mem.base);
        let index = mem.index.map_or(4, |(index, _)| bits(index));
        let rex = rex | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        let head = opcode;
        let middle = (reg & 7) << 3;
        let (mode, disp_len) = match mem.disp {
            0 if base & 7 != 5 => (0, 0),
            -128..=127 => (0x40, 1),
            _ => (0x80, 4),
        };
        let head = if mem.index.is_some() || base & 7 == 4 {
            let scale = mem.index.map_or(0, |(_, scale)| u64::from(scale));
            head.byte(mode | middle | 4).byte(scale << 6 | (index & 7) << 3 | (base & 7))
        } else {
            head.byte(mode | middle | (base & 7))
        };
        let head = head.behind_rex(rex, force).behind(prefix);
        let disp = u64::from(mem.disp.cast_unsigned());
        if head.1 + disp_len <= 8 {
            // Bytes of the displacement beyond its length are overwritten by what comes next.
            self.put(head.0 | disp << (head.1 * 8), head.1 + disp_len);
        } else {
            self.put(head.0, head.1);
            self.put(disp, disp_len);
        }
    }

    #[inline(always)]
    fn imm(&mut self, imm: i32, len: usize) {
        self.put(u64::from(imm.cast_unsigned()), len);
    }

    /// `op dst, src`
    #[inline]
    pub fn alu(&mut self, op: Alu, width: Width, dst: Gpr, src: Gpr) {
        self.reg_reg(None, width.rex(), (op as u32) << 3 | 1, bits(src), bits(dst), false);
    }

    /// `op dst, imm`, sign-extended.
    #[inline]
    pub fn alu_imm(&mut self, op: Alu, width: Width, dst: Gpr, imm: i32) {
        let op_bits = op as u64;
        let rex = width.rex() | bits(dst) >> 3;
        let (head, imm_len) = match (i8::try_from(imm), dst) {
            (Ok(_), _) => (head_of_alu(rex, 0x83, op_bits, dst), 1),
            (Err(_), Gpr::Rax) => (Head(0, 0).rex(rex, false).byte(op_bits << 3 | 5), 4),
            (Err(_), _) => (head_of_alu(rex, 0x81, op_bits, dst), 4),
        };
        // At most three bytes before the immediate, so that all fit.
        let Head(bytes, len) = head;
        self.put(bytes | u64::from(imm.cast_unsigned()) << (len * 8), len + imm_len);
    }

    /// `op dst, [mem]`
    #[inline]
    pub fn alu_load(&mut self, op: Alu, width: Width, dst: Gpr, mem: Mem) {
        self.reg_mem(None, width.rex(), (op as u32) << 3 | 3, bits(dst), mem, false);
    }

    /// `op [mem], src`, as one access where `lock` is said.
    #[inline]
    pub fn alu_store(&mut self, op: Alu, width: Width, mem: Mem, src: Gpr, lock: bool) {
        let prefix = lock.then_some(LOCK);
        self.reg_mem(prefix, width.rex(), (op as u32) << 3 | 1, bits(src), mem, false);
    }

    /// `op [mem], imm`, sign-extended.
    pub fn alu_store_imm(&mut self, op: Alu, width: Width, mem: Mem, imm: i32) {
        let short = i8::try_from(imm).is_ok();
        let opcode = if short { 0x83 } else { 0x81 };
        self.reg_mem(None, width.rex(), opcode, op as u64, mem, false);
        self.imm(imm, if short { 1 } else { 4 });
    }

    /// `test a, b`
    #[inline]
    pub fn test(&mut self, width: Width, a: Gpr, b: Gpr) {
        self.reg_reg(None, width.rex(), 0x85, bits(b), bits(a), false);
    }

    /// `test a, imm`, sign-extended; on fewer bits where that gives the same.
    #[inline]
    pub fn test_imm(&mut self, width: Width, a: Gpr, imm: i32) {
        // Where no bit above is tested, the flags for zero are the same.
        if (0..0x80).contains(&imm) {
            if a == Gpr::Rax {
                self.put(0xa8, 1);
            } else {
                self.reg_reg(None, 0, 0xf6, 0, bits(a), is_byte_of_rex(a));
            }
            return self.imm(imm, 1);
        }
        let width = if imm >= 0 { Width::W32 } else { width };
        if a == Gpr::Rax {
            let Head(bytes, len) = Head(0, 0).rex(width.rex(), false).byte(0xa9);
            self.put(bytes, len);
        } else {
            self.reg_reg(None, width.rex(), 0xf7, 0, bits(a), false);
        }
        self.imm(imm, 4);
    }

    /// `mov dst, src`
    #[inline]
    pub fn mov(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.reg_reg(None, width.rex(), 0x89, bits(src), bits(dst), false);
    }

    /// `mov dst, imm` in whatever form is the shortest; leaves the flags alone.
    #[inline]
    pub fn mov_imm(&mut self, dst: Gpr, imm: u64) {
        let reg = bits(dst);
        if imm >> 32 == 0 {
            let Head(bytes, len) = Head(0, 0).rex(reg >> 3, false).byte(0xb8 | (reg & 7));
            self.put(bytes, len);
            self.put(imm, 4);
        } else if imm.cast_signed() >> 31 == -1 {
            self.reg_reg(None, W, 0xc7, 0, reg, false);
            self.put(imm & 0xffff_ffff, 4);
        } else {
            self.put(0x48 | reg >> 3 | (0xb8 | (reg & 7)) << 8, 2);
            self.put(imm, 8);
        }
    }

    /// `dst = 0`, by `xor`, which changes the flags.
    #[inline]
    pub fn zero(&mut self, dst: Gpr) {
        self.alu(Alu::Xor, Width::W32, dst, dst);
    }

    /// `dst = src`, zero-extended from `from`, of at most 4 bytes.
    #[inline]
    pub fn movzx(&mut self, from: MemSize, dst: Gpr, src: Gpr) {
        match from {
            MemSize::B1 => {
                self.reg_reg(None, 0, 0x0fb6, bits(dst), bits(src), is_byte_of_rex(src));
            }
            MemSize::B2 => self.reg_reg(None, 0, 0x0fb7, bits(dst), bits(src), false),
            MemSize::B4 => self.mov(Width::W32, dst, src),
            MemSize::B8 => self.mov(Width::W64, dst, src),
        }
    }

    /// `dst = src`, sign-extended from `from` to `width`.
    #[inline]
    pub fn movsx(&mut self, width: Width, from: MemSize, dst: Gpr, src: Gpr) {
        let rex = width.rex();
        match from {
            MemSize::B1 => {
                self.reg_reg(None, rex, 0x0fbe, bits(dst), bits(src), is_byte_of_rex(src));
            }
            MemSize::B2 => self.reg_reg(None, rex, 0x0fbf, bits(dst), bits(src), false),
            MemSize::B4 if width == Width::W64 => {
                self.reg_reg(None, rex, 0x63, bits(dst), bits(src), false);
            }
            MemSize::B4 | MemSize::B8 => self.mov(width, dst, src),
        }
    }

    /// `dst = [mem]`, zero-extended.
    #[inline]
    pub fn load(&mut self, size: MemSize, dst: Gpr, mem: Mem) {
        const LOADS: [(u64, Head); 4] = [
            (0, OP.opcode(0x0fb6)),
            (0, OP.opcode(0x0fb7)),
            (0, OP.byte(0x8b)),
            (W, OP.byte(0x8b)),
        ];
        let (rex, opcode) = LOADS[size as usize];
        self.head_mem(OP, rex, opcode, bits(dst), mem, false);
    }

    /// `dst = [mem]`, sign-extended to 64 bits.
    #[inline]
    pub fn load_sx(&mut self, size: MemSize, dst: Gpr, mem: Mem) {
        let opcode = match size {
            MemSize::B1 => 0x0fbe,
            MemSize::B2 => 0x0fbf,
            MemSize::B4 => 0x63,
            MemSize::B8 => 0x8b,
        };
        self.reg_mem(None, W, opcode, bits(dst), mem, false);
    }

    /// `dst = [mem]` in the other byte order, of 4 or 8 bytes (MOVBE).
    #[inline]
    pub fn load_be(&mut self, width: Width, dst: Gpr, mem: Mem) {
        self.reg_mem(None, width.rex(), 0x0f_38f0, bits(dst), mem, false);
    }

    /// `[mem] = src`
    #[inline]
    pub fn store(&mut self, size: MemSize, mem: Mem, src: Gpr) {
        const STORES: [(Head, u64, Head); 4] = [
            (OP, 0, OP.byte(0x88)),
            (OP.byte(0x66), 0, OP.byte(0x89)),
            (OP, 0, OP.byte(0x89)),
            (OP, W, OP.byte(0x89)),
        ];
        let (prefix, rex, opcode) = STORES[size as usize];
        let force = size == MemSize::B1 && is_byte_of_rex(src);
        self.head_mem(prefix, rex, opcode, bits(src), mem, force);
    }

    /// `[mem] = imm`, sign-extended to 8 bytes.
    #[inline]
    pub fn store_imm(&mut self, size: MemSize, mem: Mem, imm: i32) {
        let (prefix, rex, opcode, len) = match size {
            MemSize::B1 => (None, 0, 0xc6, 1),
            MemSize::B2 => (Some(0x66), 0, 0xc7, 2),
            MemSize::B4 => (None, 0, 0xc7, 4),
            MemSize::B8 => (None, W, 0xc7, 4),
        };
        self.reg_mem(prefix, rex, opcode, 0, mem, false);
        self.imm(imm, len);
    }

    /// `lea dst, [mem]`
    #[inline]
    pub fn lea(&mut self, width: Width, dst: Gpr, mem: Mem) {
        self.reg_mem(None, width.rex(), 0x8d, bits(dst), mem, false);
    }

    /// `op dst, count`; the count is taken modulo the width by the processor.
    #[inline]
    pub fn shift_imm(&mut self, op: Shift, width: Width, dst: Gpr, count: u8) {
        if count == 1 {
            return self.reg_reg(None, width.rex(), 0xd1, op as u64, bits(dst), false);
        }
        let rex = width.rex() | bits(dst) >> 3;
        let Head(bytes, len) = head_of_alu(rex, 0xc1, op as u64, dst).byte(count.into());
        self.put(bytes, len);
    }

    /// `op dst, cl`
    #[inline]
    pub fn shift_cl(&mut self, op: Shift, width: Width, dst: Gpr) {
        self.reg_reg(None, width.rex(), 0xd3, op as u64, bits(dst), false);
    }

    /// Swaps the two bytes at the lower end of a register: `rol dst16, 8`.
    #[inline]
    pub fn swap16(&mut self, dst: Gpr) {
        self.reg_reg(Some(0x66), 0, 0xc1, Shift::Rol as u64, bits(dst), false);
        self.put(8, 1);
    }

    /// `dst = src op count`, the count in a register (BMI2).
    #[inline]
    pub fn shift_bmi(&mut self, op: Bmi, width: Width, dst: Gpr, src: Gpr, count: Gpr) {
        self.vex(op as u64, 2, 0xf7, width, dst, Some(count), src);
    }

    /// `dst = src` rotated right by a constant (BMI2).
    #[inline]
    pub fn rorx(&mut self, width: Width, dst: Gpr, src: Gpr, count: u8) {
        self.vex(3, 3, 0xf0, width, dst, None, src);
        self.put(count.into(), 1);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the prefix")]
    #[inline]
    fn vex(
        &mut self,
        prefix: u64,
        map: u64,
        opcode: u64,
        width: Width,
        reg: Gpr,
        extra: Option<Gpr>,
        rm: Gpr,
    ) {
        let (reg, rm) = (bits(reg), bits(rm));
        let extra = extra.map_or(0, bits);
        // Register bits are stored inverted here.
        let second = (!(reg >> 3) & 1) << 7 | 1 << 6 | (!(rm >> 3) & 1) << 5 | map;
        let third = (width.rex() >> 3) << 7 | (!extra & 15) << 3 | prefix;
        let operands = 0xc0 | (reg & 7) << 3 | (rm & 7);
        self.put(0xc4 | second << 8 | third << 16 | opcode << 24 | operands << 32, 5);
    }

    /// `op dst`
    #[inline]
    pub fn unary(&mut self, op: Unary, width: Width, dst: Gpr) {
        self.reg_reg(None, width.rex(), 0xf7, op as u64, bits(dst), false);
    }

    /// Sign-extends `rax` into `rdx`: `cqo`, or `cdq` on 32 bits.
    pub fn sign_rdx(&mut self, width: Width) {
        let Head(bytes, len) = Head(0, 0).rex(width.rex(), false).byte(0x99);
        self.put(bytes, len);
    }

    /// `bswap dst`
    #[inline]
    pub fn bswap(&mut self, width: Width, dst: Gpr) {
        let reg = bits(dst);
        let head = Head(0, 0).rex(width.rex() | reg >> 3, false);
        let Head(bytes, len) = head.byte(0x0f).byte(0xc8 | (reg & 7));
        self.put(bytes, len);
    }

    /// `imul dst, src`
    #[inline]
    pub fn imul(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.reg_reg(None, width.rex(), 0x0faf, bits(dst), bits(src), false);
    }

    /// `imul dst, src, imm`
    #[inline]
    pub fn imul_imm(&mut self, width: Width, dst: Gpr, src: Gpr, imm: i32) {
        let short = i8::try_from(imm).is_ok();
        let opcode = if short { 0x6b } else { 0x69 };
        self.reg_reg(None, width.rex(), opcode, bits(dst), bits(src), false);
        self.imm(imm, if short { 1 } else { 4 });
    }

    /// `lock xadd [mem], src`
    pub fn xadd(&mut self, width: Width, mem: Mem, src: Gpr) {
        self.reg_mem(Some(LOCK), width.rex(), 0x0fc1, bits(src), mem, false);
    }

    /// `xchg [mem], src`, which locks by itself.
    pub fn xchg(&mut self, width: Width, mem: Mem, src: Gpr) {
        self.reg_mem(None, width.rex(), 0x87, bits(src), mem, false);
    }

    /// `lock cmpxchg [mem], src`
    pub fn cmpxchg(&mut self, width: Width, mem: Mem, src: Gpr) {
        self.reg_mem(Some(LOCK), width.rex(), 0x0fb1, bits(src), mem, false);
    }

    /// `cmov dst, src`
    #[inline]
    pub fn cmov(&mut self, cond: Cond, width: Width, dst: Gpr, src: Gpr) {
        self.reg_reg(None, width.rex(), 0x0f40 | cond as u32, bits(dst), bits(src), false);
    }

    /// `set dst`: the low byte becomes 1 if the condition holds, else 0.
    pub fn set(&mut self, cond: Cond, dst: Gpr) {
        self.reg_reg(None, 0, 0x0f90 | cond as u32, 0, bits(dst), is_byte_of_rex(dst));
    }

    /// `push reg`
    pub fn push(&mut self, reg: Gpr) {
        let reg = bits(reg);
        let Head(bytes, len) = Head(0, 0).rex(reg >> 3, false).byte(0x50 | (reg & 7));
        self.put(bytes, len);
    }

    /// `push imm`, sign-extended to 8 bytes.
    pub fn push_imm(&mut self, imm: i32) {
        self.put(0x68, 1);
        self.imm(imm, 4);
    }

    /// `pop reg`
    pub fn pop(&mut self, reg: Gpr) {
        let reg = bits(reg);
        let Head(bytes, len) = Head(0, 0).rex(reg >> 3, false).byte(0x58 | (reg & 7));
        self.put(bytes, len);
    }

    /// `call reg`
    pub fn call_reg(&mut self, reg: Gpr) {
        self.reg_reg(None, 0, 0xff, 2, bits(reg), false);
    }

    /// `call [mem]`
    pub fn call_mem(&mut self, mem: Mem) {
        self.reg_mem(None, 0, 0xff, 2, mem, false);
    }

    /// `jmp reg`
    pub fn jmp_reg(&mut self, reg: Gpr) {
        self.reg_reg(None, 0, 0xff, 4, bits(reg), false);
    }

    /// `ret`
    pub fn ret(&mut self) {
        self.put(0xc3, 1);
    }

    /// `pause`, in loops that wait.
    pub fn pause(&mut self) {
        self.put(0x90f3, 2);
    }

    /// `lfence`: nothing behind it is done before all in front of it.
    pub fn lfence(&mut self) {
        self.put(0x00e8_ae0f, 3);
    }

    /// `int3`, where control must not come.
    pub fn trap(&mut self) {
        self.put(0xcc, 1);
    }

    /// Does nothing until the next multiple of `to`, a power of two, if that is at most `most` bytes away.
    pub fn align(&mut self, to: u32, most: u32) {
        let len = self.here().wrapping_neg() & (to - 1);
        if len <= most {
            self.nop(len);
        }
    }

    /// Does nothing, in so many bytes and in few instructions.
    pub fn nop(&mut self, mut len: u32) {
        const LONGEST: u32 = 8;
        while len > 0 {
            let now = len.min(LONGEST);
            let bytes = match now {
                1 => 0x90,
                2 => 0x9066,
                3 => 0x00_1f0f,
                4 => 0x0040_1f0f,
                5 => 0x00_0044_1f0f,
                6 => 0x0000_441f_0f66,
                7 => 0x0000_0000_0080_1f0f,
                _ => 0x0000_0000_0084_1f0f,
            };
            self.put(bytes, now as usize);
            len -= now;
        }
    }
}

const LOCK: u8 = 0xf0;

/// Whether the lowest byte of a register can be named with a REX prefix only.
#[inline(always)]
const fn is_byte_of_rex(reg: Gpr) -> bool {
    // rsp, rbp, rsi and rdi.
    reg as u8 >> 2 == 1
}
