//! Maps whose values are, hold, or belong to something else: errors, and what stays where.

use skep_abi::{Errno, MapType};
use skep_isa::Size;
use skep_map::{Cpu, KeyValue, Map, MapOfMaps, UserSide};
use skep_prog::MapDef;
use std::sync::Arc;
use std::thread;

type Result<T = ()> = std::result::Result<T, Errno>;

fn map(def: &MapDef) -> Map {
    Map::new(def, 2).unwrap_or_else(|err| panic!("{err}"))
}

fn handles(map_type: MapType) -> Arc<dyn KeyValue> {
    let value_size = if matches!(map_type, MapType::Xskmap | MapType::CgroupArray) { 4 } else { 8 };
    let Map::KeyValue(map) = map(&MapDef::new("h", map_type, 4, value_size, 3)) else {
        panic!("{map_type}")
    };
    map
}

/// An operation on index 1, one after the other, and its answer.
#[derive(Clone, Copy, Debug)]
enum Do {
    Put(u32, u64),
    PutAt(u32, u32),
    Delete(u32),
    Get,
}

#[test]
fn numbers_of_objects_have_the_errors_of_their_types() {
    use Do::*;
    use MapType::*;
    const OK: Result = Ok(());
    const fn err(errno: Errno) -> Result {
        Err(errno)
    }
    let (inval, big, noent, exist) =
        (err(Errno::EINVAL), err(Errno::E2BIG), err(Errno::ENOENT), err(Errno::EEXIST));
    let common: &[(Do, Result)] = &[(Get, noent), (PutAt(3, 7), big), (PutAt(u32::MAX, 7), big)];
    let by_index: &[(Do, Result)] = &[
        (Put(7, 1), exist),
        (Put(7, 2), OK),
        (Get, OK),
        (Put(7, 1), exist),
        (Put(7, 3), inval),
        (Put(0, 0), OK),
        (Get, noent),
        (Put(7, 0), OK),
        (Delete(1), OK),
        (Get, noent),
        (Delete(1), OK),
        (Delete(3), inval),
    ];
    let by_socket = |[once, again]: [Result; 2], absent: Result, beyond: Result| {
        vec![
            (Put(7, 2), noent),
            (Put(7, 1), OK),
            (Put(7, 1), once),
            (Put(7, 0), again),
            (Put(8, 1), exist),
            (Put(8, 2), OK),
            (Put(0, 0), OK),
            (Get, OK),
            (Put(7, 3), inval),
            (Delete(1), OK),
            (Get, noent),
            (Delete(1), absent),
            (Delete(3), beyond),
        ]
    };
    let cgroups = vec![
        (Put(7, 1), inval),
        (Put(7, 2), inval),
        (Put(7, 0), OK),
        (Get, OK),
        (Delete(1), OK),
        (Delete(1), noent),
        (Delete(3), big),
    ];
    let table = [
        (Devmap, by_index.to_vec()),
        (
            Cpumap,
            [
                by_index,
                &[(Put(16385, 0), err(Errno::EOVERFLOW)), (PutAt(2, 7), err(Errno::ENODEV))],
            ]
            .concat(),
        ),
        (Xskmap, by_socket([OK, OK], OK, inval)),
        (Sockmap, by_socket([exist, OK], inval, inval)),
        (ReuseportSockarray, by_socket([exist, err(Errno::EBUSY)], noent, big)),
        (CgroupArray, cgroups),
    ];
    for (map_type, steps) in table {
        let map = handles(map_type);
        let size = map.def().value_size as usize;
        let put = |key: u32, value: u32, flags| {
            let mut bytes = vec![0; size];
            bytes[..4].copy_from_slice(&value.to_ne_bytes());
            map.update_user(&key.to_ne_bytes(), &bytes, flags)
        };
        for (n, (step, expected)) in common.iter().chain(&steps).enumerate() {
            let got = match *step {
                Put(value, flags) => put(1, value, flags),
                PutAt(index, value) => put(index, value, 0),
                Delete(index) => map.delete(&index.to_ne_bytes()),
                Get => {
                    let found = map.lookup(&1u32.to_ne_bytes(), Cpu(0)).is_some();
                    let mut out = Vec::new();
                    assert_eq!(map.lookup_user(&1u32.to_ne_bytes(), &mut out).is_ok(), found);
                    assert_eq!(map.entries(), usize::from(found));
                    if found { Ok(()) } else { Err(Errno::ENOENT) }
                }
            };
            assert_eq!(got, *expected, "{map_type}, step {n}: {step:?}");
        }
        assert_eq!(map.take_user(&[0; 4], &mut Vec::new()), Err(Errno::ENOTSUPP));
        let mut next = [0; 4];
        assert_eq!(map.next_key(Some(&1u32.to_ne_bytes()), &mut next), Ok(()));
        assert_eq!(next, 2u32.to_ne_bytes(), "arrays have all their indices");
        assert_eq!(map.next_key(Some(&next), &mut [0; 4]), Err(Errno::ENOENT));
    }
}

