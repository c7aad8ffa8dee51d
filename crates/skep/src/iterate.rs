//! Programs that go over things and write about them, as `SEC("iter/…")` has them.
//!
//! What there is to go over a process finds in itself, or the user describes it: threads, their open files and
//! ranges of addresses, maps and their entries, programs, sockets, cgroups, the kernel's symbols. Each is shown
//! to the program in turn, and the end as null; what does not fit the file any more is shown again
//! once that has been read.
//!
//! Source: `kernel/bpf/bpf_iter.c` (`bpf_seq_read`), and the targets' `seq_operations`.

use crate::helper::socket;
use crate::host::Host;
use crate::layout::object as layout;
use crate::link::{Linked, LoadError, cpu_of};
use crate::network::Transport;
use crate::process::{self, Area, OpenFile, Symbol};
use crate::session::{Runs, Session};
use crate::view::is_per_cpu;
use skep_abi::Errno;
use skep_map::{Cpu, KeyValue, Map};
use skep_prog::{Image, Prog};
use skep_vm::{
    CTX, Cx, Fault, Input, KernelObject, PacketBuf, SeqFile, address, borrow_cgroup, borrow_task,
    cells,
};
use std::sync::Arc;

/// What an iterator goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Threads: those of the user, or of this process.
    Tasks,
    /// The files that this process has open.
    Files,
    /// The ranges of addresses of this process.
    Areas,
    /// The maps of the session.
    Maps,
    /// The entries of one of them.
    Entries,
    /// The sockets that have a value in one of them.
    Stored,
    /// The programs of the session.
    Progs,
    /// TCP sockets that the user describes.
    Tcp,
    /// UDP sockets that the user describes.
    Udp,
    /// Cgroups that the user names.
    Cgroups,
    /// The symbols of the running kernel.
    Symbols,
}

impl Over {
    const ALL: &[(&str, Self)] = &[
        ("task", Self::Tasks),
        ("task_file", Self::Files),
        ("task_vma", Self::Areas),
        ("bpf_map", Self::Maps),
        ("bpf_map_elem", Self::Entries),
        ("bpf_sk_storage_map", Self::Stored),
        ("bpf_prog", Self::Progs),
        ("tcp", Self::Tcp),
        ("udp", Self::Udp),
        ("cgroup", Self::Cgroups),
        ("ksym", Self::Symbols),
    ];

    /// By the section of the program.
    pub(crate) fn of(prog: &Prog) -> Result<Self, LoadError> {
        let name = prog.section.split_once('/').map_or("", |(_, name)| name);
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|&(_, over)| over).ok_or_else(|| LoadError::NoItems {
            prog: prog.name.clone(),
            target: name.to_string(),
            why: why_not(name),
        })
    }

    /// The name of the target, as in `SEC("iter/NAME")`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|&&(_, over)| over == self).map_or("", |&(name, _)| name)
    }

    /// Whether it goes over the content of one map.
    #[must_use]
    pub const fn is_of_map(self) -> bool {
        matches!(self, Self::Entries | Self::Stored)
    }

    /// Arguments of the program behind `struct bpf_iter_meta *`.
    const fn args(self) -> usize {
        match self {
            Self::Tasks | Self::Maps | Self::Progs | Self::Cgroups | Self::Symbols => 1,
            Self::Areas | Self::Tcp => 2,
            Self::Files | Self::Entries | Self::Stored | Self::Udp => 3,
        }
    }
}

/// Why nobody goes over a target here.
fn why_not(target: &str) -> &'static str {
    match target {
        "" => "its section names no target",
        "bpf_link" => "programs run here are attached by no links",
        "dmabuf" => "there are no buffers of devices",
        "ipv6_route" => "there is no routing table of the kernel",
        "kmem_cache" => "there is no memory of the kernel",
        "netlink" | "unix" => "only sockets of TCP and UDP can be described",
        "sockmap" => "maps of sockets hold none that are described",
        _ => "there is nothing of that name to go over",
    }
}

/// Why an iterator did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IterateError {
    /// The program is none.
    #[error("{prog} is no iterator")]
    NoIterator {
        /// The program.
        prog: String,
    },
    /// It goes over a map, and none is named.
    #[error("{prog} goes over a map: name one of {}", .known.join(", "))]
    WhichMap {
        /// The program.
        prog: String,
        /// Maps that can be.
        known: Vec<String>,
    },
    /// There is no such map.
    #[error("no map `{name}` that {prog} can go over; there are {}", .known.join(", "))]
    UnknownMap {
        /// The program.
        prog: String,
        /// What was asked for.
        name: String,
        /// Maps that can be.
        known: Vec<String>,
    },
    /// The program did what it may not.
    #[error(transparent)]
    Fault(#[from] Box<Fault>),
    /// What the program has to say of one thing does not fit (`E2BIG`), or it asks for the same one again and
    /// has written nothing (`EAGAIN`).
    #[error("read: {errno}")]
    Read {
        /// Why the file cannot be read further.
        errno: Errno,
    },
}

