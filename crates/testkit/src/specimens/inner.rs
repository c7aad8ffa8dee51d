//! IP, its own messages, and transports.

use super::build::{
    PLAIN, V4, bare, cat, ether, hex, icmp6, ip4, ip4_of, ip6, summed4, tcp4, tcp6, udp4, udp6,
};

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = internet();
    all.extend(tcp());
    all.extend(icmp());
    all.extend(icmp_six());
    all.extend(groups());
    all
}

fn internet() -> Vec<(&'static str, Vec<u8>)> {
    let udp = udp4(1000, 2000, b"hello there");
    let carried = &bare(&udp)[20..];
    let v4 = |header: &V4<'_>| ether(0x0800, &ip4_of(header, 17, carried));
    let six = udp6(1000, 2000, b"hello there");
    let carried6 = &bare(&six)[40..];
    let v6 =
        |next: u8, extension: &str| ether(0x86dd, &ip6(next, &cat(&[&hex(extension), carried6])));
    let mut wrong_sum = udp.clone();
    wrong_sum[24] ^= 1;
    let mut wrong_udp_sum = udp.clone();
    wrong_udp_sum[40] ^= 1;
    let mut no_udp_sum = udp.clone();
    no_udp_sum[40..42].fill(0);
    let mut longer = udp.clone();
    longer[17] += 10;
    let mut version = udp.clone();
    version[14] = 0x55;
    let mut short_header = udp.clone();
    short_header[14] = 0x43;
    vec![
        ("udp", udp.clone()),
        ("udp 6", six.clone()),
        ("udp checksum", wrong_udp_sum),
        ("udp without checksum", no_udp_sum),
        ("udp length", ether(0x0800, &ip4(17, &hex("03e8 07d0 0006 0000 0102")))),
        ("udp length over", ether(0x0800, &ip4(17, &hex("03e8 07d0 0040 0000 0102")))),
        ("ip checksum", wrong_sum),
        ("ip longer", longer),
        ("ip version", version),
        ("ip header short", short_header),
        ("ip tos", v4(&V4 { tos: 0xb9, ..PLAIN })),
        ("ip ttl 1", v4(&V4 { ttl: 1, ..PLAIN })),
        ("ip first fragment", v4(&V4 { fragment: 0x2000, ..PLAIN })),
        ("ip later fragment", v4(&V4 { fragment: 0x20b9, ..PLAIN })),
        ("ip last fragment", v4(&V4 { fragment: 0x00b9, ..PLAIN })),
        ("ip evil", v4(&V4 { fragment: 0x8000, ..PLAIN })),
        ("ip router alert", v4(&V4 { options: &hex("94040000"), ..PLAIN })),
        ("ip record route", v4(&V4 { options: &hex("070b08 0a000001 00000000 01"), ..PLAIN })),
        ("ip source route", v4(&V4 { options: &hex("830b04 0a000001 0a000009 00"), ..PLAIN })),
        ("ip strict route", v4(&V4 { options: &hex("890b0c 0a000001 0a000009 00"), ..PLAIN })),
        ("ip timestamps", v4(&V4 { options: &hex("440c0500 00000001 00000000"), ..PLAIN })),
        (
            "ip timestamps addressed",
            v4(&V4 { options: &hex("440c0d01 0a000001 00000001"), ..PLAIN }),
        ),
        ("ip option unknown", v4(&V4 { options: &hex("9e040102 01010100"), ..PLAIN })),
        ("ip option length", v4(&V4 { options: &hex("9e010102"), ..PLAIN })),
        ("ip protocol unknown", ether(0x0800, &ip4(253, &hex("01020304")))),
        ("ip in ip", ether(0x0800, &ip4(4, &ip4(17, carried)))),
        ("ip 6 in ip", ether(0x0800, &ip4(41, &ip6(17, carried6)))),
        ("ip in ip 6", ether(0x86dd, &ip6(4, &ip4(17, carried)))),
        ("ip 6 class", {
            let mut class = six.clone();
            class[14..18].copy_from_slice(&hex("6b812345"));
            class
        }),
        ("ip 6 hop by hop", v6(0, "11 00 0502 0000 0100")),
        ("ip 6 hop padding", v6(0, "11 01 01 04 00000000 00 00 01 02 0000 00 00")),
        ("ip 6 jumbo", v6(0, "11 00 c204 0001 0000")),
        ("ip 6 home address", v6(60, "11 02 c910 20010db8000000000000000000000009 0102 0000")),
        ("ip 6 option unknown", v6(60, "11 00 de04 01020304")),
        ("ip 6 routing", v6(43, "11 02 00 01 00000000 20010db8000000000000000000000003")),
        ("ip 6 routing mobile", v6(43, "11 02 02 01 00000000 20010db8000000000000000000000003")),
        ("ip 6 segment routing", v6(43, "11 02 04 00 00 01 0000 20010db8000000000000000000000003")),
        ("ip 6 routing unknown", v6(43, "11 00 09 00 00000000")),
        ("ip 6 first fragment", v6(44, "11 00 0001 12345678")),
        ("ip 6 later fragment", v6(44, "11 00 05a9 12345678")),
        ("ip 6 last fragment", v6(44, "11 00 05a8 12345678")),
        ("ip 6 nothing next", ether(0x86dd, &ip6(59, &[]))),
        ("ip 6 chain", v6(0, "3c 00 0104 00000000 2c 00 0104 00000000 11 00 0000 00000001")),
        ("ip 6 unknown next", ether(0x86dd, &ip6(253, &hex("01020304")))),
        ("esp", ether(0x0800, &ip4(50, &hex("00001000 00000001 0102030405060708")))),
        (
            "ah",
            ether(
                0x0800,
                &ip4(
                    51,
                    &cat(&[&hex("11 04 0000 00001000 00000001 0102030405060708090a0b0c"), carried]),
                ),
            ),
        ),
        (
            "ah 6",
            ether(
                0x86dd,
                &ip6(
                    51,
                    &cat(&[
                        &hex("11 04 0000 00001000 00000001 0102030405060708090a0b0c"),
                        carried6,
                    ]),
                ),
            ),
        ),
        ("ipcomp", ether(0x0800, &ip4(108, &hex("11 00 0002 0102030405060708")))),
        ("esp in udp", udp4(4500, 4500, &hex("00001000 00000001 0102030405060708"))),
        ("nat keepalive", udp4(4500, 4500, &hex("ff"))),
    ]
}

