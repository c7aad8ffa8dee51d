#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::btf, seeds};

fuzz_target!(init: seeds::write("btf"), |data: &[u8]| btf::check(data));
