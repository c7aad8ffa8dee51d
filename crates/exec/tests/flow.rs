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
    let mut kinds = vec![CodeOptions::plain(), CodeOptions::default(), hardened];
    let optimised = |mut kind: CodeOptions| {
        kind.optimised = true;
        kind
    };
    kinds.extend([optimised(kinds[0]), optimised(kinds[1])]);
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
    assert!(results.iter().all(|result| *result == results[0]), "{text}: {results:x?}");
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
fn numbers_are_compared_with_numbers() {
    // What r5 is turns out when its loop has been looked at.
    let text = "r4 = -0x8000000000000000 ll
        r5 = 0x1f\nr7 = r5\nr0 = 2
        l:\nif r7 == 0 goto e\nw5 <<= w4\nr7 += -1\ngoto l
        e:\nif r4 > r5 goto x\nr0 = 3\nx:\nexit";
    gives(text, 2);
    // A quotient is a number because of what the dividend can be.
    for (cond, want) in [("==", 0), ("!=", 1), (">", 0), ("<", 1)] {
        let text = format!(
            "r1 = *(u8 *)(r1 + 0)\nr1 /= 300\nr2 = 0xfedcba9876543210 ll\n\
             if r1 {cond} r2 goto y\nr0 = 0\nexit\ny:\nr0 = 1\nexit"
        );
        gives(&text, want);
    }
}

#[test]
fn a_comparison_of_32_bits_sees_no_more_of_a_number() {
    // The byte is 0x88. All other ways are cases of a table.
    let cases: String = (1..=12).map(|n| format!("if r1 == {n} goto a{n}\n")).collect();
    let ends: String = (1..=12).map(|n| format!("a{n}:\nr0 = {n}\nexit\n")).collect();
    for (number, want) in [("0x100000088", 99), ("0x88", 99), ("0x100000089", 0)] {
        let text = format!(
            "r1 = *(u8 *)(r1 + 0)\nr2 = {number} ll\nr0 = 0\n{cases}if w1 == w2 goto b\nexit\n\
             b:\nr0 = 99\nexit\n{ends}"
        );
        gives(&text, want);
    }
}

/// More numbers and variables than registers, as many of each as a few loops have: what one kind of code gives the others do.
#[test]
fn numbers_of_loops_wherever_there_is_room() {
    for numbers in [1, 3, 6] {
        for slots in [0, 2, 5, 12] {
            let spill: String = (1..=slots)
                .map(|n| format!("r5 = {n}\n*(u64 *)(r10 - {}) = r5\n", 8 * n))
                .collect();
            let step: String = (1..=slots)
                .map(|n| {
                    format!("r5 = *(u64 *)(r10 - {0})\nr5 += r0\n*(u64 *)(r10 - {0}) = r5\n", 8 * n)
                })
                .collect();
            let large: String = (1..=numbers)
                .map(|n| {
                    let (number, reg) = (0x1234_5678_9abc_u64 * n, [3, 4, 6, 7][n as usize % 4]);
                    format!("r5 = {number} ll\nr{reg} ^= r5\nr0 *= r5\nif r0 > r5 goto +1\nr0 += r{reg}\n")
                })
                .collect();
            let sum: String = (1..=slots)
                .map(|n| format!("r5 = *(u64 *)(r10 - {})\nr0 ^= r5\n", 8 * n))
                .collect();
            let text = format!(
                "r0 = 1\nr3 = 3\nr4 = 4\nr6 = 6\nr7 = 7\nr8 = *(u64 *)(r1 + 8)\n{spill}\
                 l:\n{large}{step}r0 += r8\nr8 += r3\nr2 += -1\nif r2 != 0 goto l\n\
                 {sum}r0 ^= r3\nr0 ^= r4\nr0 ^= r6\nr0 ^= r7\nr0 ^= r8\n*(u64 *)(r1 + 0) = r0\nexit"
            );
            let mut memory = std::array::from_fn(|n| 0x0102_0304_0506_0708 * (n as u64 + 1));
            let r0 = run(&text, &mut memory);
            assert_eq!(memory[0], r0, "{text}");
        }
    }
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
    rotations_of_copies();
    // A jump into the middle: no rotation.
    gives(
        "r4 = 1\nr3 = r4\ngoto m\nr4 = 2\nr3 = r4\nm:\nr3 <<= 8\nr4 >>= 56\nr3 |= r4\nr0 = r3\nexit",
        256,
    );
    // Shifts that are none of a rotation.
    gives("r4 = 0x101\nr3 = r4\nr3 <<= 8\nr4 >>= 55\nr3 |= r4\nr0 = r3\nexit", 0x10100);
    gives("r4 = 0x101\nr3 = r4\nr3 <<= 8\nr4 s>>= 56\nr3 |= r4\nr0 = r3\nexit", 0x10100);
}

