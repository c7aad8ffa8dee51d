//! The same map of both engines.

use super::objects;
use super::{Answer, MapCase, fields};
use crate::Host;
use rand::Rng;
use rand::rngs::StdRng;
use skep_abi::MapType;
use skep_map::{Fields, Limits, Map, UserMap};
use skep_prog::MapDef;
use skep_sys::{Bpf, Kernel, MapCreate, MapFd, SysError};
use std::os::fd::{AsRawFd, OwnedFd};

/// The same map twice.
pub struct MapPair {
    pub(super) def: MapDef,
    pub(super) user: UserMap,
    pub(super) kernel: MapFd,
    /// Maps to put inside: alike, and not.
    inner: Vec<(Map, MapFd)>,
    /// What is put into the map, or what its values belong to.
    objects: Vec<OwnedFd>,
}

/// A map of the kernel.
pub(super) fn make(case: &MapCase, inner: Option<&MapFd>) -> Result<MapFd, SysError> {
    let def = &case.def;
    let create =
        MapCreate::new("pair", def.map_type, def.key_size, def.value_size, def.max_entries);
    let (flags, map_extra) = (def.flags, def.map_extra);
    let types = fields::load(case).transpose()?;
    let btf = types.as_ref().map(|(fd, key, value)| (fd, *key, *value));
    Kernel.map_create(&MapCreate { flags, map_extra, inner, btf, ..create })
}

impl MapPair {
    /// # Panics
    ///
    /// If one of the engines does not make it.
    #[must_use]
    pub fn new(host: Host, case: MapCase) -> Self {
        let both = |case: &MapCase, fd: Option<&MapFd>| {
            let MapCase { def, fields } = case;
            let user = Map::with_fields(def, host.cpus, &mut Limits::default(), fields);
            let user = user.unwrap_or_else(|err| panic!("{err}"));
            (user, make(case, fd).unwrap_or_else(|err| panic!("{}: {err}", def.name)))
        };
        let inner: Vec<(Map, MapFd)> = match &case.def.inner {
            None => Vec::new(),
            Some(inner) => {
                let longer = MapDef { max_entries: inner.max_entries + 1, ..(**inner).clone() };
                let other = MapDef { map_type: MapType::Hash, ..(**inner).clone() };
                let case = |def| MapCase { def, fields: Fields::default() };
                [(**inner).clone(), longer, other].map(|def| both(&case(def), None)).into()
            }
        };
        let (user, kernel) = both(&case, inner.first().map(|(_, fd)| fd));
        let def = case.def;
        let objects = objects::of(def.map_type);
        Self { def, user: UserMap::new(user), kernel, inner, objects }
    }

    /// So many random operations; at the end some try to freeze the map. The first difference ends it,
    /// as all that follow may come from it.
    pub fn run(&self, rng: &mut StdRng, steps: u64) -> Option<String> {
        let mut each = (0..steps).map(|n| (n, self.step(rng, n + 20 > steps)));
        each.find_map(|(n, wrong)| wrong.map(|why| format!("step {n}: {why}")))
    }

    /// One operation, and what is wrong if anything is.
    fn step(&self, rng: &mut StdRng, last: bool) -> Option<String> {
        let key = self.key(rng);
        let (what, user, kernel) = match rng.random_range(0..22) {
            0..4 => self.lookup(rng, &key),
            4..7 => {
                let mut out = vec![0; Kernel.map_sizes(&self.kernel).1];
                let user = self.user.take(&self.users(&key), &mut out, 0).map(|()| out.clone());
                let kernel = Kernel.map_take(&self.kernel, &key, &mut out);
                ("take", user, answer(kernel, out))
            }
            7..14 => return self.update(rng, &key),
            14..17 => {
                let user = self.user.delete(&self.users(&key)).map(|()| Vec::new());
                ("delete", user, answer(Kernel.map_delete(&self.kernel, &key), Vec::new()))
            }
            17 => self.next("next", Some(&key)),
            18 => self.next("first", None),
            19 if last => {
                let user = self.user.freeze().map(|()| Vec::new());
                ("freeze", user, answer(Kernel.map_freeze(&self.kernel), Vec::new()))
            }
            19 => return self.contents(),
            _ => return self.batch(rng),
        };
        let (user, kernel) = (self.comparable(what, user), self.comparable(what, kernel));
        differs(what, &key, &user, &kernel)
    }

    fn lookup(&self, rng: &mut StdRng, key: &[u8]) -> (&'static str, Answer, Answer) {
        // A filter is asked for the value that is in the buffer.
        let mut user = self.value(rng);
        let mut kernel = user.clone();
        let flags = [0, 0, 0, 4, 1][rng.random_range(0..5)];
        let found = self.user.lookup(&self.users(key), &mut user, flags).map(|()| user);
        let there = Kernel.map_lookup_flags(&self.kernel, key, &mut kernel, flags);
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
            (self.user.update(&self.users(key), &value, flags), kernel)
        };
        let what = format!("update, flags {flags:#x},");
        differs(&what, key, &user.map(|()| Vec::new()), &answer(kernel, Vec::new()))
    }

    /// A value that means something to the kernel.
    pub(super) fn value(&self, rng: &mut StdRng) -> Vec<u8> {
        let size = Kernel.map_sizes(&self.kernel).1;
        let mut value: Vec<u8> = (0..size).map(|_| rng.random()).collect();
        let number = match self.def.map_type {
            // The loopback device, or none.
            MapType::Devmap | MapType::DevmapHash => rng.random_range(0..2),
            MapType::Cpumap => [0, 0, 8, 17_000][rng.random_range(0..4)],
            _ if !self.objects.is_empty() && !objects::own_values(self.def.map_type) => {
                self.objects[rng.random_range(0..self.objects.len())].as_raw_fd()
            }
            MapType::BloomFilter => rng.random_range(0..50),
            _ => return value,
        };
        value.fill(0);
        value[..4].copy_from_slice(&number.to_ne_bytes());
        value
    }

    pub(super) fn is_of_objects(&self) -> bool {
        !self.objects.is_empty()
    }

    /// What the user engine calls the object that a key names to the kernel.
    fn users(&self, key: &[u8]) -> Vec<u8> {
        let mut key = key.to_vec();
        if objects::own_values(self.def.map_type) {
            key.resize(8, 0);
        }
        key
    }

    /// Keys that come again, and some that no map can have.
    pub(super) fn key(&self, rng: &mut StdRng) -> Vec<u8> {
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
            map_type if objects::own_values(map_type) => {
                let object = &self.objects[rng.random_range(0..self.objects.len())];
                object.as_raw_fd().to_ne_bytes().to_vec()
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
        let objects = !self.objects.is_empty() && !objects::own_values(self.def.map_type);
        let hidden = matches!(self.def.map_type, MapType::Xskmap | MapType::CgroupArray);
        match what {
            "first" if hashed => answer.map(|_| Vec::new()),
            "next" if hashed => Ok(Vec::new()),
            // Nor are there such numbers for maps in maps, AF_XDP sockets and cgroups.
            "lookup" if !self.inner.is_empty() || hidden => Ok(Vec::new()),
            "lookup" | "take" if objects => answer.map(|_| Vec::new()),
            "lookup" | "take" => answer.map(|value| self.without_padding(value)),
            _ => answer,
        }
    }

    pub(super) fn without_padding(&self, mut value: Vec<u8>) -> Vec<u8> {
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

pub(super) fn differs(what: &str, key: &[u8], user: &Answer, kernel: &Answer) -> Option<String> {
    (user != kernel).then(|| format!("{what} {key:x?}:\n  user   {user:x?}\n  kernel {kernel:x?}"))
}
