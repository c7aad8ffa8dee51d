//! Where code is put together: bytes, labels and jumps to them.

use crate::operand::Cond;
use alloc::vec::Vec;

/// A place in the code, bound once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub u32);

/// What the caller knows of a jump ahead. Jumps back are as short as they can be, whatever is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its target is at most 127 bytes away.
    Short,
    /// It may be anywhere.
    Long,
}

/// A jump that cannot be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FixupError {
    /// A jump said to be short is not.
    #[error("the jump at {at:#x} spans {distance} bytes, which a short one cannot")]
    TooFar {
        /// Position of its distance.
        at: u32,
        /// Bytes to its target.
        distance: i64,
    },
    /// Its label has never been bound.
    #[error("the jump at {at:#x} goes to a label that is nowhere")]
    Unbound {
        /// Position of its distance.
        at: u32,
    },
    /// More code than distances can span.
    #[error("more than 2 GiB of code")]
    TooLong,
}

const UNBOUND: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Fixup {
    /// Position of the distance.
    at: u32,
    label: Label,
    reach: Reach,
}

/// Code in the making.
#[derive(Default)]
pub struct Assembler {
    /// Longer than the code, so that eight bytes can be written at its end at once.
    bytes: Vec<u8>,
    len: usize,
    labels: Vec<u32>,
    fixups: Vec<Fixup>,
}

impl Assembler {
    /// Without code.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Without code, with room for so many bytes and so many labels that are there at once.
    #[must_use]
    pub fn with_room(bytes: usize, labels: u32) -> Self {
        // And a few for what is not known before.
        let mut all = Vec::with_capacity(labels as usize + 16);
        all.resize(labels as usize, UNBOUND);
        // About every tenth instruction jumps ahead.
        let fixups = Vec::with_capacity(labels as usize / 8 + 4);
        #[expect(clippy::slow_vector_initialization, reason = "glibc has no cache for zeroes")]
        let mut code = Vec::with_capacity(bytes);
        code.resize(bytes, 0);
        Self { bytes: code, len: 0, labels: all, fixups }
    }

