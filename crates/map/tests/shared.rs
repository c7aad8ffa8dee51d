//! Maps that processes share.
#![cfg(target_os = "linux")]
#![cfg(not(miri))]

use skep_abi::{Errno, MapType};
use skep_isa::Size;
use skep_map::{Cpu, KeyValue, Map, SharedError, SharedMap, UserMap};
use skep_prog::MapDef;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

const CPUS: u32 = 4;

fn def(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapDef {
    // Tries must not be preallocated.
    let flags = u32::from(map_type == MapType::LpmTrie);
    MapDef { flags, ..MapDef::new("shared", map_type, key_size, value_size, max_entries) }
}

/// A map, the same one once more, and its file.
fn pair(def: &MapDef) -> (SharedMap, SharedMap, File) {
    let (first, file) = SharedMap::in_memory(def, CPUS).unwrap();
    let second = SharedMap::open(&file).unwrap();
    (first, second, file)
}

fn key_value(map: &SharedMap) -> Arc<dyn KeyValue> {
    let Map::KeyValue(map) = map.map() else { panic!() };
    map.clone()
}

fn key(n: u32) -> [u8; 4] {
    n.to_ne_bytes()
}

#[test]
fn what_one_writes_another_finds() {
    for map_type in [
        MapType::Array,
        MapType::PercpuArray,
        MapType::Hash,
        MapType::PercpuHash,
        MapType::LruHash,
        MapType::LruPercpuHash,
    ] {
        let (first, second, _file) = pair(&def(map_type, 4, 12, 40));
        let (first, second) = (key_value(&first), key_value(&second));
        for n in 0..40 {
            let (one, other) = if n % 2 == 0 { (&first, &second) } else { (&second, &first) };
            one.update(&key(n), &[n.to_le_bytes()[0]; 12], 0, Cpu(n % CPUS)).unwrap();
            let at = other.lookup(&key(n), Cpu(n % CPUS)).unwrap();
            let mut value = [0; 12];
            other.values().read(at, &mut value).unwrap();
            assert_eq!(value, [n.to_le_bytes()[0]; 12], "{map_type}");
            // Programs of both may hold the same value.
            other.values().store(at, Size::W, 7).unwrap();
            assert_eq!(one.values().load(at, Size::W), Some(7));
        }
        assert_eq!((first.entries(), second.entries()), (40, 40), "{map_type}");
        if !matches!(map_type, MapType::Array | MapType::PercpuArray) {
            second.delete(&key(3)).unwrap();
            assert_eq!(first.lookup(&key(3), Cpu(0)), None, "{map_type}");
            assert_eq!(second.delete(&key(3)), Err(Errno::ENOENT));
        }
    }
}

#[test]
fn prefixes_are_found_by_all() {
    let (first, second, _file) = pair(&def(MapType::LpmTrie, 8, 4, 100));
    let (first, second) = (key_value(&first), key_value(&second));
    let key = |len: u8, n: u8| [len, 0, 0, 0, 10, n, 0, 0];
    for n in 0..90 {
        let (one, other) = if n % 2 == 0 { (&first, &second) } else { (&second, &first) };
        one.update(&key(16, n), &[n; 4], 0, Cpu(0)).unwrap();
        let at = other.lookup(&key(32, n), Cpu(1)).unwrap();
        assert_eq!(other.values().load(at, Size::W), Some(u32::from_ne_bytes([n; 4]).into()));
    }
    second.update(&key(8, 0), &[0xee; 4], 0, Cpu(0)).unwrap();
    first.delete(&key(16, 5)).unwrap();
    let at = second.lookup(&key(32, 5), Cpu(0)).unwrap();
    assert_eq!(second.values().load(at, Size::W), Some(0xeeee_eeee));
    assert_eq!((first.entries(), second.entries()), (90, 90));
}

#[test]
fn queues_filters_and_rings_are_one() {
    for (map_type, expected) in [(MapType::Queue, 1u64), (MapType::Stack, 2)] {
        let (first, second, _file) = pair(&def(map_type, 0, 8, 3));
        let (first, second) = (UserMap::new(first.map().clone()), second.map().clone());
        first.update(&[], &1u64.to_ne_bytes(), 0).unwrap();
        first.update(&[], &2u64.to_ne_bytes(), 0).unwrap();
        let Map::Queue(second) = second else { panic!() };
        let mut out = [0; 8];
        second.pop(&mut out).unwrap();
        assert_eq!((u64::from_ne_bytes(out), second.len()), (expected, 1));
    }
    let (first, second, _file) = pair(&def(MapType::BloomFilter, 0, 8, 100));
    UserMap::new(first.map().clone()).update(&[], &[7; 8], 0).unwrap();
    let Map::Bloom(second) = second.map() else { panic!() };
    assert_eq!(second.peek(&[7; 8]), Ok(()));
    assert_eq!(second.peek(&[8; 8]), Err(Errno::ENOENT));

    let (first, second, _file) = pair(&def(MapType::Ringbuf, 0, 0, 4096));
    let (Map::RingBuf(first), Map::RingBuf(second)) = (first.map(), second.map()) else { panic!() };
    first.output(b"one", 0).unwrap();
    second.output(b"two", 0).unwrap();
    let mut seen = Vec::new();
    second.consume(&mut |record| seen.push(record.to_vec()));
    assert_eq!(seen, [b"one", b"two"]);
    assert_eq!(first.query(0), 0);
}

#[test]
fn cpu_numbers_are_one_pool() {
    let (first, second, _file) = pair(&def(MapType::PercpuArray, 4, 8, 1));
    let (first, second) = (first.cpu_pool(), second.cpu_pool());
    let taken: Vec<_> =
        (0..4).map(|n| if n % 2 == 0 { &first } else { &second }.try_lease().unwrap()).collect();
    let mut cpus: Vec<Cpu> = taken.iter().map(|lease| lease.cpu()).collect();
    cpus.sort_unstable();
    assert_eq!(cpus, [0, 1, 2, 3].map(Cpu));
    assert!(first.try_lease().is_none());
    drop(taken);
    assert_eq!(second.try_lease().unwrap().cpu(), Cpu(0));
}

#[test]
fn a_map_outlives_who_made_it() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("outlives.map");
    let _ = std::fs::remove_file(&path);
    let made = SharedMap::create_at(&def(MapType::Hash, 4, 8, 10), CPUS, &path).unwrap();
    key_value(&made).update(&key(1), &[5; 8], 0, Cpu(0)).unwrap();
    drop(made);
    let exists = SharedMap::create_at(&def(MapType::Hash, 4, 8, 10), CPUS, &path);
    assert!(matches!(exists, Err(SharedError::System { .. })));
    let opened = SharedMap::open_at(&path).unwrap();
    assert_eq!(opened.map().def(), &def(MapType::Hash, 4, 8, 10));
    let mut value = Vec::new();
    key_value(&opened).lookup_user(&key(1), &mut value).unwrap();
    assert_eq!(value, [5; 8]);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_cannot_be_shared_is_refused_by_name() {
    for (map_type, key_size, value_size) in [
        (MapType::ProgArray, 4, 4),
        (MapType::PerfEventArray, 4, 4),
        (MapType::StackTrace, 4, 64),
        (MapType::Devmap, 4, 4),
        (MapType::Sockhash, 4, 4),
    ] {
        let refused = SharedMap::in_memory(&def(map_type, key_size, value_size, 4), CPUS);
        let Err(err) = refused.map(drop) else { panic!("{map_type}") };
        assert!(matches!(err, SharedError::Type { map_type: it } if it == map_type), "{err}");
        assert!(err.to_string().contains(map_type.name()), "{err}");
    }
    let refused = SharedMap::in_memory(&def(MapType::Hash, 0, 8, 4), CPUS).map(drop);
    assert!(matches!(refused, Err(SharedError::Map(err)) if err.errno() == Errno::EINVAL));
    let refused = SharedMap::in_memory(&def(MapType::Hash, 4, 8, 4), 5000).map(drop);
    assert!(refused.is_err());
}

/// Files in memory cannot be made shorter under those who have them.
#[test]
fn a_file_in_memory_keeps_its_length() {
    let (_first, _second, file) = pair(&def(MapType::Array, 4, 8, 1000));
    let len = file.metadata().unwrap().len();
    assert!(file.set_len(len - 4096).is_err());
    assert!(file.set_len(len + 4096).is_err());
}

#[test]
fn files_that_hold_no_map_are_refused() {
    let (_map, file) = SharedMap::in_memory(&def(MapType::Hash, 4, 8, 10), CPUS).unwrap();
    let mut whole = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut whole, 0).unwrap();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no.map");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        SharedMap::open_at(&path).map(drop)
    };
    open(&whole).unwrap();
    assert!(open(&[]).is_err());
    assert!(open(&whole[..4096]).is_err());
    assert!(open(&whole[..whole.len() - 4096]).is_err());
    assert!(open(&[&whole[..], &[0; 4096]].concat()).is_err());
    // Any one byte of the words that describe the map.
    for at in 0..64 {
        let mut other = whole.clone();
        other[at] ^= 0x41;
        assert!(open(&other).is_err(), "byte {at}");
    }
    std::fs::remove_file(&path).unwrap();
}

