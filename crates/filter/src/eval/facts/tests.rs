use crate::{Expr, LinkType, Options, Source};
use skep_cbpf::{Device, Packet};

/// Bytes from hexadecimal digits.
fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// An Ethernet frame, from 02:00:00:00:00:01 to ff:ff:ff:ff:ff:ff.
fn frame(kind: &str, rest: &str) -> Vec<u8> {
    bytes(&format!("ffffffffffff 020000000001 {kind} {rest}"))
}

/// IPv4 from 10.0.0.1 to 10.0.0.2.
fn ip4(fragment: &str, proto: &str, rest: &str) -> String {
    format!("4500 0028 0001 {fragment} 40 {proto} 0000 0a000001 0a000002 {rest}")
}

/// IPv6 from 2001:db8::1 to 2001:db8:1::2.
fn ip6(next: &str, rest: &str) -> String {
    let (src, dst) = ("20010db8000000000000000000000001", "20010db8000100000000000000000002");
    format!("60000000 0014 {next} 40 {src} {dst} {rest}")
}

/// From port 50000 to 443.
const PORTS: &str = "c350 01bb 00000001 00000000 5002 0000 0000 0000";

/// What is said of the first condition of an expression.
#[track_caller]
fn check_on(link: LinkType, text: &str, packet: &[u8], holds: Option<bool>, want: &str) {
    let expr = Expr::parse(text).unwrap();
    let options = Options { link, netmask: Some(0xffff_ff00), ..Options::default() };
    let meaning = expr.meaning(&options).unwrap();
    let packet = Packet::new(packet);
    let reason = meaning.reasons(&expr, link, &packet).remove(0);
    let got: Vec<String> = reason.has.iter().map(ToString::to_string).collect();
    assert_eq!((reason.holds, got.join(", ").as_str()), (holds, want), "{text}");
    assert_eq!(meaning.rejection(&packet).is_some(), meaning.evaluate(&packet).is_none());
}

#[track_caller]
fn check(text: &str, packet: &[u8], holds: bool, want: &str) {
    check_on(LinkType::Ethernet, text, packet, Some(holds), want);
}

#[test]
fn ports_protocols_and_types() {
    let tcp = frame("0800", &ip4("0000", "06", PORTS));
    check("tcp dst port 443", &tcp, true, "dst port 443");
    check("tcp dst port 80", &tcp, false, "dst port 443");
    check("port 80", &tcp, false, "src port 50000, dst port 443");
    check("src and dst port 50000", &tcp, false, "src port 50000, dst port 443");
    check("port 50000", &tcp, true, "src port 50000");
    check("dst portrange 1-99", &tcp, false, "dst port 443");
    check("src port in {1-99, 50000}", &tcp, true, "src port 50000");
    check("udp port 53", &tcp, false, "protocol tcp");
    check("tcp", &tcp, true, "protocol tcp");
    check("ip6 proto 6", &tcp, false, "ether proto 0x0800 (ip)");
    check("ip protochain 17", &tcp, false, "protocol tcp");
    check("arp", &tcp, false, "ether proto 0x0800 (ip)");
    check("iso", &tcp, false, "ether proto 0x0800 (ip)");
    check("geneve", &tcp, false, "protocol tcp");
    check("geneve", &frame("0800", &ip4("0000", "11", PORTS)), false, "dst port 443");
    check("iso", &frame("0026", "4242 03"), false, "802.3 length 38");
    let fragment = frame("0800", &ip4("0010", "11", PORTS));
    check("udp port 53", &fragment, false, "fragment from byte 128");
    check("udp", &fragment, true, "protocol udp");
    // A port that is the number of an Ethernet type is none.
    let odd = frame("86dd", &ip6("06", "0800 0806 00000000"));
    check("port 2048", &odd, true, "src port 2048");
    check("dst port 2048", &odd, false, "dst port 2054");
    check("ip6 proto 17", &frame("86dd", &ip6("2c", "06")), false, "protocol 44, protocol tcp");
}

