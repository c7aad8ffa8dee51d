//! Machine code does nothing that the interpreter would not do, whatever the verifier lets through. Needs a host
//! that there is a back end for.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use skep::{
    CheckOptions, CodeOptions, Engine, NotNative, Options, Packet, PacketMeta, Release, Session,
    read_image,
};
use skep_btf::{Btf, Builder, Def, FuncLinkage, Int, Param};
use skep_isa::{ImmSrc, Insn, Pc, Reg};
use skep_verifier::Verdict;
use skep_vm::FaultKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn load(text: &str, prog: &str, options: Options) -> (Session, Result<(), NotNative>) {
    let image = read_image(text.as_bytes(), "test.s").unwrap().image;
    let mut session = Session::load(&image, Some(prog), options).unwrap();
    let compiled = session.compile(&CheckOptions::new(Release { major: 6, minor: 18 }));
    (session, compiled)
}

fn packet() -> Packet {
    let mut packet = Packet::new();
    packet.reset(&[0; 64], PacketMeta::default());
    packet
}

#[test]
fn programs_of_other_types_are_not_jumped_into() {
    let text = "\
.map next, prog_array, key=4, value=4, entries=2, 0=b
.section \"xdp\"
a:
 r2 = next ll
 r3 = 0
 call bpf_tail_call
 r0 = 1
 exit
.section \"tc\"
b:
 r2 = 7
 *(u32 *)(r1 + 48) = r2
 r0 = 2
 exit
";
    let (session, compiled) = load(text, "a", Options::default());
    assert!(matches!(compiled, Err(NotNative::Refused(_))), "{compiled:?}");
    assert_eq!(session.engine(), Engine::Interp);
}

#[test]
fn how_many_entries_the_host_gives_a_map_does_not_matter() {
    let text = "\
.license \"GPL\"
.map events, perf_event_array, key=4, value=4
.map seen, lru_percpu_hash, key=4, value=8, entries=1001, flags=2
.section \"tc\"
run:
 r6 = r1
 r7 = 5
 *(u64 *)(r10 - 8) = r7
 r1 = seen ll
 r2 = r10
 r2 += -8
 r3 = r10
 r3 += -8
 r4 = 0
 call bpf_map_update_elem
 r1 = r6
 r2 = events ll
 r3 = 0xffffffff ll
 r4 = r10
 r4 += -8
 r5 = 8
 call bpf_perf_event_output
 r0 = 7
 exit
";
    let (mut session, compiled) = load(text, "run", Options::default());
    compiled.unwrap();
    assert_eq!(session.engine(), Engine::Jit);
    assert_eq!(session.run(&mut packet()).unwrap().verdict.code, 7);
}

#[test]
fn tail_calls_and_callbacks_do_not_leave_the_stack() {
    let image = read_image(include_bytes!("../../../corpus/run/deep.o"), "deep.o").unwrap().image;
    // Optimised, the callback's functions use no stack, and have a frame all the same.
    let progs = ["tail_call", "bare_tail_call", "callback"];
    for (prog, optimised) in progs.into_iter().flat_map(|prog| [(prog, false), (prog, true)]) {
        let mut session = Session::load(&image, Some(prog), Options::default()).unwrap();
        let mut code = CodeOptions::default();
        code.optimised = optimised;
        let options = CheckOptions::new(Release { major: 6, minor: 18 });
        session.compile_with(&options, code).unwrap();
        assert_eq!(session.engine(), Engine::Jit);
        let run = session.run(&mut packet());
        let fault = run.expect_err(&format!("{prog}, {optimised}"));
        assert!(matches!(fault.kind, FaultKind::CallDepth { .. }), "{prog}: {fault}");
    }
}

