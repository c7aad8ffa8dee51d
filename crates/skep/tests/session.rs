//! Sessions: what becomes of packets, and what cannot be loaded.

use skep::{
    EventKind, LoadError, Moment, Next, Observer, Options, Outcome, Packet, PacketMeta, Session,
    read_image,
};
use skep_hooks::{LinkType, PacketSource, open_file};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn session(file: &str, prog: Option<&str>) -> Session {
    let bytes = std::fs::read(examples().join(file)).unwrap();
    let image = read_image(&bytes, file).unwrap().image;
    Session::load(&image, prog, Options::default()).unwrap()
}

fn text(asm: &str) -> Session {
    let image = read_image(asm.as_bytes(), "test.s").unwrap().image;
    Session::load(&image, None, Options::default()).unwrap()
}

fn capture() -> Box<dyn PacketSource> {
    open_file(&examples().join("traffic.pcap")).unwrap()
}

/// An Ethernet frame with an ethertype nobody has, numbered bytes behind it.
fn packet() -> Packet {
    let mut bytes: Vec<u8> = vec![0xff; 12];
    bytes.extend([0x88, 0xb5]);
    bytes.extend(0..50);
    let meta = PacketMeta { link: LinkType::ETHERNET, wire_len: 64, ..PacketMeta::default() };
    let mut packet = Packet::new();
    packet.reset(&bytes, meta);
    packet
}

/// The counts are those of Linux 6.18 by `BPF_PROG_TEST_RUN` over the same packets, but for skb
/// hooks and the three frames too short for it.
#[test]
fn examples_give_the_verdicts_of_the_kernel() {
    #[rustfmt::skip]
    let cases = [
        ("xdp_flows.o", None, "XDP_ABORTED 9, XDP_DROP 6, XDP_PASS 902"),
        ("xdp_firewall.o", None, "XDP_DROP 13, XDP_PASS 894, XDP_TX 10"),
        ("tail_calls.o", Some("parse_ethernet"), "XDP_DROP 7, XDP_PASS 910"),
        ("subprogs.o", None, "XDP_PASS 917"),
        ("ringbuf_events.o", None, "XDP_PASS 917"),
        ("count.s", None, "XDP_PASS 917"),
        ("drop_icmp.s", None, "XDP_DROP 36, XDP_PASS 881"),
    ];
    for (file, prog, want) in cases {
        let mut session = session(file, prog);
        let mut verdicts = BTreeMap::new();
        let (mut source, mut packet) = (capture(), Packet::new());
        while source.next(&mut packet).unwrap() == Next::Packet {
            let outcome = session.run(&mut packet).unwrap_or_else(|fault| panic!("{fault}"));
            *verdicts.entry(outcome.verdict.name).or_insert(0) += 1;
        }
        let got: Vec<_> = verdicts.iter().map(|(name, n)| format!("{name} {n}")).collect();
        assert_eq!(got.join(", "), want, "{file}");
    }
}

/// Says nothing and does not get in the way.
struct Count(u64);

impl Observer for Count {
    fn before(&mut self, moment: &Moment<'_>) {
        assert!(moment.frame().prog.insns.get(moment.pc()).is_some());
        self.0 += 1;
    }
}

