//! Vectors of 16 bytes (Advanced SIMD), which every processor has that systems run on.

use crate::buffer::Assembler;
use crate::operand::{Gpr, Mem};

/// Registers for vectors that calls keep for nobody: what is in them need not be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Vector {
    V0,
    V1,
    V2,
    V3,
    V4,
    V5,
    V6,
    V7,
}

impl Vector {
    const fn bits(self) -> u32 {
        self as u32
    }
}

/// Sizes of the numbers in a vector, by their number in encodings; each has one that is twice as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lanes {
    /// 16 of a byte.
    B1 = 0,
    /// 8 of 2 bytes.
    B2 = 1,
    /// 4 of 4 bytes.
    B4 = 2,
}

impl Assembler {
    /// `dst = [mem]`
    pub fn load_vector(&mut self, dst: Vector, mem: Mem) {
        self.access((3 << 22 | VECTOR | dst.bits(), 4), mem);
    }

    /// `[mem] = src`
    pub fn store_vector(&mut self, src: Vector, mem: Mem) {
        self.access((2 << 22 | VECTOR | src.bits(), 4), mem);
    }

    /// `movi dst.2d, #0`
    pub fn zero_vector(&mut self, dst: Vector) {
        self.put(0x6f00_e400 | dst.bits());
    }

    /// `uadalp dst, src`: adds the sums of neighbours of `src` to the numbers of `dst`, which are twice as long.
    pub fn add_pairs(&mut self, lanes: Lanes, dst: Vector, src: Vector) {
        self.put(0x6e20_6800 | (lanes as u32) << 22 | src.bits() << 5 | dst.bits());
    }

    /// `uaddlv dst, src`: the sum of all numbers of `src`, twice as long; the rest of `dst` is 0.
    pub fn add_across(&mut self, lanes: Lanes, dst: Vector, src: Vector) {
        self.put(0x6e30_3800 | (lanes as u32) << 22 | src.bits() << 5 | dst.bits());
    }

    /// `addp dst, src.2d`: the sum of both numbers of 8 bytes.
    pub fn add_both(&mut self, dst: Vector, src: Vector) {
        self.put(0x5ef1_b800 | src.bits() << 5 | dst.bits());
    }

    /// `fmov dst, src`: the low 8 bytes.
    pub fn mov_from_vector(&mut self, dst: Gpr, src: Vector) {
        self.put(0x9e66_0000 | src.bits() << 5 | dst.bits());
    }
}

/// That the register of an access is one for vectors.
const VECTOR: u32 = 1 << 26;