/// Bytes that a file keeps until it is read. Kernel: `bpf_seq_read`.
const ROOM: usize = 8 << 12;
/// `struct bpf_iter_meta`: the file, the number of the session, the number of the thing.
const META: usize = 24;

/// One of the things.
enum Item {
    Task(u32),
    File(u32, OpenFile),
    Area(u32, Area),
    Map(u32),
    Entry(u32, Vec<u8>),
    Stored(u32, usize),
    Prog(u32),
    Socket(usize),
    Cgroup(u64),
    Symbol(Symbol),
}

impl Session {
    /// Goes over all there is, and hands on what the program writes; how many things there were. `map` names the map
    /// whose content it is about, where it is about one.
    ///
    /// # Errors
    /// [`IterateError`]; what was written before has been handed on.
    pub fn iterate(
        &mut self,
        map: Option<&str>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, IterateError> {
        let Runs::Items(over) = self.runs() else {
            return Err(IterateError::NoIterator { prog: self.prog().to_string() });
        };
        let map = if over.is_of_map() { Some(self.map_of(over, map)?) } else { None };
        let items = self.items(over, map);
        let (mut at, mut number) = (0, 0);
        self.host.seq.1 = SeqFile::new(ROOM);
        loop {
            let (before, item) = (self.host.seq.1.len(), items.get(at));
            let again = self.show(over, (item, map), number)?;
            let file = &mut self.host.seq.1;
            let errno = match again {
                // Nobody asks what a program says of the end.
                true if item.is_some() => Errno::EAGAIN,
                _ if file.has_overflowed() => Errno::E2BIG,
                _ => {
                    if item.is_none() {
                        break;
                    }
                    at += 1;
                    number = at.min(items.len().saturating_sub(1)) as u64;
                    continue;
                }
            };
            file.truncate(before);
            match file.take() {
                Some(text) => sink(&text),
                None => return Err(IterateError::Read { errno }),
            }
        }
        if let Some(text) = self.host.seq.1.take() {
            sink(&text);
        }
        Ok(items.len())
    }

    /// The maps of a session that an iterator of this kind can go over.
    fn maps_for(&self, over: Over) -> Vec<(u32, String)> {
        let fits = |map: &Map| match (over, map) {
            (Over::Stored, Map::Storage(map)) => map.def().map_type == skep_abi::MapType::SkStorage,
            (Over::Entries, Map::KeyValue(map)) => {
                use skep_abi::MapType as M;
                matches!(
                    map.def().map_type,
                    M::Array
                        | M::PercpuArray
                        | M::Hash
                        | M::PercpuHash
                        | M::LruHash
                        | M::LruPercpuHash
                )
            }
            _ => false,
        };
        let maps = self.linked.machine.maps().iter().zip(0..);
        maps.filter(|(map, _)| fits(map)).map(|(map, at)| (at, map.def().name.clone())).collect()
    }

    /// The map that is named, or the only one that is no data section.
    fn map_of(&self, over: Over, name: Option<&str>) -> Result<u32, IterateError> {
        let mut maps = self.maps_for(over);
        if name.is_none() {
            let machine = self.linked.machine.maps();
            maps.retain(|&(at, _)| {
                machine.get(at as usize).is_some_and(|map| map.def().data.is_none())
            });
        }
        let prog = || self.prog().to_string();
        let known = || maps.iter().map(|(_, name)| name.clone()).collect();
        match (name, &maps[..]) {
            (None, [(at, _)]) => Ok(*at),
            (None, _) => Err(IterateError::WhichMap { prog: prog(), known: known() }),
            (Some(name), maps) => {
                let found = maps.iter().find(|(_, known)| known == name).map(|&(at, _)| at);
                found.ok_or_else(|| IterateError::UnknownMap {
                    prog: prog(),
                    name: name.to_string(),
                    known: known(),
                })
            }
        }
    }

    /// All there is to go over.
    fn items(&mut self, over: Over, map: Option<u32>) -> Vec<Item> {
        self.host.find_threads();
        let own = std::process::id();
        let maps = self.linked.machine.maps();
        let counted = |count: usize| 0..u32::try_from(count).unwrap_or(u32::MAX);
        let sockets = |transport: Transport| {
            let sockets = self.host.network.sockets.iter().enumerate();
            sockets.filter(move |(_, socket)| socket.transport == transport)
        };
        match over {
            Over::Tasks => {
                let mut tasks = skep_vm::Env::tasks(&self.host);
                tasks.sort_unstable();
                tasks.dedup();
                tasks.into_iter().map(Item::Task).collect()
            }
            Over::Files => process::files().into_iter().map(|file| Item::File(own, file)).collect(),
            Over::Areas => process::areas().into_iter().map(|area| Item::Area(own, area)).collect(),
            Over::Maps => counted(maps.len()).map(Item::Map).collect(),
            Over::Entries => match map.and_then(|at| Some((at, maps.get(at as usize)?))) {
                Some((at, Map::KeyValue(map))) => {
                    keys(&**map).into_iter().map(|key| Item::Entry(at, key)).collect()
                }
                _ => Vec::new(),
            },
            Over::Stored => match map.and_then(|at| Some((at, maps.get(at as usize)?))) {
                Some((at, Map::Storage(map))) => {
                    let sockets = 0..self.host.network.sockets.len();
                    let stored = sockets.filter(|&socket| map.get(socket as u64 + 1).is_some());
                    stored.map(|socket| Item::Stored(at, socket)).collect()
                }
                _ => Vec::new(),
            },
            Over::Progs => counted(self.linked.progs.len()).map(Item::Prog).collect(),
            Over::Tcp => sockets(Transport::Tcp).map(|(at, _)| Item::Socket(at)).collect(),
            Over::Udp => sockets(Transport::Udp).map(|(at, _)| Item::Socket(at)).collect(),
            Over::Cgroups => self.host.cgroups().into_iter().map(Item::Cgroup).collect(),
            Over::Symbols => process::symbols().into_iter().map(Item::Symbol).collect(),
        }
    }

    /// Shows the program one thing, or the end; whether it wants to see it again.
    fn show(
        &mut self,
        over: Over,
        (item, map): (Option<&Item>, Option<u32>),
        number: u64,
    ) -> Result<bool, Box<Fault>> {
        self.host.held.clear();
        let mut ctx = vec![0; 8 * (1 + over.args())];
        let limits = self.limits(self.options.insns);
        let lease = Linked::lease(&self.linked);
        let linked = Arc::clone(&self.linked);
        let image = Arc::clone(&self.image);
        let mut packet = PacketBuf::default();
        let input = Input {
            args: [address(CTX, 0), 0, 0, 0, 0],
            ctx: cells(&mut ctx),
            packet: Some(&mut packet),
            cpu: cpu_of(lease.as_ref()),
            limits,
            ..Input::default()
        };
        let prepare = |cx: &mut Cx<'_, Host>| {
            let file = cx.borrow(KernelObject::SeqFile, Vec::new()).unwrap_or(0);
            cx.state.seq.0 = file;
            let mut meta = [0; META];
            meta[..8].copy_from_slice(&file.to_le_bytes());
            meta[16..].copy_from_slice(&number.to_le_bytes());
            let meta = cx.mem.show("iterator", meta.into()).unwrap_or(0);
            let mut args = vec![meta];
            match item {
                Some(item) => args.extend(item.args(cx, (&image, &linked.progs))),
                // The map of an iterator over its content is known to the end.
                None => args.extend(map.and_then(|at| shown_map(cx, at))),
            }
            for (at, arg) in args.into_iter().enumerate() {
                cx.mem.poke_ctx(8 * at, &arg.to_le_bytes());
            }
        };
        let (machine, host) = (&linked.machine, &mut self.host);
        let output = match self.compiled.as_deref() {
            Some(code) => self.vm.run_checked_prepared(machine, 0, host, input, code, prepare),
            None => self.vm.run_prepared(machine, 0, host, input, prepare),
        };
        drop(lease);
        self.host.packet.return_buffer(packet.bytes);
        // Programs return 32 bits.
        Ok(output.result? & u64::from(u32::MAX) != 0)
    }
}