#[test]
fn the_stack_is_as_deep_as_the_functions_are() {
    struct See;
    impl skep::Observer for See {
        fn before(&mut self, _: &skep_vm::Moment<'_>) {}
    }
    // Each function has 4 bytes at the end of its frame, and 160 in all: what it leaves there, callees do not change.
    let function = |n: u32, calls: &str| {
        format!(
            "f{n}:\n r6 = r1\n r6 += {n}\n *(u32 *)(r10 - 160) = r6\n *(u32 *)(r10 - 4) = r6\n r1 = r6\n{calls} \
             r1 = *(u32 *)(r10 - 160)\n r2 = *(u32 *)(r10 - 4)\n r0 += r1\n r0 += r2\n exit\n"
        )
    };
    let text = format!(
        ".section \"xdp\"\nrun:\n r1 = 7\n call f1\n exit\n{}{}{}",
        function(1, " call f2\n"),
        function(2, " call f3\n"),
        function(3, " r0 = 0\n")
    );
    does_as_interpreted(&text, 2);
    let (mut session, compiled) = load(&text, "run", Options::default());
    compiled.unwrap();
    let native = session.run(&mut packet()).unwrap();
    let observed = session.run_observed(&mut packet(), &mut See).unwrap();
    let again = session.run(&mut packet()).unwrap();
    let codes = [native, observed, again].map(|outcome| outcome.verdict.code);
    assert_eq!(codes, [2 * (8 + 10 + 13); 3]);
}

#[test]
fn what_replaces_a_function_finds_its_frame_as_new() {
    // The function has written to its frame and to registers; its caller goes on with its own. Without types of functions
    // the kernel refuses this.
    let text = "\
.map next, prog_array, key=4, value=4, entries=2, 0=other
.section \"xdp\"
run:
 r6 = r1
 r7 = 5
 *(u64 *)(r10 - 8) = r7
 call f
 r1 = *(u64 *)(r10 - 8)
 r0 += r1
 r0 += r7
 r1 = *(u32 *)(r6 + 4)
 r2 = *(u32 *)(r6 + 0)
 r1 -= r2
 r0 += r1
 exit
f:
 r6 = 1000
 r8 = 2000
 *(u64 *)(r10 - 8) = r6
 *(u64 *)(r10 - 512) = r8
 r2 = next ll
 r3 = 0
 call bpf_tail_call
 r0 = 3000
 exit
.section \"xdp\"
other:
 r6 = *(u32 *)(r1 + 4)
 r7 = *(u32 *)(r1 + 0)
 r6 -= r7
 r0 = *(u64 *)(r10 - 8)
 r1 = *(u64 *)(r10 - 512)
 r0 += r1
 r0 += r6
 exit
";
    let image = read_image(text.as_bytes(), "test.s").unwrap().image;
    let mut outcomes = Vec::new();
    for is_checked in [false, true] {
        let mut session = Session::load(&image, Some("run"), Options::default()).unwrap();
        if is_checked {
            session.compile_checked(CodeOptions::default()).unwrap();
        }
        let outcome = session.run(&mut packet()).unwrap();
        outcomes.push((outcome.verdict.code, outcome.insns));
    }
    assert_eq!(outcomes[0].0, 64 + 5 + 5 + 64);
    assert_eq!(outcomes[0], outcomes[1]);
}

/// Code of a function alone may have its account in memory, but not where another program leaves its own in a register.
#[test]
fn what_replaces_a_program_counts_on_however_many_values_it_has() {
    let slots = 24;
    let slot = |n: usize| format!("*(u64 *)(r10 - {})", 8 * (n + 1));
    let start = |n| format!(" r3 = {} ll\n {} = r3\n", 0x9e37_79b9u64 * (n as u64 + 1), slot(n));
    let turn = |n| format!(" r4 = {0}\n r4 += r2\n r0 ^= r4\n {0} = r4\n", slot(n));
    let text = format!(
        "\
.map next, prog_array, key=4, value=4, entries=2, 0=many
.section \"xdp\"
run:
 r2 = next ll
 r3 = 0
 call bpf_tail_call
 r0 = 1
 exit
.section \"xdp\"
many:
{} r0 = 0
 r1 = 60
outer:
 r2 = r1
 r2 &= 7
 r2 += 1
inner:
{} r2 += -1
 if r2 != 0 goto inner
 r1 += -1
 if r1 != 0 goto outer
 r0 &= 0xff
 exit
",
        (0..slots).map(start).collect::<String>(),
        (0..slots).map(turn).collect::<String>(),
    );
    does_as_interpreted(&text, 2);
}

#[test]
fn tail_calls_end_where_the_interpreter_ends_them() {
    // Each run makes 33; what comes after the last, or behind an index without a program, goes on.
    let text = "\
.map next, prog_array, key=4, value=4, entries=4, 0=again
.map count, array, key=4, value=8, entries=1
.section \"xdp\"
run:
 r2 = next ll
 r3 = 0
 call bpf_tail_call
 r0 = 1
 exit
.section \"xdp\"
again:
 r6 = r1
 *(u32 *)(r10 - 4) = 0
 r1 = count ll
 r2 = r10
 r2 += -4
 call bpf_map_lookup_elem
 if r0 == 0 goto out
 r7 = *(u64 *)(r0 + 0)
 r7 += 1
 *(u64 *)(r0 + 0) = r7
 r1 = r6
 r2 = next ll
 r3 = 4
 call bpf_tail_call
 r1 = r6
 r2 = next ll
 r3 = 0x100000001 ll
 call bpf_tail_call
 r1 = r6
 r2 = next ll
 r3 = 0
 call bpf_tail_call
 r0 = r7
 exit
out:
 r0 = 0
 exit
";
    does_as_interpreted(text, 3);
}

#[test]
fn numbers_of_the_state_are_those_that_the_interpreter_gets() {
    let calls = [
        "bpf_get_prandom_u32",
        "bpf_ktime_get_ns",
        "bpf_ktime_get_boot_ns",
        "bpf_jiffies64",
        "bpf_get_numa_node_id",
        "bpf_get_prandom_u32",
    ];
    let each = calls.map(|call| format!(" call {call}\n r6 *= 31\n r6 += r0\n")).concat();
    let text = format!(".section \"xdp\"\nrun:\n r6 = 0\n{each} r0 = r6\n exit\n");
    does_as_interpreted(&text, 3);
}

#[test]
fn loops_of_calls_end_where_the_interpreter_ends_them() {
    // r1 and r4 of the call, and the turn at which the function stops.
    for (times, flags, stop) in [
        ("0", 0, 3),
        ("1", 0, 0),
        ("5", 0, 3),
        ("5", 0, 4),
        ("1000", 0, 700),
        ("1000", 0, 2000),
        ("0x100000003", 0, 9),
        ("8388609", 0, 0),
        ("-1", 0, 0),
        ("5", 1, 3),
    ] {
        let text = format!(
            "\
.map count, array, key=4, value=8, entries=1
.section \"xdp\"
run:
 r6 = 7
 *(u64 *)(r10 - 8) = 0
 r1 = {times} ll
 r2 = outer ll
 r3 = r10
 r3 += -8
 r4 = {flags}
 call bpf_loop
 r1 = *(u64 *)(r10 - 8)
 r1 *= 1000
 r0 += r1
 r0 *= r6
 exit
outer:
 r6 = r1
 r7 = r2
 r1 = 2
 r2 = inner ll
 r3 = r7
 r4 = 0
 call bpf_loop
 r0 = 0
 if r6 != {stop} goto out
 r0 = 1
out:
 exit
inner:
 r1 = *(u64 *)(r2 + 0)
 r1 += 1
 *(u64 *)(r2 + 0) = r1
 r0 = 0
 exit
"
        );
        does_as_interpreted(&text, 1);
    }
}

/// What code has found of the packet and of a record is gone when they are: the numbers of their addresses are in a map.
#[test]
fn copies_of_what_is_gone_are_refused_as_interpreted() {
    for size in [1, 3, 4, 8, 15, 16, 33, 48, 57, 63, 64] {
        let copy = format!(
            " *(u64 *)(r10 - 80) = 1\n r1 = r10\n r1 += -80\n r2 = {size}\n r3 = *(u64 *)(r9 + 0)\n \
             call bpf_probe_read_kernel\n r8 *= 3\n r8 += r0\n r1 = *(u8 *)(r10 - 80)\n r8 ^= r1\n"
        );
        let text = format!(
            "\
.license \"GPL\"
.map seen, array, key=4, value=128, entries=2
.map ring, ringbuf, entries=4096
.section \"xdp\"
run:
 r6 = r1
 *(u32 *)(r10 - 4) = 0
 r1 = seen ll
 r2 = r10
 r2 += -4
 call bpf_map_lookup_elem
 if r0 == 0 goto none
 r9 = r0
 r8 = 0
 r7 = 0
again:
 r2 = *(u32 *)(r6 + 0)
 *(u64 *)(r9 + 0) = r2
{copy}{copy}
 *(u64 *)(r9 + 64) = 9
 r2 = r9
 r2 += 64
 *(u64 *)(r9 + 0) = r2
{copy}
 *(u64 *)(r9 + 0) = 5
{copy}
 r1 = ring ll
 r2 = 128
 r3 = 0
 call bpf_ringbuf_reserve
 if r0 == 0 goto none
 *(u64 *)(r0 + 0) = 77
 *(u64 *)(r0 + 8) = r7
 *(u64 *)(r9 + 0) = r0
 *(u64 *)(r10 - 16) = r0
{copy}
 r1 = *(u64 *)(r10 - 16)
 r2 = 1
 call bpf_ringbuf_discard
{copy}
 r1 = r6
 r2 = 9
 call bpf_xdp_adjust_head
 r8 += r0
 r7 += 1
 if r7 != 4 goto again
 r0 = r8
 exit
none:
 r0 = 1
 exit
"
        );
        does_as_interpreted(&text, 2);
        // One call for all, which finds now this and now that.
        let calls = text.replace(&copy, " r1 = r9\n r2 = r8\n call copy\n r8 = r0\n");
        let function = copy.replace("r9", "r6").replace("r8", "r7");
        let function = format!("copy:\n r6 = r1\n r7 = r2\n{function} r0 = r7\n exit\n");
        does_as_interpreted(&format!("{calls}{function}"), 2);
    }
}

#[test]
fn entries_are_those_that_the_interpreter_shows() {
    // Each turn sums up what it is shown, by way of a map and of a copy of the key as well, and stops where r4 says so; 77 has a
    // loop of its own in each turn, whose key is another.
    for (stop, flags) in [(0, 0), (3, 0), (200, 0), (3, 1), (77, 0)] {
        for (kind, entries) in [("array", 1), ("array", 5), ("array", 100), ("percpu_array", 7)] {
            let text = format!(
                "\
.license \"GPL\"
.map all, {kind}, key=4, value=12, entries={entries}
.map some, hash, key=4, value=8, entries=8
.section \"xdp\"
run:
 *(u64 *)(r10 - 8) = 5
 *(u64 *)(r10 - 16) = {stop}
 *(u32 *)(r10 - 20) = 3
 r1 = some ll
 r2 = r10
 r2 += -20
 r3 = r10
 r3 += -8
 r4 = 0
 call bpf_map_update_elem
 r6 = 3
again:
 r1 = all ll
 r2 = shown ll
 r3 = r10
 r3 += -16
 r4 = {flags}
 call bpf_for_each_map_elem
 r1 = *(u64 *)(r10 - 8)
 r1 *= 17
 r1 += r0
 *(u64 *)(r10 - 8) = r1
 r6 += -1
 if r6 != 0 goto again
 r1 = some ll
 r2 = shown ll
 r3 = r10
 r3 += -16
 r4 = {flags}
 call bpf_for_each_map_elem
 r1 = *(u64 *)(r10 - 8)
 r0 *= 31
 r0 += r1
 exit
shown:
 r6 = r2
 r7 = r3
 r8 = r4
 r9 = *(u64 *)(r4 + 0)
 r1 = r10
 r1 += -4
 r2 = 4
 r3 = r6
 call bpf_probe_read_kernel
 r1 = *(u32 *)(r10 - 4)
 r1 += r0
 r2 = *(u32 *)(r7 + 0)
 r2 *= 3
 r2 += r1
 *(u32 *)(r7 + 0) = r2
 r1 = *(u64 *)(r8 + 8)
 r1 *= 7
 r1 += r2
 *(u64 *)(r8 + 8) = r1
 r1 = some ll
 r2 = r6
 call bpf_map_lookup_elem
 if r0 == 0 goto on
 r1 = *(u64 *)(r0 + 0)
 r1 += 1
 *(u64 *)(r0 + 0) = r1
on:
 if r9 != 77 goto last
 *(u64 *)(r10 - 16) = 4
 *(u64 *)(r10 - 8) = 0
 r1 = all ll
 r2 = inner ll
 r3 = r10
 r3 += -16
 r4 = 0
 call bpf_for_each_map_elem
 r1 = *(u64 *)(r10 - 8)
 r1 += r0
 r2 = *(u32 *)(r6 + 0)
 r1 += r2
 r2 = *(u64 *)(r8 + 8)
 r2 ^= r1
 *(u64 *)(r8 + 8) = r2
last:
 r1 = *(u32 *)(r6 + 0)
 r0 = 1
 if r1 == r9 goto out
 r0 = 0
out:
 exit
inner:
 r1 = *(u32 *)(r2 + 0)
 r2 = *(u64 *)(r4 + 8)
 r2 *= 5
 r2 += r1
 *(u64 *)(r4 + 8) = r2
 r0 = 0
 r2 = *(u64 *)(r4 + 0)
 if r1 != r2 goto done
 r0 = 1
done:
 exit
"
            );
            does_as_interpreted(&text, 2);
        }
    }
}

/// The program `run` gives the same in several runs by the interpreter and by machine code of all kinds.
#[track_caller]
fn does_as_interpreted(text: &str, runs: usize) {
    let image = read_image(text.as_bytes(), "test.s").unwrap().image;
    let options = CheckOptions::new(Release { major: 6, minor: 18 });
    let two_cpus = Options { cpus: 2, ..Options::default() };
    let mut outcomes = Vec::new();
    let code = |metered, optimised, hardened| {
        let mut code = CodeOptions::default();
        (code.metered, code.optimised) = (metered, optimised);
        (code.blinding, code.retpolines) = (hardened, hardened);
        code
    };
    for (engine, code) in [
        (Engine::Interp, code(true, false, false)),
        (Engine::Jit, code(true, false, false)),
        (Engine::Jit, code(true, true, false)),
        (Engine::Jit, code(false, false, false)),
        (Engine::Jit, code(false, true, false)),
        (Engine::Jit, code(true, false, true)),
        (Engine::Checked, code(true, false, false)),
        (Engine::Checked, code(false, false, true)),
    ] {
        let mut session = Session::load(&image, Some("run"), two_cpus).unwrap();
        match engine {
            Engine::Jit => session.compile_with(&options, code).unwrap(),
            Engine::Checked => session.compile_checked(code).unwrap(),
            _ => {}
        }
        assert_eq!(session.engine(), engine);
        let metered = code.metered;
        let mut run = || match session.run(&mut packet()) {
            Ok(outcome) => Ok((outcome.verdict.code, outcome.insns.filter(|_| metered))),
            Err(fault) => Err(format!("{:?}", fault.kind)),
        };
        outcomes.push((metered, (0..runs).map(|_| run()).collect::<Vec<_>>()));
    }
    let expected = outcomes.remove(0).1;
    for (metered, runs) in outcomes {
        let expected = expected.iter().cloned();
        let counted = |(code, insns): (u32, Option<u64>)| (code, insns.filter(|_| metered));
        let expected: Vec<_> = expected.map(|run| run.map(counted)).collect();
        assert_eq!(runs, expected);
    }
}

#[test]
fn what_is_never_reached_is_not_compiled_and_changes_nothing() {
    let text = |dead: &str| {
        format!(
            ".map settings, array, key=4, value=4, entries=1\n.section \"xdp\"\nrun:\n r6 = 3\n r0 = 1\nl:\n \
             r0 += r6\n r7 = 5\n if r7 == 5 goto on\n{dead}\non:\n r6 += -1\n if r6 != 0 goto l\n \
             if r6 > 0 goto never\n exit\nnever:\n call f\n exit\nf:\n r0 = 0\n r0 += r1\n exit\n"
        )
    };
    let dead = " r1 = settings ll\n r2 = r10\n r2 += -4\n r0 = 0\n *(u32 *)(r10 - 4) = r0\n call bpf_map_lookup_elem\n r0 = 0\n";
    does_as_interpreted(&text(" r0 = 0"), 2);
    does_as_interpreted(&text(dead), 2);
    // Nothing is left of either.
    let bytes = |text: &str| {
        let (session, compiled) = load(text, "run", Options::default());
        compiled.unwrap();
        session.machine_code().unwrap().bytes.len()
    };
    assert_eq!(bytes(&text(" r0 = 0")), bytes(&text(dead)));
}

/// Loops within loops whose turns nothing but the budget bounds.
const NESTED: &str = "\
.section \"xdp\"
p:
 r6 = 0
l1:
 may_goto out
 r6 += 1
 call s
 goto l1
out:
 r0 = 2
 exit
s:
 r0 = 0
l2:
 may_goto o2
 r0 += 1
 goto l2
o2:
 r0 = 0
 exit
";

#[test]
fn the_deadline_ends_loops_that_nest() {
    let options = Options { time: Duration::from_millis(200), ..Options::default() };
    for metered in [true, false] {
        let mut code = CodeOptions::default();
        code.metered = metered;
        let image = read_image(NESTED.as_bytes(), "test.s").unwrap().image;
        let mut session = Session::load(&image, Some("p"), options).unwrap();
        let release = Release { major: 6, minor: 18 };
        session.compile_with(&CheckOptions::new(release), code).unwrap();
        assert_eq!(session.engine(), Engine::Jit);
        let begun = Instant::now();
        let fault = session.run(&mut packet()).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::Deadline), "{fault}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn the_budget_ends_a_run() {
    let options = Options { insns: 100_000, ..Options::default() };
    let (mut session, compiled) = load(NESTED, "p", options);
    compiled.unwrap();
    let fault = session.run(&mut packet()).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Budget { insns: 100_000 }), "{fault}");
}

