//! Files: written, read back, compressed, and shown to other readers.

use crate::frames::{tagged, udp4};
use skep_hooks::{
    CaptureError, Interface, LinkType, Next, Packet, PacketMeta, PktType, SinkError, create, open,
    open_file,
};
use std::path::{Path, PathBuf};
use std::process::Command;

const TIME: u64 = 1_700_000_000_123_456_789;

fn interface(nanos: bool) -> Interface {
    let name = Some("eth0".into());
    Interface { ifindex: 1, name, link: LinkType::ETHERNET, nanos, snaplen: 0 }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn packet(i: u64) -> Packet {
    let mut packet = Packet::new();
    let frame = tagged(&udp4(&vec![7; usize::try_from(i % 1400).unwrap()]), 0x8100, 5);
    packet.reset(
        &frame,
        PacketMeta {
            timestamp: TIME + i,
            wire_len: u32::try_from(frame.len()).unwrap() + 10,
            ifindex: 1,
            ..PacketMeta::default()
        },
    );
    packet.untag();
    packet
}

fn write(path: &Path, count: u64, interfaces: &[Interface]) {
    let mut sink = create(path, interfaces).unwrap();
    for i in 0..count {
        sink.write(&packet(i)).unwrap();
    }
    sink.finish().unwrap();
}

const NAMES: [&str; 6] =
    ["a.pcap", "a.pcapng", "a.pcap.gz", "a.pcapng.gz", "a.pcap.zst", "a.pcapng.zst"];

#[test]
fn what_was_written_is_read() {
    for name in NAMES {
        let path = path(&format!("read-{name}"));
        write(&path, 3000, &[interface(true)]);
        let mut source = open_file(&path).unwrap();
        let mut got = Packet::new();
        for i in 0..3000 {
            assert_eq!(source.next(&mut got).unwrap(), Next::Packet, "{name} {i}");
            let want = packet(i);
            assert_eq!(got.frame().to_vec(), want.frame().to_vec(), "{name} {i}");
            assert_eq!((got.meta.timestamp, got.wire_len()), (TIME + i, want.wire_len()));
        }
        assert_eq!(source.next(&mut got).unwrap(), Next::End);
        let progress = source.progress();
        assert_eq!(progress.total, Some(progress.read), "{name}");
        assert_eq!(progress.total, Some(std::fs::metadata(&path).unwrap().len()));
        let [interface] = source.interfaces() else { panic!() };
        let want = name.contains("pcapng").then_some("eth0");
        assert_eq!((interface.name.as_deref(), interface.nanos), (want, true));
    }
}

#[test]
fn coarse_clocks_stay_coarse_in_pcap() {
    let path = path("coarse.pcap");
    write(&path, 1, &[interface(false)]);
    let mut source = open_file(&path).unwrap();
    let mut got = Packet::new();
    source.next(&mut got).unwrap();
    assert_eq!(got.meta.timestamp, TIME / 1000 * 1000);
    assert!(!source.interfaces()[0].nanos);
}

#[test]
fn captures_without_packets_are_captures() {
    for name in NAMES {
        let path = path(&format!("empty-{name}"));
        write(&path, 0, &[]);
        let mut source = open_file(&path).unwrap();
        assert_eq!(source.next(&mut Packet::new()).unwrap(), Next::End, "{name}");
    }
}

#[test]
fn one_link_type_in_pcap_several_in_pcapng() {
    let mut raw = Packet::new();
    let meta = PacketMeta { link: LinkType::RAW, ifindex: 2, rx_queue: 4, ..PacketMeta::default() };
    raw.reset(&udp4(b"")[14..], meta);
    raw.meta.pkt_type = PktType::Outgoing;

    let mut pcap = create(&path("mixed.pcap"), &[]).unwrap();
    pcap.write(&packet(0)).unwrap();
    let error = pcap.write(&raw).unwrap_err();
    assert!(matches!(error, SinkError::Mixed { first: LinkType::ETHERNET, link: LinkType::RAW }));

    let path = path("mixed.pcapng");
    let mut ng = create(&path, &[]).unwrap();
    for packet in [&raw, &packet(0), &raw] {
        ng.write(packet).unwrap();
    }
    ng.finish().unwrap();
    let mut source = open_file(&path).unwrap();
    let mut got = Packet::new();
    let mut seen = Vec::new();
    while source.next(&mut got).unwrap() == Next::Packet {
        seen.push((got.meta.link.0, got.meta.ifindex, got.meta.pkt_type, got.meta.rx_queue));
    }
    let (first, second) = ((101, 1, PktType::Outgoing, 4), (1, 2, PktType::Host, 0));
    assert_eq!(seen, [first, second, first]);
}

#[test]
fn programs_changes_show_in_the_lengths() {
    let path = path("changed.pcap");
    let mut sink = create(&path, &[]).unwrap();
    let mut grown = packet(0);
    skep_hooks::Hook::TcIngress.enter(&mut grown);
    grown.adjust_room(20, 1, 0).unwrap();
    grown.vlan_pop().unwrap();
    sink.write(&grown).unwrap();
    sink.finish().unwrap();
    let mut got = Packet::new();
    open_file(&path).unwrap().next(&mut got).unwrap();
    // 46 bytes of 56 were captured; 20 came, a tag of 4 went.
    assert_eq!((got.data().len(), got.wire_len()), (62, 72));
}

#[test]
fn names_say_the_format() {
    for name in ["x", "x.txt", "x.gz", "x.pcap.bz2", "x.pcapng.gz.zst", ".pcap"] {
        let error = create(&path(name), &[]).err();
        assert!(matches!(error, Some(SinkError::Extension { .. })), "{name}: {error:?}");
    }
}

#[test]
fn cut_compression_delivers_what_is_whole() {
    for name in ["cut.pcap.gz", "cut.pcap.zst"] {
        let path = path(name);
        write(&path, 3000, &[interface(true)]);
        let bytes = std::fs::read(&path).unwrap();
        let mut source = open(std::io::Cursor::new(bytes[..bytes.len() - 9].to_vec())).unwrap();
        let mut count = 0;
        let mut packet = Packet::new();
        let error = loop {
            match source.next(&mut packet) {
                Ok(Next::Packet) => count += 1,
                Ok(next) => panic!("{next:?} of a cut file"),
                Err(e) => break e,
            }
        };
        assert!(matches!(error, CaptureError::Io { .. } | CaptureError::Truncated { .. }));
        assert!(count > 0, "{name}");
    }
}

#[test]
fn missing_files_are_io_errors() {
    let error = open_file(Path::new("/nonexistent.pcap")).err().unwrap();
    assert!(matches!(error, CaptureError::Io { at: 0, .. }));
}

/// The crate `pcap-file` reads the same packets.
#[test]
fn another_reader_agrees() {
    let path = path("other.pcap");
    write(&path, 100, &[interface(true)]);
    let file = std::fs::File::open(&path).unwrap();
    let mut reader = pcap_file::pcap::PcapReader::new(file).unwrap();
    for i in 0..100 {
        let got = reader.next_packet().unwrap().unwrap();
        let want = packet(i);
        assert_eq!(got.data, want.frame().to_vec());
        assert_eq!(got.timestamp.as_nanos(), u128::from(TIME + i));
        assert_eq!(got.orig_len, want.wire_len());
    }
    assert!(reader.next_packet().is_none());
}

/// tcpdump and tshark read the same packets.
#[test]
fn the_fields_tools_agree() {
    for name in ["tools.pcap", "tools.pcapng"] {
        let path = path(name);
        write(&path, 3, &[interface(true)]);
        let file = path.to_str().unwrap();
        if let Some(text) = run("tcpdump", &["-n", "-tt", "-e", "--nano", "-r", file]) {
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.contains("1700000000.123456791"), "{text}");
            assert!(text.contains("vlan 5"), "{text}");
            assert!(text.contains("length 58"), "46 + 2 + 10: {text}");
        }
        let fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "vlan.id", "-e", "frame.len"];
        if let Some(text) = run("tshark", &[&["-r", file], &fields[..]].concat()) {
            let want = "1700000000.123456789\t5\t56\n1700000000.123456790\t5\t57\n\
                        1700000000.123456791\t5\t58\n";
            assert_eq!(text, want);
        }
    }
}

/// What a tool prints; `None`, with the reason printed, if it is not installed.
fn run(tool: &str, args: &[&str]) -> Option<String> {
    match Command::new(tool).args(args).output() {
        Err(e) => {
            eprintln!("skipped: {tool}: {e}");
            None
        }
        Ok(output) => {
            assert!(output.status.success(), "{tool}: {output:?}");
            Some(String::from_utf8(output.stdout).unwrap())
        }
    }
}
