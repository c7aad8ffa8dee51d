//! Numbers and ranges read back from the words of the kernel's log.

use crate::{Scalar, Tnum};
use core::str::FromStr;

/// The text is not a scalar of the kernel's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("not a number or `scalar(…)` as the kernel's log has it")]
pub struct ParseScalarError;

/// Reads what [`Display`](core::fmt::Display) writes, with or without the precision mark `P` and the
/// identity `id=…` that the log may add; both are dropped.
impl FromStr for Scalar {
    type Err = ParseScalarError;

    fn from_str(text: &str) -> Result<Self, ParseScalarError> {
        parse(text.strip_prefix('P').unwrap_or(text)).ok_or(ParseScalarError)
    }
}

fn parse(text: &str) -> Option<Scalar> {
    let Some(parts) = text.strip_prefix("scalar(") else {
        return number(text).map(Scalar::constant);
    };
    let mut scalar = Scalar::UNKNOWN;
    let parts = parts.strip_suffix(')')?;
    for part in parts.split(',').filter(|part| !part.is_empty()) {
        if !part.starts_with("id=") {
            set(&mut scalar, part)?;
        }
    }
    Some(scalar)
}

/// One part, such as `smin=umin=5` or `var_off=(0x0; 0xff)`.
fn set(scalar: &mut Scalar, part: &str) -> Option<()> {
    let (names, value) = part.rsplit_once('=')?;
    for name in names.split('=') {
        let half = || number(value).map(half);
        match name {
            "smin" => scalar.smin = number(value)?.cast_signed(),
            "smax" => scalar.smax = number(value)?.cast_signed(),
            "umin" => scalar.umin = number(value)?,
            "umax" => scalar.umax = number(value)?,
            "smin32" => scalar.s32_min = half()?.cast_signed(),
            "smax32" => scalar.s32_max = half()?.cast_signed(),
            "umin32" => scalar.u32_min = half()?,
            "umax32" => scalar.u32_max = half()?,
            "var_off" => scalar.var_off = tnum(value)?,
            _ => return None,
        }
    }
    Some(())
}

/// A bound of a half is shown in its own width; a negative one in decimal has more bits.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked")]
const fn half(bits: u64) -> u32 {
    bits as u32
}

fn tnum(text: &str) -> Option<Tnum> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let Some((value, mask)) = inner.and_then(|text| text.split_once("; ")) else {
        return number(text).map(Tnum::constant);
    };
    let (value, mask) = (number(value)?, number(mask)?);
    (value & mask == 0).then(|| Tnum::new(value, mask))
}

fn number(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('-') {
        Some(_) => text.parse().ok().map(i64::cast_unsigned),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn what_is_shown_is_read_back() {
        for text in [
            "7",
            "-1",
            "0x7fffffffffffffff",
            "scalar()",
            "scalar(smin=smin32=-5,smax=smax32=5)",
            "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))",
            "scalar(umin=0x80000000,smin32=-4096,umin32=0xfffff000,var_off=(0x80; 0xffffffffffffff0f))",
        ] {
            assert_eq!(
                text.parse::<Scalar>().map(|scalar| scalar.to_string()).as_deref(),
                Ok(text)
            );
        }
        let named: Result<Scalar, _> = "Pscalar(id=3+8,umax=9)".parse();
        assert_eq!(named, Ok(Scalar { umax: 9, ..Scalar::UNKNOWN }));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "scalar", "scalar(", "scalar(umax)", "scalar(umax=x)", "fp-8", "0x", "-x"]
        {
            assert_eq!(text.parse::<Scalar>(), Err(ParseScalarError), "{text}");
        }
        assert!("scalar(var_off=(0x1; 0x1))".parse::<Scalar>().is_err());
    }
}
