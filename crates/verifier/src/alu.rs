//! Arithmetic on registers.
//!
//! Kernel: `check_alu_op`, `adjust_reg_min_max_vals`, `adjust_scalar_min_max_vals`.

use crate::change::Change;
use crate::reg::{ADD_CONST, ADD_CONST_32, ADD_CONST_64, Base, RegState, RegType};
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_domain::{self as domain, Scalar, Scalar612};
use skep_isa::{AddrCast, AluOp, Reg, Size, Src, Swap, Width};

/// The domain's name of a width.
pub(crate) const fn width_of(width: Width) -> domain::Width {
    match width {
        Width::W32 => domain::Width::W32,
        Width::W64 => domain::Width::W64,
    }
}

/// The domain's name of an operation; `None` for moves.
const fn op_of(op: AluOp) -> Option<domain::AluOp> {
    Some(match op {
        AluOp::Add => domain::AluOp::Add,
        AluOp::Sub => domain::AluOp::Sub,
        AluOp::Mul => domain::AluOp::Mul,
        AluOp::Div => domain::AluOp::Div,
        AluOp::SDiv => domain::AluOp::Sdiv,
        AluOp::Or => domain::AluOp::Or,
        AluOp::And => domain::AluOp::And,
        AluOp::Lsh => domain::AluOp::Lsh,
        AluOp::Rsh => domain::AluOp::Rsh,
        AluOp::Mod => domain::AluOp::Mod,
        AluOp::SMod => domain::AluOp::Smod,
        AluOp::Xor => domain::AluOp::Xor,
        AluOp::Arsh => domain::AluOp::Arsh,
        AluOp::Mov => return None,
    })
}

/// The kernel's sign for an operation.
pub(crate) const fn sign_of(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div => "/=",
        AluOp::SDiv => "s/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod => "%=",
        AluOp::SMod => "s%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::Arsh => "s>>=",
    }
}

/// Forgets that a number derives from another. Kernel: `clear_scalar_id`.
pub(crate) fn clear_scalar_id(reg: &mut RegState) {
    reg.id = 0;
    reg.off = 0;
}

/// A sign-extended immediate.
pub(crate) const fn imm64(imm: i32) -> u64 {
    (imm as i64).cast_unsigned()
}