fn tcp() -> Vec<(&'static str, Vec<u8>)> {
    let with = |options: &str| tcp4(40000, 80, 2, &hex(options), &[]);
    let mptcp = |options: &str| tcp4(40000, 80, 0x10, &hex(options), &[]);
    let mut wrong = tcp4(40000, 80, 0x10, &[], b"abc");
    wrong[50] ^= 0x55;
    let mut offset = tcp4(40000, 80, 0x10, &[], b"abc");
    offset[46] = 0x30;
    let mut offset_over = tcp4(40000, 80, 0x10, &[], b"abc");
    offset_over[46] = 0xf0;
    let mut urgent = tcp4(40000, 80, 0x38, &[], b"abc");
    urgent[53] = 3;
    vec![
        ("tcp syn", with("020405b4 0402 080a 00000001 00000000 01 030307")),
        ("tcp syn ack", tcp4(80, 40000, 0x12, &hex("020405b4 01 01 0402 01 030309"), &[])),
        (
            "tcp 6",
            tcp6(
                40000,
                443,
                0x18,
                &hex("0101 080a 00000005 00000006"),
                &hex("1603010005 0100000100"),
            ),
        ),
        ("tcp fin", tcp4(40000, 81, 0x11, &[], &[])),
        ("tcp reset", tcp4(40000, 81, 0x14, &[], &[])),
        ("tcp reset with words", tcp4(40000, 81, 0x04, &[], b"go away")),
        ("tcp all flags", tcp4(40000, 81, 0xff, &[], b"x")),
        ("tcp no flags", tcp4(40000, 81, 0, &[], &[])),
        ("tcp checksum", wrong),
        ("tcp offset", offset),
        ("tcp offset over", offset_over),
        ("tcp urgent", urgent),
        ("tcp sack", mptcp("0101 0512 70b1b000 70b1b5b4 70b1c000 70b1c5b4")),
        ("tcp md5", with("1312 000102030405060708090a0b0c0d0e0f 0101")),
        ("tcp authentication", with("1d10 0102 000102030405060708090a0b")),
        ("tcp fast open", with("220a 0102030405060708 0101")),
        ("tcp fast open asked", with("2202 0101")),
        ("tcp experiment", with("fe04 f989 fd06 1234 5678 0101")),
        ("tcp user timeout", with("1c04 8005")),
        ("tcp option unknown", with("4d04 0102")),
        ("tcp option length", with("0203 05b4")),
        ("tcp option end", with("0101 0000")),
        ("tcp option over", with("080a 0000")),
        ("tcp echo", with("0606 01020304 0706 01020304")),
        ("tcp cc", with("0b06 01020304 0101 0c06 01020304 0101 0d06 01020304 0101")),
        ("tcp checksum options", with("0e03 01 01 0f03 01 01")),
        ("mptcp capable", with("1e0c 0181 0102030405060708")),
        ("mptcp capable both", mptcp("1e14 0181 0102030405060708 1112131415161718")),
        ("mptcp join", with("1e0c 1001 01020304 05060708")),
        (
            "mptcp join answer",
            tcp4(80, 40000, 0x12, &hex("1e10 1001 0102030405060708 01020304"), &[]),
        ),
        ("mptcp joined", mptcp("1e18 1000 000102030405060708090a0b0c0d0e0f10111213")),
        ("mptcp data", mptcp("1e14 2005 01020304 05060708 00000001 0010 abcd")),
        (
            "mptcp data long",
            mptcp("1e1c 200f 0102030405060708 1112131415161718 00000001 0010 abcd"),
        ),
        ("mptcp fin", mptcp("1e08 2011 01020304")),
        ("mptcp address", mptcp("1e0a 3401 0a000009 1f90 0101")),
        ("mptcp address 6", mptcp("1e14 3601 20010db8000000000000000000000009")),
        ("mptcp remove", mptcp("1e04 4001")),
        ("mptcp priority", mptcp("1e04 5101")),
        ("mptcp fail", mptcp("1e0c 6000 0102030405060708")),
        ("mptcp close", mptcp("1e0c 7000 0102030405060708")),
    ]
}

