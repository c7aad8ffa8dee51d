//! Numbers and ranges in the words of the kernel's log.

use crate::{Scalar, ScalarOf};
use core::fmt;

/// A number as the log shows unsigned ones: small ones in decimal, others in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsigned(pub u64);

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 <= u64::from(u16::MAX) {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:#x}", self.0)
        }
    }
}

/// A number as the log shows signed ones: of 16 bits in decimal, others as bits in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed(pub i64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if i16::try_from(self.0).is_ok() {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:#x}", self.0)
        }
    }
}

/// What stands between the parentheses of `scalar(…)`: the ranges that say something, equal ones
/// together, and `var_off`. `sep` is what precedes the first of them.
#[derive(Clone, Copy, Debug)]
pub struct Ranges<'a> {
    /// The number.
    pub scalar: &'a Scalar,
    /// `","` if something stands before, or `""`.
    pub sep: &'static str,
}

struct Bound {
    name: &'static str,
    value: u64,
    signed: bool,
    shown: bool,
}

impl Bound {
    fn is_negative(&self) -> bool {
        self.signed && self.value.cast_signed() < 0
    }
}

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = self.sep;
        let mut bounds = bounds(self.scalar);
        for at in 0..bounds.len() {
            if bounds[at].shown {
                continue;
            }
            write!(f, "{sep}{}=", bounds[at].name)?;
            sep = ",";
            for same in (at + 2..bounds.len()).step_by(2) {
                if !bounds[same].shown
                    && bounds[same].value == bounds[at].value
                    && bounds[same].is_negative() == bounds[at].is_negative()
                {
                    bounds[same].shown = true;
                    write!(f, "{}=", bounds[same].name)?;
                }
            }
            if bounds[at].signed {
                write!(f, "{}", Signed(bounds[at].value.cast_signed()))?;
            } else {
                write!(f, "{}", Unsigned(bounds[at].value))?;
            }
        }
        if !self.scalar.var_off.is_unknown() {
            write!(f, "{sep}var_off={}", self.scalar.var_off)?;
        }
        Ok(())
    }
}

/// The eight bounds in the order of the log; those that say nothing count as shown.
fn bounds(scalar: &Scalar) -> [Bound; 8] {
    let unsigned = |name, value, extreme| Bound { name, value, signed: false, shown: extreme };
    let signed = |name, value: i64, extreme| Bound {
        name,
        value: value.cast_unsigned(),
        signed: true,
        shown: extreme,
    };
    // Where it shows bits, the log shows those of the narrow number.
    let narrow = |value: i32| {
        if i16::try_from(value).is_ok() {
            i64::from(value)
        } else {
            i64::from(value.cast_unsigned())
        }
    };
    let s = scalar;
    [
        signed("smin", s.smin, s.smin == i64::MIN),
        signed("smax", s.smax, s.smax == i64::MAX),
        unsigned("umin", s.umin, s.umin == 0),
        unsigned("umax", s.umax, s.umax == u64::MAX),
        signed("smin32", narrow(s.s32_min), s.s32_min == i32::MIN),
        signed("smax32", narrow(s.s32_max), s.s32_max == i32::MAX),
        unsigned("umin32", u64::from(s.u32_min), s.u32_min == 0),
        unsigned("umax32", u64::from(s.u32_max), s.u32_max == u32::MAX),
    ]
}

/// As the kernel's log has a scalar without identity: `42`, `scalar()` or
/// `scalar(smin=smin32=0,…,var_off=(0x0; 0xff))`.
impl<const OLD: bool> fmt::Display for ScalarOf<u64, OLD> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_const() {
            Some(value) => Signed(value.cast_signed()).fmt(f),
            None => write!(f, "scalar({})", Ranges { scalar: &self.with_arithmetic(), sep: "" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tnum;
    use alloc::string::ToString;

    #[test]
    fn constants_are_shown_as_numbers() {
        assert_eq!(Scalar::constant(7).to_string(), "7");
        assert_eq!(Scalar::constant(u64::MAX).to_string(), "-1");
        assert_eq!(Scalar::constant(1 << 40).to_string(), "0x10000000000");
        assert_eq!(Tnum::new(8, 7).to_string(), "(0x8; 0x7)");
    }

    #[test]
    fn equal_bounds_are_shown_together() {
        let mut byte = Scalar::UNKNOWN;
        assert_eq!(byte.to_string(), "scalar()");
        byte.coerce_to_size(1);
        assert_eq!(
            byte.to_string(),
            "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"
        );
    }
}
