//! Several threads on one map.

#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

use skep_abi::MapType;
use skep_isa::{AtomicOp, Size};
use skep_map::{Cpu, KeyValue, Map, PerfEvent};
use skep_prog::MapDef;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const THREADS: u32 = 4;
const ROUNDS: u64 = if cfg!(miri) { 40 } else { 20_000 };

fn map(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> Arc<dyn KeyValue> {
    let def = MapDef::new("m", map_type, key_size, value_size, max_entries);
    let Ok(Map::KeyValue(map)) = Map::new(&def, THREADS) else { panic!("{map_type}") };
    map
}

/// A key, for LPM tries a full-length one.
fn key(n: u64) -> [u8; 8] {
    let mut key = [32, 0, 0, 0, 0, 0, 0, 0];
    key[4..].copy_from_slice(&(n as u32).to_be_bytes());
    key
}

/// Bytes of a value: many words, so that a torn copy is likely.
const VALUE: usize = if cfg!(miri) { 32 } else { 1024 };

/// A value that tells which key it belongs to, and whether it is whole.
fn value(n: u64, round: u64) -> [u8; VALUE] {
    let mut value = [0; VALUE];
    for (place, word) in value.chunks_mut(8).enumerate() {
        word.copy_from_slice(&(if place == 0 { round } else { n ^ round << 8 }).to_ne_bytes());
    }
    value
}

fn check_value(n: u64, bytes: &[u8], what: &str) {
    let round = u64::from_ne_bytes(bytes[..8].try_into().unwrap());
    assert!(bytes == value(n, round), "{what}: key {n}, round {round}");
}

/// Writers insert, replace and remove the same few keys; what a reader gets for a key was written
/// for that key, by one update.
#[test]
fn readers_see_whole_values_of_the_right_key() {
    for map_type in [MapType::Hash, MapType::LruHash, MapType::LpmTrie] {
        let map = map(map_type, 8, VALUE as u32, if map_type == MapType::LruHash { 5 } else { 16 });
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..2u64)
                .map(|thread| {
                    let map = &map;
                    scope.spawn(move || {
                        for round in 0..ROUNDS {
                            let n = (round * 7 + thread * 3) % 8;
                            if round % 3 == 2 {
                                let _ = map.delete(&key(n));
                            } else {
                                map.update(&key(n), &value(n, round), 0, Cpu(thread as u32))
                                    .unwrap();
                            }
                        }
                    })
                })
                .collect();
            for cpu in 2..THREADS {
                let (map, done) = (&map, &done);
                scope.spawn(move || {
                    let (mut out, mut next) = (Vec::new(), [0; 8]);
                    while !done.load(Ordering::Relaxed) {
                        for n in 0..8 {
                            if map.lookup_user(&key(n), &mut out).is_ok() {
                                check_value(n, &out, map_type.name());
                            }
                            if let Some(at) = map.lookup(&key(n), Cpu(cpu)) {
                                map.values().load(at, Size::Dw).unwrap();
                            }
                            if map.next_key(Some(&key(n)), &mut next).is_ok() {
                                assert!((0..8).any(|n| next == key(n)), "{next:?}");
                            }
                        }
                        thread::yield_now();
                    }
                });
            }
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let count = (0..8).filter(|n| map.lookup(&key(*n), Cpu(0)).is_some()).count();
        assert_eq!(map.entries(), count);
    }
}

/// Each thread its own keys: what one does must not disturb what another finds.
#[test]
fn threads_with_keys_of_their_own_do_not_meet() {
    for map_type in [MapType::Hash, MapType::PercpuHash, MapType::LruHash, MapType::LpmTrie] {
        let map = map(map_type, 8, VALUE as u32, 16 * THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let map = &map;
                scope.spawn(move || {
                    let cpu = Cpu(thread);
                    for round in 0..ROUNDS / 4 {
                        let n = round % 16 * 4 + u64::from(thread);
                        assert_eq!(map.lookup(&key(n), cpu), None);
                        map.update(&key(n), &value(n, round), 1, cpu).unwrap();
                        let at = map.lookup(&key(n), cpu).unwrap();
                        let mut out = [0; VALUE];
                        map.values().read(at, &mut out).unwrap();
                        check_value(n, &out, map_type.name());
                        assert_eq!(out[..8], round.to_ne_bytes());
                        map.delete(&key(n)).unwrap();
                    }
                });
            }
        });
        assert_eq!(map.entries(), 0, "{map_type}");
    }
}

