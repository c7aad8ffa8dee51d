//! What happens to a value that a program still holds when its entry is replaced or removed.

use skep_abi::MapType;
use skep_isa::Size;
use skep_map::{Cpu, KeyValue, Map};
use skep_prog::MapDef;
use std::sync::Arc;

const KEY: [u8; 8] = [32, 0, 0, 0, 10, 0, 0, 1];

fn map(map_type: MapType, max_entries: u32) -> Arc<dyn KeyValue> {
    let Ok(Map::KeyValue(map)) = Map::new(&MapDef::new("m", map_type, 8, 8, max_entries), 2) else {
        panic!("{map_type}")
    };
    map
}

fn update(map: &Arc<dyn KeyValue>, value: u64) {
    map.update(&KEY, &value.to_ne_bytes(), 0, Cpu(0)).unwrap();
}

/// Measured on Linux 6.18: a program looks up 100, updates to 101, 102 and 103, and reads the value
/// it looked up after each.
#[test]
fn what_a_program_sees_of_a_replaced_value() {
    let table = [
        (MapType::Hash, [100, 102, 102]),
        (MapType::LruHash, [100, 102, 102]),
        (MapType::PercpuHash, [101, 102, 103]),
        (MapType::LruPercpuHash, [101, 102, 103]),
        (MapType::LpmTrie, [100, 100, 100]),
    ];
    for (map_type, expected) in table {
        let map = map(map_type, 8);
        update(&map, 100);
        let at = map.lookup(&KEY, Cpu(0)).unwrap();
        let seen = [101, 102, 103].map(|value| {
            update(&map, value);
            map.values().load(at, Size::Dw).unwrap()
        });
        assert_eq!(seen, expected, "{map_type}");
        let at = map.lookup(&KEY, Cpu(0)).unwrap();
        assert_eq!(map.values().load(at, Size::Dw), Some(103), "{map_type}");
    }
}

#[test]
fn updates_on_one_cpu_leave_the_spare_cells_of_others_alone() {
    let map = map(MapType::Hash, 8);
    update(&map, 100);
    let at = map.lookup(&KEY, Cpu(0)).unwrap();
    update(&map, 101);
    for value in 0..5u64 {
        map.update(&KEY, &value.to_ne_bytes(), 0, Cpu(1)).unwrap();
    }
    assert_eq!(map.values().load(at, Size::Dw), Some(100));
}

#[test]
fn a_removed_value_can_be_read_until_the_cell_is_used_again() {
    for map_type in [MapType::Hash, MapType::PercpuHash, MapType::LruHash, MapType::LpmTrie] {
        let map = map(map_type, 8);
        update(&map, 7);
        let at = map.lookup(&KEY, Cpu(0)).unwrap();
        map.delete(&KEY).unwrap();
        assert_eq!(map.lookup(&KEY, Cpu(0)), None);
        assert_eq!(map.values().load(at, Size::Dw), Some(7), "{map_type}");
        assert_eq!(map.values().store(at, Size::Dw, 8), Some(()), "{map_type}");
    }
}

#[test]
fn a_new_entry_of_a_per_cpu_map_is_zero_on_other_cpus() {
    for map_type in [MapType::PercpuHash, MapType::LruPercpuHash] {
        let map = map(map_type, 1);
        map.update_user(&KEY, &[9; 16], 0).unwrap();
        map.delete(&KEY).unwrap();
        map.update(&KEY, &[5; 8], 0, Cpu(1)).unwrap();
        let mut out = Vec::new();
        map.lookup_user(&KEY, &mut out).unwrap();
        assert_eq!(out, [[0; 8], [5; 8]].concat());
    }
}

#[test]
fn there_are_no_values_for_cpus_that_do_not_exist() {
    for map_type in [MapType::PercpuHash, MapType::PercpuArray, MapType::Hash] {
        let key_size = if map_type == MapType::PercpuArray { 4 } else { 8 };
        let def = MapDef::new("m", map_type, key_size, 8, 4);
        let Ok(Map::KeyValue(map)) = Map::new(&def, 2) else { panic!() };
        let key = &[0; 8][..key_size as usize];
        map.update(key, &[1; 8], 0, Cpu(1)).unwrap();
        for cpu in [Cpu(2), Cpu(u32::MAX)] {
            assert_eq!(map.lookup(key, cpu), None);
            assert!(map.update(key, &[1; 8], 0, cpu).is_err());
        }
    }
}

#[test]
fn keys_and_values_of_other_sizes_are_invalid() {
    use skep_abi::Errno;
    for map_type in [MapType::Array, MapType::Hash, MapType::LruHash, MapType::LpmTrie] {
        let key_size = if map_type == MapType::Array { 4 } else { 8 };
        let def = MapDef::new("m", map_type, key_size, 8, 4);
        let Ok(Map::KeyValue(map)) = Map::new(&def, 1) else { panic!() };
        let (key, mut out) = ([0; 8], Vec::new());
        let right = &key[..key_size as usize];
        for size in (0..=8).filter(|size| *size != key_size as usize) {
            let wrong = &key[..size];
            assert_eq!(map.lookup(wrong, Cpu(0)), None);
            assert_eq!(map.update(wrong, &[0; 8], 0, Cpu(0)), Err(Errno::EINVAL));
            assert_eq!(map.update_user(wrong, &[0; 8], 0), Err(Errno::EINVAL));
            assert_eq!(map.lookup_user(wrong, &mut out), Err(Errno::EINVAL));
            assert_eq!(map.delete(wrong), Err(Errno::EINVAL));
            assert_eq!(map.next_key(None, &mut vec![0; size]), Err(Errno::EINVAL));
            assert_eq!(map.next_key(Some(wrong), &mut right.to_vec()), Err(Errno::EINVAL));
        }
        for value in [&[0; 7][..], &[0; 9], &[]] {
            assert_eq!(map.update(right, value, 0, Cpu(0)), Err(Errno::EINVAL));
            assert_eq!(map.update_user(right, value, 0), Err(Errno::EINVAL));
        }
    }
}
