//! Random operations on maps of both engines, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin map_differential -- --operations 1000000 --seed 1
//! ```
//!
//! Makes maps from random definitions, which both engines must make or refuse alike, then goes through
//! maps of all types that the kernel lets a process fill, some thousand operations each. Prints each
//! difference, and at the end the number of operations by type. Status 1 if there was a difference, 2
//! if the kernel cannot be asked or the arguments are wrong.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_abi::{Errno, MapType};
use skep_map::{Map, MapError, UserMap};
use skep_prog::MapDef;
use skep_sys::{Bpf, Kernel, MapCreate, MapFd, SysError};
use skep_testkit::{Host, host};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::process::ExitCode;

type Answer = Result<Vec<u8>, Errno>;

/// Operations on a map before the next one's turn.
const STEPS: u64 = 2000;
/// The same for maps of maps, after each update of which the kernel waits for programs that run.
const FEW_STEPS: u64 = 60;

fn main() -> ExitCode {
    let Some((operations, seed)) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: map_differential [--operations N] [--seed N]");
        return ExitCode::from(2);
    };
    let Some(host) = host() else { return ExitCode::from(2) };
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut counts, mut different) = (BTreeMap::<String, u64>::new(), 0u64);
    let mut done = 0;
    while done < operations {
        for def in definitions() {
            let differences = Pair::new(host, def.clone()).run(&mut rng);
            let steps = steps(&def);
            done += steps;
            *counts.entry(def.name.clone()).or_default() += steps;
            different += report(&def.name, seed, differences);
        }
        let differences: Vec<String> = (0..STEPS).filter_map(|_| create(host, &mut rng)).collect();
        done += STEPS;
        *counts.entry("creation".into()).or_default() += STEPS;
        different += report("creation", seed, differences);
    }
    for (name, count) in &counts {
        eprintln!("{count:>9} {name}");
    }
    eprintln!("seed {seed}: {done} operations, {different} different");
    ExitCode::from(u8::from(different > 0))
}

fn steps(def: &MapDef) -> u64 {
    if def.inner.is_some() { FEW_STEPS } else { STEPS }
}

fn arguments(mut args: impl Iterator<Item = String>) -> Option<(u64, u64)> {
    let (mut operations, mut seed) = (100_000, 1);
    while let Some(arg) = args.next() {
        let value = args.next()?.parse().ok()?;
        match &arg[..] {
            "--operations" => operations = value,
            "--seed" => seed = value,
            _ => return None,
        }
    }
    Some((operations, seed))
}

fn report(name: &str, seed: u64, differences: Vec<String>) -> u64 {
    for difference in &differences {
        eprintln!("seed {seed}, {name}: {difference}");
    }
    differences.len() as u64
}

const NO_PREALLOC: u32 = 1;
const RDONLY: u32 = 1 << 3;
const WRONLY: u32 = 1 << 4;

fn definitions() -> Vec<MapDef> {
    let def = |name: &str, map_type, key, value, entries, flags| {
        let mut def = MapDef::new(name, map_type, key, value, entries);
        def.flags |= flags;
        def
    };
    let outer = |name: &str, map_type| {
        let mut def = def(name, map_type, 4, 4, 4, 0);
        def.inner = Some(Box::new(MapDef::new("inner", MapType::Array, 4, 8, 2)));
        def
    };
    vec![
        def("array", MapType::Array, 4, 12, 5, 0),
        def("array, read-only", MapType::Array, 4, 12, 5, RDONLY),
        def("percpu array", MapType::PercpuArray, 4, 12, 5, 0),
        def("hash", MapType::Hash, 4, 12, 4, 0),
        def("hash, write-only", MapType::Hash, 4, 12, 4, WRONLY),
        def("hash of long keys", MapType::Hash, 37, 3, 6, 0),
        def("hash, not preallocated", MapType::Hash, 8, 40, 4, NO_PREALLOC),
        def("percpu hash", MapType::PercpuHash, 4, 12, 4, 0),
        // So many entries that none is ever evicted: whom the kernel evicts is its own affair.
        def("lru hash", MapType::LruHash, 4, 12, 4096, 0),
        def("lru percpu hash", MapType::LruPercpuHash, 4, 12, 4096, 0),
        def("lpm trie", MapType::LpmTrie, 8, 12, 6, 0),
        def("lpm trie of long keys", MapType::LpmTrie, 20, 8, 12, 0),
        def("queue", MapType::Queue, 0, 12, 5, 0),
        def("stack", MapType::Stack, 0, 12, 5, 0),
        def("bloom filter", MapType::BloomFilter, 0, 8, 10_000, 0),
        outer("array of maps", MapType::ArrayOfMaps),
        outer("hash of maps", MapType::HashOfMaps),
        def("devmap", MapType::Devmap, 4, 4, 4, 0),
        def("devmap of programs", MapType::Devmap, 4, 8, 4, 0),
        def("devmap hash", MapType::DevmapHash, 4, 8, 4, 0),
        def("cpumap", MapType::Cpumap, 4, 4, 5, 0),
        def("sockmap", MapType::Sockmap, 4, 8, 4, 0),
        def("sockhash", MapType::Sockhash, 4, 8, 4, 0),
        def("stack trace", MapType::StackTrace, 4, 64, 5, 0),
        def("ring buffer", MapType::Ringbuf, 0, 0, 4096, 0),
        def("user ring buffer", MapType::UserRingbuf, 0, 0, 4096, 0),
    ]
}

