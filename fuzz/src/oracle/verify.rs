//! Hostile programs in the verifier: every program gets a verdict, and what is accepted does nothing
//! wrong when it runs.

use super::bytes::Bytes;
use super::program;
use skep::verifier::{Caps, Verdict};
use skep::{CheckOptions, Options, Packet, PacketMeta, Release, Session, kernel_log};
use skep_abi::{MapType, ProgType};
use skep_isa::Insns;
use skep_prog::{Image, MapDef, Prog};
use skep_vm::FaultKind;
use std::time::Duration;

const TYPES: [ProgType; 6] = [
    ProgType::Xdp,
    ProgType::SchedCls,
    ProgType::SocketFilter,
    ProgType::CgroupSkb,
    ProgType::Kprobe,
    ProgType::Tracepoint,
];
/// Types of programs that run on packets.
const PACKETS: usize = 4;
/// Two releases with different helpers.
const RELEASES: [Release; 2] = [Release { major: 6, minor: 18 }, Release { major: 5, minor: 10 }];

/// Input: packet with a byte of length, byte of type, privileges and release, slots.
pub fn check(data: &[u8]) {
    let mut input = Bytes::new(data);
    let packet = input.short();
    let chosen = usize::from(input.u8());
    let prog_type = TYPES[chosen % TYPES.len()];
    let caps = if chosen & 0x80 == 0 { Caps::ROOT } else { Caps::NONE };
    let release = RELEASES[usize::from(chosen & 0x40 != 0)];
    let slots = input.rest();
    // Those of 6.18 have the numbers up to 211.
    let helpers: Vec<i32> = (1..=211).collect();
    let maps = maps();
    let repaired = program::insns(slots, &helpers, maps.len());
    let plain = skep_isa::decode(slots).ok().filter(|plain| *plain != repaired);
    for insns in [Some(repaired), plain].into_iter().flatten() {
        let image = image(prog_type, insns, maps.clone());
        let options = CheckOptions { caps, ..CheckOptions::new(release) };
        let checked = skep::check(&image, &image.progs[0], &options);
        let _ = kernel_log(&image, &image.progs[0], &checked);
        match &checked.verdict {
            Verdict::Accepted(_) if TYPES[..PACKETS].contains(&prog_type) => {
                run(&image, packet, caps == Caps::NONE);
            }
            // Of some the kernel says nothing: then what was required is told.
            Verdict::Rejected(rejection) => {
                let reject = &rejection.reject;
                assert!(!reject.kernel.is_empty() || !reject.facts.is_empty());
            }
            _ => {}
        }
    }
}

fn image(prog_type: ProgType, insns: Insns, maps: Vec<MapDef>) -> Image {
    let mut prog = Prog::new("prog", prog_type, insns);
    prog.section = match prog_type {
        ProgType::Xdp => "xdp",
        ProgType::SchedCls => "tc",
        ProgType::SocketFilter => "socket",
        ProgType::CgroupSkb => "cgroup_skb/ingress",
        ProgType::Kprobe => "kprobe/f",
        _ => "tracepoint/a/b",
    }
    .into();
    Image { progs: vec![prog], maps, license: "GPL".into(), ..Image::default() }
}

/// The first two have a value to point into.
fn maps() -> Vec<MapDef> {
    vec![
        MapDef::new("array", MapType::Array, 4, 40, 1),
        MapDef::new("small", MapType::Array, 4, 8, 1),
        MapDef::new("hash", MapType::Hash, 4, 16, 4),
        MapDef::new("percpu", MapType::PercpuArray, 4, 8, 4),
        MapDef::new("ring", MapType::Ringbuf, 0, 0, 4096),
        MapDef::new("queue", MapType::Queue, 0, 8, 4),
    ]
}

/// What the verifier accepted ends, at the latest with its budget, and touches only what it may; as machine code it
/// does the same, unless it may show addresses, which are others there.
fn run(image: &Image, frame: &[u8], keeps_addresses: bool) {
    let time = Duration::from_secs(2);
    let options = Options { insns: 50_000, time, cpus: 2, ..Options::default() };
    let Ok(mut session) = Session::load(image, Some("prog"), options) else { return };
    let mut compiled = Session::load(image, Some("prog"), options).ok();
    let compile = |session: &mut Session| session.compile(&CheckOptions::new(RELEASES[0])).is_ok();
    if compiled.as_mut().is_some_and(|session| !compile(session)) {
        compiled = None;
    }
    let mut packet = Packet::new();
    for len in [frame.len(), frame.len() / 2] {
        packet.reset(&frame[..len], PacketMeta { ifindex: 1, ..PacketMeta::default() });
        let ran = session.run(&mut packet);
        if let (Ok(outcome), Some(compiled)) = (&ran, &mut compiled) {
            let mut other = Packet::new();
            other.reset(&frame[..len], PacketMeta { ifindex: 1, ..PacketMeta::default() });
            let native = compiled.run(&mut other);
            if keeps_addresses {
                let native = native.expect("machine code ends where interpreted");
                assert_eq!(native.verdict.code, outcome.verdict.code, "machine code differs");
                assert_eq!(other.data(), packet.data(), "machine code leaves another packet");
            }
        } else {
            // What faulted may have left maps that differ.
            compiled = None;
        }
        if let Err(fault) = ran {
            let limit = matches!(
                fault.kind,
                FaultKind::Budget { .. } | FaultKind::Deadline | FaultKind::Unsupported { .. }
            );
            assert!(limit, "the verifier accepts what does wrong: {fault}");
        }
        session.events(&mut |_| {});
    }
}
