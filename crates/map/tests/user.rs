//! The user's side: rights, freezing, batches; and leases of CPUs.

use skep_abi::{Errno, MapType};
use skep_isa::Size;
use skep_map::{Batch, CpuPool, Map, UserMap};
use skep_prog::MapDef;
use std::thread;

fn open(def: &MapDef) -> UserMap {
    UserMap::new(Map::new(def, 2).unwrap_or_else(|err| panic!("{err}")))
}

fn def(map_type: MapType, flags: u32) -> MapDef {
    let (key_size, value_size, max_entries) = match map_type {
        MapType::Queue | MapType::Stack | MapType::BloomFilter => (0, 8, 4),
        MapType::LpmTrie => (8, 8, 4),
        MapType::Ringbuf | MapType::UserRingbuf => (0, 0, 4096),
        MapType::Arena => (0, 0, 4),
        MapType::TaskStorage => (4, 8, 0),
        _ => (4, 8, 4),
    };
    let mut def = MapDef::new("m", map_type, key_size, value_size, max_entries);
    def.flags |= flags;
    def
}

const RDONLY: u32 = 1 << 3;
const WRONLY: u32 = 1 << 4;

#[test]
fn rights_come_before_all_else() {
    for map_type in [MapType::Array, MapType::Hash, MapType::Queue, MapType::BloomFilter] {
        let keyless = matches!(map_type, MapType::Queue | MapType::BloomFilter);
        let key: &[u8] = if keyless { &[] } else { &[0; 4] };
        let mut out = vec![0; 8];
        let read_only = open(&def(map_type, RDONLY));
        assert_eq!(read_only.update(key, &[0; 8], 0), Err(Errno::EPERM), "{map_type}");
        assert_eq!(read_only.delete(key), Err(Errno::EPERM));
        assert_eq!(read_only.take(key, &mut out, 0), Err(Errno::EPERM));
        assert_eq!(read_only.freeze(), Err(Errno::EPERM));
        assert_ne!(read_only.lookup(key, &mut out, 0), Err(Errno::EPERM));
        let write_only = open(&def(map_type, WRONLY));
        assert_eq!(write_only.lookup(key, &mut out, 0), Err(Errno::EPERM));
        assert_eq!(write_only.next_key(None, &mut [0; 4]), Err(Errno::EPERM));
        assert_eq!(write_only.take(key, &mut out, 0), Err(Errno::EPERM));
        assert_eq!(write_only.update(key, &[0; 8], 0), Ok(()));
    }
}

#[test]
fn frozen_maps_are_read_by_users_and_written_by_programs() {
    let map = open(&def(MapType::Hash, 0));
    let other = map.clone();
    map.update(&[0; 4], &[1; 8], 0).unwrap();
    assert_eq!((map.freeze(), other.freeze()), (Ok(()), Err(Errno::EPERM)));
    for map in [&map, &other] {
        assert_eq!(map.update(&[0; 4], &[2; 8], 0), Err(Errno::EPERM));
        assert_eq!(map.delete(&[0; 4]), Err(Errno::EPERM));
        assert_eq!(map.update_batch(&[0; 4], &[2; 8], 0), Err(Errno::EPERM));
        assert_eq!(map.delete_batch(&[0; 4]), Err(Errno::EPERM));
    }
    let mut out = Vec::new();
    assert_eq!(map.lookup(&[0; 4], &mut out, 0), Ok(()));
    assert_eq!(out, [1; 8]);
    let Map::KeyValue(programs) = map.map() else { panic!() };
    programs.update(&[0; 4], &[3; 8], 0, skep_map::Cpu(0)).unwrap();
}

