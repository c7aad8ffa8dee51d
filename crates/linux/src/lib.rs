//! The kernel engine: programs loaded into Linux and run there through bpf(2).
//!
//! [`Loaded::load`] takes a program of an [`Image`](skep_prog::Image) with all it can reach: it makes
//! the maps, gives them their initial content, puts their numbers into the instructions, loads the
//! programs and fills the prog arrays. A program that the kernel's verifier refuses comes back as a
//! [`LoadError`] whose source holds the verifier's log. [`Loaded::test_run`] runs the program on a
//! packet, and [`Loaded::entries`] reads maps back.
//!
//! Whatever this crate asks of the kernel goes through [`skep_sys::Bpf`].
//!
//! ```no_run
//! use skep_linux::{Loaded, TestInput};
//! use skep_prog::{Image, Prog};
//! use skep_sys::Kernel;
//!
//! let bytes = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
//! let pass = Prog::new("pass", skep_abi::ProgType::Xdp, skep_isa::decode(&bytes)?);
//! let image = Image { progs: vec![pass], license: "GPL".into(), ..Image::default() };
//! let loaded = Loaded::load(Kernel, &image, "pass")?;
//! let input = TestInput { data: &[0; 60], ..TestInput::default() };
//! assert_eq!(loaded.test_run(&input)?.retval, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod func_info;
mod load;
mod maps;
mod reach;

pub use load::{LoadError, Loaded};
pub use maps::Entry;
pub use skep_sys::{TestInput, TestOutput};
