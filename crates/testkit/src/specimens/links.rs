//! Link layers, and what stands next to IP.

use super::Specimen;
use super::build::{bare, cat, ether, ether_llc, hex, ip4, tcp4, udp4, udp6};

pub(super) fn all() -> Vec<Specimen> {
    let dns = udp4(
        50000,
        53,
        &hex("1a2b 0100 0001 0000 0000 0000 03777777 076578616d706c65 00 0001 0001"),
    );
    let dns6 = udp6(
        50000,
        53,
        &hex("1a2b 0100 0001 0000 0000 0000 03777777 076578616d706c65 00 001c 0001"),
    );
    let (ip, ip6) = (bare(&dns), bare(&dns6));
    let mut all = Vec::new();
    let mut add =
        |name: &str, link: u32, bytes: Vec<u8>| all.push(Specimen::new(name, link, bytes));
    add("sll", 113, cat(&[&hex("0000 0001 0006 020000000001 0000 0800"), ip]));
    add("sll outgoing", 113, cat(&[&hex("0004 0304 0006 000000000000 0000 86dd"), ip6]));
    add("sll vlan", 113, cat(&[&hex("0001 0001 0006 020000000001 0000 8100 0064 0800"), ip]));
    add("sll unknown", 113, hex("0002 0001 0006 020000000001 0000 9999 0102030405"));
    add(
        "sll llc",
        113,
        hex(
            "0003 0001 0006 020000000001 0000 0004 424203 0000 00 00 01 8000020000000001 00000000 8000020000000001 8001 0000 1400 0200 0f00",
        ),
    );
    add("sll2", 276, cat(&[&hex("0800 0000 00004242 0001 00 06 0200000000010000"), ip]));
    add("sll2 broadcast", 276, cat(&[&hex("86dd 0000 00004242 0304 01 06 0000000000000000"), ip6]));
    add(
        "sll2 vlan",
        276,
        cat(&[&hex("8100 0000 00004243 0001 04 06 0200000000010000 2064 0800"), ip]),
    );
    add("raw ip4", 101, ip.to_vec());
    add("raw ip6", 101, ip6.to_vec());
    add("raw 4", 228, ip.to_vec());
    add("raw 6", 229, ip6.to_vec());
    add("null ip4", 0, cat(&[&hex("02000000"), ip]));
    add("null ip6", 0, cat(&[&hex("0a000000"), ip6]));
    add("loop ip4", 108, cat(&[&hex("00000002"), ip]));
    add("ppp", 9, cat(&[&hex("ff03 0021"), ip]));
    add(
        "ppp lcp",
        9,
        hex("ff03 c021 01 01 0018 0104 05d4 0506 a1b2c3d4 0304 c023 0702 0802 0206 00000000"),
    );
    add("ppp ipcp", 9, hex("ff03 8021 01 02 0016 0306 0a000001 8106 08080808 8306 08080404"));
    add("ppp pap", 9, hex("ff03 c023 01 03 0011 05 616c696365 05 7365637274"));
    add("ppp chap", 9, hex("ff03 c223 01 04 000f 04 01020304 6e616d65 7877"));
    add("ppp ccp", 9, hex("ff03 80fd 01 05 000a 1206 01000040"));
    add("ppp ipv6cp", 9, hex("ff03 8057 01 06 000e 010a 0011223344556677"));
    add("ppp echo", 9, hex("ff03 c021 09 07 000c a1b2c3d4 01020304"));
    add("ppp reject", 9, hex("ff03 c021 08 07 0010 8057 01 06 000a 0106 0011 2233"));

    add("ppp serial", 50, cat(&[&hex("ff03 0021"), ip]));
    add("ppp serial lcp", 50, hex("ff03 c021 09 07 000c a1b2c3d4 01020304"));
    add("ppp serial unknown", 50, hex("4500 0021 45000014"));
    for link in [50, 104] {
        add("chdlc", link, cat(&[&hex("0f00 0800"), ip]));
        add("chdlc broadcast", link, cat(&[&hex("8f00 86dd"), ip6]));
        add("chdlc mpls", link, cat(&[&hex("0f00 8847 00064140"), ip]));
        add("chdlc unknown", link, cat(&[&hex("0f00 8021"), ip]));
        add("slarp request", link, hex("8f00 8035 00000000 00000000 00000000 ffff"));
        add("slarp reply", link, hex("0f00 8035 00000001 0a000001 ffffff00 ffff 00000000"));
        add("slarp", link, hex("8f00 8035 00000002 00000007 00000006 ffff 2f323538 0000"));
        add("slarp code", link, hex("8f00 8035 00000003 00000007 00000006 ffff"));
    }
    add("chdlc address", 104, cat(&[&hex("4500 0800"), ip]));

    let mut add = |name: &str, bytes: Vec<u8>| all.push(Specimen::new(name, 1, bytes));
    add(
        "arp request",
        ether(0x0806, &hex("0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002")),
    );
    add(
        "arp reply",
        ether(0x0806, &hex("0001 0800 06 04 0002 020000000001 0a000001 020000000002 0a000002")),
    );
    add(
        "arp announcement",
        ether(0x0806, &hex("0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000001")),
    );
    add(
        "arp probe",
        ether(0x0806, &hex("0001 0800 06 04 0001 020000000001 00000000 000000000000 0a000001")),
    );
    add(
        "rarp request",
        ether(0x8035, &hex("0001 0800 06 04 0003 020000000001 00000000 020000000001 00000000")),
    );
    add(
        "rarp reply",
        ether(0x8035, &hex("0001 0800 06 04 0004 020000000001 0a000001 020000000002 0a000002")),
    );
    add(
        "inarp request",
        ether(0x0806, &hex("0001 0800 06 04 0008 020000000001 0a000001 020000000002 0a000002")),
    );
    add(
        "inarp reply",
        ether(0x0806, &hex("0001 0800 06 04 0009 020000000001 0a000001 020000000002 0a000002")),
    );
    add(
        "arp of token ring",
        ether(0x0806, &hex("0006 0800 06 04 0001 020000000001 0a000001 020000000002 0a000002")),
    );
    for (name, circuits) in [
        ("arp of frame relay", "0002 1841 0a000001 1845 0a000002"),
        ("arp of frame relay odd", "0001 1845 0a000001 1945 0a000002"),
        ("arp of frame relay cut", "0008 1842 0a000001 1842 0a000002"),
    ] {
        add(name, ether(0x0806, &hex(&format!("000f 0800 02 04 {circuits}"))));
    }
    add(
        "arp of frame relay with four",
        ether(0x0806, &hex("000f 0800 04 04 0009 fcf2f4ff 0a000001 18407e02 0a000002")),
    );
    add(
        "arp of frame relay with three",
        ether(0x0806, &hex("000f 0800 03 04 0008 187efd 0a000001 187efe 0a000002")),
    );
    add(
        "arp of frame relay with one",
        ether(0x0806, &hex("000f 0800 01 04 0002 18 0a000001 18 0a000002")),
    );
    add(
        "arp of frame relay with six",
        ether(0x8035, &hex("000f 0800 06 04 0002 004e51100240 0a000001 ff4539c080fe 0a000002")),
    );
    add(
        "arp unknown",
        ether(0x0806, &hex("0001 0800 06 04 0077 020000000001 0a000001 020000000002 0a000002")),
    );
    add(
        "arp odd protocol",
        ether(0x0806, &hex("0001 9999 06 04 0001 020000000001 0a000001 020000000002 0a000002")),
    );
    add("arp short addresses", ether(0x0806, &hex("0001 0800 00 00 0001 0000")));
    add("vlan", ether(0x8100, &cat(&[&hex("6064 0800"), ip])));
    add("vlan dei", ether(0x8100, &cat(&[&hex("7fff 86dd"), ip6])));
    add("qinq", ether(0x88a8, &cat(&[&hex("0064 8100 00c8 0800"), ip])));
    add("qinq old", ether(0x9100, &cat(&[&hex("0064 8100 00c8 86dd"), ip6])));
    add(
        "vlan of llc",
        ether(
            0x8100,
            &hex(
                "0064 0026 424203 0000 00 00 01 8000020000000001 00000000 8000020000000001 8001 0000 1400 0200 0f00",
            ),
        ),
    );
    add(
        "vlan of arp",
        ether(
            0x8100,
            &hex("0064 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"),
        ),
    );
    add("unknown ethertype", ether(0x1234, b"whatever this may be"));
    add("loopback of nothing", ether(0x9000, &[]));
    add("loopback", ether(0x9000, &hex("0000 0002 020000000001 0001 0000 00000000")));
    add(
        "stp",
        ether_llc(
            "0180c2000000",
            &hex(
                "424203 0000 00 00 01 8000020000000001 00000004 8000020000000002 8001 0100 1400 0200 0f00",
            ),
        ),
    );
    add("stp change", ether_llc("0180c2000000", &hex("424203 0000 00 80")));
    add(
        "rstp",
        ether_llc(
            "0180c2000000",
            &hex(
                "424203 0000 02 02 7c 8000020000000001 00000004 8000020000000002 8001 0100 1400 0200 0f00 00",
            ),
        ),
    );
    add(
        "mstp",
        ether_llc(
            "0180c2000000",
            &hex(
                "424203 0000 03 02 7c 8000020000000001 00000004 8000020000000002 8001 0100 1400 0200 0f00 00 0050 00 72656769 6f6e0000 00000000 00000000 00000000 00000000 00000000 00000000 0001 ac36177f50283cd4b83821d8ab26de62 00000000 8000020000000002 14 7c 8001020000000001 00000001 80 80 14",
            ),
        ),
    );
    add(
        "pvst",
        ether_llc(
            "01000ccccccd",
            &hex(
                "aaaa03 00000c 010b 0000 00 00 01 8000020000000001 00000004 8000020000000002 8001 0100 1400 0200 0f00 0000 0000 0002 0001",
            ),
        ),
    );
    add("snap ip", ether_llc("020000000002", &cat(&[&hex("aaaa03 000000 0800"), ip])));
    add("llc supervisory", ether_llc("020000000002", &hex("f0f0 0103")));
    add("llc information", ether_llc("020000000002", &hex("f0f0 0204 01020304")));
    add("llc xid", ether_llc("020000000002", &hex("0001 af 81 01 02")));
    add("llc test", ether_llc("020000000002", &hex("0001 f3")));
    add("llc sabme", ether_llc("020000000002", &hex("f0f0 7f")));
    add("mpls", ether(0x8847, &cat(&[&hex("00064140"), ip])));
    add("mpls stack", ether(0x8847, &cat(&[&hex("0006403f 000c8bff"), ip6])));
    add(
        "mpls null",
        ether(0x8848, &cat(&[&hex("00000140"), &ip4(1, &hex("0800 f7ff 0000 0000"))])),
    );
    add("mpls alert", ether(0x8847, &hex("00001101 45000014")));
    add(
        "pppoe discovery",
        ether(
            0x8863,
            &hex("11 09 0000 0018 0101 0000 0103 0004 01020304 0102 0002 6163 0203 0000 0000 0000"),
        ),
    );
    add(
        "pppoe offer",
        ether(
            0x8863,
            &hex(
                "11 07 0000 0020 0101 0003 697370 0102 0005 6163206f6e 0104 0004 ffeeddcc 0000 0000 00000000",
            ),
        ),
    );
    add("pppoe ended", ether(0x8863, &hex("11 a7 0001 0000")));
    add("pppoe session", ether(0x8864, &cat(&[&hex("11 00 0011 0035 0021"), ip])));
    add(
        "pppoe lcp",
        ether(0x8864, &hex("11 00 0011 0010 c021 01 01 000e 0104 05d4 0506 a1b2c3d4")),
    );
    add(
        "lldp",
        ether(
            0x88cc,
            &hex(
                "0207 04 020000000001 0407 03 020000000002 0602 0078 0805 6574683030 0a04 686f7374 0c06 6c696e7578 20 0e04 0014 0004 100c 05 01 0a000001 02 00000002 00 fe06 0080c2 01 0064 fe09 00120f 01 03 6c11 001e fe06 00120f 04 05f2 0000",
            ),
        ),
    );
    add(
        "lldp data centre",
        ether(
            0x88cc,
            &hex(
                "0207 04 020000000001 0407 03 020000000002 0602 0078 fe06 0080c20805a0 fe19 0080c209cb012345670a0b0c0d0e0f10110002000200020002 fe19 0080c20a00765432101415161718191a1b0102010201020102 fe06 0080c20bd80c fe0b 0080c20c00618906820cbc fe09 0080c20d050b689e55 fe0b 0080c20e88000110001064 0000",
            ),
        ),
    );
    add(
        "lldp telephone",
        ether(
            0x88cc,
            &hex(
                "0207 04 020000000001 0407 03 020000000002 0602 0078 fe07 0012bb01003f04 fe08 0012bb020140c96e fe15 0012bb030153052c50412400000001210000000101 fe18 0012bb03021301444503064265726c696e0605416c6c6565 fe19 0012bb03021301444503064265726c696e0606537472656574 fe08 0012bb0303313132 fe07 0012bb03070102 fe07 0012bb0453007b fe07 0012bb04121000 fe06 0012bb057635 fe06 0012bb067636 fe06 0012bb077637 fe06 0012bb087638 fe06 0012bb097639 fe07 0012bb0a763130 fe07 0012bb0b763131 fe07 0012bb0c763132 0000",
            ),
        ),
    );
    add(
        "lldp exchange",
        ether(
            0x88cc,
            &hex(
                "0207 04 020000000001 0407 03 020000000002 0602 0078 fe41 001b2102020a0000000000000000000004110000e0010123456700010203040506070206060001800018040810000140008906001b21080cbc401b21100a020102 fe06 001b21010102 fe19 00005e0168747470733a2f2f6578616d706c652e6f72672f74 fe08 00005e0261626364 0000",
            ),
        ),
    );
    add("short", hex("020000000002 0200"));
    add("empty", ether(0x0800, &[]));
    add("jumbo", tcp4(1000, 2000, 0x10, &[], &[0x41; 300]));
    all
}
