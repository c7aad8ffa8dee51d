//! Numbers of 32 bits made of gates.

use super::gates::{Bit, Gates, Model};
use skep_cbpf::{AluOp, CondOp};

/// A number, its least bit first.
pub(super) type Word = [Bit; 32];

/// A constant.
pub(super) fn constant(value: u32) -> Word {
    std::array::from_fn(|at| Bit::of(value >> at & 1 != 0))
}

/// The number, if it depends on nothing.
pub(super) fn known(word: &Word) -> Option<u32> {
    word.iter()
        .enumerate()
        .try_fold(0, |value, (at, bit)| Some(value | u32::from(bit.known()?) << at))
}

/// The number in the values that a search found.
pub(super) fn value(model: &Model, word: &[Bit]) -> u32 {
    word.iter().enumerate().fold(0, |value, (at, &bit)| value | u32::from(model.value(bit)) << at)
}

impl Gates {
    pub(super) fn choose(&mut self, cond: Bit, yes: &Word, no: &Word) -> Word {
        std::array::from_fn(|at| self.choice(cond, yes[at], no[at]))
    }

    pub(super) fn any(&mut self, bits: &[Bit]) -> Bit {
        bits.iter().fold(Bit::FALSE, |any, &bit| self.or(any, bit))
    }

    /// Whether numbers of as many bits are equal.
    pub(super) fn equal(&mut self, a: &[Bit], b: &[Bit]) -> Bit {
        a.iter().zip(b).fold(Bit::TRUE, |all, (&a, &b)| {
            let same = self.xor(a, b).not();
            self.and(all, same)
        })
    }

    /// `a < b`
    pub(super) fn below(&mut self, a: &[Bit], b: &[Bit]) -> Bit {
        a.iter().zip(b).fold(Bit::FALSE, |below, (&a, &b)| {
            let differ = self.xor(a, b);
            self.choice(differ, b, below)
        })
    }

    fn add_with(&mut self, a: &[Bit], b: &[Bit], carry: Bit) -> (Vec<Bit>, Bit) {
        let mut carry = carry;
        let sum = a.iter().zip(b).map(|(&a, &b)| {
            let half = self.xor(a, b);
            let sum = self.xor(half, carry);
            carry = self.choice(half, carry, a);
            sum
        });
        let sum = sum.collect();
        (sum, carry)
    }

    pub(super) fn add_words(&mut self, a: &Word, b: &Word) -> Word {
        word(&self.add_with(a, b, Bit::FALSE).0)
    }

    fn subtract(&mut self, a: &Word, b: &Word) -> Word {
        word(&self.add_with(a, &b.map(Bit::not), Bit::TRUE).0)
    }

    pub(super) fn negate(&mut self, a: &Word) -> Word {
        self.subtract(&constant(0), a)
    }

    fn multiply(&mut self, a: &Word, b: &Word) -> Word {
        // The one with more known bits decides what is added.
        let free = |word: &Word| word.iter().filter(|bit| bit.known().is_none()).count();
        let (a, b) = if free(b) <= free(a) { (a, b) } else { (b, a) };
        let mut sum = constant(0);
        for (at, &bit) in b.iter().enumerate() {
            if bit != Bit::FALSE {
                let part: Word = std::array::from_fn(|to| {
                    if to < at { Bit::FALSE } else { self.and(bit, a[to - at]) }
                });
                sum = self.add_words(&sum, &part);
            }
        }
        sum
    }

    /// Quotient and remainder, by long division; of a division by zero they make no sense.
    fn divide(&mut self, a: &Word, b: &Word) -> (Word, Word) {
        let (mut quotient, mut rest) = (constant(0), [Bit::FALSE; 33]);
        let wide: Vec<Bit> = b.iter().copied().chain([Bit::FALSE]).collect();
        let opposite: Vec<Bit> = wide.iter().map(|bit| bit.not()).collect();
        for at in (0..32).rev() {
            rest.copy_within(0..32, 1);
            rest[0] = a[at];
            let (less, fits) = self.add_with(&rest, &opposite, Bit::TRUE);
            quotient[at] = fits;
            for (rest, less) in rest.iter_mut().zip(less) {
                *rest = self.choice(fits, less, *rest);
            }
        }
        (quotient, word(&rest[..32]))
    }

    fn shift(&mut self, a: &Word, by: &Word, left: bool) -> Word {
        let mut a = *a;
        for (step, &bit) in by.iter().enumerate().take(5) {
            let distance = 1usize << step;
            let moved: Word = std::array::from_fn(|at| {
                let from = if left { at.checked_sub(distance) } else { Some(at + distance) };
                from.and_then(|from| a.get(from).copied()).unwrap_or(Bit::FALSE)
            });
            a = self.choose(bit, &moved, &a);
        }
        a
    }