fn icmp() -> Vec<(&'static str, Vec<u8>)> {
    let udp = udp4(1000, 33434, b"probe");
    let tcp = tcp4(40000, 80, 2, &[], &[]);
    let about = |header: &str, of: &[u8]| summed4(1, &cat(&[&hex(header), of]));
    let (u, t) = (bare(&udp), bare(&tcp));
    let icmp = ip4(1, &hex("0800 0000 0102 0003"));
    let mut padded = u.to_vec();
    padded.resize(128, 0);
    let mut wrong = summed4(1, &hex("0800 0000 1234 0001 6162636465666768"));
    wrong[40] ^= 1;
    vec![
        ("icmp echo", summed4(1, &hex("0800 0000 1234 0001 6162636465666768"))),
        ("icmp reply", summed4(1, &hex("0000 0000 1234 0001 6162636465666768"))),
        ("icmp checksum", wrong),
        ("icmp net", about("0300 0000 00000000", u)),
        ("icmp host", about("0301 0000 00000000", t)),
        ("icmp protocol", about("0302 0000 00000000", u)),
        ("icmp port udp", about("0303 0000 00000000", u)),
        ("icmp port tcp", about("0303 0000 00000000", t)),
        ("icmp port other", about("0303 0000 00000000", &icmp)),
        ("icmp too big", about("0304 0000 00000578", t)),
        ("icmp too big old", about("0304 0000 00000000", t)),
        ("icmp source route", about("0305 0000 00000000", t)),
        ("icmp host unknown", about("0307 0000 00000000", t)),
        ("icmp host prohibited", about("030a 0000 00000000", t)),
        ("icmp prohibited", about("030d 0000 00000000", t)),
        ("icmp unreachable odd", about("03ff 0000 00000000", t)),
        ("icmp quench", about("0400 0000 00000000", t)),
        ("icmp redirect net", about("0500 0000 0a0000fe", t)),
        ("icmp redirect host", about("0501 0000 0a0000fe", t)),
        ("icmp redirect tos", about("0503 0000 0a0000fe", t)),
        ("icmp time", about("0b00 0000 00000000", u)),
        ("icmp reassembly", about("0b01 0000 00000000", u)),
        (
            "icmp time mpls",
            about("0b00 0000 00200000", &cat(&[&padded, &hex("2000 0000 0008 0101 00064140")])),
        ),
        (
            "icmp time extended",
            about(
                "0b00 0000 00200000",
                &cat(&[&padded, &hex("2000 0000 000c 0202 0102 0304 0a000001")]),
            ),
        ),
        ("icmp parameter", about("0c00 0000 14000000", u)),
        ("icmp parameter missing", about("0c01 0000 14000000", u)),
        ("icmp timestamp", summed4(1, &hex("0d00 0000 1234 0001 00e4e1c0 00000000 00000000"))),
        (
            "icmp timestamp reply",
            summed4(1, &hex("0e00 0000 1234 0001 00e4e1c0 00e4e1c1 00e4e1c2")),
        ),
        ("icmp information", summed4(1, &hex("0f00 0000 1234 0001"))),
        ("icmp mask request", summed4(1, &hex("1100 0000 1234 0001 00000000"))),
        ("icmp mask", summed4(1, &hex("1200 0000 1234 0001 ffffff00"))),
        (
            "icmp router",
            summed4(1, &hex("0900 0000 02 02 0708 0a000001 00000000 0a000002 00000001")),
        ),
        ("icmp solicitation", summed4(1, &hex("0a00 0000 00000000"))),
        ("icmp unknown", summed4(1, &hex("2c00 0000 00000000"))),
    ]
}

