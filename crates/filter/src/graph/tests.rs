//! Programs that are no larger than libpcap 1.10's, by what it takes, and that mean what they say.

use crate::{Difference, Effort, ErrorKind, Expr, LinkType, Options, diff};

/// Link type, instructions of libpcap's optimised program, expression.
type Row = (&'static str, usize, &'static str);

/// A packet is at least as long as what was loaded of it.
const LENGTHS: &[Row] = &[
    ("EN10MB", 9, "! less 0 and ip proto 0x86dd && ether[tcpflags:1] = arp[12:2] || llc i"),
    ("EN10MB", 6, "not ip src net 0.0.0.0/0 || less 0"),
    ("EN10MB", 5, "(sctp[20:1]) != 5 && (vlan 10) || less 0"),
    ("EN10MB", 12, "less 0 and (rarp host 224.0.0.1 or 80)"),
    ("LINUX_SLL", 8, "less 0 && snp or (not sca)"),
    ("LINUX_SLL", 15, "rarp src host 224.0.0.1 and ip[0:2] >= sctp[16:2] or less 0 or tcp"),
    ("LINUX_SLL2", 5, "not pim || not pppoes 3 && less 0"),
    (
        "LOOP",
        35,
        "host 192.168.1.1 and arp src and dst net 10.0.0.0/8 || (len = (icmp-echo >> icmp[0:1]) && port 22)",
    ),
    ("LOOP", 23, "dst host 10.0.0.2 && 6081 or (less 0 and (sctp port 53 || csnp) || psnp || stp)"),
];

/// Loads whose values do not matter, and which reject no packet that what follows does not reject, too.
const LOADS: &[Row] = &[
    ("EN10MB", 9, "sctp src port 1024 && pppoes 3 || (arp src or dst host 10.0.0.2)"),
    ("EN10MB", 12, "byte 12 = 8 or (ip6 src and dst host fe80::2 && vlan or src host 10.1.2.3)"),
    ("EN10MB", 17, "not dst host ff02::1 and pppoes or src host 2001:db8::1 && not mpls"),
    ("EN10MB", 17, "tcp src or dst portrange 0-65535 && arp || ! ((link[12:2] <= link[8] || tcp))"),
    ("EN10MB", 37, "host 10.1.2.3 or less 60 || proto 44 || ! dst or src host ::1"),
    ("EN10MB", 46, "dst or src host ::1 or ! ::1 or src portrange 80 or tcp"),
    (
        "EN10MB",
        22,
        "not ip6 host ff02::1 and rarp src and dst host 224.0.0.1 or ip6[9:1] = 0xffff % 0x45 / sctp[100:1]",
    ),
    ("EN10MB", 12, "udp || (vlan && ip6 host fe80::2 and mpls 20 and net 10.0.0.0/30)"),
    ("NULL", 15, "udp src and dst port 22 and pppoes 3 || (src or dst host 10.1.2.3)"),
    ("PPP", 19, "net 10.0.0.0/30 && arp host 10.0.0.2 || byte 0 > 4 && pppoes"),
    (
        "EN10MB",
        29,
        "sctp src and dst portrange 50-90 and (greater 100 && ((not sca)) or tcp src portrange 80) || ! mopdl",
    ),
];

/// Operations whose result does not depend on an operand.
const NUMBERS: &[Row] = &[
    ("EN10MB", 1, "tcp-syn > 0 * len || less 0"),
    ("EN10MB", 11, "ip6[20:2] * ip6[12:2] >= 0 & ip[1]"),
    ("EN10MB", 11, "- icmp-echo < 0 << len | sctp[icmptype:4] or not stp"),
    ("EN10MB", 10, "(len > 50 && (4 % arp[6:2] & 15) != 2 / 4 >> len)"),
    (
        "EN10MB",
        15,
        "icmp6 || rarp host 10.0.0.1 || not ip src or dst host 10.0.0.1 and tcp-syn == - link[8:2]",
    ),
    ("NULL", 10, "len | 0x45 = 0 << link[13:2] | icmp[12:2]"),
    ("RAW", 6, "- 0 * tcp[0:2] == link[100]"),
    ("PFLOG", 14, "ip broadcast && link[12:2] < 6 * icmp-echo & 0 >> icmp[icmptype]"),
    ("PFLOG", 15, "- len < 15 % 2 and udp"),
    ("PFLOG", 30, "(- sctp[tcpflags:2] + 80 * icmp6[icmptype:4] == 0 & link[0] >> tcp[8:1])"),
    ("EN10MB", 9, "- 0x45 / arp[2] > arp[2]"),
    (
        "EN10MB",
        24,
        "host 255.255.255.255 && src or dst host 255.255.255.255 and arp net 10.0.0.0/8 or - ether[9:2] ^ 0x45 ^ 80 == - ether[9:2]",
    ),
];