/// Whatever stands in the memory of a map: operations end and touch nothing else. Locks that look held
/// are those of nobody who lives.
#[test]
fn any_content_is_survived() {
    let mut state = 1u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (map_type, key_size, value_size, entries) in [
        (MapType::Array, 4, 8, 4),
        (MapType::Hash, 4, 8, 20),
        (MapType::Hash, 20, 5, 70),
        (MapType::PercpuHash, 4, 8, 8),
        (MapType::LruHash, 4, 8, 8),
        (MapType::LruPercpuHash, 8, 8, 8),
        (MapType::LpmTrie, 8, 8, 20),
        (MapType::LpmTrie, 20, 5, 9),
        (MapType::Queue, 0, 8, 5),
        (MapType::Stack, 0, 8, 5),
        (MapType::BloomFilter, 0, 8, 5),
        (MapType::Ringbuf, 0, 0, 4096),
    ] {
        let (map, file) =
            SharedMap::in_memory(&def(map_type, key_size, value_size, entries), CPUS).unwrap();
        let len = file.metadata().unwrap().len();
        for round in 0..40 {
            let bytes: Vec<u8> = (16384..len)
                .map(|_| match round % 4 {
                    0 => random().to_le_bytes()[0],
                    1 => 0xff,
                    2 => [0, 0, 0, 1, 2, 3][(random() % 6) as usize],
                    _ => [0, 0, 0, 0, 0, 0, 0, random().to_le_bytes()[0]][(random() % 8) as usize],
                })
                .collect();
            file.write_all_at(&bytes, 16384).unwrap();
            exercise(map.map(), key_size as usize, value_size as usize);
        }
    }
}

