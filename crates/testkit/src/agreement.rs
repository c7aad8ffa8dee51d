//! How well the verifier of this workspace agrees with the kernel's.
//!
//! A [`Subject`] is a program with its maps, flags and attach target, made from an object
//! ([`objects`]) or from a case of the kernel's old test table ([`old`]). An [`Oracle`] has the
//! running kernel judge it, and a [`Cache`] keeps the answers on disk; a [`Judge`] is the other
//! opinion. [`Board`] puts both side by side.
//!
//! Start reading at [`Subject`].

mod answer;
mod board;
mod cache;
mod compile;
mod expect;
mod fit;
mod judge;
mod old;
mod oracle;
mod pool;
mod privilege;
mod resolve;
mod subject;
mod types;
mod verify;

pub use answer::{Answer, Verdict};
pub use board::{Board, Difference, Pair, Row, general};
pub use cache::Cache;
pub use compile::{Compiled, Corpus, compile};
pub use expect::Expect;
pub use fit::{Target, save_target, target};
pub use judge::{Judge, Ours, Timed, ours};
pub use old::{dump, old};
pub use oracle::{Oracle, Prepared};
pub use pool::{LIMIT, judge_all, judge_one};
pub use subject::{Mode, Subject, Unread, objects, replacements, single};
pub use verify::Verifier;
