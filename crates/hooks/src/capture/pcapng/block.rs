//! Fields and options of a block.

/// Option codes, sections 3.5, 4.2 and 4.3 of the draft.
pub(super) mod option {
    pub(in super::super) const END: u16 = 0;
    pub(in super::super) const IF_NAME: u16 = 2;
    pub(in super::super) const IF_TSRESOL: u16 = 9;
    pub(in super::super) const IF_TSOFFSET: u16 = 14;
    pub(in super::super) const EPB_FLAGS: u16 = 2;
    pub(in super::super) const EPB_QUEUE: u16 = 6;
}

/// Bytes and the order of their numbers. A number beyond the end reads as 0: whoever needs to tell
/// checks lengths.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Body<'a> {
    pub(super) const fn new(bytes: &'a [u8], big_endian: bool) -> Self {
        Self { bytes, big_endian }
    }

    pub(super) const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn u16(self, at: usize) -> u16 {
        let bytes = self.get(at);
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(super) fn u32(self, at: usize) -> u32 {
        let bytes = self.get(at);
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    pub(super) fn u64(self, at: usize) -> u64 {
        let bytes = self.get(at);
        if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    }

    fn get<const N: usize>(self, at: usize) -> [u8; N] {
        self.bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
    }

    /// The options from `at` on. They end at the end mark, or where one would reach beyond the
    /// block: a capture is not refused for what only comments it.
    pub(super) fn options(self, mut at: usize) -> impl Iterator<Item = (u16, Body<'a>)> {
        std::iter::from_fn(move || {
            let (code, len) = (self.u16(at), usize::from(self.u16(at + 2)));
            let value = self.bytes.get(at + 4..at + 4 + len)?;
            at += 4 + len.next_multiple_of(4);
            (code != option::END).then_some((code, Body::new(value, self.big_endian)))
        })
    }
}
