//! Random operations on every map of keys and values, against a list of entries.

#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use skep_abi::{Errno, MapType};
use skep_map::{Cpu, KeyValue, Map};
use skep_prog::MapDef;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

const CPUS: usize = 3;
const STEPS: usize = if cfg!(miri) { 60 } else { 2000 };

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Array,
    Hash,
    Lru,
    Lpm,
}

/// The plainest map there is.
struct Model {
    def: MapDef,
    kind: Kind,
    percpu: bool,
    /// Key and the value of each CPU, least recently used first.
    entries: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl Model {
    fn new(def: &MapDef) -> Self {
        let kind = match def.map_type {
            MapType::Array | MapType::PercpuArray => Kind::Array,
            MapType::LruHash | MapType::LruPercpuHash => Kind::Lru,
            MapType::LpmTrie => Kind::Lpm,
            _ => Kind::Hash,
        };
        let percpu = matches!(
            def.map_type,
            MapType::PercpuArray | MapType::PercpuHash | MapType::LruPercpuHash
        );
        let mut model = Self { def: def.clone(), kind, percpu, entries: Vec::new() };
        if kind == Kind::Array {
            model.entries =
                (0..def.max_entries).map(|n| (n.to_ne_bytes().into(), model.zero())).collect();
        }
        model
    }

    fn zero(&self) -> Vec<Vec<u8>> {
        vec![vec![0; self.def.value_size as usize]; if self.percpu { CPUS } else { 1 }]
    }

    /// By the key itself, for lookups by the longest prefix too.
    fn find(&self, key: &[u8], exact: bool) -> Option<usize> {
        if self.kind != Kind::Lpm {
            return self.entries.iter().position(|(other, _)| other == key);
        }
        let bits = |key: &[u8]| prefix(key).map(|(_, bits)| bits);
        let wanted = bits(key)?;
        let matching = self.entries.iter().enumerate().filter(|(_, (other, _))| {
            let other = bits(other).unwrap();
            if exact { other == wanted } else { wanted.starts_with(&other) }
        });
        matching.max_by_key(|(_, (other, _))| bits(other).unwrap().len()).map(|(n, _)| n)
    }

    fn touch(&mut self, n: usize) -> usize {
        if self.kind == Kind::Lru {
            let entry = self.entries.remove(n);
            self.entries.push(entry);
            return self.entries.len() - 1;
        }
        n
    }

    fn update(
        &mut self,
        key: &[u8],
        flags: u64,
        user: bool,
        values: &[(usize, &[u8])],
    ) -> Result<(), Errno> {
        let locked = user && flags & 4 != 0;
        let known = if self.kind == Kind::Array { flags & !4 } else { flags };
        if locked || known > 2 || (self.kind == Kind::Lpm && prefix(key).is_none()) {
            return Err(Errno::EINVAL);
        }
        let found = self.find(key, true);
        let full = self.entries.len() == self.def.max_entries as usize;
        match (self.kind, found) {
            (Kind::Array, None) => return Err(Errno::E2BIG),
            (_, Some(_)) if flags & 1 != 0 => return Err(Errno::EEXIST),
            (Kind::Array, _) if flags & 4 != 0 => return Err(Errno::EINVAL),
            (_, None) if flags == 2 => return Err(Errno::ENOENT),
            (Kind::Hash, None) if full => return Err(Errno::E2BIG),
            (Kind::Lpm, None) if full => return Err(Errno::ENOSPC),
            (Kind::Lru, None) if full => drop(self.entries.remove(0)),
            _ => {}
        }
        let n = match found {
            Some(n) => self.touch(n),
            None => {
                self.entries.push((key.to_vec(), self.zero()));
                self.entries.len() - 1
            }
        };
        self.entries[n].0 = key.to_vec();
        for (cpu, value) in values {
            let cpu = if self.percpu { *cpu } else { 0 };
            self.entries[n].1[cpu] = value.to_vec();
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Errno> {
        if self.kind == Kind::Array || (self.kind == Kind::Lpm && prefix(key).is_none()) {
            return Err(Errno::EINVAL);
        }
        let n = self.find(key, true).ok_or(Errno::ENOENT)?;
        self.entries.remove(n);
        Ok(())
    }

    /// The value as bpf(2) has it.
    fn user(&self, n: usize) -> Vec<u8> {
        let values = &self.entries[n].1;
        if !self.percpu {
            return values[0].clone();
        }
        let padded = |value: &Vec<u8>| {
            let mut value = value.clone();
            value.resize(value.len().next_multiple_of(8), 0);
            value
        };
        values.iter().flat_map(padded).collect()
    }

    /// Keys in the order of iteration, where that is specified.
    fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = self.entries.iter().map(|(key, _)| key.clone()).collect();
        if self.kind == Kind::Lpm {
            keys.sort_by(|a, b| longer_first(&prefix(a).unwrap().1, &prefix(b).unwrap().1));
        }
        keys
    }
}

/// Length and bits of an LPM key.
fn prefix(key: &[u8]) -> Option<(usize, Vec<bool>)> {
    let (len, data) = key.split_at(4);
    let len = u32::from_ne_bytes(len.try_into().unwrap()) as usize;
    let bit = |n: usize| data[n / 8] >> (7 - n % 8) & 1 == 1;
    (len <= data.len() * 8).then(|| (len, (0..len).map(bit).collect()))
}

fn longer_first(a: &[bool], b: &[bool]) -> Ordering {
    if a.starts_with(b) || b.starts_with(a) { b.len().cmp(&a.len()) } else { a.cmp(b) }
}

fn iterate(map: &Arc<dyn KeyValue>) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut next = vec![0; map.def().key_size as usize];
        match map.next_key(keys.last().map(|key| &key[..]), &mut next) {
            Ok(()) => keys.push(next),
            Err(errno) => {
                assert_eq!(errno, Errno::ENOENT);
                return keys;
            }
        }
    }
}

