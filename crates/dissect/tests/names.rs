//! Names in place of numbers, as tcpdump shows them without `-n`.

use skep_dissect::{Dissector, Names, Options, Packet, Time};
use std::collections::HashMap;
use std::net::IpAddr;

struct Few;

impl Names for Few {
    fn host(&mut self, addr: IpAddr) -> Option<&str> {
        (addr.to_string() == "10.0.0.2").then_some("two.example")
    }

    fn tcp_port(&mut self, port: u16) -> Option<&str> {
        (port == 80).then_some("http")
    }

    fn udp_port(&mut self, _: u16) -> Option<&str> {
        None
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let text = |pair: &[u8]| String::from_utf8(pair.to_vec()).unwrap();
    digits.chunks(2).map(|pair| u8::from_str_radix(&text(pair), 16).unwrap()).collect()
}

fn line(digits: &str) -> String {
    let bytes = bytes(digits);
    let options = Options { link: true, time: Time::No, ..Options::default() };
    let wire_len = u32::try_from(bytes.len()).unwrap();
    let packet = Packet { bytes: &bytes, wire_len, time: 0, link: 1, interface: None };
    let mut out = Vec::new();
    Dissector::new(options).with_names(Box::new(Few)).line(1, &packet, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn hosts_ports_and_makers() {
    assert_eq!(
        line(
            "00000c000002 020000000001 0800 45000028 00010000 40060000 0a000001 0a000002 \
             9c40 0050 00000001 00000000 5002 2000 0000 0000"
        ),
        "02:00:00:00:00:01 (oui Unknown) > 00:00:0c:00:00:02 (oui Cisco), ethertype IPv4 (0x0800), length 54: \
         10.0.0.1.40000 > two.example.http: Flags [S], seq 1, win 8192, length 0\n"
    );
}

#[test]
fn everybody_and_protocols() {
    assert_eq!(
        line(
            "ffffffffffff 00000c000001 0800 45000018 00010000 40fd0000 0a000001 0a000002 01020304"
        ),
        "00:00:0c:00:00:01 (oui Cisco) > Broadcast, ethertype IPv4 (0x0800), length 38: \
         10.0.0.1 > two.example:  exptest-253 4\n"
    );
}

/// Cooked headers have the index of an interface; the name that a capture has for all of it is another.
#[test]
fn interfaces() {
    let cooked = |index: &str| {
        let bytes = bytes(&format!(
            "0800 0000 {index} 0304 04 00 0000000000000000 45000014 00010000 40fd0000 0a000001 0a000002"
        ));
        let interface = Some("any");
        let packet = Packet { bytes: &bytes, wire_len: 40, time: 0, link: 276, interface };
        let options = Options { time: Time::No, ..Options::default() };
        let interfaces = HashMap::from([(1, "lo".to_owned()), (0x107, "longer".to_owned())]);
        let mut out = Vec::new();
        Dissector::new(options).with_interfaces(interfaces).line(1, &packet, &mut out);
        String::from_utf8(out).unwrap()
    };
    let rest = "Out IP 10.0.0.1 > 10.0.0.2:  ip-proto-253 0\n";
    assert_eq!(cooked("00000001"), format!("lo    {rest}"));
    assert_eq!(cooked("00000107"), format!("longer {rest}"));
    assert_eq!(cooked("00000002"), format!("?     {rest}"));
}