/// The same map twice.
struct Pair {
    def: MapDef,
    user: UserMap,
    kernel: MapFd,
    /// Maps to put inside: alike, and not.
    inner: Vec<(Map, MapFd)>,
    sockets: Vec<UdpSocket>,
}

fn make(def: &MapDef, inner: Option<&MapFd>) -> Result<MapFd, SysError> {
    let create =
        MapCreate::new("pair", def.map_type, def.key_size, def.value_size, def.max_entries);
    let (flags, map_extra) = (def.flags, def.map_extra);
    Kernel.map_create(&MapCreate { flags, map_extra, inner, ..create })
}

impl Pair {
    fn new(host: Host, def: MapDef) -> Self {
        let both = |def: &MapDef, fd: Option<&MapFd>| {
            let user = Map::new(def, host.cpus).unwrap_or_else(|err| panic!("{err}"));
            (user, make(def, fd).unwrap_or_else(|err| panic!("{}: {err}", def.name)))
        };
        let inner: Vec<(Map, MapFd)> = match &def.inner {
            None => Vec::new(),
            Some(inner) => {
                let longer = MapDef { max_entries: inner.max_entries + 1, ..(**inner).clone() };
                let other = MapDef { map_type: MapType::Hash, ..(**inner).clone() };
                [inner, &longer, &other].map(|def| both(def, None)).into()
            }
        };
        let (user, kernel) = both(&def, inner.first().map(|(_, fd)| fd));
        let socket = |_| UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let socks = matches!(def.map_type, MapType::Sockmap | MapType::Sockhash);
        let sockets = (0..if socks { 3 } else { 0 }).map(socket).collect();
        Self { def, user: UserMap::new(user), kernel, inner, sockets }
    }

    /// The differences; the first is the last, as all that follows it may come from it.
    fn run(&self, rng: &mut StdRng) -> Vec<String> {
        (0..steps(&self.def))
            .find_map(|n| self.step(rng, n).map(|why| format!("step {n}: {why}")))
            .into_iter()
            .collect()
    }

    /// One operation, and what is wrong if anything is.
    fn step(&self, rng: &mut StdRng, n: u64) -> Option<String> {
        let key = self.key(rng);
        let (what, user, kernel) = match rng.random_range(0..20) {
            0..4 => self.lookup(rng, &key),
            4..7 => {
                let mut out = vec![0; Kernel.map_sizes(&self.kernel).1];
                let user = self.user.take(&key, &mut out, 0).map(|()| out.clone());
                let kernel = Kernel.map_take(&self.kernel, &key, &mut out);
                ("take", user, answer(kernel, out))
            }
            7..14 => return self.update(rng, &key),
            14..17 => {
                let user = self.user.delete(&key).map(|()| Vec::new());
                ("delete", user, answer(Kernel.map_delete(&self.kernel, &key), Vec::new()))
            }
            17 => self.next("next", Some(&key)),
            18 => self.next("first", None),
            _ if n + 20 > steps(&self.def) => {
                let user = self.user.freeze().map(|()| Vec::new());
                ("freeze", user, answer(Kernel.map_freeze(&self.kernel), Vec::new()))
            }
            _ => return self.contents(),
        };
        let (user, kernel) = (self.comparable(what, user), self.comparable(what, kernel));
        differs(what, &key, &user, &kernel)
    }

