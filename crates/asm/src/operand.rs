//! What instructions of both dialects are made of: registers, numbers, addresses, names.

use crate::cursor::Cursor;
use crate::token::{Tok, unescape};
use skep_diag::{Diagnostic, Span, closest};
use skep_isa::{Reg, Size, Src, Width, table::SIZE};
use std::borrow::Cow;

/// A register as written: `w1` is the low half of `r1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegName {
    pub(crate) reg: Reg,
    pub(crate) width: Width,
    pub(crate) span: Span,
}

impl RegName {
    /// The register, if the name is the one for this width.
    pub(crate) fn of(self, width: Width) -> Result<Reg, Diagnostic> {
        if self.width == width {
            return Ok(self.reg);
        }
        let right = if width == Width::W64 { 'r' } else { 'w' };
        let title = format!("expected a {}-bit register", width.bits());
        Err(Diagnostic::error("asm.register-width", title)
            .label(self.span, format!("`{right}{}` would be one", self.reg.num())))
    }

    /// The register, if the name may stand for `size` bytes: both do up to 32 bits, as LLVM and the
    /// kernel differ.
    pub(crate) fn holds(self, size: Size) -> Result<Reg, Diagnostic> {
        if size == Size::Dw { self.of(Width::W64) } else { Ok(self.reg) }
    }
}

/// Whether the word has the form of a register, existing or not.
pub(crate) fn looks_like_reg(word: &str) -> bool {
    let word = word.strip_prefix('%').unwrap_or(word);
    let digits = word.strip_prefix(['r', 'w']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit())
}

fn reg_name(word: &str) -> Option<(Reg, Width)> {
    let word = word.strip_prefix('%').unwrap_or(word);
    let (width, digits) = match word.strip_prefix('w') {
        Some(digits) => (Width::W32, digits),
        None => (Width::W64, word.strip_prefix('r')?),
    };
    // A second spelling of the same register would be a mistake.
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((Reg::new(digits.parse().ok()?)?, width))
}

