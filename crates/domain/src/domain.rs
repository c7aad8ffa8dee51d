//! The numeric domain as a verifier sees it.

use crate::scalar::ScalarOf;
use crate::{AluOp, Cmp, Inconsistent, Tnum, Width};
use core::fmt::{Debug, Display};
use core::hash::Hash;

/// An abstract number: a description of a set of 64-bit numbers.
///
/// A verifier that talks to numbers through this trait can take those of another kernel release.
/// [`Scalar`](crate::Scalar) is that of Linux 6.18, [`Scalar612`](crate::Scalar612) that of 6.12 and
/// [`Circular`](crate::Circular) that of 7.2.
pub trait Domain: Copy + Eq + Hash + Debug + Display + 'static {
    /// Any number.
    const UNKNOWN: Self;

    /// One number.
    fn constant(value: u64) -> Self;
    /// What is known of each bit.
    fn var_off(&self) -> Tnum;
    /// Least and greatest unsigned number.
    fn unsigned(&self) -> (u64, u64);
    /// Least and greatest signed number.
    fn signed(&self) -> (i64, i64);
    /// Least and greatest unsigned lower half.
    fn unsigned_32(&self) -> (u32, u32);
    /// Least and greatest signed lower half.
    fn signed_32(&self) -> (i32, i32);

    /// The number, if its bits are known.
    fn is_const(&self) -> Option<u64> {
        self.var_off().is_const().then(|| self.var_off().value())
    }
    /// Whether `number` is in the set.
    fn contains(&self, number: u64) -> bool;
    /// Whether `self` is described at least as tightly as `outer`, in every part.
    fn is_within(&self, outer: &Self) -> bool;
    /// Whether the description can be right.
    ///
    /// # Errors
    ///
    /// What contradicts what.
    fn is_consistent(&self) -> Result<(), Inconsistent>;
    /// Forgets all ranges; bits stay.
    fn mark_unbounded(&mut self);
    /// Lets the parts of the description learn from each other.
    fn sync(&mut self);

    /// Keeps numbers of `min..=max` only. Wants a [`Domain::sync`] after it.
    fn clamp_unsigned(&mut self, min: u64, max: u64);
    /// Keeps numbers of `min..=max` only. Wants a [`Domain::sync`] after it.
    fn clamp_signed(&mut self, min: i64, max: i64);
    /// Keeps numbers whose lower half is in `min..=max`. Wants a [`Domain::sync`] after it.
    fn clamp_signed_32(&mut self, min: i32, max: i32);

    /// Keeps the lower `size` bytes.
    fn coerce_to_size(&mut self, size: u32);
    /// Sign-extends the lower `size` bytes to 64 bits.
    fn sext(&mut self, size: u32);
    /// Sign-extends the lower `size` bytes to 32 bits, and clears the upper half.
    fn sext_subreg(&mut self, size: u32);
    /// Clears the upper half.
    fn zext(&mut self);
    /// Keeps the lower `size` bytes, as a conversion to the machine's own byte order does.
    fn keep_bytes(&mut self, size: u32);
    /// Reverses the lower `size` bytes and clears the others.
    fn swap_bytes(&mut self, size: u32);

    /// The results of an operation.
    fn alu(op: AluOp, width: Width, dst: &Self, src: &Self) -> Self;
    /// The variable distance of a pointer from its object after a sum or difference.
    fn pointer_alu(op: AluOp, distance: &Self, off: &Self) -> Self {
        let mut out = Self::pointer_alu_raw(op, distance, off);
        out.sync();
        out
    }
    /// The same before its parts have learned from each other, as the kernel checks it against the limits
    /// of a pointer.
    fn pointer_alu_raw(op: AluOp, distance: &Self, off: &Self) -> Self;
    /// The numbers that the first operand is split into before the operation, if it is: that of the
    /// path that goes on, and that of a path to be taken up later.
    fn fork(op: AluOp, dst: &Self, src: &Self) -> Option<[Self; 2]>;
    /// Which way a branch on `a cmp b` goes, if it is seen to go one way only.
    fn is_branch_taken(a: &Self, b: &Self, cmp: Cmp, width: Width) -> Option<bool>;
    /// Which way a branch goes that compares a register with itself.
    fn is_same_branch_taken(a: &Self, cmp: Cmp, width: Width) -> Option<bool>;
    /// The operands where the condition holds, and where it does not.
    fn refine(a: &Self, b: &Self, cmp: Cmp, width: Width) -> [(Self, Self); 2];
    /// The register that is compared with itself, where the condition holds and where it does not.
    fn refine_same(a: &Self, cmp: Cmp, width: Width) -> [Self; 2];
}

