#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::dissect, seeds};

fuzz_target!(init: seeds::write("dissect"), |data: &[u8]| dissect::check(data));
