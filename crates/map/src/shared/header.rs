//! What a file says of the map in it.
//!
//! ```text
//! bytes      0..4096   which map this is: words of 64 bits, then its name
//!         4096..12288  the processes that have it, see `process`
//!        12288..16384  for each CPU number, the process that has it
//!        16384..       the memory of the map
//! ```

use super::{Mapping, SharedError, made, process, system};
use crate::Fields;
use crate::memory::Memory;
use alloc::string::String;
use core::cell::Cell;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use skep_abi::MapType;
use skep_prog::MapDef;
use std::io;

/// Where the CPU numbers are.
pub(crate) const CPUS: usize = 12288;
/// Where the map's memory begins.
pub(super) const DATA: usize = 16384;
const PAGE: usize = 4096;

/// CPU numbers there is room for.
const CPUS_MAX: usize = (DATA - CPUS) / 4;

/// `skep map`, and a version that goes up with each change of any map's layout.
const MAGIC: u64 = u64::from_le_bytes(*b"skepmap\x02");

/// Words of the first page.
const MAGIC_AT: usize = 0;
const CHECK: usize = 1;
const NAMESPACE: usize = 2;
const TYPE: usize = 3;
const SIZES: usize = 4;
const ENTRIES: usize = 5;
const EXTRA: usize = 6;
const CPU_COUNT: usize = 7;
const NAME_LEN: usize = 8;
const NAME: usize = 9;
const NAME_WORDS: usize = 16;
/// Position of the lock in values plus 1, or 0.
const LOCK: usize = NAME + NAME_WORDS;
const END: usize = LOCK + 1;

/// Bytes of a file with such a map.
pub(super) fn file_len(def: &MapDef, cpus: u32) -> Result<usize, SharedError> {
    if cpus as usize > CPUS_MAX {
        return Err(SharedError::NoMap { why: "it is for too many CPUs" });
    }
    let memory = Memory::Measure(Cell::new(DATA));
    made(&memory, def, cpus, &Fields::default())?;
    let Memory::Measure(len) = memory else { return Ok(DATA) };
    len.get().checked_next_multiple_of(PAGE).ok_or_else(too_long)
}

fn too_long() -> SharedError {
    system("make the file as long as the map", io::ErrorKind::FileTooLarge.into())
}

/// Writes all but the word by which a map is known for one.
pub(super) fn write(mapping: &Mapping, def: &MapDef, (cpus, spin_lock): (u32, Option<u32>)) {
    let mut words = [0; END];
    words[NAMESPACE] = process::namespace();
    words[TYPE] = def.map_type.number().into();
    words[SIZES] = u64::from(def.key_size) << 32 | u64::from(def.value_size);
    words[ENTRIES] = u64::from(def.max_entries) << 32 | u64::from(def.flags);
    words[EXTRA] = def.map_extra;
    words[CPU_COUNT] = cpus.into();
    words[LOCK] = spin_lock.map_or(0, |at| u64::from(at) + 1);
    let name = &def.name.as_bytes()[..def.name.floor_char_boundary(NAME_WORDS * 8)];
    words[NAME_LEN] = name.len() as u64;
    for (word, bytes) in words[NAME..LOCK].iter_mut().zip(name.chunks(8)) {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(padded);
    }
    words[CHECK] = check(&words);
    for (at, word) in mapping.words().iter().zip(words) {
        at.store(word, Relaxed);
    }
}

/// Makes the file one with a map.
pub(super) fn finish(mapping: &Mapping) {
    if let Some(word) = mapping.words().get(MAGIC_AT) {
        word.store(MAGIC, Release);
    }
}

/// The definition, the number of CPUs, and where values have a lock. Each word is read once: another process may change it.
pub(super) fn read(mapping: &Mapping) -> Result<(MapDef, u32, Option<u32>), SharedError> {
    let no_map = |why| Err(SharedError::NoMap { why });
    let mut words = [0; END];
    for (word, at) in words.iter_mut().zip(mapping.words()) {
        *word = at.load(Acquire);
    }
    if words[MAGIC_AT] != MAGIC {
        return no_map("it does not begin as one, or is not finished");
    }
    words[MAGIC_AT] = 0;
    if words[CHECK] != check(&words) {
        return no_map("its first page is damaged");
    }
    if words[NAMESPACE] != process::namespace() {
        return no_map("it is of another PID namespace");
    }
    let number = u32::try_from(words[TYPE]).unwrap_or(u32::MAX);
    let Some(map_type) = MapType::ALL.iter().find(|of| of.number() == number) else {
        return no_map("its type is unknown");
    };
    let (key_size, value_size) = halves(words[SIZES]);
    let (max_entries, flags) = halves(words[ENTRIES]);
    let mut def = MapDef::new("", *map_type, key_size, value_size, max_entries);
    (def.flags, def.map_extra, def.name) = (flags, words[EXTRA], name(&words));
    let Ok(lock) = u32::try_from(words[LOCK]) else { return no_map("its lock is nowhere") };
    match u32::try_from(words[CPU_COUNT]) {
        Ok(cpus) if cpus != 0 => Ok((def, cpus, lock.checked_sub(1))),
        _ => no_map("it is for no CPU"),
    }
}

fn name(words: &[u64; END]) -> String {
    let bytes = words[NAME..LOCK].iter().flat_map(|word| word.to_ne_bytes());
    let len = usize::try_from(words[NAME_LEN]).unwrap_or(usize::MAX);
    let bytes: alloc::vec::Vec<u8> = bytes.take(len).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

const fn halves(word: u64) -> (u32, u32) {
    (crate::values::low32(word >> 32), crate::values::low32(word))
}

/// A sum of all words but the first two.
fn check(words: &[u64; END]) -> u64 {
    let fold =
        |sum: u64, word: &u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    words[CHECK + 1..].iter().fold(MAGIC, fold)
}