#[test]
fn addresses() {
    let tcp = frame("0800", &ip4("0000", "06", PORTS));
    check("host 10.0.0.9", &tcp, false, "src 10.0.0.1, dst 10.0.0.2");
    check("net 10.0.0.0/8", &tcp, true, "src 10.0.0.1");
    check("dst net 192.168", &tcp, false, "dst 10.0.0.2");
    check("ip src host in {10.0.0.0/30}", &tcp, true, "src 10.0.0.1");
    check("host ::1", &tcp, false, "ether proto 0x0800 (ip)");
    check("ip multicast", &tcp, false, "dst 10.0.0.2");
    check("ip broadcast", &tcp, false, "dst 10.0.0.2");
    let arp = frame("0806", "0001 0800 06 04 0001 020000000001 0a000005 000000000000 0a000006");
    check("host 10.0.0.9", &arp, false, "src 10.0.0.5, dst 10.0.0.6");
    check("tcp dst port 443", &arp, false, "ether proto 0x0806 (arp)");
    let six = frame("86dd", &ip6("06", PORTS));
    check("host ::1", &six, false, "src 2001:db8::1, dst 2001:db8:1::2");
    check("net 2001:db8::/48", &six, true, "src 2001:db8::1");
    check("dst host 2001:db8::9", &six, false, "dst 2001:db8:1::2");
    check("host in {10.0.0.1, ::1}", &six, false, "src 2001:db8::1, dst 2001:db8:1::2");
    check("ip6 multicast", &six, false, "dst 2001:db8:1::2");
    // Only the first four bytes are there, and decide.
    check("src host ::1", &six[..26], false, "src 2001:db8::/32");
    let either = "src 02:00:00:00:00:01, dst ff:ff:ff:ff:ff:ff";
    check("ether host 0:0:0:0:0:1", &tcp, false, either);
    check("ether dst 0:0:0:0:0:1", &tcp, false, "dst ff:ff:ff:ff:ff:ff");
    check("broadcast", &tcp, true, "dst ff:ff:ff:ff:ff:ff");
    check("multicast", &tcp, true, "dst ff:ff:ff:ff:ff:ff");
}

#[test]
fn tags_labels_and_lengths() {
    let tcp = frame("0800", &ip4("0000", "06", PORTS));
    let tagged = frame("8100", &format!("6007 0800 {}", ip4("0000", "06", PORTS)));
    check("vlan", &tcp, false, "no VLAN tag: ether proto 0x0800 (ip)");
    check("vlan", &tagged, true, "VLAN tag of type 0x8100");
    check("vlan 5", &tagged, false, "vlan 7");
    check("vlan in {1-9}", &tagged, true, "vlan 7");
    check("any vlan 5", &tagged, false, "vlan 7");
    check("mpls 5", &frame("8847", "00010 140"), false, "label 16");
    check("pppoes 5", &frame("8864", "1100 0009 0000 0021 45"), false, "session 9");
    check("greater 100", &tcp, false, "length 54");
    check("less 100", &tcp, true, "length 54");
    check("ether[0] & 1 = 0", &tcp, false, "");
    check("byte 14 = 1", &tcp, false, "69 (0x45)");
}

#[test]
fn words_beyond_libpcap() {
    let tcp = frame("0800", &ip4("0000", "06", PORTS));
    check("any udp port 53", &tcp, false, "protocol tcp");
    check("any tcp port 53", &tcp, false, "src port 50000, dst port 443");
    check("any net 192.168.0.0/16", &tcp, false, "src 10.0.0.1, dst 10.0.0.2");
    check("tcp.flags.ack", &tcp, false, "2 (0x2)");
    check("udp.len > 5", &tcp, false, "protocol tcp");
    check("tcp.window > 5", &tcp, false, "");
    check("tcp and payload contains \"x\"", &tcp, true, "protocol tcp");
    check("payload contains \"x\"", &tcp, false, "payload of 0 bytes");
    let inner =
        format!("4500 0028 0001 0000 40 04 0000 c0000201 c0000202 {}", ip4("0000", "06", PORTS));
    let tunnel = frame("0800", &inner);
    check("inner host 10.0.0.9", &tunnel, false, "src 10.0.0.1, dst 10.0.0.2");
}

