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
    /// Goes on with the next turn where a bit is set.
    Next(u32),
    /// Leaves the loop where a bit is set.
    Leave(u32),
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
        match self.below(if depth < 5 { 10 } else { 5 }) {
            0 | 1 => Step::Add(bit.cast_signed() - 9),
            2 => Step::Load,
            3 => Step::Next(bit),
            // Seldom, so that there are turns.
            4 if self.below(4) == 0 => Step::Leave(bit),
            4 => Step::Load,
            5 | 6 => Step::Skip(bit, self.steps(depth + 1)),
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
            Step::Next(bit) => writeln!(text, "if r1 & {} goto n", 1 << bit).unwrap(),
            Step::Leave(bit) => writeln!(text, "if r1 & {} goto e", 1 << bit).unwrap(),
        }
    }
}

/// How steps end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With what follows.
    On,
    /// With the next turn.
    Next,
    /// With what is behind the loop.
    Out,
}

/// Does steps: adds to r0 and to how many instructions that were.
fn run(steps: &[Step], r1: u64, (r0, count): (&mut u64, &mut u64)) -> End {
    for step in steps {
        let is_set = |bit: u32| r1 >> bit & 1 != 0;
        *count += 1;
        let end = match step {
            Step::Add(number) => {
                *r0 = r0.wrapping_add_signed((*number).into());
                End::On
            }
            Step::Load => {
                (*r0, *count) = (r0.wrapping_add(5), *count + 1);
                End::On
            }
            Step::Skip(bit, _) if is_set(*bit) => End::On,
            Step::Skip(_, body) => run(body, r1, (r0, count)),
            Step::Either(bit, yes, _) if is_set(*bit) => run(yes, r1, (r0, count)),
            Step::Either(_, _, no) => {
                let end = run(no, r1, (r0, count));
                *count += u64::from(end == End::On);
                end
            }
            Step::Next(bit) if is_set(*bit) => End::Next,
            Step::Leave(bit) if is_set(*bit) => End::Out,
            Step::Next(_) | Step::Leave(_) => End::On,
        };
        if end != End::On {
            return end;
        }
    }
    End::On
}

#[test]
fn ways_that_part_and_meet_are_counted() {
    const TURNS: u32 = 24;
    for seed in 0..1000 {
        let steps = Random(seed).steps(0);
        let mut text = format!("*(u64 *)(r10 - 8) = 5\nr0 = 0\nr3 = {TURNS}\nl:\n");
        write(&steps, &mut text, &mut 0);
        text.push_str("n:\nr1 *= 0x1234567\nr3 -= 1\nif r3 != 0 goto l\nr0 += r3\ne:\nexit\n");
        let (mut r1, mut r0, mut count) = (seed * 0x9e37_79b9 + 1, 0, 4);
        let first = r1;
        for turn in 1..=TURNS {
            if run(&steps, r1, (&mut r0, &mut count)) == End::Out {
                break;
            }
            count += if turn == TURNS { 4 } else { 3 };
            r1 = r1.wrapping_mul(0x0123_4567);
        }
        let want = (r0, count);
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
