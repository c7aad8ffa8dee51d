//! `skep dump -i any`: the kernel lets those packets through that the expression matches with their cooked header.

use crate::bin::{command, root, scratch};
use crate::dump_files::{in_namespace, namespace};
use std::fmt::Write as _;
use std::fs;

/// What the kernel filters.
const IN_KERNEL: &[&str] = &[
    "arp",
    "rarp or arp",
    "ip",
    "ip6",
    "not ip and not ip6",
    "tcp",
    "udp",
    "icmp",
    "icmp6",
    "sctp or igmp",
    "tcp port 80",
    "tcp dst port 80",
    "udp src port 53",
    "port 53 or port 443",
    "not port 80",
    "portrange 1-1023",
    "udp portrange 1024-65535",
    "host 10.0.0.1",
    "src host 192.0.2.1",
    "dst host 192.0.2.80",
    "host 2001:db8::1",
    "net 10.0.0.0/8",
    "src net 192.0.2.0/24",
    "net 2001:db8::/32",
    "ether proto 0x0806",
    "ether proto 0x88cc",
    "ether proto \\ip and udp",
    "ip proto 47",
    "ip6 proto 17",
    "ip[6:2] & 0x1fff != 0",
    "ip[6] & 0x20 != 0",
    "ip[8] < 64",
    "ip[0] & 0xf > 5",
    "tcp[tcpflags] & tcp-syn != 0",
    "tcp[12:2] & 0xf000 > 0x5000",
    "udp[4:2] > 100",
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
    "icmp[icmptype] = 8 or icmp6[0] = 128",
    "inbound",
    "outbound",
    "inbound and tcp",
    "ifindex 1",
    "ifindex 2 and not arp",
    "link[8:2] = 1",
    "len > 100",
    "less 74",
    "greater 75 and tcp",
    "len = 74 or len = 78",
    "ip.ttl < 64",
    "port in {53, 80, 443}",
    "host in {10.0.0.0/8, 192.0.2.1-192.0.2.9}",
];

/// What it is not asked: other bytes of the header, and places that are perhaps in it.
const HERE: &[&str] =
    &["link[11] = 6", "link[12:4] != 0", "ip[-4:4] = 0", "link[2:2] = 0", "tcp.flags.syn"];

/// Packets of many kinds, to and fro: those with a VLAN tag, which the kernel tells a filter otherwise, included.
#[test]
fn the_kernel_filters_as_the_expression_says() {
    let Some(way) = namespace() else { return };
    let dir = scratch("dump-any");
    fs::write(dir.join("pass.s"), ".section xdp\npass:\nr0 = 2\nexit\n").unwrap();
    let examples = root().join("examples");
    let all: Vec<&str> = ["", "icmp"].iter().chain(IN_KERNEL).chain(HERE).copied().collect();
    // Devices that say nothing by themselves.
    let mut script = format!(
        "cd {}; ip link add one type veth peer name two; \
         for dev in one two; do ip link set $dev addrgenmode none; ip link set $dev up; done; ip addr add 10.9.0.1/24 dev one; \
         ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev one;",
        dir.display()
    );
    for (n, expr) in all.iter().enumerate() {
        let _ = writeln!(
            script,
            "$SKEP dump -i any -B 2048 -Z root -w {n}.pcap '{expr}' 2>err.{n} & pids=\"$pids $!\""
        );
    }
    let last = all.len() - 1;
    let _ = write!(
        script,
        "for n in $(seq 0 {last}); do i=0; until grep -q listening err.$n || [ $i -gt 300 ]; do sleep 0.1; i=$((i+1)); done; done
         for name in traffic tunnels; do $SKEP run pass.s -r {}/$name.pcap -w dev:one >&2; done
         bash -c 'for n in 1 2 3; do echo hello >/dev/udp/127.0.0.1/53; echo hello >/dev/udp/10.9.0.2/53; done'
         sleep 1; kill -INT $pids; wait $pids",
        examples.display()
    );
    let is_whole = |n: usize| {
        let said = fs::read_to_string(dir.join(format!("err.{n}"))).unwrap();
        said.lines().any(|line| line.starts_with("0 packets dropped by kernel"))
    };
    // So many captures at once may miss packets on a busy host.
    const TRIES: usize = 5;
    let is_done = (0..TRIES).any(|_| {
        in_namespace(way, &script);
        (0..all.len()).all(is_whole)
    });
    assert!(is_done, "packets were dropped {TRIES} times");
    let said = |n: usize| fs::read_to_string(dir.join(format!("err.{n}"))).unwrap();
    let number = |n: usize, what: &str| -> u64 {
        let said = said(n);
        let line = said.lines().find(|line| line.ends_with(what));
        let number = line.and_then(|line| line.split(' ').next()?.parse().ok());
        number.unwrap_or_else(|| panic!("{}: {said}", all[n]))
    };
    let shown = |n: usize, expr: &str| {
        let path = dir.join(format!("{n}.pcap"));
        let mut ran = command(["dump", "-nn", "-t", "-e", "-xx", "-r"]);
        let ran = ran.arg(path).arg(expr).output().unwrap();
        assert!(ran.status.success(), "{expr}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let everything = number(0, "packets received by filter");
    assert!(everything > 100, "{everything} packets");
    for (n, expr) in all.iter().enumerate().skip(1) {
        let want = shown(0, expr);
        assert_eq!(shown(n, ""), want, "{expr}: {}", said(n));
        let is_here = said(n).contains("packets are filtered here");
        assert_eq!(is_here, HERE.contains(expr), "{expr}: {}", said(n));
        let received = number(n, "packets received by filter");
        let captured = number(n, "packets captured");
        assert!(captured <= received, "{expr}: {}", said(n));
        assert_eq!(received == everything, is_here, "{expr}: {}", said(n));
    }
    let matched = all.iter().filter(|expr| !shown(0, expr).is_empty()).count();
    assert!(matched * 4 > all.len() * 3, "only {matched} expressions match something");
}