#[test]
fn instructions_are_counted_as_the_interpreter_counts_them() {
    let text = "\
.map m, array, key=4, value=8, entries=4
.section \"xdp\"
p:
 r6 = 0
l:
 *(u32 *)(r10 - 4) = r6
 r2 = r10
 r2 += -4
 r1 = m ll
 call bpf_map_lookup_elem
 if r0 == 0 goto out
 r1 = 1
 lock *(u64 *)(r0 + 0) += r1
 r6 += 1
 call twice
 if r6 < 9 goto l
out:
 r0 = 2
 exit
twice:
 r0 = 7
 r0 <<= 1
 exit
";

    let image = read_image(text.as_bytes(), "test.s").unwrap().image;
    let mut interpreted = Session::load(&image, Some("p"), Options::default()).unwrap();
    let (mut native, compiled) = load(text, "p", Options::default());
    compiled.unwrap();
    let counts = [&mut interpreted, &mut native].map(|one| one.run(&mut packet()).unwrap().insns);
    assert_eq!(counts[0], counts[1]);
    assert!(counts[0].is_some_and(|insns| insns > 50), "{counts:?}");
}

/// Functions that helpers call move the packet that whoever called the helper has found.
#[test]
fn copies_of_what_a_function_moves_are_refused_as_interpreted() {
    for map in ["array", "hash"] {
        let copy = " r1 = r10\n r1 += -80\n r2 = 8\n r3 = r7\n call bpf_probe_read_kernel\n r8 *= 3\n r8 += r0\n \
                    r1 = *(u64 *)(r10 - 80)\n r8 ^= r1\n";
        let text = format!(
            "\
.license \"GPL\"
.map all, {map}, key=4, value=8, entries=3
.map kept, array, key=4, value=8, entries=1
.section \"xdp\"
run:
 r6 = r1
 r8 = 0
 *(u64 *)(r10 - 80) = 0
 *(u32 *)(r10 - 4) = 0
 *(u64 *)(r10 - 16) = 1
 r1 = all ll
 r2 = r10
 r2 += -4
 r3 = r10
 r3 += -16
 r4 = 0
 call bpf_map_update_elem
 r1 = kept ll
 r2 = r10
 r2 += -4
 call bpf_map_lookup_elem
 if r0 == 0 goto none
 r1 = *(u32 *)(r6 + 0)
 *(u64 *)(r0 + 0) = r1
 r7 = *(u64 *)(r0 + 0)
{copy}{copy}
 *(u64 *)(r10 - 16) = r6
 r9 = 3
again:
 r1 = all ll
 r2 = shown ll
 r3 = r10
 r3 += -16
 r4 = 0
 call bpf_for_each_map_elem
{copy}
 r1 = 3
 r2 = turn ll
 r3 = r10
 r3 += -16
 r4 = 0
 call bpf_loop
{copy}
 r9 += -1
 if r9 != 0 goto again
 r0 = r8
 exit
none:
 r0 = 1
 exit
shown:
 r1 = *(u64 *)(r4 + 0)
 r2 = 3
 call bpf_xdp_adjust_head
 r0 = 0
 exit
turn:
 r1 = *(u64 *)(r2 + 0)
 r2 = 2
 call bpf_xdp_adjust_head
 r0 = 0
 exit
"
        );
        does_as_interpreted(&text, 2);
    }
}