#[test]
fn a_map_that_threads_fill_is_full_exactly() {
    for map_type in [MapType::Hash, MapType::LpmTrie] {
        let map = map(map_type, 8, 8, 100);
        let made: usize = thread::scope(|scope| {
            let insert = |thread: u32| {
                let map = &map;
                move || {
                    (0..60)
                        .filter(|n| {
                            map.update(&key(n * 4 + u64::from(thread)), &[1; 8], 0, Cpu(thread))
                                .is_ok()
                        })
                        .count()
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(insert(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((made, map.entries()), (100, 100), "{map_type}");
    }
}

#[test]
fn counters_lose_nothing() {
    for map_type in [MapType::Array, MapType::PercpuArray, MapType::PercpuHash] {
        let key_size = if map_type == MapType::PercpuHash { 8 } else { 4 };
        let map = map(map_type, key_size, 8, 1);
        let key = &[0; 8][..key_size as usize];
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let map = &map;
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let at = loop {
                            match map.lookup(key, Cpu(thread)) {
                                Some(at) => break at,
                                None => _ = map.update(key, &[0; 8], 1, Cpu(thread)),
                            }
                        };
                        let values = map.values();
                        if map_type == MapType::Array {
                            values.atomic(at, Size::Dw, AtomicOp::Add, 1, 0).unwrap();
                        } else {
                            let count = values.load(at, Size::Dw).unwrap();
                            values.store(at, Size::Dw, count + 1).unwrap();
                        }
                    }
                });
            }
        });
        let mut out = Vec::new();
        map.lookup_user(key, &mut out).unwrap();
        let counts = out.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
        assert_eq!(counts.sum::<u64>(), ROUNDS * u64::from(THREADS), "{map_type}");
    }
}

#[test]
fn a_ring_delivers_each_record_once_and_in_order() {
    let Ok(Map::RingBuf(ring)) = Map::new(&MapDef::new("r", MapType::Ringbuf, 0, 0, 4096), 1)
    else {
        panic!()
    };
    let produce = |thread: u64| {
        for n in 0..ROUNDS {
            let len = 16 + (n * 13 + thread) % 300;
            let record = loop {
                match ring.reserve(len, 0) {
                    Some(record) => break record,
                    None => thread::yield_now(),
                }
            };
            let mut data = vec![thread as u8; len as usize];
            data[..8].copy_from_slice(&n.to_ne_bytes());
            ring.values().write(record.at, &data).unwrap();
            if n % 10 == 9 { ring.discard(record) } else { ring.submit(record) }
        }
    };
    thread::scope(|scope| {
        for thread in 0..3 {
            let produce = &produce;
            scope.spawn(move || produce(thread));
        }
        let mut seen = [0; 3];
        while seen.iter().sum::<u64>() < 3 * (ROUNDS - ROUNDS / 10) {
            ring.consume(&mut |record| {
                let n = u64::from_ne_bytes(record[..8].try_into().unwrap());
                let thread = u64::from(record[8]);
                assert_eq!(record.len() as u64, 16 + (n * 13 + thread) % 300);
                assert!(record[8..].iter().all(|byte| u64::from(*byte) == thread));
                let seen = &mut seen[thread as usize];
                assert_eq!(n, *seen + *seen / 9, "of thread {thread}");
                *seen += 1;
            });
            thread::yield_now();
        }
    });
    // The last record of a thread is a discarded one, which may come after all were seen.
    assert_eq!(ring.consume(&mut |record| panic!("{record:?}")), 0);
    assert_eq!(ring.query(0), 0);
}

#[test]
fn perf_events_are_delivered_or_counted_as_lost() {
    let def = MapDef::new("p", MapType::PerfEventArray, 4, 4, 0);
    let Ok(Map::PerfEvents(array)) = Map::new(&def, THREADS) else { panic!() };
    let mut total = 0;
    let mut drain = || {
        while let Some(event) = array.next() {
            total += match event {
                PerfEvent::Sample { cpu, bytes } => {
                    assert_eq!(*bytes, [cpu.0 as u8; 100]);
                    1
                }
                PerfEvent::Lost { count, .. } => count,
            };
        }
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|cpu| {
                let array = &array;
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        let _ = array.output(cpu, Cpu(cpu), &[cpu as u8; 100]);
                    }
                })
            })
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            drain();
        }
        drain();
    });
    assert_eq!(total, ROUNDS * u64::from(THREADS));
}
