//! The instruction budget and the deadline, in every kind of loop.

use core::sync::atomic::{AtomicU64, Ordering};
use skep_abi::ProgType;
use skep_prog::Prog;
use skep_vm::{
    Cx, FaultKind, Helpers, Input, Limits, MEM, Machine, Output, Stop, Vm, address, cells,
};

const LOOPS: [(&str, &str); 14] = [
    ("jump to itself", "l: goto l\n exit"),
    ("jump back", "l: r0 = 1\n r1 = 2\n goto l\n exit"),
    ("condition", "l: r0 += r1\n if r0 >= 0 goto l\n exit"),
    ("condition on 32 bits", "l: w0 = w1\n if w0 == w1 goto l\n exit"),
    ("step", "l: r0 += 1\n if r0 != 1 goto l\n r0 = 0\n goto l\n exit"),
    ("step and two jumps", "l: r0 += 1\n if r0 == 0 goto e\n goto l\n e: exit"),
    ("copy, step and condition", "l: r2 = r0\n r2 += 14\n if r2 > r0 goto l\n exit"),
    ("set and jump", "l: r2 = 1\n goto l\n exit"),
    ("choice", "l: r2 = 1\n if r2 > r3 goto +1\n r2 = 0\n goto l\n exit"),
    ("load and store", "l: r2 = *(u8 *)(r1 + 0)\n *(u8 *)(r1 + 1) = r2\n goto l\n exit"),
    ("may_goto", "l: may_goto e\n goto l\n e: goto l\n exit"),
    ("call in a loop", "l: call f\n goto l\n exit\n f: r0 = 0\n exit"),
    ("helper in a loop", "l: call 1\n goto l\n exit"),
    ("tail call to itself", "call 2\n exit"),
];

fn helpers() -> Helpers<()> {
    Helpers::new().with(1, "nothing", || 0u64).with(
        2,
        "again",
        |_: &mut Cx<'_, ()>| -> Result<u64, Stop> { Err(Stop::TailCall(0)) },
    )
}

fn run(text: &str, limits: Limits, clock: fn() -> u64) -> Output {
    let insns = skep_asm::assemble(text).unwrap_or_else(|err| panic!("{text}: {err:?}"));
    let mut machine = Machine::new(helpers(), Vec::new()).with_clock(clock);
    let prog = machine.load(&Prog::new("loop", ProgType::SocketFilter, insns)).unwrap();
    let mut mem = [0; 16];
    let args = [address(MEM, 0), 0, 0, 0, 0];
    Vm::new().run(
        &machine,
        prog,
        &mut (),
        Input { args, mem: cells(&mut mem), limits, ..Input::default() },
    )
}

#[test]
fn a_budget_stops_every_loop_within_a_programs_length() {
    for (name, text) in LOOPS {
        let len = text.lines().count() as u64;
        for insns in [0, 1, 2, 7, 1_000, 65_535, 65_536, 65_537, 200_000] {
            let output = run(text, Limits { insns, ..Limits::default() }, || 0);
            let fault = output.result.expect_err(name);
            assert_eq!(fault.kind, FaultKind::Budget { insns }, "{name}");
            let used = output.insns;
            assert!((insns..=insns + len).contains(&used), "{name}: {used} of {insns}");
        }
    }
}

#[test]
fn a_deadline_stops_every_loop() {
    for (name, text) in LOOPS {
        let output = run(text, Limits { insns: u64::MAX, deadline: Some(10), time: None }, || 11);
        assert_eq!(output.result.expect_err(name).kind, FaultKind::Deadline, "{name}");
        // The clock is looked at once in a slice.
        assert!(output.insns < 1 << 17, "{name}: {}", output.insns);
    }
}

#[test]
fn a_deadline_that_has_not_passed_stops_nothing() {
    let text = "r0 = 0\n l: r0 += 1\n if r0 != 300000 goto l\n exit";
    let output = run(text, Limits { insns: u64::MAX, deadline: Some(10), time: None }, || 10);
    assert_eq!((output.result.unwrap(), output.insns), (300_000, 600_002));
}