/// Divisors that are never 0, or need only be compared with it.
const DIVISORS: &[Row] = &[
    ("C_HDLC", 20, "udp[20] >= ether[16:4] ^ 0 % len || rarp src or dst host 10.0.0.1"),
    ("LINUX_SLL2", 24, "src port 53 && (0) / len >= link[icmptype]"),
    (
        "EN10MB",
        21,
        "ip src host 10.1.2.3 || 0 >> 15 % 6 | 255 + 6 << ether[9] = sctp[13] << tcp[icmptype:1] + 255",
    ),
];

/// Ways that go on past more tests than others, and so do not join them.
const SPLITS: &[Row] = &[
    ("EN10MB", 22, "((src port 22) or not (byte 20 < 7))"),
    ("EN10MB", 29, "not dst or src portrange 50-90 || byte 20 < 7"),
    ("EN10MB", 19, "! tcp dst portrange 80-80 && byte 20 < 7"),
    ("EN10MB", 45, "! portrange 80-80 or arp host 10.0.0.2 or pppoes || sctp port 6081"),
    (
        "IEEE802_11",
        20,
        "not ether dst host 02:00:00:00:00:01 || type mgt subtype probe-req && len = 54",
    ),
    ("IEEE802_11_RADIO", 25, "broadcast || subtype beacon"),
    ("IEEE802_11", 18, "not (not ether dst ff:ff:ff:ff:ff:ff && type data subtype qos-data)"),
    (
        "EN10MB",
        29,
        "tcp port 80 && not dst host 224.0.0.1 && (((ether proto 0x800))) or tcp src or dst portrange 80",
    ),
];

/// Tests that decide nothing but what is known, and copies of others that ask for what is known.
const COPIES: &[Row] = &[
    (
        "EN10MB",
        10,
        "(dst or src host 10.0.0.2 || rarp src host 10.0.0.1) || arp && src and dst host 224.0.0.1",
    ),
    (
        "EN10MB",
        30,
        "(arp dst host 255.255.255.255 || src and dst host 255.255.255.255 || udp port 443)",
    ),
    ("C_HDLC", 14, "not arp dst host 255.255.255.255 && src and dst host 255.255.255.255"),
    ("IEEE802_11", 14, "multicast || dir tods"),
    ("EN10MB", 9, "not (not esis || esis and (multicast)) and not llc"),
    (
        "IEEE802_11",
        43,
        "ether dst or src host ff:ff:ff:ff:ff:ff || wlan addr4 01:80:c2:00:00:00 and ifindex 2",
    ),
    ("PPI", 36, "ether src host 00:01:02:03:04:05 or wlan addr4 02:00:00:00:00:01"),
];

/// Tests that go before others, whose loads do not matter where they lead.
const MOVED: &[Row] = &[
    ("EN10MB", 16, "llc test && (clnp) or byte 0 > 4 and pppoed"),
    (
        "EN10MB",
        16,
        "not arp net 10 || tcp dst portrange 0-65535 || (src or dst host 10.0.0.1 || 224.0.0.1)",
    ),
    (
        "EN10MB",
        19,
        "(rarp src or dst host 10.0.0.2 and host 10.1.2.3 || ether broadcast) and ip6 multicast",
    ),
    (
        "EN10MB",
        24,
        "host 255.255.255.255 || ip src host 192.168.1.1 or vlan && rarp src and dst host 255.255.255.255",
    ),
    ("PPP", 32, "(dst or src host 224.0.0.1) or (greater 100 || host 10.1.2.3 || 6081 or pppoed)"),
];

