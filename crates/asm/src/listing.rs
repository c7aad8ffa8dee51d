//! Pasted listings: what tools print around instructions.
//!
//! - The kernel's verifier log and bpftool: `5: (bf) r1 = r2`.
//! - llvm-objdump: `5: bf 21 00 00 00 00 00 00 r1 = r2`, `5: r1 = r2`, function headers
//!   (`0000000000000000 <main>:`), section headers, relocations between the lines.
//! - bpftool with BTF: function headers (`int main(struct xdp_md * ctx):`), opcodes on lines of
//!   their own.

use skep_isa::{Insn, RawInsn};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// No part of a listing: assembly.
    Plain,
    /// An instruction; what a line of assembly would have begins at byte `rest`.
    Insn { at: u32, code: Option<u8>, raw: Option<Insn>, rest: usize },
    /// The name of the function that begins here.
    Header(&'a str),
    /// The section of what follows.
    Section(&'a str),
    /// The instruction before refers to this symbol.
    Reloc(&'a str),
    /// Says nothing about instructions.
    Noise,
}

/// How lines begin that a verifier log has besides instructions.
#[rustfmt::skip]
const NOISE: [&str; 18] = [
    "processed ", "func#", "mark_precise:", "last_idx ", "regs=", "parent ", "Validating ",
    "Live regs before", "verification time", "stack depth ", "propagating ",
    "returning from callee", "to caller at ", "Func#", "libbpf: ",
    "-- END PROG LOAD LOG --", "BPF program load failed", "arg#",
];

/// Tells what a line is.
pub(crate) fn classify(line: &str) -> Kind<'_> {
    let text = line.trim();
    if let Some(header) = header(text) {
        return header;
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0
        && let Some(rest) = text[digits..].strip_prefix(':')
    {
        return numbered(line, &text[..digits], rest);
    }
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    let path = text.strip_prefix("from ").is_some_and(|rest| rest.starts_with(is_digit));
    // `(0) frame 0 insn 19 +live -8`
    let live = text
        .strip_prefix('(')
        .and_then(|rest| rest.trim_start_matches(is_digit).strip_prefix(") "));
    let live =
        live.is_some_and(|rest| rest.starts_with("frame ") || rest.starts_with("live stack"));
    if path || live || begins(&NOISE) || text.contains(":\tfile format ") || is_state(text) {
        return Kind::Noise;
    }
    if bytes(text).is_some_and(|(_, len)| len == text.len()) {
        return Kind::Noise;
    }
    Kind::Plain
}

const fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn header(text: &str) -> Option<Kind<'_>> {
    if let Some(section) = text.strip_prefix("Disassembly of section ") {
        return Some(Kind::Section(section.strip_suffix(':')?));
    }
    let hex = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    if hex == 16 {
        let rest = &text[16..];
        if let Some(name) = rest.strip_prefix(" <").and_then(|rest| rest.strip_suffix(">:")) {
            return Some(Kind::Header(name));
        }
        let mut words = rest.strip_prefix(':')?.split_whitespace();
        return words
            .next()?
            .starts_with("R_BPF_64_")
            .then(|| words.next())
            .flatten()
            .map(Kind::Reloc);
    }
    // `int main(struct xdp_md * ctx):`, and `bpf_prog_0123456789abcdef_main:` is a plain label.
    let signature = text.strip_suffix("):")?;
    let before = &signature[..signature.find('(')?];
    let words = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ' ' | '*');
    if !before.chars().all(words) {
        return None;
    }
    let name = before.rsplit([' ', '*']).next()?;
    (!name.is_empty()).then_some(Kind::Header(name))
}

/// `R0=ctx() R10=fp0`, `frame1: R1_w=…`: what the verifier knows.
fn is_state(text: &str) -> bool {
    let after_frame = text.strip_prefix("frame").map_or(text, |rest| {
        rest.trim_start_matches(is_digit).strip_prefix(": ").unwrap_or_default()
    });
    let Some(reg) = after_frame.strip_prefix('R') else { return after_frame.starts_with("fp-") };
    let rest = reg.trim_start_matches(is_digit);
    let mark =
        rest.strip_prefix('_').map_or(rest, |mark| mark.trim_start_matches(char::is_alphabetic));
    rest.len() < reg.len() && mark.starts_with('=')
}

fn numbered<'a>(line: &'a str, number: &str, rest: &'a str) -> Kind<'a> {
    let Ok(at) = number.parse() else { return Kind::Plain };
    let text = rest.trim_start();
    // The trimmed end does not matter to what reads on.
    let offset = |rest: &str| rest.as_ptr() as usize - line.as_ptr() as usize;
    // `safe`: explored before, from a state that covers this one.
    if text.is_empty() || text == "safe" || is_state(text) {
        return Kind::Noise;
    }
    let text = without_live_regs(text);
    if let Some((code, insn)) = opcode(text) {
        return Kind::Insn { at, code: Some(code), raw: None, rest: offset(insn) };
    }
    if let Some((insn, len)) = bytes(text) {
        return Kind::Insn { at, code: None, raw: insn, rest: offset(&text[len..]) };
    }
    Kind::Insn { at, code: None, raw: None, rest: offset(text) }
}

