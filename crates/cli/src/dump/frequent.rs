//! Counts of the most frequent of more values than there is room for.
//!
//! After Misra and Gries (1982), with many counters taken away at once as in Anderson et al. (2017): where a new value finds
//! no room, at least half of the room is made, by forgetting those that were met least. What was forgotten of a value is never
//! more than the *floor*, the most that a forgotten one may have had; so its count is too low by that at most, and
//! every value that was met more often is still there. The floor itself is at most twice the sum of all by the number of
//! values kept, as each forgetting takes as much from each of those that stay, were they counted from the floor.

use std::collections::HashMap;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Sum {
    pub(crate) const fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
    }
}

/// What is known of a value.
struct Count {
    sum: Sum,
    /// Packets it may have had before.
    missed: u64,
}

/// How much is kept.
#[derive(Clone, Copy)]
struct Room {
    values: usize,
    /// Of the values.
    bytes: usize,
}

/// Some 16 MB with all that belongs to it: the table is just full then.
const ROOM: Room = Room { values: (1 << 17) / 8 * 7, bytes: 6 << 20 };
/// What the heap takes for a value besides its bytes.
const OVERHEAD: usize = 16;

/// Values and how often they were met.
pub(crate) struct Frequent {
    counts: HashMap<Box<[u8]>, Count>,
    bytes: usize,
    room: Room,
    /// Those that were forgotten.
    forgotten: Sum,
    floor: u64,
}

impl Frequent {
    pub(crate) fn new() -> Self {
        Self::with_room(ROOM)
    }

    fn with_room(room: Room) -> Self {
        Self { counts: HashMap::new(), bytes: 0, room, forgotten: Sum::default(), floor: 0 }
    }

    pub(crate) fn add(&mut self, value: &[u8], sum: Sum) {
        if let Some(count) = self.counts.get_mut(value) {
            count.sum.add(sum);
            return;
        }
        let size = value.len() + OVERHEAD;
        if self.counts.len() >= self.room.values || self.bytes + size > self.room.bytes {
            self.forget();
        }
        self.bytes += size;
        self.counts.insert(value.into(), Count { sum, missed: self.floor });
    }

    /// Makes room by what was met least.
    fn forget(&mut self) {
        let mut sizes: Vec<(u64, usize)> = self
            .counts
            .iter()
            .map(|(value, count)| (count.most(), value.len() + OVERHEAD))
            .collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let mut bytes = 0;
        let stay = |(n, &(_, size)): (usize, &(u64, usize))| {
            bytes += size;
            n < self.room.values / 2 && bytes <= self.room.bytes / 2
        };
        let stays = sizes.iter().enumerate().map(stay).take_while(|&stays| stays).count();
        let Some(&(floor, _)) = sizes.get(stays) else { return };
        self.floor = self.floor.max(floor);
        self.counts.retain(|value, count| {
            let stays = count.most() > floor;
            if !stays {
                self.bytes -= value.len() + OVERHEAD;
                self.forgotten.add(count.sum);
            }
            stays
        });
    }

    /// Those that were met most, the most frequent first, and the sum of the others.
    pub(crate) fn top(&self, most: usize) -> (Vec<(&[u8], Sum)>, Sum) {
        let mut rows: Vec<_> =
            self.counts.iter().map(|(value, count)| (value.as_ref(), count.sum)).collect();
        rows.sort_unstable_by(|a, b| b.1.packets.cmp(&a.1.packets).then_with(|| a.0.cmp(b.0)));
        let mut others = self.forgotten;
        for (_, sum) in rows.drain(most.min(rows.len())..) {
            others.add(sum);
        }
        (rows, others)
    }

    /// By how many packets a count may be too low.
    pub(crate) const fn floor(&self) -> u64 {
        self.floor
    }
}

impl Count {
    const fn most(&self) -> u64 {
        self.sum.packets + self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Sum = Sum { packets: 1, bytes: 60 };

    /// Counts of numbers, and what they should be.
    struct Checked {
        frequent: Frequent,
        exact: HashMap<u64, u64>,
    }

    impl Checked {
        fn new(values: usize, bytes: usize) -> Self {
            let frequent = Frequent::with_room(Room { values, bytes });
            Self { frequent, exact: HashMap::new() }
        }

        fn add(&mut self, value: u64) {
            self.frequent.add(&value.to_be_bytes(), ONE);
            *self.exact.entry(value).or_default() += 1;
        }

        #[track_caller]
        fn check(&self) {
            let all: u64 = self.exact.values().sum();
            let (rows, others) = self.frequent.top(usize::MAX);
            let room = self.frequent.room;
            let floor = self.frequent.floor();
            assert!(rows.len() <= room.values && self.frequent.bytes <= room.bytes);
            let kept = room.values.min(room.bytes / (8 + OVERHEAD)) as u64;
            assert!(floor <= 2 * all / kept + 1, "{floor} of {all}");
            let mut sum = others;
            let mut seen = HashMap::new();
            for (value, count) in rows {
                let value = u64::from_be_bytes(value.try_into().unwrap());
                let exact = self.exact[&value];
                assert!(count.packets <= exact && exact <= count.packets + floor, "{value}");
                sum.add(count);
                seen.insert(value, ());
            }
            assert_eq!(sum, Sum { packets: all, bytes: 60 * all });
            for (value, &exact) in &self.exact {
                assert!(exact <= floor || seen.contains_key(value), "{value}: {exact} > {floor}");
            }
        }
    }

    #[test]
    fn few_values_are_counted_exactly() {
        let mut checked = Checked::new(100, 1 << 20);
        (0..1000).for_each(|n| checked.add(n % 100));
        checked.check();
        assert_eq!(checked.frequent.floor(), 0);
    }

    #[test]
    fn what_comes_late_and_often_is_found() {
        let mut checked = Checked::new(100, 1 << 20);
        (0..20_000).for_each(|n| checked.add(n));
        (0..2000).for_each(|n| checked.add(7 + n % 2));
        checked.check();
        let (rows, _) = checked.frequent.top(2);
        let rows: Vec<_> = rows.into_iter().map(|(value, _)| value[7]).collect();
        assert_eq!(rows, [7, 8]);
    }

    #[test]
    fn counts_are_off_by_no_more_than_is_said() {
        for (values, bytes) in [(2, 1 << 20), (16, 1 << 20), (100, 1 << 20), (100, 600)] {
            for spread in [1, 2, 5, 20] {
                let mut checked = Checked::new(values, bytes);
                let mut state = 1_u64;
                for n in 0..20_000 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    // Frequent ones, rare ones, and those that come in a row.
                    checked.add(match state >> 62 {
                        0 => n / 50,
                        1 => state >> 32,
                        _ => (state >> 32) % (spread * values as u64),
                    });
                }
                checked.check();
            }
        }
    }

    #[test]
    fn long_values_take_their_room() {
        let mut frequent = Frequent::with_room(Room { values: 1000, bytes: 10_000 });
        for n in 0..1000_u16 {
            frequent.add(&[n.to_be_bytes().as_slice(), &[0; 3000]].concat(), ONE);
        }
        assert!(frequent.counts.len() <= 3 && frequent.bytes <= 10_000);
        let larger = [1; 20_000];
        frequent.add(&larger, ONE);
        frequent.add(&larger, ONE);
        let twice = Sum { packets: 2, bytes: 120 };
        assert_eq!(frequent.top(1).0, [(larger.as_slice(), twice)]);
    }
}
