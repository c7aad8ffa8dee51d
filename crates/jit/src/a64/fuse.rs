//! Several instructions in one of the host's.
//!
//! Every register has afterwards what it had without; an intermediate result is left out only where a later
//! instruction of the same group overwrites it.

use super::{Compiler, regs};
use crate::surroundings::{Access, Surroundings};
use skep_a64::{Gpr, Mem, Shift, Width as Wide};
use skep_isa::{AluOp, Insn, Pc, Reg, Src, Width};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// Code for this instruction and those that follow, and how many slots that were; 0 if nothing fuses.
    #[inline]
    pub(super) fn fuse(&mut self, pc: Pc, width: Width, op: AluOp, dst: Reg, src: Src) -> u32 {
        match (op, src) {
            (AluOp::Mov, Src::Reg(src)) if src != dst => self.fuse_mov(pc, width, dst, src),
            (AluOp::Add, Src::Reg(src)) if width == Width::W64 => {
                // `dst += src; dst = *dst`
                self.fuse_load(pc, dst, dst, src, 1)
            }
            (AluOp::Lsh, Src::Imm(left)) => {
                self.fuse_shifts(pc, width, (dst, regs::of(dst)), left, 1)
            }
            _ => 0,
        }
    }

    /// A copy, and what is done to it: the processor has three operands.
    #[inline]
    fn fuse_mov(&mut self, pc: Pc, width: Width, dst: Reg, src: Reg) -> u32 {
        let Some(&Insn::Alu { width: second, op, dst: to, src: by }) = self.ahead().get(pc, 1)
        else {
            return 0;
        };
        // A copy of 32 bits has lost what an operation of 64 would see.
        if to != dst || op == AluOp::Mov || (width, second) == (Width::W32, Width::W64) {
            return 0;
        }
        let next = Pc(pc.0 + 1);
        let slots = match (op, by) {
            (AluOp::Add, Src::Reg(by)) if by != dst && second == Width::W64 => {
                self.fuse_load(next, dst, src, by, 2)
            }
            (AluOp::Lsh | AluOp::Rsh, Src::Imm(count)) => {
                let slots = if second == width {
                    self.fuse_rotate(pc, width, (dst, src), op, count)
                } else {
                    0
                };
                if slots == 0 && op == AluOp::Lsh {
                    self.fuse_shifts(next, second, (dst, regs::of(src)), count, 2)
                } else {
                    slots
                }
            }
            _ => 0,
        };
        if slots != 0 {
            return slots;
        }
        let by = if by == Src::Reg(dst) { Src::Reg(src) } else { by };
        let right = self.operand(second, Some(op), by);
        self.three(second, op, regs::of(dst), regs::of(src), right);
        2
    }

    /// A load from `base + index`, where the addition at `pc` made the base of the load behind it and the load
    /// overwrites that. No encoding has a distance as well.
    #[inline]
    fn fuse_load(&mut self, pc: Pc, sum: Reg, base: Reg, index: Reg, slots: u32) -> u32 {
        let Some(load) = self.ahead().load_of(pc, sum) else { return 0 };
        let is_plain = self.checks.is_none() && self.outside.access(load.pc) == Access::Plain;
        if load.off != 0 || !is_plain {
            return 0;
        }
        let mem = Mem::indexed(regs::of(base), regs::of(index));
        if load.signed {
            self.asm.load_sx(regs::size(load.size), regs::of(sum), mem);
        } else {
            self.asm.load(regs::size(load.size), regs::of(sum), mem);
        }
        slots + 1
    }

    /// Two shifts and a union: a rotation. The register that is not the result keeps its shifted value.
    fn fuse_rotate(
        &mut self,
        pc: Pc,
        width: Width,
        copy: (Reg, Reg),
        op: AluOp,
        count: i32,
    ) -> u32 {
        let Some(found) = self.ahead().rotation(pc, width, copy, op, count) else { return 0 };
        let wide = regs::width(width);
        let [from, result, kept] = [found.from, found.result, found.kept].map(regs::of);
        let shift = if found.left { Shift::Lsl } else { Shift::Lsr };
        if kept != from {
            self.asm.shift_imm(shift, wide, kept, from, found.count);
        }
        self.asm.shift_imm(Shift::Ror, wide, result, from, found.right);
        if kept == from {
            self.asm.shift_imm(shift, wide, kept, from, found.count);
        }
        found.slots
    }

    /// `x <<= left; x >>= right`: some bits of the register `from`, moved and extended. `pc` is that of the
    /// first shift.
    fn fuse_shifts(
        &mut self,
        pc: Pc,
        width: Width,
        (dst, from): (Reg, Gpr),
        left: i32,
        slots: u32,
    ) -> u32 {
        let Some(&Insn::Alu { width: second, op, dst: to, src: Src::Imm(right) }) =
            self.ahead().get(pc, 1)
        else {
            return 0;
        };
        let bits = width.bits().cast_signed();
        let are_counts = (1..bits).contains(&left) && (1..bits).contains(&right);
        if to != dst || second != width || !are_counts {
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 64")]
        let (first, last) = ((right - left).rem_euclid(bits) as u8, (bits - 1 - left) as u8);
        let (wide, dst): (Wide, Gpr) = (regs::width(width), regs::of(dst));
        match op {
            AluOp::Rsh => self.asm.ubfm(wide, dst, from, first, last),
            AluOp::Arsh => self.asm.sbfm(wide, dst, from, first, last),
            _ => return 0,
        }
        slots + 1
    }
}