/// The keys of a map, in its order.
fn keys(map: &dyn KeyValue) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    // A map that others change meanwhile may show a key twice, but no more than it can have.
    while keys.len() < map.def().max_entries as usize {
        let mut key = vec![0; map.def().key_size as usize];
        if map.next_key(keys.last().map(Vec::as_slice), &mut key).is_err() {
            break;
        }
        keys.push(key);
    }
    keys
}

impl Item {
    /// What the program gets in its context, addresses in the run's memory.
    fn args(&self, cx: &mut Cx<'_, Host>, (image, progs): (&Image, &[usize])) -> Vec<u64> {
        match self {
            Self::Task(tid) => vec![borrow_task(cx, *tid).unwrap_or(0)],
            Self::File(tid, file) => {
                let task = borrow_task(cx, *tid).unwrap_or(0);
                let fd = file.fd.unwrap_or(0);
                vec![task, fd.into(), shown_file(cx, fd.into(), file)]
            }
            Self::Area(tid, area) => {
                vec![borrow_task(cx, *tid).unwrap_or(0), shown_area(cx, area)]
            }
            Self::Map(at) => vec![shown_map(cx, *at).unwrap_or(0)],
            Self::Entry(at, key) => entry(cx, *at, key),
            Self::Stored(at, socket) => stored(cx, *at, *socket),
            Self::Prog(at) => {
                let prog = progs.get(*at as usize).and_then(|&prog| image.progs.get(prog));
                vec![prog.map_or(0, |prog| shown_prog(cx, *at, prog))]
            }
            Self::Socket(at) => {
                let uid = cx.state.network.sockets.get(*at).map_or(0, |socket| socket.uid);
                vec![socket::shown(cx, *at), uid.into()]
            }
            Self::Cgroup(id) => vec![borrow_cgroup(cx, *id).unwrap_or(0)],
            Self::Symbol(symbol) => {
                let bytes = cx.state.laid_out(|btf| layout::symbol(btf, symbol));
                vec![cx.mem.show("symbol", bytes).unwrap_or(0)]
            }
        }
    }
}

