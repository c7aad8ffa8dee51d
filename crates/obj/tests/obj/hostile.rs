//! Objects made to harm: whatever the bytes, the answer is an image or an error, soon and small.

use crate::build::{CALL, FUNC, Object};
use crate::{chain, refused};
use skep_btf::fixup::Target;
use skep_isa::{Call, Insn};
use skep_obj::{KernelConfig, fill_kconfig, relocate};
use skep_prog::Image;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn fixture(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/obj");
    fs::read(root.join(name)).unwrap()
}

const FIXTURES: [&str; 5] =
    ["basic.clang19.o", "calls.clang14.o", "maps.clang19.o", "core.o", "externs.o"];

#[test]
fn every_truncation_is_an_error() {
    for name in FIXTURES {
        let bytes = fixture(name);
        for len in 0..bytes.len() {
            // The section headers stand last in an object, so that nothing can be missing.
            assert!(skep_obj::parse(&bytes[..len]).is_err(), "{name}: {len} bytes");
            assert!(skep_obj::layout(&bytes[..len]).is_err(), "{name}: {len} bytes");
        }
    }
}

#[test]
fn every_changed_byte_is_an_error_or_an_image() {
    let (mut images, mut errors) = (0_u32, 0_u32);
    for name in FIXTURES {
        let mut bytes = fixture(name);
        for at in 0..bytes.len() {
            let old = bytes[at];
            // Each byte in one way, neighbours in different ways.
            let ways = [0, 0xff, old ^ 1, old ^ 0x80, old.wrapping_add(8), old ^ 0x10, 0x7f];
            bytes[at] = ways[at % ways.len()];
            match skep_obj::parse(&bytes) {
                Ok(image) => {
                    images += 1;
                    fit(image);
                }
                Err(err) => {
                    errors += 1;
                    assert!(chain(&err).len() < 4096, "{name}: byte {at} = {}", bytes[at]);
                }
            }
            bytes[at] = old;
        }
    }
    // Both ways are taken often, or this test tests little.
    assert!(images > 1000 && errors > 1000, "{images} images, {errors} errors");
}

/// What a loader would do with the image.
fn fit(mut image: Image) {
    let kernel = KernelConfig { text: "CONFIG_HZ=250\nCONFIG_NET=y", ..KernelConfig::default() };
    if let Some(btf) = image.btf.clone() {
        let _ = relocate(&mut image, &[Target { name: "self", btf: &btf }]);
    }
    let _ = fill_kconfig(&mut image, &kernel);
}

#[test]
fn a_long_chain_of_calls_needs_no_stack() {
    const FUNCS: u64 = 50_000;
    let mut insns = Vec::new();
    let mut object = Object::default();
    for _ in 1..FUNCS {
        insns.extend([Insn::Call(Call::Local(1)), Insn::Exit]);
    }
    insns.extend([Insn::Exit; 2]);
    let text = object.code(".text", &insns);
    for i in 0..FUNCS {
        object.symbol("g", FUNC, text, i * 16, 16);
    }
    let xdp = object.code("xdp", &[CALL, Insn::Exit]);
    object.symbol("f", FUNC, xdp, 0, 16);
    object.relocs(xdp, &[(0, 1, 10)]);
    let image = skep_obj::parse(&object.build()).unwrap();
    assert_eq!(image.progs[0].subprogs.len(), 50_001);
    assert_eq!(image.progs[0].insns.len(), 100_002);
}

#[test]
fn programs_that_share_a_large_function_do_not_multiply_it_without_limit() {
    const PROGS: u64 = 4000;
    let mut object = Object::default();
    let text = object.code(".text", &[Insn::Exit; 20_000]);
    object.symbol("large", FUNC, text, 0, 160_000);
    let tc = object.code("tc", &[CALL, Insn::Exit].repeat(4000));
    let mut relocs = Vec::new();
    for i in 0..PROGS {
        object.symbol("p", FUNC, tc, i * 16, 16);
        relocs.push((i * 16, 1, 10));
    }
    object.relocs(tc, &relocs);
    let bytes = object.build();
    let limit = 64 * 1024 * 1024 + 16 * bytes.len();
    refused(&bytes, &format!("the image would take more than {limit} bytes"));
}

#[test]
fn a_program_has_a_limit() {
    let mut object = Object::default();
    let xdp = object.code("xdp", &vec![Insn::Exit; 1_000_001]);
    object.symbol("f", FUNC, xdp, 0, 8_000_008);
    let long = "with function 'f' the program has 1000001 instructions, the limit is 1000000";
    refused(&object.build(), long);
}

#[test]
fn many_sections_and_relocation_tables_take_no_square_of_time() {
    let mut object = Object::default();
    for _ in 0..20_000 {
        object.relocs(1, &[]);
    }
    let xdp = object.code("xdp", &[Insn::Exit]);
    object.symbol("f", FUNC, xdp, 0, 8);
    for _ in 0..20_000 {
        object.code("tc", &[]);
    }
    let start = Instant::now();
    assert_eq!(skep_obj::parse(&object.build()).unwrap().progs.len(), 1);
    // A second opinion on the clock: quadratic work would be 800 million steps.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