#[test]
fn callbacks_are_known_where_they_are_the_same() {
    let known = |func: &str, more: &str| {
        let text = format!(
            ".license \"GPL\"\n.section \"tc\"\nrun:\n r6 = *(u32 *)(r1 + 0)\n {func}\n r1 = 2\n r3 = 0\n \
             r4 = 0\n call bpf_loop\n r0 = 0\n exit\none:\n r0 = 0\n exit\n{more}"
        );
        let image = read_image(text.as_bytes(), "test.s").unwrap().image;
        let options = CheckOptions::new(Release { major: 6, minor: 18 });
        let checked = skep::check(&image, &image.progs[0], &options);
        let Verdict::Accepted(verified) = checked.verdict else { panic!("{:?}", checked.verdict) };
        let mut calls = image.progs[0].insns.iter().map(|(pc, _)| pc);
        calls.find_map(|pc| verified.passed_callback(pc))
    };
    assert_eq!(known("r8 = one ll\n r2 = r8", ""), Some(Pc(10)));
    let either = "r2 = one ll\n if r6 == 5 goto q\n r2 = two ll\nq:";
    assert_eq!(known(either, "two:\n r0 = 1\n exit\n"), None);
}

#[test]
fn values_of_any_cpu_are_found_as_interpreted() {
    for kind in ["percpu_array", "percpu_hash", "lru_percpu_hash"] {
        for cpu in ["0", "1", "2", "0x100000000 ll", "0xffffffff ll"] {
            let text = format!(
                ".license \"GPL\"\n.map all, {kind}, key=4, value=8, entries=4\n.section \"tc\"\nrun:\n \
                 r6 = all ll\n *(u32 *)(r10 - 4) = 1\n *(u64 *)(r10 - 16) = 5\n r1 = r6\n \
                 r2 = r10\n r2 += -4\n r3 = r10\n r3 += -16\n r4 = 0\n \
                 call bpf_map_update_elem\n r1 = r6\n r2 = r10\n r2 += -4\n r3 = {cpu}\n \
                 call bpf_map_lookup_percpu_elem\n if r0 == 0 goto none\n r0 = *(u64 *)(r0 + 0)\n \
                 exit\nnone:\n r0 = 99\n exit\n"
            );
            does_as_interpreted(&text, 2);
        }
    }
}

