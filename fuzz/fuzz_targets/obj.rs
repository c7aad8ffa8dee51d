#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::obj, seeds};

fuzz_target!(init: seeds::write("obj"), |data: &[u8]| obj::check(data));