/// Of lookup, update, delete, take and next key, with the key that the type wants.
#[test]
fn maps_refuse_what_they_cannot_do() {
    use Errno as E;
    let ok = Ok(());
    let table = [
        (MapType::Queue, Err(E::ENOENT), ok, Err(E::EINVAL), ok, Err(E::EINVAL)),
        (
            MapType::BloomFilter,
            Err(E::ENOENT),
            ok,
            Err(E::EOPNOTSUPP),
            Err(E::ENOTSUPP),
            Err(E::EOPNOTSUPP),
        ),
        (MapType::Array, ok, ok, Err(E::EINVAL), Err(E::ENOTSUPP), ok),
        (MapType::Hash, Err(E::ENOENT), ok, ok, Err(E::ENOENT), Err(E::ENOENT)),
        (
            MapType::StackTrace,
            Err(E::ENOENT),
            Err(E::EINVAL),
            Err(E::ENOENT),
            Err(E::ENOENT),
            Err(E::ENOENT),
        ),
        (
            MapType::Ringbuf,
            Err(E::ENOTSUPP),
            Err(E::ENOTSUPP),
            Err(E::ENOTSUPP),
            Err(E::ENOTSUPP),
            Err(E::ENOTSUPP),
        ),
    ];
    for (map_type, lookup, update, delete, take, next) in table {
        let map = open(&def(map_type, 0));
        let key = vec![0; map.map().def().key_size as usize];
        let mut out = vec![0; map.map().def().value_size as usize];
        assert_eq!(map.lookup(&key, &mut out.clone(), 1), Err(Errno::EINVAL), "{map_type}");
        assert_eq!(map.update(&key, &out, 4), Err(Errno::EINVAL), "no value has a lock");
        assert_eq!(map.lookup(&key, &mut out, 0), lookup, "{map_type} lookup");
        let value = vec![1; map.map().def().value_size as usize];
        assert_eq!(map.update(&key, &value, 0), update, "{map_type} update");
        assert_eq!(map.delete(&key), delete, "{map_type} delete");
        assert_eq!(map.take(&key, &mut out, 0), take, "{map_type} take");
        assert_eq!(map.next_key(None, &mut vec![0; key.len()]), next, "{map_type} next");
    }
}

#[test]
fn storage_is_reached_by_object() {
    let map = open(&def(MapType::TaskStorage, 1));
    let (key, mut out) = (7u64.to_ne_bytes(), Vec::new());
    assert_eq!(map.lookup(&key, &mut out, 0), Err(Errno::ENOENT));
    assert_eq!(map.update(&key, &[5; 8], 1), Ok(()));
    assert_eq!(map.update(&key, &[6; 8], 1), Err(Errno::EEXIST));
    assert_eq!(map.lookup(&key, &mut out, 0).map(|()| out), Ok(vec![5; 8]));
    assert_eq!(map.lookup(&key[..4], &mut Vec::new(), 0), Err(Errno::EINVAL));
    assert_eq!((map.delete(&key), map.delete(&key)), (Ok(()), Err(Errno::ENOENT)));
}

#[test]
fn batches_go_through_all_entries() {
    let types = [
        MapType::Hash,
        MapType::PercpuHash,
        MapType::LruHash,
        MapType::LruPercpuHash,
        MapType::Array,
        MapType::PercpuArray,
    ];
    for map_type in types {
        let mut def = def(map_type, 0);
        def.max_entries = 10;
        let map = open(&def);
        let array = matches!(map_type, MapType::Array | MapType::PercpuArray);
        let percpu = map_type.to_string().contains("percpu");
        let keys: Vec<u8> = (0..10u32).flat_map(u32::to_ne_bytes).collect();
        let value = |n: u64| n.to_ne_bytes().repeat(if percpu { 2 } else { 1 });
        let values: Vec<u8> = (0..10).flat_map(value).collect();
        let all = Batch { count: 10, end: Ok(()) };
        assert_eq!(map.update_batch(&keys, &values, 0), Ok(all), "{map_type}");

        let (mut cursor, mut seen) = (None, Vec::new());
        let (mut some_keys, mut some_values) = (Vec::new(), Vec::new());
        for expected in [
            Batch { count: 4, end: Ok(()) },
            Batch { count: 4, end: Ok(()) },
            Batch { count: 2, end: Err(Errno::ENOENT) },
        ] {
            let batch = map.lookup_batch(&mut cursor, 4, &mut some_keys, &mut some_values);
            assert_eq!(batch, Ok(expected), "{map_type}");
            let size = value(0).len();
            let entries = some_keys.chunks(4).zip(some_values.chunks(size));
            seen.extend(entries.map(|(key, value)| (key.to_vec(), value.to_vec())));
        }
        seen.sort_by_key(|(key, _)| key[0]);
        let entry = |n: u32| (n.to_ne_bytes().to_vec(), value(n.into()));
        assert_eq!(seen, (0..10).map(entry).collect::<Vec<_>>(), "{map_type}");

        let taken = map.take_batch(3, &mut some_keys, &mut some_values);
        if array {
            assert_eq!(taken, Err(Errno::ENOTSUPP));
            assert_eq!(map.delete_batch(&keys), Err(Errno::ENOTSUPP));
            continue;
        }
        assert_eq!(taken, Ok(Batch { count: 3, end: Ok(()) }));
        assert_eq!((some_keys.len(), some_values.len()), (12, 3 * value(0).len()));
        let gone = Batch { count: 0, end: Err(Errno::ENOENT) };
        assert_eq!(map.delete_batch(&some_keys), Ok(gone));
        let rest = map.take_batch(100, &mut some_keys, &mut some_values);
        assert_eq!(rest, Ok(Batch { count: 7, end: Err(Errno::ENOENT) }));
        assert_eq!(map.update_batch(&keys, &values[1..], 0), Err(Errno::EINVAL));
        assert_eq!(map.update_batch(&keys[1..], &values, 0), Err(Errno::EINVAL));
        let beyond: Vec<u8> = (0..11u32).flat_map(u32::to_ne_bytes).collect();
        let values: Vec<u8> = (0..11).flat_map(value).collect();
        let batch = map.update_batch(&beyond, &values, 0).unwrap();
        let lru = map_type.to_string().contains("lru");
        let full = Batch { count: 10, end: Err(Errno::E2BIG) };
        assert_eq!(batch, if lru { Batch { count: 11, end: Ok(()) } } else { full });
    }
    let queue = open(&def(MapType::Queue, 0));
    assert_eq!(queue.delete_batch(&[]), Err(Errno::ENOTSUPP));
}

