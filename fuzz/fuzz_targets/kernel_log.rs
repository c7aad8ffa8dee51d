#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::kernel_log, seeds};

fuzz_target!(init: seeds::write("kernel_log"), |data: &[u8]| kernel_log::check(data));
