//! Values with spin locks and fields that are the kernel's.

use skep_abi::{Errno, MapType};
use skep_isa::Size;
use skep_map::{Cpu, Fields, KeyValue, Limits, Map, UserMap};
use skep_prog::MapDef;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

const LOCK: u64 = 4;
/// A lock, four bytes, a timer of eight, four bytes.
const SIZE: usize = 20;

#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
const SIZE32: u32 = SIZE as u32;

fn fields(spin_lock: Option<u32>, opaque: Option<Range<u32>>) -> Fields {
    Fields { spin_lock, opaque: opaque.into_iter().collect() }
}

fn make(map_type: MapType, fields: &Fields) -> Result<Map, Errno> {
    let def = MapDef::new("m", map_type, 4, SIZE32, 4);
    let made = Map::with_fields(&def, 2, &mut Limits::default(), fields);
    made.map_err(|err| err.errno())
}

fn key_value(map: &UserMap) -> Arc<dyn KeyValue> {
    let Map::KeyValue(map) = map.map() else { panic!() };
    map.clone()
}

#[test]
fn users_neither_see_nor_change_fields() {
    for map_type in [MapType::Array, MapType::Hash] {
        let map = UserMap::new(make(map_type, &fields(Some(0), Some(8..16))).unwrap());
        let value: Vec<u8> = (1..=20).collect();
        map.update(&[0; 4], &value, 0).unwrap();
        let mut plain = value.clone();
        plain[..4].fill(0);
        plain[8..16].fill(0);
        let programs = key_value(&map);
        let at = programs.lookup(&[0; 4], Cpu(0)).unwrap();
        let mut inside = vec![0; SIZE];
        programs.values().read(at, &mut inside).unwrap();
        assert_eq!(inside, plain, "{map_type}: new fields are zero");

        // A timer that a program starts is still there after an update in place, and never shown.
        programs.values().store(at + 8, Size::Dw, u64::MAX).unwrap();
        let mut out = Vec::new();
        map.lookup(&[0; 4], &mut out, 0).unwrap();
        assert_eq!(out, plain);
        assert_eq!(map.update(&[0; 4], &[7; SIZE], LOCK), Ok(()));
        assert_eq!(programs.lookup(&[0; 4], Cpu(0)), Some(at), "the value stays where it is");
        assert_eq!(programs.values().load(at + 8, Size::Dw), Some(u64::MAX));
        assert_eq!(programs.values().load(at, Size::W), Some(0), "the lock is free again");
        map.lookup(&[0; 4], &mut out, LOCK).unwrap();
        assert_eq!(out, [[0; 4], [7; 4], [0; 4], [0; 4], [7; 4]].concat());
        assert_eq!(map.freeze(), Err(Errno::ENOTSUPP));
    }
}

#[test]
fn locks_and_flags_go_together() {
    for map_type in [MapType::Array, MapType::Hash] {
        let map = UserMap::new(make(map_type, &fields(Some(4), None)).unwrap());
        let array = map_type == MapType::Array;
        let mut out = Vec::new();
        assert_eq!(map.update(&[0; 4], &[1; SIZE], LOCK | 8), Err(Errno::EINVAL));
        let absent = map.update(&[0; 4], &[1; SIZE], LOCK | 2);
        assert_eq!(absent, if array { Ok(()) } else { Err(Errno::ENOENT) }, "{map_type}");
        assert_eq!(map.update(&[0; 4], &[1; SIZE], LOCK), Ok(()));
        assert_eq!(map.update(&[0; 4], &[1; SIZE], LOCK | 1), Err(Errno::EEXIST));
        assert_eq!(map.lookup(&[9; 4], &mut out, LOCK), Err(Errno::ENOENT));
        assert_eq!(map.freeze(), Err(Errno::ENOTSUPP));
        let without = UserMap::new(make(map_type, &Fields::default()).unwrap());
        assert_eq!(without.update(&[0; 4], &[1; SIZE], LOCK), Err(Errno::EINVAL));
        assert_eq!(without.lookup(&[0; 4], &mut out, LOCK), Err(Errno::EINVAL));
    }
}

/// Readers that lock see whole values, however many words they have.
#[test]
fn locked_values_are_whole() {
    let map = UserMap::new(make(MapType::Hash, &fields(Some(0), None)).unwrap());
    map.update(&[0; 4], &[0; SIZE], 0).unwrap();
    let count = if cfg!(miri) { 1 } else { 100 };
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..count).flat_map(|_| 0..=u8::MAX) {
                map.update(&[0; 4], &[n; SIZE], LOCK).unwrap();
            }
        });
        let mut out = Vec::new();
        for _ in 0..count * 256 {
            map.lookup(&[0; 4], &mut out, LOCK).unwrap();
            assert!(out[4..].iter().all(|byte| *byte == out[4]), "{out:?}");
        }
    });
}

#[test]
fn fields_have_rules() {
    let table = [
        (MapType::Hash, fields(Some(16), None), Ok(())),
        (MapType::Hash, fields(Some(17), None), Err(Errno::EINVAL)),
        (MapType::Hash, fields(Some(20), None), Err(Errno::EINVAL)),
        (MapType::Hash, fields(Some(2), None), Err(Errno::EINVAL)),
        (MapType::Hash, fields(Some(u32::MAX - 3), None), Err(Errno::EINVAL)),
        (MapType::Array, fields(None, Some(12..20)), Ok(())),
        (MapType::Array, fields(None, Some(13..21)), Err(Errno::EINVAL)),
        (MapType::Array, fields(None, Some(4..4)), Err(Errno::EINVAL)),
        (MapType::LruHash, fields(Some(0), None), Err(Errno::EOPNOTSUPP)),
        (MapType::LruHash, fields(None, Some(0..16)), Ok(())),
        (MapType::PercpuArray, fields(Some(0), None), Err(Errno::EOPNOTSUPP)),
        (MapType::PercpuArray, Fields::default(), Ok(())),
    ];
    for (map_type, fields, expected) in table {
        assert_eq!(make(map_type, &fields).map(drop), expected, "{map_type} {fields:?}");
    }
}