    fn lookup(&self, rng: &mut StdRng, key: &[u8]) -> (&'static str, Answer, Answer) {
        // A filter is asked for the value that is in the buffer.
        let mut user = self.value(rng);
        let mut kernel = user.clone();
        let found = self.user.lookup(key, &mut user, 0).map(|()| user);
        let there = Kernel.map_lookup(&self.kernel, key, &mut kernel);
        ("lookup", found, answer(there, kernel))
    }

    fn next(&self, what: &'static str, key: Option<&[u8]>) -> (&'static str, Answer, Answer) {
        let mut out = vec![0; self.def.key_size as usize];
        let user = self.user.next_key(key, &mut out).map(|()| out.clone());
        let kernel = Kernel.map_next_key(&self.kernel, key, &mut out);
        (what, user, answer(kernel, out))
    }

    fn update(&self, rng: &mut StdRng, key: &[u8]) -> Option<String> {
        let flags = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 8, 1 << 32][rng.random_range(0..12)];
        let (user, kernel) = if matches!(self.user.map(), Map::Maps(_)) {
            let (map, fd) = &self.inner[rng.random_range(0..self.inner.len())];
            let fd = Kernel.map_number(fd).to_ne_bytes();
            let kernel = Kernel.map_update(&self.kernel, key, &fd, flags);
            (self.user.update_map(key, map.clone(), flags), kernel)
        } else {
            let value = self.value(rng);
            let kernel = Kernel.map_update(&self.kernel, key, &value, flags);
            (self.user.update(key, &value, flags), kernel)
        };
        let what = format!("update, flags {flags:#x},");
        differs(&what, key, &user.map(|()| Vec::new()), &answer(kernel, Vec::new()))
    }

    /// A value that means something to the kernel.
    fn value(&self, rng: &mut StdRng) -> Vec<u8> {
        let size = Kernel.map_sizes(&self.kernel).1;
        let mut value: Vec<u8> = (0..size).map(|_| rng.random()).collect();
        let number = match self.def.map_type {
            // The loopback device, or none.
            MapType::Devmap | MapType::DevmapHash => rng.random_range(0..2),
            MapType::Cpumap => [0, 0, 8, 17_000][rng.random_range(0..4)],
            MapType::Sockmap | MapType::Sockhash => {
                self.sockets[rng.random_range(0..self.sockets.len())].as_raw_fd()
            }
            MapType::BloomFilter => rng.random_range(0..50),
            _ => return value,
        };
        value.fill(0);
        value[..4].copy_from_slice(&number.to_ne_bytes());
        value
    }

    /// Keys that come again, and some that no map can have.
    fn key(&self, rng: &mut StdRng) -> Vec<u8> {
        let size = self.def.key_size as usize;
        let which: u32 = rng.random_range(0..9);
        match self.def.map_type {
            MapType::LpmTrie => {
                let bits = 8 * (self.def.key_size - 4);
                let beyond = u32::from(rng.random_ratio(1, 20));
                let len = rng.random_range(0..=bits + beyond);
                let mut key = len.to_ne_bytes().to_vec();
                key.extend((4..size).map(|_| [0, 0xff, 0x80, 0x0f][rng.random_range(0..4)]));
                key
            }
            _ if size == 4 => {
                let beyond = rng.random_ratio(1, 20);
                (if beyond { rng.random() } else { which % 7 }).to_ne_bytes().to_vec()
            }
            _ => {
                let mut key = vec![0x55; size];
                let len = size.min(4);
                key[..len].copy_from_slice(&which.to_ne_bytes()[..len]);
                key
            }
        }
    }

    /// The order of a hash map is each engine's own: of a first key, it counts that there is one; of
    /// a next, not even that. Padding between values of several CPUs has no content. What the kernel
    /// shows of objects are numbers of its own.
    fn comparable(&self, what: &str, answer: Answer) -> Answer {
        let hashed = self.def.map_type.to_string().contains("hash");
        let objects = matches!(self.def.map_type, MapType::Sockmap | MapType::Sockhash);
        match what {
            "first" if hashed => answer.map(|_| Vec::new()),
            "next" if hashed => Ok(Vec::new()),
            "lookup" | "take" if objects => answer.map(|_| Vec::new()),
            // Nor are there such numbers for maps in maps.
            "lookup" if !self.inner.is_empty() => Ok(Vec::new()),
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
        let size = Kernel.map_sizes(&self.kernel).1;
        let read = |by_user: bool, key: &[u8]| {
            let mut out = vec![0; size];
            let read = if by_user {
                self.user.lookup(key, &mut out, 0).map(|()| out)
            } else {
                answer(Kernel.map_lookup(&self.kernel, key, &mut out), out)
            };
            self.comparable("lookup", read)
        };
        let user = walk(|key| self.next("", key).1, |key| read(true, key));
        let kernel = walk(|key| self.next("", key).2, |key| read(false, key));
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

fn answer(result: Result<(), SysError>, value: Vec<u8>) -> Answer {
    result.map(|()| value).map_err(|err| err.errno)
}

fn differs(what: &str, key: &[u8], user: &Answer, kernel: &Answer) -> Option<String> {
    (user != kernel).then(|| format!("{what} {key:x?}:\n  user   {user:x?}\n  kernel {kernel:x?}"))
}

/// A random definition, and what is wrong if one engine makes the map and the other does not.
fn create(host: Host, rng: &mut StdRng) -> Option<String> {
    let pick = |rng: &mut StdRng, of: &[u32]| of[rng.random_range(0..of.len())];
    let map_type = MapType::ALL[rng.random_range(0..MapType::ALL.len())];
    let types = [
        // These ask for types of keys and values, or have no meaning in a process.
        MapType::SkStorage,
        MapType::TaskStorage,
        MapType::InodeStorage,
        MapType::CgrpStorage,
        MapType::StructOps,
        MapType::Unspec,
        // These ask for a map.
        MapType::ArrayOfMaps,
        MapType::HashOfMaps,
        // Gets as many entries as there are CPUs if it asks for none.
        MapType::PerfEventArray,
    ];
    if types.contains(&map_type) {
        return None;
    }
    let mut def = MapDef::new("m", map_type, 0, 0, 0);
    def.key_size = pick(rng, &[0, 4, 4, 4, 8, 12, 260, 513]);
    def.value_size = pick(rng, &[0, 4, 4, 8, 8, 12, 1016, 1024, 32768, 40000]);
    def.max_entries = pick(rng, &[0, 1, 1, 2, 4096, 4096, 8192, 10_000]);
    def.flags = if rng.random() { def.flags } else { 1 << rng.random_range(0..19) };
    def.flags |= if rng.random_ratio(1, 8) { 1 << rng.random_range(0..19) } else { 0 };
    def.map_extra = pick(rng, &[0, 0, 0, 0, 1, 15, 16, 4096]).into();
    if rng.random() {
        // Something that the type takes.
        (def.key_size, def.value_size) = match map_type {
            MapType::Queue | MapType::Stack | MapType::BloomFilter => (0, 8),
            MapType::Ringbuf | MapType::UserRingbuf | MapType::Arena => (0, 0),
            MapType::LpmTrie => (8, 8),
            MapType::StackTrace => (4, 64),
            _ => (4, pick(rng, &[4, 8])),
        };
    }
    let user = match Map::new(&def, host.cpus) {
        Ok(_) => Ok(()),
        Err(MapError::Unsupported { .. } | MapError::Memory { .. }) => return None,
        Err(err) => Err(err.errno()),
    };
    // How many CPUs there may be is each kernel's own; symbols of frames, no process gives.
    let cpus = map_type == MapType::Cpumap && def.max_entries > 64;
    if cpus || (map_type == MapType::StackTrace && def.flags & (1 << 5) != 0) {
        return None;
    }
    // A node of memory, the types of another module, a token: each is a number of its own.
    if def.flags & (1 << 2 | 1 << 15 | 1 << 16) != 0 {
        return None;
    }
    let kernel = make(&def, None).map(drop).map_err(|err| err.errno);
    (user != kernel).then(|| {
        let MapDef { map_type, key_size, value_size, max_entries, flags, map_extra, .. } = def;
        format!(
            "{map_type}, key {key_size}, value {value_size}, entries {max_entries}, flags \
             {flags:#x}, extra {map_extra:#x}: user {user:?}, kernel {kernel:?}"
        )
    })
}
