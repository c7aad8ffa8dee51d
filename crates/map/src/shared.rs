//! Maps that several processes use at once.
//!
//! # Model
//!
//! All that a map is stands in one file: a page that says what the map is ([`header`]), who has it open
//! ([`process`]) and which CPU numbers are taken, then the pieces of memory that its constructor asks
//! for, in the order it does ([`Memory`]). Nothing in it is an address; slots and cells go by number.
//! A file in memory (`memfd_create`) is handed from process to process as a descriptor, one with a name
//! is opened by it.
//!
//! # A process that dies
//!
//! may do so at any instruction. Whatever it held is taken from it by the next one that waits for it
//! long enough to ask: locks, CPU numbers, records of a ring that were reserved and not submitted. What
//! it had written is there; an update that it was in the middle of has happened or has not, but for
//! values that are changed in place (those of arrays and of each CPU), of which some words may be new.
//! In an order of use that it was changing, all entries are equally old afterwards.
//!
//! # What the others may do
//!
//! Whoever can write the file can put anything in it. No such content makes this process touch memory
//! that is not the map's, panic or wait for more than some seconds; answers may be wrong. A file that
//! is made shorter while it is mapped ends the process with `SIGBUS`; files in memory are sealed
//! against that, and others have to be kept from it by their permissions.
//!
//! Processes in different PID namespaces cannot tell whether the others live, and are refused. So are
//! values with timers and pointers of the kernel, and all types of maps but arrays, hashes (per CPU and with the
//! least recently used entry making room too), tries of prefixes, queues, stacks, bloom filters and ring
//! buffers.

mod header;
mod mapping;
mod process;

pub(crate) use mapping::Mapping;
pub(crate) use process::{NOBODY, Pause};

use crate::memory::Memory;
use crate::{CpuPool, Fields, Limits, Map, MapError};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use skep_abi::MapType;
use skep_prog::MapDef;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// A map in a file, as this process has it.
#[derive(Clone)]
pub struct SharedMap {
    map: Map,
    mapping: Arc<Mapping>,
    cpus: u32,
}

