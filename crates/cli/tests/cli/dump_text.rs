//! What packets and captures call things, in JSON and in counts.

use crate::bin::{scratch, skep};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A capture of one interface, with packets.
fn pcapng(path: &Path, interface: &[u8], packets: &[Vec<u8>]) {
    fn block(bytes: &mut Vec<u8>, kind: u32, mut body: Vec<u8>) {
        body.resize(body.len().next_multiple_of(4), 0);
        let len = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(len);
        bytes.extend(body);
        bytes.extend(len);
    }
    let mut bytes = Vec::new();
    let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    block(&mut bytes, 0x0a0d_0d0a, section);
    let mut name = interface.to_vec();
    name.resize(name.len().next_multiple_of(4), 0);
    let len = u16::try_from(interface.len()).unwrap().to_le_bytes();
    block(&mut bytes, 1, [&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0], &len[..], &name, &[0; 4]].concat());
    for packet in packets {
        let len = u32::try_from(packet.len()).unwrap();
        let header = [0, 0, 0, len, len].map(u32::to_le_bytes);
        block(&mut bytes, 6, [header.as_flattened(), packet].concat());
    }
    fs::write(path, bytes).unwrap();
}

/// A question for the address of a name of one label.
fn question(label: &[u8]) -> Vec<u8> {
    let len = u8::try_from(label.len()).unwrap();
    let dns = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, len], label, &[0, 0, 1, 0, 1]].concat();
    let (udp_len, ip_len) = (8 + dns.len(), 28 + dns.len());
    let [udp_len, ip_len] = [udp_len, ip_len].map(|len| u16::try_from(len).unwrap().to_be_bytes());
    let ether = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let ip = [&[0x45, 0], &ip_len[..], &[0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]];
    let udp = [&[4, 0, 0, 53], &udp_len[..], &[0, 0]];
    [&ether[..], &ip.concat(), &udp.concat(), &dns].concat()
}

/// JSON has names as they are; no byte of them is one that a terminal obeys.
#[test]
fn names_in_json_are_utf8() {
    let dir = scratch("dump-text-json");
    let path = dir.join("names.pcapng");
    let read = format!("dump --json -r {}", path.display());
    for (interface, name) in [
        (&b"wl\xc3\xa4n \xf0\x9f\x90\x9d"[..], "wl\u{e4}n \u{1f41d}"),
        (b"e\x1b[2J\n\t\"\\", "e\u{1b}[2J\n\t\"\\"),
        (b"\xc2\x9b2J\xe2\x80\xae", "\u{9b}2J\u{202e}"),
    ] {
        pcapng(&path, interface, &[question(interface)]);
        let ran = skep(&read);
        let record: Value = serde_json::from_str(&ran.out).expect(&ran.out);
        assert_eq!((&record["interface"], &record["dns_name"]), (&name.into(), &name.into()));
        let is_harmless = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(ran.out.chars().all(is_harmless) && ran.out.lines().count() == 1, "{}", ran.out);
    }
    assert!(skep(&read).out.contains("\"\\u009b2J\\u202e\""));
    // What is no UTF-8, a replacement for each byte.
    pcapng(&path, b"lo", &[question(b"a\xff\xfe\xc3b")]);
    let record: Value = serde_json::from_str(&skep(&read).out).unwrap();
    assert_eq!(record["dns_name"], "a\u{fffd}\u{fffd}\u{fffd}b");
}

/// Counts are rows of text, different ones for different values.
#[test]
fn names_in_counts_are_told_apart() {
    let path = scratch("dump-text-top").join("names.pcapng");
    let labels: [&[u8]; 7] =
        [b"a\xff", b"a\xfe", b"a?", b"a\\xff", b"\xc3\xa4", b"a b", b"\x1b[2J\n"];
    let packets: Vec<_> = labels.into_iter().map(question).collect();
    pcapng(&path, b"e\x1b[2Jx\nfake\t", &packets);
    let top = |fields: &str| {
        let ran = skep(&format!("dump --top {fields} -r {}", path.display()));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let values = |line: &str| line.get(26..).map(str::to_owned);
        ran.out.lines().skip(1).map(|line| values(line).expect(line)).collect::<Vec<_>>()
    };
    assert_eq!(top("interface"), ["e\\x1b[2Jx\\x0afake\\x09"]);
    let mut names = top("dns");
    names.sort();
    assert_eq!(names, ["\\x1b[2J\\x0a", "a b", "a?", "a\\x5cxff", "a\\xfe", "a\\xff", "\u{e4}"]);
    assert_eq!(top("dport,proto,interface"), ["53 udp e\\x1b[2Jx\\x0afake\\x09"]);
}