/// One random operation on both.
fn step(map: &Arc<dyn KeyValue>, model: &mut Model, key: &[u8], rng: &mut SmallRng) {
    let value_size = model.def.value_size as usize;
    let mut random = |len: usize| (0..len).map(|_| rng.random()).collect::<Vec<u8>>();
    let (one, all) = (random(value_size), random(value_size * CPUS));
    let flags = [0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 8, 1 << 32][rng.random_range(0..13)];
    let cpu = rng.random_range(0..CPUS);
    match rng.random_range(0..12) {
        0..3 => {
            let got = map.update(key, &one, flags, Cpu(cpu as u32));
            assert_eq!(got, model.update(key, flags, false, &[(cpu, &one)]), "update {key:?}");
        }
        3..5 => {
            let values: Vec<_> = if model.percpu {
                all.chunks(value_size).enumerate().collect()
            } else {
                vec![(0, &one[..])]
            };
            let padded = value_size.next_multiple_of(8);
            let mut given = vec![0; if model.percpu { padded * CPUS } else { value_size }];
            for (cpu, value) in &values {
                given[cpu * padded..][..value_size].copy_from_slice(value);
            }
            let got = map.update_user(key, &given, flags);
            assert_eq!(got, model.update(key, flags, true, &values), "update_user {key:?}");
        }
        5..8 => {
            // When which CPU looked something up is exact between updates for each of them alone.
            let cpu = if model.kind == Kind::Lru { 1 } else { cpu };
            let found = model.find(key, false).map(|n| model.touch(n));
            let at = map.lookup(key, Cpu(cpu as u32));
            assert_eq!(at.is_some(), found.is_some(), "lookup {key:?}");
            if let (Some(at), Some(n)) = (at, found) {
                let mut value = vec![0; value_size];
                map.values().read(at, &mut value).unwrap();
                assert_eq!(value, model.entries[n].1[if model.percpu { cpu } else { 0 }]);
            }
        }
        8 => {
            let mut out = vec![1, 2, 3];
            let got = map.lookup_user(key, &mut out).map(|()| out);
            let expected = model.find(key, false).map(|n| model.user(n)).ok_or(Errno::ENOENT);
            assert_eq!(got, expected, "lookup_user {key:?}");
        }
        9 => assert_eq!(map.delete(key), model.delete(key), "delete {key:?}"),
        10 => {
            let mut out = Vec::new();
            let got = map.take_user(key, &mut out).map(|()| out);
            let expected = if matches!(model.kind, Kind::Array | Kind::Lpm) {
                Err(Errno::ENOTSUPP)
            } else {
                let value = model.find(key, true).map(|n| model.user(n));
                model.delete(key).map(|()| value.unwrap())
            };
            assert_eq!(got, expected, "take_user {key:?}");
        }
        _ => {
            let (keys, expected) = (iterate(map), model.keys());
            assert_eq!(map.entries(), expected.len());
            if matches!(model.kind, Kind::Array | Kind::Lpm) {
                assert_eq!(keys, expected);
            } else {
                assert_eq!(keys.len(), expected.len(), "a key comes twice");
                let sets = [keys, expected].map(BTreeSet::from_iter);
                assert_eq!(sets[0], sets[1]);
            }
        }
    }
}

fn check(def: &MapDef, keys: &[Vec<u8>], seed: u64) {
    let Ok(Map::KeyValue(map)) = Map::new(def, CPUS as u32) else { panic!("{def:?}") };
    let mut model = Model::new(map.def());
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..STEPS {
        let key = &keys[rng.random_range(0..keys.len())];
        step(&map, &mut model, key, &mut rng);
    }
}

