//! Arithmetic and comparison as RFC 9669, section 4 defines them.

use skep_isa::{AluOp, CondOp};

/// `a op b` on 64 bits. Division by zero is 0, remainder by zero the dividend, shifts count modulo 64.
#[inline(always)]
pub(crate) const fn alu64(op: AluOp, a: u64, b: u64) -> u64 {
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    #[expect(clippy::cast_possible_truncation, reason = "wrapping shifts mask the count")]
    let shift = b as u32;
    match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => match a.checked_div(b) {
            Some(q) => q,
            None => 0,
        },
        AluOp::SDiv if sb == 0 => 0,
        AluOp::SDiv => sa.wrapping_div(sb).cast_unsigned(),
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Lsh => a.wrapping_shl(shift),
        AluOp::Rsh => a.wrapping_shr(shift),
        AluOp::Mod => match a.checked_rem(b) {
            Some(r) => r,
            None => a,
        },
        AluOp::SMod if sb == 0 => a,
        AluOp::SMod => sa.wrapping_rem(sb).cast_unsigned(),
        AluOp::Xor => a ^ b,
        AluOp::Mov => b,
        AluOp::Arsh => sa.wrapping_shr(shift).cast_unsigned(),
    }
}

/// `a op b` on the low 32 bits, zero-extended; shifts count modulo 32.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "32-bit operations look at the low half")]
pub(crate) const fn alu32(op: AluOp, a: u64, b: u64) -> u64 {
    let (a, b) = (a as u32, b as u32);
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    let result = match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => match a.checked_div(b) {
            Some(q) => q,
            None => 0,
        },
        AluOp::SDiv if sb == 0 => 0,
        AluOp::SDiv => sa.wrapping_div(sb).cast_unsigned(),
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Lsh => a.wrapping_shl(b),
        AluOp::Rsh => a.wrapping_shr(b),
        AluOp::Mod => match a.checked_rem(b) {
            Some(r) => r,
            None => a,
        },
        AluOp::SMod if sb == 0 => a,
        AluOp::SMod => sa.wrapping_rem(sb).cast_unsigned(),
        AluOp::Xor => a ^ b,
        AluOp::Mov => b,
        AluOp::Arsh => sa.wrapping_shr(b).cast_unsigned(),
    };
    result as u64
}

/// Whether the condition holds on 64 bits.
#[inline(always)]
pub(crate) const fn cond64(op: CondOp, a: u64, b: u64) -> bool {
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    match op {
        CondOp::Eq => a == b,
        CondOp::Gt => a > b,
        CondOp::Ge => a >= b,
        CondOp::Set => a & b != 0,
        CondOp::Ne => a != b,
        CondOp::SGt => sa > sb,
        CondOp::SGe => sa >= sb,
        CondOp::Lt => a < b,
        CondOp::Le => a <= b,
        CondOp::SLt => sa < sb,
        CondOp::SLe => sa <= sb,
    }
}

/// Whether the condition holds on the low 32 bits.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "32-bit operations look at the low half")]
pub(crate) const fn cond32(op: CondOp, a: u64, b: u64) -> bool {
    let (sa, sb) = ((a as u32).cast_signed() as i64, (b as u32).cast_signed() as i64);
    match op {
        // Zero extension keeps unsigned order, sign extension the signed one.
        CondOp::SGt | CondOp::SGe | CondOp::SLt | CondOp::SLe => {
            cond64(op, sa.cast_unsigned(), sb.cast_unsigned())
        }
        _ => cond64(op, a as u32 as u64, b as u32 as u64),
    }
}
