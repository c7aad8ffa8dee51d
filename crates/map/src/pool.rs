//! Numbers of cells to give out and take back.

use crate::Values;
use crate::memory::Memory;
use skep_abi::Errno;

/// Words of 32 bits: first and last of the queue, plus 1; and the number from which on none was ever used.
const FRONT: usize = 0;
const BACK: usize = 4;
const FRESH: usize = 8;

/// The numbers below a limit, for whoever holds the lock of a map. Those given back stand in a queue with
/// two ends.
#[derive(Debug)]
pub(crate) struct Pool {
    ends: Values,
    /// For each number in the queue, the one after it plus 1.
    links: Values,
    limit: u32,
}

impl Pool {
    pub(crate) fn new(memory: &Memory, limit: u32) -> Result<Self, Errno> {
        let bytes = (limit as usize).checked_mul(4).ok_or(Errno::ENOMEM)?;
        Ok(Self { ends: memory.values(16, 1)?, links: memory.values(bytes, 1)?, limit })
    }

    /// Bytes beside those of the numbers, of which each takes four.
    pub(crate) const fn bytes() -> u64 {
        16
    }

    /// The front of the queue, else a number never used: the memory touched last.
    pub(crate) fn take(&self) -> Option<u32> {
        self.take_queued().or_else(|| self.take_fresh())
    }

    /// A number never used, else the front of the queue: with [`Pool::retire`], the memory that
    /// nobody has used for longest.
    pub(crate) fn take_coldest(&self) -> Option<u32> {
        self.take_fresh().or_else(|| self.take_queued())
    }

    fn take_queued(&self) -> Option<u32> {
        // Another process may have written any number.
        let number = self.ends.word(FRONT).checked_sub(1).filter(|number| *number < self.limit)?;
        self.ends.set_word(FRONT, self.links.word(number as usize * 4));
        Some(number)
    }

    fn take_fresh(&self) -> Option<u32> {
        let number = self.ends.word(FRESH);
        let is_there = number < self.limit;
        if is_there {
            self.ends.set_word(FRESH, number + 1);
        }
        is_there.then_some(number)
    }

    /// Gives a number back, to the front.
    pub(crate) fn give(&self, number: u32) {
        let front = self.ends.word(FRONT);
        self.links.set_word(number as usize * 4, front);
        if front == 0 {
            self.ends.set_word(BACK, number + 1);
        }
        self.ends.set_word(FRONT, number + 1);
    }

    /// Gives a number back, to the back.
    pub(crate) fn retire(&self, number: u32) {
        self.links.set_word(number as usize * 4, 0);
        let back = self.ends.word(BACK).checked_sub(1).filter(|back| *back < self.limit);
        match back.filter(|_| self.ends.word(FRONT) != 0) {
            Some(back) => self.links.set_word(back as usize * 4, number + 1),
            None => self.ends.set_word(FRONT, number + 1),
        }
        self.ends.set_word(BACK, number + 1);
    }

    /// Makes those numbers the queue that are free, and none fresh.
    pub(crate) fn reset(&self, is_free: impl Fn(u32) -> bool) {
        self.ends.set_word(FRONT, 0);
        self.ends.set_word(BACK, 0);
        self.ends.set_word(FRESH, self.limit);
        (0..self.limit).filter(|number| is_free(*number)).for_each(|number| self.retire(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_the_end_asked_for() {
        let pool = Pool::new(&Memory::Heap, 3).unwrap();
        assert_eq!([pool.take(), pool.take()], [Some(0), Some(1)]);
        pool.give(0);
        pool.give(1);
        assert_eq!(
            [pool.take(), pool.take(), pool.take(), pool.take()],
            [1, 0, 2, 9].map(below(3))
        );
        pool.retire(2);
        pool.retire(0);
        pool.retire(1);
        assert_eq!([pool.take_coldest(), pool.take_coldest()], [Some(2), Some(0)]);
        pool.give(2);
        pool.retire(0);
        assert_eq!([(); 4].map(|()| pool.take()), [2, 1, 0, 9].map(below(3)));
        pool.retire(1);
        assert_eq!([(); 2].map(|()| pool.take()), [1, 9].map(below(3)));
    }

    #[test]
    fn what_is_free_can_be_said_anew() {
        let pool = Pool::new(&Memory::Heap, 4).unwrap();
        assert_eq!(pool.take(), Some(0));
        pool.reset(|number| number != 2);
        assert_eq!([(); 4].map(|()| pool.take_coldest()), [0, 1, 3, 9].map(below(4)));
    }

    fn below(limit: u32) -> impl Fn(u32) -> Option<u32> {
        move |number| (number < limit).then_some(number)
    }
}
