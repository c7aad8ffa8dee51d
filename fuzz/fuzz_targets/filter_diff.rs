#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::filter_diff, seeds};

fuzz_target!(init: seeds::write("filter_diff"), |data: &[u8]| filter_diff::check(data));
