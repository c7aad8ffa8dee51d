//! BTF.ext: what the instructions of each program section are.

use crate::parse::Header;
use crate::{Btf, BtfError, ByteOrder, StrOff, TypeId};
use alloc::{borrow::Cow, string::String, vec::Vec};

/// A `.BTF.ext` section.
///
/// Source: `Documentation/bpf/btf.rst`, section 4.2; for CO-RE `struct bpf_core_relo` of
/// `include/uapi/linux/bpf.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BtfExt {
    /// Where functions begin.
    pub func_info: Vec<SecRecords<FuncInfo>>,
    /// Where source lines begin.
    pub line_info: Vec<SecRecords<LineInfo>>,
    /// Instructions to adapt to the types of the running kernel.
    pub core_relos: Vec<SecRecords<CoreRelo>>,
}

/// The records of one ELF section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecRecords<T> {
    /// Name of the ELF section.
    pub section: String,
    /// In the order of the input.
    pub records: Vec<T>,
}

/// A function. Kernel: `struct bpf_func_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuncInfo {
    /// First instruction: bytes from the start of the ELF section.
    pub insn_off: u32,
    /// A [`crate::Body::Func`].
    pub ty: TypeId,
}

/// The source of the instructions from here to the next line. Kernel: `struct bpf_line_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// First instruction: bytes from the start of the ELF section.
    pub insn_off: u32,
    /// File name; [`LineInfo::file`].
    pub file: StrOff,
    /// Text of the line; [`LineInfo::text`].
    pub text: StrOff,
    /// Line number, from 1.
    pub line: u32,
    /// Column number, from 1; 0 when not known.
    pub column: u16,
}

/// A field access, type or enumeration that depends on the running kernel.
/// Kernel: `struct bpf_core_relo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreRelo {
    /// Instruction: bytes from the start of the ELF section.
    pub insn_off: u32,
    /// The type as the program knows it.
    pub ty: TypeId,
    /// Which part of it: indices such as `0:1:2`.
    pub access: StrOff,
    /// What is asked about it: `enum bpf_core_relo_kind`.
    pub kind: u32,
}

impl LineInfo {
    /// Name of the source file.
    #[must_use]
    pub fn file<'a>(&self, btf: &'a Btf) -> Cow<'a, str> {
        btf.text(self.file)
    }

    /// The source line itself; empty when the compiler did not keep it.
    #[must_use]
    pub fn text<'a>(&self, btf: &'a Btf) -> Cow<'a, str> {
        btf.text(self.text)
    }
}

impl BtfExt {
    /// Reads a `.BTF.ext` section; `btf` is the `.BTF` section of the same object.
    ///
    /// # Errors
    /// [`BtfError`] with the first place that is malformed.
    pub fn parse(bytes: &[u8], btf: &Btf) -> Result<Self, BtfError> {
        // The header ends after `line_info_len` in objects without CO-RE.
        let (header, body) = Header::split(bytes, 24)?;
        let [func_off, func_len, line_off, line_len, core_off, core_len] = header.words();
        let area = |section, off, len| -> Result<Area<'_>, BtfError> {
            let bytes = header.section(section, body, off, len)?;
            Ok(Area { what: section, order: header.order, at: header.at(off), bytes, btf })
        };
        Ok(Self {
            func_info: area("func_info", func_off, func_len)?.sections()?,
            line_info: area("line_info", line_off, line_len)?.sections()?,
            core_relos: area("core_relo", core_off, core_len)?.sections()?,
        })
    }
}

impl BtfExt {
    /// The bytes of a `.BTF.ext` section next to `btf`, in the byte order of the target. `None` when the
    /// name of a section is no string of `btf`, or there are more records than can be counted.
    #[must_use]
    pub fn to_bytes(&self, btf: &Btf, order: ByteOrder) -> Option<Vec<u8>> {
        let parts = [
            records(&self.func_info, btf, |info| [info.insn_off, info.ty.0])?,
            records(&self.line_info, btf, |info| {
                let line_col = info.line << 10 | u32::from(info.column);
                [info.insn_off, info.file.0, info.text.0, line_col]
            })?,
            records(&self.core_relos, btf, |relo| {
                [relo.insn_off, relo.ty.0, relo.access.0, relo.kind]
            })?,
        ];
        let mut bytes = Vec::from(order.magic());
        bytes.extend([1, 0]);
        bytes.extend(order.bytes(HEADER_LEN));
        let mut off = 0_u32;
        for part in &parts {
            let len = u32::try_from(part.len()).ok()?.checked_mul(4)?;
            bytes.extend(order.bytes(off));
            bytes.extend(order.bytes(len));
            off = off.checked_add(len)?;
        }
        bytes.extend(parts.iter().flatten().flat_map(|&word| order.bytes(word)));
        Some(bytes)
    }
}

/// Bytes of the header that is written.
const HEADER_LEN: u32 = 32;

/// Size of records, and then section after section.
fn records<T: Copy, const N: usize>(
    sections: &[SecRecords<T>],
    btf: &Btf,
    words: impl Fn(T) -> [u32; N],
) -> Option<Vec<u32>> {
    let mut out = Vec::new();
    for SecRecords { section, records } in sections.iter().filter(|one| !one.records.is_empty()) {
        if out.is_empty() {
            out.push(u32::try_from(N).ok()?.checked_mul(4)?);
        }
        out.extend([btf.string(section)?.0, u32::try_from(records.len()).ok()?]);
        out.extend(records.iter().flat_map(|&record| words(record)));
    }
    Some(out)
}

