#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::session, seeds};

fuzz_target!(init: seeds::write("session"), |data: &[u8]| session::check(data));
