//! Listings that tcpdump prints, byte for byte, where it is installed.

use skep_cbpf::{CheckError, Format, check, parse, print};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Link-layer types: Ethernet, raw IP, Linux cooked, IEEE 802.11 with radiotap, BSD loopback.
const LINKS: [u32; 5] = [1, 101, 113, RADIOTAP, 0];
const RADIOTAP: u32 = 127;

const EXPRESSIONS: [&str; 44] = [
    "",
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp port 53",
    "tcp port 80 or tcp port 443",
    "host 10.0.0.1",
    "src host 10.0.0.1 and dst net 192.168.0.0/16",
    "net 2001:db8::/32",
    "host 2001:db8::1",
    "not port 22",
    "portrange 1000-2000",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[13] & 3 == 2",
    "ip[8] < 5",
    "ip[2:2] > 576",
    "ip[0] & 0xf != 5",
    "ip6[6] == 17",
    "icmp[icmptype] == icmp-echo",
    "icmp6",
    "len > 100 and len < 200",
    "less 64",
    "greater 1000",
    "proto 47",
    "ip proto \\tcp",
    "vlan",
    "vlan 100 and tcp",
    "vlan and vlan and ip",
    "mpls 100",
    "pppoes and ip",
    "ether host 00:11:22:33:44:55",
    "ether broadcast",
    "ether multicast",
    "ether[0] & 1 = 0 and ip[16] >= 224",
    "ip multicast",
    "ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0",
    "ip[4:2] % 4 == 1 and ip[4:2] / 3 * 2 > 7",
    "udp[0:2] ^ udp[2:2] == 5",
    "-ip[0] < 3",
    "tcp dst port 25 and not src host 1.2.3.4",
    "stp",
    "wlan type mgt subtype beacon",
    "iso proto \\isis",
];

/// A capture file without packets, which gives tcpdump the link-layer type.
fn capture(link: u32) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("link-{link}.pcap"));
    let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    bytes.extend(link.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    path
}

/// `None` if tcpdump takes the expression to mean nothing on this link.
fn tcpdump(capture: &Path, option: &str, expression: &str) -> Option<String> {
    let out = Command::new("tcpdump").arg("-r").arg(capture).args([option, expression]).output();
    let out = out.expect("tcpdump ran before");
    out.status.success().then(|| String::from_utf8(out.stdout).expect("ASCII"))
}

#[test]
fn listings_are_equal_byte_for_byte() {
    if let Err(error) = Command::new("tcpdump").arg("--version").output() {
        eprintln!("skipped: tcpdump: {error}");
        return;
    }
    let forms = [("-d", Format::Text), ("-dd", Format::C), ("-ddd", Format::Decimal)];
    let mut compiled = 0;
    for link in LINKS {
        let capture = capture(link);
        for expression in EXPRESSIONS {
            let texts = forms.map(|(option, _)| tcpdump(&capture, option, expression));
            let [Some(text), Some(c), Some(decimal)] = texts else { continue };
            let all = [&text, &c, &decimal]
                .map(|text| parse(text).unwrap_or_else(|e| panic!("`{expression}`: {e}\n{text}")));
            for ((insns, printed), (_, format)) in all.iter().zip([&text, &c, &decimal]).zip(forms)
            {
                assert_eq!(print(insns, format), *printed, "`{expression}` {format:?}");
                assert_eq!(print(insns, Format::Text), text, "`{expression}` {format:?}");
            }
            // libpcap leaves numbers in fields that an instruction does not use, and prints them in
            // two of the forms; as programs all three are the same.
            let programs = all.each_ref().map(|insns| check(insns));
            match &programs[0] {
                Ok(_) => {}
                // libpcap's code for headers of variable length can read a cell of scratch memory
                // that it forgot to write; Linux rejects it too.
                Err(CheckError::Uninitialised { .. }) if link == RADIOTAP => {}
                Err(error) => panic!("`{expression}`: {error}\n{text}"),
            }
            assert!(programs.iter().all(|program| *program == programs[0]), "`{expression}`");
            compiled += 1;
        }
    }
    assert!(compiled > 100, "tcpdump compiled only {compiled} expressions");
}
