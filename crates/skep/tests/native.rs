//! Machine code does nothing that the interpreter would not do, whatever the verifier lets through. Needs an
//! x86-64 host.
#![cfg(target_arch = "x86_64")]

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

/// A chain of functions, each with a frame, of which the last does something.
fn chain(name: char, len: usize, last: &str) -> String {
    let mut text = format!(" *(u64 *)(r10 - 8) = r1\n call {name}1\n exit\n");
    for at in 1..=len {
        text += &format!("{name}{at}:\n *(u64 *)(r10 - 8) = r1\n");
        text += &if at < len { format!(" call {name}{}\n", at + 1) } else { last.to_string() };
        text += " r0 = 1\n exit\n";
    }
    text
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
fn tail_calls_from_functions_do_not_leave_the_stack() {
    let tail_call = " r2 = next ll\n r3 = 0\n call bpf_tail_call\n";
    let text = format!(
        ".map next, prog_array, key=4, value=4, entries=2, 0=b\n.section \"xdp\"\na:\n{}.section \"xdp\"\nb:\n{}",
        chain('s', 6, tail_call),
        chain('t', 7, ""),
    );
    let (mut session, compiled) = load(&text, "a", Options::default());
    compiled.unwrap();
    assert_eq!(session.engine(), Engine::Jit);
    let fault = session.run(&mut packet()).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::CallDepth { .. }), "{fault}");
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
