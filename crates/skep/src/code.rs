//! Instructions in whatever form a file holds them.

use crate::{InputError, ReadImage, read_image};
use skep_cbpf::Format;
use skep_isa::Insns;

/// What a file holds.
#[derive(Debug)]
pub enum Code {
    /// Programs and maps: an ELF object or an assembly text.
    Image(ReadImage),
    /// A classic program: a listing as of `tcpdump -d`, `-dd` or `-ddd`.
    Classic(Vec<skep_cbpf::RawInsn>),
    /// The instructions of one program: raw, or as bytes in hex.
    Insns(Insns),
}

/// Reads an ELF object, an assembly text, a listing of classic BPF, raw instructions, or those as
/// text in hex; whichever it is by its content.
///
/// ```
/// use skep::{Code, read_code};
///
/// let code = read_code(b"95 00 00 00 00 00 00 00\n", "exit.hex").unwrap();
/// assert!(matches!(code, Code::Insns(insns) if insns.len() == 1));
/// ```
///
/// # Errors
/// [`InputError`]
pub fn read_code(bytes: &[u8], name: &str) -> Result<Code, InputError> {
    let text = str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let Some(text) = text else {
        let raw = !bytes.starts_with(b"\x7fELF") && bytes.len().is_multiple_of(8);
        return match skep_isa::decode(bytes) {
            Ok(insns) if raw => Ok(Code::Insns(insns)),
            Err(err) if raw && !bytes.is_empty() => Err(err.into()),
            _ => Ok(Code::Image(read_image(bytes, name)?)),
        };
    };
    match Format::detect(text) {
        Some(Format::Decimal) => {
            if let Ok(insns) = skep_cbpf::parse(text) {
                return Ok(Code::Classic(insns));
            }
        }
        Some(Format::Text | Format::C) => return Ok(Code::Classic(skep_cbpf::parse(text)?)),
        None => {}
    }
    match hex(text) {
        Some(bytes) => Ok(Code::Insns(skep_isa::decode(&bytes)?)),
        None => Ok(Code::Image(read_image(bytes, name)?)),
    }
}

/// Bytes as pairs of hex digits, in words of any number of pairs, with or without `0x` and commas.
/// Whole slots: anything else is left to be read as assembly.
fn hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for word in text.split(|c: char| c.is_ascii_whitespace() || c == ',') {
        let digits = word.strip_prefix("0x").unwrap_or(word).as_bytes();
        let (pairs, odd) = digits.as_chunks::<2>();
        if !odd.is_empty() {
            return None;
        }
        for &pair in pairs {
            let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
            bytes.push(u8::try_from(high? << 4 | low?).ok()?);
        }
    }
    (!bytes.is_empty() && bytes.len().is_multiple_of(8)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(bytes: &[u8]) -> String {
        match read_code(bytes, "x") {
            Ok(Code::Image(read)) => format!("image of {}", read.image.progs.len()),
            Ok(Code::Classic(insns)) => format!("{} classic", insns.len()),
            Ok(Code::Insns(insns)) => format!("{} insns", insns.len()),
            Err(err) => err.to_string(),
        }
    }

    #[test]
    fn content_says_what_it_is() {
        let exit = [0x95, 0, 0, 0, 0, 0, 0, 0];
        let table: [(&[u8], &str); 15] = [
            (&exit, "1 insns"),
            (&[exit, exit].concat(), "2 insns"),
            (&[0xff, 0, 0, 0, 0, 0, 0, 0], "insn 0 is no instruction"),
            (&[0x95, 0, 0], "neither an ELF object nor assembly text: byte 0x95 at offset 0"),
            (b"95 00 00 00 00 00 00 00", "1 insns"),
            (b"9500000000000000\n0x9500000000000000", "2 insns"),
            (b"0x95, 0x00, 0x00, 0x00, 0, 0, 0, 0", "the assembly text has errors"),
            (b"exit", "image of 1"),
            (b"r0 = 1\nexit\n", "image of 1"),
            (b"1\n6 0 0 0\n", "1 classic"),
            (b"(000) ret #0", "1 classic"),
            (b"{ 0x6, 0, 0, 0x00000000 },", "1 classic"),
            (b"", "the file is empty"),
            (b"0: (95) exit", "image of 1"),
            (b"(000) what", "line 1, column 7: unknown instruction `what`"),
        ];
        for (bytes, want) in table {
            assert_eq!(kind(bytes), want, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
