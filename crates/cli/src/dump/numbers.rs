//! Numbers as tcpdump reads them.

use clap::Command;
use std::str::FromStr;

/// Has the numbers of `skep dump` read as tcpdump reads them.
pub(crate) fn as_tcpdump(dump: Command) -> Command {
    dump.mut_arg("count_packets", |arg| arg.value_parser(|text: &str| leading::<u64>(text, 1)))
        .mut_arg("buffer_size", |arg| {
            // In bytes it is a number of 31 bits.
            arg.value_parser(|text: &str| {
                leading::<u32>(text, 1).and_then(|kib| is_at_most(kib, (1 << 21) - 1))
            })
        })
        .mut_arg("rotate_seconds", |arg| arg.value_parser(|text: &str| leading::<u32>(text, 0)))
        .mut_arg("files", |arg| arg.value_parser(|text: &str| leading::<u32>(text, 1)))
        .mut_arg("snaplen", |arg| {
            arg.value_parser(|text: &str| whole(text).and_then(|bytes| is_at_most(bytes, 262_144)))
        })
}

/// What a text begins with, as atoi(3) takes it: 0 if that is no number.
fn leading<T: TryFrom<i32>>(text: &str, least: i32) -> Result<T, String> {
    let text = text.trim_ascii_start();
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    let number = match i64::from_str(&text[..sign + digits]) {
        Ok(number) => number,
        Err(_) if digits == 0 => 0,
        Err(_) => i64::MAX,
    };
    // Its lower half.
    let [a, b, c, d, ..] = number.to_le_bytes();
    let number = i32::from_le_bytes([a, b, c, d]);
    let number = Some(number).filter(|&number| number >= least);
    number
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| format!("it is not {least} or more"))
}

/// The number that a text is, as strtol(3) takes it: a C constant.
fn whole(text: &str) -> Result<u32, String> {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("it is no number".to_owned());
    }
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hex {
        Some(digits) => u32::from_str_radix(digits, 16),
        None if text.starts_with('0') => u32::from_str_radix(text, 8),
        None => text.parse(),
    };
    number.map_err(|err| err.to_string())
}

fn is_at_most(number: u32, most: u32) -> Result<u32, String> {
    Some(number).filter(|&number| number <= most).ok_or_else(|| format!("it is not {most} or less"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_c() {
        for (text, number) in [
            ("3", Some(3)),
            (" 3", Some(3)),
            ("3x", Some(3)),
            ("+3", Some(3)),
            ("0x10", None),
            ("-1", None),
            ("x", None),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("99999999999", Some(1_215_752_191)),
            ("99999999999999999999", None),
        ] {
            assert_eq!(leading::<u32>(text, 1).ok(), number, "{text}");
        }
        assert_eq!(leading(" x", 0), Ok(0_u32));
        for (text, number) in [
            ("16", Some(16)),
            ("0x10", Some(16)),
            ("020", Some(16)),
            (" +16", Some(16)),
            ("0", Some(0)),
            ("16x", None),
            ("-1", None),
            ("", None),
            ("0x", None),
            ("++1", None),
        ] {
            assert_eq!(whole(text).ok(), number, "{text}");
        }
    }
}
