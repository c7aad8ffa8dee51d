//! Places in the packet that are the same, however they are computed.

use super::gates::{Bit, Found, Gates, Search};
use super::word::{Word, constant, value};

/// Places that a new one is compared with, the latest first.
const COMPARED: usize = 24;
/// Dead ends that a comparison may come to.
const CONFLICTS: u64 = 2000;
/// Comparisons that may fail in all: programs that look for headers in many places have few in common.
const FAILURES: usize = 24;
/// Gates for which a comparison is affordable.
const FEW_GATES: usize = 30_000;

/// Places that are read at.
#[derive(Default)]
pub(super) struct Places {
    list: Vec<Word>,
    search: Option<Search>,
    failures: usize,
}

impl Places {
    /// The place, or one known before and how far the place is from it wherever `reach` holds.
    pub(super) fn find(&mut self, gates: &mut Gates, place: &Word, reach: Bit) -> (Word, u32) {
        if self.list.contains(place) {
            return (*place, 0);
        }
        let search = self.search.get_or_insert_with(|| Search::new(0));
        for &known in self.list.iter().rev().take(COMPARED) {
            if self.failures > FAILURES || gates.len() > FEW_GATES {
                break;
            }
            if let Some(distance) = distance(search, gates, place, &known, reach) {
                return (known, distance);
            }
            self.failures += 1;
        }
        self.list.push(*place);
        (*place, 0)
    }
}

/// How far a place is from another one, if it is the same wherever `reach` holds.
fn distance(
    search: &mut Search,
    gates: &mut Gates,
    place: &Word,
    known: &Word,
    reach: Bit,
) -> Option<u32> {
    search.restart(CONFLICTS);
    // Any packet says how far it would have to be; another one that it is not so.
    match search.find(gates, &[reach]) {
        Found::Model => {}
        Found::Nothing => return Some(0),
        Found::Unknown => return None,
    }
    let model = search.model(gates);
    let distance = value(&model, place).wrapping_sub(value(&model, known));
    let there = gates.add_words(known, &constant(distance));
    let apart = gates.equal(place, &there).not();
    (search.find(gates, &[reach, apart]) == Found::Nothing).then_some(distance)
}
