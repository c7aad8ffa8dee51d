//! Generators and oracles: the user engine against the kernel.
//!
//! [`program`] makes random programs. [`user`] and [`kernel`] run a program of an image over packets,
//! one in [`skep::Session`], the other in the kernel by `BPF_PROG_TEST_RUN`, and say what came of it
//! in the same terms, an [`Outcome`]; [`compare`] puts the two together and makes a program that they
//! disagree on as small as it easily can. [`MapPair`] is a map of both, which random operations are to
//! find alike.
//!
//! [`agreement`] has the kernel's verifier and the one of this workspace judge the same programs, and
//! [`mutants`] makes more of them.
//!
//! [`libpcap`] makes programs of filter expressions, to be compared with those of this workspace on
//! [`traffic`](mod@traffic) of every link type.
//!
//! [`mod@specimens`] are packets of every protocol that is dissected, to be compared with what tcpdump says of them.
//!
//! For development only: nothing that users run depends on this crate.
#![forbid(unsafe_code)]

pub mod agreement;
pub mod beyond;
mod compare;
pub mod domain;
mod engines;
pub mod filter_engines;
pub mod filters;
mod frame;
mod generate;
mod host;
mod kernel;
mod libpcap;
mod maps;
pub mod mutants;
mod outcome;
pub mod soundness;
pub mod specimens;
pub mod traffic;
mod user;

pub use compare::{Compared, Difference, compare, differential};
pub use engines::{
    Engines, checked_with, engines, engines_with, random_checked, random_engines,
    random_engines_with,
};
pub use frame::{Frame, packet};
pub use generate::{PACKET_LEN, program};
pub use host::{Host, host};
pub use kernel::{Refused, kernel};
pub use libpcap::{Answer, Libpcap, Request, libpcap};
pub use maps::{MapCase, MapPair, map_cases, refused_differently};
pub use outcome::{MapContent, Outcome, Ran};
pub use user::{native, native_with, user};
