//! Ring buffers, perf event arrays and prog arrays.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use skep_abi::{Errno, MapType};
use skep_isa::Size;
use skep_map::{Cpu, Map, PerfEvent, PerfEventArray, ProgArray, Record, RingBuf};
use skep_prog::MapDef;
use std::collections::VecDeque;
use std::sync::Arc;

fn ring(size: u32) -> Arc<RingBuf> {
    match Map::new(&MapDef::new("r", MapType::Ringbuf, 0, 0, size), 1) {
        Ok(Map::RingBuf(ring)) => ring,
        _ => panic!("no ring of {size}"),
    }
}

fn next(ring: &RingBuf) -> Option<Vec<u8>> {
    let mut record = Vec::new();
    ring.next(&mut record).then_some(record)
}

#[derive(PartialEq)]
enum State {
    Busy(Record),
    Done,
    Discarded,
}

/// Random reservations of random sizes, ended in random order, against a queue.
#[test]
fn a_ring_is_a_queue_of_records_in_order_of_reservation() {
    let size = 4096;
    for seed in 0..if cfg!(miri) { 1 } else { 20 } {
        let (ring, mut rng) = (ring(size), SmallRng::seed_from_u64(seed));
        let mut queue: VecDeque<(u64, Vec<u8>, State)> = VecDeque::new();
        let (mut consumer, mut producer, mut pending, mut dropped) = (0, 0, 0, 0);
        for _ in 0..if cfg!(miri) { 200 } else { 5000 } {
            match rng.random_range(0..10) {
                0..3 => {
                    let len = [0, 1, 7, 8, 9, 100, 500, 1500, 4080, 4088, 4089, 9000]
                        [rng.random_range(0..12)];
                    let bytes = (len + 8u64).next_multiple_of(8);
                    // The kernel looks for the oldest busy record at each reservation it considers.
                    if bytes <= u64::from(size) {
                        let busy =
                            queue.iter().find(|(_, _, state)| matches!(state, State::Busy(_)));
                        pending = busy.map_or(producer, |(at, ..)| *at);
                    }
                    let end = producer + bytes;
                    let oldest = u64::min(consumer, pending);
                    let fits = end - oldest < u64::from(size);
                    let record = ring.reserve(len, 0);
                    assert_eq!(record.is_some(), fits, "{len} at {producer}, read to {consumer}");
                    dropped += u64::from(!fits);
                    if let Some(record) = record {
                        let data: Vec<u8> = (0..len).map(|_| rng.random()).collect();
                        ring.values().write(record.at, &data).unwrap();
                        queue.push_back((producer, data, State::Busy(record)));
                        producer = end;
                    }
                }
                3..7 if !queue.is_empty() => {
                    let n = rng.random_range(0..queue.len().min(4));
                    let (_, _, state) = &mut queue[n];
                    if let State::Busy(record) = *state {
                        *state = if rng.random() { State::Done } else { State::Discarded };
                        if *state == State::Done {
                            ring.submit(record)
                        } else {
                            ring.discard(record)
                        }
                        // Once ended, nothing changes it any more.
                        ring.discard(record);
                    }
                }
                _ => {
                    let mut expected = None;
                    while expected.is_none()
                        && queue.front().is_some_and(|(_, _, s)| !matches!(s, State::Busy(_)))
                    {
                        let (_, data, state) = queue.pop_front().unwrap();
                        consumer += (data.len() as u64 + 8).next_multiple_of(8);
                        expected = (state == State::Done).then_some(data);
                    }
                    assert_eq!(next(&ring), expected);
                }
            }
            assert_eq!(
                [0, 1, 2, 3, 4].map(|what| ring.query(what)),
                [producer - consumer, 4096, consumer, producer, 0]
            );
            assert_eq!(ring.dropped(), dropped);
        }
        assert!(producer > 20 * u64::from(size) || cfg!(miri), "the ring never wrapped");
    }
}

#[test]
fn a_record_not_submitted_holds_up_those_after_it() {
    let ring = ring(4096);
    let first = ring.reserve(4, 0).unwrap();
    ring.output(b"second", 0).unwrap();
    assert_eq!(next(&ring), None);
    ring.values().store(first.at, Size::W, u64::from(u32::from_ne_bytes(*b"1st!"))).unwrap();
    ring.submit(first);
    let mut records = Vec::new();
    assert_eq!(ring.consume(&mut |record| records.push(record.to_vec())), 2);
    assert_eq!(records, [&b"1st!"[..], b"second"]);
}