/// A part of the input that is being read, front to back.
struct Area<'a> {
    what: &'static str,
    order: ByteOrder,
    /// Position of `bytes` in the input.
    at: usize,
    bytes: &'a [u8],
    btf: &'a Btf,
}

/// A kind of record: `N` words, of which the first is an instruction's position.
trait Record<const N: usize>: Sized {
    /// Which words are string offsets.
    const STRINGS: &'static [usize];
    /// Which words are type ids.
    const TYPES: &'static [usize];
    fn new(words: [u32; N]) -> Self;
}

impl Record<2> for FuncInfo {
    const STRINGS: &'static [usize] = &[];
    const TYPES: &'static [usize] = &[1];
    fn new([insn_off, ty]: [u32; 2]) -> Self {
        Self { insn_off, ty: TypeId(ty) }
    }
}

impl Record<4> for LineInfo {
    const STRINGS: &'static [usize] = &[1, 2];
    const TYPES: &'static [usize] = &[];
    /// Kernel: `BPF_LINE_INFO_LINE_NUM`, `BPF_LINE_INFO_LINE_COL`.
    fn new([insn_off, file, text, line_col]: [u32; 4]) -> Self {
        let [c0, c1, l0, l1] = line_col.to_le_bytes();
        // The column has 10 bits, the line 22.
        let column = u16::from_le_bytes([c0, c1 & 0x3]);
        let line = u32::from_le_bytes([c1, l0, l1, 0]) >> 2;
        Self { insn_off, file: StrOff(file), text: StrOff(text), line, column }
    }
}

impl Record<4> for CoreRelo {
    const STRINGS: &'static [usize] = &[2];
    const TYPES: &'static [usize] = &[1];
    fn new([insn_off, ty, access, kind]: [u32; 4]) -> Self {
        Self { insn_off, ty: TypeId(ty), access: StrOff(access), kind }
    }
}

impl Area<'_> {
    /// The record size, and then section after section.
    fn sections<T: Record<N>, const N: usize>(mut self) -> Result<Vec<SecRecords<T>>, BtfError> {
        let mut sections = Vec::new();
        if self.bytes.is_empty() {
            return Ok(sections);
        }
        let at = self.at;
        let [size] = self.take("record size")?;
        let min = u32::try_from(N).unwrap_or(u32::MAX).saturating_mul(4);
        if size < min {
            return Err(BtfError::RecordSize { at, what: self.what, size, min });
        }
        if size % 4 != 0 {
            return Err(BtfError::Align { at, what: "record size", value: size });
        }
        while !self.bytes.is_empty() {
            sections.push(self.section(size)?);
        }
        Ok(sections)
    }

    fn section<T: Record<N>, const N: usize>(
        &mut self,
        size: u32,
    ) -> Result<SecRecords<T>, BtfError> {
        let at = self.at;
        let [name, count] = self.take("section header")?;
        self.string(at, name)?;
        self.btf.check_name(name, at)?;
        if count == 0 {
            return Err(BtfError::NoRecords { at, what: self.what });
        }
        let section = self.btf.text(StrOff(name)).into_owned();
        let mut records = Vec::new();
        // A count that the input does not back ends at the first missing record.
        for _ in 0..count {
            records.push(self.record(size)?);
        }
        Ok(SecRecords { section, records })
    }

    fn record<T: Record<N>, const N: usize>(&mut self, size: u32) -> Result<T, BtfError> {
        let (at, have) = (self.at, self.bytes.len());
        let need = usize::try_from(size).unwrap_or(usize::MAX);
        let rest = self.bytes.get(need..);
        let rest = rest.ok_or(BtfError::Short { at, what: self.what, need, have })?;
        let words: [u32; N] = self.take(self.what)?;
        (self.at, self.bytes) = (at.saturating_add(need), rest);
        for (index, (&word, at)) in words.iter().zip((at..).step_by(4)).enumerate() {
            if T::STRINGS.contains(&index) {
                self.string(at, word)?;
            }
            if T::TYPES.contains(&index) && self.btf.get(TypeId(word)).is_none() {
                let (to, types) = (TypeId(word), self.btf.len());
                return Err(BtfError::NoType { at, to, types });
            }
        }
        Ok(T::new(words))
    }

    fn string(&self, at: usize, off: u32) -> Result<(), BtfError> {
        let len = self.btf.strings_len();
        match usize::try_from(off) {
            Ok(pos) if pos < len => Ok(()),
            _ => Err(BtfError::Str { at, off, len }),
        }
    }

    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u32; N], BtfError> {
        let (words, _) = self.bytes.as_chunks::<4>();
        let words: &[[u8; 4]; N] = words.first_chunk().ok_or(BtfError::Short {
            at: self.at,
            what,
            need: N.saturating_mul(4),
            have: self.bytes.len(),
        })?;
        let taken = words.as_flattened().len();
        self.at = self.at.saturating_add(taken);
        self.bytes = self.bytes.get(taken..).unwrap_or_default();
        Ok(words.map(|word| self.order.u32(word)))
    }
}