impl Verifier<'_> {
    /// Whether the register holds an address that the loader must not learn.
    /// Kernel: `is_pointer_value`.
    pub(crate) fn is_pointer_value(&self, reg: Reg) -> bool {
        !self.allow_ptr_leaks && !self.reg(reg).is_scalar()
    }

    /// Numbers that become the same get an id. Kernel: `assign_scalar_id_before_mov`.
    pub(crate) fn assign_id(&mut self, reg: Reg) {
        let known = self.reg(reg);
        if !known.is_scalar() {
            return;
        }
        if known.id & ADD_CONST != 0 {
            clear_scalar_id(self.reg_mut(reg));
        }
        let known = self.reg(reg);
        if known.id == 0 && !known.num.var_off.is_const() {
            let id = self.new_id();
            self.reg_mut(reg).id = id;
        }
    }

    /// What is known of a number does not contradict itself; if it does, nothing is known.
    /// Kernel: `reg_bounds_sanity_check`.
    pub(crate) fn check_bounds_sane(&mut self, reg: Reg) -> Res<()> {
        if self.reg(reg).num.is_consistent().is_err() {
            self.forget_bounds(reg)?;
        }
        Ok(())
    }

    #[cold]
    fn forget_bounds(&mut self, reg: Reg) -> Res<()> {
        let mut num = self.reg(reg).num;
        self.make_sane(&mut num)?;
        self.reg_mut(reg).num = num;
        Ok(())
    }

    /// The same for a number that is in no register.
    pub(crate) fn make_sane(&self, num: &mut Scalar) -> Res<()> {
        if num.is_consistent().is_err() {
            if self.env.flags.test_reg_invariants {
                return reject(Rule::Internal, "REG INVARIANTS VIOLATION");
            }
            num.mark_unbounded();
        }
        Ok(())
    }

    /// Arithmetic with two operands, and moves.
    pub(crate) fn check_alu(&mut self, width: Width, op: AluOp, dst: Reg, src: Src) -> Res<()> {
        match (op_of(op), src) {
            (None, Src::Reg(src)) => self.check_mov(width, dst, src)?,
            (None, Src::Imm(imm)) => {
                self.check_dst_no_mark(dst)?;
                let value = match width {
                    Width::W64 => imm64(imm),
                    Width::W32 => u64::from(imm.cast_unsigned()),
                };
                *self.reg_mut(dst) = self.constant(value);
            }
            (Some(domain_op), src) => {
                if let Src::Reg(src) = src {
                    self.check_src(src)?;
                }
                self.check_src(dst)?;
                check_imm(width, op, src)?;
                self.check_dst_no_mark(dst)?;
                self.adjust(width, op, domain_op, dst, src)?;
            }
        }
        self.check_bounds_sane(dst)
    }

    /// `dst = src`
    fn check_mov(&mut self, width: Width, dst: Reg, src: Reg) -> Res<()> {
        self.check_src(src)?;
        self.check_dst_no_mark(dst)?;
        if width == Width::W64 {
            self.assign_id(src);
            *self.reg_mut(dst) = *self.reg(src);
            return Ok(());
        }
        if self.is_pointer_value(src) {
            return Reject::new(Rule::PtrArith, format!("R{} partial copy of pointer", src.num()))
                .fact(Fact::Reg(src, *self.reg(src)))
                .stop();
        }
        if self.reg(src).is_scalar() {
            let fits = self.reg(src).num.umax <= u64::from(u32::MAX);
            if fits {
                self.assign_id(src);
            }
            *self.reg_mut(dst) = *self.reg(src);
            if !fits {
                clear_scalar_id(self.reg_mut(dst));
            }
        } else {
            self.mark_unknown(dst);
        }
        let num = &mut self.reg_mut(dst).num;
        num.zext_32_to_64();
        num.sync();
        Ok(())
    }

    /// `dst = src`, sign-extended.
    pub(crate) fn check_mov_sx(&mut self, width: Width, from: Size, dst: Reg, src: Reg) -> Res<()> {
        self.check_src(src)?;
        self.check_dst_no_mark(dst)?;
        if self.is_pointer_value(src) {
            let what = match width {
                Width::W64 => format!("R{} sign-extension part of pointer", src.num()),
                Width::W32 => format!("R{} partial copy of pointer", src.num()),
            };
            return Reject::new(Rule::PtrArith, what).fact(Fact::Reg(src, *self.reg(src))).stop();
        }
        let size = u32::from(from.bytes());
        if self.reg(src).is_scalar() {
            let same = self.reg(src).num.umax < 1 << (from.bits() - 1);
            if same {
                self.assign_id(src);
            }
            *self.reg_mut(dst) = *self.reg(src);
            let to = self.reg_mut(dst);
            if !same {
                clear_scalar_id(to);
            }
            match width {
                Width::W64 => to.num.sext(size),
                Width::W32 => to.num.sext_subreg(size),
            }
        } else {
            self.mark_unknown(dst);
        }
        if width == Width::W32 {
            let num = &mut self.reg_mut(dst).num;
            num.zext_32_to_64();
            num.sync();
        }
        self.check_bounds_sane(dst)
    }

    /// `dst = -dst`
    pub(crate) fn check_neg(&mut self, width: Width, dst: Reg) -> Res<()> {
        self.check_one_operand(dst)?;
        if self.reg(dst).is_scalar() {
            let num = self.reg(dst).num;
            let num = self.number(domain::AluOp::Neg, width, &num, &Scalar::UNKNOWN);
            let known = self.reg_mut(dst);
            known.num = num;
            // It is no longer the number that others are linked with.
            clear_scalar_id(known);
        } else {
            self.mark_unknown(dst);
        }
        self.check_bounds_sane(dst)
    }

    /// Byte order. Kernel: `scalar_byte_swap`.
    pub(crate) fn check_swap(&mut self, kind: Swap, size: Size, dst: Reg) -> Res<()> {
        self.check_one_operand(dst)?;
        if !self.reg(dst).is_scalar() || !self.has(Change::Arithmetic) {
            self.mark_unknown(dst);
            return self.check_bounds_sane(dst);
        }
        let bytes = u32::from(size.bytes());
        let to = self.reg_mut(dst);
        let swaps = kind != Swap::Le;
        if swaps || bytes < 8 {
            clear_scalar_id(to);
        }
        if swaps {
            to.num.swap_bytes(bytes);
        } else if bytes < 8 {
            to.num.keep_bytes(bytes);
        }
        self.check_bounds_sane(dst)
    }

    fn check_one_operand(&mut self, dst: Reg) -> Res<()> {
        self.check_src(dst)?;
        if self.is_pointer_value(dst) {
            return Reject::new(
                Rule::PtrArith,
                format!("R{} pointer arithmetic prohibited", dst.num()),
            )
            .fact(Fact::Reg(dst, *self.reg(dst)))
            .stop();
        }
        self.check_dst_no_mark(dst)
    }

    /// Between the two addresses of an arena.
    pub(crate) fn check_addr_space_cast(&mut self, cast: AddrCast, dst: Reg, src: Reg) -> Res<()> {
        if !self.has_arena() {
            return reject(
                Rule::MapUse,
                "addr_space_cast insn can only be used in a program that has an associated arena",
            );
        }
        self.check_src(src)?;
        self.check_dst_no_mark(dst)?;
        self.mark_unknown(dst);
        if cast == AddrCast::ToKernel {
            self.reg_mut(dst).ty = RegType::new(Base::Arena);
        }
        Ok(())
    }

    /// Kernel: `adjust_reg_min_max_vals`.
    fn adjust(
        &mut self,
        width: Width,
        op: AluOp,
        domain_op: domain::AluOp,
        dst: Reg,
        src: Src,
    ) -> Res<()> {
        let to = *self.reg(dst);
        let from = match src {
            Src::Reg(src) => *self.reg(src),
            Src::Imm(imm) => RegState::constant(imm64(imm)),
        };
        if to.ty.base == Base::Arena || from.ty.base == Base::Arena {
            if to.ty.base != Base::Arena {
                *self.reg_mut(dst) = from;
            }
            return Ok(());
        }
        if let Src::Reg(src) = src {
            match (to.is_scalar(), from.is_scalar()) {
                (false, false) => {
                    if op == AluOp::Sub && self.allow_ptr_leaks {
                        self.mark_unknown(dst);
                        return Ok(());
                    }
                    return Reject::new(
                        Rule::PtrArith,
                        format!("R{} pointer {} pointer prohibited", dst.num(), sign_of(op)),
                    )
                    .fact(Fact::Reg(dst, to))
                    .fact(Fact::Reg(src, from))
                    .stop();
                }
                (true, false) => {
                    self.mark_chain_precision(dst)?;
                    return self.adjust_ptr(width, op, dst, Src::Reg(src), from, to, false);
                }
                (false, true) => {
                    self.mark_chain_precision(src)?;
                    return self.adjust_ptr(width, op, dst, Src::Reg(src), to, from, true);
                }
                (true, true) => {
                    if to.precise {
                        self.mark_chain_precision(src)?;
                    }
                }
            }
        } else if !to.is_scalar() {
            return self.adjust_ptr(width, op, dst, src, to, from, true);
        }
        self.adjust_scalar(width, op, domain_op, dst, src, &from)
    }

    fn adjust_scalar(
        &mut self,
        width: Width,
        op: AluOp,
        domain_op: domain::AluOp,
        dst: Reg,
        src: Src,
        from: &RegState,
    ) -> Res<()> {
        if matches!(op, AluOp::Add | AluOp::Sub) {
            self.sanitize_scalar(dst, src, op)?;
        }
        self.fork_mask(domain_op, dst, from)?;
        let capable = self.bpf_capable;
        let before = self.reg(dst).num;
        let num = self.number(domain_op, width, &before, &from.num);
        let umax = before.umax;
        let to = self.reg_mut(dst);
        to.num = num;
        if to.num == Scalar::UNKNOWN && !capable {
            to.precise = true;
        }
        let link = link_after(width, op, from, umax)
            .filter(|_| capable && src != Src::Reg(dst) && to.id != 0 && to.id & ADD_CONST == 0);
        match link {
            Some((bit, off)) => {
                to.id |= bit;
                to.off = off;
            }
            None => clear_scalar_id(to),
        }
        Ok(())
    }

    /// The results of an operation, by the arithmetic of the release.
    fn number(&self, op: domain::AluOp, width: Width, dst: &Scalar, src: &Scalar) -> Scalar {
        let width = width_of(width);
        if self.has(Change::Arithmetic) {
            return Scalar::alu(op, width, dst, src);
        }
        let (dst, src) = (dst.with_arithmetic(), src.with_arithmetic());
        Scalar612::alu(op, width, &dst, &src).with_arithmetic()
    }

    /// A mask of all ones or none: both are followed one by one. Kernel: `maybe_fork_scalars`.
    fn fork_mask(&mut self, op: domain::AluOp, dst: Reg, from: &RegState) -> Res<()> {
        let Some([this, other]) = Scalar::fork(op, &self.reg(dst).num, &from.num) else {
            return Ok(());
        };
        let pc = self.pc;
        let state = self.push_branch(pc, pc, false)?;
        state.top_mut().reg_mut(dst).num = other;
        self.reg_mut(dst).num = this;
        Ok(())
    }
}