#[test]
fn programs_may_not_write_numbers_of_objects() {
    for map_type in [MapType::Devmap, MapType::DevmapHash, MapType::Sockhash] {
        let access = map(&MapDef::new("h", map_type, 4, 8, 3)).prog_access();
        assert!(access.read && !access.write, "{map_type}");
    }
}

fn maps(map_type: MapType, inner: MapDef) -> Arc<MapOfMaps> {
    let mut def = MapDef::new("outer", map_type, 4, 4, 2);
    def.inner = Some(Box::new(inner));
    let Map::Maps(maps) = map(&def) else { panic!("{map_type}") };
    maps
}

#[test]
fn maps_of_maps_hold_maps_that_are_alike() {
    let inner = MapDef::new("inner", MapType::Hash, 4, 8, 10);
    let like = |key, value, entries| map(&MapDef::new("x", MapType::Hash, key, value, entries));
    let key = |n: u32| n.to_ne_bytes();
    for map_type in [MapType::ArrayOfMaps, MapType::HashOfMaps] {
        let maps = maps(map_type, inner.clone());
        let array = map_type == MapType::ArrayOfMaps;
        assert!(maps.get(&key(0)).is_none());
        assert_eq!(maps.delete(&key(0)), Err(Errno::ENOENT));
        assert_eq!(maps.set(&key(0), like(4, 8, 99), 0), Ok(()), "any number of entries");
        assert_eq!(maps.set(&key(0), like(8, 8, 10), 0), Err(Errno::EINVAL));
        assert_eq!(maps.set(&key(0), like(4, 4, 10), 0), Err(Errno::EINVAL));
        let other = map(&MapDef::new("x", MapType::LruHash, 4, 8, 10));
        assert_eq!(maps.set(&key(0), other, 0), Err(Errno::EINVAL));
        let refused = if array { Errno::EINVAL } else { Errno::EEXIST };
        assert_eq!(maps.set(&key(0), like(4, 8, 10), 1), Err(refused));
        assert_eq!(maps.set(&key(1), like(4, 8, 7), 0), Ok(()));
        assert_eq!(maps.set(&key(2), like(4, 8, 7), 0), Err(Errno::E2BIG), "full, or beyond");
        assert_eq!(maps.get(&key(1)).unwrap().def().max_entries, 7);
        assert_eq!(maps.entries(), 2);

        let Some(Map::KeyValue(held)) = maps.get(&key(0)) else { panic!() };
        held.update(&key(5), &[1; 8], 0, Cpu(0)).unwrap();
        assert_eq!(maps.delete(&key(0)), Ok(()));
        assert!(held.lookup(&key(5), Cpu(0)).is_some(), "a map lives while anybody holds it");
        assert_eq!(maps.delete(&key(9)), Err(if array { Errno::E2BIG } else { Errno::ENOENT }));

        let mut next = [0; 4];
        let first = maps.next_key(None, &mut next).map(|()| next);
        assert_eq!(first, Ok(key(u32::from(!array))), "arrays have all their indices");
        assert_eq!(maps.next_key(Some(&key(1)), &mut next), Err(Errno::ENOENT));
    }
}

#[test]
fn arrays_inside_have_one_length_unless_their_flags_let_them_differ() {
    let array =
        |entries, flags| MapDef { flags, ..MapDef::new("a", MapType::Array, 4, 8, entries) };
    for (flags, expected) in [(0, Err(Errno::EINVAL)), (1 << 12, Ok(()))] {
        let maps = maps(MapType::ArrayOfMaps, array(3, flags));
        assert_eq!(maps.set(&[0; 4], map(&array(3, flags)), 0), Ok(()));
        assert_eq!(maps.set(&[0; 4], map(&array(4, flags)), 0), expected);
    }
}

#[test]
fn maps_of_maps_inside_are_refused() {
    let inner = MapDef::new("inner", MapType::Hash, 4, 8, 10);
    let mut outer = MapDef::new("outer", MapType::HashOfMaps, 4, 4, 2);
    outer.inner = Some(Box::new(inner));
    for (map_type, errno) in
        [(MapType::HashOfMaps, Errno::EINVAL), (MapType::ProgArray, Errno::ENOTSUPP)]
    {
        let mut def = MapDef::new("m", MapType::ArrayOfMaps, 4, 4, 2);
        let mut inner = outer.clone();
        inner.map_type = map_type;
        def.inner = Some(Box::new(inner));
        assert_eq!(Map::new(&def, 1).err().unwrap().errno(), errno);
    }
}

