#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::capture, seeds};

fuzz_target!(init: seeds::write("capture"), |data: &[u8]| capture::check(data));