/// What calls get is the verifier's word, whichever way it comes to them.
#[test]
fn calls_of_what_is_not_named_beside_them_do_as_interpreted() {
    let maps = ".license \"GPL\"\n.map words, array, key=4, value=8, entries=4\n\
                .map others, array, key=4, value=8, entries=4\n\
                .map sums, hash, key=4, value=8, entries=4\n\
                .map next, prog_array, key=4, value=4, entries=2, 1=other\n.section \"tc\"\n";
    let count = "if r0 == 0 goto none\n r1 = *(u64 *)(r0 + 0)\n r1 += 1\n *(u64 *)(r0 + 0) = r1\n \
                 r0 = r1\n exit\nnone:\n r0 = 99\n exit\n";
    let key = "r8 = *(u32 *)(r1 + 0)\n *(u32 *)(r10 - 4) = 1\n r2 = r10\n r2 += -4\n";
    let look = "call bpf_map_lookup_elem\n";
    let update = "r3 = r10\n r3 += -16\n r4 = 0\n *(u64 *)(r10 - 16) = 5\n \
                  call bpf_map_update_elem\n r2 = r10\n r2 += -4\n";
    for text in [
        format!("r7 = words ll\n r1 = r7\n {look} {count}"),
        format!("r1 = words ll\n if r8 == 5 goto q\n r8 = 1\nq:\n {look} {count}"),
        format!("r1 = words ll\n if r8 == 64 goto q\n r1 = others ll\nq:\n {look} {count}"),
        format!("r1 = words ll\n call get\n {count}get:\n {look} exit\n"),
        format!(
            "r1 = words ll\n call get\n r2 = r10\n r2 += -4\n r1 = sums ll\n call get\n \
                 r2 = r10\n r2 += -4\n r1 = words ll\n call get\n {count}get:\n r6 = r1\n r7 = r2\n \
                 {update} r1 = r6\n r2 = r7\n {look} if r0 == 0 goto miss\n r1 = *(u64 *)(r0 + 0)\n \
                 r1 += 1\n *(u64 *)(r0 + 0) = r1\nmiss:\n exit\n"
        ),
        format!("r7 = sums ll\n r1 = r7\n {update} r1 = r7\n {look} {count}"),
        "r7 = next ll\n r2 = r7\n r3 = 1\n call bpf_tail_call\n r0 = 3\n exit\n".to_string(),
        "r7 = words ll\n r9 = each ll\n r2 = r9\n r1 = r7\n r3 = 0\n r4 = 0\n \
         call bpf_for_each_map_elem\n exit\neach:\n r1 = *(u64 *)(r3 + 0)\n r1 += 1\n \
         *(u64 *)(r3 + 0) = r1\n r0 = 0\n exit\n"
            .to_string(),
        "r7 = 8\n *(u64 *)(r10 - 16) = r8\n r1 = r10\n r1 += -24\n r2 = r7\n r3 = r10\n \
         r3 += -16\n call bpf_probe_read_kernel\n r0 = *(u64 *)(r10 - 24)\n exit\n"
            .to_string(),
    ] {
        let other = ".section \"tc\"\nother:\n r0 = 7\n exit\n";
        does_as_interpreted(&format!("{maps}run:\n {key} {text}{other}"), 3);
    }
}

