//! What calls of helpers get on all paths.

use skep_abi::{ProgType, Release};
use skep_diag::Source;
use skep_isa::{Insn, Pc};
use skep_verifier::{Env, Kernel, Verdict, verify};

/// Map and size of each call of a helper.
type Passed = (Option<usize>, Option<u32>);

#[track_caller]
fn passed(text: &str) -> Vec<Passed> {
    passed_of(text).into_iter().map(|(passed, _)| passed).collect()
}

/// The same, and all maps that each may get.
#[track_caller]
fn passed_of(text: &str) -> Vec<(Passed, Vec<usize>)> {
    let text = format!("{MAPS}calls:\n{text}");
    let source = Source::new("calls", &text);
    let (image, _) = skep_asm::parse(&source, ProgType::SchedCls).unwrap();
    let prog = &image.progs[0];
    let env = Env::new(&image, Kernel::new(Release { major: 6, minor: 18 }));
    let verified = match verify(prog, &env) {
        Verdict::Accepted(verified) => verified,
        other => panic!("{other:?}"),
    };
    let is_call = |&(_, insn): &(Pc, Insn)| matches!(insn, Insn::Call(skep_isa::Call::Helper(_)));
    let calls = prog.insns.iter().filter(is_call).map(|(pc, _)| {
        let passed = (verified.passed_map(pc), verified.passed_size(pc));
        (passed, verified.passed_maps(pc).collect())
    });
    calls.collect()
}

const MAPS: &str = "\
.license \"GPL\"
.map words, array, key=4, value=8, entries=4
.map others, array, key=4, value=8, entries=4
.map outer, array_of_maps, key=4, value=4, entries=1, inner=(array, key=4, value=8, entries=4), 0=words
.map progs, prog_array, key=4, value=4, entries=4
";

/// A key 0 on the stack, and r6 that nothing is known of.
const KEY: &str = "r6 = *(u32 *)(r1 + 0)\n*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\n";

#[test]
fn maps_are_known_however_they_come() {
    let by_register = format!(
        "{KEY}r7 = map[idx:1]\nif r6 == 5 goto q\nr6 = 1\nq: r1 = r7\ncall 1\nr0 = 0\nexit"
    );
    assert_eq!(passed(&by_register), [(Some(1), None)]);
    let by_stack = format!(
        "{KEY}r1 = map[idx:0]\n*(u64 *)(r10 - 16) = r1\ncall 7\nr2 = r10\nr2 += -4\n\
         r1 = *(u64 *)(r10 - 16)\ncall 1\nr0 = 0\nexit"
    );
    assert_eq!(passed(&by_stack), [(None, None), (Some(0), None)]);
    let by_call = format!("{KEY}r1 = map[idx:1]\ncall f\nr0 = 0\nexit\nf:\ncall 1\nr0 = 0\nexit");
    assert_eq!(passed(&by_call), [(Some(1), None)]);
    let tail = "r6 = map[idx:3]\nr2 = r6\nr3 = 1\ncall 12\nr0 = 0\nexit";
    assert_eq!(passed(tail), [(Some(3), None)]);
}

#[test]
fn maps_that_differ_are_not_known() {
    for (one, other) in [(0, 1), (1, 0)] {
        let text = format!(
            "{KEY}r1 = map[idx:{one}]\nif r6 == 5 goto q\nr1 = map[idx:{other}]\nq: call 1\nr0 = 0\nexit"
        );
        assert_eq!(passed_of(&text), [((None, None), vec![0, 1])]);
    }
    // From inside another on one way.
    let either = format!(
        "{KEY}r1 = map[idx:2]\ncall 1\nif r0 == 0 goto q\nr1 = r0\nif r6 == 5 goto p\n\
         r1 = map[idx:0]\np: r2 = r10\nr2 += -4\ncall 1\nq: r0 = 0\nexit"
    );
    let maps: Vec<_> = passed_of(&either).into_iter().map(|(_, maps)| maps).collect();
    assert_eq!(maps, [vec![2], vec![]]);
    let inner = format!(
        "{KEY}r1 = map[idx:2]\ncall 1\nif r0 == 0 goto q\nr1 = r0\nr2 = r10\nr2 += -4\ncall 1\n\
         q: r0 = 0\nexit"
    );
    assert_eq!(passed(&inner), [(Some(2), None), (None, None)]);
}

#[test]
fn sizes_are_known_where_they_are_the_same() {
    let read = |size: &str| {
        passed(&format!(
            "r6 = *(u32 *)(r1 + 0)\nr7 = 8\n*(u64 *)(r10 - 16) = r7\n{size}\nr1 = r10\nr1 += -8\n\
             r3 = r10\nr3 += -16\ncall 113\nr0 = 0\nexit"
        ))
    };
    assert_eq!(read("r2 = r7"), [(None, Some(8))]);
    assert_eq!(read("r2 = r6\nr2 &= 4\nr2 |= 4"), [(None, Some(4))]);
    assert_eq!(read("r2 = r6\nr2 &= 7"), [(None, None)]);
    // Whichever way is followed first.
    assert_eq!(read("r2 = 8\nif r6 == 5 goto q\nr2 = 4\nq:"), [(None, None)]);
    assert_eq!(read("r2 = r6\nr2 &= 7\nif r6 == 5 goto q\nr2 = 4\nq:"), [(None, None)]);
    assert_eq!(read("r2 = 4\nif r6 == 5 goto q\nr2 = r6\nr2 &= 7\nq:"), [(None, None)]);
}
