//! Maps without keys: queues, stacks, filters, rings of the user.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use skep_abi::{Errno, MapType};
use skep_map::{BloomFilter, Map, Queue};
use skep_prog::MapDef;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

fn queue(map_type: MapType, value_size: u32, max_entries: u32) -> Arc<Queue> {
    match Map::new(&MapDef::new("q", map_type, 0, value_size, max_entries), 1) {
        Ok(Map::Queue(queue)) => queue,
        _ => panic!("no queue"),
    }
}

fn filter(value_size: u32, max_entries: u32, hashes: u64) -> Arc<BloomFilter> {
    let mut def = MapDef::new("b", MapType::BloomFilter, 0, value_size, max_entries);
    def.map_extra = hashes;
    let Ok(Map::Bloom(filter)) = Map::new(&def, 1) else { panic!("no filter") };
    filter
}

/// Random operations against the plainest queue there is.
#[test]
fn queues_and_stacks_are_those_of_a_model() {
    let steps = if cfg!(miri) { 100 } else { 3000 };
    for (map_type, value_size, max_entries) in
        [MapType::Queue, MapType::Stack].into_iter().flat_map(|t| {
            [(1, 1), (4, 2), (12, 7), (8, 64)].map(|(value, entries)| (t, value, entries))
        })
    {
        let mut rng = SmallRng::seed_from_u64(u64::from(max_entries));
        let queue = queue(map_type, value_size, max_entries);
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut out = vec![1; value_size as usize];
        for _ in 0..steps {
            let value: Vec<u8> = (0..value_size).map(|_| rng.random()).collect();
            let next = if map_type == MapType::Queue { model.front() } else { model.back() };
            let next = next.cloned().ok_or(Errno::ENOENT);
            match rng.random_range(0..5) {
                0..3 => {
                    let flags = [0, 0, 0, 2, 1, 3, 4][rng.random_range(0..7)];
                    let full = model.len() == max_entries as usize;
                    let expected = match flags {
                        0 if full => Err(Errno::E2BIG),
                        0 | 2 => Ok(()),
                        _ => Err(Errno::EINVAL),
                    };
                    assert_eq!(queue.push(&value, flags), expected, "flags {flags}");
                    if expected.is_ok() {
                        if full {
                            model.pop_front();
                        }
                        model.push_back(value);
                    }
                }
                3 => {
                    assert_eq!(queue.peek(&mut out).map(|()| out.clone()), next);
                }
                _ => {
                    assert_eq!(queue.pop(&mut out).map(|()| out.clone()), next);
                    if next.is_err() {
                        assert!(out.iter().all(|byte| *byte == 0), "an empty queue leaves zeroes");
                    } else if map_type == MapType::Queue {
                        model.pop_front();
                    } else {
                        model.pop_back();
                    }
                }
            }
            assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
        }
        assert_eq!(queue.push(&[0; 40], 0), Err(Errno::EINVAL));
        assert_eq!(queue.pop(&mut [0; 40]), Err(Errno::EINVAL));
    }
}

/// Each value that threads push comes out once.
#[test]
fn threads_lose_no_value() {
    let count: u64 = if cfg!(miri) { 50 } else { 20_000 };
    for map_type in [MapType::Queue, MapType::Stack] {
        let queue = queue(map_type, 8, 16);
        let (sum, seen) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for n in 1..=count {
                        while queue.push(&n.to_ne_bytes(), 0).is_err() {
                            thread::yield_now();
                        }
                    }
                });
                scope.spawn(|| {
                    let mut value = [0; 8];
                    while seen.load(Ordering::Relaxed) < 2 * count {
                        if queue.pop(&mut value).is_ok() {
                            sum.fetch_add(u64::from_ne_bytes(value), Ordering::Relaxed);
                            seen.fetch_add(1, Ordering::Relaxed);
                        } else {
                            thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(seen.into_inner(), 2 * count);
        assert_eq!(sum.into_inner(), count * (count + 1));
    }
}

#[test]
fn filters_know_their_members_and_few_others() {
    let count: u32 = if cfg!(miri) { 30 } else { 2000 };
    for (value_size, hashes) in [(4, 0), (5, 1), (8, 3), (24, 15)] {
        let filter = filter(value_size, count, hashes);
        let value = |n: u32| {
            let mut value = vec![0; value_size as usize];
            value[..4].copy_from_slice(&n.to_ne_bytes());
            value
        };
        assert_eq!(filter.peek(&value(1)), Err(Errno::ENOENT));
        for n in 0..count {
            filter.push(&value(n), 0).unwrap();
        }
        assert!((0..count).all(|n| filter.peek(&value(n)) == Ok(())));
        let wrong = (count..2 * count).filter(|n| filter.peek(&value(*n)).is_ok()).count();
        // With one hash, as many bits as are set are mistaken: half of them at most.
        let limit = if hashes == 1 { count * 6 / 10 } else { count / 5 };
        assert!(wrong < limit as usize, "{wrong} of {count} with {hashes} hashes");
        for flags in [1, 2, 3, 4] {
            assert_eq!(filter.push(&value(0), flags), Err(Errno::EINVAL));
        }
        assert_eq!(filter.push(&[0; 3], 0), Err(Errno::EINVAL));
        assert_eq!(filter.peek(&[0; 3]), Err(Errno::EINVAL));
    }
}

#[test]
fn a_user_ring_takes_what_the_user_gives() {
    let Ok(Map::UserRing(ring)) = Map::new(&MapDef::new("u", MapType::UserRingbuf, 0, 0, 4096), 1)
    else {
        panic!("no ring")
    };
    ring.output(b"for the program", 0).unwrap();
    let mut record = Vec::new();
    assert!(ring.next(&mut record));
    assert_eq!(record, b"for the program");
    assert!(!ring.next(&mut record));
}