fn exercise(map: &Map, key_size: usize, value_size: usize) {
    let mut out = Vec::new();
    match map {
        Map::KeyValue(map) => {
            for n in 0..30u8 {
                // Of a trie, the first four bytes are how long the prefix is.
                let is_trie = map.def().map_type == MapType::LpmTrie;
                let mut key = vec![0; key_size];
                key[if is_trie { 4 } else { 0 }] = n << (n % 3);
                if is_trie {
                    key[0] = if n % 4 == 0 { 3 } else { 32 };
                }
                let _ = map.update(&key, &vec![n; value_size], 0, Cpu(u32::from(n) % CPUS));
                let at = map.lookup(&key, Cpu(0));
                let _ = at.and_then(|at| map.values().load(at, Size::B));
                let _ = map.lookup_user(&key, &mut out);
                let mut next = vec![0; key_size];
                let _ = map.next_key(Some(&key), &mut next);
                if n % 3 == 0 {
                    let _ = map.delete(&key);
                }
            }
            let _ = map.entries();
        }
        Map::Queue(queue) => {
            for n in 0..10 {
                let _ = queue.push(&vec![n; value_size], 0);
                let _ = queue.peek(&mut vec![0; value_size]);
                let _ = queue.pop(&mut vec![0; value_size]);
            }
        }
        Map::Bloom(filter) => {
            let _ = filter.push(&vec![1; value_size], 0);
            assert_eq!(filter.peek(&vec![1; value_size]), Ok(()));
        }
        Map::RingBuf(ring) => {
            for n in 0..10 {
                let _ = ring.output(&[n; 100], 0);
                ring.consume(&mut |record| assert!(record.len() <= 8192));
                ring.next(&mut out);
            }
        }
        _ => unreachable!("no such map is shared"),
    }
}

/// A place in the file system for a descriptor of this process.
#[test]
fn a_descriptor_is_enough() {
    let (map, file) = SharedMap::in_memory(&def(MapType::Array, 4, 8, 1), CPUS).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let again = SharedMap::open_at(path.as_ref()).unwrap();
    key_value(&again).update(&key(0), &[3; 8], 0, Cpu(0)).unwrap();
    let mut value = Vec::new();
    key_value(&map).lookup_user(&key(0), &mut value).unwrap();
    assert_eq!(value, [3; 8]);
}
