//! Several instructions in one of the host's.
//!
//! Every register has afterwards what it had without; an intermediate result is left out only where a later
//! instruction of the same group overwrites it.

use super::{Compiler, regs};
use crate::surroundings::{Access, Surroundings};
use skep_isa::{AluOp, Insn, Pc, Reg, Src, Width};
use skep_x64::{Mem, MemSize, Shift, Width as Wide};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// Code for this instruction and those that follow, and how many slots that were; 0 if nothing fuses.
    #[inline(always)]
    pub(super) fn fuse(&mut self, pc: Pc, width: Width, op: AluOp, dst: Reg, src: Src) -> u32 {
        match (op, src) {
            (AluOp::Mov, Src::Reg(src)) => match self.ahead().get(pc, 1) {
                Some(Insn::Alu { .. }) if src != dst => self.fuse_mov(pc, width, dst, src),
                _ => 0,
            },
            (AluOp::Add, Src::Reg(src)) if width == Width::W64 => match self.ahead().get(pc, 1) {
                // `dst += src; dst = *(dst + off)`
                Some(Insn::Load { .. } | Insn::LoadSx { .. }) => {
                    self.fuse_load(pc, dst, dst, src, 1)
                }
                _ => 0,
            },
            (AluOp::Lsh, Src::Imm(left @ (32 | 48 | 56))) if width == Width::W64 => {
                self.fuse_shifts(pc, dst, left)
            }
            _ => 0,
        }
    }

    /// A copy, and what is done to it.
    #[inline(never)]
    fn fuse_mov(&mut self, pc: Pc, width: Width, dst: Reg, src: Reg) -> u32 {
        let Some(&Insn::Alu { width: second, op, dst: to, src: by }) = self.ahead().get(pc, 1)
        else {
            return 0;
        };
        let is_number =
            matches!(by, Src::Imm(_)) && matches!(op, AluOp::Add | AluOp::Sub | AluOp::Mul);
        if to != dst || second != width || (is_number && self.keys.is_some()) {
            return 0;
        }
        let wide = regs::width(width);
        let (target, base) = (regs::of(dst), regs::of(src));
        match (op, by) {
            (AluOp::Add, Src::Reg(by)) if by != dst => {
                if width == Width::W64 {
                    let slots = self.fuse_load(Pc(pc.0 + 1), dst, src, by, 2);
                    if slots != 0 {
                        return slots;
                    }
                }
                self.asm.lea(wide, target, Mem::new(base, 0).with_index(regs::of(by), 0));
                2
            }
            (AluOp::Add, Src::Imm(imm)) => {
                self.asm.lea(wide, target, Mem::new(base, imm));
                2
            }
            (AluOp::Sub, Src::Imm(imm)) if imm != i32::MIN => {
                self.asm.lea(wide, target, Mem::new(base, -imm));
                2
            }
            (AluOp::Mul, Src::Imm(imm)) => {
                self.asm.imul_imm(wide, target, base, imm);
                2
            }
            (AluOp::And, Src::Imm(0xff)) => {
                self.asm.movzx(MemSize::B1, target, base);
                2
            }
            (AluOp::And, Src::Imm(0xffff)) => {
                self.asm.movzx(MemSize::B2, target, base);
                2
            }
            (AluOp::Lsh | AluOp::Rsh, Src::Imm(count)) => {
                self.fuse_rotate(pc, width, (dst, src), op, count)
            }
            (AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, Src::Reg(by))
                if self.features.bmi2 && by != dst =>
            {
                let op = match op {
                    AluOp::Lsh => skep_x64::Bmi::Shlx,
                    AluOp::Rsh => skep_x64::Bmi::Shrx,
                    _ => skep_x64::Bmi::Sarx,
                };
                self.asm.shift_bmi(op, wide, target, base, regs::of(by));
                2
            }
            _ => 0,
        }
    }

    /// A load from `base + index`, where the addition at `pc` made the base of the load behind it and the load
    /// overwrites that.
    #[inline(never)]
    fn fuse_load(&mut self, pc: Pc, sum: Reg, base: Reg, index: Reg, slots: u32) -> u32 {
        let Some(load) = self.ahead().load_of(pc, sum) else { return 0 };
        if self.checks.is_some() || self.outside.access(load.pc) != Access::Plain {
            return 0;
        }
        let mem = Mem::new(regs::of(base), load.off.into()).with_index(regs::of(index), 0);
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
        let shift = if found.left { Shift::Shl } else { Shift::Shr };
        if kept != from {
            self.asm.mov(wide, kept, from);
            self.asm.shift_imm(shift, wide, kept, found.count);
        }
        if self.features.bmi2 && result != from {
            self.asm.rorx(wide, result, from, found.right);
        } else {
            if result != from {
                self.asm.mov(wide, result, from);
            }
            self.asm.shift_imm(Shift::Ror, wide, result, found.right);
        }
        if kept == from {
            self.asm.shift_imm(shift, wide, kept, found.count);
        }
        found.slots
    }

    /// `x <<= 32; x >>= 32`, as compilers without 32-bit arithmetic extend: to one move.
    fn fuse_shifts(&mut self, pc: Pc, dst: Reg, left: i32) -> u32 {
        let Some(&Insn::Alu { width: Width::W64, op, dst: to, src: Src::Imm(right) }) =
            self.ahead().get(pc, 1)
        else {
            return 0;
        };
        if to != dst || left != right {
            return 0;
        }
        let reg = regs::of(dst);
        let size = match left {
            32 => MemSize::B4,
            48 => MemSize::B2,
            56 => MemSize::B1,
            _ => return 0,
        };
        match op {
            AluOp::Rsh => self.asm.movzx(size, reg, reg),
            AluOp::Arsh => self.asm.movsx(Wide::W64, size, reg, reg),
            _ => return 0,
        }
        2
    }
}
