//! BPF instructions: eight bytes of a program and what they mean.
//!
//! [`RawInsn`] is one slot as it stands in a program; [`Insn`] is the decoded instruction that every
//! other crate matches on. The tables in [`table`] are the one place where encodings stand: decoding,
//! encoding, both assembly dialects and the printed reference read the same rows.
//!
//! This crate knows nothing of helpers, maps, programs or text.
//!
//! ```
//! use skep_isa::{AluOp, Insn, Reg, Src, Width, decode};
//!
//! let bytes = [0x07, 0x01, 0, 0, 42, 0, 0, 0];
//! let slots = decode(&bytes).unwrap();
//! let add = Insn::Alu { width: Width::W64, op: AluOp::Add, dst: Reg::R1, src: Src::Imm(42) };
//! assert_eq!(slots.iter().collect::<Vec<_>>(), [(skep_isa::Pc(0), add)]);
//! ```
//!
//! Start reading at [`Insn`]. Sources: RFC 9669; `include/uapi/linux/bpf.h` and
//! `include/linux/filter.h` for what Linux adds.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod decode;
mod encode;
mod insn;
mod raw;
mod reference;
mod slots;
pub mod table;

pub use decode::DecodeError;
pub use insn::{
    AddrCast, AluOp, AtomicOp, Call, CondOp, ImmSrc, Insn, Pc, Reg, Size, Src, StaticBranch, Swap,
    Width,
};
pub use raw::RawInsn;
pub use reference::reference;
pub use slots::{Insns, SlotError, decode};
