//! Machine code does nothing that the interpreter would not do, whatever the verifier lets through. Needs a host
//! that there is a back end for.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use skep::{
    CheckOptions, CodeOptions, Engine, NotNative, Options, Packet, PacketMeta, Release, Session,
    read_image,
};
use skep_vm::FaultKind;
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
fn tail_calls_and_callbacks_do_not_leave_the_stack() {
    let image = read_image(include_bytes!("../../../corpus/run/deep.o"), "deep.o").unwrap().image;
    for prog in ["tail_call", "callback"] {
        let mut session = Session::load(&image, Some(prog), Options::default()).unwrap();
        session.compile(&CheckOptions::new(Release { major: 6, minor: 18 })).unwrap();
        assert_eq!(session.engine(), Engine::Jit);
        let fault = session.run(&mut packet()).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::CallDepth { .. }), "{prog}: {fault}");
    }
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
