//! Many bytes at once, through vectors of 16 bytes. No value is in a vector's register, so that all of them are free.

use super::mem::S1;
use super::{Best, Cur};
use crate::surroundings::Surroundings;
use skep_ir::{Mem, Value};
use skep_isa::Size;
use skep_x64::{Simd, Width, Xmm};

/// What bytes pass through on their way.
const ON_THE_WAY: [Xmm; 4] = [Xmm::Xmm0, Xmm::Xmm1, Xmm::Xmm2, Xmm::Xmm3];
/// Zero.
const ZERO: Xmm = Xmm::Xmm0;
/// Sums, of which one is of the lower halves of what is added and the other of the upper ones.
const LOW: Xmm = Xmm::Xmm1;
const HIGH: Xmm = Xmm::Xmm2;
/// What is added to them.
const LOADED: Xmm = Xmm::Xmm3;
const UPPER: Xmm = Xmm::Xmm4;
/// The order of a vector's words of 4 bytes in which its halves change places.
const HALVES: u8 = 0b01_00_11_10;
/// The same for the words of each half.
const WORDS: u8 = 0b10_11_00_01;

impl<O: Surroundings + ?Sized> Best<'_, O> {
    /// Bytes from one place to another, by way of as many vectors as there are.
    pub(super) fn copy_bytes(
        &mut self,
        cur: &Cur<'_>,
        len: u8,
        to: Mem,
        (from, disp): (Value, i32),
    ) {
        let vectors = ON_THE_WAY.into_iter().zip((0..i32::from(len)).step_by(16));
        let base = self.reg(cur, from, S1);
        for (xmm, at) in vectors.clone() {
            self.c.asm.load_xmm(xmm, skep_x64::Mem::new(base, disp.wrapping_add(at)));
        }
        let to = self.mem(cur, to);
        for (xmm, at) in vectors {
            self.c.asm.store_xmm(to.plus(at), xmm);
        }
    }

    /// The sum of numbers of up to 4 bytes.
    pub(super) fn sum(&mut self, cur: &Cur<'_>, value: Value, (size, len): (Size, u8), mem: Mem) {
        let mem = self.mem(cur, mem);
        let asm = &mut self.c.asm;
        asm.simd(Simd::Pxor, ZERO, ZERO);
        asm.simd(Simd::Pxor, LOW, LOW);
        asm.simd(Simd::Pxor, HIGH, HIGH);
        // How numbers of a size become some of twice that, and how these are added.
        let (low, high, add) = match size {
            Size::H => (Simd::Punpcklwd, Simd::Punpckhwd, Simd::Paddd),
            _ => (Simd::Punpckldq, Simd::Punpckhdq, Simd::Paddq),
        };
        for at in (0..i32::from(len)).step_by(16) {
            asm.load_xmm(LOADED, mem.plus(at));
            if size == Size::B {
                // How far they are from 0.
                asm.simd(Simd::Psadbw, LOADED, ZERO);
                asm.simd(Simd::Paddq, LOW, LOADED);
            } else {
                asm.mov_xmm(UPPER, LOADED);
                asm.simd(low, LOADED, ZERO);
                asm.simd(high, UPPER, ZERO);
                asm.simd(add, LOW, LOADED);
                asm.simd(add, HIGH, UPPER);
            }
        }
        // All sums of 4 bytes together are less than 2^32: those of 256 numbers of 2 bytes would be.
        asm.simd(add, LOW, HIGH);
        asm.shuffle(HIGH, LOW, HALVES);
        asm.simd(add, LOW, HIGH);
        if size == Size::H {
            asm.shuffle(HIGH, LOW, WORDS);
            asm.simd(add, LOW, HIGH);
        }
        let width = if size == Size::W { Width::W64 } else { Width::W32 };
        let target = self.target(cur, value);
        self.c.asm.mov_from_xmm(width, target, LOW);
        self.done(cur, value, target);
    }
}
