//! Bytes of a whole program to instructions at their slots.

use crate::{DecodeError, Insn, Pc, RawInsn};
use alloc::vec::Vec;

/// A program's instructions, each at its slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Insns {
    /// `None` is the second slot of the `lddw` before it, or has been cleared.
    slots: Vec<Option<Insn>>,
}

/// Why bytes are no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The length is not a multiple of eight.
    #[error("{len} bytes are no whole number of 8-byte instructions")]
    Length {
        /// Bytes given.
        len: usize,
    },
    /// More slots than a [`Pc`] can count.
    #[error("{slots} instructions are more than can be numbered")]
    TooMany {
        /// Slots given.
        slots: usize,
    },
    /// A slot does not decode.
    #[error("insn {pc} is no instruction")]
    Insn {
        /// Where.
        pc: Pc,
        /// Why.
        source: DecodeError,
    },
}

/// Decodes a little-endian program.
///
/// # Errors
/// [`SlotError`] with the first slot that is no instruction.
pub fn decode(bytes: &[u8]) -> Result<Insns, SlotError> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(SlotError::Length { len: bytes.len() });
    }
    Insns::decode(chunks.iter().map(|&chunk| RawInsn::from_le_bytes(chunk)))
}

impl Insns {
    /// Decodes slots in order.
    ///
    /// # Errors
    /// [`SlotError`] with the first slot that is no instruction.
    pub fn decode(raws: impl IntoIterator<Item = RawInsn>) -> Result<Self, SlotError> {
        let mut raws = raws.into_iter().peekable();
        let mut slots = Vec::with_capacity(raws.size_hint().0);
        while let Some(raw) = raws.next() {
            let at = slots.len();
            let pc = Pc(u32::try_from(at).map_err(|_| SlotError::TooMany { slots: at })?);
            let insn = Insn::decode(raw, raws.peek().copied())
                .map_err(|source| SlotError::Insn { pc, source })?;
            slots.push(Some(insn));
            if insn.slots() == 2 {
                raws.next();
                slots.push(None);
            }
        }
        Ok(Self { slots })
    }

    /// Number of slots, second halves of `lddw` included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no instruction at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The instruction that starts at `pc`; `None` beyond the end, inside `lddw` and where it was cleared.
    #[must_use]
    pub fn get(&self, pc: Pc) -> Option<&Insn> {
        self.slots.get(pc.index())?.as_ref()
    }

    /// All slots; `None` is the second half of `lddw`, or was cleared.
    #[must_use]
    pub fn slots(&self) -> &[Option<Insn>] {
        &self.slots
    }

    /// The instruction that starts at `pc`, to be replaced by one of as many slots.
    pub fn get_mut(&mut self, pc: Pc) -> Option<&mut Insn> {
        self.slots.get_mut(pc.index())?.as_mut()
    }

    /// Takes the instruction at `pc` away, which control never reaches; its slots stay, and others keep their numbers.
    pub fn clear(&mut self, pc: Pc) {
        if let Some(slot) = self.slots.get_mut(pc.index()) {
            *slot = None;
        }
    }

    /// Appends an instruction and says where.
    pub fn push(&mut self, insn: Insn) -> Pc {
        let pc = Pc(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(Some(insn));
        if insn.slots() == 2 {
            self.slots.push(None);
        }
        pc
    }

    /// Each instruction with its slot, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Pc, Insn)> + '_ {
        self.slots.iter().zip(0..).filter_map(|(slot, pc)| Some((Pc(pc), (*slot)?)))
    }

    /// The slots as the kernel and ELF objects hold them; those that were cleared are jumps to the next.
    #[must_use]
    pub fn encode(&self) -> Vec<RawInsn> {
        let mut raws = Vec::with_capacity(self.slots.len());
        for (at, slot) in self.slots.iter().enumerate() {
            match slot {
                Some(insn) => {
                    let (first, second) = insn.encode();
                    raws.push(first);
                    raws.extend(second);
                }
                None if at < raws.len() => {}
                None => raws.push(Insn::Jump { off: 0 }.encode().0),
            }
        }
        raws
    }

    /// The little-endian bytes of [`Insns::encode`].
    #[must_use]
    pub fn to_le_bytes(&self) -> Vec<u8> {
        self.encode().iter().flat_map(|raw| raw.to_le_bytes()).collect()
    }
}

impl Extend<Insn> for Insns {
    fn extend<I: IntoIterator<Item = Insn>>(&mut self, insns: I) {
        let insns = insns.into_iter();
        self.slots.reserve(insns.size_hint().0);
        for insn in insns {
            self.push(insn);
        }
    }
}

impl FromIterator<Insn> for Insns {
    fn from_iter<I: IntoIterator<Item = Insn>>(insns: I) -> Self {
        let mut this = Self::default();
        this.extend(insns);
        this
    }
}