/// Numbers that bytes which are known make, and ones that they do not.
const BYTES: &[Row] = &[
    ("LOOP", 5, "dst port 1024 && sca || byte 0 > 4"),
    (
        "NULL",
        22,
        "byte 0 > 4 && ((portrange 80 || ! (carp))) or dst or src host 224.0.0.1 && dst or src host 10.0.0.2",
    ),
    (
        "EN10MB",
        20,
        "((link[13:4]) / ether[12] >= ip6[2:1] && src host 224.0.0.1) || tcp src or dst port 80",
    ),
    ("EN10MB", 5, "icmp && pppoed || ! byte 12 = 8"),
    ("EN10MB", 4, "ip[0:4] >= 6 and len <= 14 or ether[12:4] = 6"),
    ("EN10MB", 5, "igmp[0] < (icmp6[-1:2]) || not byte 12 = 8"),
    ("EN10MB", 17, "byte 12 = 8 and ! icmp6 && dst host 255.255.255.255 || ether broadcast"),
];

/// Two values that are compared, of which one is in a register already.
const PAIRS: &[Row] = &[
    ("PFLOG", 26, "on eth0 or lat or ip[9] = icmp[2:2]"),
    ("PFLOG", 24, "(ip[6:2] ^ icmp-echo * icmp-echo == tcp[6])"),
];

/// Indices that do not depend on an operand.
const INDICES: &[Row] = &[
    ("EN10MB", 11, "tcp[0 << ip[icmptype]:2] != 0x45 & 255"),
    ("EN10MB", 19, "udp[0 >> len:1] < icmp-echo / icmp6[-1:2] | 80"),
];

/// A value that is one of some numbers, whichever way was gone.
const ONE_OF: &[Row] = &[
    (
        "EN10MB",
        22,
        "! dst host 10.1.2.3 or greater 60 or ! udp src or dst port 80 or not ip6 multicast",
    ),
    (
        "EN10MB",
        37,
        "pim and 0xf0 >= ip6[icmptype] or (arp dst or src host 10.0.0.1) or ! src and dst portrange 443-22",
    ),
    (
        "EN10MB",
        46,
        "(! sctp src portrange 50-90 or not ether host 01:80:c2:00:00:00 && arp net 10.0.0.1/32 or ! src or dst net ff02::1)",
    ),
    ("LOOP", 21, "! udp dst or src port 80 or ! icmp[6:2] != 80 or tcp"),
    ("PPP_SERIAL", 30, "udp src or dst port 80 and 1024 && ! byte 12 = 8 || arp net 0.0.0.0/0"),
];

/// Tests of which one way does for the other: what they decide is decided behind them as well.
const NEEDLESS: &[Row] = &[
    (
        "EN10MB",
        20,
        "((ip6 host 2001:db8::1 or (! tcp port 22) and src or dst host ::1)) and (rarp) or ! len > 50 && udp dst portrange 80-80",
    ),
    (
        "EN10MB",
        34,
        "ether dst 01:80:c2:00:00:00 or (l2 or (ether src and dst host 01:80:c2:00:00:00 and ip6 src or dst host 2001:db8::1 || ! (arp src or dst host 192.168.1.1)) or sctp port 22 || rarp)",
    ),
];

/// Bits of the length, loads from where another one says, values shared by both sides, ways that go on past tests and
/// must load again.
const VARIOUS: &[Row] = &[
    ("EN10MB", 6, "len & 3 > 1 or len & 3 >= 1"),
    (
        "EN10MB",
        37,
        "(! len & 3 < 2 && ((ether[26:4] == 0x86dd) || ip6 src and dst host fe80::2) && not (dst host fe80::2 or ! llc rnr)) || 5 < (5 & ip[icmptype:4]) or ip src and dst host 10.0.0.1",
    ),
    ("EN10MB", 23, "! tcp-syn == tcp-syn + 15 << igmp[8:2] || dst net 0.0.0.0/0 or 2001:db8::1"),
    (
        "EN10MB",
        44,
        "ether src 01:80:c2:00:00:00 and net 10.1 and ether src and dst host 01:80:c2:00:00:00 || tcp src or dst port 1024",
    ),
    ("EN10MB", 18, "sctp[link[1]] >> 0 / arp[-1:1] ^ 5 < ether[2:2]"),
    (
        "EN10MB",
        12,
        "rarp dst host 224.0.0.1 && port 443 or rarp src or dst host 10.1.2.3 && ! (len >= tcp[9] | tcp[6:2] / 33 or not byte 12 = 8 and src host 255.255.255.255)",
    ),
    (
        "FRELAY",
        17,
        "dst or src net 192.168.1.0/24 or (! dst or src host 10.0.0.1 and dst or src host 224.0.0.1 && not iih)",
    ),
    (
        "IEEE802_11_RADIO",
        16,
        "(not 6 != len or not byte 0 > 4 && wlan ra 00:01:02:03:04:05) && ! ether[17] != 6",
    ),
    (
        "PFLOG",
        21,
        "ip[3] > ip[8:2] || not (dst or src host 10.0.0.1 and iso proto 44) and - igmp[20:4] == 1",
    ),
    ("PFLOG", 27, "! ip[icmptype] < - icmp[-1] << 8 || action nat"),
];

