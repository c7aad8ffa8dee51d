//! bpf(2), as far as the tests need it.

use skep_abi::{MapEntries, MapKey, MapType, MapValue};
use std::collections::BTreeMap;
use std::{env, thread};

/// A program to load.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load<'a> {
    pub(crate) prog_type: u32,
    pub(crate) attach_type: u32,
    pub(crate) attach_btf_id: u32,
    pub(crate) flags: u32,
    pub(crate) insns: &'a [[u8; 8]],
    pub(crate) license: &'a str,
}

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_BTF_LOAD: libc::c_long = 18;

/// bpf(2) with an attribute of these bytes; a descriptor or errno.
fn bpf(command: libc::c_long, attr: &mut [u8; 152]) -> Result<i32, i32> {
    // SAFETY: every pointer in `attr` is to memory that its owner keeps for the call, with a size beside
    // it that the caller computed from that memory.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), attr.len()) };
    i32::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(|| {
        std::io::Error::last_os_error().raw_os_error().expect("bug: a failed call left no errno")
    })
}

fn put<const N: usize>(attr: &mut [u8], at: usize, bytes: [u8; N]) {
    attr[at..at + N].copy_from_slice(&bytes);
}

fn close(fd: i32) {
    // SAFETY: the descriptor is the one that bpf(2) just gave, and nobody else has it.
    unsafe { libc::close(fd) };
}

impl Load<'_> {
    /// Whether the kernel takes the program; if not, errno.
    pub(crate) fn verdict(&self) -> Result<(), i32> {
        self.load(&mut [])
    }

    /// The same, with what the verifier wrote.
    pub(crate) fn log(&self) -> (Result<(), i32>, String) {
        let mut log = vec![0; 1 << 16];
        let verdict = self.load(&mut log);
        let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
        (verdict, String::from_utf8_lossy(&log[..end]).into_owned())
    }

    fn load(&self, log: &mut [u8]) -> Result<(), i32> {
        let license = [if self.license.is_empty() { "GPL" } else { self.license }, "\0"].concat();
        let mut attr = [0; 152];
        put(&mut attr, 0, self.prog_type.to_ne_bytes());
        put(&mut attr, 4, u32::try_from(self.insns.len()).unwrap().to_ne_bytes());
        put(&mut attr, 8, (self.insns.as_ptr().addr() as u64).to_ne_bytes());
        put(&mut attr, 16, (license.as_ptr().addr() as u64).to_ne_bytes());
        if !log.is_empty() {
            put(&mut attr, 24, 1_u32.to_ne_bytes());
            put(&mut attr, 28, u32::try_from(log.len()).unwrap().to_ne_bytes());
            put(&mut attr, 32, (log.as_mut_ptr().addr() as u64).to_ne_bytes());
        }
        put(&mut attr, 44, self.flags.to_ne_bytes());
        put(&mut attr, 48, *b"table");
        put(&mut attr, 68, self.attach_type.to_ne_bytes());
        put(&mut attr, 108, self.attach_btf_id.to_ne_bytes());
        bpf(BPF_PROG_LOAD, &mut attr).map(close)
    }
}

/// Whether this process may ask the kernel at all.
pub(crate) fn may_ask() -> bool {
    let mut attr = [0; 152];
    for (at, word) in [2_u32, 4, 8, 1].into_iter().enumerate() {
        put(&mut attr, 4 * at, word.to_ne_bytes());
    }
    let made = bpf(BPF_MAP_CREATE, &mut attr).map(close);
    let required = env::var_os("SKEP_REQUIRE_KERNEL").is_some_and(|value| value == "1");
    assert!(made.is_ok() || !required, "SKEP_REQUIRE_KERNEL is set, and bpf(2) fails: {made:?}");
    if made.is_err() {
        eprintln!("skipped: the kernel cannot be asked: {made:?}");
    }
    made.is_ok()
}

/// What a map is to be, besides its kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MapDef<'a> {
    pub(crate) value_size: Option<u32>,
    pub(crate) inner: Option<&'a Map>,
    /// Types, those of keys of 4 and 8 bytes, that of the value.
    pub(crate) types: Option<(&'a Map, [u32; 2], u32)>,
}