impl<const OLD: bool> Domain for ScalarOf<u64, OLD> {
    const UNKNOWN: Self = Self::UNKNOWN;

    fn constant(value: u64) -> Self {
        Self::constant(value)
    }
    fn var_off(&self) -> Tnum {
        self.var_off
    }
    fn unsigned(&self) -> (u64, u64) {
        (self.umin, self.umax)
    }
    fn signed(&self) -> (i64, i64) {
        (self.smin, self.smax)
    }
    fn unsigned_32(&self) -> (u32, u32) {
        (self.u32_min, self.u32_max)
    }
    fn signed_32(&self) -> (i32, i32) {
        (self.s32_min, self.s32_max)
    }
    fn contains(&self, number: u64) -> bool {
        self.contains(number)
    }
    fn is_within(&self, outer: &Self) -> bool {
        self.is_within(outer)
    }
    fn is_consistent(&self) -> Result<(), Inconsistent> {
        self.is_consistent()
    }
    fn mark_unbounded(&mut self) {
        self.mark_unbounded();
    }
    fn sync(&mut self) {
        self.sync();
    }
    fn clamp_unsigned(&mut self, min: u64, max: u64) {
        (self.umin, self.umax) = (self.umin.max(min), self.umax.min(max));
    }
    fn clamp_signed(&mut self, min: i64, max: i64) {
        (self.smin, self.smax) = (self.smin.max(min), self.smax.min(max));
    }
    fn clamp_signed_32(&mut self, min: i32, max: i32) {
        (self.s32_min, self.s32_max) = (self.s32_min.max(min), self.s32_max.min(max));
    }
    fn coerce_to_size(&mut self, size: u32) {
        self.coerce_to_size(size);
    }
    fn sext(&mut self, size: u32) {
        self.sext(size);
    }
    fn sext_subreg(&mut self, size: u32) {
        self.sext_subreg(size);
    }
    fn zext(&mut self) {
        self.zext();
    }
    fn keep_bytes(&mut self, size: u32) {
        self.keep_bytes(size);
    }
    fn swap_bytes(&mut self, size: u32) {
        self.swap_bytes(size);
    }
    fn alu(op: AluOp, width: Width, dst: &Self, src: &Self) -> Self {
        Self::alu(op, width, dst, src)
    }
    fn pointer_alu_raw(op: AluOp, distance: &Self, off: &Self) -> Self {
        Self::pointer_alu_raw(op, distance, off)
    }
    fn fork(op: AluOp, dst: &Self, src: &Self) -> Option<[Self; 2]> {
        Self::fork(op, dst, src)
    }
    fn is_branch_taken(a: &Self, b: &Self, cmp: Cmp, width: Width) -> Option<bool> {
        crate::is_branch_taken(a, b, cmp, width)
    }
    fn is_same_branch_taken(a: &Self, cmp: Cmp, width: Width) -> Option<bool> {
        crate::is_branch_taken(a, a, cmp, width)
    }
    fn refine(a: &Self, b: &Self, cmp: Cmp, width: Width) -> [(Self, Self); 2] {
        crate::refine(a, b, cmp, width)
    }
    fn refine_same(a: &Self, cmp: Cmp, width: Width) -> [Self; 2] {
        crate::refine_same(a, cmp, width)
    }
}