fn storage(value_size: u32) -> Arc<skep_map::Storage> {
    let def = MapDef { flags: 1, ..MapDef::new("s", MapType::TaskStorage, 4, value_size, 0) };
    let Map::Storage(storage) = map(&def) else { panic!() };
    storage
}

#[test]
fn storage_belongs_to_objects() {
    let storage = storage(8);
    assert_eq!(storage.get(1), None);
    let at = storage.get_or_create(1, None).unwrap();
    assert_eq!(storage.values().load(at, Size::Dw), Some(0));
    storage.values().store(at, Size::Dw, 5).unwrap();
    assert_eq!(storage.get_or_create(1, Some(&[9; 8])), Ok(at), "only a new value is initial");
    let other = storage.get_or_create(u64::MAX, Some(&7u64.to_ne_bytes())).unwrap();
    assert_eq!(storage.values().load(other, Size::Dw), Some(7));
    assert_eq!(storage.get_or_create(3, Some(&[1; 7])), Err(Errno::EINVAL));
    assert_eq!(storage.entries(), 2);
    assert_eq!(storage.set(1, &[0; 8], 1), Err(Errno::EEXIST));
    assert_eq!(storage.set(2, &[0; 8], 2), Err(Errno::ENOENT));
    assert_eq!(storage.set(2, &[0; 8], 4), Err(Errno::EINVAL));
    assert_eq!((storage.delete(1), storage.delete(1)), (Ok(()), Err(Errno::ENOENT)));
    for object in 0..1 << 14 {
        let _ = storage.get_or_create(object, None);
    }
    assert_eq!(storage.get_or_create(1 << 20, None), Err(Errno::ENOMEM));
}

/// Whoever comes first makes the value, and all get that one.
#[test]
fn threads_make_one_value_for_an_object() {
    let storage = storage(8);
    for object in 0..if cfg!(miri) { 5 } else { 500 } {
        let make = || storage.get_or_create(object, None).unwrap();
        let places = thread::scope(|scope| {
            [scope.spawn(make), scope.spawn(make)].map(|thread| thread.join().unwrap())
        });
        assert_eq!(places[0], places[1]);
    }
}

#[test]
fn stacks_have_numbers() {
    let Map::Stacks(stacks) = map(&MapDef::new("s", MapType::StackTrace, 4, 24, 3)) else {
        panic!()
    };
    let mut out = Vec::new();
    let id = stacks.insert(&[10, 20], 0).unwrap();
    assert!(id < 4, "three entries are rounded up to four");
    assert_eq!(stacks.insert(&[10, 20], 0), Ok(id));
    assert_eq!(stacks.insert(&[5, 10, 20], 1), Ok(id), "the innermost frame left out");
    stacks.lookup_user(&id.to_ne_bytes(), &mut out).unwrap();
    let words = [10u64, 20, 0].map(u64::to_ne_bytes).concat();
    assert_eq!((&out, stacks.entries()), (&words, 1));

    let clashing = (0..).find(|n| {
        let number = stacks.insert(&[10, 20, *n], 0);
        number == Err(Errno::EEXIST)
    });
    let clashing = clashing.unwrap();
    let reused = stacks.insert(&[10, 20, clashing], 1 << 10).unwrap();
    stacks.lookup_user(&reused.to_ne_bytes(), &mut out).unwrap();
    assert_eq!(out[16..], clashing.to_ne_bytes());
    let long = stacks.insert(&[1, 2, 3, 4, 5], 1 << 10).unwrap();
    stacks.lookup_user(&long.to_ne_bytes(), &mut out).unwrap();
    assert_eq!(out, [1u64, 2, 3].map(u64::to_ne_bytes).concat(), "outermost frames are lost");

    for (frames, flags, errno) in
        [(&[1][..], 1 << 11, Errno::EINVAL), (&[1], 1, Errno::EFAULT), (&[], 0, Errno::EFAULT)]
    {
        assert_eq!(stacks.insert(frames, flags), Err(errno));
    }
    let mut keys = vec![];
    let mut next = [0; 4];
    while stacks.next_key(keys.last().map(|key: &[u8; 4]| &key[..]), &mut next).is_ok() {
        keys.push(next);
    }
    assert_eq!(keys.len(), stacks.entries());
    for key in keys {
        assert_eq!(stacks.delete_user(&key), Ok(()));
        assert_eq!(stacks.delete_user(&key), Err(Errno::ENOENT));
        assert_eq!(stacks.lookup_user(&key, &mut out), Err(Errno::ENOENT));
    }
    assert_eq!(stacks.delete_user(&4u32.to_ne_bytes()), Err(Errno::E2BIG));
    assert_eq!(stacks.update_user(&[0; 4], &[0; 24], 0), Err(Errno::EINVAL));
}