    /// A new label, not yet bound.
    #[inline]
    pub fn label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        Label(u32::try_from(self.labels.len() - 1).unwrap_or(UNBOUND))
    }

    /// Binds a label to the end of the code as it is now.
    #[inline]
    pub fn bind(&mut self, label: Label) {
        self.bind_at(label, self.here());
    }

    /// Binds a label to a place in the code that there is already.
    #[inline]
    pub fn bind_at(&mut self, label: Label, at: u32) {
        if let Some(slot) = self.labels.get_mut(label.0 as usize) {
            *slot = at;
        }
    }

    /// Position of a label, if it is bound.
    #[inline]
    #[must_use]
    pub fn position(&self, label: Label) -> Option<u32> {
        self.labels.get(label.0 as usize).copied().filter(|&at| at != UNBOUND)
    }

    /// Bytes so far.
    #[inline]
    #[must_use]
    pub fn here(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "more is refused by `finish`")]
        let here = self.len as u32;
        here
    }

    /// Appends the low `len` bytes, at most 8.
    #[inline(always)]
    pub(crate) fn put(&mut self, bytes: u64, len: usize) {
        match self.bytes.get_mut(self.len..self.len.wrapping_add(8)) {
            Some(place) => place.copy_from_slice(&bytes.to_le_bytes()),
            None => self.grow(bytes),
        }
        self.len += len;
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: u64) {
        self.bytes.resize(self.bytes.len() * 2 + 64, 0);
        if let Some(place) = self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut())
        {
            *place = bytes.to_le_bytes();
        }
    }

    /// Distance from the end of an instruction of `len` bytes back to a bound label.
    #[inline]
    fn back(&self, label: Label, len: i64) -> Option<i64> {
        Some(i64::from(self.position(label)?) - (i64::from(self.here()) + len))
    }

    #[inline]
    fn fix(&mut self, label: Label, reach: Reach) {
        let at = self.here() - if reach == Reach::Short { 1 } else { 4 };
        self.fixups.push(Fixup { at, label, reach });
    }

    /// `jmp label`
    #[inline]
    pub fn jmp(&mut self, label: Label, reach: Reach) {
        match (self.back(label, 2), reach) {
            (Some(distance), _) if i8::try_from(distance).is_ok() => {
                self.put(0xeb | low(distance) << 8, 2);
            }
            (Some(distance), _) => self.put(0xe9 | low(distance - 3) << 8, 5),
            (None, Reach::Short) => {
                self.put(0xeb, 2);
                self.fix(label, reach);
            }
            (None, Reach::Long) => {
                self.put(0xe9, 5);
                self.fix(label, reach);
            }
        }
    }

    /// `jcc label`
    #[inline]
    pub fn jcc(&mut self, cond: Cond, label: Label, reach: Reach) {
        let cond = u64::from(cond as u8);
        match (self.back(label, 2), reach) {
            (Some(distance), _) if i8::try_from(distance).is_ok() => {
                self.put(0x70 | cond | low(distance) << 8, 2);
            }
            (Some(distance), _) => self.put(0x800f | cond << 8 | low(distance - 4) << 16, 6),
            (None, Reach::Short) => {
                self.put(0x70 | cond, 2);
                self.fix(label, reach);
            }
            (None, Reach::Long) => {
                self.put(0x800f | cond << 8, 6);
                self.fix(label, reach);
            }
        }
    }

    /// `call label`
    pub fn call(&mut self, label: Label) {
        match self.back(label, 5) {
            Some(distance) => self.put(0xe8 | low(distance) << 8, 5),
            None => {
                self.put(0xe8, 5);
                self.fix(label, Reach::Long);
            }
        }
    }

    /// `lea dst, [rip + label]`, for the address of a label: 7 bytes.
    pub fn lea_label(&mut self, dst: crate::Gpr, label: Label) {
        let reg = u64::from(dst.num());
        let head = 0x48 | (reg >> 3) << 2 | 0x8d << 8 | (5 | (reg & 7) << 3) << 16;
        let distance = self.back(label, 7);
        self.put(head | low(distance.unwrap_or(0)) << 24, 7);
        if distance.is_none() {
            self.fix(label, Reach::Long);
        }
    }

    /// The code, with all jumps filled in.
    ///
    /// # Errors
    /// [`FixupError`] if a jump's label is unbound or too far away.
    pub fn finish(self) -> Result<Vec<u8>, FixupError> {
        self.finish_with_labels().map(|(code, _)| code)
    }

    /// The same, and the positions of labels by their number; [`u32::MAX`] for those that are not bound.
    ///
    /// # Errors
    /// As [`Assembler::finish`].
    pub fn finish_with_labels(mut self) -> Result<(Vec<u8>, Vec<u32>), FixupError> {
        if i32::try_from(self.len).is_err() {
            return Err(FixupError::TooLong);
        }
        self.bytes.truncate(self.len);
        for Fixup { at, label, reach } in self.fixups {
            let target = self.labels.get(label.0 as usize).copied().filter(|&to| to != UNBOUND);
            let target = target.ok_or(FixupError::Unbound { at })?;
            let len = if reach == Reach::Short { 1 } else { 4 };
            let distance = i64::from(target) - i64::from(at) - len;
            let too_far = FixupError::TooFar { at, distance };
            if reach == Reach::Short {
                i8::try_from(distance).map_err(|_| too_far)?;
            }
            let start = at as usize;
            #[expect(clippy::cast_possible_truncation, reason = "less than 2 GiB apart")]
            let distance = distance as i32;
            let Some(place) = self.bytes.get_mut(start..) else { continue };
            match (reach, place.first_chunk_mut::<4>()) {
                // What is there already is added: 0 but in tables.
                (Reach::Long, Some(place)) => {
                    let more = i32::from_le_bytes(*place);
                    *place = distance.wrapping_add(more).to_le_bytes();
                }
                _ => {
                    if let Some(place) = place.first_mut() {
                        [*place, ..] = distance.to_le_bytes();
                    }
                }
            }
        }
        Ok((self.bytes, self.labels))
    }
}

/// The bits of a distance that may be put at the upper end of an instruction.
const fn low(distance: i64) -> u64 {
    distance.cast_unsigned() & 0xffff_ffff
}
