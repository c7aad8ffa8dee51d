//! Machine code does nothing that the interpreter would not do, whatever the verifier lets through. Needs an
//! x86-64 host.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use skep::{
    CheckOptions, Engine, NotNative, Options, Packet, PacketMeta, Release, Session, read_image,
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

#[test]
fn loops_that_only_their_turns_end_are_interpreted_where_they_nest() {
    let text = "\
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
    let options = Options { time: Duration::from_millis(200), ..Options::default() };
    let (mut session, compiled) = load(text, "p", options);
    assert!(matches!(compiled, Err(NotNative::Refused(_))), "{compiled:?}");
    let begun = Instant::now();
    assert!(session.run(&mut packet()).is_err());
    assert!(begun.elapsed() < Duration::from_secs(20));
}
