//! What kernels promise, as tables: program, map and attach types, helpers.
//!
//! Numbers and names are Linux's, so that a `u32` from an object file or from bpf(2) and a word in a
//! text find the same row. This crate implements none of what it names.
//!
//! ```
//! use skep_abi::{MapType, ProgType, helper_name};
//!
//! assert_eq!(ProgType::from_number(6), Some(ProgType::Xdp));
//! assert_eq!(MapType::from_name("lpm_trie"), Some(MapType::LpmTrie));
//! assert_eq!(helper_name(1), Some("map_lookup_elem"));
//! ```
#![no_std]
#![forbid(unsafe_code)]

mod attach_type;
mod errno;
mod helper;
mod map_type;
mod prog_type;
mod section;
mod table_enum;

pub use attach_type::AttachType;
pub use errno::Errno;
pub use helper::{HELPERS, helper_id, helper_name};
pub use map_type::MapType;
pub use prog_type::ProgType;
pub use section::{SECTIONS, Section};
use table_enum::table_enum;
