//! Division by numbers, by multiplication.
//!
//! For a dividend of up to `n` bits and a divisor `d`, `a / d` is `a * m >> s` where `m * d` is more than `2^s` by `2^(s-n)` at
//! most (Granlund and Montgomery, "Division by Invariant Integers using Multiplication", 1994, theorem 4.2). Dividends of
//! up to 32 bits are divided so, as their products have words of their own.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BinOp, BlockId, Inst, UnOp, Value};
use alloc::vec::Vec;
use skep_isa::{Size, Width};

/// How to divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The quotient is 0.
    Zero,
    /// `(a >> before) * factor >> after`
    Product { before: u8, factor: u64, after: u8 },
    /// The factor is `2^32` more: with `t = a * factor >> 32`, `(((a - t) >> 1) + t) >> after`.
    Sum { factor: u64, after: u8 },
}

impl<C> Func<C> {
    /// Puts products in place of quotients and remainders of no more than 32 bits by numbers; whether there were any,
    /// of which some may be numbers now.
    pub fn multiply_to_divide(&mut self, flow: &Flow) -> bool {
        let mut any = false;
        if !self.kinds.divisions {
            return false;
        }
        for &block in &flow.order {
            let divides = |value: &Value| self.divisor(*value).is_some();
            if !self.blocks[block.index()].insts.iter().any(divides) {
                continue;
            }
            any = true;
            let insts = core::mem::take(&mut self.blocks[block.index()].insts);
            self.blocks[block.index()].insts = Vec::with_capacity(2 * insts.len());
            for value in insts {
                if let Some((a, divisor, is_remainder)) = self.divisor(value) {
                    self.divide(block, value, (a, divisor), is_remainder);
                } else {
                    self.blocks[block.index()].insts.push(value);
                }
            }
        }
        if any {
            self.resolve_all();
        }
        any
    }

    /// The dividend, the divisor, and whether it is the remainder that is asked for.
    fn divisor(&self, value: Value) -> Option<(Value, u64, bool)> {
        let Inst::Bin { op, width, a, b } = *self.inst(value) else { return None };
        let is_remainder = match op {
            BinOp::Div => false,
            BinOp::Mod => true,
            _ => return None,
        };
        let number = self.known(b)?;
        let number = if width == Width::W32 { number & 0xffff_ffff } else { number };
        let is_small = width == Width::W32 || self.bits(a) <= 32;
        (is_small && number > 1).then_some((a, number, is_remainder))
    }

    fn divide(&mut self, block: BlockId, value: Value, (a, by): (Value, u64), is_remainder: bool) {
        let origin = self.origin(value);
        let wide = |f: &mut Self, op, a, b| {
            f.push(block, Inst::Bin { op, width: Width::W64, a, b }, origin)
        };
        let a = self.push(block, Inst::Un { op: UnOp::Zext(Size::W), a }, origin);
        let quotient = match way(self.bits(a).min(32), by) {
            Way::Zero => self.number(0, origin),
            Way::Product { before, factor, after } => {
                let [before, factor, after] =
                    [before.into(), factor, after.into()].map(|number| self.number(number, origin));
                let shifted = wide(self, BinOp::Shr, a, before);
                let product = wide(self, BinOp::Mul, shifted, factor);
                wide(self, BinOp::Shr, product, after)
            }
            Way::Sum { factor, after } => {
                let [factor, half, one, after] =
                    [factor, 32, 1, after.into()].map(|number| self.number(number, origin));
                let product = wide(self, BinOp::Mul, a, factor);
                let part = wide(self, BinOp::Shr, product, half);
                let rest = wide(self, BinOp::Sub, a, part);
                let halved = wide(self, BinOp::Shr, rest, one);
                let sum = wide(self, BinOp::Add, halved, part);
                wide(self, BinOp::Shr, sum, after)
            }
        };
        // No quotient is more than its dividend.
        let bits = self.bits(a).min(32);
        self.set_bits(quotient, self.bits(quotient).min(bits));
        if !is_remainder {
            self.same(value, quotient);
            return;
        }
        let by = self.number(by, origin);
        let whole = Inst::Bin { op: BinOp::Mul, width: Width::W32, a: quotient, b: by };
        let whole = self.push(block, whole, origin);
        let rest = Inst::Bin { op: BinOp::Sub, width: Width::W32, a, b: whole };
        let rest = self.push(block, rest, origin);
        self.same(value, rest);
    }
}

