#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::asm_print, seeds};

fuzz_target!(init: seeds::write("asm_print"), |data: &[u8]| asm_print::check(data));
