//! What is counted where ways part and meet: as many instructions as run, whichever way that is.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use skep_abi::ProgType;
use skep_exec::{Bare, CodeOptions, features};
use skep_jit::NoSurroundings;
use skep_prog::Prog;
use std::fmt::Write;

/// What a turn of a loop does, by the bits of r1.
enum Step {
    /// Adds a number to r0.
    Add(i32),
    /// Adds a word of the stack, which is 5.
    Load,
    /// Steps that run where a bit is clear.
    Skip(u32, Vec<Step>),
    /// Steps where a bit is set, and where it is clear.
    Either(u32, Vec<Step>, Vec<Step>),
}

/// Numbers without order.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from((self.0 >> 33) % u64::from(end)).unwrap()
    }

    fn steps(&mut self, depth: u32) -> Vec<Step> {
        let most = if depth == 0 { 6 } else { 3 };
        (0..self.below(most)).map(|_| self.step(depth)).collect()
    }

    fn step(&mut self, depth: u32) -> Step {
        let bit = self.below(30);
        match self.below(if depth < 5 { 8 } else { 3 }) {
            0 | 1 => Step::Add(bit.cast_signed() - 9),
            2 => Step::Load,
            3 | 4 => Step::Skip(bit, self.steps(depth + 1)),
            _ => Step::Either(bit, self.steps(depth + 1), self.steps(depth + 1)),
        }
    }
}

/// Writes steps, with labels from a number on.
fn write(steps: &[Step], text: &mut String, labels: &mut u32) {
    for step in steps {
        let label = *labels;
        *labels += 1;
        match step {
            Step::Add(number) => writeln!(text, "r0 += {number}").unwrap(),
            Step::Load => text.push_str("r2 = *(u64 *)(r10 - 8)\nr0 += r2\n"),
            Step::Skip(bit, body) => {
                writeln!(text, "if r1 & {} goto m{label}", 1 << bit).unwrap();
                write(body, text, labels);
                writeln!(text, "m{label}:").unwrap();
            }
            Step::Either(bit, yes, no) => {
                writeln!(text, "if r1 & {} goto y{label}", 1 << bit).unwrap();
                write(no, text, labels);
                writeln!(text, "goto m{label}\ny{label}:").unwrap();
                write(yes, text, labels);
                writeln!(text, "m{label}:").unwrap();
            }
        }
    }
}

/// Does steps: r0 behind them, and how many instructions that were.
fn run(steps: &[Step], r1: u64, (mut r0, mut count): (u64, u64)) -> (u64, u64) {
    for step in steps {
        let is_set = |bit: u32| r1 >> bit & 1 != 0;
        (r0, count) = match step {
            Step::Add(number) => (r0.wrapping_add_signed((*number).into()), count + 1),
            Step::Load => (r0.wrapping_add(5), count + 2),
            Step::Skip(bit, _) if is_set(*bit) => (r0, count + 1),
            Step::Skip(_, body) => run(body, r1, (r0, count + 1)),
            Step::Either(bit, yes, _) if is_set(*bit) => run(yes, r1, (r0, count + 1)),
            Step::Either(_, _, no) => run(no, r1, (r0, count + 2)),
        };
    }
    (r0, count)
}

#[test]
fn ways_that_part_and_meet_are_counted() {
    const TURNS: u32 = 24;
    for seed in 0..600 {
        let steps = Random(seed).steps(0);
        let mut text = format!("*(u64 *)(r10 - 8) = 5\nr0 = 0\nr3 = {TURNS}\nl:\n");
        write(&steps, &mut text, &mut 0);
        text.push_str("r1 *= 0x1234567\nr3 -= 1\nif r3 != 0 goto l\nexit\n");
        let (mut r1, mut want) = (seed * 0x9e37_79b9 + 1, (0, 4));
        let first = r1;
        for _ in 0..TURNS {
            want = run(&steps, r1, want);
            want.1 += 3;
            r1 = r1.wrapping_mul(0x0123_4567);
        }
        let insns = skep_asm::assemble(&text).unwrap();
        let prog = Prog::new("counts", ProgType::SocketFilter, insns);
        for optimised in [false, true] {
            let mut options = CodeOptions::default();
            options.optimised = optimised;
            // SAFETY: the program comes to an end, and touches its stack only.
            let code = unsafe { Bare::new(&prog, &NoSurroundings, features(), options) }.unwrap();
            // SAFETY: as above.
            let got = unsafe { code.run_counted([first, 0, 0, 0, 0], &mut [0; 512]) };
            assert_eq!(got, want, "seed {seed}, optimised {optimised}\n{text}");
        }
    }
}
