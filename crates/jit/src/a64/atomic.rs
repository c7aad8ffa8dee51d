//! Atomic operations: those that fetch are ordered before and after, as the kernel has them.

use super::regs::{RESULT, S1, S2, S3};
use super::{Compiler, regs};
use crate::surroundings::Surroundings;
use skep_a64::{Add, Cond, Gpr, Logic, Reach, Rmw, Width};
use skep_isa::{AtomicOp, Reg, Size};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    pub(super) fn atomic(&mut self, size: Size, op: AtomicOp, base: Reg, off: i16, src: Reg) {
        let (width, value) = (regs::width_of(size), regs::of(src));
        let at = self.address(base, off);
        // The old value of what does not fetch goes nowhere.
        let old = match op {
            AtomicOp::CmpXchg => RESULT,
            op if op.fetches() => value,
            _ => S1,
        };
        self.change(op, width, old, value, at);
    }

    /// Changes what is there by a value; what was there comes to `old`, which for a comparison is r0's.
    pub(super) fn change(&mut self, op: AtomicOp, width: Width, old: Gpr, value: Gpr, at: Gpr) {
        if self.features.lse {
            self.at_once(op, width, old, value, at);
        } else {
            self.exclusively(op, width, old, value, at);
        }
    }

    /// In one instruction.
    fn at_once(&mut self, op: AtomicOp, width: Width, old: Gpr, value: Gpr, at: Gpr) {
        let rmw = match op {
            AtomicOp::Add | AtomicOp::FetchAdd => Rmw::Ldadd,
            AtomicOp::Or | AtomicOp::FetchOr => Rmw::Ldset,
            AtomicOp::Xor | AtomicOp::FetchXor => Rmw::Ldeor,
            AtomicOp::Xchg => Rmw::Swp,
            AtomicOp::And | AtomicOp::FetchAnd => {
                // The instruction clears the bits that are set.
                self.asm.mvn(width, S2, value);
                return self.asm.rmw(Rmw::Ldclr, width, old, S2, at);
            }
            AtomicOp::CmpXchg => return self.asm.compare_and_swap(width, RESULT, value, at),
        };
        self.asm.rmw(rmw, width, old, value, at);
    }

    /// Again and again, until nobody else has written meanwhile.
    fn exclusively(&mut self, op: AtomicOp, width: Width, old: Gpr, value: Gpr, at: Gpr) {
        const LOADED: Gpr = S1;
        const NEW: Gpr = S2;
        const FAILED: Gpr = S3;
        let (again, end) = (self.asm.label(), self.asm.label());
        self.asm.bind(again);
        self.asm.load_exclusive(width, LOADED, at);
        let new = match op {
            AtomicOp::Add | AtomicOp::FetchAdd => {
                self.asm.add(Add::Add, width, NEW, LOADED, value);
                NEW
            }
            AtomicOp::Or | AtomicOp::FetchOr => self.changed(Logic::Orr, width, value),
            AtomicOp::And | AtomicOp::FetchAnd => self.changed(Logic::And, width, value),
            AtomicOp::Xor | AtomicOp::FetchXor => self.changed(Logic::Eor, width, value),
            AtomicOp::Xchg => value,
            AtomicOp::CmpXchg => {
                self.asm.cmp(width, LOADED, RESULT);
                self.asm.b_cond(Cond::Ne, end, Reach::Near);
                value
            }
        };
        self.asm.store_exclusive(width, FAILED, new, at);
        self.asm.cb(false, Width::W32, FAILED, again, Reach::Near);
        self.asm.bind(end);
        self.asm.barrier();
        if old != LOADED {
            self.asm.mov(width, old, LOADED);
        }
    }

    fn changed(&mut self, op: Logic, width: Width, value: Gpr) -> Gpr {
        self.asm.logic(op, width, S2, S1, value);
        S2
    }
}
