#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::cbpf_listing, seeds};

fuzz_target!(init: seeds::write("cbpf_listing"), |data: &[u8]| cbpf_listing::check(data));
