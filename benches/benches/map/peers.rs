//! The maps of this process.

use hashbrown::DefaultHashBuilder;
use skep_abi::MapType;
use skep_isa::Size;
use skep_map::{Cpu, KeyValue, Map};
use skep_prog::MapDef;
use std::hint::black_box;
use std::sync::{Arc, RwLock};

/// Keys in a map.
pub(crate) const ENTRIES: u32 = 1024;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A key of an array, and its value.
    ArrayLookup,
    /// A key that is there, and its value.
    Hit,
    /// A key that is not.
    Miss,
    /// Another value for a key.
    Update,
    /// A new key, and its end.
    InsertDelete,
    /// As [`Op::Hit`], where use is noted.
    LruHit,
    /// As [`Op::Update`], where use is noted.
    LruUpdate,
    /// Among prefixes of 16 to 32 bits.
    LpmLookup,
}

impl Op {
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::ArrayLookup,
        Self::Hit,
        Self::Miss,
        Self::Update,
        Self::InsertDelete,
        Self::LruHit,
        Self::LruUpdate,
        Self::LpmLookup,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ArrayLookup => "array lookup",
            Self::Hit => "hash lookup, hit",
            Self::Miss => "hash lookup, miss",
            Self::Update => "hash update",
            Self::InsertDelete => "hash insert and delete",
            Self::LruHit => "lru lookup",
            Self::LruUpdate => "lru update",
            Self::LpmLookup => "lpm lookup",
        }
    }

    /// The map that programs do it on.
    pub(crate) fn def(self) -> MapDef {
        let (map_type, key_size) = match self {
            Self::ArrayLookup => (MapType::Array, 4),
            Self::LruHit | Self::LruUpdate => (MapType::LruHash, 4),
            Self::LpmLookup => (MapType::LpmTrie, 8),
            _ => (MapType::Hash, 4),
        };
        // More room than entries, so that none is ever evicted.
        let room = if map_type == MapType::LruHash { ENTRIES * 8 } else { ENTRIES * 2 };
        MapDef::new("bench", map_type, key_size, 8, room)
    }
}

/// Key number `n` of a map.
pub(crate) fn key(op: Op, n: u32) -> Vec<u8> {
    if op != Op::LpmLookup {
        return n.to_ne_bytes().to_vec();
    }
    let len = 16 + n % 17;
    [len.to_ne_bytes(), n.wrapping_mul(2_654_435_761).to_be_bytes()].concat()
}

/// Some map.
pub(crate) trait Peer: Sync {
    fn name(&self) -> &'static str;
    /// Does so many operations; infinitely slow, if it has none such.
    fn run(&self, op: Op, cpu: u32, ops: u32);
    /// Whether it has the operation.
    fn has(&self, op: Op) -> bool;
}

/// All of them, filled.
pub(crate) fn peers() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Skep::new()),
        Box::new(Hashbrown(RwLock::new((0..ENTRIES).map(|n| (n, u64::from(n))).collect()))),
        Box::new(Dashmap((0..ENTRIES).map(|n| (n, u64::from(n))).collect())),
        Box::new(Papaya((0..ENTRIES).map(|n| (n, u64::from(n))).collect())),
    ]
}

/// Keys below [`ENTRIES`], neither in order nor random.
fn keys(ops: u32) -> impl Iterator<Item = u32> {
    (0..ops).map(|n| n.wrapping_mul(0x9e37_79b1) % ENTRIES)
}

/// A key that is not in the maps, another one for each thread.
fn absent(key: u32, cpu: u32) -> u32 {
    key | 1 << (20 + cpu)
}

struct Skep(Vec<Arc<dyn KeyValue>>);

impl Skep {
    fn new() -> Self {
        let make = |op: Op| {
            let Ok(Map::KeyValue(map)) = Map::new(&op.def(), 2) else {
                panic!("bug: no map for {op:?}");
            };
            for n in 0..ENTRIES {
                let set = map.update(&key(op, n), &u64::from(n).to_ne_bytes(), 0, Cpu(0));
                set.expect("bug: there is room");
            }
            map
        };
        Self(Op::ALL.into_iter().map(make).collect())
    }
}

