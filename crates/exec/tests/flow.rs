//! Control flow and what becomes one host instruction, executed. Needs an x86-64 or AArch64 host.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "what the instructions do"
)]

use skep_abi::ProgType;
use skep_exec::{Bare, CodeOptions, Features, features};
use skep_jit::NoSurroundings;
use skep_prog::Prog;

/// r0 of a program in assembly, which gets the address of 16 words in r1 and their number in r2.
#[track_caller]
fn run(text: &str, memory: &mut [u64; 16]) -> u64 {
    let insns = skep_asm::assemble(text).unwrap();
    let prog = Prog::new("tested", ProgType::Xdp, insns);
    let mut hardened = CodeOptions::default();
    (hardened.blinding, hardened.retpolines) = (true, true);
    let kinds = [CodeOptions::plain(), CodeOptions::default(), hardened];
    let all =
        kinds.into_iter().flat_map(|kind| [Features::default(), features()].map(|f| (kind, f)));
    let results = all.map(|(kind, features)| {
        let mut memory = *memory;
        let mut stack = [0; 4096];
        // SAFETY: the programs here touch their memory and stack.
        let code = unsafe { Bare::new(&prog, &NoSurroundings, features, kind) }.unwrap();
        let address = memory.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: as above.
        let r0 = unsafe { code.run([address, 16, 0, 0, 0], &mut stack) };
        (r0, memory)
    });
    let results: Vec<_> = results.collect();
    assert!(results.iter().all(|result| *result == results[0]), "{text}");
    *memory = results[0].1;
    results[0].0
}

#[track_caller]
fn gives(text: &str, want: u64) {
    let mut memory = std::array::from_fn(|n| 0x8182_8384_8586_8788u64.wrapping_mul(n as u64 + 1));
    let got = run(text, &mut memory);
    assert_eq!(got, want, "{got:#x} instead of {want:#x} by\n{text}");
}

#[test]
fn loops_and_jumps() {
    gives("r0 = 0\nr3 = 10\nl:\nr0 += r3\nr3 += -1\nif r3 != 0 goto l\nexit", 55);
    gives("r0 = 0\nr3 = 10\nl:\nr0 += r3\nr3 += -1\nif r3 == 0 goto e\ngoto l\ne:\nexit", 55);
    gives("r0 = 1\nif r0 == 1 goto +0\ngoto +0\nexit", 1);
    gives("r0 = 3\ngotol e\nr0 = 4\ne:\nexit", 3);
    // The first instruction as the head of a loop: the prologue runs once.
    gives("l:\nr6 += 0\n*(u64 *)(r10 - 8) = r6\nr2 += -1\nif r2 != 0 goto l\nr0 = r2\nexit", 0);
}

#[test]
fn jumps_of_any_length() {
    for count in (0..64).chain([100, 1000, 40_000]) {
        let body = "r0 *= 0x12345\n".repeat(count);
        let text = format!("r0 = 1\nif r1 == 0 goto a\ngotol b\na:\n{body}b:\nexit");
        gives(&text, 1);
        let text = format!("r0 = 1\ngotol b\na:\n{body}exit\nb:\ngotol a");
        let want = (0..count).fold(1u64, |r0, _| r0.wrapping_mul(0x12345));
        gives(&text, want);
    }
}

#[test]
fn functions() {
    gives(
        "r6 = 5\nr7 = 6\nr1 = 1\ncall f\nr0 += r6\nr0 += r7\nexit\nf:\nr6 = 100\nr0 = r1\nr0 += r6\nexit",
        112,
    );
    // Each has a stack of its own.
    gives(
        "*(u64 *)(r10 - 8) = 7\nr1 = 3\ncall f\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\n\
         f:\n*(u64 *)(r10 - 8) = r1\ncall g\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\n\
         g:\n*(u64 *)(r10 - 8) = 1\nr0 = *(u64 *)(r10 - 8)\nexit",
        11,
    );
    // A main function without a use for its own, before functions that have one.
    gives(
        "r1 = 5\ncall f\nexit\nf:\ncall g\nexit\ng:\n*(u64 *)(r10 - 8) = r1\nr0 = *(u64 *)(r10 - 8)\nexit",
        5,
    );
    // The main function as any other.
    gives(
        "m:\nr6 = r2\nif r6 s< 14 goto e\nr2 = r6\nr2 += -1\ncall m\nr0 += r6\nexit\ne:\nr0 = 0\nexit",
        16 + 15 + 14,
    );
}

#[test]
fn may_goto_ends_loops() {
    gives("r0 = 0\nl:\nmay_goto e\nr0 += 1\ngoto l\ne:\nexit", 8 * 1024 * 1024);
}