/// Chains of which one in a better order leaves another value to the next.
const CHAINED: &[Row] = &[(
    "EN10MB",
    18,
    "dst host 255.255.255.255 or (! dst or src host 192.168.1.1 && arp host 10.0.0.2)",
)];

/// Loads of some values that only proofs find to be idle, and a test whose ways do the same.
const PROVED_ONE_BY_ONE: &[Row] = &[
    (
        "EN10MB",
        81,
        "! ifindex 2 or ip6 src or dst host fe80::2 and (((! port 443) or ip host 10.1.2.3 and host fe80::2) || host 224.0.0.1) and sctp port 6081",
    ),
    (
        "EN10MB",
        33,
        "(byte 12 = 8 && ((! src or dst host ::1) && (host 224.0.0.1) && llc || len > 50)) || not (dst host 10.0.0.2) && ! decnet || pppoes",
    ),
    (
        "EN10MB",
        16,
        "len & 2 == 2 or ! dst host 10.0.0.2 and (udp[0:1]) > - tcp[100] or not dst or src host 10.0.0.2",
    ),
];

/// A value that only some ways bring along, where the others go past the test of it.
const BROUGHT: &[Row] = &[("EN10MB", 10, "ip dst host 192.168.1.1 or (lat) or outbound or pppoes")];

/// Copies on ways that a test before tells apart, of which one does for both.
const JOINED: &[Row] = &[
    ("EN10MB", 32, "iih or src port 22 or ip[9] = 6"),
    // A way that only loads what is compared with another value goes on without that.
    (
        "EN10MB",
        43,
        "(ether[12]=8 and ether[40] >= 0 and ether[20] = 1 and ether[21] = 2 and ether[22] = 3) or (not ether[12]=8 and ((ether[40] > ether[100] and ether[20] = 1 and ether[21] = 2 and ether[22] = 3 and len > 70) or (not (ether[40] > ether[100]) and ether[20] = 1 and ether[21] = 2 and ether[22] = 3 and ether[12]=3)))",
    ),
];

/// Tests of a value behind ones that leave some bits of it.
const WHOLE: &[Row] = &[("LOOP", 7, "len > 50 and not (! len & 3 != 1 && greater 100)")];

/// Loads that only a proof finds to be idle.
const PROVED: &[Row] = &[
    (
        "C_HDLC",
        11,
        "tcp src or dst port 80 || rarp host 192.168.1.1 || ! - - igmp[16:2] << 2 != tcp[13:2] and ip[8:4] == ip[10:2]",
    ),
    ("EN10MB", 23, "pppoes 3 && sctp src and dst port 443 and net 0.0.0.0/0 || vrrp"),
    (
        "EN10MB",
        35,
        "host ::1 && (src or dst net 2001:db8::/32 or not udp port 1024 || arp host 10.0.0.1 and 2 >> 1 / tcp-syn & len = len)",
    ),
    ("EN10MB", 23, "sctp portrange 80 || ! tcp[2:2] > (len) && (ether[10:4] = ip[20])"),
    ("LINUX_SLL", 13, "not ip dst or src net 0.0.0.0/0 || udp src and dst port 443"),
    ("LOOP", 6, "ip6[13] <= 0 % 5 - ip[13] << 4"),
    (
        "NULL",
        39,
        "ip6 dst or src host fe80::2 or ((sctp portrange 443-22 or iso proto 256 && (src and dst host 224.0.0.1)) && (pppoed or (not decnet) || igmp[13:2] = icmp6[16] & 33 or ! (sctp)) || len - 14 < 2 || arp)",
    ),
    ("PPP", 15, "src and dst port 80 && moprc or byte 20 < 7 and ah"),
];