impl Peer for Skep {
    fn name(&self) -> &'static str {
        "skep"
    }

    fn has(&self, _op: Op) -> bool {
        true
    }

    fn run(&self, op: Op, cpu: u32, ops: u32) {
        let map = &*self.0[op as usize];
        let cpu = Cpu(cpu);
        // As an engine has them, which makes regions of all values before a run.
        let values = map.values();
        let value = |at: Option<usize>| at.and_then(|at| values.load(at, Size::Dw));
        match op {
            Op::ArrayLookup | Op::Hit | Op::LruHit => {
                for key in keys(ops) {
                    black_box(value(map.lookup(&black_box(key).to_ne_bytes(), cpu)));
                }
            }
            Op::Miss => {
                for key in keys(ops) {
                    let key = absent(key, cpu.0).to_ne_bytes();
                    black_box(map.lookup(&black_box(key), cpu));
                }
            }
            Op::Update | Op::LruUpdate => {
                for key in keys(ops) {
                    let value = u64::from(key).to_ne_bytes();
                    let _ = black_box(map.update(&key.to_ne_bytes(), &value, 0, cpu));
                }
            }
            Op::InsertDelete => {
                for key in keys(ops) {
                    let key = absent(key, cpu.0).to_ne_bytes();
                    let _ = black_box(map.update(&key, &[0; 8], 1, cpu));
                    let _ = black_box(map.delete(&key));
                }
            }
            Op::LpmLookup => {
                for key in keys(ops) {
                    let mut address = [32, 0, 0, 0, 0, 0, 0, 0];
                    address[4..].copy_from_slice(&key.wrapping_mul(2_654_435_761).to_be_bytes());
                    black_box(value(map.lookup(&black_box(address), cpu)));
                }
            }
        }
    }
}

macro_rules! peer {
    ($peer:ident, $name:literal, $map:ident, $key:ident, $value:ident,
     $get:expr, $set:expr, $remove:expr) => {
        impl Peer for $peer {
            fn name(&self) -> &'static str {
                $name
            }

            fn has(&self, op: Op) -> bool {
                matches!(op, Op::Hit | Op::Miss | Op::Update | Op::InsertDelete)
            }

            fn run(&self, op: Op, cpu: u32, ops: u32) {
                let $map = &self.0;
                for n in keys(ops) {
                    let $key = if matches!(op, Op::Hit | Op::Update) { n } else { absent(n, cpu) };
                    let $key = black_box($key);
                    match op {
                        Op::Hit | Op::Miss => {
                            black_box($get);
                        }
                        Op::Update => {
                            let $value = u64::from(n);
                            black_box($set);
                        }
                        Op::InsertDelete => {
                            let $value = 0;
                            black_box($set);
                            black_box($remove);
                        }
                        _ => {}
                    }
                }
            }
        }
    };
}

const WHOLE: &str = "bug: a turn does not panic";

struct Hashbrown(RwLock<hashbrown::HashMap<u32, u64>>);

peer!(
    Hashbrown,
    "hashbrown",
    map,
    key,
    value,
    map.read().expect(WHOLE).get(&key).copied(),
    map.write().expect(WHOLE).insert(key, value),
    map.write().expect(WHOLE).remove(&key)
);

struct Dashmap(dashmap::DashMap<u32, u64, DefaultHashBuilder>);

peer!(
    Dashmap,
    "dashmap",
    map,
    key,
    value,
    map.get(&key).map(|value| *value),
    map.insert(key, value),
    map.remove(&key)
);

struct Papaya(papaya::HashMap<u32, u64, DefaultHashBuilder>);

peer!(
    Papaya,
    "papaya",
    map,
    key,
    value,
    map.pin().get(&key).copied(),
    map.pin().insert(key, value).copied(),
    map.pin().remove(&key).copied()
);
