//! What one test says about another on the same value.

use crate::form::{Cmp, Rhs, Test};

/// A test and how it came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub(crate) test: Test,
    pub(crate) holds: bool,
}

impl Fact {
    /// How another test comes out, if the fact decides it. Equal to [`Cmp::Gt`] no constant is compared:
    /// tests against constants are brought to [`Cmp::Eq`] and [`Cmp::Ge`] first.
    #[inline]
    pub(crate) fn decides(&self, other: &Test) -> Option<bool> {
        let this = &self.test;
        if this.value != other.value {
            return None;
        }
        // Most facts are of this kind, and decide nothing but the same test, or whether it is 0.
        if !self.holds && this.cmp == Cmp::Eq && this.mask == u32::MAX {
            if this == other {
                return Some(false);
            }
            if this.rhs != Rhs::Const(0) {
                return None;
            }
        }
        // Or say which number it is, where others are asked for.
        if self.holds
            && let (
                Test { mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(known), .. },
                Test { mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(asked), .. },
            ) = (this, other)
        {
            return Some(known == asked);
        }
        self.decides_more(other)
    }

    /// Whether what [`Fact::decides`] says is plain: it is the same test, or both ask whether the value is some number.
    pub(crate) fn is_plain(&self, other: &Test) -> bool {
        let is_number = |test: &Test| test.cmp == Cmp::Eq && test.mask == self.test.mask;
        self.test == *other || self.holds && is_number(&self.test) && is_number(other)
    }

    fn decides_more(&self, other: &Test) -> Option<bool> {
        let this = &self.test;
        let (Rhs::Const(known), Rhs::Const(asked)) = (this.rhs, other.rhs) else {
            return (this == other).then_some(self.holds);
        };
        let known = Known { mask: this.mask, value: known };
        match (this.cmp, self.holds, other.cmp) {
            (Cmp::Eq, true, Cmp::Eq) => known.bits_equal(other.mask, asked),
            (Cmp::Eq, true, _) => known.bits_at_least(other.mask, asked),
            (Cmp::Eq, false, Cmp::Eq) => known.differs_equal(other.mask, asked),
            // What is not 0 is at least 1.
            (Cmp::Eq, false, _) => {
                (known.value == 0 && asked == 1 && this.mask == other.mask).then_some(true)
            }
            (_, true, Cmp::Eq) => {
                let greatest = asked | !other.mask;
                (this.mask == u32::MAX && greatest < known.value
                    || this.mask == other.mask && asked < known.value)
                    .then_some(false)
            }
            (_, false, Cmp::Eq) if known.value == 1 => {
                Known { mask: this.mask, value: 0 }.bits_equal(other.mask, asked)
            }
            // Numbers below have none of the bits.
            (_, false, Cmp::Eq)
                if this.mask == u32::MAX
                    && 1 << other.mask.trailing_zeros().min(31) >= known.value =>
            {
                Some(asked == 0)
            }
            (_, false, Cmp::Eq) => {
                let same = this.mask == u32::MAX || this.mask == other.mask;
                (same && asked >= known.value).then_some(false)
            }
            (_, true, _) => (this.mask == other.mask && known.value >= asked).then_some(true),
            (_, false, _) => (this.mask == other.mask && known.value <= asked).then_some(false),
        }
    }
}

/// A number compared, and the bits it is about.
struct Known {
    mask: u32,
    value: u32,
}

impl Known {
    /// The bits are known; is `v & mask == asked`?
    const fn bits_equal(&self, mask: u32, asked: u32) -> Option<bool> {
        if (self.value ^ asked) & self.mask & mask != 0 {
            Some(false)
        } else if mask & !self.mask == 0 {
            Some(true)
        } else {
            None
        }
    }

    /// The bits are known; is `v & mask >= asked`?
    const fn bits_at_least(&self, mask: u32, asked: u32) -> Option<bool> {
        if self.value & mask >= asked {
            Some(true)
        } else if (self.value | !self.mask) & mask < asked {
            Some(false)
        } else {
            None
        }
    }

    /// The bits are not these; is `v & mask == asked`?
    const fn differs_equal(&self, mask: u32, asked: u32) -> Option<bool> {
        if self.mask & !mask == 0 && asked & self.mask == self.value {
            return Some(false);
        }
        // A single bit that is not the one is the other.
        if self.mask.is_power_of_two() && self.mask == mask && asked & !mask == 0 {
            return Some(true);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair of tests on five bits, as the graph makes them: what is decided is so for every
    /// number.
    #[test]
    fn what_is_decided_is_so() {
        let masks = [0x1f, 0x1e, 0x18, 0x07, 0x01, 0x10, 0x15];
        let tests: Vec<Test> = [Cmp::Eq, Cmp::Ge]
            .into_iter()
            .flat_map(|cmp| {
                masks.into_iter().flat_map(move |mask| {
                    let possible = move |&k: &u32| match cmp {
                        Cmp::Eq => k & !mask == 0,
                        _ => k > 0 && k <= mask,
                    };
                    (0..32).filter(possible).map(move |k| Test {
                        value: 0,
                        mask,
                        cmp,
                        rhs: Rhs::Const(k),
                    })
                })
            })
            .collect();
        let holds = |test: &Test, value: u32| {
            let Rhs::Const(k) = test.rhs else { unreachable!() };
            crate::form::compare(test.cmp, value & test.mask, k)
        };
        let mut decided = 0;
        for &test in &tests {
            for outcome in [false, true] {
                for other in &tests {
                    let Some(said) = (Fact { test, holds: outcome }).decides(other) else {
                        continue;
                    };
                    decided += 1;
                    for value in 0..32 {
                        if holds(&test, value) == outcome {
                            assert_eq!(holds(other, value), said, "{test:?} {outcome} {other:?}");
                        }
                    }
                }
            }
        }
        assert!(decided > 10_000, "{decided}");
    }
}