/// A map; gone when dropped.
#[derive(Debug)]
pub(crate) struct Map(i32);

impl Map {
    /// Its descriptor.
    pub(crate) fn fd(&self) -> i32 {
        self.0
    }

    /// A map of this kind with key and value of 8 bytes where it may have such, if the kernel makes one.
    fn of(kind: MapType) -> Option<Self> {
        Self::make(kind, &MapDef::default()).ok()
    }

    /// A map of this kind, or errno.
    pub(crate) fn make(kind: MapType, def: &MapDef<'_>) -> Result<Self, i32> {
        let Some(info) = kind.info() else { return Err(libc::EINVAL) };
        let key = match info.key {
            MapKey::None => 0,
            MapKey::Index | MapKey::Id | MapKey::Object(_) => 4,
            _ => 8,
        };
        let value = match info.value {
            MapValue::None => 0,
            MapValue::Fd(_) => 4,
            MapValue::Struct(_, sizes) => sizes[0],
            _ => def.value_size.unwrap_or(8),
        };
        let entries = match info.entries {
            MapEntries::Count if kind == MapType::Array => 1,
            MapEntries::Count => 4,
            MapEntries::Bytes => 4096,
            MapEntries::Pages => 1,
            MapEntries::Zero => 0,
        };
        let flags = info.must.iter().fold(0, |bits, flag| bits | flag.bit());
        let mut attr = [0; 152];
        for (at, word) in [kind.number(), key, value, entries, flags].into_iter().enumerate() {
            put(&mut attr, 4 * at, word.to_ne_bytes());
        }
        if let Some(inner) = def.inner {
            put(&mut attr, 20, inner.0.to_ne_bytes());
        }
        if let Some((btf, keys, value_type)) = def.types {
            put(&mut attr, 48, btf.0.to_ne_bytes());
            put(&mut attr, 52, keys[usize::from(key == 8)].to_ne_bytes());
            put(&mut attr, 56, value_type.to_ne_bytes());
        }
        bpf(BPF_MAP_CREATE, &mut attr).map(Self)
    }

    /// Types in the kernel, which are no map but live as one does.
    pub(crate) fn types(bytes: &[u8]) -> Result<Self, i32> {
        let mut attr = [0; 152];
        put(&mut attr, 0, (bytes.as_ptr().addr() as u64).to_ne_bytes());
        put(&mut attr, 16, u32::try_from(bytes.len()).unwrap().to_ne_bytes());
        bpf(BPF_BTF_LOAD, &mut attr).map(Self)
    }

    /// One of each kind that can be made so, by number.
    pub(crate) fn one_of_each() -> BTreeMap<u32, Self> {
        MapType::ALL.iter().filter_map(|&kind| Some((kind.number(), Self::of(kind)?))).collect()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        close(self.0);
    }
}

/// `CAP_NET_ADMIN`, `CAP_PERFMON`, `CAP_BPF`
pub(crate) const NET_ADMIN: u64 = 1 << 12;
pub(crate) const PERFMON: u64 = 1 << 38;
pub(crate) const CAP_BPF: u64 = 1 << 39;

/// What a thread that has these capabilities alone makes of it.
pub(crate) fn with_caps<T: Send>(caps: u64, ask: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let low = |caps: u64| u32::try_from(caps & u64::from(u32::MAX)).unwrap_or(0);
            // `_LINUX_CAPABILITY_VERSION_3` and this thread; effective, permitted, inheritable, in halves.
            let head = [0x2008_0522_u32, 0];
            let sets = [low(caps), low(caps), 0, low(caps >> 32), low(caps >> 32), 0];
            // SAFETY: both arrays have the layout that this version of capset(2) reads and outlive the call.
            let done = unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), sets.as_ptr()) };
            assert_eq!(done, 0, "capset: {}", std::io::Error::last_os_error());
            ask()
        });
        thread.join().expect("the thread with fewer capabilities fails")
    })
}
