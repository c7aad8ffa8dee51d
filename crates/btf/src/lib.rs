//! BPF Type Format: the types of a program or a kernel, and values shown by them.
//!
//! [`Btf::parse`] takes the bytes of a `.BTF` section or of `/sys/kernel/btf/vmlinux`, of either byte
//! order, and checks them once. Types are then decoded on demand: a [`Type`] is a view into its
//! [`Btf`], identified by a [`TypeId`]. [`BtfExt::parse`] takes a `.BTF.ext` section: function, line
//! and CO-RE records per program section. [`Btf::show`] turns the bytes of a value into a tree,
//! [`Shown`], that prints as one line.
//!
//! This crate opens no files and knows no instructions.
//!
//! ```
//! use skep_btf::{Btf, ByteOrder, Kind};
//!
//! # let words = [1_u32, 1 << 24, 4, 32, 5, 4 << 24 | 1, 4, 9, 1, 0];
//! # let mut bytes = vec![0x9f, 0xeb, 1, 0];
//! # for word in [24, 0, 40, 40, 14].iter().chain(&words) { bytes.extend(u32::to_le_bytes(*word)); }
//! # bytes.extend(b"\0u32\0key\0addr\0");
//! // An object with `struct key { u32 addr; };`
//! let btf = Btf::parse(&bytes).unwrap();
//! let key = btf.find("key", Kind::Struct).unwrap();
//! assert_eq!(btf.size_of(key.id), Some(4));
//! let shown = btf.show(key.id, &[10, 0, 0, 1], ByteOrder::Little);
//! assert_eq!(shown.to_string(), "{addr: 10.0.0.1}");
//! ```
//!
//! [`Btf::open`] reads the types of a kernel where they lie and checks a type when it is asked for.
//! [`fixup`] adapts programs to the types of another kernel. [`Builder`] makes types, [`dedup`] merges
//! those of several objects, and [`dump_c`] writes them as a C header.
//!
//! Start reading at [`Btf`]. Sources: `Documentation/bpf/btf.rst`, `include/uapi/linux/btf.h` and
//! `kernel/bpf/btf.c` of Linux.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

extern crate alloc;

mod btf;
mod check;
mod dedup;
mod dump;
mod error;
mod ext;
pub mod fixup;
mod kind;
mod linkage;
mod names;
mod nesting;
mod order;
mod parse;
mod print;
mod show;
mod source;
mod types;
mod write;

pub use btf::{Btf, StrOff, TypeId};
pub use dedup::{Dedup, dedup};
pub use dump::{DumpError, dump_c};
pub use error::BtfError;
pub use ext::{BtfExt, CoreRelo, FuncInfo, LineInfo, SecRecords};
pub use kind::Kind;
pub use order::ByteOrder;
pub use print::PrintFlags;
pub use show::Shown;
pub use types::{Body, FuncLinkage, Int, List, Member, Param, SecVar, Type, VarLinkage, Variant};
pub use write::{Builder, CopyError, Def, WriteError};
