//! What is known of a packet beside its bytes, and of the current thread.

use super::{packet, r0, r0_on, run, session};
use skep::{Packet, PacketMeta, Task};
use skep_hooks::LinkType;

fn frame(hex: &str) -> Packet {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    let bytes: Vec<u8> =
        digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect();
    let mut packet = Packet::new();
    packet.reset(&bytes, PacketMeta { link: LinkType::ETHERNET, ..PacketMeta::default() });
    packet
}

/// Ethernet, IPv4 with ECN, UDP.
fn udp4(src: &str, sport: &str, dst: &str, dport: &str) -> Packet {
    frame(&format!(
        "020000000001 020000000002 0800 4502 0020 0000 0000 4011 0000 {src} {dst} {sport} {dport} 000c 0000 01020304"
    ))
}

fn udp6() -> Packet {
    let (src, dst) = ("20010db8000000000000000000000001", "20010db8000000000000000000000002");
    frame(&format!(
        "020000000001 020000000002 86dd 6020 0000 000c 1140 {src} {dst} 04d2 0035 000c 0000 01020304"
    ))
}

#[test]
fn a_hash_is_that_of_the_flow_in_both_directions() {
    let hash = |packet: &mut Packet| r0_on("tc", "call bpf_get_hash_recalc\n exit", packet);
    let there = hash(&mut udp4("0a000001", "04d2", "0a000002", "0035"));
    let back = hash(&mut udp4("0a000002", "0035", "0a000001", "04d2"));
    let other = hash(&mut udp4("0a000001", "04d3", "0a000002", "0035"));
    assert_eq!(there, back);
    assert_ne!(there, other);
    assert_ne!(there, 0);
    let mut known = packet();
    known.meta.hash = 77;
    assert_eq!(hash(&mut known), 77);
    assert_ne!(hash(&mut udp6()), 0);
    let seen = "r6 = r1\n call bpf_get_hash_recalc\n r1 = *(u32 *)(r6 + 68)\n w0 -= w1\n exit";
    assert_eq!(r0_on("tc", seen, &mut udp4("0a000001", "04d2", "0a000002", "0035")), 0);
}

#[test]
fn a_protocol_changes_with_the_length_of_its_header() {
    let text = |proto: &str, flags: u32| {
        format!("r2 = {proto}\n r3 = {flags}\n call bpf_skb_change_proto\n exit")
    };
    let mut four = udp4("0a000001", "04d2", "0a000002", "0035");
    let len = four.data().len();
    assert_eq!(r0_on("tc", &text("0xdd86", 1), &mut four), -22);
    assert_eq!(r0_on("tc", &text("0x0008", 0), &mut four), -524);
    assert_eq!(r0_on("tc", &text("0xdd86", 0), &mut four), 0);
    assert_eq!((four.data().len(), four.meta.protocol), (len + 20, 0x86dd));
    assert_eq!(four.data()[14..34], [0; 20]);
    assert_eq!(four.data()[34..36], [0x45, 2]);
    let mut six = udp6();
    let len = six.data().len();
    assert_eq!(r0_on("tc", &text("0x0008", 0), &mut six), 0);
    assert_eq!((six.data().len(), six.meta.protocol), (len - 20, 0x0800));
    assert_eq!(six.data()[..6], [2, 0, 0, 0, 0, 1], "the link header stays");
    assert_eq!(r0_on("tc", &text("0xdd86", 0), &mut packet()), -524);
}

#[test]
fn the_addressee_of_a_packet_can_be_another() {
    let text = |to: u32| format!("r2 = {to}\n call bpf_skb_change_type\n exit");
    let mut packet = packet();
    for (to, want, number) in [(3, 0, 3), (4, -22, 3), (0, 0, 0), (99, -22, 0)] {
        assert_eq!(r0_on("tc", &text(to), &mut packet), want, "{to}");
        assert_eq!(packet.meta.pkt_type as u32, number);
    }
}

#[test]
fn congestion_is_marked_where_the_sender_takes_it() {
    let text = "call bpf_skb_ecn_set_ce\n exit";
    let mut four = udp4("0a000001", "04d2", "0a000002", "0035");
    four.data_mut()[24..26].copy_from_slice(&[0x66, 0xc9]);
    assert_eq!(r0_on("tc", text, &mut four), 1);
    assert_eq!((four.data()[15], &four.data()[24..26]), (3, &[0x66, 0xc8][..]));
    assert_eq!(r0_on("tc", text, &mut four), 1, "it is there already");
    assert_eq!(four.data()[24..26], [0x66, 0xc8]);
    four.data_mut()[15] = 0;
    assert_eq!(r0_on("tc", text, &mut four), 0);
    let mut six = udp6();
    assert_eq!((r0_on("tc", text, &mut six), six.data()[15]), (1, 0x30));
    assert_eq!(r0_on("tc", text, &mut packet()), 0);
}

#[test]
fn a_time_is_set_on_internet_packets() {
    let text = |time: u32, clock: u32| {
        format!("r2 = {time}\n r3 = {clock}\n call bpf_skb_set_tstamp\n exit")
    };
    let mut four = udp4("0a000001", "04d2", "0a000002", "0035");
    for (time, clock, want) in [(9, 0, 0), (0, 0, 0), (9, 1, 0), (0, 1, -22), (9, 3, -22)] {
        assert_eq!(r0_on("tc", &text(time, clock), &mut four), want, "{time} {clock}");
    }
    assert_eq!((four.meta.tstamp, four.meta.tstamp_type), (9, 1));
    assert_eq!(r0("tc", &text(9, 0)), -95);
}

