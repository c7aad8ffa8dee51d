//! Numbers of cells to give out and take back.

use crate::Values;
use skep_abi::Errno;

/// The numbers below a limit. Those given back stand in a queue with two ends.
#[derive(Debug)]
pub(crate) struct Pool {
    /// For each number in the queue, the one after it plus 1.
    links: Values,
    /// First and last of the queue, plus 1.
    front: u32,
    back: u32,
    /// Numbers from here on were never used.
    fresh: u32,
    limit: u32,
}

impl Pool {
    pub(crate) fn new(limit: u32) -> Result<Self, Errno> {
        let bytes = (limit as usize).checked_mul(4).ok_or(Errno::ENOMEM)?;
        Ok(Self { links: Values::new(bytes, 1)?, front: 0, back: 0, fresh: 0, limit })
    }

    /// The front of the queue, else a number never used: the memory touched last.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.take_queued().or_else(|| self.take_fresh())
    }

    /// A number never used, else the front of the queue: with [`Pool::retire`], the memory that
    /// nobody has used for longest.
    pub(crate) fn take_coldest(&mut self) -> Option<u32> {
        self.take_fresh().or_else(|| self.take_queued())
    }

    fn take_queued(&mut self) -> Option<u32> {
        let number = self.front.checked_sub(1)?;
        self.front = self.links.word(number as usize * 4);
        Some(number)
    }

    fn take_fresh(&mut self) -> Option<u32> {
        let number = self.fresh;
        self.fresh += u32::from(number < self.limit);
        (number < self.limit).then_some(number)
    }

    /// Gives a number back, to the front.
    pub(crate) fn give(&mut self, number: u32) {
        self.links.set_word(number as usize * 4, self.front);
        if self.front == 0 {
            self.back = number + 1;
        }
        self.front = number + 1;
    }

    /// Gives a number back, to the back.
    pub(crate) fn retire(&mut self, number: u32) {
        self.links.set_word(number as usize * 4, 0);
        match self.back.checked_sub(1).filter(|_| self.front != 0) {
            Some(back) => self.links.set_word(back as usize * 4, number + 1),
            None => self.front = number + 1,
        }
        self.back = number + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_the_end_asked_for() {
        let mut pool = Pool::new(3).unwrap();
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

    fn below(limit: u32) -> impl Fn(u32) -> Option<u32> {
        move |number| (number < limit).then_some(number)
    }
}
