//! What routers tell one another.

use super::build::{cat, ether, hex, ip4, ip6, tcp4};

pub(super) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let ospf = |text: &str| ether(0x0800, &ip4(89, &hex(text)));
    let ospf6 = |text: &str| ether(0x86dd, &ip6(89, &hex(text)));
    let bgp =
        |text: &str| tcp4(40000, 179, 0x18, &[], &hex(&text.replace("MARK", &"ff".repeat(16))));
    let sctp = |text: &str| {
        ether(0x0800, &ip4(132, &cat(&[&hex("1f90 2328 01020304 00000000"), &hex(text)])))
    };
    vec![
        (
            "ospf hello",
            ospf(
                "02 01 002c 0a000001 00000000 0000 0000 0000000000000000 ffffff00 000a 02 01 00000028 0a000001 00000000",
            ),
        ),
        (
            "ospf hello neighbours",
            ospf(
                "02 01 0034 0a000001 00000001 1234 0001 7365637265740000 ffffff00 000a 12 01 00000028 0a000001 0a000002 0a000002 0a000003",
            ),
        ),
        (
            "ospf hello md5",
            ospf(
                "02 01 002c 0a000001 00000000 0000 0002 0000 01 10 00000005 ffffff00 000a 02 01 00000028 0a000001 00000000 000102030405060708090a0b0c0d0e0f",
            ),
        ),
        (
            "ospf description",
            ospf(
                "02 02 0034 0a000001 00000000 0000 0000 0000000000000000 05dc 42 07 00000001 0001 02 01 0a000001 0a000001 80000001 1234 0030",
            ),
        ),
        (
            "ospf request",
            ospf(
                "02 03 0030 0a000001 00000000 0000 0000 0000000000000000 00000001 0a000001 0a000001 00000005 0a000000 0a000001",
            ),
        ),
        (
            "ospf acknowledgement",
            ospf(
                "02 05 002c 0a000001 00000000 0000 0000 0000000000000000 0001 02 01 0a000001 0a000001 80000001 1234 0030",
            ),
        ),
        ("ospf odd", ospf("02 09 0018 0a000001 00000000 0000 0000 0000000000000000")),
        ("ospf length", ospf("02 01 00ff 0a000001 00000000 0000 0000 0000000000000000")),
        ("ospf version", ospf("07 01 0018 0a000001 00000000 0000 0000 0000000000000000")),
        (
            "ospf 3 hello",
            ospf6(
                "03 01 0028 0a000001 00000000 0000 00 00 00000005 01 000013 000a 0028 0a000001 00000000 0a000002",
            ),
        ),
        ("bgp keepalive", bgp("MARK 0013 04")),
        (
            "bgp open",
            bgp(
                "MARK 003b 01 04 fde8 00b4 0a000001 1e 02 06 0104 0001 0001 02 02 8000 02 02 0200 02 02 4600 02 06 4104 0000fde8",
            ),
        ),
        ("bgp notification", bgp("MARK 0017 03 06 02 0102")),
        ("bgp notification text", bgp("MARK 001b 03 06 02 05 68656c6c6f")),
        ("bgp refresh", bgp("MARK 0017 05 0001 00 01")),
        ("bgp two", bgp("MARK 0013 04 MARK 0013 04")),
        ("bgp after", bgp("0102030405 MARK 0013 04")),
        ("bgp odd", bgp("MARK 0013 09")),
        (
            "vrrp",
            ether(0x0800, &ip4(112, &hex("21 01 64 01 00 01 b9f3 0a0000fe 0000000000000000"))),
        ),
        (
            "vrrp password",
            ether(0x0800, &ip4(112, &hex("21 01 64 01 01 01 0000 0a0000fe 7365637265740000"))),
        ),
        ("vrrp 3", ether(0x0800, &ip4(112, &hex("31 01 64 02 0064 1234 0a0000fe 0a0000fd")))),
        ("vrrp odd", ether(0x0800, &ip4(112, &hex("27 01 64 01 00 01 b9f3 0a0000fe")))),
        (
            "sctp init",
            sctp(
                "0100 0020 01020304 0000ffff 000a 0010 00000001 0005 0008 0a000001 000c 0006 0005 0000",
            ),
        ),
        ("sctp init ack", sctp("0200 0018 01020304 0000ffff 000a 0010 00000001 8000 0004")),
        ("sctp data", sctp("0003 0014 00000001 0000 0001 00000000 68656c6c")),
        ("sctp data first", sctp("0002 0015 00000001 0000 0001 0000003c 68656c6c6f000000")),
        ("sctp sack", sctp("0300 001c 00000001 0000ffff 0002 0001 0002 0003 0005 0006 00000009")),
        ("sctp heartbeat", sctp("0400 000c 0001 0008 01020304 0500 000c 0001 0008 01020304")),
        ("sctp abort", sctp("0600 0008 000c 0004")),
        ("sctp shutdown", sctp("0700 0008 00000001 0800 0004 0e00 0004")),
        ("sctp error", sctp("0900 000c 0001 0008 0005 0000")),
        ("sctp cookie", sctp("0a00 0008 01020304 0b00 0004")),
        ("sctp unknown", sctp("c100 0008 01020304")),
        ("sctp length", sctp("0300 0002")),
    ]
}
