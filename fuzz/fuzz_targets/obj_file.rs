#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::obj_file, seeds};

fuzz_target!(init: seeds::write("obj_file"), |data: &[u8]| obj_file::check(data));