/// With two copies: the result, what is only shifted, and what they are copies of.
fn rotations_of_copies() {
    let x = 0x8182_8384_8586_8788u64;
    for count in [1, 7, 13, 31, 32, 63] {
        for (bits, letter) in [(64, 'r'), (32, 'w')] {
            if count >= bits {
                continue;
            }
            let (k, rest) = (count, bits - count);
            let x = if bits == 64 { x } else { u64::from(x as u32) };
            let rotated =
                if bits == 64 { x.rotate_left(k) } else { u64::from((x as u32).rotate_left(k)) };
            let shifted = [if bits == 64 { x << k } else { u64::from((x as u32) << k) }, x >> rest];
            for (result, other) in [(3, 5), (5, 3)] {
                for is_left in [true, false] {
                    let shift =
                        |left: bool| if left { format!("<<= {k}") } else { format!(">>= {rest}") };
                    let text = format!(
                        "r4 = *(u64 *)(r1 + 0)\n{letter}3 = {letter}4\n{letter}3 {}\n{letter}5 = {letter}4\n\
                         {letter}5 {}\n{letter}{result} |= {letter}{other}\n",
                        shift(is_left),
                        shift(!is_left),
                    );
                    gives(&format!("{text}r0 = r{result}\nexit"), rotated);
                    let kept_left = if other == 3 { is_left } else { !is_left };
                    gives(&format!("{text}r0 = r{other}\nexit"), shifted[usize::from(!kept_left)]);
                    gives(&format!("{text}r0 = r4\nexit"), 0x8182_8384_8586_8788);
                }
            }
        }
    }
    // The second is a copy of something else, or of the first.
    gives(
        "r4 = 0x101\nr2 = 7\nr3 = r4\nr3 <<= 8\nr5 = r2\nr5 >>= 56\nr5 |= r3\nr0 = r5\nexit",
        0x10100,
    );
    gives("r4 = 0x101\nr3 = r4\nr3 <<= 8\nr5 = r3\nr5 >>= 56\nr5 |= r3\nr0 = r5\nexit", 0x10100);
    gives("r4 = 0x101\nr3 = r4\nr3 <<= 8\nr3 = r4\nr3 >>= 56\nr3 |= r4\nr0 = r3\nexit", 0x101);
    // Halves of what is copied whole.
    gives(
        "r4 = -1\nw3 = w4\nw3 <<= 8\nr5 = r4\nr5 >>= 24\nr5 |= r3\nr0 = r5\nexit",
        0xff_ffff_ffff,
    );
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

/// Turns of a loop whose register starts at `a`, takes a step, and goes on while the condition holds of it and `b`;
/// and where it is then. None if it takes too long.
fn turns(width: u32, op: &str, (a, b): (u64, u64), step: i64) -> Option<(u64, u64)> {
    let low = |value: u64| if width == 32 { value & 0xffff_ffff } else { value };
    let signed = |value: u64| if width == 32 { i64::from(value as i32) } else { value as i64 };
    let (mut at, b) = (low(a), low(b));
    for turn in 1..=30_000 {
        at = low(at.wrapping_add(step as u64));
        let goes_on = match op {
            "!=" => at != b,
            "<" => at < b,
            ">" => at > b,
            "s<" => signed(at) < signed(b),
            _ => signed(at) > signed(b),
        };
        if !goes_on {
            return Some((turn, at));
        }
    }
    None
}

/// A loop in which r3 takes a step, and that goes on while the condition holds of it, or of r5, and `b`.
struct Loop {
    width: u32,
    op: &'static str,
    b: u64,
    step: i64,
}

impl Loop {
    /// Sees that so many turns are counted, after which the register that is asked has what it should; whether there is a
    /// loop of that kind. r5 is what r3 was before the step.
    fn is_counted(&self, kind: u32, start: &str, asked: u32, (count, last): (u64, u64)) -> bool {
        let &Self { width, op, b, step } = self;
        let reg = if width == 32 { "w" } else { "r" };
        let of = |others: [&'static str; 5]| {
            others[["!=", "<", ">", "s<", "s>"].iter().position(|known| *known == op).unwrap()]
        };
        let (mirrored, opposite) =
            (of(["!=", ">", "<", "s>", "s<"]), of(["==", ">=", "<=", "s>=", "s<="]));
        let imm = i64::from(b as u32 as i32);
        let by_imm = width == 32 || imm as u64 == b;
        let test = match kind {
            0 => format!("if {reg}{asked} {op} {reg}4 goto l"),
            1 => format!("if {reg}4 {mirrored} {reg}{asked} goto l"),
            2 if by_imm => format!("if {reg}{asked} {op} {imm} goto l"),
            // As compilers write it without a jump back on a condition.
            3 => format!("if {reg}{asked} {opposite} {reg}4 goto e\ngoto l\ne:"),
            4 if by_imm => format!("if {reg}{asked} {opposite} {imm} goto e\ngoto l\ne:"),
            _ => return false,
        };
        let (copy, insns) =
            if asked == 5 { (format!("{reg}5 = {reg}3\n"), 4) } else { (String::new(), 3) };
        let text = format!(
            "r4 = {b} ll\n{start}\nr0 = 0\nl:\nr0 += 1\n{copy}{reg}3 += {step}\n{test}\n\
             r0 <<= 20\nr0 ^= r{asked}\nexit"
        );
        // Each turn but the last has a jump more.
        let jumps = if kind >= 3 { count - 1 } else { 0 };
        let want = (count << 20 ^ last, 3 + count * insns + jumps + 3);
        assert_eq!(counted(&text), want, "\n{text}");
        true
    }
}

/// Loops whose turns are told from a register, whatever way it goes: round, past the bound, only once.
#[test]
fn turns_of_loops_are_counted() {
    const STARTS: [u64; 9] =
        [0, 1, 7, 1000, 70_000, 0x7fff_fff0, 0xffff_fff0, 0x7fff_ffff_ffff_fff0, u64::MAX - 15];
    // An emulator gets some of them.
    const EVERY: usize = if cfg!(target_arch = "aarch64") { 5 } else { 1 };
    let (mut found, mut tried) = (0, 0);
    for width in [32, 64] {
        for op in ["!=", "<", ">", "s<", "s>"] {
            for step in [1i64, -1, 2, -2, 4, -8, 8, 3, 16] {
                for (a, b) in STARTS.iter().flat_map(|&a| {
                    let near = [0i64, 1, -1, 5, 24, 4096, -4096, 25_000, -25_000, 330_000];
                    near.map(|by| (a, a.wrapping_add((by * step) as u64)))
                }) {
                    let Some((count, last)) = turns(width, op, (a, b), step) else { continue };
                    found += 1;
                    if !usize::is_multiple_of(found, EVERY) {
                        continue;
                    }
                    let of = Loop { width, op, b, step };
                    for kind in 0..4 {
                        tried += u32::from(of.is_counted(
                            kind,
                            &format!("r3 = {a} ll"),
                            3,
                            (count, last),
                        ));
                    }
                    // What may be taken off before the loop, and what asks for a copy.
                    if !usize::is_multiple_of(found, 7) {
                        continue;
                    }
                    let known = if width == 32 {
                        format!("w3 = {}", a as i32)
                    } else {
                        format!("r3 = {a}")
                    };
                    let starts = [format!("r3 = {a} ll"), known];
                    let is_short = width == 32 || i32::try_from(a).is_ok();
                    let late = turns(width, op, (a.wrapping_sub(step as u64), b), step);
                    for start in &starts[..1 + usize::from(is_short)] {
                        for kind in 0..5 {
                            of.is_counted(kind, start, 3, (count, last));
                            if let Some(late) = late {
                                of.is_counted(kind, start, 5, late);
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(tried > 5000 / EVERY as u32, "{tried} loops");
}

/// r0 and instructions of a program that touches no memory.
fn counted(text: &str) -> (u64, u64) {
    counted_by(text, false)
}

/// The same by either tier.
fn counted_by(text: &str, optimised: bool) -> (u64, u64) {
    let prog = Prog::new("tested", ProgType::Xdp, skep_asm::assemble(text).unwrap());
    let mut options = CodeOptions::default();
    options.optimised = optimised;
    // SAFETY: the programs touch no memory, and come to an end.
    let code = unsafe { Bare::new(&prog, &NoSurroundings, features(), options) }.unwrap();
    // SAFETY: as above.
    unsafe { code.run_counted([0; 5], &mut [0; 512]) }
}

/// What a loop gives back where it is left is not charged anew.
#[test]
fn loops_that_lead_to_the_head_of_another_are_counted() {
    let text = "r6 = 0\nh2:\nr6 += 1\nif r6 > 10 goto out\nr1 = 0\n\
                h:\nr1 += 1\nif r1 == 100 goto h2\ngoto h\nout:\nr0 = 0\nexit";
    let want = (0, 1 + 10 * (3 + 2 * 100 + 99) + 4);
    for optimised in [false, true] {
        assert_eq!(counted_by(text, optimised), want, "{optimised}");
    }
}

/// Loops with more values than there are registers: then the account is in memory, and what asks for more keeps what is in
/// its register and in that of the environment. Choices put back what they do not take.
#[test]
fn loops_of_many_values_are_counted() {
    for alive in [4, 9, 12, 16, 24, 40] {
        for choices in [0, 1, 3] {
            let (mut text, mut state, mut count) = (String::new(), Vec::new(), 0);
            let slot = |n: usize| format!("*(u64 *)(r10 - {})", 8 * (n + 1));
            for n in 0..alive {
                let start = 0x9e37_79b9u64 * (n as u64 + 1);
                text += &format!("r3 = {start} ll\n{} = r3\n", slot(n));
                state.push(start);
                count += 2;
            }
            text += "r0 = 0\nr1 = 900\nouter:\nr2 = r1\nr2 &= 7\nr2 += 1\ninner:\n";
            for n in 0..alive {
                text += &format!("r4 = {0}\nr4 += r2\nr0 ^= r4\n{0} = r4\n", slot(n));
                if n < choices {
                    text += &format!("r5 = 0\nif r4 > {} goto c{n}\n", 0x9e37_79b9u32 / 2);
                    text += &format!("r5 = 8\nc{n}:\nr0 += r5\n");
                }
            }
            text += "r2 += -1\nif r2 != 0 goto inner\nr1 += -1\nif r1 != 0 goto outer\nexit";
            let mut r0 = 0u64;
            count += 2;
            for outer in (1..=900u64).rev() {
                for inner in (1..=(outer & 7) + 1).rev() {
                    for (n, value) in state.iter_mut().enumerate() {
                        *value = value.wrapping_add(inner);
                        r0 ^= *value;
                        count += 4;
                        if n < choices {
                            let is_more = *value > 0x9e37_79b9 / 2;
                            r0 = r0.wrapping_add(if is_more { 0 } else { 8 });
                            count += if is_more { 3 } else { 4 };
                        }
                    }
                    count += 2;
                }
                count += 5;
            }
            for optimised in [false, true] {
                assert_eq!(counted_by(&text, optimised), (r0, count + 1), "{alive} {optimised}");
            }
        }
    }
}

/// A loop that decides on `count` numbers, `step` apart from `base` on, with so many values alive around it; and what it
/// gives.
fn decisions(base: i64, step: i64, count: i64, alive: usize) -> (String, u64) {
    let (mut text, mut want) = (String::from("r0 = 0\n"), 0u64);
    for n in 0..alive {
        let (reg, slot) = (n % 4 + 6, 8 * (n + 1));
        text +=
            &format!("r{reg} = *(u64 *)(r1 + {})\n*(u64 *)(r10 - {slot}) = r{reg}\n", n % 16 * 8);
    }
    text += &format!("r3 = {}\nl:\n", base - 2);
    let numbers: Vec<i64> = (0..count).map(|n| base + n * step).collect();
    for (n, number) in numbers.iter().enumerate() {
        text += &format!("if r3 == {number} goto c{n}\n");
    }
    text += "r0 += 1000\ngoto e\n";
    for n in 0..numbers.len() {
        text += &format!("c{n}:\nr0 *= 3\nr0 += {n}\ngoto e\n");
    }
    let end = base + count * step + 3;
    text += &format!("e:\nr3 += 1\nif r3 != {end} goto l\n");
    for n in 0..alive {
        text += &format!("r4 = *(u64 *)(r10 - {})\nr0 ^= r4\n", 8 * (n + 1));
    }
    text += "exit";
    for value in base - 2..end {
        want = match numbers.iter().position(|&number| number == value) {
            Some(n) => want.wrapping_mul(3).wrapping_add(n as u64),
            None => want.wrapping_add(1000),
        };
    }
    for n in 0..alive {
        want ^= 0x8182_8384_8586_8788u64.wrapping_mul(n as u64 % 16 + 1);
    }
    (text, want)
}

#[test]
fn decisions_lead_where_they_should() {
    for (base, step, count) in
        [(0, 1, 16), (1, 1, 7), (5, 2, 20), (-8, 1, 30), (100, 3, 9), (0, 50, 12)]
    {
        for alive in [0, 5, 20, 40] {
            let (text, want) = decisions(base, step, count, alive);
            gives(&text, want);
        }
    }
}

/// Control may come to what takes no code at all.
#[test]
fn results_of_elsewhere_are_compared_with_zero() {
    for nothing in ["r6 = r6", "r6 <<= 0", "goto +0"] {
        let text = format!(
            "r0 = 0\nr3 = 2\nr4 = 7\nr4 += -7\nl:\n{nothing}\nif r4 == 0 goto y\nr0 += 10\nexit\n\
             y:\nr0 += 1\nr4 = 5\nr3 -= 1\nif r3 != 0 goto l\nexit"
        );
        gives(&text, 11);
    }
}

/// What has just been computed is compared with 0: on the same width or the other, with a way to the comparison from elsewhere or
/// without.
#[test]
fn results_are_compared_with_zero() {
    let values =
        [0u64, 1, u64::MAX, 1 << 32, 0xffff_ffff, 0xffff_ffff_0000_0001, 128, -128i64 as u64];
    for (sign, of) in [
        ("+=", u64::wrapping_add as fn(u64, u64) -> u64),
        ("-=", u64::wrapping_sub),
        ("|=", std::ops::BitOr::bitor),
        ("&=", std::ops::BitAnd::bitand),
        ("^=", std::ops::BitXor::bitxor),
    ] {
        for (a, b) in values.into_iter().flat_map(|a| values.map(|b| (a, b))) {
            for (wide, jump_wide) in [(true, true), (true, false), (false, true), (false, false)] {
                let reg = |wide| if wide { 'r' } else { 'w' };
                let cut = |value: u64, wide| if wide { value } else { value & 0xffff_ffff };
                let result = cut(of(cut(a, wide), cut(b, wide)), wide);
                let zero = u64::from(cut(result, jump_wide) == 0);
                let short = i32::try_from(b as i64).ok();
                for by in [Some(format!("{}5", reg(wide))), short.map(|b| b.to_string())] {
                    let Some(by) = by else { continue };
                    for (head, sign_of) in [("", "=="), ("", "!="), ("l:\n", "==")] {
                        // Where control may come from elsewhere, it does so with other flags.
                        let again =
                            if head.is_empty() { "" } else { "r2 += -1\nif r2 == 14 goto l\n" };
                        let want = if sign_of == "==" { zero } else { 1 - zero };
                        gives(
                            &format!(
                                "r0 = 0\nr4 = {a:#x} ll\nr5 = {b:#x} ll\n{r}4 {sign} {by}\n{head}\
                                 if {j}4 {sign_of} 0 goto y\n{again}exit\ny:\nr0 = 1\nexit",
                                r = reg(wide),
                                j = reg(jump_wide),
                            ),
                            want,
                        );
                    }
                }
            }
        }
    }
}