/// Those of this host's kernel, if it has any.
fn kernel_types() -> Option<Arc<Btf>> {
    let Ok(types) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        eprintln!("skipped: a kernel without types");
        return None;
    };
    Some(Arc::new(Btf::parse(&types).unwrap()))
}

/// A session of the program `run` that is accepted and not compiled for a kernel with such types; and why.
#[track_caller]
fn refused(image: &skep::Image, types: &Arc<Btf>) -> (Session, String) {
    let types = Some(Arc::clone(types));
    let options = CheckOptions { types, ..CheckOptions::new(Release { major: 6, minor: 18 }) };
    let mut session = Session::load(image, Some("run"), Options::default()).unwrap();
    match session.compile(&options) {
        Err(NotNative::Refused(why)) => (session, format!("{why:?}")),
        other => panic!("{other:?}"),
    }
}

/// A map itself is a number to programs, and no memory.
#[test]
fn fields_of_maps_stay_with_the_interpreter() {
    let Some(types) = kernel_types() else { return };
    let of_map = " r1 = all ll\n";
    let of_inner = " *(u32 *)(r10 - 4) = 0\n r1 = outer ll\n r2 = r10\n r2 += -4\n \
                    call bpf_map_lookup_elem\n if r0 == 0 goto none\n r1 = r0\n";
    for map in [of_map, of_inner] {
        let text = format!(
            ".map all, array, key=4, value=8, entries=2\n\
             .map outer, array_of_maps, key=4, value=4, entries=1, inner=(array, key=4, value=8, entries=2), 0=all\n\
             .license \"GPL\"\n.section \"xdp\"\nrun:\n{map} r0 = *(u32 *)(r1 + 0)\nnone:\n exit\n"
        );
        let image = read_image(text.as_bytes(), "test.s").unwrap().image;
        let (mut session, _) = refused(&image, &types);
        assert!(session.run(&mut packet()).is_err());
    }
}