    /// Arithmetic, and whether there is a result.
    pub(super) fn arithmetic(&mut self, op: AluOp, a: &Word, b: &Word) -> (Word, Bit) {
        let each = |this: &mut Self, gate: fn(&mut Self, Bit, Bit) -> Bit| -> Word {
            std::array::from_fn(|at| gate(this, a[at], b[at]))
        };
        let value = match op {
            AluOp::Add => self.add_words(a, b),
            AluOp::Sub => self.subtract(a, b),
            AluOp::Mul => self.multiply(a, b),
            AluOp::Div | AluOp::Mod => {
                let (quotient, rest) = self.divide(a, b);
                let value = if op == AluOp::Div { quotient } else { rest };
                return (value, self.any(b));
            }
            AluOp::And => each(self, Self::and),
            AluOp::Or => each(self, Self::or),
            AluOp::Xor => each(self, Self::xor),
            AluOp::Lsh => self.shift(a, b, true),
            AluOp::Rsh => self.shift(a, b, false),
        };
        (value, Bit::TRUE)
    }

    pub(super) fn condition(&mut self, op: CondOp, a: &Word, b: &Word) -> Bit {
        match op {
            CondOp::Eq => self.equal(a, b),
            CondOp::Gt => self.below(b, a),
            CondOp::Ge => self.below(a, b).not(),
            CondOp::Set => {
                let (both, _) = self.arithmetic(AluOp::And, a, b);
                self.any(&both)
            }
        }
    }
}

fn word(bits: &[Bit]) -> Word {
    std::array::from_fn(|at| bits.get(at).copied().unwrap_or(Bit::FALSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPS: [AluOp; 10] = [
        AluOp::Add,
        AluOp::Sub,
        AluOp::Mul,
        AluOp::Div,
        AluOp::Mod,
        AluOp::And,
        AluOp::Or,
        AluOp::Xor,
        AluOp::Lsh,
        AluOp::Rsh,
    ];
    const NUMBERS: [u32; 10] =
        [0, 1, 2, 3, 31, 33, 0x8000_0000, 0x7fff_ffff, u32::MAX, 0x1234_5678];

    #[test]
    fn constants_are_folded_to_what_the_interpreter_computes() {
        let mut gates = Gates::new(usize::MAX);
        for (a, b) in NUMBERS.into_iter().flat_map(|a| NUMBERS.map(|b| (a, b))) {
            for op in OPS {
                let (value, ok) = gates.arithmetic(op, &constant(a), &constant(b));
                assert_eq!(ok.known(), Some(op.apply(a, b).is_some()), "{a} {op:?} {b}");
                if let Some(want) = op.apply(a, b) {
                    assert_eq!(known(&value), Some(want), "{a} {op:?} {b}");
                }
            }
            let cond = |gates: &mut Gates, op| {
                gates.condition(op, &constant(a), &constant(b)).known().unwrap()
            };
            assert_eq!(cond(&mut gates, CondOp::Eq), a == b);
            assert_eq!(cond(&mut gates, CondOp::Gt), a > b);
            assert_eq!(cond(&mut gates, CondOp::Ge), a >= b);
            assert_eq!(cond(&mut gates, CondOp::Set), a & b != 0);
            assert_eq!(known(&gates.negate(&constant(a))), Some(a.wrapping_neg()));
        }
    }

    #[test]
    fn inputs_give_the_same_as_constants() {
        use super::super::gates::{Found, Search};
        for op in OPS {
            let mut gates = Gates::new(usize::MAX);
            let (a, b): (Word, Word) =
                (std::array::from_fn(|_| gates.input()), std::array::from_fn(|_| gates.input()));
            let (value, ok) = gates.arithmetic(op, &a, &b);
            for (va, vb) in NUMBERS.into_iter().flat_map(|a| NUMBERS.map(|b| (a, b))) {
                let mut search = Search::new(100_000);
                let pins: Vec<Bit> = a
                    .iter()
                    .zip(constant(va))
                    .chain(b.iter().zip(constant(vb)))
                    .map(|(&bit, pin)| if pin == Bit::TRUE { bit } else { bit.not() })
                    .collect();
                for &bit in value.iter().chain([&ok]) {
                    search.require(&gates, &[bit, bit.not()]);
                }
                assert_eq!(search.find(&gates, &pins), Found::Model);
                let want = op.apply(va, vb);
                let model = search.model(&gates);
                assert_eq!(model.value(ok), want.is_some(), "{va} {op:?} {vb}");
                if let Some(want) = want {
                    assert_eq!(super::value(&model, &value), want, "{va} {op:?} {vb}");
                }
            }
        }
    }
}
