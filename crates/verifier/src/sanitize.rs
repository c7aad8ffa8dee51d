//! Pointer arithmetic that stays in bounds even where a CPU mispredicts.
//!
//! Without `CAP_PERFMON`, pointer arithmetic is masked at run time with a limit that must be the same
//! on all paths, and paths that only a mispredicting CPU takes are followed too.
//!
//! Kernel: `sanitize_ptr_alu`, `sanitize_val_alu`, `sanitize_check_bounds`, `retrieve_ptr_limit`.

use crate::aux::AluLimit;
use crate::change::Change;
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res, Stop};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_isa::{AluOp, Insn, Reg, Src};

const SANITIZE_SRC: u32 = 1;
const SANITIZE_DST: u32 = 2;
const NEG_VALUE: u32 = 4;
const NON_POINTER: u32 = 8;
const IMMEDIATE: u32 = 16;

/// What was found before the operation. Kernel: `struct bpf_sanitize_info`.
#[derive(Default)]
pub(crate) struct Sanitize {
    limit: Option<AluLimit>,
    mask_to_left: bool,
}

/// Why an operation cannot be masked.
enum Reason {
    Bounds,
    Type,
    Paths,
    Limit,
    Stack,
}

impl Verifier<'_> {
    /// Nothing is masked for those who may know or behind a barrier, and known numbers need no mask.
    /// Kernel: `can_skip_alu_sanitation`.
    fn skips_sanitizing(&self, src: Src) -> bool {
        let barrier = || self.has(Change::SpeculationBarriers) && self.aux[self.pc as usize].nospec;
        self.bypass_spec_v1 || matches!(src, Src::Imm(_)) || barrier()
    }

    /// Arithmetic on numbers must not be masked pointer arithmetic on another path.
    pub(crate) fn sanitize_scalar(&mut self, dst: Reg, src: Src, op: AluOp) -> Res<()> {
        if self.skips_sanitizing(src) {
            return Ok(());
        }
        let limit = AluLimit { state: NON_POINTER, limit: 0 };
        match self.record_limit(limit) {
            Ok(()) => Ok(()),
            Err(reason) => self.sanitize_error(reason, op, dst, src, true),
        }
    }

    fn record_limit(&mut self, limit: AluLimit) -> Result<(), Reason> {
        if *self.alu_limits.entry(self.pc).or_insert(limit) == limit {
            Ok(())
        } else {
            Err(Reason::Paths)
        }
    }

    /// Before the operation: the limit, and the path of a mispredicting CPU.
    #[expect(clippy::too_many_arguments, reason = "operands by value and where they stand")]
    pub(crate) fn sanitize_before(
        &mut self,
        op: AluOp,
        dst: Reg,
        src: Src,
        ptr: &RegState,
        num: &RegState,
        ptr_is_dst: bool,
        info: &mut Sanitize,
    ) -> Res<()> {
        if self.skips_sanitizing(src) {
            return Ok(());
        }
        let known = num.num.var_off.is_const();
        if !self.cur.speculative {
            let negative = num.num.smin < 0;
            if !known && negative != (num.num.smax < 0) {
                return self.sanitize_error(Reason::Bounds, op, dst, src, !ptr_is_dst);
            }
            info.mask_to_left = (op == AluOp::Add) == negative;
            let limit = match self.ptr_limit(ptr, info.mask_to_left) {
                Ok(limit) => limit,
                Err(reason) => return self.sanitize_error(reason, op, dst, src, !ptr_is_dst),
            };
            let mut state = if negative { NEG_VALUE } else { 0 };
            state |= if known { IMMEDIATE } else { 0 };
            state |= if ptr_is_dst { SANITIZE_SRC } else { SANITIZE_DST };
            if !known {
                self.explore_alu_limits = true;
            }
            info.limit = Some(AluLimit { state, limit });
        }
        if known {
            return Ok(());
        }
        let before = *self.reg(dst);
        if !ptr_is_dst {
            *self.reg_mut(dst) = *ptr;
        }
        let pushed = self.push_branch(self.pc + 1, self.pc, true).map(|_| ());
        if !ptr_is_dst {
            *self.reg_mut(dst) = before;
        }
        match pushed {
            Err(Stop::Reject(_)) => self.sanitize_error(Reason::Stack, op, dst, src, !ptr_is_dst),
            other => other,
        }
    }

    /// After the operation: the mask is the distance it went.
    pub(crate) fn sanitize_after(
        &mut self,
        op: AluOp,
        dst: Reg,
        src: Src,
        _num: &RegState,
        info: &mut Sanitize,
    ) -> Res<()> {
        if self.skips_sanitizing(src) || self.cur.speculative {
            return Ok(());
        }
        let Some(before) = info.limit else { return Ok(()) };
        let ptr = *self.reg(dst);
        let recorded = self.ptr_limit(&ptr, info.mask_to_left).and_then(|limit| {
            let limit = before.limit.abs_diff(limit);
            self.record_limit(AluLimit { state: before.state, limit })
        });
        match recorded {
            Ok(()) => Ok(()),
            Err(reason) => self.sanitize_error(reason, op, dst, src, false),
        }
    }

    /// How far a pointer may still go. Kernel: `retrieve_ptr_limit`.
    fn ptr_limit(&self, ptr: &RegState, mask_to_left: bool) -> Result<u32, Reason> {
        let off = i64::from(ptr.off);
        let (max, limit) = if ptr.ty.is(Base::Stack) {
            let at = off.wrapping_add_unsigned(ptr.num.var_off.value());
            (512 + u32::from(mask_to_left), at.wrapping_neg())
        } else if ptr.ty.is(Base::MapValue) {
            let size = ptr.map().map_or(0, |map| self.maps[map as usize].def.value_size);
            let var = if mask_to_left { ptr.num.smin } else { ptr.num.umax.cast_signed() };
            (size, var.wrapping_add(off))
        } else {
            return Err(Reason::Type);
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "as the kernel does"
        )]
        let limit = limit as u32;
        if limit >= max { Err(Reason::Limit) } else { Ok(limit) }
    }

    /// The new pointer is in bounds by itself. Kernel: `sanitize_check_bounds`.
    pub(crate) fn sanitize_bounds(&mut self, dst: Reg) -> Res<()> {
        if self.bypass_spec_v1 {
            return Ok(());
        }
        let ptr = *self.reg(dst);
        if ptr.ty.is(Base::Stack) {
            return self.check_stack_for_arith(dst, &ptr);
        }
        if ptr.ty.is(Base::MapValue)
            && let Err(stop) = self.check_map_access(dst, ptr.off, 1, false, crate::mem::By::Helper)
        {
            let Stop::Reject(mut reject) = stop else { return Err(stop) };
            reject.kernel = format!(
                "{}\nR{} pointer arithmetic of map value goes out of range, prohibited for !root",
                reject.kernel,
                dst.num()
            );
            return Err(Stop::Reject(reject));
        }
        Ok(())
    }

    /// Both operands of a branch that was decided are unknown to a mispredicting CPU.
    pub(crate) fn push_speculative(&mut self, insn: Insn, pc: u32) -> Res<()> {
        let here = self.pc;
        let unknown = self.unknown();
        let state = self.push_branch(pc, here, true)?;
        if let Insn::JumpIf { dst, src, .. } = insn {
            *state.top_mut().reg_mut(dst) = unknown;
            if let Src::Reg(src) = src {
                *state.top_mut().reg_mut(src) = unknown;
            }
        }
        Ok(())
    }

    /// Kernel: `sanitize_err`.
    fn sanitize_error(
        &self,
        reason: Reason,
        op: AluOp,
        dst: Reg,
        src: Src,
        off_is_dst: bool,
    ) -> Res<()> {
        const ERR: &str = "pointer arithmetic with it prohibited for !root";
        let (to, from) = (dst.num(), if let Src::Reg(src) = src { src.num() } else { 0 });
        let op = if op == AluOp::Add { "add" } else { "sub" };
        let what = match reason {
            Reason::Bounds => format!(
                "R{} has unknown scalar with mixed signed bounds, {ERR}",
                if off_is_dst { to } else { from }
            ),
            Reason::Type => format!(
                "R{} has pointer with unsupported alu operation, {ERR}",
                if off_is_dst { from } else { to }
            ),
            Reason::Paths => {
                format!("R{to} tried to {op} from different maps, paths or scalars, {ERR}")
            }
            Reason::Limit => format!("R{to} tried to {op} beyond pointer bounds, {ERR}"),
            Reason::Stack => {
                format!("R{to} could not be pushed for speculative verification, {ERR}")
            }
        };
        Reject::new(Rule::Speculation, what).fact(Fact::Reg(dst, *self.reg(dst))).stop()
    }
}