#[test]
fn what_a_ring_refuses() {
    let ring = ring(4096);
    assert_eq!(ring.reserve(8, 1), None);
    assert_eq!(ring.dropped(), 0);
    for size in [4089, 1 << 30, u64::from(u32::MAX), u64::MAX] {
        assert_eq!(ring.reserve(size, 0), None);
    }
    assert_eq!(ring.dropped(), 4);
    assert_eq!(ring.output(b"x", 4), Err(Errno::EINVAL));
    assert_eq!(ring.output(b"x", 3), Ok(()));
    assert_eq!(ring.output(&[0; 4088], 0), Err(Errno::EAGAIN));
    // Not records: nothing happens.
    for at in [0, 4, 8, 16, 8192, usize::MAX] {
        ring.submit(Record { at, len: 77 });
    }
    assert_eq!(next(&ring).unwrap(), b"x");
    assert_eq!(next(&ring), None);
}

fn perf(max_entries: u32, cpus: u32) -> Arc<PerfEventArray> {
    match Map::new(&MapDef::new("p", MapType::PerfEventArray, 4, 4, max_entries), cpus) {
        Ok(Map::PerfEvents(array)) => array,
        _ => panic!("no array of {max_entries}"),
    }
}

#[test]
fn events_come_in_the_order_of_output() {
    let array = perf(0, 2);
    assert_eq!(array.def().max_entries, 2);
    for (cpu, bytes) in [(1, b"c"), (0, b"a"), (1, b"d"), (0, b"b")] {
        array.output(cpu, Cpu(cpu), bytes).unwrap();
    }
    let events: Vec<_> = std::iter::from_fn(|| array.next()).collect();
    let sample = |cpu, bytes: &[u8]| PerfEvent::Sample { cpu: Cpu(cpu), bytes: bytes.into() };
    assert_eq!(events, [sample(1, b"c"), sample(0, b"a"), sample(1, b"d"), sample(0, b"b")]);
}

#[test]
fn what_a_perf_event_array_refuses() {
    let array = perf(3, 2);
    let table = [
        (0, 0, Ok(())),
        (0, 1, Err(Errno::EOPNOTSUPP)),
        (2, 2, Err(Errno::ENOENT)),
        (3, 3, Err(Errno::E2BIG)),
        (u32::MAX, 0, Err(Errno::E2BIG)),
    ];
    for (index, cpu, expected) in table {
        assert_eq!(array.output(index, Cpu(cpu), b"x"), expected, "{index} on {cpu}");
    }
    assert_eq!(array.output(0, Cpu(0), &vec![0; 1 << 20]), Err(Errno::ENOSPC));
}

/// Each event takes 16 + 1000 bytes of 64 pages; the count of lost ones stands where they would be.
#[test]
fn a_full_queue_counts_what_it_loses() {
    let array = perf(1, 1);
    let event = [7; 1004];
    let stored = (0..300).filter(|_| array.output(0, Cpu(0), &event).is_ok()).count();
    assert_eq!(stored, 64 * 4096 / 1016);
    let sample = PerfEvent::Sample { cpu: Cpu(0), bytes: event.into() };
    for _ in 0..2 {
        assert_eq!(array.next(), Some(sample.clone()));
    }
    array.output(0, Cpu(0), b"after").unwrap();
    let rest: Vec<_> = std::iter::from_fn(|| array.next()).collect();
    let after = PerfEvent::Sample { cpu: Cpu(0), bytes: (*b"after").into() };
    let lost = PerfEvent::Lost { cpu: Cpu(0), count: 300 - stored as u64 };
    assert_eq!((rest.len(), &rest[stored - 2..]), (stored, &[lost, after][..]));

    array.output(0, Cpu(0), &vec![0; 1 << 20]).unwrap_err();
    assert_eq!(array.next(), Some(PerfEvent::Lost { cpu: Cpu(0), count: 1 }));
    assert_eq!(array.next(), None);
}

fn progs(max_entries: u32) -> Arc<ProgArray> {
    match Map::new(&MapDef::new("t", MapType::ProgArray, 4, 4, max_entries), 1) {
        Ok(Map::Progs(progs)) => progs,
        _ => panic!("no array of {max_entries}"),
    }
}

#[test]
fn programs_are_set_and_taken_away() {
    let progs = progs(3);
    assert_eq!(progs.def().max_entries, 3);
    assert_eq!([0, 2, 3, u32::MAX].map(|n| progs.get(n)), [None; 4]);
    assert_eq!(progs.set(2, Some(0)), Ok(()));
    assert_eq!(progs.get(2), Some(0));
    assert_eq!(progs.set(2, Some(u32::MAX)), Ok(()));
    assert_eq!(progs.get(2), Some(u32::MAX));
    assert_eq!(progs.set(2, None), Ok(()));
    assert_eq!(progs.set(2, None), Err(Errno::ENOENT));
    assert_eq!([progs.set(3, Some(1)), progs.set(u32::MAX, None)], [Err(Errno::E2BIG); 2]);
}