/// What the verifier takes a symbol of the kernel for is not what it is here.
#[test]
fn symbols_of_the_kernel_lead_nowhere() {
    let Some(types) = kernel_types() else { return };
    let text = "\
.license \"GPL\"
.map all, array, key=4, value=8, entries=1
.section \"xdp\"
run:
 *(u32 *)(r10 - 4) = 0
 r1 = all ll
 r2 = r10
 r2 += -4
 call bpf_map_lookup_elem
 if r0 == 0 goto none
 r1 = 0 ll
 r1 >>= 32
 r1 &= 0x40000000
 r1 ^= 0x40000000
 r0 += r1
 r1 = 1
 *(u64 *)(r0 + 0) = r1
none:
 r0 = 2
 exit
";
    let mut image = read_image(text.as_bytes(), "test.s").unwrap().image;
    let prog = &mut image.progs[0];
    prog.externs.push(skep_prog::Extern { name: "x".into(), type_id: None, weak: true });
    let loads =
        |(_, insn): &(Pc, Insn)| matches!(insn, Insn::LoadImm { imm: ImmSrc::Value(0), .. });
    let (pc, _) = prog.insns.iter().find(loads).unwrap();
    let imm = ImmSrc::BtfId { id: 0, fd: skep_prog::Extern::FD };
    *prog.insns.get_mut(pc).unwrap() = Insn::LoadImm { dst: Reg::R1, imm };
    let (mut session, _) = refused(&image, &types);
    assert!(session.run(&mut packet()).is_err());
}

