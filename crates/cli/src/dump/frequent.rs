//! The most frequent of any number of values, in bounded memory.

use std::collections::HashMap;
use std::ops::AddAssign;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// A value's packets since it was kept.
#[derive(Clone, Copy)]
pub(crate) struct Count {
    pub(crate) sum: Sum,
    /// Packets that it may have had before, at most.
    pub(crate) lacks: u64,
}

/// Sums of values. Where there are too many, the rarer half is let go: a value that is not kept has had `lost` packets at
/// most, as each time that it was let go it had no more than the most frequent of those that went with it.
#[derive(Default)]
pub(crate) struct Frequent {
    values: HashMap<Box<[u8]>, Count>,
    lost: u64,
    others: Sum,
}

impl Frequent {
    /// Values that are kept; hostile packets have as many as they like.
    pub(crate) const MOST: usize = 1 << 16;

    pub(crate) fn add(&mut self, value: &[u8], sum: Sum) {
        if let Some(count) = self.values.get_mut(value) {
            count.sum += sum;
            return;
        }
        if self.values.len() >= Self::MOST {
            self.let_go();
        }
        self.values.insert(value.into(), Count { sum, lacks: self.lost });
    }

    fn let_go(&mut self) {
        let mut packets: Vec<_> = self.values.values().map(|count| count.sum.packets).collect();
        let middle = packets.len() / 2;
        let (_, &mut most, _) = packets.select_nth_unstable(middle);
        let others = &mut self.others;
        self.values.retain(|_, count| {
            let stays = count.sum.packets > most;
            if !stays {
                *others += count.sum;
            }
            stays
        });
        self.lost += most;
    }

    /// What is kept, the most frequent first, and the sum of what is not.
    pub(crate) fn sorted(&self) -> (Vec<(&[u8], Count)>, Sum) {
        let mut all: Vec<_> = self.values.iter().map(|(value, count)| (&**value, *count)).collect();
        all.sort_by(|a, b| b.1.sum.packets.cmp(&a.1.sum.packets).then_with(|| a.0.cmp(b.0)));
        (all, self.others)
    }

    /// Whether there were more values than are kept.
    pub(crate) const fn has_lost(&self) -> bool {
        self.lost > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Sum = Sum { packets: 1, bytes: 100 };

    /// Values that come once, `n` of them, none as another time.
    fn rare(frequent: &mut Frequent, from: u32, n: usize) {
        for value in (from..).take(n) {
            frequent.add(&value.to_be_bytes(), ONE);
        }
    }

    #[test]
    fn what_comes_late_and_often_is_kept() {
        let mut frequent = Frequent::default();
        for _ in 0..10 {
            frequent.add(b"early", ONE);
        }
        rare(&mut frequent, 0, 2 * Frequent::MOST);
        for n in 0..1000 {
            rare(&mut frequent, 1 << 24 | n << 12, 50);
            frequent.add(b"late", ONE);
        }
        assert!(frequent.has_lost());
        let (all, mut sum) = frequent.sorted();
        assert!(all.len() <= Frequent::MOST);
        let [(late, of_late), (early, of_early), ..] = all[..] else { panic!("{}", all.len()) };
        assert_eq!((late, early), (&b"late"[..], &b"early"[..]));
        assert!(of_late.sum.packets <= 1000 && of_late.sum.packets + of_late.lacks >= 1000);
        assert_eq!((of_early.sum.packets, of_early.lacks), (10, 0));
        // All packets are in one row or another.
        all.iter().for_each(|(_, count)| sum += count.sum);
        let packets = 10 + 2 * Frequent::MOST as u64 + 1000 * 51;
        assert_eq!(sum, Sum { packets, bytes: packets * 100 });
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let mut frequent = Frequent::default();
        for _ in 0..3 {
            rare(&mut frequent, 0, Frequent::MOST);
        }
        let (all, others) = frequent.sorted();
        assert!(!frequent.has_lost());
        assert_eq!((all.len(), others), (Frequent::MOST, Sum::default()));
        assert!(all.iter().all(|(_, count)| (count.sum.packets, count.lacks) == (3, 0)));
    }
}
