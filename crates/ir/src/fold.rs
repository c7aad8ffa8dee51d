//! Simpler instructions that give the same, and numbers computed beforehand.

use crate::func::Func;
use crate::inst::{BinOp, BlockId, Cmp, Cond, Inst, UnOp, Value};
use skep_isa::{Size, Width};

/// `a op b`
#[must_use]
pub fn compute(op: BinOp, width: Width, a: u64, b: u64) -> u64 {
    match width {
        Width::W64 => compute64(op, a, b),
        Width::W32 => compute32(op, low(a), low(b)).into(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half")]
const fn low(a: u64) -> u32 {
    a as u32
}

macro_rules! compute_on {
    ($name:ident, $unsigned:ty, $bits:literal) => {
        fn $name(op: BinOp, a: $unsigned, b: $unsigned) -> $unsigned {
            let (sa, sb) = (a.cast_signed(), b.cast_signed());
            let count = u32::try_from(b & ($bits - 1)).unwrap_or(0);
            match op {
                BinOp::Add => a.wrapping_add(b),
                BinOp::Sub => a.wrapping_sub(b),
                BinOp::Mul => a.wrapping_mul(b),
                BinOp::Div => a.checked_div(b).unwrap_or(0),
                BinOp::Mod => a.checked_rem(b).unwrap_or(a),
                BinOp::SDiv if b == 0 => 0,
                BinOp::SDiv => sa.wrapping_div(sb).cast_unsigned(),
                BinOp::SMod if b == 0 => a,
                BinOp::SMod => sa.wrapping_rem(sb).cast_unsigned(),
                BinOp::And => a & b,
                BinOp::Or => a | b,
                BinOp::Xor => a ^ b,
                BinOp::Shl => a << count,
                BinOp::Shr => a >> count,
                BinOp::Sar => (sa >> count).cast_unsigned(),
                BinOp::Ror => a.rotate_right(count),
            }
        }
    };
}

compute_on!(compute64, u64, 64);
compute_on!(compute32, u32, 32);

/// `op a`
#[must_use]
pub fn compute_un(op: UnOp, a: u64) -> u64 {
    match op {
        UnOp::Neg(Width::W64) => a.wrapping_neg(),
        UnOp::Neg(Width::W32) => low(a.wrapping_neg()).into(),
        UnOp::Zext(size) => a & ones(size.bits()),
        UnOp::Sext(size, width) => {
            let unused = 64 - u32::from(size.bits());
            let extended = (a << unused).cast_signed().wrapping_shr(unused).cast_unsigned();
            if width == Width::W32 { low(extended).into() } else { extended }
        }
        UnOp::Bswap(size) => a.swap_bytes() >> (64 - u32::from(size.bits())),
        UnOp::Hold => a,
    }
}

/// Whether a comparison of two numbers holds.
#[must_use]
pub const fn holds(cond: Cond, width: Width, a: u64, b: u64) -> bool {
    // Order is the same at the upper end of a word.
    let (a, b) = match width {
        Width::W64 => (a, b),
        Width::W32 => (a << 32, b << 32),
    };
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    match cond {
        Cond::Eq => a == b,
        Cond::Ne => a != b,
        Cond::Lt => a < b,
        Cond::Le => a <= b,
        Cond::Gt => a > b,
        Cond::Ge => a >= b,
        Cond::SLt => sa < sb,
        Cond::SLe => sa <= sb,
        Cond::SGt => sa > sb,
        Cond::SGe => sa >= sb,
        Cond::Set => a & b != 0,
        Cond::Clear => a & b == 0,
    }
}

/// So many ones at the lower end.
pub(crate) const fn ones(bits: u8) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 64")]
pub(crate) const fn bits_of(number: u64) -> u8 {
    (64 - number.leading_zeros()) as u8
}

/// How many bits from the lowest on may be other than 0.
#[inline]
pub(crate) fn bits<C>(f: &Func<C>, inst: &Inst) -> u8 {
    let of = |value: Value| f.bits(value);
    match *inst {
        Inst::Const(number) => bits_of(number),
        Inst::Bin { op, width, a, b } => {
            let most = if width == Width::W32 { 32 } else { 64 };
            let (a_bits, b_bits) = (of(a).min(most), of(b).min(most));
            match (op, f.known(b)) {
                (BinOp::And, _) => a_bits.min(b_bits),
                (BinOp::Or | BinOp::Xor, _) => a_bits.max(b_bits),
                (BinOp::Add, _) => (a_bits.max(b_bits) + 1).min(most),
                (BinOp::Mul, _) => a_bits.saturating_add(b_bits).min(most),
                (BinOp::Div, _) => a_bits,
                (BinOp::Mod, Some(number)) if number != 0 => a_bits.min(b_bits),
                (BinOp::Mod, _) => a_bits,
                (BinOp::Shr, Some(count)) => a_bits.saturating_sub(low_count(count, most)),
                (BinOp::Shr, None) => a_bits,
                (BinOp::Shl, Some(count)) => (a_bits + low_count(count, most)).min(most),
                _ => most,
            }
        }
        Inst::Un { op, a } => match op {
            UnOp::Zext(size) => of(a).min(size.bits()),
            UnOp::Bswap(size) => size.bits(),
            UnOp::Hold => of(a),
            UnOp::Neg(Width::W32) | UnOp::Sext(_, Width::W32) => 32,
            UnOp::Sext(size, _) if of(a) < size.bits() => of(a),
            _ => 64,
        },
        Inst::Select { yes, no, .. } => of(yes).max(of(no)),
        Inst::Load { size, signed: false, .. } => size.bits(),
        // One bit more for each time that there are twice as many numbers.
        Inst::Sum { size, len, .. } => (size.bits() + bits_of(len.into())).min(64),
        _ => 64,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than 64")]
const fn low_count(count: u64, width: u8) -> u8 {
    count as u8 & (width - 1)
}

/// The value that an instruction gives if it is there already or a number, or else an instruction that gives the same and is
/// no more complicated. What that takes is put at the end of the block.
#[inline]
pub(crate) fn simpler<C>(
    f: &mut Func<C>,
    block: BlockId,
    inst: Inst,
    origin: u32,
) -> Result<Value, Inst> {
    match inst {
        Inst::Bin { op, width, a, b } => bin(f, block, (op, width, a, b), origin),
        Inst::Un { op, a } => un(f, block, op, a, origin),
        Inst::Select { cmp, yes, no } => {
            let cmp = compare(f, cmp);
            match decided(f, cmp) {
                Some(holds) => Ok(if holds { yes } else { no }),
                None if yes == no => Ok(yes),
                None => Err(Inst::Select { cmp, yes, no }),
            }
        }
        // Only the low bytes of what is stored count.
        Inst::Store { size, mem, value } => {
            let value = stripped(f, value, size.bits());
            Err(Inst::Store { size, mem, value })
        }
        inst => Err(inst),
    }
}

/// What has the same low bits, without what only clears those above.
fn stripped<C>(f: &Func<C>, mut value: Value, bits: u8) -> Value {
    while let Some(Inst::Un { op, a }) = f.insts.get(value.index()) {
        match op {
            UnOp::Zext(size) | UnOp::Sext(size, _) if size.bits() >= bits => value = *a,
            _ => break,
        }
    }
    value
}

fn un<C>(f: &mut Func<C>, block: BlockId, op: UnOp, a: Value, origin: u32) -> Result<Value, Inst> {
    if let Some(a) = f.known(a) {
        return Ok(f.number(compute_un(op, a), origin));
    }
    match op {
        UnOp::Zext(size) => {
            let a = stripped(f, a, size.bits());
            if f.bits(a) <= size.bits() {
                return Ok(a);
            }
            // Operations of 32 bits clear the rest.
            if size == Size::W
                && let Inst::Bin { op: inner, width: Width::W64, a: x, b: y } = *f.inst(a)
                && matches!(inner, BinOp::Add | BinOp::Sub | BinOp::Mul)
            {
                return Ok(f.push(
                    block,
                    Inst::Bin { op: inner, width: Width::W32, a: x, b: y },
                    origin,
                ));
            }
            Err(Inst::Un { op, a })
        }
        UnOp::Sext(size, width) => {
            let a = stripped(f, a, size.bits());
            if f.bits(a) < size.bits() {
                return Ok(a);
            }
            Err(Inst::Un { op: UnOp::Sext(size, width), a })
        }
        UnOp::Bswap(size) => Err(Inst::Un { op, a: stripped(f, a, size.bits()) }),
        UnOp::Hold => Ok(a),
        UnOp::Neg(width) => {
            let a = if width == Width::W32 { stripped(f, a, 32) } else { a };
            Err(Inst::Un { op, a })
        }
    }
}

/// `a` on a width.
fn cut<C>(
    f: &mut Func<C>,
    block: BlockId,
    width: Width,
    a: Value,
    origin: u32,
) -> Result<Value, Inst> {
    match width {
        Width::W64 => Ok(a),
        Width::W32 => un(f, block, UnOp::Zext(Size::W), a, origin),
    }
}

fn bin<C>(
    f: &mut Func<C>,
    block: BlockId,
    (op, width, a, b): (BinOp, Width, Value, Value),
    origin: u32,
) -> Result<Value, Inst> {
    let (mut a, mut b) = (a, b);
    if width == Width::W32 {
        (a, b) = (stripped(f, a, 32), stripped(f, b, 32));
    }
    if op.is_commutative() && f.known(a).is_some() {
        (a, b) = (b, a);
    }
    let Some(number) = f.known(b) else {
        return without_number(f, block, (op, width, a, b), origin);
    };
    if let Some(a) = f.known(a) {
        return Ok(f.number(compute(op, width, a, number), origin));
    }
    let number = if width == Width::W32 { low(number).into() } else { number };
    let all = ones(if width == Width::W32 { 32 } else { 64 });
    let bits = if width == Width::W32 { 32 } else { 64 };
    let masked = f.bits(a);
    match op {
        BinOp::Sub => {
            // -2^31 and its kin have the same opposite; addition of that is the same.
            let opposite = f.number(compute(BinOp::Sub, width, 0, number), origin);
            bin(f, block, (BinOp::Add, width, a, opposite), origin)
        }
        BinOp::Add | BinOp::Or | BinOp::Xor if number == 0 => cut(f, block, width, a, origin),
        BinOp::Mul | BinOp::Div | BinOp::SDiv if number == 1 => cut(f, block, width, a, origin),
        BinOp::And if number == all => cut(f, block, width, a, origin),
        BinOp::And | BinOp::Mul if number == 0 => Ok(f.number(0, origin)),
        BinOp::And if ones(masked) & !number == 0 => Ok(a),
        BinOp::And if number == 0xff => un(f, block, UnOp::Zext(Size::B), a, origin),
        BinOp::And if number == 0xffff => un(f, block, UnOp::Zext(Size::H), a, origin),
        BinOp::And if number == 0xffff_ffff => un(f, block, UnOp::Zext(Size::W), a, origin),
        BinOp::Mul if number.is_power_of_two() => {
            let count = f.number(number.trailing_zeros().into(), origin);
            bin(f, block, (BinOp::Shl, width, a, count), origin)
        }
        // What is not negative.
        BinOp::SDiv if u64::from(masked) < bits && number > 0 && number >> (bits - 1) == 0 => {
            bin(f, block, (BinOp::Div, width, a, b), origin)
        }
        BinOp::SMod if u64::from(masked) < bits && number > 0 && number >> (bits - 1) == 0 => {
            bin(f, block, (BinOp::Mod, width, a, b), origin)
        }
        BinOp::Div if number.is_power_of_two() => {
            let count = f.number(number.trailing_zeros().into(), origin);
            bin(f, block, (BinOp::Shr, width, a, count), origin)
        }
        BinOp::Mod if number.is_power_of_two() => {
            let mask = f.number(number - 1, origin);
            bin(f, block, (BinOp::And, width, a, mask), origin)
        }
        BinOp::Shl | BinOp::Shr | BinOp::Sar | BinOp::Ror => {
            let count = number & (bits - 1);
            if count == 0 {
                return cut(f, block, width, a, origin);
            }
            shift(f, block, (op, width, a, count), origin)
        }
        BinOp::Add | BinOp::And | BinOp::Or | BinOp::Xor => {
            // `(x op c) op d` is `x op (c op d)`.
            if let Inst::Bin { op: inner, width: inner_width, a: x, b: c } = *f.inst(a)
                && inner == op
                && inner_width == width
                && let Some(c) = f.known(c)
            {
                let both = f.number(compute(op, width, c, number), origin);
                return bin(f, block, (op, width, x, both), origin);
            }
            let b = if width == Width::W32 { f.number(number, origin) } else { b };
            Err(Inst::Bin { op, width, a, b })
        }
        _ => Err(Inst::Bin { op, width, a, b }),
    }
}

/// A shift by a number that is not 0.
fn shift<C>(
    f: &mut Func<C>,
    block: BlockId,
    (op, width, a, count): (BinOp, Width, Value, u64),
    origin: u32,
) -> Result<Value, Inst> {
    if let Inst::Bin { op: inner, width: inner_width, a: x, b: c } = *f.inst(a)
        && inner_width == width
        && let Some(left) = f.known(c)
    {
        // Shifts to the left and back, as compilers without operations of 32 bits extend; what is left of the first
        // scales.
        if width == Width::W64
            && inner == BinOp::Shl
            && matches!(op, BinOp::Shr | BinOp::Sar)
            && left >= count
            && let Some(size) = match left & 63 {
                32 => Some(Size::W),
                48 => Some(Size::H),
                56 => Some(Size::B),
                _ => None,
            }
        {
            let extend =
                if op == BinOp::Shr { UnOp::Zext(size) } else { UnOp::Sext(size, Width::W64) };
            let extended = f.push(block, Inst::Un { op: extend, a: x }, origin);
            let rest = f.number(left - count, origin);
            return bin(f, block, (BinOp::Shl, Width::W64, extended, rest), origin);
        }
        let bits = if width == Width::W32 { 32 } else { 64 };
        if inner == op && op != BinOp::Ror && (left & (bits - 1)) + count < bits {
            let both = f.number((left & (bits - 1)) + count, origin);
            return Err(Inst::Bin { op, width, a: x, b: both });
        }
    }
    // Nothing is negative that has zeroes above.
    let most = if width == Width::W32 { 32 } else { 64 };
    let op = if op == BinOp::Sar && f.bits(a) < most { BinOp::Shr } else { op };
    let b = f.number(count, origin);
    Err(Inst::Bin { op, width, a, b })
}

fn without_number<C>(
    f: &mut Func<C>,
    block: BlockId,
    (op, width, a, b): (BinOp, Width, Value, Value),
    origin: u32,
) -> Result<Value, Inst> {
    match op {
        BinOp::Sub | BinOp::Xor if a == b => Ok(f.number(0, origin)),
        BinOp::And | BinOp::Or if a == b => cut(f, block, width, a, origin),
        BinOp::Sub if f.known(a) == Some(0) => Err(Inst::Un { op: UnOp::Neg(width), a: b }),
        // `x << k | x >> (w - k)`
        BinOp::Or | BinOp::Add | BinOp::Xor => {
            if let (
                Inst::Bin { op: op_a, width: width_a, a: x, b: k },
                Inst::Bin { op: op_b, width: width_b, a: y, b: l },
            ) = (*f.inst(a), *f.inst(b))
                && width_a == width
                && width_b == width
                && x == y
                && let (Some(k), Some(l)) = (f.known(k), f.known(l))
                && k.checked_add(l) == Some(width.bits().into())
                && k > 0
                && l > 0
            {
                let right = match (op_a, op_b) {
                    (BinOp::Shl, BinOp::Shr) => l,
                    (BinOp::Shr, BinOp::Shl) => k,
                    _ => return Err(Inst::Bin { op, width, a, b }),
                };
                let count = f.number(right, origin);
                return Err(Inst::Bin { op: BinOp::Ror, width, a: x, b: count });
            }
            Err(Inst::Bin { op, width, a, b })
        }
        _ => Err(Inst::Bin { op, width, a, b }),
    }
}

/// The same comparison, with a number on its right, on values without needless extensions.
#[must_use]
pub fn compare<C>(f: &Func<C>, mut cmp: Cmp) -> Cmp {
    if cmp.width == Width::W32 {
        (cmp.a, cmp.b) = (stripped(f, cmp.a, 32), stripped(f, cmp.b, 32));
    }
    if f.known(cmp.a).is_some() && f.known(cmp.b).is_none() {
        (cmp.a, cmp.b, cmp.cond) = (cmp.b, cmp.a, cmp.cond.swap());
    }
    // `(a & b) == 0`
    if f.known(cmp.b) == Some(0)
        && matches!(cmp.cond, Cond::Eq | Cond::Ne)
        && let Inst::Bin { op: BinOp::And, width, a, b } = *f.inst(cmp.a)
        && width == cmp.width
    {
        let cond = if cmp.cond == Cond::Eq { Cond::Clear } else { Cond::Set };
        return Cmp { cond, width, a, b };
    }
    cmp
}

/// Whether a comparison always holds, or never, if that is known.
#[must_use]
pub fn decided<C>(f: &Func<C>, cmp: Cmp) -> Option<bool> {
    if let (Some(a), Some(b)) = (f.known(cmp.a), f.known(cmp.b)) {
        return Some(holds(cmp.cond, cmp.width, a, b));
    }
    if cmp.a == cmp.b {
        return match cmp.cond {
            Cond::Eq | Cond::Le | Cond::Ge | Cond::SLe | Cond::SGe => Some(true),
            Cond::Ne | Cond::Lt | Cond::Gt | Cond::SLt | Cond::SGt => Some(false),
            Cond::Set | Cond::Clear => None,
        };
    }
    // No number of so few bits is as large.
    let number = f.known(cmp.b)?;
    let bits = f.bits(cmp.a);
    let width = if cmp.width == Width::W32 { 32 } else { 64 };
    if bits >= width || number <= ones(bits) || bits_of(number) >= width {
        return None;
    }
    match cmp.cond {
        Cond::Eq | Cond::Gt | Cond::Ge | Cond::SGt | Cond::SGe => Some(false),
        Cond::Ne | Cond::Lt | Cond::Le | Cond::SLt | Cond::SLe => Some(true),
        Cond::Set | Cond::Clear => None,
    }
}