impl<'a> Cursor<'a, '_> {
    /// Any register.
    pub(crate) fn any_reg(&mut self) -> Result<RegName, Diagnostic> {
        let Tok::Word(word) = self.peek() else { return Err(self.unexpected("a register")) };
        let (reg, width) = reg_name(word).ok_or_else(|| self.unknown_reg(word))?;
        let span = self.span();
        self.bump();
        Ok(RegName { reg, width, span })
    }

    /// A register by its 64-bit name.
    pub(crate) fn reg(&mut self) -> Result<Reg, Diagnostic> {
        self.reg_of(Width::W64)
    }

    /// A register by the name for this width.
    pub(crate) fn reg_of(&mut self, width: Width) -> Result<Reg, Diagnostic> {
        self.any_reg()?.of(width)
    }

    /// A register that holds `size` bytes.
    pub(crate) fn reg_for(&mut self, size: Size) -> Result<Reg, Diagnostic> {
        self.any_reg()?.holds(size)
    }

    pub(crate) fn unknown_reg(&self, word: &str) -> Diagnostic {
        let diag = Diagnostic::error("asm.unknown-register", format!("unknown register `{word}`"));
        if looks_like_reg(word) {
            return diag.label(self.span(), "the last register is r10");
        }
        let names: Vec<_> = (0..=10).flat_map(|n| [format!("r{n}"), format!("w{n}")]).collect();
        let bare = word.strip_prefix('%').unwrap_or(word);
        let label = closest(bare, names.iter().map(String::as_str))
            .map_or("expected a register, r0 to r10".into(), |name| {
                format!("did you mean `{name}`?")
            });
        self.with_form(diag.label(self.span(), label))
    }

    /// Whether a number comes next, perhaps after a sign.
    pub(crate) fn at_number(&self) -> bool {
        let at = usize::from(matches!(self.peek(), Tok::Op("+" | "-")));
        matches!(self.peek_at(at), Tok::Num(_))
    }

    /// A number, perhaps after a sign.
    pub(crate) fn number(&mut self) -> Result<i128, Diagnostic> {
        let negative = self.eat("-");
        if !negative {
            self.eat("+");
        }
        let Tok::Num(value) = self.peek() else { return Err(self.unexpected("a number")) };
        self.bump();
        Ok(if negative { -i128::from(value) } else { i128::from(value) })
    }

    /// A number from `min` to `max`.
    pub(crate) fn number_in(
        &mut self,
        what: &str,
        min: i128,
        max: i128,
    ) -> Result<i128, Diagnostic> {
        let start = self.span();
        let end = self.number_span();
        let value = self.number()?;
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        Err(Diagnostic::error("asm.number-range", format!("{what} {value} is out of range"))
            .label(start.to(end), format!("{min} to {max}")))
    }

    /// Where the number ends that comes next.
    fn number_span(&self) -> Span {
        let signed = matches!(self.peek(), Tok::Op("+" | "-"));
        self.span_at(usize::from(signed))
    }

    /// 32 bits, signed or unsigned, or a 64-bit number that is the sign extension of 32 bits.
    pub(crate) fn imm(&mut self) -> Result<i32, Diagnostic> {
        let span = self.span().to(self.number_span());
        let value = self.number()?;
        wrap_imm(value).ok_or_else(|| {
            let title = format!("immediate {value} does not fit into 32 bits");
            Diagnostic::error("asm.number-range", title)
                .label(span, "-2147483648 to 4294967295")
                .help("load 64 bits with `r1 = … ll` or `lddw r1, …`")
        })
    }

    /// A register of this width or an immediate.
    pub(crate) fn src(&mut self, width: Width) -> Result<Src, Diagnostic> {
        match self.peek() {
            _ if self.at_number() => self.imm().map(Src::Imm),
            Tok::Word(_) => self.reg_of(width).map(Src::Reg),
            _ => Err(self.unexpected("a register or a number")),
        }
    }

    /// As [`Cursor::src`], with a warning where an immediate is not the number that was written: it
    /// is sign-extended to 64 bits.
    pub(crate) fn src_extended(&mut self, width: Width) -> Result<Src, Diagnostic> {
        let span = self.span();
        let unsigned = matches!(self.peek(), Tok::Num(value) if value <= u32::MAX.into());
        let src = self.src(width)?;
        if let (Src::Imm(imm @ ..0), Width::W64, true) = (src, width, unsigned) {
            let becomes = i64::from(imm).cast_unsigned();
            self.warnings.push(
                Diagnostic::warning(
                    "asm.sign-extended",
                    "the immediate is sign-extended to 64 bits",
                )
                .label(span, format!("becomes {becomes:#x}"))
                .help(format!("write {imm}, or use the 32-bit instruction")),
            );
        }
        Ok(src)
    }

    /// `r1 + 4`, `r1 +4`, `r1-4`, `r1`: base and offset of an address.
    pub(crate) fn address(&mut self) -> Result<(Reg, i16), Diagnostic> {
        let base = self.reg()?;
        let sign = match self.peek() {
            Tok::Op("+") => 1,
            Tok::Op("-") => -1,
            _ => return Ok((base, 0)),
        };
        let start = self.span();
        self.bump();
        let span = start.to(self.number_span());
        let value = sign * self.number()?;
        let off = i16::try_from(value).map_err(|_| {
            let title = format!("offset {value} does not fit into 16 bits");
            Diagnostic::error("asm.number-range", title).label(span, "-32768 to 32767")
        })?;
        Ok((base, off))
    }

    /// A name, in quotes if it has unusual characters.
    pub(crate) fn name(&mut self, what: &str) -> Result<Cow<'a, str>, Diagnostic> {
        let name = match self.peek() {
            Tok::Word(word) => Cow::Borrowed(word),
            Tok::Str(raw) => self.string(raw)?.into(),
            _ => return Err(self.unexpected(what)),
        };
        self.bump();
        Ok(name)
    }

    fn string(&self, raw: &str) -> Result<String, Diagnostic> {
        let bytes = self.bytes(raw)?;
        String::from_utf8(bytes).map_err(|_| {
            Diagnostic::error("asm.bad-string", "the name is not UTF-8").label(self.span(), "")
        })
    }

    /// The bytes of the string token that comes next.
    pub(crate) fn bytes(&self, raw: &str) -> Result<Vec<u8>, Diagnostic> {
        unescape(raw).map_err(|escape| {
            Diagnostic::error("asm.bad-string", format!("unknown escape `{escape}`"))
                .label(self.span(), r#"known are \n \r \t \0 \\ \" \' \xHH"#)
        })
    }
}

/// The 32 bits an assembler makes of a number.
pub(crate) fn wrap_imm(value: i128) -> Option<i32> {
    if let Ok(imm) = i32::try_from(value) {
        return Some(imm);
    }
    if let Ok(imm) = u32::try_from(value) {
        return Some(imm.cast_signed());
    }
    i32::try_from(u64::try_from(value).ok()?.cast_signed()).ok()
}

/// Size and signedness of `u8` to `u64`, `s8` to `s64`.
pub(crate) fn access(word: &str) -> Option<(Size, bool)> {
    SIZE.iter().find_map(|row| {
        let signed = row.signed == word;
        (signed || row.unsigned == word).then_some((row.size, signed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immediates_wrap_as_assemblers_do() {
        let table = [
            (0, Some(0)),
            (-1, Some(-1)),
            (i128::from(i32::MIN), Some(i32::MIN)),
            (i128::from(i32::MIN) - 1, None),
            (0x7fff_ffff, Some(i32::MAX)),
            (0x8000_0000, Some(i32::MIN)),
            (0xffff_ffff, Some(-1)),
            (0x1_0000_0000, None),
            (0xffff_ffff_7fff_ffff, None),
            (0xffff_ffff_8000_0000, Some(i32::MIN)),
            (i128::from(u64::MAX), Some(-1)),
        ];
        for (value, want) in table {
            assert_eq!(wrap_imm(value), want, "{value:#x}");
        }
    }

    #[test]
    fn registers_have_one_spelling_each() {
        for bad in ["r11", "r01", "r", "x1", "r-1", "%", "r256", "rr1", "R1"] {
            assert_eq!(reg_name(bad), None, "{bad}");
        }
        assert_eq!(reg_name("%w10"), Some((Reg::FP, Width::W32)));
    }
}
