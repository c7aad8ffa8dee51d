//! From bytes to records.

use crate::kind::{kind_bits, record_words};
use crate::{Btf, BtfError, ByteOrder, TypeId, source::Source};
use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

/// Bytes of the header as far as it is known here; the kernel's later ones are longer.
const HEADER_LEN: u32 = 24;

/// Finds the sections of the input and the records in it.
pub(crate) fn parse(mut source: Source, base: Option<Arc<Btf>>) -> Result<Btf, BtfError> {
    let (order, types, strings) = sections(source.bytes(), base.is_some())?;
    if let Some(base) = &base
        && base.order() != order
    {
        return Err(BtfError::BaseOrder);
    }
    source.set_sections(types, strings);
    let first = base.as_ref().map_or(0, |base| base.len());
    let starts = starts(source.words(), order, source.types_at(), first)?;
    Ok(Btf { order, source, starts, base, checked: false, names: Arc::default() })
}

type Sections = (ByteOrder, Range<usize>, Range<usize>);

/// Where the types and the strings are.
fn sections(bytes: &[u8], split: bool) -> Result<Sections, BtfError> {
    let (header, body) = Header::split(bytes, HEADER_LEN)?;
    let [type_off, type_len, str_off, str_len] = header.words();
    let types = header.section("type", body, type_off, type_len)?;
    let strings = header.section("string", body, str_off, str_len)?;
    let (type_end, str_end) = (
        u64::from(type_off).saturating_add(type_len.into()),
        u64::from(str_off).saturating_add(str_len.into()),
    );
    if u64::from(type_off) < str_end && u64::from(str_off) < type_end {
        return Err(BtfError::Overlap { type_off, type_end, str_off, str_end });
    }
    let at = header.at(str_off);
    // The strings of split BTF go on where those of its base end.
    if !split && strings.first() != Some(&0) {
        return Err(BtfError::Strings { at, what: "begin" });
    }
    if strings.last().is_some_and(|&last| last != 0) {
        let at = at.saturating_add(strings.len());
        return Err(BtfError::Strings { at, what: "end" });
    }
    if type_off % 4 != 0 {
        return Err(BtfError::Align { at: 8, what: "type section offset", value: type_off });
    }
    let types_at = header.at(type_off);
    let rest = types.as_chunks::<4>().1;
    if !rest.is_empty() {
        let at = types_at.saturating_add(types.len()).saturating_sub(rest.len());
        return Err(BtfError::Short { at, what: "type", need: 4, have: rest.len() });
    }
    let range = |at: usize, section: &[u8]| at..at.saturating_add(section.len());
    Ok((header.order, range(types_at, types), range(at, strings)))
}

/// What BTF and BTF.ext begin with.
pub(crate) struct Header<'a> {
    pub(crate) order: ByteOrder,
    /// From the input's start to what the header's offsets count from.
    pub(crate) len: usize,
    fields: &'a [u8],
}

impl<'a> Header<'a> {
    /// Splits the header, of at least `min` bytes, from what follows it.
    pub(crate) fn split(bytes: &'a [u8], min: u32) -> Result<(Self, &'a [u8]), BtfError> {
        let (&[m0, m1, version, flags, l0, l1, l2, l3], _) =
            bytes.split_first_chunk::<8>().ok_or(short(bytes, min))?;
        let order = match [m0, m1] {
            [0x9f, 0xeb] => ByteOrder::Little,
            [0xeb, 0x9f] => ByteOrder::Big,
            magic => return Err(BtfError::Magic { found: u16::from_le_bytes(magic) }),
        };
        if version != 1 {
            return Err(BtfError::Version { version });
        }
        if flags != 0 {
            return Err(BtfError::Flags { flags });
        }
        let len = order.u32([l0, l1, l2, l3]);
        if len < min {
            return Err(BtfError::HeaderLen { len, min });
        }
        let split = usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len));
        let (header, body) = split.ok_or(short(bytes, len))?;
        let fields = header.get(8..).unwrap_or_default();
        Ok((Self { order, len: header.len(), fields }, body))
    }

    /// The first `N` words after the length; 0 where the header is shorter.
    pub(crate) fn words<const N: usize>(&self) -> [u32; N] {
        let mut words = [0; N];
        for (word, &bytes) in words.iter_mut().zip(self.fields.as_chunks().0) {
            *word = self.order.u32(bytes);
        }
        words
    }

    /// The bytes of a section whose offset counts from the end of the header.
    pub(crate) fn section(
        &self,
        section: &'static str,
        body: &'a [u8],
        off: u32,
        len: u32,
    ) -> Result<&'a [u8], BtfError> {
        let range = || {
            let start = usize::try_from(off).ok()?;
            body.get(start..start.checked_add(usize::try_from(len).ok()?)?)
        };
        range().ok_or(BtfError::Section { section, off, len, have: body.len() })
    }

    /// The position in the input of an offset that counts from the end of the header.
    pub(crate) fn at(&self, off: u32) -> usize {
        self.len.saturating_add(usize::try_from(off).unwrap_or(usize::MAX))
    }
}

fn short(bytes: &[u8], need: u32) -> BtfError {
    let need = usize::try_from(need).unwrap_or(usize::MAX);
    BtfError::Short { at: 0, what: "header", need, have: bytes.len() }
}

/// Where each record begins, and where the last one ends. `first` types come before.
fn starts(
    words: &[[u8; 4]],
    order: ByteOrder,
    types_at: usize,
    first: usize,
) -> Result<Vec<u32>, BtfError> {
    // Kernels have a type for each eight words or so.
    let mut starts = Vec::with_capacity(words.len() / 8);
    let (mut pos, mut rest) = (0_usize, words);
    loop {
        let id = starts.len().saturating_add(first);
        starts.push(u32::try_from(pos).map_err(|_| BtfError::TooMany { types: id })?);
        if rest.is_empty() {
            starts.shrink_to_fit();
            return Ok(starts);
        }
        let info = rest.get(1).map_or(0, |&info| order.u32(info));
        let len = record_words(info).filter(|&len| len <= rest.len());
        let len =
            len.ok_or_else(|| broken(rest, order, pos_at(types_at, pos), id.saturating_add(1)))?;
        rest = rest.get(len..).unwrap_or_default();
        pos = pos.saturating_add(len);
    }
}

/// What is wrong with the record at the start of `rest`, which is type number `id`.
#[cold]
fn broken(rest: &[[u8; 4]], order: ByteOrder, at: usize, id: usize) -> BtfError {
    let [_, info, _, ..] = rest else { return short_record(3, rest.len(), at) };
    let info = order.u32(*info);
    match record_words(info) {
        Some(len) => short_record(len, rest.len(), at),
        None => {
            let id = TypeId(u32::try_from(id).unwrap_or(u32::MAX));
            BtfError::Kind { at: at.saturating_add(4), id, kind: kind_bits(info) }
        }
    }
}

fn short_record(need: usize, have: usize, at: usize) -> BtfError {
    let bytes = |words: usize| words.saturating_mul(4);
    BtfError::Short { at, what: "type", need: bytes(need), have: bytes(have) }
}

/// The position in the input of a word of the type section.
pub(crate) fn pos_at(types_at: usize, word: usize) -> usize {
    types_at.saturating_add(word.saturating_mul(4))
}
