#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::vm, seeds};

fuzz_target!(init: seeds::write("vm"), |data: &[u8]| vm::check(data));
