//! The narrow waist: what every front end makes and every engine takes.
//!
//! An [`Image`] is a set of programs ([`Prog`]) and of the maps they use ([`MapDef`]). Instructions
//! refer to maps by their index in the image ([`skep_isa::ImmSrc::MapIdx`]); engines put what they
//! have in that place when they load. An image is a function of its input bytes alone.
//!
//! This crate parses, checks and runs nothing.
//!
//! ```
//! use skep_abi::ProgType;
//! use skep_isa::{AluOp, Insn, Reg, Src, Width};
//! use skep_prog::Prog;
//!
//! let mov = Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(2) };
//! let prog = Prog::new("pass", ProgType::Xdp, [mov, Insn::Exit].into_iter().collect());
//! assert_eq!(prog.insns.len(), 2);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod flow;
mod image;
mod line;
mod map_def;
mod prog;
mod symbol;

pub use flow::{FlowError, check_flow, targets};
pub use image::Image;
pub use line::LineInfo;
pub use map_def::{DataKind, Initial, MapDef, StructOps};
pub use prog::{Prog, Subprog};
pub use symbol::{CoreReloc, Extern, Kconfig};
