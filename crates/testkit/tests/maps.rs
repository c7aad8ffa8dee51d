//! Random operations of bpf(2) on maps of both engines.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_abi::{Errno, MapType};
use skep_map::{KeyValue, Map};
use skep_prog::MapDef;
use skep_sys::{Bpf, Kernel, MapCreate, MapFd};
use skep_testkit::{Host, host};
use std::sync::Arc;

/// The same map twice.
struct Pair {
    def: MapDef,
    user: Arc<dyn KeyValue>,
    kernel: MapFd,
}

type Answer = Result<Vec<u8>, Errno>;

const NO_PREALLOC: u32 = 1;
const STEPS: usize = 3000;

#[test]
fn maps_answer_alike() {
    let Some(host) = host() else { return };
    let mut failures = Vec::new();
    for (seed, def) in (1..).zip(definitions()) {
        let mut rng = StdRng::seed_from_u64(seed);
        let pair = Pair::new(host, def);
        if let Some(failure) = (0..STEPS).find_map(|n| pair.step(&mut rng).map(|why| (n, why))) {
            failures.push(format!("{}, step {}: {}", pair.def.name, failure.0, failure.1));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

fn definitions() -> Vec<MapDef> {
    let def = |name: &str, map_type, key, value, entries, flags| {
        let mut def = MapDef::new(name, map_type, key, value, entries);
        def.flags |= flags;
        def
    };
    vec![
        def("array", MapType::Array, 4, 12, 5, 0),
        def("array of bytes", MapType::Array, 4, 1, 1, 0),
        def("percpu array", MapType::PercpuArray, 4, 12, 5, 0),
        def("hash", MapType::Hash, 4, 12, 4, 0),
        def("hash of long keys", MapType::Hash, 37, 3, 6, 0),
        def("hash, not preallocated", MapType::Hash, 8, 40, 4, NO_PREALLOC),
        def("percpu hash", MapType::PercpuHash, 4, 12, 4, 0),
        def("percpu hash, not preallocated", MapType::PercpuHash, 8, 8, 4, NO_PREALLOC),
        // So many entries that none is ever evicted: whom the kernel evicts is its own affair.
        def("lru hash", MapType::LruHash, 4, 12, 4096, 0),
        def("lru percpu hash", MapType::LruPercpuHash, 4, 12, 4096, 0),
        def("lpm trie", MapType::LpmTrie, 8, 12, 6, 0),
        def("lpm trie of short keys", MapType::LpmTrie, 5, 1, 100, 0),
        def("lpm trie of long keys", MapType::LpmTrie, 20, 8, 12, 0),
    ]
}

impl Pair {
    fn new(host: Host, def: MapDef) -> Self {
        let Ok(Map::KeyValue(user)) = Map::new(&def, host.cpus) else {
            panic!("{}: no map of keys and values", def.name);
        };
        let create =
            MapCreate::new("pair", def.map_type, def.key_size, def.value_size, def.max_entries);
        let kernel = Kernel.map_create(&MapCreate { flags: def.flags, ..create }).unwrap();
        Self { def, user, kernel }
    }

    /// One operation, and what is wrong if anything is.
    fn step(&self, rng: &mut StdRng) -> Option<String> {
        let key = self.key(rng);
        let (what, user, kernel) = match rng.random_range(0..20) {
            0..4 => ("lookup", self.user_read(&key, false), self.kernel_read(&key, false)),
            4..7 => ("take", self.user_read(&key, true), self.kernel_read(&key, true)),
            7..14 => return self.update(rng, &key),
            14..17 => {
                let user = self.user.delete(&key).map(|()| Vec::new());
                let kernel = Kernel.map_delete(&self.kernel, &key).map(|()| Vec::new());
                ("delete", user, kernel.map_err(|err| err.errno))
            }
            17 => ("next", self.user_next(Some(&key)), self.kernel_next(Some(&key))),
            18 => ("first", self.user_next(None), self.kernel_next(None)),
            _ => return self.contents(),
        };
        differs(what, &key, &self.comparable(what, user), &self.comparable(what, kernel))
    }

    fn update(&self, rng: &mut StdRng, key: &[u8]) -> Option<String> {
        let flags = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 8, 1 << 32][rng.random_range(0..12)];
        let (_, size) = Kernel.map_sizes(&self.kernel);
        let value: Vec<u8> = (0..size).map(|_| rng.random()).collect();
        let user = self.user.update_user(key, &value, flags).map(|()| Vec::new());
        let kernel = Kernel.map_update(&self.kernel, key, &value, flags).map(|()| Vec::new());
        differs(&format!("update, flags {flags:#x},"), key, &user, &kernel.map_err(|err| err.errno))
    }

    /// Keys that come again, and some that no map can have.
    fn key(&self, rng: &mut StdRng) -> Vec<u8> {
        let size = self.def.key_size as usize;
        let which: u32 = rng.random_range(0..9);
        match self.def.map_type {
            MapType::Array | MapType::PercpuArray => {
                let beyond = rng.random_ratio(1, 20);
                (if beyond { rng.random() } else { which % 7 }).to_ne_bytes().to_vec()
            }
            MapType::LpmTrie => {
                let bits = 8 * (self.def.key_size - 4);
                let beyond = u32::from(rng.random_ratio(1, 20));
                let len = rng.random_range(0..=bits + beyond);
                let mut key = len.to_ne_bytes().to_vec();
                key.extend((4..size).map(|_| [0, 0xff, 0x80, 0x0f][rng.random_range(0..4)]));
                key
            }
            _ => {
                let mut key = vec![0x55; size];
                key[..4].copy_from_slice(&which.to_ne_bytes());
                key
            }
        }
    }

    fn user_read(&self, key: &[u8], take: bool) -> Answer {
        let mut value = Vec::new();
        if take {
            self.user.take_user(key, &mut value)?;
        } else {
            self.user.lookup_user(key, &mut value)?;
        }
        Ok(value)
    }

    fn kernel_read(&self, key: &[u8], take: bool) -> Answer {
        let mut value = vec![0; Kernel.map_sizes(&self.kernel).1];
        let result = if take {
            Kernel.map_take(&self.kernel, key, &mut value)
        } else {
            Kernel.map_lookup(&self.kernel, key, &mut value)
        };
        result.map(|()| value).map_err(|err| err.errno)
    }

    fn user_next(&self, key: Option<&[u8]>) -> Answer {
        let mut next = vec![0; self.def.key_size as usize];
        self.user.next_key(key, &mut next).map(|()| next)
    }

    fn kernel_next(&self, key: Option<&[u8]>) -> Answer {
        let mut next = vec![0; self.def.key_size as usize];
        let result = Kernel.map_next_key(&self.kernel, key, &mut next);
        result.map(|()| next).map_err(|err| err.errno)
    }

    /// The order of a hash map is each engine's own: of a first key, it counts that there is one; of
    /// a next, not even that. Padding between values of several CPUs has no content.
    fn comparable(&self, what: &str, answer: Answer) -> Answer {
        let ordered =
            matches!(self.def.map_type, MapType::Array | MapType::PercpuArray | MapType::LpmTrie);
        match what {
            "first" if !ordered => answer.map(|_| Vec::new()),
            "next" if !ordered => Ok(Vec::new()),
            "lookup" | "take" => answer.map(|value| self.without_padding(value)),
            _ => answer,
        }
    }

    fn without_padding(&self, mut value: Vec<u8>) -> Vec<u8> {
        let size = self.def.value_size as usize;
        if value.len() > size {
            for value in value.chunks_mut(size.next_multiple_of(8)) {
                value[size..].fill(0);
            }
        }
        value
    }

    /// All keys with their values, whatever the order.
    fn contents(&self) -> Option<String> {
        let user = walk(|key| self.user_next(key), |key| self.user_read(key, false));
        let kernel = walk(|key| self.kernel_next(key), |key| self.kernel_read(key, false));
        let padded = |all: Vec<(Vec<u8>, Answer)>| -> Vec<(Vec<u8>, Answer)> {
            all.into_iter().map(|(k, v)| (k, v.map(|v| self.without_padding(v)))).collect()
        };
        let (user, kernel) = (padded(user), padded(kernel));
        (user != kernel).then(|| format!("contents:\n  user   {user:x?}\n  kernel {kernel:x?}"))
    }
}

fn walk(
    next: impl Fn(Option<&[u8]>) -> Answer,
    read: impl Fn(&[u8]) -> Answer,
) -> Vec<(Vec<u8>, Answer)> {
    let mut all: Vec<(Vec<u8>, Answer)> = Vec::new();
    while let Ok(key) = next(all.last().map(|(key, _)| &key[..])) {
        assert!(all.len() < 10_000, "an iteration that does not end");
        let value = read(&key);
        all.push((key, value));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn differs(what: &str, key: &[u8], user: &Answer, kernel: &Answer) -> Option<String> {
    (user != kernel).then(|| format!("{what} {key:x?}:\n  user   {user:x?}\n  kernel {kernel:x?}"))
}
