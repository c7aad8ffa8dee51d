//! What each fuzz target does with its input, and what must hold.
//!
//! One module per target, each with a function `check` that panics when something does not hold.
//! Files in `fuzz_targets/` hand them to libFuzzer; `crates/skep/tests/bugs.rs` includes this file and
//! hands them the inputs of `corpus/bugs`, so that a finding is replayed by what found it.

pub mod asm_print;
pub mod asm_text;
pub mod btf;
pub mod bytes;
pub mod capture;
pub mod cbpf_listing;
pub mod cbpf_program;
pub mod classic;
pub mod classic_vs_ebpf;
pub mod code;
pub mod dissect;
pub mod filter;
pub mod filter_diff;
pub mod isa_decode;
pub mod kernel_log;
pub mod link;
pub mod map_model;
pub mod map_ops;
pub mod obj;
pub mod obj_file;
pub mod program;
pub mod session;
pub mod verify;
pub mod vm;

/// A target's name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 20] = [
    ("asm_print", asm_print::check),
    ("asm_text", asm_text::check),
    ("btf", btf::check),
    ("capture", capture::check),
    ("cbpf_listing", cbpf_listing::check),
    ("cbpf_program", cbpf_program::check),
    ("classic_vs_ebpf", classic_vs_ebpf::check),
    ("code", code::check),
    ("dissect", dissect::check),
    ("filter", filter::check),
    ("filter_diff", filter_diff::check),
    ("isa_decode", isa_decode::check),
    ("link", link::check),
    ("kernel_log", kernel_log::check),
    ("map_ops", map_ops::check),
    ("obj", obj::check),
    ("obj_file", obj_file::check),
    ("session", session::check),
    ("verify", verify::check),
    ("vm", vm::check),
];
