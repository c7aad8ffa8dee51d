//! Memory at the limits stays below what the largest programs may cost: 100 MB.

use peak_alloc::PeakAlloc;
use skep_abi::{ProgType, Release};
use skep_diag::Source;
use skep_verifier::{Env, Kernel, Rule, Verdict, verify};
use std::fmt::Write;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that may be in use at once.
const MOST: usize = 90_000_000;

/// A loop that writes to every slot of the stack and does not end within a million instructions;
/// `step` stands before each write.
fn full_stack(step: &str) -> String {
    let mut text = String::from("r6 = *(u32 *)(r1 + 0)\nr7 = r6\nr8 = 0\nloop:\n");
    for slot in 1..=64 {
        writeln!(text, "{step}\n*(u64 *)(r10 - {}) = r7", 8 * slot).unwrap();
    }
    text + "r8 += 1\nif r6 > r8 goto on\nr6 += 1\non:\nif r8 < 30000 goto loop\nr0 = 0\nexit\n"
}

/// Eight frames, each with something on its stack, and a loop in the innermost.
fn deep_calls() -> String {
    let mut text = String::from("r6 = *(u32 *)(r1 + 0)\nr1 = r6\ncall f1\nr0 = 0\nexit\n");
    for frame in 1..8 {
        writeln!(text, "f{frame}:\nr6 = r1\nr7 = {frame}\nr8 = r6\nr9 = r7").unwrap();
        for slot in 1..=4 {
            writeln!(text, "*(u64 *)(r10 - {}) = r6", 8 * slot).unwrap();
        }
        let next = frame + 1;
        text.push_str(&if frame < 7 {
            format!("r1 = r6\ncall f{next}\nr0 = 0\nexit\n")
        } else {
            "r8 = 0\nloop:\nr8 += 1\nr2 = r8\nr3 = r8\nr4 = r8\nr5 = r8\nif r8 != 0 goto on\n\
             r0 = r8\non:\nif r8 < 200000 goto loop\nr0 = 0\nexit\n"
                .into()
        });
    }
    text
}

/// 8,192 branches wait, each with a stack full of numbers of its own.
fn many_branches() -> String {
    let mut text = String::from("r6 = *(u32 *)(r1 + 0)\nr7 = *(u32 *)(r1 + 4)\n");
    for slot in 1..=64 {
        writeln!(text, "r7 += 1\n*(u64 *)(r10 - {}) = r7", 8 * slot).unwrap();
    }
    text + "r8 = 0\nloop:\nr8 += 1\nr7 += 1\n*(u64 *)(r10 - 8) = r7\nif r6 == r8 goto out\n\
            if r8 < 100000 goto loop\nout:\nr0 = 0\nexit\n"
}

/// As many instructions as a program may have, one after the other.
fn straight_line() -> String {
    let mut text = String::from("r0 = 0\n");
    for at in 0..499_995 {
        writeln!(text, "r0 += 1\n*(u64 *)(r10 - {}) = r0", 8 * (1 + at % 64)).unwrap();
    }
    text + "exit\n"
}

/// 8,192 branches wait, at each of which a number has copies in all of the stack.
fn linked_numbers() -> String {
    let mut once = String::from("call 7\nr6 = r0\n");
    for slot in 1..=60 {
        writeln!(once, "*(u64 *)(r10 - {}) = r0", 8 * slot).unwrap();
    }
    once.push_str("if r6 > 7 goto +1\nr0 += 1\n");
    once.repeat(8_200) + "r0 = 0\nexit\n"
}

/// Functions each of which calls the next twenty times.
fn call_tree() -> String {
    let mut text = String::from("r6 = 1\n");
    for func in 1..8 {
        for _ in 0..20 {
            writeln!(text, "call f{func}").unwrap();
        }
        writeln!(text, "r0 = 0\nexit\nf{func}:").unwrap();
    }
    text + "r0 = 0\nexit\n"
}

#[test]
fn the_largest_programs_stay_below_a_hundred_megabytes() {
    let kernel = Kernel::new(Release { major: 6, minor: 18 });
    for (name, text, limit) in [
        ("one number", full_stack(""), Some(Rule::LimitInsns)),
        ("different numbers", full_stack("r7 += 1"), Some(Rule::LimitInsns)),
        ("deep calls", deep_calls(), Some(Rule::LimitInsns)),
        ("a tree of calls", call_tree(), Some(Rule::LimitInsns)),
        ("many branches", many_branches(), Some(Rule::LimitBranches)),
        ("linked numbers", linked_numbers(), Some(Rule::LimitBranches)),
        ("a straight line", straight_line(), None),
    ] {
        let source = Source::new(name, &text);
        let (image, _) = skep_asm::parse(&source, ProgType::SocketFilter)
            .unwrap_or_else(|diagnostics| panic!("{name}: {diagnostics:?}"));
        let env = Env::new(&image, kernel.clone());
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let refused = match verify(&image.progs[0], &env) {
            Verdict::Rejected(rejection) => Some(rejection.reject.rule),
            Verdict::Accepted(_) => None,
            Verdict::Unsupported(what) => panic!("{name}: {what:?}"),
        };
        let used = MEMORY.peak_usage() - before;
        assert_eq!(refused, limit, "{name}");
        assert!(used < MOST, "{name}: {used} bytes");
    }
}