#[test]
fn what_fits_the_budget_runs() {
    // The budget is looked at where the program jumps.
    let text = "r0 = 0\n l: r0 += 1\n if r0 != 50000 goto l\n exit";
    for (insns, ends) in [(100_002, true), (100_000, true), (99_998, false), (65_536, false)] {
        let output = run(text, Limits { insns, ..Limits::default() }, || 0);
        assert_eq!(output.result.is_ok(), ends, "{insns}");
    }
}

#[test]
fn instructions_are_counted_one_by_one() {
    for (name, text, insns) in [
        ("straight", "r0 = 1\n r1 = r0\n r1 += r0\n r0 <<= 3\n exit", 5),
        ("lddw is one", "r0 = 0x1122334455667788 ll\n exit", 2),
        ("shifts", "r2 = r1\n r2 <<= 32\n r2 >>= 32\n r0 = r2\n exit", 5),
        ("choice taken", "r2 = 5\n r0 = 1\n if r2 > 3 goto +1\n r0 = 0\n exit", 4),
        ("choice not taken", "r2 = 2\n r0 = 1\n if r2 > 3 goto +1\n r0 = 0\n exit", 5),
        ("jump into a copy", "r0 = 3\n goto +1\n r0 = r1\n r0 += 4\n exit", 4),
        ("call", "call f\n r0 += 1\n exit\n f: r0 = 1\n exit", 5),
        ("helper", "call 1\n exit", 2),
        ("rotation", "r3 = 1\n r2 = r3\n r2 >>= 60\n r3 <<= 4\n r3 |= r2\n r0 = r3\n exit", 7),
    ] {
        let output = run(text, Limits::default(), || 0);
        assert!(output.result.is_ok(), "{name}: {:?}", output.result);
        assert_eq!(output.insns, insns, "{name}");
    }
}

#[test]
fn recursion_ends_at_the_depth_limit() {
    for text in ["f: call f\n exit", "f: r1 = f ll\n callx r1\n exit"] {
        let output = run(text, Limits::default(), || 0);
        assert_eq!(output.result.unwrap_err().kind, FaultKind::CallDepth { max: 8 }, "{text}");
    }
}

#[test]
fn a_tail_call_to_nowhere_is_a_fault() {
    let helpers = Helpers::new()
        .with(1, "astray", |_: &mut Cx<'_, ()>| -> Result<u64, Stop> { Err(Stop::TailCall(7)) });
    let mut machine = Machine::new(helpers, Vec::new());
    let insns = skep_asm::assemble("call 1\n exit").unwrap();
    machine.load(&Prog::new("astray", ProgType::SocketFilter, insns)).unwrap();
    let fault = Vm::new().run(&machine, 0, &mut (), Input::default()).result.unwrap_err();
    assert!(fault.to_string().contains("program 7, which does not exist"), "{fault}");
}

#[test]
fn a_function_of_any_program_has_an_address() {
    let mut machine: Machine<()> = Machine::new(Helpers::new(), Vec::new());
    for n in 0..300 {
        let text = format!("r6 = f ll\n callx r6\n exit\n f: r0 = {n}\n exit");
        let insns = skep_asm::assemble(&text).unwrap();
        machine.load(&Prog::new("many", ProgType::SocketFilter, insns)).unwrap();
    }
    for n in [0, 1, 255, 256, 299] {
        let output = Vm::new().run(&machine, n, &mut (), Input::default());
        assert_eq!(output.result.unwrap(), n as u64);
    }
}

#[test]
fn time_is_counted_from_the_first_look_at_the_clock() {
    static NOW: AtomicU64 = AtomicU64::new(1000);
    let text = "r0 = 0\n l: r0 += 1\n if r0 != 1000000 goto l\n exit";
    let limits = |time| Limits { insns: u64::MAX, deadline: None, time: Some(time) };
    let tick = || NOW.fetch_add(1, Ordering::Relaxed);
    // Two million instructions are some thirty looks.
    assert_eq!(run(text, limits(5), tick).result.unwrap_err().kind, FaultKind::Deadline);
    assert_eq!(run(text, limits(100), tick).result.unwrap(), 1_000_000);
}
