#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::cbpf_program, seeds};

fuzz_target!(init: seeds::write("cbpf_program"), |data: &[u8]| cbpf_program::check(data));
