//! What is proved of either domain.

use crate::circular::CircularOf;
use crate::scalar::ScalarOf;
use crate::word::Full;
use crate::{AluOp, Cmp, Width};
use core::fmt::Debug;

/// A description of a set of words of any width.
pub(super) trait Numbers<W: Full>: Copy + Debug {
    fn contains(&self, n: W) -> bool;
    fn sync(&mut self);
    fn settle(&mut self);
    fn zext(&mut self);
    fn coerce_to_bits(&mut self, bits: u32);
    fn sext_bits(&mut self, bits: u32);
    fn sext_half_bits(&mut self, bits: u32);
    fn alu(op: AluOp, width: Width, a: &Self, b: &Self) -> Self;
    fn pointer_alu(op: AluOp, a: &Self, b: &Self) -> Self;
    fn fork(op: AluOp, a: &Self, b: &Self) -> Option<[Self; 2]>;
    fn is_branch_taken(a: &Self, b: &Self, cmp: Cmp, width: Width) -> Option<bool>;
    fn is_same_branch_taken(&self, cmp: Cmp, width: Width) -> Option<bool>;
    fn refine(a: &Self, b: &Self, cmp: Cmp, width: Width) -> [(Self, Self); 2];
    fn refine_same(&self, cmp: Cmp, width: Width) -> [Self; 2];
}

impl<W: Full, const OLD: bool> Numbers<W> for ScalarOf<W, OLD> {
    fn contains(&self, n: W) -> bool {
        self.contains(n)
    }
    fn sync(&mut self) {
        self.sync();
    }
    fn settle(&mut self) {
        self.settle();
    }
    fn zext(&mut self) {
        self.zext_32_to_64();
        self.sync();
    }
    fn coerce_to_bits(&mut self, bits: u32) {
        self.coerce_to_bits(bits);
    }
    fn sext_bits(&mut self, bits: u32) {
        self.sext_bits(bits);
    }
    fn sext_half_bits(&mut self, bits: u32) {
        self.sext_half_bits(bits);
        Numbers::zext(self);
    }
    fn alu(op: AluOp, width: Width, a: &Self, b: &Self) -> Self {
        Self::alu(op, width, a, b)
    }
    fn pointer_alu(op: AluOp, a: &Self, b: &Self) -> Self {
        Self::pointer_alu(op, a, b)
    }
    fn fork(op: AluOp, a: &Self, b: &Self) -> Option<[Self; 2]> {
        Self::fork(op, a, b)
    }
    fn is_branch_taken(a: &Self, b: &Self, cmp: Cmp, width: Width) -> Option<bool> {
        crate::is_branch_taken(a, b, cmp, width)
    }
    fn is_same_branch_taken(&self, cmp: Cmp, width: Width) -> Option<bool> {
        crate::is_branch_taken(self, self, cmp, width)
    }
    fn refine(a: &Self, b: &Self, cmp: Cmp, width: Width) -> [(Self, Self); 2] {
        crate::refine(a, b, cmp, width)
    }
    fn refine_same(&self, cmp: Cmp, width: Width) -> [Self; 2] {
        crate::refine_same(self, cmp, width)
    }
}

impl<W: Full> Numbers<W> for CircularOf<W> {
    fn contains(&self, n: W) -> bool {
        self.contains(n)
    }
    fn sync(&mut self) {
        self.sync();
    }
    fn settle(&mut self) {
        self.settle();
    }
    fn zext(&mut self) {
        self.zext_half();
        self.sync();
    }
    fn coerce_to_bits(&mut self, bits: u32) {
        self.coerce_to_bits(bits);
    }
    fn sext_bits(&mut self, bits: u32) {
        self.sext_bits(bits);
    }
    fn sext_half_bits(&mut self, bits: u32) {
        self.sext_half_bits(bits);
        Numbers::zext(self);
    }
    fn alu(op: AluOp, width: Width, a: &Self, b: &Self) -> Self {
        Self::alu(op, width, a, b)
    }
    fn pointer_alu(op: AluOp, a: &Self, b: &Self) -> Self {
        Self::pointer_alu(op, a, b)
    }
    fn fork(op: AluOp, a: &Self, b: &Self) -> Option<[Self; 2]> {
        Self::fork(op, a, b)
    }
    fn is_branch_taken(a: &Self, b: &Self, cmp: Cmp, width: Width) -> Option<bool> {
        Self::is_branch_taken(a, b, cmp, width)
    }
    fn is_same_branch_taken(&self, cmp: Cmp, width: Width) -> Option<bool> {
        Self::is_same_branch_taken(self, cmp, width)
    }
    fn refine(a: &Self, b: &Self, cmp: Cmp, width: Width) -> [(Self, Self); 2] {
        Self::refine(a, b, cmp, width)
    }
    fn refine_same(&self, _: Cmp, _: Width) -> [Self; 2] {
        [*self; 2]
    }
}
