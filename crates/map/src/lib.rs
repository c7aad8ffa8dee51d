//! The user engine's maps.
//!
//! A [`Map`] is made from a [`MapDef`](skep_prog::MapDef) under the kernel's rules and shared by any
//! number of threads; on Linux, a `SharedMap` by any number of processes. Maps of keys and values are behind two small traits, [`KeyValue`] for what
//! programs do and [`UserSide`] for what bpf(2) does; their values are cells of a [`Values`], which
//! programs access by position. All others have methods of their own.
//!
//! This crate knows nothing of programs or engines. It never blocks on anything but its own short
//! spin locks, and calls nobody while it holds one.
//!
//! ```
//! use skep_abi::MapType;
//! use skep_isa::Size;
//! use skep_map::{Cpu, Map};
//! use skep_prog::MapDef;
//!
//! let map = Map::new(&MapDef::new("counts", MapType::Hash, 4, 8, 100), 1)?;
//! let Map::KeyValue(counts) = &map else { unreachable!() };
//! counts.update(&[1, 0, 0, 0], &[0; 8], 0, Cpu(0))?;
//! let at = counts.lookup(&[1, 0, 0, 0], Cpu(0)).unwrap();
//! counts.values().store(at, Size::Dw, 7).unwrap();
//!
//! let mut value = Vec::new();
//! counts.lookup_user(&[1, 0, 0, 0], &mut value)?;
//! assert_eq!(value, 7u64.to_ne_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start reading at [`KeyValue`]. Sources: `kernel/bpf/*.c` of Linux 6.12, each named where it
//! matters.
#![no_std]

extern crate alloc;
#[cfg(any(test, target_os = "linux"))]
extern crate std;

mod arena;
mod array;
mod attached;
mod bloom;
mod cpu_pool;
mod fields;
mod handles;
mod hash;
mod key_value;
mod lock;
mod lpm;
mod map;
mod map_of_maps;
mod memory;
mod perf_event_array;
mod pool;
mod prog_array;
mod queue;
mod ringbuf;
mod rules;
mod seq;
#[cfg(target_os = "linux")]
mod shared;
mod stack_trace;
mod storage;
mod user_map;
mod values;

pub use arena::Arena;
pub use array::Array;
pub use attached::AttachedStorage;
pub use bloom::BloomFilter;
pub use cpu_pool::{CpuLease, CpuPool};
pub use fields::Fields;
pub use handles::HandleArray;
pub use hash::Hash;
pub use key_value::{Cpu, KeyValue, UserSide};
pub use lpm::LpmTrie;
pub use map::{Limits, Map, ProgAccess};
pub use map_of_maps::MapOfMaps;
pub use perf_event_array::{PerfEvent, PerfEventArray};
pub use prog_array::ProgArray;
pub use queue::Queue;
pub use ringbuf::{Record, RingBuf};
pub use rules::{MapError, Rule};
#[cfg(target_os = "linux")]
pub use shared::{SharedError, SharedMap};
pub use stack_trace::StackTrace;
pub use storage::Storage;
pub use user_map::{Batch, UserMap};
pub use values::{AccessError, Values};
