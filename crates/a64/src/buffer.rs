//! Where code is put together: instructions, labels and branches to them.

use crate::branch::Field;
use alloc::vec::Vec;

/// A place in the code, bound once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub u32);

/// A branch that cannot be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FixupError {
    /// Its label is further away than it reaches.
    #[error("the branch at {at:#x} spans {distance} bytes, which it cannot")]
    TooFar {
        /// Its position.
        at: u32,
        /// Bytes to its target.
        distance: i64,
    },
    /// Its label has never been bound.
    #[error("the branch at {at:#x} goes to a label that is nowhere")]
    Unbound {
        /// Its position.
        at: u32,
    },
    /// More code than positions can tell.
    #[error("more than 2 GiB of code")]
    TooLong,
}

const UNBOUND: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Fixup {
    /// Number of the instruction.
    at: usize,
    label: Label,
    field: Field,
}

/// Code in the making.
#[derive(Default)]
pub struct Assembler {
    insns: Vec<u32>,
    labels: Vec<u32>,
    fixups: Vec<Fixup>,
}

impl Assembler {
    /// Without code.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Without code, with room for so many instructions and so many labels that are there at once.
    #[must_use]
    pub fn with_room(insns: usize, labels: u32) -> Self {
        Self {
            insns: Vec::with_capacity(insns),
            labels: alloc::vec![UNBOUND; labels as usize],
            fixups: Vec::new(),
        }
    }

    /// A new label, not yet bound.
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
        // More is refused by `finish`.
        u32::try_from(self.insns.len() * 4).unwrap_or(UNBOUND)
    }

    #[inline(always)]
    pub(crate) fn put(&mut self, insn: u32) {
        self.insns.push(insn);
    }

    /// An instruction with the distance to a label in it.
    #[inline]
    pub(crate) fn put_to(&mut self, insn: u32, field: Field, label: Label) {
        let here = self.here();
        let known = self.position(label).and_then(|to| field.of(i64::from(to) - i64::from(here)));
        if known.is_none() {
            self.fixups.push(Fixup { at: self.insns.len(), label, field });
        }
        self.put(insn | known.unwrap_or(0));
    }

    /// The code, with all branches filled in.
    ///
    /// # Errors
    /// [`FixupError`] if a branch's label is unbound or too far away.
    pub fn finish(self) -> Result<Vec<u8>, FixupError> {
        self.finish_with_labels().map(|(code, _)| code)
    }

    /// The same, and the positions of labels by their number; [`u32::MAX`] for those that are not bound.
    ///
    /// # Errors
    /// As [`Assembler::finish`].
    pub fn finish_with_labels(mut self) -> Result<(Vec<u8>, Vec<u32>), FixupError> {
        if i32::try_from(self.insns.len() * 4).is_err() {
            return Err(FixupError::TooLong);
        }
        for Fixup { at, label, field } in self.fixups {
            let here = u32::try_from(at * 4).unwrap_or(UNBOUND);
            let target = self.labels.get(label.0 as usize).copied().filter(|&to| to != UNBOUND);
            let target = target.ok_or(FixupError::Unbound { at: here })?;
            let distance = i64::from(target) - i64::from(here);
            let bits = field.of(distance).ok_or(FixupError::TooFar { at: here, distance })?;
            if let Some(insn) = self.insns.get_mut(at) {
                *insn |= bits;
            }
        }
        let mut bytes = Vec::with_capacity(self.insns.len() * 4);
        for insn in self.insns {
            bytes.extend_from_slice(&insn.to_le_bytes());
        }
        Ok((bytes, self.labels))
    }
}