/// A CPU that looks an entry up knows of all but the last 64 uses by others.
#[test]
fn uses_of_cpus_are_in_order() {
    let def = MapDef::new("h", MapType::LruHash, 4, 8, 64);
    let Ok(Map::KeyValue(map)) = Map::new(&def, CPUS as u32) else { panic!("{def:?}") };
    let key = |n: u32| n.to_ne_bytes();
    let mut rng = SmallRng::seed_from_u64(3);
    let mut order: Vec<u32> = (0..64).collect();
    for n in &order {
        map.update(&key(*n), &[0; 8], 0, Cpu(0)).unwrap();
    }
    for new in 64..2000 {
        for _ in 0..4 {
            let used = order.remove(rng.random_range(0..order.len()));
            let cpu = rng.random_range(0..CPUS as u32);
            (0..65).for_each(|_| assert!(map.lookup(&key(used), Cpu(cpu)).is_some()));
            order.push(used);
        }
        map.update(&key(new), &[0; 8], 0, Cpu(rng.random_range(0..CPUS as u32))).unwrap();
        let oldest = order.remove(0);
        order.push(new);
        let mut out = Vec::new();
        assert_eq!(map.lookup_user(&key(oldest), &mut out), Err(Errno::ENOENT), "{new}");
        assert_eq!(map.entries(), order.len());
    }
}

#[test]
fn arrays() {
    let keys = [0, 1, 2, 3, 4, 5, 1 << 31, u32::MAX].map(|n: u32| n.to_ne_bytes().to_vec());
    for map_type in [MapType::Array, MapType::PercpuArray] {
        for (seed, value_size) in [1, 4, 8, 13, 24].into_iter().enumerate() {
            check(&MapDef::new("a", map_type, 4, value_size, 5), &keys, seed as u64);
        }
    }
}

#[test]
fn hashes() {
    let types = [MapType::Hash, MapType::PercpuHash, MapType::LruHash, MapType::LruPercpuHash];
    for (map_type, key_size) in types.into_iter().flat_map(|t| [1, 3, 4, 8, 13, 40].map(|k| (t, k)))
    {
        for (seed, max_entries) in [1, 2, 7, 16].into_iter().enumerate() {
            let mut rng = SmallRng::seed_from_u64(seed as u64);
            let key = |_| (0..key_size).map(|_| rng.random_range(0..6)).collect();
            let keys: Vec<Vec<u8>> = (0..14).map(key).collect();
            let value_size = [1, 8, 12, 3][seed];
            let mut def = MapDef::new("h", map_type, key_size, value_size, max_entries);
            let lru = matches!(map_type, MapType::LruHash | MapType::LruPercpuHash);
            def.flags = if lru { 2 } else { seed as u32 & 1 };
            check(&def, &keys, seed as u64);
        }
    }
}

#[test]
fn lpm_tries() {
    for data_size in [1, 2, 4, 7, 8, 9, 16, 256] {
        for (seed, max_entries) in [1, 3, 12, 60].into_iter().enumerate() {
            let mut rng = SmallRng::seed_from_u64(seed as u64);
            let bits = data_size * 8;
            let base: Vec<u8> = (0..data_size).map(|_| rng.random()).collect();
            let mut key = |_| {
                let mut data = base.clone();
                for _ in 0..rng.random_range(0..3) {
                    let bit = rng.random_range(0..bits);
                    data[bit / 8] ^= 1 << (bit % 8);
                }
                let len = match rng.random_range(0..16) {
                    0 => 0,
                    1 => bits as u32,
                    2 => bits as u32 + 1,
                    3 => u32::MAX,
                    _ => rng.random_range(0..=bits as u32),
                };
                [len.to_ne_bytes().to_vec(), data].concat()
            };
            let keys: Vec<Vec<u8>> = (0..40).map(&mut key).collect();
            let def = MapDef::new("l", MapType::LpmTrie, 4 + data_size as u32, 5, max_entries);
            check(&def, &keys, seed as u64);
        }
    }
}

/// More entries than fit a cache, and every one found again.
#[test]
fn a_large_hash_fills_to_the_last_entry() {
    let count: u32 = if cfg!(miri) { 300 } else { 100_000 };
    let Ok(Map::KeyValue(map)) = Map::new(&MapDef::new("h", MapType::Hash, 4, 4, count), 1) else {
        panic!()
    };
    for n in 0..count {
        map.update(&n.to_ne_bytes(), &n.to_ne_bytes(), 1, Cpu(0)).unwrap();
    }
    assert_eq!(map.update(&count.to_ne_bytes(), &[0; 4], 0, Cpu(0)), Err(Errno::E2BIG));
    let mut out = Vec::new();
    for n in 0..count {
        map.take_user(&n.to_ne_bytes(), &mut out).unwrap();
        assert_eq!(out, n.to_ne_bytes());
    }
    assert_eq!((map.entries(), iterate(&map).len()), (0, 0));
}

#[test]
fn the_order_of_iteration_is_the_same_every_time() {
    let build = || {
        let def = MapDef::new("h", MapType::Hash, 4, 4, 64);
        let Ok(Map::KeyValue(map)) = Map::new(&def, 1) else { panic!() };
        for n in 0..64u32 {
            map.update(&n.to_ne_bytes(), &[0; 4], 0, Cpu(0)).unwrap();
        }
        iterate(&map)
    };
    assert_eq!(build(), build());
}
