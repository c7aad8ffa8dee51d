#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::filter, seeds};

fuzz_target!(init: seeds::write("filter"), |data: &[u8]| filter::check(data));