fn icmp_six() -> Vec<(&'static str, Vec<u8>)> {
    let udp = udp6(1000, 33434, b"probe");
    let tcp = tcp6(40000, 80, 2, &[], &[]);
    let about = |header: &str, of: &[u8]| icmp6(&cat(&[&hex(header), of]));
    let (u, t) = (bare(&udp), bare(&tcp));
    let node = "20010db8000000000000000000000002";
    let group = "ff0200000000000000000000000000fb";
    let of = |text: &str| icmp6(&hex(&text.replace("NODE", node).replace("GROUP", group)));
    let mut wrong = of("8000 0000 1234 0001 61626364");
    wrong[56] ^= 1;
    vec![
        ("icmp6 echo", of("8000 0000 1234 0001 61626364")),
        ("icmp6 reply", of("8100 0000 1234 0001 61626364")),
        ("icmp6 checksum", wrong),
        ("icmp6 route", about("0100 0000 00000000", u)),
        ("icmp6 prohibited", about("0101 0000 00000000", u)),
        ("icmp6 scope", about("0102 0000 00000000", u)),
        ("icmp6 address", about("0103 0000 00000000", u)),
        ("icmp6 port udp", about("0104 0000 00000000", u)),
        ("icmp6 port tcp", about("0104 0000 00000000", t)),
        ("icmp6 unreachable odd", about("0109 0000 00000000", t)),
        ("icmp6 too big", about("0200 0000 00000500", t)),
        ("icmp6 time", about("0300 0000 00000000", u)),
        ("icmp6 reassembly", about("0301 0000 00000000", u)),
        ("icmp6 parameter", about("0400 0000 00000028", u)),
        ("icmp6 parameter next", about("0401 0000 00000006", u)),
        ("mld query", of("8200 0000 2710 0000 00000000000000000000000000000000")),
        ("mld report", of("8300 0000 0000 0000 GROUP")),
        ("mld done", of("8400 0000 0000 0000 GROUP")),
        ("mld2 query", of("8200 0000 2710 0000 GROUP 0a 7d 0001 NODE")),
        (
            "mld2 query general",
            of("8200 0000 8710 0000 00000000000000000000000000000000 02 8d 0000"),
        ),
        ("mld2 report", of("8f00 0000 0000 0002 04 00 0000 GROUP 01 00 0001 GROUP NODE")),
        ("router solicitation", of("8500 0000 00000000 0101 020000000001")),
        (
            "router advertisement",
            of(
                "8600 0000 40 c8 0708 00000000 00000000 0101 020000000001 0501 0000 000005dc 0304 40 c0 00278d00 00093a80 00000000 20010db8000000000000000000000000 1903 0000 00000708 NODE 1f04 0000 00000708 076578616d706c65 03636f6d 00 00000000 00000000 000000 1802 40 08 00000708 20010db800000000 0701 0000 00000bb8",
            ),
        ),
        ("neighbour solicitation", of("8700 0000 00000000 NODE 0101 020000000001")),
        ("neighbour advertisement", of("8800 0000 e0000000 NODE 0201 020000000001")),
        ("neighbour odd option", of("8800 0000 60000000 NODE fd01 020000000001 0001 000000000000")),
        ("redirect", of("8900 0000 00000000 NODE GROUP 0201 020000000001 0401 000000000000")),
        ("icmp6 unknown", of("c800 0000 00000000")),
        ("node query noop", of("8b00 0000 0000 0000 0102030405060708")),
        ("node query kinds", of("8b00 0000 0001 0001 0102030405060708")),
        ("node query name", of("8b01 0000 0002 0000 0102030405060708 04 686f7374 02 6465 00")),
        ("node query draft", of("8b01 0000 0002 0000 0102030405060708 04 686f7374")),
        ("node query addresses", of("8b00 0000 0003 007e 0102030405060708 NODE")),
        ("node query of four", of("8b02 0000 0003 0000 0102030405060708 0a000001")),
        ("who are you", of("8b00 0000 0000 0000 01020304")),
        ("node reply refused", of("8c01 0000 0002 0000 0102030405060708")),
        (
            "node reply name",
            of("8c00 0000 0002 0001 0102030405060708 00000e10 04 686f7374 02 6465 00 00"),
        ),
        ("node reply addresses", of("8c00 0000 0003 0021 0102030405060708 00000e10 NODE")),
        (
            "renumbering",
            of(
                "8a00 0000 00000007 02 f8 0064 00000000 02 07 01 30 20 40 0000 NODE 40 10 c0 80 ffffffff 00000e10 80000000 NODE",
            ),
        ),
        ("renumbering result", of("8a01 0000 00000007 02 00 0064 00000001")),
        ("rpl solicitation", of("9b00 0000 0000")),
        ("rpl object", of("9b01 0000 1e f0 0100 8a 05 00 00 NODE 00 01 02 0000 04 04 00010203")),
        ("rpl advertisement", of("9b02 0000 1e c0 00 09 NODE 05 04 00010203")),
        ("rpl advertised", of("9b03 0000 1e 80 09 01 NODE")),
        ("rpl secure", of("9b81 0000 00000000")),
    ]
}

