//! Operations on a map give what they give on a list of entries.

use super::bytes::Bytes;
use super::map_model::Model;
use skep_abi::{Errno, MapType};
use skep_map::{Cpu, KeyValue, Map};
use skep_prog::MapDef;
use std::sync::Arc;

const TYPES: [MapType; 3] = [MapType::Array, MapType::Hash, MapType::LpmTrie];
/// Operations of one input.
const MAX_OPS: usize = 2000;

/// Input: type, sizes of key, value and map, and operations.
pub fn check(data: &[u8]) {
    let mut input = Bytes::new(data);
    let map_type = TYPES[input.below(TYPES.len())];
    let key_size = match (map_type, input.u8()) {
        (MapType::Array, _) => 4,
        (MapType::Hash, n) => u32::from(n % 20) + 1,
        (_, n) => u32::from(n) % 256 + 5,
    };
    let value_size = u32::from(input.u8() % 40) + 1;
    let max_entries = u32::from(input.u8() % 24) + 1;
    let def = MapDef::new("map", map_type, key_size, value_size, max_entries);
    let Ok(Map::KeyValue(map)) = Map::new(&def, 1) else { panic!("{def:?} makes no map") };
    let mut model = Model::new(&def);
    for _ in 0..MAX_OPS {
        if input.is_empty() {
            break;
        }
        step(&map, &mut model, &mut input);
    }
    same_keys(&map, &model);
}

fn step(map: &Arc<dyn KeyValue>, model: &mut Model, input: &mut Bytes<'_>) {
    let op = input.u8();
    let key = key(KeyValue::def(&**map), input);
    let value = vec![input.u8(); KeyValue::def(&**map).value_size as usize];
    let flags = u64::from(op >> 4 & 3);
    let not_found = Err(Errno::ENOENT);
    match op % 8 {
        0 | 1 => {
            let got = map.update(&key, &value, flags, Cpu(0));
            assert_eq!(got, model.update(&key, &value, flags), "update {key:x?} {flags}");
        }
        2 => {
            let got = map.update_user(&key, &value, flags);
            assert_eq!(got, model.update(&key, &value, flags), "update_user {key:x?} {flags}");
        }
        3 | 4 => {
            let got = map.lookup(&key, Cpu(0)).map(|at| {
                let mut value = vec![0; value.len()];
                map.values().read(at, &mut value).expect("a value is in the map's memory");
                value
            });
            assert_eq!(got.as_deref(), model.lookup(&key), "lookup {key:x?}");
        }
        5 => {
            let mut out = Vec::new();
            let got = map.lookup_user(&key, &mut out).map(|()| out);
            let want = model.lookup(&key).map_or(not_found, |value| Ok(value.to_vec()));
            assert_eq!(got, want, "lookup_user {key:x?}");
        }
        6 => assert_eq!(map.delete(&key), model.delete(&key), "delete {key:x?}"),
        _ => same_keys(map, model),
    }
}

/// Few different keys, so that they meet.
fn key(def: &MapDef, input: &mut Bytes<'_>) -> Vec<u8> {
    let size = def.key_size as usize;
    match def.map_type {
        MapType::Array => u32::from(input.u8() % 32).to_ne_bytes().to_vec(),
        MapType::Hash => vec![input.u8() % 40; size],
        _ => {
            let bits = u32::from(u16::from_le_bytes([input.u8(), input.u8() & 0xf]));
            let mut data = vec![0; size - 4];
            let at = input.below(data.len());
            data[at] = input.u8();
            [&bits.to_ne_bytes()[..], &data].concat()
        }
    }
}

fn same_keys(map: &Arc<dyn KeyValue>, model: &Model) {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut next = vec![0; KeyValue::def(&**map).key_size as usize];
    let mut want = model.keys();
    while map.next_key(keys.last().map(|key| &key[..]), &mut next).is_ok() {
        keys.push(next.clone());
        assert!(keys.len() <= want.len(), "more keys than entries");
    }
    assert_eq!(map.entries(), want.len());
    keys.sort();
    want.sort();
    assert_eq!(keys, want);
}
