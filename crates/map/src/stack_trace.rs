//! Stack traces by number.
//!
//! Source: `kernel/bpf/stackmap.c`. The number of a stack is its hash, which is each engine's own.

use crate::key_value::{prepare, sized};
use crate::seq::Seq;
use crate::values::low32;
use crate::{UserSide, Values};
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use skep_abi::Errno;
use skep_prog::MapDef;

/// Frames to leave out, in the low bits of the flags.
const SKIP: u64 = 0xff;
const F_USER_STACK: u64 = 1 << 8;
const F_FAST_STACK_CMP: u64 = 1 << 9;
const F_REUSE_STACKID: u64 = 1 << 10;

/// `stack_trace`
#[derive(Debug)]
pub struct StackTrace {
    def: MapDef,
    /// A stack for each number, ended by a zero unless it is as long as a value.
    stacks: Values,
    /// For each number, how many frames the stack has plus 1, then its hash; 0 for no stack.
    heads: Values,
    numbers: u32,
    writer: Seq<()>,
    entries: AtomicUsize,
}

impl StackTrace {
    pub(crate) fn new(def: MapDef) -> Result<Self, Errno> {
        let numbers = def.max_entries.checked_next_power_of_two().ok_or(Errno::E2BIG)?;
        Ok(Self {
            stacks: Values::new(def.value_size as usize, numbers as usize)?,
            heads: Values::new((numbers as usize).checked_mul(8).ok_or(Errno::ENOMEM)?, 1)?,
            numbers,
            writer: Seq::new(()),
            entries: AtomicUsize::new(0),
            def,
        })
    }

    /// Bytes a map can come to take.
    pub(crate) fn bytes(def: &MapDef) -> u64 {
        let numbers = u64::from(def.max_entries).next_power_of_two();
        numbers.saturating_mul(u64::from(def.value_size) + 8)
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// The number of a stack, innermost frame first, as `bpf_get_stackid` gives it. What is longer
    /// than a value loses its outermost frames.
    ///
    /// # Errors
    ///
    /// `EINVAL` for flags, `EFAULT` if no frame is left, `EEXIST` if another stack has the number and
    /// the flags do not let it go.
    pub fn insert(&self, frames: &[u64], flags: u64) -> Result<u32, Errno> {
        if flags & !(SKIP | F_USER_STACK | F_FAST_STACK_CMP | F_REUSE_STACKID) != 0 {
            return Err(Errno::EINVAL);
        }
        let skip = usize::from((flags & SKIP).to_le_bytes()[0]);
        let frames = frames.get(skip..).filter(|frames| !frames.is_empty()).ok_or(Errno::EFAULT)?;
        let frames = &frames[..frames.len().min(self.depth())];
        let hash = frames.iter().fold(0, |hash: u64, frame| {
            (hash ^ frame).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        let hash = low32(hash >> 32);
        let number = hash & (self.numbers - 1);
        let mut writer = self.writer.lock();
        let known = self.is_known(number, hash, frames, flags & F_FAST_STACK_CMP != 0);
        if known {
            return Ok(number);
        }
        if self.frames(number).is_some() && flags & F_REUSE_STACKID == 0 {
            return Err(Errno::EEXIST);
        }
        writer.change();
        self.write(number, hash, frames);
        Ok(number)
    }

    fn is_known(&self, number: u32, hash: u32, frames: &[u64], fast: bool) -> bool {
        let same_hash = self.heads.word(number as usize * 8 + 4) == hash;
        let cell = self.cell(number);
        let stack = self.stacks.words().get(cell..cell + frames.len()).unwrap_or_default();
        self.frames(number).is_some_and(|count| {
            let same = || stack.iter().zip(frames).all(|(at, frame)| at.load(Relaxed) == *frame);
            same_hash && (fast || count == frames.len() && same())
        })
    }

    fn write(&self, number: u32, hash: u32, frames: &[u64]) {
        let cell = self.cell(number);
        let stack = self.stacks.words().get(cell..cell + self.depth()).unwrap_or_default();
        for (at, frame) in stack.iter().zip(frames.iter().chain(core::iter::repeat(&0))) {
            at.store(*frame, Relaxed);
        }
        let new = usize::from(self.frames(number).is_none());
        self.entries.store(self.entries() + new, Relaxed);
        self.heads.set_word(number as usize * 8 + 4, hash);
        self.set_frames(number, u32::try_from(frames.len()).unwrap_or(u32::MAX - 1) + 1);
    }

    /// Frames of a stack, if there is one.
    fn frames(&self, number: u32) -> Option<usize> {
        self.heads.word(number as usize * 8).checked_sub(1).map(|frames| frames as usize)
    }

    fn set_frames(&self, number: u32, frames: u32) {
        self.heads.set_word(number as usize * 8, frames);
    }

    /// Frames that a value has room for.
    fn depth(&self) -> usize {
        self.stacks.value_size() / 8
    }

    /// The first word of a stack.
    fn cell(&self, number: u32) -> usize {
        number as usize * self.depth()
    }

    fn number(&self, key: &[u8]) -> Result<u32, Errno> {
        let number = u32::from_ne_bytes(*key.as_array().ok_or(Errno::EINVAL)?);
        if number < self.numbers { Ok(number) } else { Err(Errno::ENOENT) }
    }
}

impl UserSide for StackTrace {
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let number = self.number(key)?;
        prepare(out, self.stacks.value_size())?;
        let found = self.writer.read(|| {
            self.frames(number)?;
            self.stacks.read(self.cell(number) * 8, out)
        });
        found.ok_or(Errno::ENOENT)
    }

    /// Kernel: `stack_map_update_elem` refuses.
    fn update_user(&self, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn take_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        self.lookup_user(key, out)?;
        self.delete_user(key)
    }

    /// Kernel: `stack_map_get_next_key`.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        sized(next, 4)?;
        let start = match key.map(|key| self.number(key)) {
            Some(Ok(number)) if self.frames(number).is_some() => number + 1,
            Some(Err(Errno::EINVAL)) => return Err(Errno::EINVAL),
            _ => 0,
        };
        let mut numbers = start..self.numbers;
        let found = numbers.find(|number| self.frames(*number).is_some()).ok_or(Errno::ENOENT)?;
        next.copy_from_slice(&found.to_ne_bytes());
        Ok(())
    }

    fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }
}

impl StackTrace {
    /// Takes a stack away.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none, or the number is beyond the end (which the kernel calls `E2BIG`).
    pub fn delete_user(&self, key: &[u8]) -> Result<(), Errno> {
        let number = u32::from_ne_bytes(*key.as_array().ok_or(Errno::EINVAL)?);
        if number >= self.numbers {
            return Err(Errno::E2BIG);
        }
        let mut writer = self.writer.lock();
        self.frames(number).ok_or(Errno::ENOENT)?;
        writer.change();
        self.set_frames(number, 0);
        self.entries.store(self.entries() - 1, Relaxed);
        Ok(())
    }
}