#[test]
fn what_packets_of_captures_lack_is_absent_as_in_the_kernel() {
    let text = |helper: &str| {
        format!(
            "r2 = r10\n r2 += -8\n r3 = 8\n r4 = 0\n *(u64 *)(r10 - 8) = -1\n call {helper}\n \
             r1 = *(u64 *)(r10 - 8)\n if r1 != 0 goto +1\n exit\n r0 = 1\n exit"
        )
    };
    assert_eq!(r0("tc", &text("bpf_skb_get_tunnel_key")), -22);
    assert_eq!(r0("tc", &text("bpf_skb_get_tunnel_opt")), -2);
    let zero = ["bpf_get_cgroup_classid", "bpf_get_route_realm", "bpf_skb_cgroup_id"];
    for helper in zero {
        assert_eq!(r0("tc", &format!("call {helper}\n exit")), 0);
    }
}

#[test]
fn the_current_thread_is_this_one_until_another_is_set() {
    let text = ".section \"xdp\"\np:\n call bpf_get_current_pid_tgid\n r0 >>= 32\n exit\n";
    let mut session = session(text);
    assert_eq!(run(&mut session, &mut packet()).verdict.code, std::process::id());
    session.set_task(Task { pid: 5, ..Task::default() });
    assert_eq!(run(&mut session, &mut packet()).verdict.code, 5);
}

#[test]
fn a_device_tells_what_it_knows() {
    let text = |kfunc: &str, size: &str| {
        format!(
            "r2 = r10\n r2 += -8\n r3 = r10\n r3 += -16\n *(u64 *)(r10 - 8) = 0\n call @{kfunc}\n \
             if r0 != 0 goto +1\n r0 = *({size} *)(r10 - 8)\n exit"
        )
    };
    let mut packet = packet();
    let questions = [
        (text("bpf_xdp_metadata_rx_timestamp", "u64"), 77),
        (text("bpf_xdp_metadata_rx_hash", "u32"), 78),
        (text("bpf_xdp_metadata_rx_vlan_tag", "u16"), 0x81),
    ];
    for (text, _) in &questions {
        assert_eq!(r0_on("xdp", text, &mut packet), -95);
    }
    packet.meta.hwtstamp = 77;
    packet.meta.hash = 78;
    packet.meta.vlan = Some(skep_hooks::VlanTag { proto: 0x8100, tci: 5 });
    for (text, want) in &questions {
        assert_eq!(r0_on("xdp", text, &mut packet), *want, "{text}");
    }
    for (len, want) in [(64, 0), (65, -22)] {
        let text = format!("r2 = {len}\n call @bpf_xdp_pull_data\n exit");
        assert_eq!(r0("xdp", &text), want);
    }
}

#[test]
fn a_stream_of_text_is_an_event() {
    let mut session = session(
        ".section \"xdp\"\np:\n r1 = 0x0a6425203d206e ll\n *(u64 *)(r10 - 8) = r1\n r1 = 5\n \
         *(u64 *)(r10 - 16) = r1\n r1 = 1\n r2 = r10\n r2 += -8\n r3 = r10\n r3 += -16\n r4 = 8\n \
         r5 = 0\n call @bpf_stream_vprintk_impl\n exit\n",
    );
    assert_eq!(run(&mut session, &mut packet()).verdict.code, 0);
    let mut lines = Vec::new();
    session.events(&mut |event| lines.push(format!("{:?}", event.kind)));
    assert_eq!(lines, [r#"Print("n = 5\n")"#]);
}

/// What is said of a tunnel's ports and of a transformation is found again, and either excludes the other.
#[test]
fn ports_of_tunnels_and_transformations_are_kept() {
    let call = |kfunc: &str, at: i32| {
        format!("r1 = r6\n r2 = r10\n r2 += {at}\n r3 = 0\n call @{kfunc}\n ")
    };
    let start = "r6 = r1\n r1 = 0x04030201\n *(u32 *)(r10 - 16) = r1\n r1 = 9\n *(u32 *)(r10 - 12) = r1\n \
                 *(u64 *)(r10 - 8) = 0\n *(u64 *)(r10 - 24) = 0\n *(u64 *)(r10 - 32) = 0\n \
                 *(u64 *)(r10 - 40) = 0\n *(u64 *)(r10 - 48) = 0\n *(u64 *)(r10 - 56) = 0\n \
                 *(u64 *)(r10 - 64) = 0\n *(u64 *)(r10 - 72) = 0\n ";
    let tunnel = "r1 = r6\n r2 = r10\n r2 += -72\n r3 = 44\n r4 = 0\n call 21\n ";
    let read = "r0 = *(u32 *)(r10 - 8)\n exit";
    let says = |steps: &[&str]| r0("tc", &format!("{start}{}", steps.concat()));
    let (set_ports, get_ports) =
        (call("bpf_skb_set_fou_encap", -16), call("bpf_skb_get_fou_encap", -8));
    assert_eq!(says(&[&set_ports, "exit"]), -22, "without a tunnel");
    assert_eq!(says(&[&get_ports, "exit"]), -22);
    assert_eq!(says(&[tunnel, &set_ports, &get_ports, read]), 0x0403_0201);
    assert_eq!(says(&[tunnel, &set_ports, tunnel, &get_ports, read]), 0, "another tunnel");
    let (set, get) = (call("bpf_skb_set_xfrm_info", -16), call("bpf_skb_get_xfrm_info", -8));
    assert_eq!(says(&[&get, "exit"]), -22);
    assert_eq!(says(&[&set, &get, read]), 0x0403_0201);
    assert_eq!(says(&[&set, &set, "exit"]), -22, "there is one");
    assert_eq!(says(&[tunnel, &set, "exit"]), -22);
    assert_eq!(says(&[&set, tunnel, &get, "exit"]), -22, "the tunnel takes its place");
}
