//! Instructions on 16 bytes at once, those that every x86-64 processor has (SSE2).

use crate::buffer::Assembler;
use crate::operand::{Gpr, Mem, Width};

/// The registers for vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Xmm {
    Xmm0,
    Xmm1,
    Xmm2,
    Xmm3,
    Xmm4,
    Xmm5,
    Xmm6,
    Xmm7,
    Xmm8,
    Xmm9,
    Xmm10,
    Xmm11,
    Xmm12,
    Xmm13,
    Xmm14,
    Xmm15,
}

impl Xmm {
    const fn bits(self) -> u64 {
        self as u64
    }
}

/// Operations of two vectors, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Simd {
    /// Elements of 2 bytes of the lower halves in turns, those of `dst` first.
    Punpcklwd = 0x61,
    /// The same of 4 bytes.
    Punpckldq = 0x62,
    /// Elements of 2 bytes of the upper halves in turns.
    Punpckhwd = 0x69,
    /// The same of 4 bytes.
    Punpckhdq = 0x6a,
    /// Sums of 8 bytes.
    Paddq = 0xd4,
    /// All bits that are in one of them.
    Pxor = 0xef,
    /// For each half, the sum of how far its 8 bytes are apart, which are numbers from 0 to 255.
    Psadbw = 0xf6,
    /// Sums of 4 bytes.
    Paddd = 0xfe,
}

/// What comes before most opcodes of vectors of integers.
const PREFIX: u8 = 0x66;

impl Assembler {
    /// `op dst, src`
    pub fn simd(&mut self, op: Simd, dst: Xmm, src: Xmm) {
        self.reg_reg(Some(PREFIX), 0, 0x0f00 | op as u32, dst.bits(), src.bits(), false);
    }

    /// `movaps dst, src`
    pub fn mov_xmm(&mut self, dst: Xmm, src: Xmm) {
        self.reg_reg(None, 0, 0x0f28, dst.bits(), src.bits(), false);
    }

    /// `movups dst, [mem]`: 16 bytes from any address.
    pub fn load_xmm(&mut self, dst: Xmm, mem: Mem) {
        self.reg_mem(None, 0, 0x0f10, dst.bits(), mem, false);
    }

    /// `movups [mem], src`
    pub fn store_xmm(&mut self, mem: Mem, src: Xmm) {
        self.reg_mem(None, 0, 0x0f11, src.bits(), mem, false);
    }

    /// `pshufd dst, src, order`: each element of 4 bytes is the one of `src` that its two bits of the order say.
    pub fn shuffle(&mut self, dst: Xmm, src: Xmm, order: u8) {
        self.reg_reg(Some(PREFIX), 0, 0x0f70, dst.bits(), src.bits(), false);
        self.put(order.into(), 1);
    }

    /// `movd dst, src` or `movq`: the lowest bytes, zero-extended.
    pub fn mov_from_xmm(&mut self, width: Width, dst: Gpr, src: Xmm) {
        self.reg_reg(Some(PREFIX), width.rex(), 0x0f7e, src.bits(), dst.num().into(), false);
    }
}