/// A map as an object of the kernel.
fn shown_map(cx: &mut Cx<'_, Host>, at: u32) -> Option<u64> {
    let handle = cx.map_handle(at);
    let def = cx.map(handle)?.def().clone();
    let bytes = cx.state.laid_out(|btf| layout::map(btf, &def, at + 1));
    cx.borrow(KernelObject::Map(at), bytes)
}

/// An entry of a map: the map, a copy of the key, and the value itself, or a copy of those of all CPUs.
fn entry(cx: &mut Cx<'_, Host>, at: u32, key: &[u8]) -> Vec<u64> {
    let handle = cx.map_handle(at);
    let Some(Map::KeyValue(map)) = cx.map(handle) else { return Vec::new() };
    let Some(object) = shown_map(cx, at) else { return Vec::new() };
    let value = if is_per_cpu(map.def()) {
        let mut values = Vec::new();
        match map.lookup_user(key, &mut values) {
            Ok(()) => {
                let whole = 0..values.len();
                cx.mem.lend("values", values, whole)
            }
            Err(_) => None,
        }
    } else {
        map.lookup(key, Cpu(0)).and_then(|at| cx.value_address(handle, at))
    };
    let key = cx.mem.show("key", key.to_vec());
    // An entry that another thread has deleted is no entry.
    match (key, value) {
        (Some(key), Some(value)) => vec![object, key, value],
        _ => vec![object],
    }
}

/// A socket and its value in a map.
fn stored(cx: &mut Cx<'_, Host>, at: u32, socket: usize) -> Vec<u64> {
    let handle = cx.map_handle(at);
    let Some(Map::Storage(map)) = cx.map(handle) else { return Vec::new() };
    let value = map.get(socket as u64 + 1).and_then(|at| cx.value_address(handle, at));
    let object = shown_map(cx, at).unwrap_or(0);
    vec![object, socket::shown(cx, socket), value.unwrap_or(0)]
}

/// A program as an object of the kernel.
fn shown_prog(cx: &mut Cx<'_, Host>, at: u32, prog: &Prog) -> u64 {
    let number = u64::from(at) << 1;
    let bytes = cx.state.laid_out(|btf| layout::prog_aux(btf, prog, at + 1));
    let aux = cx.borrow(KernelObject::Prog(number | 1), bytes).unwrap_or(0);
    let bytes = cx.state.laid_out(|btf| layout::prog(btf, prog, aux));
    cx.borrow(KernelObject::Prog(number), bytes).unwrap_or(0)
}

/// A file as an object of the kernel.
fn shown_file(cx: &mut Cx<'_, Host>, number: u64, file: &OpenFile) -> u64 {
    let bytes = cx.state.laid_out(|btf| layout::inode(btf, &file.inode));
    let inode = cx.borrow(KernelObject::Inode(file.inode.number), bytes).unwrap_or(0);
    let bytes = cx.state.laid_out(|btf| layout::file(btf, file, inode));
    cx.state.paths.insert(number, file.path.clone());
    cx.borrow(KernelObject::File(number), bytes).unwrap_or(0)
}

/// A range of addresses as an object of the kernel.
pub(crate) fn shown_area(cx: &mut Cx<'_, Host>, area: &Area) -> u64 {
    // Numbers of open files are below.
    let number = area.start | 1 << 63;
    let file = area.file.as_ref().map_or(0, |file| shown_file(cx, number, file));
    let bytes = cx.state.laid_out(|btf| layout::area(btf, area, file));
    cx.borrow(KernelObject::Area(area.start), bytes).unwrap_or(0)
}