#[test]
fn rotations() {
    let x = 0x8182_8384_8586_8788u64;
    for count in [1, 7, 13, 31, 32, 63] {
        for (copy, back) in [("r3", "r4"), ("r4", "r3")] {
            // Both the result and the register that was shifted on the way must be right.
            let (k, rest) = (count, 64 - count);
            let left = format!(
                "r4 = *(u64 *)(r1 + 0)\nr3 = r4\nr3 <<= {k}\nr4 >>= {rest}\n{copy} |= {back}\n"
            );
            let right = format!(
                "r4 = *(u64 *)(r1 + 0)\nr3 = r4\nr3 >>= {rest}\nr4 <<= {k}\n{copy} |= {back}\n"
            );
            gives(&format!("{left}r0 = {copy}\nexit"), x.rotate_left(k));
            gives(&format!("{right}r0 = {copy}\nexit"), x.rotate_left(k));
            let kept = if copy == "r3" { x >> rest } else { x << k };
            gives(&format!("{left}r0 = {back}\nexit"), kept);
            let kept = if copy == "r3" { x << k } else { x >> rest };
            gives(&format!("{right}r0 = {back}\nexit"), kept);
        }
        if count < 32 {
            let (k, rest) = (count, 32 - count);
            let text = format!(
                "w4 = *(u32 *)(r1 + 0)\nw3 = w4\nw3 <<= {k}\nw4 >>= {rest}\nw3 |= w4\nr0 = r3\nexit"
            );
            gives(&text, u64::from((x as u32).rotate_left(k)));
        }
    }
    // A jump into the middle: no rotation.
    gives(
        "r4 = 1\nr3 = r4\ngoto m\nr4 = 2\nr3 = r4\nm:\nr3 <<= 8\nr4 >>= 56\nr3 |= r4\nr0 = r3\nexit",
        256,
    );
    // Shifts that are none of a rotation.
    gives("r4 = 0x101\nr3 = r4\nr3 <<= 8\nr4 >>= 55\nr3 |= r4\nr0 = r3\nexit", 0x10100);
    gives("r4 = 0x101\nr3 = r4\nr3 <<= 8\nr4 s>>= 56\nr3 |= r4\nr0 = r3\nexit", 0x10100);
}

#[test]
fn sums_as_addresses() {
    let x = 0x8182_8384_8586_8788u64;
    gives("r4 = 3\nr3 = r1\nr3 += r4\nr3 = *(u8 *)(r3 + 1)\nr0 = r3\nexit", x >> 32 & 0xff);
    gives("r4 = 3\nr1 += r4\nr1 = *(u8 *)(r1 + 1)\nr0 = r1\nexit", x >> 32 & 0xff);
    gives("r4 = 3\nr1 += r4\nr1 = *(s8 *)(r1 + 4)\nr0 = r1\nexit", (x as i64 >> 56) as u64);
    // The sum is needed afterwards.
    gives("r4 = 3\nr3 = r1\nr3 += r4\nr5 = *(u8 *)(r3 + 1)\nr3 -= r1\nr0 = r3\nexit", 3);
    gives("r3 = r2\nr3 += r2\nr0 = r3\nexit", 32);
    gives("r3 = r2\nr3 += 100000\nr0 = r3\nexit", 100_016);
    gives("r3 = r2\nr3 -= 1\nr0 = r3\nexit", 15);
    gives("r3 = r2\nr3 -= -2147483648\nr0 = r3\nexit", 16 + (1 << 31));
    gives("r4 = -1\nw3 = w4\nw3 += 2\nr0 = r3\nexit", 1);
    gives(
        "r4 = 0x1234567\nr3 = r4\nr3 *= -3\nr0 = r3\nexit",
        0x0123_4567u64.wrapping_mul(3).wrapping_neg(),
    );
    gives("r4 = 0x1234567\nr3 = r4\nr3 &= 255\nr0 = r3\nexit", 0x67);
    gives("r4 = 0x1234567\nr3 = r4\nr3 &= 65535\nr0 = r3\nexit", 0x4567);
    gives("r4 = 33\nr3 = r2\nr3 <<= r4\nr0 = r3\nexit", 16 << 33);
    gives("r3 = -5\nr3 <<= 32\nr3 >>= 32\nr0 = r3\nexit", 0xffff_fffb);
    gives("r3 = 0xfffffffb ll\nr3 <<= 32\nr3 s>>= 32\nr0 = r3\nexit", -5i64 as u64);
    gives("r3 = 0xfffb\nr3 <<= 48\nr3 s>>= 48\nr0 = r3\nexit", -5i64 as u64);
    gives("r3 = 0x1fb\nr3 <<= 56\nr3 >>= 56\nr0 = r3\nexit", 0xfb);
}

#[test]
fn loads_in_network_order() {
    let x = 0x8182_8384_8586_8788u64;
    gives("r0 = *(u64 *)(r1 + 0)\nr0 = be64 r0\nexit", x.swap_bytes());
    gives("r0 = *(u32 *)(r1 + 0)\nr0 = be32 r0\nexit", (x as u32).swap_bytes().into());
    gives("r0 = *(u16 *)(r1 + 0)\nr0 = be16 r0\nexit", (x as u16).swap_bytes().into());
    gives("r0 = *(u32 *)(r1 + 0)\nr0 = be64 r0\nexit", u64::from(x as u32).swap_bytes());
}
