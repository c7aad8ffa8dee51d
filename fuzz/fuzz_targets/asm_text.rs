#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::asm_text, seeds};

fuzz_target!(init: seeds::write("asm_text"), |data: &[u8]| asm_text::check(data));
