#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::code, seeds};

fuzz_target!(init: seeds::write("code"), |data: &[u8]| code::check(data));
