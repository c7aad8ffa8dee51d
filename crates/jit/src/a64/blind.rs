//! Numbers that do not stand in the code.

use super::alu::{Operand, number};
use super::regs::{S2, S3};
use super::{Compiler, regs};
use crate::surroundings::Surroundings;
use skep_a64::{Gpr, Logic, Width as Wide};
use skep_isa::{AluOp, Src, Width};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// A number in a register.
    pub(super) fn number(&mut self, reg: Gpr, number: u64) {
        let Some(keys) = &mut self.keys else { return self.asm.mov_imm(reg, number) };
        let (combined, key) = match i32::try_from(number.cast_signed()) {
            Ok(short) => {
                let (combined, key) = keys.split(short);
                (i64::from(combined).cast_unsigned(), i64::from(key).cast_unsigned())
            }
            Err(_) => {
                let key = keys.next();
                (number ^ key, key)
            }
        };
        self.asm.mov_imm(reg, combined);
        self.asm.mov_imm(S3, key);
        self.asm.logic(Logic::Eor, Wide::W64, reg, reg, S3);
    }

    /// A second operand, in a register if it is a number that must not stand in the code.
    #[inline]
    pub(super) fn operand(&mut self, width: Width, op: Option<AluOp>, src: Src) -> Operand {
        match src {
            Src::Reg(src) => Operand::Register(regs::of(src)),
            Src::Imm(imm) => {
                let is_count = matches!(op, Some(AluOp::Lsh | AluOp::Rsh | AluOp::Arsh));
                // Of 0 nothing but the operation stands there.
                if self.keys.is_none() || is_count || imm == 0 {
                    return Operand::Number(number(width, imm));
                }
                self.number(S2, i64::from(imm).cast_unsigned());
                Operand::Register(S2)
            }
        }
    }
}