#[test]
fn other_link_layers() {
    let ip = bytes(&ip4("0000", "06", PORTS));
    for link in [LinkType::Raw, LinkType::Ipv4] {
        check_on(link, "udp", &ip, Some(false), "protocol tcp");
        check_on(link, "port 80", &ip, Some(false), "src port 50000, dst port 443");
        check_on(link, "host 10.0.0.9", &ip, Some(false), "src 10.0.0.1, dst 10.0.0.2");
    }
    let six = bytes(&ip6("06", PORTS));
    check_on(LinkType::Ipv6, "host ::1", &six, Some(false), "src 2001:db8::1, dst 2001:db8:1::2");
    check_on(LinkType::Raw, "ip6", &ip, Some(false), "IP version 4");
    let lists = [
        (LinkType::Ppp, "ff03 0021", "PPP protocol 0x0021"),
        (LinkType::Loop, "00000002", "address family 2"),
    ];
    for (link, header, carries) in lists {
        let packet = [bytes(header), ip.clone()].concat();
        check_on(link, "ip6", &packet, Some(false), carries);
        check_on(link, "tcp dst port 80", &packet, Some(false), "dst port 443");
    }
    let relay = bytes("0000 03cc");
    check_on(LinkType::FrameRelay, "ip6", &relay, Some(false), "Frame Relay carries 0x03cc");
}

#[test]
fn what_is_missing() {
    let whole = frame("0800", &ip4("0000", "06", PORTS));
    let check = |text: &str, len: usize, want: &str| {
        check_on(LinkType::Ethernet, text, &whole[..len], None, want);
    };
    let ends = |at: u32, before: &str| format!("packet ends at byte {at}, before {before}");
    check("tcp dst port 80", 36, &ends(36, "the destination port (bytes 36-37)"));
    check("tcp dst port 80", 20, &ends(20, "the protocol (byte 23)"));
    check("tcp dst port 80", 13, &ends(13, "the Ethernet type (bytes 12-13)"));
    check("host 10.0.0.9", 30, &ends(30, "the destination address (bytes 30-33)"));
    check("tcp[100] = 1", 54, &ends(54, "byte 134"));
    check("len / (len - 54) = 1", 54, "something is divided by zero");
    // The headers at any depth are not there: nothing is said of the conditions.
    check("any tcp", 20, "");
}

#[test]
fn what_only_the_kernel_knows() {
    let tcp = frame("0800", &ip4("0000", "06", PORTS));
    let mut packet = Packet::ethernet(&tcp, 54);
    packet.meta.pkt_type = 4;
    packet.meta.device = Some(Device { index: 3, hardware: 1 });
    let options = Options { source: Source::Live, ..Options::default() };
    for (text, want) in [
        ("inbound", "from this host"),
        ("ifindex 7", "interface 3"),
        ("vlan", "no VLAN tag outside the bytes, no VLAN tag: ether proto 0x0800 (ip)"),
    ] {
        let expr = Expr::parse(text).unwrap();
        let meaning = expr.meaning(&options).unwrap();
        let reasons = meaning.reasons(&expr, LinkType::Ethernet, &packet);
        let got: Vec<String> = reasons[0].has.iter().map(ToString::to_string).collect();
        assert_eq!(got.join(", "), want, "{text}");
    }
}

#[test]
fn what_was_decided_before_was_not_reached() {
    let tcp = frame("0800", &ip4("0000", "06", PORTS));
    let reached = |text: &str| {
        let expr = Expr::parse(text).unwrap();
        let meaning = expr.meaning(&Options::default()).unwrap();
        let reasons = meaning.reasons(&expr, LinkType::Ethernet, &Packet::new(&tcp));
        reasons.iter().map(|reason| reason.reached).collect::<Vec<_>>()
    };
    assert_eq!(reached("tcp or arp"), [true, false, true]);
    assert_eq!(reached("udp or arp"), [true, true, true]);
    assert_eq!(reached("udp and not arp"), [true, false, false, true]);
    assert_eq!(reached("len / (len - 54) = 1 or ip"), [true, false, true]);
}
