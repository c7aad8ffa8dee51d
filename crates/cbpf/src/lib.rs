//! Classic BPF: the packet filters of `tcpdump`, `SO_ATTACH_FILTER` and `iptables -m bpf`.
//!
//! [`parse`] reads the listings of `tcpdump -d`, `-dd` and `-ddd`, [`print()`] writes them. [`check()`]
//! is the checker of Linux; what passes is a [`Program`], which [`Program::run`] runs on a
//! [`Packet`] and [`translate()`] turns into eBPF for a socket filter, XDP or tc.
//!
//! This crate does not parse filter expressions, and does not filter system calls: seccomp allows
//! other instructions.
//!
//! ```
//! use skep_cbpf::{Packet, check, parse};
//!
//! let listing = "
//!     (000) ldh      [12]
//!     (001) jeq      #0x800           jt 2 jf 3
//!     (002) ret      #262144
//!     (003) ret      #0
//! ";
//! let ip = check(&parse(listing)?)?;
//! let frame = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
//! assert_eq!(ip.run(&Packet::ethernet(&frame, 16)), 262_144);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start reading at [`Insn`]. Sources: McCanne and Jacobson, "The BSD Packet Filter", 1993;
//! `net/core/filter.c` of Linux for what the instructions mean there.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

extern crate alloc;

mod check;
mod cooked;
mod decode;
mod insn;
mod listing;
mod packet;
mod raw;
mod run;
pub mod table;
mod translate;

pub use check::{CheckError, MAX_INSNS, MEM_CELLS, Program, check, check_insns};
pub use decode::DecodeError;
pub use insn::{AluOp, Ancillary, CondOp, Insn, Reg, Size, Src};
pub use listing::{Format, ParseError, ParseErrorKind, parse, print};
pub use packet::{Device, Meta, Packet};
pub use raw::RawInsn;
pub use translate::{
    Key, Lookup, Target, TranslateError, Verdict, translate, translate_with_tables,
};