#[test]
fn an_observer_changes_nothing() {
    for (file, prog) in
        [("xdp_flows.o", None), ("tail_calls.o", Some("parse_ethernet")), ("subprogs.o", None)]
    {
        let (mut plain, mut watched) = (session(file, prog), session(file, prog));
        let (mut source, mut packet) = (capture(), Packet::new());
        while source.next(&mut packet).unwrap() == Next::Packet {
            let (mut count, mut other) = (Count(0), packet.clone());
            let want = plain.run(&mut packet).unwrap();
            let got = watched.run_observed(&mut other, &mut count).unwrap();
            assert_eq!((got.verdict.code, got.insns), (want.verdict.code, want.insns), "{file}");
            assert_eq!(Some(count.0), want.insns, "{file}");
            assert_eq!(other.data(), packet.data(), "{file}");
        }
        let maps = |session: &Session| -> Vec<_> {
            let entries =
                |map: skep::MapView<'_>| map.entries().map(|e| (e.key, e.value)).collect();
            session.maps().map(entries).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(maps(&plain), maps(&watched), "{file}");
    }
}

#[test]
fn records_are_shown_by_the_type_that_the_object_names() {
    let mut session = session("ringbuf_events.o", None);
    let (mut source, mut packet) = (capture(), Packet::new());
    let mut records = Vec::new();
    while source.next(&mut packet).unwrap() == Next::Packet {
        session.run(&mut packet).unwrap();
        session.events(&mut |event| match event.kind {
            EventKind::Record(shown) => records.push(shown.to_string()),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(records.len(), 54);
    assert!(records[0].starts_with("{saddr: "), "{}", records[0]);
    assert!(records[0].contains("source_mac: "), "{}", records[0]);
}

#[test]
fn lines_of_printk_are_events() {
    let mut session = session("subprogs.o", None);
    let (mut source, mut packet) = (capture(), Packet::new());
    let mut lines = 0;
    while source.next(&mut packet).unwrap() == Next::Packet {
        session.run(&mut packet).unwrap();
        session
            .events(&mut |event| lines += usize::from(matches!(event.kind, EventKind::Print(_))));
    }
    assert_eq!(lines, 3);
}

#[test]
fn a_redirect_names_its_interface() {
    let mut session = text(".section \"xdp\"\nr:\n r1 = 7\n r2 = 0\n call bpf_redirect\n exit\n");
    let Outcome { verdict, redirect, .. } = session.run(&mut packet()).unwrap();
    assert_eq!((verdict.name, redirect), ("XDP_REDIRECT", Some(7)));
}

#[test]
fn a_clone_is_the_packet_as_it_was_then() {
    let mut session = text(
        ".section \"tc\"\nc:\n r6 = r1\n r2 = 9\n r3 = 0\n call bpf_clone_redirect\n \
         r2 = *(u32 *)(r6 + 76)\n *(u8 *)(r2 + 14) = 255\n r0 = 0\n exit\n",
    );
    let mut packet = packet();
    let outcome = session.run(&mut packet).unwrap();
    let [(9, copy)] = &outcome.clones[..] else { panic!("{outcome:?}") };
    assert_eq!((copy.data()[14], packet.data()[14]), (0, 255));
}

#[test]
fn a_helper_that_moves_the_head_moves_the_pointers() {
    let mut session = text(
        ".section \"xdp\"\nh:\n r6 = r1\n r2 = -4\n call bpf_xdp_adjust_head\n \
         r2 = *(u32 *)(r6 + 0)\n r3 = *(u32 *)(r6 + 4)\n *(u32 *)(r2 + 0) = 0x01020304\n \
         r3 -= r2\n r0 = r3\n exit\n",
    );
    let mut packet = packet();
    let outcome = session.run(&mut packet).unwrap();
    assert_eq!(outcome.verdict.code, 68);
    assert_eq!(packet.data()[..5], [4, 3, 2, 1, 0xff]);
}

#[test]
fn a_socket_filter_keeps_as_much_as_it_says() {
    let mut packet = packet();
    let outcome = text(".section \"socket\"\ns:\n r0 = 20\n exit\n").run(&mut packet).unwrap();
    assert_eq!((outcome.verdict.keep, packet.data().len()), (Some(20), 20));
    assert_eq!(packet.meta.wire_len, 64);
}

#[test]
fn a_fault_names_the_line_the_register_and_the_region() {
    let mut session =
        text(".section \"xdp\"\nf:\n r2 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r2 + 64)\n exit\n");
    let mut first = packet();
    let fault = session.run(&mut first).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "f, insn 1 (test.s:4): load of 1 byte at r2+64, r2 = 0x10100: byte 64 of packet, which has 64"
    );
    assert_eq!(first.data().len(), 64, "the packet is still there");
    assert!(session.run(&mut packet()).is_err(), "and the session goes on");
}

#[test]
fn a_program_that_does_not_end_is_stopped() {
    let image = read_image(b".section \"xdp\"\nl:\nagain:\n goto again\n", "loop.s").unwrap().image;
    let options = Options { insns: 10_000, ..Options::default() };
    let mut session = Session::load(&image, None, options).unwrap();
    let fault = session.run(&mut packet()).unwrap_err();
    assert!(fault.to_string().ends_with("the budget of 10000 instructions is used up"), "{fault}");
    let options = Options { time: std::time::Duration::from_millis(20), ..Options::default() };
    let mut session = Session::load(&image, None, options).unwrap();
    let fault = session.run(&mut packet()).unwrap_err();
    assert!(fault.to_string().ends_with("the deadline has passed"), "{fault}");
}

#[test]
fn what_cannot_run_is_refused_before_it_runs() {
    let load = |asm: &str, prog| {
        let image = read_image(asm.as_bytes(), "test.s").unwrap().image;
        Session::load(&image, prog, Options::default()).err().map(|err: LoadError| err.to_string())
    };
    let two = ".section \"xdp\"\na:\n r0 = 0\n exit\n.section \"xdp\"\nb:\n r0 = 0\n exit\n";
    #[rustfmt::skip]
    let cases = [
        (two, None, "there are several programs, choose one: a, b"),
        (two, Some("c"), "no program `c`; there are a, b"),
        (".section \"kprobe/f\"\nk:\n r0 = 0\n exit\n", None,
            "k: programs of type kprobe are not run here"),
        (".section \"xdp\"\nx:\n call bpf_send_signal\n exit\n", None,
            "x, insn 0: no helper 109 (send_signal) in the user engine"),
        (".map m, struct_ops, key=4, value=4, entries=4\n.section \"xdp\"\nx:\n r1 = m ll\n r0 = 0\n exit\n",
            None, "map m"),
    ];
    for (asm, prog, want) in cases {
        let got = load(asm, prog).unwrap();
        assert!(got.contains(want), "{got}");
    }
}

/// A cgroup's program counts in the storage of its attachment; the kernel's test run has it too.
#[test]
fn the_storage_of_an_attachment_lasts() {
    for kind in ["cgroup_storage", "percpu_cgroup_storage"] {
        let mut session = text(&format!(
            ".map state, {kind}, key=16, value=8, entries=0\n.section \"cgroup_skb/egress\"\ncount:\n \
             r1 = state ll\n r2 = 0\n call 81\n r1 = *(u64 *)(r0 + 0)\n r1 += 1\n \
             *(u64 *)(r0 + 0) = r1\n r0 = 1\n exit\n"
        ));
        for _ in 0..3 {
            session.run(&mut packet()).unwrap();
        }
        let map = session.maps().next().unwrap();
        let values: Vec<u8> = map.entries().flat_map(|entry| entry.value).collect();
        assert_eq!(values, 3u64.to_le_bytes(), "{kind}");
    }
}
