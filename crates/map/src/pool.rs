//! Numbers of cells to give out and take back.

use crate::Values;
use skep_abi::Errno;

/// The numbers below a limit: the one given back last comes first, then those never used, from 0.
#[derive(Debug)]
pub(crate) struct Pool {
    /// For each number that is free again, the next such number plus 1.
    links: Values,
    /// First free number plus 1.
    free: u32,
    /// Numbers from here on were never used.
    fresh: u32,
    limit: u32,
}

impl Pool {
    pub(crate) fn new(limit: u32) -> Result<Self, Errno> {
        let bytes = (limit as usize).checked_mul(4).ok_or(Errno::ENOMEM)?;
        Ok(Self { links: Values::new(bytes, 1)?, free: 0, fresh: 0, limit })
    }

    pub(crate) fn take(&mut self) -> Option<u32> {
        if let Some(number) = self.free.checked_sub(1) {
            self.free = self.links.word(number as usize * 4);
            return Some(number);
        }
        let number = self.fresh;
        self.fresh += u32::from(number < self.limit);
        (number < self.limit).then_some(number)
    }

    pub(crate) fn give(&mut self, number: u32) {
        self.links.set_word(number as usize * 4, self.free);
        self.free = number + 1;
    }
}
