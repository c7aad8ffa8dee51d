//! Objects that programs make (`bpf_obj_new`), and what stands for objects of the kernel. They outlive the
//! run, as map values may point to them, and belong to the [`Vm`](crate::Vm): what another one's programs
//! find in a shared map points to none.

use super::{address, split};
use crate::builtin::Cipher;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Region of the first object.
const OBJECTS: u32 = 0x2000_0000;
/// Objects there may be at once.
const MAX_OBJECTS: usize = 1 << 16;
/// Bytes they may take.
const MAX_BYTES: usize = 64 << 20;

/// An object of the kernel that the embedder describes: what it is, and its number among those of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KernelObject {
    /// A file that a process has open.
    File(u64),
    /// What is behind files.
    Inode(u64),
    /// A range of a process's address space, by its first address.
    Area(u64),
    /// A map, by its place in the machine.
    Map(u32),
    /// A program, by the embedder's number.
    Prog(u64),
    /// A socket, by the embedder's number.
    Socket(u64),
    /// A symbol, by the embedder's number.
    Symbol(u64),
    /// A transformation of packets (xfrm), by the embedder's number.
    Transform(u64),
    /// A flow that is offloaded, by the embedder's number.
    Flow(u64),
    /// The file that an iterator's program writes to.
    SeqFile,
}

impl KernelObject {
    const fn name(self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Inode(_) => "inode",
            Self::Area(_) => "address range",
            Self::Map(_) => "map",
            Self::Prog(_) => "program",
            Self::Socket(_) => "socket",
            Self::Symbol(_) => "symbol",
            Self::Transform(_) => "transformation",
            Self::Flow(_) => "flow",
            Self::SeqFile => "file of an iterator",
        }
    }
}

/// What an object is. Only those of programs are theirs to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// An object that a program has made.
    Own,
    /// A thread, by its number.
    Task(u32),
    /// A cgroup, by its number.
    Cgroup(u64),
    /// A set of CPUs.
    Cpumask,
    /// A cipher's context, by its number.
    Cipher(u64),
    /// What the embedder describes.
    Kernel(KernelObject),
}

impl What {
    /// In a word, for messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Own => "object",
            Self::Task(_) => "task",
            Self::Cgroup(_) => "cgroup",
            Self::Cpumask => "CPU mask",
            Self::Cipher(_) => "cipher",
            Self::Kernel(object) => object.name(),
        }
    }
}

struct Object {
    what: What,
    bytes: Vec<u8>,
    /// References to it; at 0 it is gone.
    refs: u32,
}

/// The objects of a [`Vm`](crate::Vm).
#[derive(Default)]
pub(crate) struct Heap {
    objects: Vec<Object>,
    free: Vec<u32>,
    bytes: usize,
    /// Objects that are gone.
    pub(super) gone: u64,
    /// Where tasks and cgroups are: each once, so that pointers to the same are equal.
    known: BTreeMap<What, u64>,
    /// Ciphers by number.
    pub(crate) ciphers: BTreeMap<u64, Cipher>,
    /// The CPU that was picked last from a set. Kernel: `distribute_cpu_mask_prev`.
    pub(crate) picked: u32,
}

impl Heap {
    /// The address of a new object of zeroes. None for want of room.
    pub(crate) fn make(&mut self, len: usize) -> Option<u64> {
        let has_room = self.bytes.checked_add(len).is_some_and(|bytes| bytes <= MAX_BYTES);
        has_room.then(|| self.put(What::Own, alloc::vec![0; len])).flatten()
    }

    /// A reference to what stands for a task or cgroup; made if there is none yet.
    pub(crate) fn find_or_put(&mut self, what: What, bytes: Vec<u8>) -> Option<u64> {
        if let Some(&addr) = self.known.get(&what) {
            self.acquire(addr)?;
            return Some(addr);
        }
        let addr = self.put(what, bytes)?;
        self.known.insert(what, addr);
        Some(addr)
    }

    /// The address of a new object. None for want of room.
    pub(crate) fn put(&mut self, what: What, content: Vec<u8>) -> Option<u64> {
        let bytes = self.bytes.checked_add(content.len()).filter(|&bytes| bytes <= MAX_BYTES)?;
        let object = Object { what, bytes: content, refs: 1 };
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.objects.get_mut(slot as usize)? = object;
                slot
            }
            None if self.objects.len() < MAX_OBJECTS => {
                self.objects.push(object);
                u32::try_from(self.objects.len() - 1).ok()?
            }
            None => return None,
        };
        self.bytes = bytes;
        Some(address(OBJECTS + slot, 0))
    }

    /// One more reference to the object that holds an address.
    pub(crate) fn acquire(&mut self, addr: u64) -> Option<()> {
        let object = self.object(addr)?;
        object.refs = object.refs.checked_add(1)?;
        Some(())
    }

    /// One reference less; the last takes the object with it. None if there is no object.
    pub(crate) fn release(&mut self, addr: u64) -> Option<()> {
        let object = self.object(addr)?;
        object.refs -= 1;
        let what = object.what;
        if object.refs == 0 {
            let bytes = core::mem::take(&mut object.bytes);
            self.bytes -= bytes.len();
            self.gone += 1;
            self.free.push(split(addr).0.checked_sub(OBJECTS)?);
            self.known.remove(&what);
        }
        Some(())
    }

    /// What lies at an address: the address of an object itself, not of a byte in it.
    pub(crate) fn what(&self, addr: u64) -> Option<What> {
        let (region, 0) = split(addr) else { return None };
        self.what_is(region)
    }

    /// What a region is.
    pub(super) fn what_is(&self, region: u32) -> Option<What> {
        let object = self.objects.get(region.checked_sub(OBJECTS)? as usize)?;
        (object.refs > 0).then_some(object.what)
    }

    /// The bytes of an object, whoever may write them.
    pub(crate) fn content_mut(&mut self, addr: u64) -> Option<&mut [u8]> {
        self.object(addr).map(|object| object.bytes.as_mut_slice())
    }

    /// The same, to be read.
    pub(crate) fn content(&self, addr: u64) -> Option<&[u8]> {
        self.get(split(addr).0)
    }

    fn object(&mut self, addr: u64) -> Option<&mut Object> {
        let slot = split(addr).0.checked_sub(OBJECTS)?;
        self.objects.get_mut(slot as usize).filter(|object| object.refs > 0)
    }

    /// The bytes of a region.
    pub(super) fn get(&self, region: u32) -> Option<&[u8]> {
        let object = self.objects.get(region.checked_sub(OBJECTS)? as usize)?;
        (object.refs > 0).then_some(&object.bytes)
    }

    /// The same, to be written.
    pub(super) fn get_mut(&mut self, region: u32) -> Option<&mut [u8]> {
        let object = self.object(address(region, 0)).filter(|object| object.what == What::Own);
        object.map(|object| object.bytes.as_mut_slice())
    }
}