#[test]
fn pages_that_are_reserved_are_not_given() {
    let def = MapDef { flags: 1 << 10, ..MapDef::new("a", MapType::Arena, 0, 0, 4) };
    let Map::Arena(arena) = map(&def) else { panic!() };
    assert_eq!(arena.reserve(0, 2), Ok(()));
    assert_eq!(arena.reserve(1, 1), Err(Errno::EBUSY));
    assert_eq!(arena.reserve(3, 2), Err(Errno::EINVAL));
    assert!(!arena.is_allocated(0, 1));
    assert_eq!(arena.alloc(Some(1), 1), Err(Errno::EBUSY));
    assert_eq!(arena.alloc(None, 2), Ok(2));
    assert_eq!(arena.reserve(2, 1), Err(Errno::EBUSY));
    assert_eq!(arena.alloc(None, 1), Err(Errno::ENOMEM));
    arena.free(1, 1);
    assert_eq!(arena.alloc(None, 1), Ok(1));
}

#[test]
fn arenas_give_pages_in_a_row() {
    let def = MapDef { flags: 1 << 10, ..MapDef::new("a", MapType::Arena, 0, 0, 4) };
    let Map::Arena(arena) = map(&def) else { panic!() };
    assert!(!arena.is_allocated(0, 1));
    assert_eq!(arena.alloc(None, 0), Err(Errno::EINVAL));
    assert_eq!(arena.alloc(None, 5), Err(Errno::EINVAL));
    assert_eq!(arena.alloc(Some(1), 1), Ok(1));
    assert_eq!(arena.alloc(Some(0), 2), Err(Errno::EBUSY));
    assert_eq!(arena.alloc(Some(3), 2), Err(Errno::EINVAL));
    assert_eq!(arena.alloc(None, 2), Ok(2));
    assert_eq!(arena.alloc(None, 2), Err(Errno::ENOMEM));
    assert!(arena.is_allocated(4096, 3 * 4096) && !arena.is_allocated(4095, 2));
    assert!(!arena.is_allocated(4 * 4096 - 1, 2) && !arena.is_allocated(usize::MAX, 2));
    arena.values().store(4096, Size::Dw, 9).unwrap();
    arena.free(1, u32::MAX);
    arena.free(u32::MAX, u32::MAX);
    assert_eq!(arena.alloc(Some(1), 1), Ok(1));
    assert_eq!(arena.values().load(4096, Size::Dw), Some(0), "new pages are zero");
}

/// What a program has at its attachment the user finds once there is something to find.
#[test]
fn the_value_of_an_attachment_is_the_program_s() {
    for (map_type, key_size, cpus) in
        [(MapType::CgroupStorage, 16, 1), (MapType::PercpuCgroupStorage, 8, 2)]
    {
        let map = Map::new(&MapDef::new("s", map_type, key_size, 8, 0), 2).unwrap();
        let Map::Attached(storage) = &map else { panic!("{map_type}") };
        let key = vec![0; key_size as usize];
        let (mut out, mut next) = (Vec::new(), vec![9; key_size as usize]);
        assert_eq!(storage.lookup_user(&key, &mut out), Err(Errno::ENOENT));
        assert_eq!(storage.next_key(None, &mut next), Err(Errno::ENOENT));
        let at = storage.value(Cpu(cpus - 1)).unwrap();
        storage.values().store(at, Size::Dw, 77).unwrap();
        storage.lookup_user(&key, &mut out).unwrap();
        let mut want = vec![0; 8 * (cpus as usize - 1)];
        want.extend(77u64.to_ne_bytes());
        assert_eq!(out, want, "{map_type}");
        assert_eq!(storage.next_key(None, &mut next), Ok(()));
        assert_eq!((next, storage.entries()), (key.clone(), 1));
        assert_eq!(storage.update_user(&key, &want, 1), Err(Errno::EINVAL));
        assert_eq!(storage.update_user(&key, &vec![0; want.len()], 2), Ok(()));
        assert_eq!(
            storage.lookup(&key, Cpu(0)).and_then(|at| storage.values().load(at, Size::Dw)),
            Some(0)
        );
        assert_eq!(storage.delete(&key), Err(Errno::EINVAL));
    }
}