#[test]
fn types_that_are_made_up_give_no_memory() {
    // A function that counts, of which these types say that it points to numbers.
    let mut builder = Builder::new();
    let word = Int { size: 8, bits: 64, bit_off: 0, signed: false, char: false, bool: false };
    let word = builder.add("u64", Def::Int(word)).unwrap();
    let ret = builder.add("", Def::Ptr(word)).unwrap();
    let param = Param { name: "s__ign", ty: ret };
    let proto = builder.add("", Def::FuncProto { ret, params: &[param] }).unwrap();
    let linkage = FuncLinkage::Static;
    builder.add("bpf_strlen", Def::Func { proto, linkage }).unwrap();
    let types = Arc::new(builder.finish().unwrap());
    let text = "\
.license \"GPL\"
.section \"xdp\"
run:
 r1 = 0x6161
 *(u64 *)(r10 - 8) = r1
 r1 = r10
 r1 += -8
 call kfunc 0, -1
 if r0 == 0 goto none
 r0 = *(u64 *)(r0 + 0)
none:
 exit
";
    let mut image = read_image(text.as_bytes(), "test.s").unwrap().image;
    let strlen = skep_prog::Extern { name: "bpf_strlen".into(), type_id: None, weak: false };
    image.progs[0].externs.push(strlen);
    let (_, why) = refused(&image, &types);
    assert!(why.contains("memory by the types alone"), "{why}");
}
