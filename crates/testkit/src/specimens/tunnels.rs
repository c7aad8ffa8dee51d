//! Packets in packets.

use super::build::{bare, cat, ether, hex, ip4, ip6, tcp4, udp4, udp6};

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let frame = tcp4(40000, 80, 2, &hex("020405b4"), &[]);
    let six = udp6(1000, 2000, b"hello");
    let (ip, ip_six) = (bare(&frame), bare(&six));
    let gre =
        |header: &str, carried: &[u8]| ether(0x0800, &ip4(47, &cat(&[&hex(header), carried])));
    let vxlan = |header: &str, carried: &[u8]| udp4(50000, 4789, &cat(&[&hex(header), carried]));
    let geneve = |header: &str, carried: &[u8]| udp4(50000, 6081, &cat(&[&hex(header), carried]));
    vec![
        ("gre", gre("0000 0800", ip)),
        ("gre 6", ether(0x86dd, &ip6(47, &cat(&[&hex("0000 86dd"), ip_six])))),
        ("gre checksum", gre("8000 0800 1234 0000", ip)),
        ("gre key", gre("2000 0800 00000064", ip)),
        ("gre sequence", gre("3000 86dd 00000064 00000001", ip_six)),
        ("gre frame", gre("0000 6558", &frame)),
        ("gre routing", gre("4000 0800 0000 0000 0800 00 08 0a000001 0a000002 0000 00 00", ip)),
        ("gre mpls", gre("0000 8847 00064140", ip)),
        ("gre unknown", gre("0000 1234", &hex("0102"))),
        ("gre pptp", gre("3081 880b 0010 0001 00000001 00000002", &cat(&[&hex("ff03 0021"), ip]))),
        ("gre pptp ack", gre("2081 880b 0000 0001 00000002", &[])),
        ("gre version", gre("0002 0800", ip)),
        ("vxlan", vxlan("08000000 00006400", &frame)),
        ("vxlan odd", vxlan("00000000 00006400", &frame)),
        ("geneve", geneve("0000 6558 00006400", &frame)),
        ("geneve options", geneve("0240 6558 00006400 0102 80 01 01020304", &frame)),
        ("geneve control", geneve("0080 0800 00006400", ip)),
        ("geneve version", geneve("4000 6558 00006400", &frame)),
        ("geneve unknown", geneve("0000 1234 00006400", &hex("01020304"))),
        ("mpls in udp", udp4(50000, 6635, &cat(&[&hex("00064140"), ip]))),
        ("teredo", udp4(50000, 3544, ip_six)),
    ]
}