#[test]
fn programs_are_no_larger_than_libpcaps() {
    let kinds = [LENGTHS, LOADS, NUMBERS, DIVISORS, SPLITS, COPIES, MOVED, BYTES, PAIRS];
    let kinds = kinds.into_iter().chain([INDICES, ONE_OF, WHOLE]).map(|rows| (rows, false));
    let smallest = [NEEDLESS, VARIOUS, CHAINED, BROUGHT, JOINED, PROVED, PROVED_ONE_BY_ONE];
    let kinds = kinds.chain(smallest.map(|rows| (rows, true)));
    let rows = kinds.flat_map(|(rows, smallest)| rows.iter().map(move |row| (row, smallest)));
    for (&(link, most, text), smallest) in rows {
        let link = LinkType::by_name(link).unwrap();
        let options = Options { link, netmask: Some(0), smallest, ..Options::default() };
        let meaning = Expr::parse(text).unwrap().meaning(&options).unwrap();
        let plain = meaning.compile(false).unwrap();
        let program = match meaning.compile(true) {
            Ok(program) => program,
            Err(error) if error.kind == ErrorKind::RejectsAll => {
                crate::program_of_all(false, options.snaplen)
            }
            Err(error) => panic!("{text}: {error}"),
        };
        let insns = program.insns().len();
        assert!(insns <= most, "{text}: {insns} instructions, libpcap {most}");
        let difference = diff(&plain, &program, Effort::default());
        assert!(matches!(difference, Difference::Equal(_)), "{text}: {difference:?}");
    }
}

/// A search tree has a test more for each sixteen numbers, which the smallest programs do without.
#[test]
fn smallest_programs_of_lists_are_no_trees() {
    let hosts: Vec<_> = (0..40).map(|at| format!("10.0.{}.1", 3 * at)).collect();
    let text = format!("ip src host {}", hosts.join(" or "));
    let insns = |smallest| {
        let options = Options { smallest, ..Options::default() };
        Expr::parse(&text).unwrap().compile(&options).unwrap().insns().len()
    };
    assert_eq!(insns(true), 45, "libpcap 45");
    assert!(insns(false) > 45);
}

/// A load that rejects packets which what follows accepts stays.
#[test]
fn loads_that_matter_stay() {
    for (text, len) in [
        // Cut inside of the ports, which do not matter.
        ("tcp src or dst portrange 0-65535 && arp || ip6", 55),
        ("not ip src net 0.0.0.0/0 || ip", 29),
        // Cut inside of what type and header are compared with, which is accepted either way.
        ("ether[12:4] >= ip[12:4] or ip[0:2] >= 0", 29),
    ] {
        let options = Options { netmask: Some(0), ..Options::default() };
        let meaning = Expr::parse(text).unwrap().meaning(&options).unwrap();
        let program = meaning.compile(true).unwrap();
        let mut bytes = vec![0; len + 1];
        (bytes[12], bytes[13]) = if len > 40 { (0x86, 0xdd) } else { (8, 0) };
        bytes[20] = 6;
        for (len, keeps) in [(len, false), (len + 1, true)] {
            let packet = skep_cbpf::Packet::new(&bytes[..len]);
            assert_eq!(program.run(&packet) != 0, keeps, "{text}, {len} bytes");
            assert_eq!(meaning.matches(&packet), keeps, "{text}, {len} bytes");
        }
    }
}

/// Values that only the fast program asks for tell no more of a packet.
#[test]
fn fast_programs_are_refused_where_small_ones_are() {
    for text in [
        "ipx and (isis and not tcp[0:1] == (tcp-syn))",
        "(udp portrange 80-80 and ! pppoes) && ip host 255.255.255.255",
        "ip and ip6 and tcp[0] = 1",
    ] {
        let compiled = [false, true].map(|fast| {
            let options = Options { fast, ..Options::default() };
            let program = Expr::parse(text).and_then(|expr| expr.compile(&options));
            program.map(|_| ()).map_err(|error| error.kind)
        });
        assert_eq!(compiled[0], compiled[1], "{text}");
    }
}