/// How the result of adding or subtracting a constant stays linked with the number before; `umax` is
/// the greatest it could be.
fn link_after(width: Width, op: AluOp, from: &RegState, umax: u64) -> Option<(u32, i32)> {
    let (bit, value) = match width {
        Width::W64 => (ADD_CONST_64, i32::try_from(from.num.is_const()?.cast_signed()).ok()?),
        Width::W32 if umax > u64::from(u32::MAX) => return None,
        Width::W32 => (ADD_CONST_32, from.num.is_subreg_const()?.cast_signed()),
    };
    match op {
        AluOp::Add => Some((bit, value)),
        AluOp::Sub => Some((bit, value.checked_neg()?)),
        _ => None,
    }
}

/// Divisors are not zero and shifts stay below the width, as far as they are immediate.
fn check_imm(width: Width, op: AluOp, src: Src) -> Res<()> {
    let Src::Imm(imm) = src else { return Ok(()) };
    let divides = matches!(op, AluOp::Div | AluOp::SDiv | AluOp::Mod | AluOp::SMod);
    if divides && imm == 0 {
        return reject(Rule::AluDivZero, "div by zero");
    }
    let shifts = matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh);
    let bits = width.bits().cast_signed();
    if shifts && !(0..bits).contains(&imm) {
        return reject(Rule::AluShift, format!("invalid shift {imm}"));
    }
    Ok(())
}