/// Why a map is not shared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum SharedError {
    /// Values have timers, pointers or their like, which belong to one process.
    #[error("values with timers or pointers of the kernel cannot be shared by processes")]
    Fields,
    /// The definition makes no map.
    #[error(transparent)]
    Map(#[from] MapError),
    /// Maps of the type have parts that belong to one process.
    #[error("maps of type {map_type} cannot be shared by processes")]
    Type { map_type: MapType },
    /// The system refuses.
    #[error("cannot {what}")]
    System { what: &'static str, source: io::Error },
    /// There is something in the file already.
    #[error("the file is not empty but has {len} bytes")]
    NotEmpty { len: u64 },
    /// The file has no map, or one of another version of Skep.
    #[error("the file holds no map: {why}")]
    NoMap { why: &'static str },
    /// As many processes have the map as it has room for.
    #[error("{limit} processes use the map already")]
    Processes { limit: usize },
}

impl SharedMap {
    /// A new map in a file in memory, whose descriptor other processes need.
    ///
    /// # Errors
    ///
    /// See [`SharedError`].
    pub fn in_memory(def: &MapDef, cpus: u32) -> Result<(Self, File), SharedError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = memfd_create(def.name.as_str(), flags);
        let file = File::from(file.map_err(|err| system("make a file in memory", err.into()))?);
        Ok((Self::create(def, cpus, &file)?, file))
    }

    /// A new map in a new file of this name.
    ///
    /// # Errors
    ///
    /// See [`SharedError`].
    pub fn create_at(def: &MapDef, cpus: u32, path: &Path) -> Result<Self, SharedError> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        Self::create(def, cpus, &file.map_err(|err| system("make the file", err))?)
    }

    /// A new map in an empty file. `cpus` is the number of CPUs that the programs of all processes
    /// together can be on, see [`SharedMap::cpu_pool`].
    ///
    /// # Errors
    ///
    /// See [`SharedError`].
    pub fn create(def: &MapDef, cpus: u32, file: &File) -> Result<Self, SharedError> {
        Self::create_with_fields(def, cpus, file, &Fields::default())
    }

    /// The same, of values with fields, which may be spin locks only. A lock is held by a process: those that wait
    /// for one take it from a process that is dead, and find the value as that left it.
    ///
    /// # Errors
    ///
    /// See [`SharedError`].
    pub fn create_with_fields(
        def: &MapDef,
        cpus: u32,
        file: &File,
        fields: &Fields,
    ) -> Result<Self, SharedError> {
        if !fields.opaque.is_empty() {
            return Err(SharedError::Fields);
        }
        let def = Map::checked(def, cpus, &Limits { bytes: u64::MAX }, fields)?;
        let len = header::file_len(&def, cpus)?;
        let metadata = file.metadata().map_err(|err| system("look at the file", err))?;
        if metadata.len() != 0 {
            return Err(SharedError::NotEmpty { len: metadata.len() });
        }
        file.set_len(len as u64).map_err(|err| system("make the file as long as the map", err))?;
        // Files with names have no seals.
        let _ = fcntl_add_seals(file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL);
        let mapping = Arc::new(Mapping::new(file, len)?);
        header::write(&mapping, &def, (cpus, fields.spin_lock));
        let map = make(&mapping, (&def, fields), cpus, true)?;
        map.set_initial_of(&def)?;
        header::finish(&mapping);
        Ok(Self { map, mapping, cpus })
    }

    /// The map in a file of this name.
    ///
    /// # Errors
    ///
    /// See [`SharedError`].
    pub fn open_at(path: &Path) -> Result<Self, SharedError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Self::open(&file.map_err(|err| system("open the file", err))?)
    }

    /// The map in a file.
    ///
    /// # Errors
    ///
    /// See [`SharedError`].
    pub fn open(file: &File) -> Result<Self, SharedError> {
        let metadata = file.metadata().map_err(|err| system("look at the file", err))?;
        let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if len < header::DATA {
            return Err(SharedError::NoMap { why: "it is too short" });
        }
        let mapping = Arc::new(Mapping::new(file, len)?);
        let (def, cpus, spin_lock) = header::read(&mapping)?;
        let fields = Fields { spin_lock, opaque: Vec::new() };
        let def = Map::checked(&def, cpus, &Limits { bytes: u64::MAX }, &fields)?;
        if header::file_len(&def, cpus)? != len {
            return Err(SharedError::NoMap { why: "its length is that of another map" });
        }
        Ok(Self { map: make(&mapping, (&def, &fields), cpus, false)?, mapping, cpus })
    }

    /// The map, to be used as any other.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// The CPU numbers of the map, each of one thread of one process at a time. For several maps that
    /// a program uses together, all processes take the pool of the same one.
    #[must_use]
    pub fn cpu_pool(&self) -> CpuPool {
        CpuPool::shared(self.mapping.clone(), self.cpus)
    }
}

/// Constructs a map in a mapping.
fn make(
    mapping: &Arc<Mapping>,
    (def, fields): (&MapDef, &Fields),
    cpus: u32,
    fresh: bool,
) -> Result<Map, SharedError> {
    let memory = Memory::Shared { mapping: mapping.clone(), at: Cell::new(header::DATA), fresh };
    made(&memory, def, cpus, fields)
}

/// Constructs a map in some memory.
fn made(memory: &Memory, def: &MapDef, cpus: u32, fields: &Fields) -> Result<Map, SharedError> {
    let made = Map::make_in(memory, def, cpus, fields);
    let map_type = def.map_type;
    made.ok_or(SharedError::Type { map_type })?.map_err(|_| {
        let (asked, left) = (Map::bytes_of(def, cpus), 0);
        MapError::Memory { map: def.name.clone(), asked, left }.into()
    })
}

const fn system(what: &'static str, source: io::Error) -> SharedError {
    SharedError::System { what, source }
}