fn groups() -> Vec<(&'static str, Vec<u8>)> {
    let of = |text: &str| summed4(2, &hex(text));
    vec![
        ("igmp query", of("1164 0000 00000000")),
        ("igmp query of group", of("110a 0000 e00000fb")),
        ("igmp query 1", of("1100 0000 00000000")),
        ("igmp report 1", of("1200 0000 e00000fb")),
        ("igmp report 2", of("1600 0000 e00000fb")),
        ("igmp leave", of("1700 0000 e00000fb")),
        ("igmp query 3", of("1164 0000 e00000fb 0a 7d 0002 0a000001 0a000002")),
        ("igmp query 3 slow", of("11f4 0000 00000000 02 8d 0000")),
        (
            "igmp report 3",
            of("2200 0000 0000 0002 04 00 0000 e00000fb 01 00 0001 e00000fc 0a000001"),
        ),
        ("igmp report 3 odd", of("2200 0000 0000 0001 09 00 0000 e00000fb")),
        ("igmp trace", of("1f00 0000 e00000fb 0a000001 0a000002 0a000003 40123456")),
        ("igmp unknown", of("3300 0000 e00000fb")),
        ("dvmrp probe", of("1301 0000 0000 0e ff 00000007 0a000001 0a000002")),
        ("dvmrp report", of("1302 0000 0000 0e ff ffff00 0a0101 81 000000 0a 02 0b 83")),
        ("dvmrp neighbours", of("1304 0000 0000 0e ff 0a000001 01 02 02 0a000002 0a000003")),
        ("dvmrp neighbours 2", of("1306 0000 0000 0e 03 0a000001 01 02 73 01 0a000002")),
        ("dvmrp prune", of("1307 0000 0000 0e ff 0a000001 e00000fb 00001c20")),
        ("pim 1 query", of("1400 0000 10000000 10 00 0069")),
        ("pim 1 register", of("1401 0000 10000000 4500001c00010000 40110000 0a000001 e00000fb")),
        ("pim 1 stop", of("1402 0000 10000000 e00000fb 0a000001")),
        (
            "pim 1 join",
            of(
                "1403 0000 10000000 0a000001 0000 00d2 00 04 04 01 e00000fb ffffffff 0001 0000 01 c0 0a000002",
            ),
        ),
        (
            "pim 1 prune",
            of(
                "1403 0000 10000000 0a000001 0000 00b4 00 04 04 01 e00000fb ffffff00 0001 0001 01 e0 0a000002 00 20 0a000003",
            ),
        ),
        ("pim 1 reachable", of("1404 0000 10000000 e00000fb ffffffff 0a000001 0000 0069")),
        ("pim 1 assert", of("1405 0000 20000000 e00000fb ffffff00 0a000001 80000065 00000002")),
    ]
}
