//! The kernel's verifier as an oracle says what is known of some programs.

use skep_abi::ProgType;
use skep_isa::RawInsn;
use skep_testkit::agreement::{
    Mode, Oracle, Ours, Subject, Target, Verdict, judge_one, objects, ours, single, target,
};
use skep_testkit::host;
use skep_testkit::mutants::{Field, Mutator, random, shrink};
use std::path::PathBuf;

/// None on hosts that cannot be asked.
fn kernel() -> Option<Target> {
    host()?;
    match target() {
        Ok(target) => Some(target),
        Err(err) => {
            eprintln!("skipped: the kernel does not describe itself: {err}");
            None
        }
    }
}

fn subject(text: &str) -> Subject {
    let read = skep::read_image(text.as_bytes(), "test.s").expect("assembly of a test");
    single(read.image, "test")
}

#[test]
fn a_refusal_has_place_and_words() {
    let Some(target) = kernel() else { return };
    let mut oracle = Oracle::new(&target);
    let table = [
        ("r0 = 0\nexit", Verdict::Accepted, None, ""),
        ("r0 = r2\nexit", Verdict::Rejected, Some(0), "R2 !read_ok"),
        (
            "r0 = 0\nr0 = *(u64 *)(r0 + 8)\nexit",
            Verdict::Rejected,
            Some(1),
            "R0 invalid mem access 'scalar'",
        ),
        ("exit\nr0 = 0\nexit", Verdict::Rejected, Some(1), "unreachable insn 1"),
    ];
    for (text, verdict, insn, last) in table {
        let answer = oracle.judge(&subject(text), Mode::Privileged);
        assert_eq!((answer.verdict, answer.insn, &*answer.last), (verdict, insn, last), "{text}");
    }
}

#[test]
fn without_privileges_more_is_refused() {
    let Some(target) = kernel() else { return };
    let disabled = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    if disabled.is_ok_and(|value| value.trim() != "0") {
        eprintln!("skipped: kernel.unprivileged_bpf_disabled is set");
        return;
    }
    let mut oracle = Oracle::new(&target);
    let leak = subject("r0 = r10\nexit");
    assert_eq!(oracle.judge(&leak, Mode::Privileged).verdict, Verdict::Accepted);
    let answer = oracle.judge(&leak, Mode::Unprivileged);
    assert_eq!(answer.last, "R0 leaks addr as return value");
    // The thread has its capabilities back.
    assert_eq!(oracle.judge(&leak, Mode::Privileged).verdict, Verdict::Accepted);
}

#[test]
fn every_example_is_accepted() {
    let Some(target) = kernel() else { return };
    let mut oracle = Oracle::new(&target);
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut programs = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ext| ext != "o") {
            continue;
        }
        for subject in objects(&path, &target).unwrap_or_else(|unread| panic!("{unread:?}")) {
            let answer = oracle.judge(&subject, Mode::Privileged);
            assert_eq!(answer.verdict, Verdict::Accepted, "{}: {}", subject.name, answer.last);
            programs += 1;
        }
    }
    assert!(programs >= 10, "only {programs} programs");
}

#[test]
fn mutants_are_judged_over_the_same_maps() {
    use rand::SeedableRng;
    let Some(target) = kernel() else { return };
    let mut oracle = Oracle::new(&target);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/obj/basic.clang19.o");
    let subject = objects(&path, &target).unwrap_or_else(|unread| panic!("{unread:?}")).remove(0);
    let field = Field::new(&mut oracle, subject).unwrap();
    let mode = Mode::Privileged;
    let original = field.insns.clone();
    assert_eq!(field.kernel(&mut oracle, &original, mode), Ok(()), "it is accepted as it is");
    let mutator = Mutator::new(&original);
    let mut rng = rand::rngs::StdRng::seed_from_u64(7);
    let mut refused = Vec::new();
    for _ in 0..200 {
        let mutant = mutator.mutant(&mut rng);
        if field.kernel(&mut oracle, &mutant, mode).is_err() {
            refused.push(mutant);
        }
    }
    assert!((10..200).contains(&refused.len()), "{} of 200 refused", refused.len());
    // Small, and still refused with the same words.
    let words = |oracle: &mut Oracle<'_>, insns: &[RawInsn]| field.answer(oracle, insns, mode).last;
    let want = words(&mut oracle, &refused[0]);
    let small = shrink(&refused[0], |tried| words(&mut oracle, tried) == want);
    assert!(small.len() <= refused[0].len());
    assert_eq!(words(&mut oracle, &small), want);
}

#[test]
fn random_programs_are_of_both_kinds() {
    let Some(target) = kernel() else { return };
    let mut oracle = Oracle::new(&target);
    let mut accepted = 0;
    for seed in 0..400 {
        let image = random(seed);
        assert!(image.progs[0].prog_type != ProgType::Unspec);
        let answer = oracle.judge(&single(image, "random"), Mode::Privileged);
        assert_ne!(answer.verdict, Verdict::Environment, "seed {seed}: {}", answer.last);
        accepted += usize::from(answer.verdict == Verdict::Accepted);
    }
    assert!((1..200).contains(&accepted), "{accepted} of 400 accepted");
}

#[test]
fn programs_with_types_are_judged_alike() {
    let Some(target) = kernel() else { return };
    if !target.release.starts_with("6.18.") {
        return eprintln!("skipped: the words are those of 6.18");
    }
    let judge = ours(&target).expect("a verifier");
    let mut oracle = Oracle::new(&target);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/verify/types.o");
    let subjects = objects(&path, &target).unwrap_or_else(|unread| panic!("{unread:?}"));
    assert_eq!(subjects.len(), 9);
    for subject in subjects {
        let kernel = oracle.judge(&subject, Mode::Privileged);
        let said = match judge_one(&*judge, &subject, subject.prog(), Mode::Privileged) {
            Ours::Accepted { .. } => (Verdict::Accepted, None, String::new()),
            Ours::Rejected { insn, kernel_message, .. } => {
                (Verdict::Rejected, insn, kernel_message)
            }
            other => panic!("{}: {other:?}", subject.name),
        };
        assert_eq!(said, (kernel.verdict, kernel.insn, kernel.last), "{}", subject.name);
    }
}
