use super::*;
use crate::NoSurroundings;
use crate::shape::Lengths;
use skep_ir::{Ended, World, check, eval};

/// No processor: how long code becomes does not matter here.
struct NoCode;

impl Lengths for NoCode {
    const ALIGN: u32 = 0;
    const PROLOGUE: u32 = 0;
    const BRIDGED: u32 = 0;
    const TAIL_CALL: u32 = 0;
    const PER_CPU: u32 = 0;
    const PROBE: u32 = 0;
    const EACH: u32 = 0;
    const CALLBACK_LOOP: u32 = 0;
    const HARDENED: u32 = 0;
    const COUNTED: u32 = 0;
    const CHARGE: u32 = 0;
    const CHECKED: u32 = 0;
    const ALU: [[u8; 2]; 16] = [[0; 2]; 16];
    const LOAD: u32 = 0;
    const STORE: u32 = 0;
    const JUMP_IF: u32 = 0;

    fn most(_: &Insn) -> u32 {
        0
    }
}

/// Nothing but memory that is 0, and a budget of loops without end.
struct Nothing;

impl World for Nothing {
    fn load(&mut self, _: u64, _: Size) -> u64 {
        0
    }

    fn store(&mut self, _: u64, _: Size, _: u64) {}

    fn call(&mut self, _: u32, _: [u64; 5]) -> u64 {
        0
    }

    fn may_goto(&mut self) -> bool {
        false
    }
}

fn lifted(text: &str) -> Lifted {
    let insns = skep_asm::assemble(text).expect("the text is right");
    let shape = Shape::new::<NoCode, _>(&insns, &NoSurroundings).expect("it has a shape");
    let functions = lift(&insns, &shape, &NoSurroundings, |_, flow, _| flow).expect("it is lifted");
    let (f, _) = functions.into_iter().next().expect("there is a function");
    assert_eq!(check(&f), Ok(()), "{f}");
    f
}

#[track_caller]
fn gives(f: &Lifted, r1: u64, want: u64) {
    match eval(f, &mut Nothing, ([r1, 0, 0, 0, 0], 0), 10_000) {
        Ended::Returned { value, .. } => assert_eq!(value, want, "{r1}: {f}"),
        Ended::TooLong => panic!("{r1} takes too long: {f}"),
    }
}

/// Parameters of all blocks but the entry.
fn params(f: &Lifted) -> usize {
    f.blocks[1..].iter().map(|block| block.params.len()).sum()
}

#[test]
fn what_a_loop_does_not_write_has_no_parameter() {
    let f = lifted(
        "r0 = 0\nr2 = 7\nr3 = r1\nl:\nr0 += r2\nr3 += -1\nif r3 != 0 goto l\nr0 += r1\nexit",
    );
    assert_eq!(params(&f), 2, "{f}");
    gives(&f, 3, 24);
}

#[test]
fn ways_that_agree_need_no_parameter() {
    let f = lifted("r0 = r1\nr2 = 3\nif r1 > 5 goto l\nr2 = 3\nr0 += 1\nl:\nr0 += r2\nexit");
    assert_eq!(params(&f), 1, "{f}");
    gives(&f, 3, 7);
    gives(&f, 6, 9);
}

#[test]
fn numbers_of_32_bits_that_go_round_are_known_to_be() {
    let f = lifted("w0 = 0\nl:\nw0 += 3\nw1 += -1\nif w1 != 0 goto l\nr0 = r0\nw0 = w0\nexit");
    let head = f.blocks.iter().skip(1).find(|block| !block.params.is_empty()).expect("a loop");
    assert_eq!(f.bits(head.params[0]), 32, "{f}");
    gives(&f, 4, 12);
}

/// A loop that is entered at its start and in its middle, with another value in r2, which nothing in it writes, and in w3, which
/// is short where it starts.
#[test]
fn loops_entered_in_the_middle_get_what_is_there() {
    let f = lifted(
        "r0 = 0
        r2 = 100
        r3 = 0x100000000 ll
        if r1 > 10 goto m
        r2 = 1000
        w3 = 0
        l:
        r0 += r2
        r0 += r3
        w3 = w3
        m:
        r0 += 1
        r1 += -1
        if r1 > 8 goto l
        exit",
    );
    gives(&f, 5, 1001);
    gives(&f, 11, 3 + 100 + 100 + (1 << 32));
}

#[test]
fn branches_that_are_decided_lead_one_way() {
    let f = lifted("r2 = 1\nif r2 > 5 goto l\nr0 = r1\nexit\nl:\nr0 = 9\nr2 = 0\nexit");
    assert!(!f.blocks.iter().any(|block| matches!(block.term, Term::Branch { .. })), "{f}");
    gives(&f, 5, 5);
}

#[test]
fn a_number_that_comes_again_is_one_value() {
    // The last is remembered in the place of the first.
    let f = lifted(
        "r0 = r1\nr0 += 1000\nr2 = r1\nr2 += 1000\nr3 = r1\nr3 += 1032\nr0 ^= r2\nr0 += r3\nexit",
    );
    let count = |number| f.insts.iter().filter(|inst| **inst == Inst::Const(number)).count();
    assert_eq!((count(1000), count(1032)), (1, 1), "{f}");
    gives(&f, 5, 1037);
}