/// Who deletes each key as it comes sees all of them, once.
#[test]
fn walks_that_delete_see_every_key() {
    let mut def = def(MapType::Hash, 0);
    def.max_entries = 50;
    let map = open(&def);
    for n in 0..50u32 {
        map.update(&n.to_ne_bytes(), &[0; 8], 0).unwrap();
    }
    let (mut last, mut next, mut seen) = (None::<[u8; 4]>, [0; 4], Vec::new());
    while map.next_key(last.as_ref().map(|key| &key[..]), &mut next).is_ok() {
        seen.push(u32::from_ne_bytes(next));
        map.delete(&next).unwrap();
        last = Some(next);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn leases_are_of_one_at_a_time() {
    for cpus in [1, 2, 64, 65, 130] {
        let pool = CpuPool::new(cpus);
        let leases: Vec<_> = (0..cpus).map(|_| pool.try_lease().unwrap()).collect();
        assert!(leases.iter().zip(0..).all(|(lease, n)| lease.cpu().0 == n));
        assert!(pool.try_lease().is_none());
        drop(leases.into_iter().nth(cpus as usize - 1));
        assert_eq!(pool.lease(|| {}).cpu().0, 0);
    }
    assert!(CpuPool::new(0).try_lease().is_none());
}

/// Many more threads than numbers, each adding without atomics to the value of its CPU.
#[test]
fn no_update_of_a_value_of_its_own_is_lost() {
    const CPUS: u32 = 3;
    let (threads, leases, adds) = if cfg!(miri) { (4, 3, 5) } else { (16, 200, 500) };
    let def = MapDef::new("counts", MapType::PercpuArray, 4, 8, 1);
    let Ok(Map::KeyValue(map)) = Map::new(&def, CPUS) else { panic!() };
    let pool = CpuPool::new(CPUS);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..leases {
                    let lease = pool.lease(thread::yield_now);
                    let at = map.lookup(&[0; 4], lease.cpu()).unwrap();
                    for n in 0..adds {
                        let value = map.values().load(at, Size::Dw).unwrap();
                        // Between the two, a thread may lose its CPU.
                        if n % 100 == 0 {
                            thread::yield_now();
                        }
                        map.values().store(at, Size::Dw, value + 1).unwrap();
                    }
                }
            });
        }
    });
    let mut out = Vec::new();
    map.lookup_user(&[0; 4], &mut out).unwrap();
    let sum: u64 = out.chunks(8).map(|value| u64::from_ne_bytes(value.try_into().unwrap())).sum();
    assert_eq!(sum, threads * leases * adds);
}

#[test]
fn maps_of_maps_freeze_too() {
    let inner = def(MapType::Array, 0);
    let mut outer = MapDef::new("m", MapType::HashOfMaps, 4, 4, 2);
    outer.inner = Some(Box::new(inner.clone()));
    let outer = open(&outer);
    let inner = || Map::new(&inner, 1).unwrap();
    assert_eq!(outer.update_map(&[0; 4], inner(), 1), Ok(()));
    assert_eq!(outer.update_map(&[0; 4], inner(), 1), Err(Errno::EEXIST));
    assert_eq!(outer.update(&[0; 4], &[0; 4], 0), Err(Errno::ENOTSUPP), "a map is not bytes");
    assert_eq!(outer.freeze(), Ok(()));
    assert_eq!(outer.update_map(&[0; 4], inner(), 0), Err(Errno::EPERM));
    assert_eq!(outer.delete(&[0; 4]), Err(Errno::EPERM));
    let array = open(&def(MapType::Array, 0));
    assert_eq!(array.update_map(&[0; 4], inner(), 0), Err(Errno::ENOTSUPP));
}
