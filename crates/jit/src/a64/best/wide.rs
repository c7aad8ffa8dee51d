//! Many bytes at once, through vectors of 16 bytes. No value is in a vector's register, so that all of them are free.

use super::mem::S0;
use super::{Best, Cur};
use crate::surroundings::Surroundings;
use skep_a64::{Lanes, Mem as At, Vector};
use skep_ir::{Mem, Value};
use skep_isa::Size;

/// What bytes pass through on their way.
const ON_THE_WAY: [Vector; 4] = [Vector::V0, Vector::V1, Vector::V2, Vector::V3];
/// A sum for each place in a vector. One is enough: processors wait for what they add up at the last step of an addition.
const SUMS: Vector = Vector::V0;
/// What is added to them, in turns.
const LOADED: [Vector; 2] = [Vector::V1, Vector::V2];

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
        let from = self.reg(cur, from, S0);
        for (vector, at) in vectors.clone() {
            self.c.asm.load_vector(vector, At::new(from, disp.wrapping_add(at)));
        }
        let (to, disp) = self.place(cur, to);
        for (vector, at) in vectors {
            self.c.asm.store_vector(vector, At::new(to, disp.wrapping_add(at)));
        }
    }

    /// The sum of numbers of up to 4 bytes.
    ///
    /// Each is added to one twice as long, which has room for as many as there are: 64 bytes, or 128 in larger numbers.
    pub(super) fn sum(&mut self, cur: &Cur<'_>, value: Value, (size, len): (Size, u8), mem: Mem) {
        let lanes = match size {
            Size::B => Lanes::B1,
            Size::H => Lanes::B2,
            _ => Lanes::B4,
        };
        let (base, disp) = self.place(cur, mem);
        let asm = &mut self.c.asm;
        asm.zero_vector(SUMS);
        for (at, vector) in (0..i32::from(len)).step_by(16).zip(LOADED.into_iter().cycle()) {
            asm.load_vector(vector, At::new(base, disp.wrapping_add(at)));
            asm.add_pairs(lanes, SUMS, vector);
        }
        match lanes {
            Lanes::B1 => asm.add_across(Lanes::B2, SUMS, SUMS),
            Lanes::B2 => asm.add_across(Lanes::B4, SUMS, SUMS),
            Lanes::B4 => asm.add_both(SUMS, SUMS),
        }
        let target = Self::target(cur, value);
        asm.mov_from_vector(target, SUMS);
        self.done(cur, value, target);
    }
}
