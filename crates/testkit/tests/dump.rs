//! Lines of packets, beside those of tcpdump 4.99.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_dissect::{Bytes, Dissector, Options, Packet, Time};
use skep_testkit::specimens::{Specimen, cut, mutants, specimens};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// tcpdump, if this host has one of the version that is compared with.
fn tcpdump() -> Option<()> {
    let version = Command::new("tcpdump").arg("--version").output();
    let why = match version {
        Ok(version) => {
            let mut words = version.stdout;
            words.extend(version.stderr);
            let words = String::from_utf8_lossy(&words).into_owned();
            if words.starts_with("tcpdump version 4.99") {
                return Some(());
            }
            words
        }
        Err(err) => err.to_string(),
    };
    let required = std::env::var_os("SKEP_REQUIRE_TOOLS").is_some_and(|v| v == "1");
    assert!(!required, "SKEP_REQUIRE_TOOLS is set, and there is no tcpdump 4.99: {why}");
    eprintln!("skipped: there is no tcpdump 4.99: {why}");
    None
}

const SNAPLEN: u32 = 65535;

/// What tcpdump says of protocols that have no lines here, which packets with other bytes may become.
const ELSEWHERE: [&[u8]; 14] = [
    b" nbp-",
    b"[|ddp",
    b"VXLAN-GPE",
    b"RSVP",
    b"Cisco SLARP",
    b" routes:",
    b"GeoNet src:",
    b"isakmp",
    b" at-",
    b"clnp]",
    b"NLPID",
    b"PIMv",
    b"HSRPv",
    b"[|lwres]",
];

/// Captures that were written.
static FILES: AtomicUsize = AtomicUsize::new(0);

fn capture(packets: &[&Specimen]) -> Vec<u8> {
    let link = packets.first().map_or(1, |first| first.link);
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, SNAPLEN, link] {
        file.extend(word.to_le_bytes());
    }
    for (n, packet) in packets.iter().enumerate() {
        let n = u32::try_from(n).expect("a number");
        let (seconds, micros) = time(n);
        let captured = u32::try_from(packet.bytes.len()).expect("a length");
        for word in [seconds, micros, captured, packet.len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&packet.bytes);
    }
    file
}

/// Now and then back in time.
const fn time(n: u32) -> (u32, u32) {
    (1_700_000_000 + n * 37 - (n % 7) * 50, (n * 7919) % 1_000_000)
}

/// The options of both.
fn options(text: &str) -> Options {
    let mut options = Options::default();
    let count = |c| text.matches(c).count();
    options.verbose = u8::try_from(count('v')).expect("few");
    options.link = count('e') > 0;
    options.quick = count('q') > 0;
    options.absolute_seq = count('S') > 0;
    options.number = count('#') > 0;
    options.no_checksums = count('K') > 0;
    let times =
        [Time::OfDay, Time::No, Time::Unix, Time::SincePrevious, Time::Date, Time::SinceFirst];
    options.time = times[count('t')];
    if count('X') > 0 {
        options.bytes = Bytes::HexAscii { link: count('X') > 1 };
    } else if count('x') > 0 {
        options.bytes = Bytes::Hex { link: count('x') > 1 };
    } else if count('A') > 0 {
        options.bytes = Bytes::Ascii { link: count('A') > 1 };
    }
    options
}

