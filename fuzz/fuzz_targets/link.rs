#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::link, seeds};

fuzz_target!(init: seeds::write("link"), |data: &[u8]| link::check(data));
