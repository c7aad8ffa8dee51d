//! Many bytes at once, through vectors of 16 bytes. No value is in a vector's register, so that all of them are free.

use super::mem::S1;
use super::{Best, Cur};
use crate::surroundings::Surroundings;
use skep_ir::{Mem, Value};
use skep_isa::Size;
use skep_x64::{Alu, Simd, Width, Xmm};

/// What bytes pass through on their way.
const ON_THE_WAY: [Xmm; 4] = [Xmm::Xmm0, Xmm::Xmm1, Xmm::Xmm2, Xmm::Xmm3];
/// Sums, one for every other thing that is added, so that not all wait for each other.
const LOW: Xmm = Xmm::Xmm1;
const HIGH: Xmm = Xmm::Xmm2;
/// What is added to them.
const LOADED: Xmm = Xmm::Xmm3;
const UPPER: Xmm = Xmm::Xmm4;
/// Zero.
const ZERO: Xmm = Xmm::Xmm0;
/// 1 in each element of 2 bytes.
const ONES: Xmm = Xmm::Xmm0;
/// The highest bit of each.
const SIGNS: Xmm = Xmm::Xmm5;
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
        let all = (0..i32::from(len)).step_by(16).map(|at| mem.plus(at));
        self.c.asm.simd(Simd::Pxor, LOW, LOW);
        self.c.asm.simd(Simd::Pxor, HIGH, HIGH);
        match size {
            Size::B => self.sum_bytes(all),
            Size::H => self.sum_halves(all),
            _ => self.sum_words(all),
        }
        let asm = &mut self.c.asm;
        let (add, width) = match size {
            Size::H => (Simd::Paddd, Width::W32),
            _ => (Simd::Paddq, Width::W64),
        };
        asm.simd(add, LOW, HIGH);
        asm.shuffle(HIGH, LOW, HALVES);
        asm.simd(add, LOW, HIGH);
        if size == Size::H {
            asm.shuffle(HIGH, LOW, WORDS);
            asm.simd(add, LOW, HIGH);
        }
        let target = self.target(cur, value);
        self.c.asm.mov_from_xmm(width, target, LOW);
        if size == Size::H {
            // Each was less by half of what it can be.
            self.c.asm.alu_imm(Alu::Add, Width::W32, target, i32::from(len / 2) << 15);
        }
        self.done(cur, value, target);
    }

    fn sum_bytes(&mut self, all: impl Iterator<Item = skep_x64::Mem>) {
        let asm = &mut self.c.asm;
        asm.simd(Simd::Pxor, ZERO, ZERO);
        for (mem, sum) in all.zip([LOW, HIGH].into_iter().cycle()) {
            asm.load_xmm(LOADED, mem);
            // How far they are from 0.
            asm.simd(Simd::Psadbw, LOADED, ZERO);
            asm.simd(Simd::Paddq, sum, LOADED);
        }
    }

    /// Sums of pairs come from products by 1 of numbers with a sign, for which what is least without one is made so with one.
    fn sum_halves(&mut self, all: impl Iterator<Item = skep_x64::Mem>) {
        let asm = &mut self.c.asm;
        asm.simd(Simd::Pcmpeqw, ONES, ONES);
        asm.mov_xmm(SIGNS, ONES);
        asm.shift_words(false, ONES, 15);
        asm.shift_words(true, SIGNS, 15);
        for (mem, sum) in all.zip([LOW, HIGH].into_iter().cycle()) {
            asm.load_xmm(LOADED, mem);
            asm.simd(Simd::Pxor, LOADED, SIGNS);
            asm.simd(Simd::Pmaddwd, LOADED, ONES);
            asm.simd(Simd::Paddd, sum, LOADED);
        }
    }

    fn sum_words(&mut self, all: impl Iterator<Item = skep_x64::Mem>) {
        let asm = &mut self.c.asm;
        asm.simd(Simd::Pxor, ZERO, ZERO);
        for mem in all {
            asm.load_xmm(LOADED, mem);
            asm.mov_xmm(UPPER, LOADED);
            asm.simd(Simd::Punpckldq, LOADED, ZERO);
            asm.simd(Simd::Punpckhdq, UPPER, ZERO);
            asm.simd(Simd::Paddq, LOW, LOADED);
            asm.simd(Simd::Paddq, HIGH, UPPER);
        }
    }
}
