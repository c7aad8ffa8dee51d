//! Random programs as machine code: against the interpreter, and against the kernel. Needs an x86-64 or AArch64 host.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use skep::CodeOptions;
use skep_isa::{AluOp, Insn};
use skep_testkit::{
    Engines, Frame, Outcome, PACKET_LEN, engines, engines_with, host, kernel, native, packet,
    program, random_engines, random_engines_with,
};

#[test]
fn random_programs_do_as_interpreted() {
    let (mut compiled, mut loops, mut different) = (0, 0, Vec::new());
    let seeds = 2_000_000..2_000_600;
    for seed in seeds.clone() {
        match random_engines(seed) {
            // Loops that only the count of their turns ends are the interpreter's where they may nest.
            Engines::NotNative(why) => loops += usize::from(why.to_string().contains("may_goto")),
            Engines::Equal => compiled += 1,
            Engines::Different(difference) => different.push(format!("seed {seed}: {difference}")),
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    let all = seeds.count();
    assert!((compiled + loops) * 100 >= all * 98, "only {compiled} programs were compiled");
    assert!(compiled * 100 >= all * 70, "only {compiled} programs were compiled");
}

fn optimised() -> CodeOptions {
    let mut code = CodeOptions::default();
    code.optimised = true;
    code
}

/// So many random programs, nearly all of which have code of this kind, do as interpreted.
#[track_caller]
fn do_as_interpreted(seeds: core::ops::Range<u64>, code: CodeOptions) {
    let all = seeds.end - seeds.start;
    let mut compiled = 0;
    for seed in seeds {
        match random_engines_with(seed, code) {
            Engines::NotNative(_) => {}
            Engines::Equal => compiled += 1,
            Engines::Different(difference) => panic!("seed {seed}: {difference}"),
        }
    }
    assert!(compiled * 3 > all * 2, "only {compiled} programs were compiled");
}

#[test]
fn random_programs_do_as_interpreted_when_optimised() {
    do_as_interpreted(5_000_000..5_000_300, optimised());
}

#[test]
fn random_programs_that_differed_once_do_as_interpreted() {
    // A comparison of two numbers; loads with ordering in a callback, which were paid for as copies.
    for seed in [823_028_961, 823_080_248] {
        for code in [CodeOptions::default(), optimised()] {
            let done = random_engines_with(seed, code);
            assert!(matches!(done, Engines::Equal), "seed {seed}: {done:?}");
        }
    }
}

#[test]
fn random_programs_that_nobody_has_verified_do_as_interpreted() {
    let (mut compiled, mut tail_calls) = (0, 0);
    for seed in 6_000_000..6_000_600 {
        let code = if seed % 4 == 0 { hardened() } else { CodeOptions::default() };
        match skep_testkit::random_checked(seed, code) {
            None => {}
            Some(Engines::NotNative(why)) => {
                tail_calls += usize::from(why.to_string().contains("tail call"));
            }
            Some(Engines::Equal) => compiled += 1,
            Some(Engines::Different(difference)) => panic!("seed {seed}: {difference}"),
        }
    }
    assert!(compiled > 300 && tail_calls < 150, "only {compiled} programs were compiled");
}

fn hardened() -> CodeOptions {
    let mut code = CodeOptions::default();
    (code.blinding, code.retpolines) = (true, true);
    code
}

#[test]
fn random_programs_do_as_interpreted_when_hardened() {
    do_as_interpreted(4_000_000..4_000_150, hardened());
}

#[test]
fn random_programs_do_as_in_the_kernel() {
    let Some(host) = host() else { return };
    let mut accepted = 0;
    for seed in 3_000_000..3_000_200 {
        let image = program(seed);
        let bytes = packet(seed, PACKET_LEN + 20);
        let frames = [Frame(&bytes)];
        let Ok(kernel) = kernel(&image, "main", &frames) else { continue };
        let native: Outcome = match native(host, &image, "main", &frames).unwrap() {
            Ok(native) => native,
            Err(_) => continue,
        };
        accepted += 1;
        assert_eq!(native.difference(&kernel), None, "seed {seed}");
    }
    assert!(accepted > 100, "only {accepted} programs were compared");
}

/// The comparison above is worth something only if it sees a difference where there is one.
#[test]
fn a_changed_program_is_noticed() {
    let (mut changed, mut noticed) = (0, 0);
    for seed in 0..100 {
        let image = program(seed);
        let mut other = image.clone();
        let insns = &mut other.progs[0].insns;
        let pc = insns.iter().find_map(|(pc, insn)| match insn {
            Insn::Alu { op: AluOp::Xor | AluOp::Mul | AluOp::SMod | AluOp::Arsh, .. } => Some(pc),
            _ => None,
        });
        let Some(Insn::Alu { op, .. }) = pc.and_then(|pc| insns.get_mut(pc)) else { continue };
        *op = AluOp::Sub;
        let bytes = packet(seed, PACKET_LEN);
        let frames = [Frame(&bytes)];
        let host = skep_testkit::Host { cpus: 2 };
        let (Ok(Ok(a)), Ok(Ok(b))) =
            (native(host, &image, "main", &frames), native(host, &other, "main", &frames))
        else {
            continue;
        };
        assert!(matches!(engines(&other, "main", &frames), Engines::Equal), "seed {seed}");
        changed += 1;
        noticed += usize::from(a.difference(&b).is_some());
    }
    assert!(changed > 20, "only {changed} programs had something to change");
    // Some changes are in code that does not run, or of values that are not used.
    assert!(noticed * 2 > changed, "{noticed} of {changed} changes were noticed");
}

/// Frames of a capture that starts with the usual 24 bytes.
fn frames(pcap: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    let mut rest = &pcap[24..];
    while let Some((head, after)) = rest.split_first_chunk::<16>() {
        let len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        frames.push(&after[..len]);
        rest = &after[len..];
    }
    frames
}

/// Every program of the objects and texts of the repository that loads, over real traffic.
#[test]
fn the_corpus_does_as_interpreted() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pcap = std::fs::read(root.join("examples/traffic.pcap")).unwrap();
    let all = frames(&pcap);
    assert!(all.len() > 100, "{} frames", all.len());
    let frames: Vec<Frame<'_>> =
        all.iter().step_by(7).filter(|bytes| bytes.len() >= 14).map(|bytes| Frame(bytes)).collect();
    let (mut equal, mut left) = (0, Vec::new());
    for dir in
        ["examples", "corpus/run", "corpus/obj", "corpus/cli", "corpus/rules", "benches/programs"]
    {
        for entry in std::fs::read_dir(root.join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !path.extension().is_some_and(|ext| ext == "o" || ext == "s") {
                continue;
            }
            let Ok(read) = skep::read_image(&std::fs::read(&path).unwrap(), &name) else {
                continue;
            };
            for prog in &read.image.progs {
                let host = skep_testkit::Host { cpus: 2 };
                // Hooks that no session has, types that only a kernel has: nothing to compare.
                let Ok(found) = native(host, &read.image, &prog.name, &frames[..1]) else {
                    continue;
                };
                match found {
                    Err(why) => left.push(format!("{name}: {why}")),
                    Ok(_) => {
                        let few = &frames[..8];
                        let all = (&frames[..], CodeOptions::default());
                        for (frames, code) in [all, (few, hardened()), (few, optimised())] {
                            let found = engines_with(&read.image, &prog.name, frames, code);
                            let Engines::Equal = found else {
                                panic!("{name}, {}, {code:?}: {found:?}", prog.name);
                            };
                        }
                        equal += 1;
                    }
                }
            }
        }
    }
    assert!(equal >= 46, "{equal} programs were the same; left: {left:#?}");
}
