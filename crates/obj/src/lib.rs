//! ELF objects into images: what clang makes of C, ready for an engine.
//!
//! [`parse`] takes the bytes of a relocatable BPF object and makes an [`Image`]: programs with the
//! subprograms they call behind them, maps with types and initial content, source lines, BTF.
//! [`layout`] lists what stands in a file without making an image of it.
//!
//! [`ObjectFile`] is the object itself, to be changed and written, and [`static_link`] makes one object of
//! several. [`assemble`] makes one of programs that come from a text.
//!
//! [`relocate`] fits an image to the types of a kernel (CO-RE), [`fill_kconfig`] gives the variables of
//! `.kconfig` their values.
//!
//! This crate opens no files and asks no kernel: what a kernel has is given to it, or named in the
//! image for those who load it.
//!
//! ```
//! let err = skep_obj::parse(b"#!/bin/sh").unwrap_err();
//! assert_eq!(err.to_string(), "no ELF file: begins with 23 21 2f 62, not with 7f 45 4c 46");
//! ```
//!
//! Start reading at `object.rs`. Sources: the ELF specification; LLVM's
//! `llvm/docs/CodeGenerator.rst` and Linux's `Documentation/bpf/llvm_reloc.rst` for relocations; the
//! conventions of section and map names are libbpf's.
//!
//! [`Image`]: skep_prog::Image
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

extern crate alloc;

mod arena;
mod assemble;
mod budget;
mod core_reloc;
mod data;
mod elf;
mod error;
mod exception;
mod externs;
mod file;
mod func;
mod kconfig;
mod layout;
mod lines;
mod link;
mod map;
mod object;
mod reloc;
mod static_link;
mod statics;
mod struct_ops;

pub use assemble::{AssembleError, assemble};
pub use core_reloc::{Poisoned, PoisonedBy, RelocError, Report, Unfit, relocate};
pub use error::ObjError;
pub use file::{
    Binding, Content, FileError, FileReloc, FileSection, FileSymbol, ObjectFile, SymbolKind,
    SymbolPlace,
};
pub use kconfig::{KconfigError, KernelConfig, fill_kconfig};
pub use layout::{Layout, SectionInfo, btf_section, layout};
pub use map::MapError;
pub use object::{Undecoded, parse, parse_each};
pub use static_link::{LinkError, LinkInput, Linked, Mismatch, Undefined, static_link};