/// How to divide what has so many bits, 32 at most, by a number that is more than 1.
fn way(bits: u8, by: u64) -> Way {
    let dividends = 1u64 << bits;
    if by >= dividends {
        return Way::Zero;
    }
    let log = by.next_power_of_two().trailing_zeros();
    let bits = u32::from(bits);
    let factor = |shift: u32| {
        // `2^shift` may be more than a word holds; by how much the product is more than that is not.
        let below = u64::MAX >> (64 - shift);
        let factor = below / by + 1;
        let error = factor.wrapping_mul(by).wrapping_sub(below).wrapping_sub(1);
        (error <= 1 << (shift - bits)).then_some(factor)
    };
    let small = |shift| factor(shift).filter(|factor| factor.checked_mul(dividends - 1).is_some());
    let shift_of = |shift: u32| u8::try_from(shift).unwrap_or(u8::MAX);
    if let Some((shift, factor)) =
        (bits..=bits + log).find_map(|shift| Some((shift, small(shift)?)))
    {
        return Way::Product { before: 0, factor, after: shift_of(shift) };
    }
    let zeroes = by.trailing_zeros();
    if zeroes > 0
        && let Way::Product { factor, after, .. } = way(shift_of(bits - zeroes), by >> zeroes)
    {
        return Way::Product { before: shift_of(zeroes), factor, after };
    }
    // The factor for 32 bits has 33 of them.
    let factor = factor(bits + log).unwrap_or_default();
    Way::Sum { factor: factor & 0xffff_ffff, after: shift_of(log.saturating_sub(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(a: u64, bits: u8, by: u64) -> u64 {
        match way(bits, by) {
            Way::Zero => 0,
            Way::Product { before, factor, after } => {
                (a >> before).checked_mul(factor).expect("a word") >> after
            }
            Way::Sum { factor, after } => {
                let part = a.checked_mul(factor).expect("a word") >> 32;
                (((a - part) >> 1) + part) >> after
            }
        }
    }

    #[test]
    fn quotients_of_few_bits_are_exact() {
        for bits in 1..=9 {
            for by in 2..1 << 9 {
                for a in 0..1 << bits {
                    assert_eq!(divide(a, bits, by), a / by, "{a} / {by}, {bits} bits");
                }
            }
        }
    }

    #[test]
    fn quotients_of_many_bits_are_exact_at_multiples() {
        let mut ways = [0u32; 3];
        for bits in 13..=32u8 {
            let most = (1u64 << bits) - 1;
            let near = |n: u64| [n.wrapping_sub(1), n, n + 1];
            let powers = (1..=bits).flat_map(|log| near(1 << log));
            let divisors = (2..3000).chain(powers).chain((1..300).map(|n| most / n));
            for by in divisors.filter(|by| *by > 1 && *by <= most) {
                match way(bits, by) {
                    Way::Zero => {}
                    Way::Product { before: 0, .. } => ways[0] += 1,
                    Way::Product { .. } => ways[1] += 1,
                    Way::Sum { .. } => ways[2] += 1,
                }
                let last = most / by;
                let quotients = [1, 2, 3, last / 2, last.saturating_sub(1), last];
                let multiples = quotients.into_iter().flat_map(|n| near(n * by));
                for a in multiples.chain([0, most]).filter(|a| *a <= most) {
                    assert_eq!(divide(a, bits, by), a / by, "{a} / {by}, {bits} bits");
                }
            }
        }
        assert!(ways.iter().all(|ways| *ways > 0), "{ways:?}");
    }
}
