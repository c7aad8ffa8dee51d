//! Devices, in a network namespace that each test makes for itself.

use crate::frames::{ethernet, udp4};
use skep_hooks::{
    DeviceError, LinkType, Next, Packet, PacketMeta, PacketSender, PacketSink, PacketSocket,
    PacketSource, PktType, SinkError, SocketOptions, Tap, TapKind, VlanTag,
};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Set in the process that runs within the namespace.
const INSIDE: &str = "SKEP_HOOKS_IN_NETNS";
const TIMEOUT: Duration = Duration::from_millis(100);
/// Nobody else speaks this ethertype ("local experimental", IEEE 802).
const EXPERIMENTAL: u16 = 0x88b5;

/// Runs the named test of this file once more in a fresh network namespace; `true` there.
fn in_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Err(reason) = may_unshare() {
        assert!(std::env::var_os("SKEP_REQUIRE_KERNEL").is_none(), "not skipped: {reason}");
        eprintln!("skipped: {reason}");
        return false;
    }
    let exe = std::env::current_exe().unwrap();
    let output = Command::new("unshare")
        .arg("--net")
        .arg(exe)
        .args(["--exact", &format!("live::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    false
}

fn may_unshare() -> Result<(), String> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    if !root {
        return Err("making network namespaces needs root".into());
    }
    match Command::new("unshare").args(["--net", "ip", "link"]).output() {
        Ok(output) if output.status.success() => Ok(()),
        other => Err(format!("unshare --net ip link: {other:?}")),
    }
}

fn ip(args: &str) {
    let status = Command::new("ip").args(args.split(' ')).status().unwrap();
    assert!(status.success(), "ip {args}");
}

fn up(device: &str) {
    ip(&format!("link set {device} addrgenmode none"));
    ip(&format!("link set {device} up"));
}

/// Waits until the kernel says that the device has its carrier: it drops what is sent before.
fn carries(device: &str) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let output = Command::new("ip").args(["-o", "link", "show", device]).output().unwrap();
        if String::from_utf8_lossy(&output.stdout).contains(" state UP ") {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{device} has no carrier");
}

fn options() -> SocketOptions {
    SocketOptions { promiscuous: false, outgoing: false, timeout: TIMEOUT }
}

fn packet(frame: &[u8], link: LinkType) -> Packet {
    let mut packet = Packet::new();
    packet.reset(frame, PacketMeta { link, ..PacketMeta::default() });
    packet
}

/// The next packet that the test sent, within two seconds.
fn receive(source: &mut dyn PacketSource, wanted: impl Fn(&Packet) -> bool) -> Packet {
    let start = Instant::now();
    let mut packet = Packet::new();
    while start.elapsed() < Duration::from_secs(2) {
        if source.next(&mut packet).unwrap() == Next::Packet && wanted(&packet) {
            return packet;
        }
    }
    panic!("nothing came");
}

fn silent(source: &mut dyn PacketSource) {
    let mut packet = Packet::new();
    assert_eq!(source.next(&mut packet).unwrap(), Next::Idle);
}

#[test]
fn packet_sockets() {
    if !in_namespace("packet_sockets") {
        return;
    }
    ip("link add left type veth peer name right");
    up("left");
    up("right");
    carries("left");
    carries("right");
    let mut sender = PacketSender::open("left").unwrap();
    let mut socket = PacketSocket::open("right", options()).unwrap();
    let mut echo = PacketSocket::open("left", options()).unwrap();
    let mut both =
        PacketSocket::open("left", SocketOptions { outgoing: true, ..options() }).unwrap();
    let mut all =
        PacketSocket::open("right", SocketOptions { promiscuous: true, ..options() }).unwrap();

    let mut frame = ethernet(EXPERIMENTAL);
    frame.extend([7; 50]);
    frame[0] = 0x03; // a group address
    let mut sent = packet(&frame, LinkType::ETHERNET);
    sent.meta.vlan = Some(VlanTag { proto: 0x88a8, tci: 0x2005 });
    sender.write(&sent).unwrap();

    let experimental = |p: &Packet| p.meta.protocol == EXPERIMENTAL;
    let got = receive(&mut socket, experimental);
    assert_eq!(got.data(), frame, "the kernel moved the tag beside the bytes");
    assert_eq!(got.meta.vlan, sent.meta.vlan);
    assert_eq!(got.frame().to_vec(), sent.frame().to_vec());
    assert_eq!((got.wire_len(), got.meta.pkt_type), (68, PktType::Multicast));
    assert_eq!(got.meta.ifindex, socket.interfaces()[0].ifindex);
    let age = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos()
        - u128::from(got.meta.timestamp);
    assert!(age < 60_000_000_000, "{age} ns old");
    assert!(socket.progress().read >= 64);

    silent(&mut echo);
    let got = receive(&mut both, |p| p.meta.pkt_type == PktType::Outgoing);
    assert_eq!(got.frame().to_vec(), sent.frame().to_vec());
    receive(&mut all, experimental);

    let bare = packet(&udp4(b"")[14..], LinkType::RAW);
    assert!(matches!(sender.write(&bare), Err(SinkError::Device { .. })));
}

#[test]
fn tap() {
    if !in_namespace("tap") {
        return;
    }
    let mut tap = Tap::open("skep0", TapKind::Tap, TIMEOUT).unwrap();
    up("skep0");
    let mut host = PacketSocket::open("skep0", options()).unwrap();
    let mut sender = PacketSender::open("skep0").unwrap();
    let mut frame = ethernet(EXPERIMENTAL);
    frame.extend([9; 46]);
    let sent = packet(&frame, LinkType::ETHERNET);
    let experimental = |p: &Packet| p.meta.protocol == EXPERIMENTAL;

    sender.write(&sent).unwrap();
    let got = receive(&mut tap, experimental);
    assert_eq!((got.data(), got.meta.ifindex), (&frame[..], host.interfaces()[0].ifindex));

    let mut far = tap.try_clone().unwrap();
    far.write(&got).unwrap();
    far.finish().unwrap();
    assert_eq!(receive(&mut host, experimental).data(), frame);
    silent(&mut tap);
}

#[test]
fn tun() {
    if !in_namespace("tun") {
        return;
    }
    let mut tun = Tap::open("skep0", TapKind::Tun, TIMEOUT).unwrap();
    up("skep0");
    let mut host = PacketSocket::open("skep0", options()).unwrap();
    assert_eq!(host.interfaces()[0].link, LinkType::RAW);
    let sent = packet(&udp4(b"over tun")[14..], LinkType::IPV4);
    let ours = |p: &Packet| p.data().ends_with(b"over tun");

    PacketSender::open("skep0").unwrap().write(&sent).unwrap();
    let got = receive(&mut tun, ours);
    assert_eq!((got.data(), got.meta.protocol), (sent.data(), 0x0800));
    tun.write(&got).unwrap();
    assert_eq!(receive(&mut host, ours).data(), sent.data());
    assert!(matches!(
        tun.write(&packet(&udp4(b""), LinkType::ETHERNET)),
        Err(SinkError::Device { .. })
    ));
}

#[test]
fn names_that_cannot_be() {
    for name in ["", "sixteen-letters-", "a\0b"] {
        let error = PacketSocket::open(name, options()).err();
        assert!(matches!(error, Some(DeviceError::Name { .. })), "{name:?}: {error:?}");
        let error = Tap::open(name, TapKind::Tun, TIMEOUT).err();
        assert!(matches!(error, Some(DeviceError::Name { .. })), "{name:?}: {error:?}");
    }
}

/// What is missing is said whether or not there are privileges.
#[test]
fn errors_say_what_is_needed() {
    let error = PacketSocket::open("no-such-device", options()).err().unwrap();
    assert_eq!(error.to_string(), "looking up the interface on no-such-device failed");
    match PacketSocket::open("lo", options()).err() {
        None => {}
        Some(error @ DeviceError::Permission { .. }) => assert_eq!(
            error.to_string(),
            "opening a packet socket on lo is not permitted, it needs CAP_NET_RAW"
        ),
        Some(error) => panic!("{error}"),
    }
}
