//! What calls of helpers get on all paths.

use skep_abi::{MapType, ProgType, Release};
use skep_isa::{Insn, Pc};
use skep_prog::{Image, MapDef, Prog};
use skep_verifier::{Env, Kernel, Verdict, verify};

/// Map, size and callback of each call of a helper.
#[track_caller]
fn passed(text: &str) -> Vec<(Option<usize>, Option<u32>, Option<u32>)> {
    let mut image = Image::default();
    image.maps.push(MapDef::new("words", MapType::Array, 4, 8, 4));
    image.maps.push(MapDef::new("others", MapType::Array, 4, 8, 4));
    let mut outer = MapDef::new("outer", MapType::ArrayOfMaps, 4, 4, 1);
    outer.inner = Some(Box::new(MapDef::new("inner", MapType::Array, 4, 8, 4)));
    image.maps.push(outer);
    image.maps.push(MapDef::new("progs", MapType::ProgArray, 4, 4, 4));
    image.license = "GPL".into();
    let prog = Prog::new("calls", ProgType::SchedCls, skep_asm::assemble(text).unwrap());
    let env = Env::new(&image, Kernel::new(Release { major: 6, minor: 18 }));
    let verified = match verify(&prog, &env) {
        Verdict::Accepted(verified) => verified,
        other => panic!("{other:?}"),
    };
    let is_call = |&(_, insn): &(Pc, Insn)| matches!(insn, Insn::Call(skep_isa::Call::Helper(_)));
    let calls = prog.insns.iter().filter(is_call).map(|(pc, _)| {
        let callback = verified.passed_callback(pc).map(|start| start.0);
        (verified.passed_map(pc), verified.passed_size(pc), callback)
    });
    calls.collect()
}

/// A key 0 on the stack, and r6 that nothing is known of.
const KEY: &str = "r6 = *(u32 *)(r1 + 0)\n*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\n";

#[test]
fn maps_are_known_however_they_come() {
    let by_register = format!(
        "{KEY}r7 = map[idx:1]\nif r6 == 5 goto q\nr6 = 1\nq: r1 = r7\ncall 1\nr0 = 0\nexit"
    );
    assert_eq!(passed(&by_register), [(Some(1), None, None)]);
    let by_stack = format!(
        "{KEY}r1 = map[idx:0]\n*(u64 *)(r10 - 16) = r1\ncall 7\nr2 = r10\nr2 += -4\n\
         r1 = *(u64 *)(r10 - 16)\ncall 1\nr0 = 0\nexit"
    );
    assert_eq!(passed(&by_stack), [(None, None, None), (Some(0), None, None)]);
    let by_call = format!("{KEY}r1 = map[idx:1]\ncall f\nr0 = 0\nexit\nf:\ncall 1\nr0 = 0\nexit");
    assert_eq!(passed(&by_call), [(Some(1), None, None)]);
    let tail = "r6 = map[idx:3]\nr2 = r6\nr3 = 1\ncall 12\nr0 = 0\nexit";
    assert_eq!(passed(tail), [(Some(3), None, None)]);
}

#[test]
fn maps_that_differ_are_not_known() {
    for (one, other) in [(0, 1), (1, 0)] {
        let text = format!(
            "{KEY}r1 = map[idx:{one}]\nif r6 == 5 goto q\nr1 = map[idx:{other}]\nq: call 1\nr0 = 0\nexit"
        );
        assert_eq!(passed(&text), [(None, None, None)]);
    }
    let inner = format!(
        "{KEY}r1 = map[idx:2]\ncall 1\nif r0 == 0 goto q\nr1 = r0\nr2 = r10\nr2 += -4\ncall 1\n\
         q: r0 = 0\nexit"
    );
    assert_eq!(passed(&inner), [(Some(2), None, None), (None, None, None)]);
}

#[test]
fn sizes_are_known_where_they_are_the_same() {
    let read = |size: &str| {
        passed(&format!(
            "r6 = *(u32 *)(r1 + 0)\nr7 = 8\n*(u64 *)(r10 - 16) = r7\n{size}\nr1 = r10\nr1 += -8\n\
             r3 = r10\nr3 += -16\ncall 113\nr0 = 0\nexit"
        ))
    };
    assert_eq!(read("r2 = r7"), [(None, Some(8), None)]);
    assert_eq!(read("r2 = r6\nr2 &= 4\nr2 |= 4"), [(None, Some(4), None)]);
    assert_eq!(read("r2 = r6\nr2 &= 7"), [(None, None, None)]);
    // Whichever way is followed first.
    assert_eq!(read("r2 = 8\nif r6 == 5 goto q\nr2 = 4\nq:"), [(None, None, None)]);
    assert_eq!(read("r2 = r6\nr2 &= 7\nif r6 == 5 goto q\nr2 = 4\nq:"), [(None, None, None)]);
    assert_eq!(read("r2 = 4\nif r6 == 5 goto q\nr2 = r6\nr2 &= 7\nq:"), [(None, None, None)]);
}

#[test]
fn callbacks_are_known_where_they_are_the_same() {
    let each = |func: &str, more: &str| {
        passed(&format!(
            "r6 = *(u32 *)(r1 + 0)\nr7 = map[idx:0]\n{func}\nr1 = r7\nr3 = 0\nr4 = 0\ncall 164\n\
             r0 = 0\nexit\none:\nr0 = 0\nexit\n{more}"
        ))
    };
    assert_eq!(each("r8 = one ll\nr2 = r8", ""), [(Some(0), None, Some(12))]);
    let either = "r2 = one ll\nif r6 == 5 goto q\nr2 = two ll\nq:";
    assert_eq!(each(either, "two:\nr0 = 1\nexit"), [(Some(0), None, None)]);
}
