#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::map_ops, seeds};

fuzz_target!(init: seeds::write("map_ops"), |data: &[u8]| map_ops::check(data));