/// What follows `.1........ ` of the table of live registers, a place for each but r10.
fn without_live_regs(text: &str) -> &str {
    match text.split_once(' ') {
        Some((mask, rest))
            if mask.len() == 10 && mask.bytes().all(|c| c == b'.' || c.is_ascii_digit()) =>
        {
            rest
        }
        _ => text,
    }
}

/// `(bf) …`
fn opcode(text: &str) -> Option<(u8, &str)> {
    let (code, rest) = text.strip_prefix('(')?.split_once(')')?;
    let hex = code.len() == 2 && code.bytes().all(|c| c.is_ascii_hexdigit());
    hex.then(|| u8::from_str_radix(code, 16).ok()).flatten().map(|code| (code, rest))
}

/// Eight or sixteen bytes in hex, what they mean, and the length of their text. Two slots are an
/// `lddw`.
fn bytes(text: &str) -> Option<(Option<Insn>, usize)> {
    let mut slots = [[0; 8]; 2];
    let mut len = 0;
    let mut count = 0;
    for (n, word) in text.split([' ', '\t']).enumerate().take(16) {
        let hex = word.len() == 2 && word.bytes().all(|c| c.is_ascii_hexdigit());
        if !hex {
            break;
        }
        slots[n / 8][n % 8] = u8::from_str_radix(word, 16).ok()?;
        len += 2 + usize::from(n > 0);
        count = n + 1;
    }
    let second = match count {
        8 => None,
        16 => Some(RawInsn::from_le_bytes(slots[1])),
        _ => return None,
    };
    let insn = Insn::decode(RawInsn::from_le_bytes(slots[0]), second).ok();
    Some((insn.filter(|insn| insn.slots() as usize * 8 == count), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tools_are_known() {
        let insn = |at, code, rest| Kind::Insn { at, code, raw: None, rest };
        let table = [
            ("r1 = r2", Kind::Plain),
            ("", Kind::Plain),
            ("loop:", Kind::Plain),
            ("safe:", Kind::Plain),
            ("R0_x:", Kind::Plain),
            ("# as main(x):", Kind::Plain),
            ("/* as main(x):", Kind::Plain),
            ("   5: (bf) r1 = r2", insn(5, Some(0xbf), 10)),
            ("5: r1 = r2", insn(5, None, 3)),
            ("5: (u8) r1", insn(5, None, 3)),
            ("99999999999: exit", Kind::Plain),
            ("  7: 0.2345.... (95) exit", insn(7, Some(0x95), 20)),
            ("19: safe", Kind::Noise),
            ("(0) frame 0 insn 19 +live -8 ", Kind::Noise),
            ("libbpf: prog 'main': -- BEGIN PROG LOAD LOG --", Kind::Noise),
            ("0: R1=ctx() R10=fp0", Kind::Noise),
            ("7: frame1: R6=ctx()", Kind::Noise),
            ("R0_w=scalar()", Kind::Noise),
            ("from 5 to 8: R0=0 R10=fp0", Kind::Noise),
            ("processed 15 insns (limit 1000000)", Kind::Noise),
            ("0000000000000010 <f.1>:", Kind::Header("f.1")),
            ("int main(struct xdp_md * ctx):", Kind::Header("main")),
            ("struct a *g(void):", Kind::Header("g")),
            ("bpf_prog_6deef7357e7b4530_main:", Kind::Plain),
            ("Disassembly of section xdp:", Kind::Section("xdp")),
            ("x.o:\tfile format elf64-bpf", Kind::Noise),
            ("\t\t0000000000000008:  R_BPF_64_64\tcounts", Kind::Reloc("counts")),
            ("\t\t00000000000000e8:  R_BPF_64_64\tcounts", Kind::Reloc("counts")),
            ("       b7 00 00 00 02 00 00 00", Kind::Noise),
        ];
        for (line, want) in table {
            assert_eq!(classify(line), want, "{line:?}");
        }
    }

    #[test]
    fn bytes_of_a_listing_are_decoded() {
        let Kind::Insn { at: 3, code: None, raw: Some(insn), rest } =
            classify("       3:\t95 00 00 00 00 00 00 00\texit")
        else {
            panic!("no instruction");
        };
        assert_eq!((insn, rest), (Insn::Exit, 33));
        let wide = "1:\t18 01 00 00 05 00 00 00 00 00 00 00 00 00 00 00\tr1 = 0x5 ll";
        assert!(matches!(classify(wide), Kind::Insn { raw: Some(Insn::LoadImm { .. }), .. }));
        let unknown = "1:\tff 01 00 00 05 00 00 00\t<unknown>";
        assert!(matches!(classify(unknown), Kind::Insn { raw: None, .. }));
    }
}