/// What both print for packets of one link type, packet by packet: each line that does not begin with white space is of
/// the next packet, and packets are numbered so that the ends of what is between are known.
fn compare(packets: &[&Specimen], text: &str, different: &mut Vec<String>) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "dump-{}-{}.pcap",
        std::process::id(),
        FILES.fetch_add(1, Ordering::Relaxed)
    ));
    std::fs::write(&path, capture(packets)).expect("a file is written");
    let theirs = Command::new("tcpdump")
        .args(["-nn", "-#", &format!("-{text}"), "-r"])
        .arg(&path)
        .env("TZ", "UTC")
        .output()
        .expect("tcpdump runs");
    std::fs::remove_file(&path).expect("the file is there");
    let theirs = split(&theirs.stdout);
    let mut dissector = Dissector::new(options(&format!("{text}#")));
    for (n, packet) in packets.iter().enumerate() {
        let n = u32::try_from(n).expect("a number");
        let (seconds, micros) = time(n);
        let shown = Packet {
            bytes: &packet.bytes,
            wire_len: packet.len,
            time: u64::from(seconds) * 1_000_000_000 + u64::from(micros) * 1000,
            link: u16::try_from(packet.link).expect("a link type"),
            interface: None,
        };
        let mut ours = Vec::new();
        dissector.line(u64::from(n) + 1, &shown, &mut ours);
        let theirs = theirs.get(&(n + 1)).map_or(&[][..], Vec::as_slice);
        let elsewhere = |words: &&[u8]| theirs.windows(words.len()).any(|at| at == *words);
        if ours != theirs && !ELSEWHERE.iter().any(elsewhere) {
            different.push(format!(
                "{} with -{text}\n  tcpdump {}\n  skep    {}\n  bytes   {}",
                packet.name,
                theirs.escape_ascii(),
                ours.escape_ascii(),
                packet.bytes.iter().map(|b| format!("{b:02x}")).collect::<String>(),
            ));
        }
    }
}

/// The output by packet: one begins where a line begins with its number.
fn split(output: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let mut packets = BTreeMap::new();
    let mut number = 0;
    for line in output.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(format!("{:5}  ", number + 1).as_bytes()) {
            number += 1;
        }
        packets.entry(number).or_insert_with(Vec::new).extend_from_slice(line);
    }
    packets
}

fn compare_all(packets: &[Specimen], texts: &[&str]) {
    if tcpdump().is_none() {
        return;
    }
    let mut by_link = BTreeMap::new();
    for packet in packets {
        by_link.entry(packet.link).or_insert_with(Vec::new).push(packet);
    }
    let mut different = Vec::new();
    for text in texts {
        for packets in by_link.values() {
            compare(packets, text, &mut different);
        }
    }
    let most = std::env::var("SKEP_DUMP_SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let shown = different.iter().take(most).cloned().collect::<Vec<_>>().join("\n");
    let all = packets.len() * texts.len();
    assert!(different.is_empty(), "{} of {all} differ:\n{shown}", different.len());
}

/// The capture that the command is tested with is made of the specimens. `UPDATE=1` rewrites it.
#[test]
fn the_capture_in_the_corpus() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/dump/protocols.pcap");
    let all = specimens();
    let ethernet: Vec<_> = all.iter().filter(|specimen| specimen.link == 1).collect();
    let now = capture(&ethernet);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &now).expect("a file is written");
    }
    let then = std::fs::read(&path).expect("a file is read");
    assert!(now == then, "{} is of other specimens: UPDATE=1 rewrites it", path.display());
}

#[test]
fn packets_of_every_protocol() {
    let texts = [
        "e", "v", "vv", "evvv", "q", "qv", "x", "xx", "X", "XX", "A", "AA", "t", "tt", "ttt",
        "tttt", "ttttt", "S", "evvXX", "K",
    ];
    compare_all(&specimens(), &texts);
}

#[test]
fn packets_cut_at_each_length() {
    let cuts: Vec<_> = specimens().iter().flat_map(|of| cut(of).collect::<Vec<_>>()).collect();
    compare_all(&cuts, &["t", "tevv"]);
}

#[test]
fn packets_with_other_bytes() {
    // Other seeds, and more of them, by environment.
    let of =
        |name: &str, or: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let mut rng = StdRng::seed_from_u64(of("SKEP_SEED", 7));
    let count = usize::try_from(of("SKEP_MUTANTS", 20)).expect("a number");
    let odd: Vec<_> = specimens().iter().flat_map(|of| mutants(of, &mut rng, count)).collect();
    compare_all(&odd, &["t", "tevv"]);
}