/// What is loaded tells how long a packet is at least, and nothing of single bits of that.
#[test]
fn bits_of_the_length_matter() {
    let text = "not len & 1 = 0 and not tcp";
    let program = Expr::parse(text).unwrap().compile(&Options::default()).unwrap();
    for len in 14..20 {
        let packet = skep_cbpf::Packet::new(&[0; 20][..len]);
        assert_eq!(program.run(&packet) != 0, len % 2 == 1, "{len} bytes");
    }
}

/// A tag is noted behind the tests for more of them, which are next to those before.
#[test]
fn tags_are_noted_late() {
    let options = Options { source: crate::Source::Live, ..Options::default() };
    for (text, most) in [
        ("ip6 || vlan or tcp dst or src port 22", 31),
        ("vlan || icmp[2:2] == ip6[0xfffffffc:1] & igmp[0xfffffffc:1]", 8),
    ] {
        let meaning = Expr::parse(text).unwrap().meaning(&options).unwrap();
        let program = meaning.compile(true).unwrap();
        let insns = program.insns().len();
        assert!(insns <= most, "{text}: {insns} instructions, libpcap {most}");
        let difference = diff(&meaning.compile(false).unwrap(), &program, Effort::default());
        assert!(matches!(difference, Difference::Equal(_)), "{text}: {difference:?}");
    }
}

/// Places that are counted from a load or from the length may wrap, and be none of the packet.
#[test]
fn places_that_wrap_tell_nothing() {
    let mut short = vec![0; 12];
    short.extend([8, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 255, 255, 255, 210]);
    let mut before = vec![0; 12];
    before.extend([8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 240, 0, 0]);
    let mut tail = vec![0; 12];
    tail.extend([8, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0]);
    for (text, bytes, len) in [
        ("tcp[ip[12:4]:1] = 0 and tcp[0:1] < 256", &short, 30),
        ("tcp[len:1] = 0 and tcp[0:1] < 256", &tail, 4_294_967_268),
        ("ether[ip[12:4]:1] = 0 and ip[12:4] = 0xfff00000 and ether[50:1] < 256", &before, 30),
    ] {
        let mut packet = skep_cbpf::Packet::new(bytes);
        packet.len = len;
        for (fast, smallest) in [(false, false), (true, false), (false, true)] {
            let options = Options { netmask: Some(0), fast, smallest, ..Options::default() };
            let meaning = Expr::parse(text).unwrap().meaning(&options).unwrap();
            let plain = meaning.compile(false).unwrap().run(&packet);
            assert_eq!(plain, 0, "{text}");
            let run = meaning.compile(true).map(|program| program.run(&packet));
            assert_eq!(run.unwrap_or(0), 0, "{text}, fast {fast}");
        }
    }
}

/// A left operand that waits for the right one takes no cell that the right one needs.
#[test]
fn operands_that_wait_leave_cells() {
    let text = "ip and geneve and (tcp[1:2] - (((tcp[0:1] * (udp[tcp[1:2]:1] - (udp[tcp[1:2]:1] - \
        ((udp[tcp[1:2]:1] | ((udp[tcp[1:2]:1] | ((udp[tcp[1:2]:1] | ((tcp[0:1] | (ip[8:1] * len)) | \
        icmp[ip[8:1]+tcp[1:1]:1])) + udp[tcp[1:2]:1])) ^ ip[8:1])) << (tcp[1:2] - tcp[0:1]))))) + \
        (tcp[1:2] - tcp[0:1])) * icmp[ip[8:1]+tcp[1:1]:1])) = 7";
    for (source, fast, smallest) in [
        (crate::Source::Live, false, false),
        (crate::Source::Live, true, false),
        (crate::Source::File, false, true),
    ] {
        let options = Options { source, fast, smallest, ..Options::default() };
        let program = Expr::parse(text).unwrap().compile(&options);
        assert!(program.is_ok(), "{source:?} {fast} {smallest}: {program:?}");
    }
}
