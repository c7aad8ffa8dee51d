//! The numbers of Linux 7.2 as a verifier sees them.

use super::Circular;
use crate::arc::Arc;
use crate::cast::bits;
use crate::{AluOp, Cmp, Domain, Inconsistent, Tnum, Width};

impl Domain for Circular {
    const UNKNOWN: Self = Self::ANY;

    fn constant(value: u64) -> Self {
        Self::constant(value)
    }
    fn var_off(&self) -> Tnum {
        self.var_off
    }
    fn unsigned(&self) -> (u64, u64) {
        (self.range().umin, self.range().umax)
    }
    fn signed(&self) -> (i64, i64) {
        (self.range().smin, self.range().smax)
    }
    fn unsigned_32(&self) -> (u32, u32) {
        (self.half_range().umin, self.half_range().umax)
    }
    fn signed_32(&self) -> (i32, i32) {
        (self.half_range().smin, self.half_range().smax)
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
        let range = self.range();
        self.wide = Arc::unsigned(range.umin.max(min), range.umax.min(max));
    }
    fn clamp_signed(&mut self, min: i64, max: i64) {
        let range = self.range();
        self.wide = Arc::signed(range.smin.max(min), range.smax.min(max));
    }
    fn clamp_signed_32(&mut self, min: i32, max: i32) {
        let range = self.half_range();
        self.half = Arc::signed(range.smin.max(min), range.smax.min(max));
    }
    fn coerce_to_size(&mut self, size: u32) {
        self.coerce_to_bits(bits(size));
    }
    fn sext(&mut self, size: u32) {
        self.sext_bits(bits(size));
    }
    fn sext_subreg(&mut self, size: u32) {
        self.sext_half_bits(bits(size));
        self.zext_half();
        self.sync();
    }
    fn zext(&mut self) {
        self.zext_half();
        self.sync();
    }
    fn keep_bytes(&mut self, size: u32) {
        self.coerce_to_bits(bits(size));
        self.sync();
    }
    fn swap_bytes(&mut self, size: u32) {
        self.swap(bits(size) / 8);
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
        Self::is_branch_taken(a, b, cmp, width)
    }
    fn is_same_branch_taken(a: &Self, cmp: Cmp, width: Width) -> Option<bool> {
        Self::is_same_branch_taken(a, cmp, width)
    }
    fn refine(a: &Self, b: &Self, cmp: Cmp, width: Width) -> [(Self, Self); 2] {
        Self::refine(a, b, cmp, width)
    }
    /// What is left open teaches nothing.
    fn refine_same(a: &Self, _: Cmp, _: Width) -> [Self; 2] {
        [*a; 2]
    }
}
