//! Arithmetic with a pointer and a number.
//!
//! Kernel: `adjust_ptr_min_max_vals`, `check_reg_sane_offset`.

use crate::alu::sign_of;
use crate::reg::{Base, Extra, RegState, RegType};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::sanitize::Sanitize;
use crate::verifier::Verifier;
use skep_domain::{self as domain, Scalar};
use skep_isa::{AluOp, Reg, Src, Width};

/// Offsets stay below this. Kernel: `BPF_MAX_VAR_OFF`.
pub(crate) const MAX_VAR_OFF: i64 = 1 << 29;

/// A refusal about pointer arithmetic in `reg`.
fn refuse(rule: Rule, what: String, reg: Reg, known: RegState) -> Reject {
    Reject::new(rule, what).fact(Fact::Reg(reg, known))
}

impl Verifier<'_> {
    /// `dst` becomes `ptr` plus or minus `num`; `ptr_is_dst` says which operand the pointer was.
    #[expect(clippy::too_many_arguments, reason = "operands by value and where they stand")]
    pub(crate) fn adjust_ptr(
        &mut self,
        width: Width,
        op: AluOp,
        dst: Reg,
        src: Src,
        ptr: RegState,
        num: RegState,
        ptr_is_dst: bool,
    ) -> Res<()> {
        let known = num.num.var_off.is_const();
        let off = num.num;
        if (known && (off.smin != off.smax || off.umin != off.umax))
            || off.smin > off.smax
            || off.umin > off.umax
        {
            // Contradictory bounds: the path is not taken, or something is wrong.
            self.mark_unknown(dst);
            return Ok(());
        }
        if width == Width::W32 {
            if op == AluOp::Sub && self.allow_ptr_leaks {
                self.mark_unknown(dst);
                return Ok(());
            }
            let what = format!("R{} 32-bit pointer arithmetic prohibited", dst.num());
            return refuse(Rule::PtrArith, what, dst, ptr).stop();
        }
        if ptr.ty.may_be_null() {
            let what = format!(
                "R{} pointer arithmetic on {} prohibited, null-check it first",
                dst.num(),
                ptr.ty.kernel_name()
            );
            return refuse(Rule::PtrNull, what, dst, ptr).stop();
        }
        if !may_move(ptr.ty, known, known && off.smin == 0 && op == AluOp::Add) {
            let what =
                format!("R{} pointer arithmetic on {} prohibited", dst.num(), ptr.ty.kernel_name());
            return refuse(Rule::PtrArith, what, dst, ptr).stop();
        }
        if !ptr_is_dst {
            *self.reg_mut(dst) = ptr;
        }
        if ptr.ty.base == Base::Mem && ptr.ty.has(crate::reg::flag::UNTRUSTED) {
            // Loads through it are guarded, so the offset does not matter.
            return Ok(());
        }
        self.check_sane(dst, &num, ptr.ty)?;
        self.check_sane(dst, &ptr, ptr.ty)?;
        let mut sanitize = Sanitize::default();
        let moves = matches!(op, AluOp::Add | AluOp::Sub);
        if moves {
            self.sanitize_before(op, dst, src, &ptr, &num, ptr_is_dst, &mut sanitize)?;
        }
        let mut to = *self.reg(dst);
        to.num.mark_32_unbounded();
        match op {
            AluOp::Add => self.add(&mut to, &ptr, &off),
            AluOp::Sub => {
                if !ptr_is_dst {
                    let what = format!("R{} tried to subtract pointer from scalar", dst.num());
                    return refuse(Rule::PtrArith, what, dst, num).stop();
                }
                if ptr.ty.is(Base::Stack) {
                    let what = format!("R{} subtraction from stack pointer prohibited", dst.num());
                    return refuse(Rule::PtrArith, what, dst, ptr).stop();
                }
                self.sub(&mut to, &ptr, &off);
            }
            AluOp::And | AluOp::Or | AluOp::Xor => {
                let what = format!(
                    "R{} bitwise operator {} on pointer prohibited",
                    dst.num(),
                    sign_of(op)
                );
                return refuse(Rule::PtrArith, what, dst, ptr).stop();
            }
            _ => {
                let what = format!(
                    "R{} pointer arithmetic with {} operator prohibited",
                    dst.num(),
                    sign_of(op)
                );
                return refuse(Rule::PtrArith, what, dst, ptr).stop();
            }
        }
        *self.reg_mut(dst) = to;
        self.check_sane(dst, &to, ptr.ty)?;
        self.reg_mut(dst).num.sync();
        self.sanitize_bounds(dst)?;
        if moves {
            self.sanitize_after(op, dst, src, &num, &mut sanitize)?;
        }
        Ok(())
    }

    /// Kernel: the case `BPF_ADD`.
    fn add(&mut self, to: &mut RegState, ptr: &RegState, off: &Scalar) {
        if let Some(sum) = fixed(ptr, off, i64::checked_add) {
            keep_var(to, ptr);
            to.off = sum;
            to.extra = ptr.extra;
            return;
        }
        to.num = Scalar::pointer_alu_raw(domain::AluOp::Add, &ptr.num, off);
        to.off = ptr.off;
        to.extra = ptr.extra;
        if ptr.ty.is_packet() {
            to.id = self.new_id();
            // What was known of the bytes behind it was of another offset.
            to.extra = Extra::Range(0);
        }
    }

    /// Kernel: the case `BPF_SUB`.
    fn sub(&mut self, to: &mut RegState, ptr: &RegState, off: &Scalar) {
        if let Some(difference) = fixed(ptr, off, i64::checked_sub) {
            keep_var(to, ptr);
            to.id = ptr.id;
            to.off = difference;
            to.extra = ptr.extra;
            return;
        }
        to.num = Scalar::pointer_alu_raw(domain::AluOp::Sub, &ptr.num, off);
        to.off = ptr.off;
        to.extra = ptr.extra;
        if ptr.ty.is_packet() {
            to.id = self.new_id();
            if off.smin < 0 {
                to.extra = Extra::Range(0);
            }
        }
    }

    /// An offset stays where sums cannot overflow. Kernel: `check_reg_sane_offset`.
    pub(crate) fn check_sane(&self, at: Reg, reg: &RegState, ty: RegType) -> Res<()> {
        let known = reg.num.var_off.is_const();
        let value = reg.num.var_off.value().cast_signed();
        let refuse = |what: String| {
            Reject::new(Rule::PtrBounds, what)
                .errno(skep_abi::Errno::EINVAL)
                .fact(Fact::Reg(at, *reg))
                .stop()
        };
        let name = || ty.kernel_name();
        if known && (value >= MAX_VAR_OFF || value <= -MAX_VAR_OFF) {
            return refuse(format!("math between {} pointer and {value} is not allowed", name()));
        }
        if i64::from(reg.off) >= MAX_VAR_OFF || i64::from(reg.off) <= -MAX_VAR_OFF {
            return refuse(format!("{} pointer offset {} is not allowed", name(), reg.off));
        }
        if reg.num.smin == i64::MIN {
            return refuse(format!(
                "math between {} pointer and register with unbounded min value is not allowed",
                name()
            ));
        }
        if reg.num.smin >= MAX_VAR_OFF || reg.num.smin <= -MAX_VAR_OFF {
            return refuse(format!(
                "value {} makes {} pointer be out of bounds",
                reg.num.smin,
                name()
            ));
        }
        Ok(())
    }
}

