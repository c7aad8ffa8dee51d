#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_fuzz::{oracle::classic_vs_ebpf, seeds};

fuzz_target!(init: seeds::write("classic_vs_ebpf"), |data: &[u8]| classic_vs_ebpf::check(data));
