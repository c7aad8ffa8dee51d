//! Lines and records of packets, against tcpdump.
//!
//! `cargo bench -p skep-benches --bench dump` takes 100,000 packets, those of `examples/traffic.pcap` over and over,
//! and prints microseconds per packet: in the library alone, and of tcpdump from start to end, which does nothing else
//! at the same time. `-- --test` makes one turn. Without tcpdump it measures Skep alone.

use skep_dissect::{Bytes, Dissector, Options, Packet, Record};
use skep_hooks::{Next, open};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const PACKETS: usize = 100_000;

/// Bytes of a packet, and when it came.
type Taken = (Vec<u8>, u64);

fn main() {
    let rounds = if std::env::args().any(|arg| arg == "--test") { 1 } else { 7 };
    let capture = fs::read(examples().join("traffic.pcap")).expect("the example is there");
    let packets = packets(&capture);
    let large = large(&capture, packets.len());
    row("", "skep", "tcpdump", "tcpdump / skep");
    let lines = [
        ("-nn", Options::default()),
        ("-nne", Options { link: true, ..Options::default() }),
        ("-nnv", Options { verbose: 1, ..Options::default() }),
        ("-nnX", Options { bytes: Bytes::HexAscii { link: false }, ..Options::default() }),
        ("-nnA", Options { bytes: Bytes::Ascii { link: false }, ..Options::default() }),
    ];
    for (name, options) in lines {
        let mut dissector = Dissector::new(options);
        let ours = measure(rounds, &packets, |n, packet, out| dissector.line(n, packet, out));
        let theirs = tcpdump(rounds, name, &large);
        let ratio = theirs.map_or_else(String::new, |theirs| format!("{:.1}", theirs / ours));
        let theirs = theirs.map_or_else(|| "-".to_owned(), |theirs| format!("{theirs:.2}"));
        row(name, &format!("{ours:.2}"), &theirs, &ratio);
    }
    let json = measure(rounds, &packets, |n, packet, out| Record::new(packet).write_json(n, out));
    row("--json", &format!("{json:.2}"), "", "");
    fs::remove_file(&large).expect("the capture is there");
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn row(name: &str, ours: &str, theirs: &str, ratio: &str) {
    println!("{name:8} {ours:>8} {theirs:>8} {ratio:>15}");
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn packets(capture: &[u8]) -> Vec<Taken> {
    let mut source = open(std::io::Cursor::new(capture.to_vec())).expect("it is a capture");
    let mut packet = skep_hooks::Packet::new();
    let mut packets = Vec::new();
    while let Next::Packet = source.next(&mut packet).expect("it is whole") {
        packets.push((packet.frame().to_vec(), packet.meta.timestamp));
    }
    packets
}

/// A file of so many packets.
fn large(capture: &[u8], packets: usize) -> PathBuf {
    let (header, records) = capture.split_at(24);
    let path = std::env::temp_dir().join(format!("skep-bench-{}.pcap", std::process::id()));
    let bytes = [header, &records.repeat(PACKETS.div_ceil(packets))].concat();
    fs::write(&path, bytes).expect("there is room for a capture");
    path
}

/// Microseconds per packet, the least of some rounds.
fn measure(
    rounds: u32,
    packets: &[Taken],
    mut show: impl FnMut(u64, &Packet<'_>, &mut Vec<u8>),
) -> f64 {
    let mut out = Vec::new();
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        for (n, (bytes, time)) in packets.iter().cycle().take(PACKETS).enumerate() {
            let wire_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let packet = Packet { bytes, wire_len, time: *time, link: 1, interface: None };
            show(n as u64 + 1, &packet, &mut out);
            if out.len() > 1 << 16 {
                black_box(&out);
                out.clear();
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e6 / PACKETS as f64
}

fn tcpdump(rounds: u32, options: &str, capture: &Path) -> Option<f64> {
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        let mut command = Command::new("tcpdump");
        command.arg(options).arg("-r").arg(capture).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            return None;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    Some(best * 1e6 / PACKETS as f64)
}