/// Whether pointers of this kind may move, by a known or unknown number, or by a known zero.
fn may_move(ty: RegType, known: bool, zero: bool) -> bool {
    match ty.base {
        Base::Ctx
        | Base::MapValue
        | Base::MapKey
        | Base::Stack
        | Base::PacketMeta
        | Base::Packet
        | Base::TpBuffer
        | Base::BtfId
        | Base::Mem
        | Base::Buf
        | Base::Func
        | Base::ConstDynptr => true,
        Base::FlowKeys => known || zero,
        Base::ConstMap => zero,
        Base::NotInit
        | Base::Scalar
        | Base::PacketEnd
        | Base::Socket
        | Base::SockCommon
        | Base::TcpSock
        | Base::XdpSock
        | Base::Arena => false,
    }
}

/// The fixed offset after a known number, if it fits.
fn fixed(ptr: &RegState, off: &Scalar, op: fn(i64, i64) -> Option<i64>) -> Option<i32> {
    if !off.var_off.is_const() {
        return None;
    }
    i32::try_from(op(i64::from(ptr.off), off.smin)?).ok()
}

/// The variable part stays.
fn keep_var(to: &mut RegState, ptr: &RegState) {
    (to.num.smin, to.num.smax) = (ptr.num.smin, ptr.num.smax);
    (to.num.umin, to.num.umax) = (ptr.num.umin, ptr.num.umax);
    to.num.var_off = ptr.num.var_off;
}
