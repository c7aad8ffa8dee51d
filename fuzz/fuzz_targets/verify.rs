#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::verify, seeds};

fuzz_target!(init: seeds::write("verify"), |data: &[u8]| verify::check(data));
