#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::isa_decode, seeds};

fuzz_target!(init: seeds::write("isa_decode"), |data: &[u8]| isa_decode::check(data));
