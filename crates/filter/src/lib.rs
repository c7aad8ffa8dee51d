//! Packet filters: the expressions of libpcap, what they mean, and programs made of them.
//!
//! [`Expr::parse`] reads an expression. What it means depends on what packets begin with and on names:
//! [`Expr::meaning`] decides that, and [`Meaning::matches`] tells whether a packet matches, which is the
//! reference for [`Meaning::compile`], the compiler to classic programs as the kernel takes them from
//! `SO_ATTACH_FILTER`.
//!
//! Every expression that libpcap takes means what it means there, in the way in which libpcap's
//! unoptimised programs mean it; `docs/filter.md` says where that is not so. Names are looked up by a
//! [`Resolver`] that the caller passes; without one, expressions have numbers only.
//!
//! ```
//! use skep_filter::{Expr, Options};
//!
//! let expr = Expr::parse("ip and not broadcast")?;
//! let program = expr.compile(&Options::default())?;
//! let frame = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
//! let packet = skep_cbpf::Packet::ethernet(&frame, 16);
//! assert_eq!(program.run(&packet), 262_144);
//! assert!(expr.meaning(&Options::default())?.matches(&packet));
//!
//! let error = Expr::parse("tcp prot 80").unwrap_err();
//! assert_eq!(error.diagnostic().labels[0].text, "did you mean `port`?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Compilations on a thread work in the same memory, of which it keeps at most 4 MiB for the next one.
//!
//! Start reading at [`Expr`]. Source: pcap-filter(7), and libpcap itself for what it does not say.
#![forbid(unsafe_code)]

mod ast;
mod compile;
mod deep;
mod diff;
mod dot;
mod emit;
mod error;
mod eval;
mod explain;
mod fact;
mod field;
mod form;
mod graph;
mod implies;
mod lex;
mod link;
mod lower;
mod memory;
mod names;
mod parse;
mod table;
mod words;

pub use ast::{
    Arith, ArithId, ArithKind, ArithOp, ByteOp, Dir, Expr, Id, Kind, List, Llc, Node, NodeId,
    NodeKind, Proto, Qual, RelOp, Scope,
};
pub use compile::{Tabled, program_of_all};
pub use diff::{Difference, Effort, LONGEST_WITNESS, Proof, Undecided, Witness, diff};
pub use dot::{Run, dot, runs};
pub use error::{Error, ErrorKind};
pub use eval::Reason;
pub use fact::Fact;
pub use field::Field;
pub use link::LinkType;
pub use lower::{Meaning, Options, Process, Source};
pub use names::{Numeric, Port, Resolver, protocol_number};
pub use table::Table;
