//! Routes and sockets that the user describes.

use super::{packet, run, session};
use skep::{Device, Neighbour, Network, Route, RouteKind, Socket, Transport};

fn network() -> Network {
    let device = |ifindex, mtu, forwarding| Device {
        ifindex,
        mac: [2, 0, 0, 0, 0, u8::try_from(ifindex).unwrap()],
        mtu,
        forwarding,
    };
    let route = |prefix: &str, len, ifindex, gateway: Option<&str>| {
        let gateway = gateway.map(|gateway| gateway.parse().unwrap());
        Route::new(prefix.parse().unwrap(), len, ifindex, gateway)
    };
    let of_kind = |prefix, kind| Route { kind, ..route(prefix, 32, 2, None) };
    let neighbour = |ifindex, addr: &str, last| Neighbour {
        ifindex,
        addr: addr.parse().unwrap(),
        mac: [6, 0, 0, 0, 0, last],
    };
    Network {
        devices: vec![device(1, 1500, true), device(2, 1400, true), device(3, 1500, false)],
        routes: vec![
            route("0.0.0.0", 0, 2, Some("10.0.0.1")),
            Route { metric: 9, ..route("10.0.0.0", 8, 1, None) },
            Route { metric: 5, mtu: Some(1000), ..route("10.0.0.0", 8, 2, None) },
            route("10.1.0.0", 16, 1, Some("fe80::1")),
            route("10.2.0.0", 16, 9, None),
            Route {
                table: 7,
                source: Some("192.0.2.9".parse().unwrap()),
                ..route("0.0.0.0", 0, 1, None)
            },
            of_kind("10.9.9.1", RouteKind::Blackhole),
            of_kind("10.9.9.2", RouteKind::Unreachable),
            of_kind("10.9.9.3", RouteKind::Prohibit),
            Route { table: 255, ..of_kind("10.9.9.4", RouteKind::Local) },
            route("2001:db8::", 32, 2, None),
        ],
        neighbours: vec![
            neighbour(2, "10.0.0.1", 1),
            neighbour(2, "10.5.5.5", 5),
            neighbour(1, "fe80::1", 6),
            neighbour(1, "8.8.8.8", 8),
            neighbour(2, "2001:db8::7", 7),
        ],
        sockets: sockets(),
        ..Network::default()
    }
}

/// What `bpf_fib_lookup` answers, and the fields it leaves.
fn fib(section: &str, fields: &[(usize, &[u8])], flags: u32) -> (i64, Vec<u8>) {
    let mut params = [0u8; 64];
    params[8] = 1;
    for (at, bytes) in fields {
        params[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    let mut asm = format!(
        ".map out, array, key=4, value=64, entries=1\n.section \"{section}\"\np:\n r6 = r1\n r1 = 0\n \
         *(u32 *)(r10 - 4) = r1\n r1 = out ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n \
         if r0 == 0 goto out\n r7 = r0\n"
    );
    for (at, byte) in params.iter().enumerate() {
        asm.push_str(&format!(" r1 = {byte}\n *(u8 *)(r7 + {at}) = r1\n"));
    }
    asm.push_str(&format!(
        " r1 = r6\n r2 = r7\n r3 = 64\n r4 = {flags}\n call bpf_fib_lookup\n out: exit\n"
    ));
    let mut session = session(&asm);
    session.set_network(network());
    let code = run(&mut session, &mut packet()).verdict.code.cast_signed();
    let out = session.maps().next().unwrap().entries().next().unwrap().value;
    (code.into(), out)
}

fn to(dst: [u8; 4]) -> Vec<(usize, Vec<u8>)> {
    vec![(0, vec![2]), (32, dst.to_vec())]
}

#[track_caller]
fn ask(fields: &[(usize, Vec<u8>)], flags: u32) -> (i64, Vec<u8>) {
    let fields: Vec<(usize, &[u8])> = fields.iter().map(|(at, b)| (*at, b.as_slice())).collect();
    fib("xdp", &fields, flags)
}

#[test]
fn the_longest_prefix_and_the_lowest_metric_win() {
    let (code, out) = ask(&to([8, 8, 8, 8]), 0);
    assert_eq!((code, &out[8..12], &out[32..36]), (0, &[2, 0, 0, 0][..], &[10, 0, 0, 1][..]));
    assert_eq!((&out[52..58], &out[58..64]), (&[2, 0, 0, 0, 0, 2][..], &[6, 0, 0, 0, 0, 1][..]));
    assert_eq!(out[6..8], 1400u16.to_le_bytes());
    let (code, out) = ask(&to([10, 5, 5, 5]), 0);
    assert_eq!((code, &out[6..8], out[12]), (0, &1000u16.to_le_bytes()[..], 5));
    let (code, out) = ask(&to([10, 1, 0, 9]), 0);
    assert_eq!((code, out[0], out[63], out[32]), (0, 10, 6, 0xfe), "a router of the other family");
    let v6 = [[0x20, 1, 0x0d, 0xb8].as_slice(), &[0; 11], &[7]].concat();
    let (code, out) = ask(&[(0, vec![10]), (32, v6)], 0);
    assert_eq!((code, out[63]), (0, 7));
}

#[test]
fn every_way_not_to_get_on_has_its_number() {
    let with = |dst, at: usize, bytes: &[u8]| {
        let mut fields = to(dst);
        fields.push((at, bytes.to_vec()));
        fields
    };
    let direct_table = 1 | 8;
    #[rustfmt::skip]
    let cases = [
        (to([10, 9, 9, 1]), 0, 1), (to([10, 9, 9, 2]), 0, 2), (to([10, 9, 9, 3]), 0, 3),
        (to([10, 9, 9, 4]), 0, 4), (to([10, 5, 5, 6]), 0, 7), (to([10, 5, 5, 6]), 4, 0),
        (to([10, 2, 0, 1]), 4, 0),
        (with([8, 8, 8, 8], 8, &[3, 0, 0, 0]), 0, 5),
        (with([8, 8, 8, 8], 8, &[77, 0, 0, 0]), 0, -19),
        (with([8, 8, 8, 8], 6, &1401u16.to_le_bytes()), 0, 8),
        (with([8, 8, 8, 8], 48, &[7, 0, 0, 0]), direct_table, 0),
        (with([8, 8, 8, 8], 48, &[6, 0, 0, 0]), direct_table, 4),
        (to([8, 8, 8, 8]), 2, 4),
        (to([8, 8, 8, 8]), 64, -22),
        (with([8, 8, 8, 8], 0, &[1]), 0, -97),
    ];
    for (n, (fields, flags, want)) in cases.iter().enumerate() {
        assert_eq!(ask(fields, *flags).0, *want, "case {n}");
    }
    let (code, out) = ask(&with([8, 8, 8, 8], 48, &[7, 0, 0, 0]), direct_table | 16);
    assert_eq!((code, &out[16..20]), (0, &[192, 0, 2, 9][..]), "the address to send from");
}

#[test]
fn a_packet_of_tc_is_measured_itself() {
    let (code, out) = fib("tc", &[(0, &[2]), (32, &[8, 8, 8, 8])], 0);
    assert_eq!((code, &out[6..8]), (0, &1400u16.to_le_bytes()[..]));
}

#[test]
fn a_length_is_held_against_a_device() {
    let check = |section: &str, ifindex: u32, len: u32, more: i32, flags: u32| {
        let mut session = session(&format!(
            ".section \"{section}\"\np:\n r2 = {len}\n *(u32 *)(r10 - 4) = r2\n r2 = {ifindex}\n r3 = r10\n \
             r3 += -4\n r4 = {more}\n r5 = {flags}\n call bpf_check_mtu\n r0 <<= 16\n \
             r1 = *(u32 *)(r10 - 4)\n r0 += r1\n exit\n"
        ));
        session.set_network(network());
        run(&mut session, &mut packet()).verdict.code.cast_signed()
    };
    for section in ["xdp", "tc"] {
        assert_eq!(check(section, 1, 0, 0, 0), 1500);
        assert_eq!(check(section, 2, 1400, 0, 0), 1400);
        assert_eq!(check(section, 2, 1401, 0, 0), (1 << 16) + 1400);
        assert_eq!(check(section, 2, 1401, -1, 0), 1400);
        assert_eq!(check(section, 2, 0, 1400, 0), (1 << 16) + 1400);
        assert_eq!(check(section, 77, 0, 0, 0), -19 << 16);
        assert_eq!(check(section, 1, 0, 0, 2), -22 << 16);
    }
    assert_eq!(check("tc", 1, 0, 0, 1), 1500);
    assert_eq!(check("xdp", 1, 0, 0, 1), -22 << 16);
}

fn sockets() -> Vec<Socket> {
    let socket = |transport, local: &str, remote: Option<&str>| Socket {
        uid: 1000,
        ..Socket::new(
            transport,
            local.parse().unwrap(),
            remote.map(|remote| remote.parse().unwrap()),
        )
    };
    vec![
        Socket { mark: 1, ..socket(Transport::Tcp, "0.0.0.0:80", None) },
        Socket { mark: 2, ..socket(Transport::Tcp, "10.0.0.2:80", None) },
        Socket { mark: 3, ..socket(Transport::Tcp, "10.0.0.2:80", Some("10.0.0.1:5000")) },
        Socket { mark: 4, ..socket(Transport::Udp, "0.0.0.0:53", None) },
        Socket { mark: 5, ifindex: 4, ..socket(Transport::Udp, "0.0.0.0:53", None) },
        Socket { mark: 6, ..socket(Transport::Tcp, "[::]:80", None) },
    ]
}

/// 12 bytes of `struct bpf_sock_tuple` at r10-16.
fn tuple(from: [u8; 4], sport: u16, to: [u8; 4], dport: u16) -> String {
    let bytes = [&from[..], &to, &sport.to_be_bytes(), &dport.to_be_bytes()].concat();
    let store =
        |(at, byte): (usize, &u8)| format!(" r2 = {byte}\n *(u8 *)(r10 - {}) = r2\n", 16 - at);
    bytes.iter().enumerate().map(store).collect()
}

/// What the program with a socket in r0 (and r6) returns.
fn sk(helper: &str, tuple: &str, len: u32, ns: i32, body: &str) -> Result<i64, String> {
    let mut session = session(&format!(
        ".section \"tc\"\np:\n{tuple} r2 = r10\n r2 += -16\n r3 = {len}\n r4 = {ns}\n r5 = 0\n call {helper}\n \
         r6 = r0\n if r0 != 0 goto +2\n r0 = -1\n exit\n {body}\n exit\n"
    ));
    session.set_network(network());
    let run = |session: &mut skep::Session| {
        let outcome = session.run(&mut packet()).map_err(|fault| fault.to_string())?;
        Ok(outcome.verdict.code.cast_signed().into())
    };
    let interpreted = run(&mut session);
    // Code that checks remembers where the socket was, for as long as it is there.
    if session.compile_checked(skep::CodeOptions::default()).is_ok() {
        assert_eq!(run(&mut session), interpreted);
    }
    interpreted
}

#[test]
fn the_closest_socket_is_found() {
    let mark = |helper, from, sport, to, dport| {
        sk(helper, &tuple(from, sport, to, dport), 12, -1, "r0 = *(u32 *)(r6 + 16)").unwrap()
    };
    let (tcp, udp) = ("bpf_sk_lookup_tcp", "bpf_sk_lookup_udp");
    let peer = [10, 0, 0, 1];
    #[rustfmt::skip]
    let cases = [
        (tcp, peer, 5000, [10, 0, 0, 2], 80, 3), ("bpf_skc_lookup_tcp", peer, 5001, [10, 0, 0, 2], 80, 2),
        (tcp, peer, 5000, [10, 0, 0, 3], 80, 1), (tcp, peer, 5000, [10, 0, 0, 3], 81, -1),
        (udp, peer, 5000, [10, 0, 0, 3], 53, 4), (udp, peer, 5000, [10, 0, 0, 3], 80, -1),
    ];
    for (helper, from, sport, to, dport, want) in cases {
        assert_eq!(mark(helper, from, sport, to, dport), want, "{helper} {sport} {to:?} {dport}");
    }
}

#[test]
fn a_socket_shows_its_ends_until_it_is_released() {
    let find = |body: &str| {
        sk("bpf_sk_lookup_tcp", &tuple([10, 0, 0, 1], 5000, [10, 0, 0, 2], 80), 12, -1, body)
    };
    let field = |size: &str, at: u32| find(&format!("r0 = *({size} *)(r6 + {at})")).unwrap();
    assert_eq!(field("u32", 4), 2);
    assert_eq!(field("u32", 24), 0x0200_000a);
    assert_eq!(field("u32", 44), 80);
    assert_eq!(field("u16", 48), i64::from(5000u16.swap_bytes()));
    assert_eq!(field("u32", 52), 0x0100_000a);
    assert_eq!(field("u32", 72), 1);
    assert_eq!(find("r1 = r6\n call bpf_sk_release").unwrap(), 0);
    assert_eq!(find("r1 = r6\n call bpf_get_listener_sock").unwrap(), 0);
    assert_eq!(find("r1 = r6\n call bpf_sk_fullsock\n r0 -= r6").unwrap(), 0);
    let after = find("r1 = r6\n call bpf_sk_release\n r0 = *(u32 *)(r6 + 0)").unwrap_err();
    assert!(after.contains("no memory there"), "{after}");
    let last = "r8 = 0\n l:\n r0 = *(u32 *)(r6 + 4)\n r8 += 1\n if r8 != 3 goto on\n r1 = r6\n \
                call bpf_sk_release\n on:\n if r8 < 5 goto l";
    assert!(find(last).unwrap_err().contains("no memory there"));
    let twice = find("r1 = r6\n call bpf_sk_release\n r1 = r6\n call bpf_sk_release").unwrap_err();
    assert!(twice.contains("a socket that was looked up"), "{twice}");
    let write = find("r1 = 1\n *(u32 *)(r6 + 0) = r1").unwrap_err();
    assert!(write.contains("socket is read-only"), "{write}");
    assert!(
        find("r0 = *(u32 *)(r6 + 80)").unwrap_err().contains("byte 80 of socket, which has 80")
    );
}

#[test]
fn what_is_no_tuple_finds_nothing() {
    let tuple = tuple([10, 0, 0, 1], 5000, [10, 0, 0, 2], 80);
    assert_eq!(sk("bpf_sk_lookup_tcp", &tuple, 11, -1, "r0 = 0"), Ok(-1));
    assert_eq!(sk("bpf_sk_lookup_tcp", &tuple, 12, 3, "r0 = 0"), Ok(-1), "another namespace");
    assert!(sk("bpf_sk_lookup_tcp", &tuple, 17, -1, "r0 = 0").unwrap_err().contains("of stack"));
}

#[test]
fn redirects_name_their_device() {
    let to = |text: &str| {
        let outcome =
            run(&mut session(&format!(".section \"tc\"\np:\n {text}\n exit\n")), &mut packet());
        (outcome.verdict.name, outcome.redirect)
    };
    assert_eq!(to("r1 = 4\n r2 = 0\n call bpf_redirect_peer"), ("TC_ACT_REDIRECT", Some(4)));
    assert_eq!(to("r1 = 4\n r2 = 1\n call bpf_redirect_peer"), ("TC_ACT_SHOT", None));
    let neigh = "r1 = 4\n r2 = 0\n r3 = 0\n r4 = 0\n call bpf_redirect_neigh";
    assert_eq!(to(neigh), ("TC_ACT_REDIRECT", Some(4)));
    assert_eq!(to(&neigh.replace("r3 = 0", "r3 = 19")), ("TC_ACT_SHOT", None));
}

/// What the program with a socket in r6 returns: `body` sets r7. Looked up as a packet to `to` would be.
fn with_socket(section: &str, to: [u8; 4], port: u16, body: &str) -> (i64, Option<usize>) {
    let asm = format!(
        ".section \"{section}\"\np:\n r8 = r1\n r7 = -1\n{} r1 = r8\n r2 = r10\n r2 += -16\n r3 = 12\n \
         r4 = -1\n r5 = 0\n call bpf_sk_lookup_tcp\n r6 = r0\n if r6 == 0 goto out\n {body}\n r1 = r6\n \
         call bpf_sk_release\n out:\n r0 = r7\n exit\n",
        tuple([10, 0, 0, 9], 5000, to, port)
    );
    let mut session = session(&asm);
    let mut network = network();
    network.sockets[0].cgroups = vec![1, 20];
    assert!(network.sockets[0].tcp.set("srtt_us", 800).is_some());
    assert!(network.sockets[0].tcp.set("icsk_retransmits", 3).is_some());
    assert!(network.sockets[0].tcp.set("bytes_acked", 1 << 40).is_some());
    assert!(network.sockets[0].tcp.set("srtt_us", 1 << 40).is_none());
    session.set_network(network);
    let outcome = run(&mut session, &mut packet());
    (outcome.verdict.code.cast_signed().into(), outcome.socket)
}

#[test]
fn a_socket_of_tcp_tells_its_state() {
    let field = |at: u32| {
        let body = format!(
            "r1 = r6\n call bpf_tcp_sock\n r9 = r0\n r1 = r6\n call bpf_tcp_sock\n r7 = -2\n \
             if r0 != r9 goto no\n r7 = *(u32 *)(r9 + {at})\n no:"
        );
        with_socket("tc", [10, 0, 0, 3], 80, &body).0
    };
    assert_eq!([field(4), field(88), field(92), field(108)], [800, 0, 256, 3]);
    let mut wrong = session(".section \"tc\"\np:\n r1 = 5\n call bpf_tcp_sock\n exit\n");
    let fault = wrong.run(&mut packet()).unwrap_err().to_string();
    assert!(fault.contains("bpf_tcp_sock: argument 1 must be a socket"), "{fault}");
}

#[test]
fn a_packet_is_steered_to_a_socket_where_it_comes_in() {
    let assign = |section: &str, flags: i32| {
        let body = format!("r1 = r8\n r2 = r6\n r3 = {flags}\n call bpf_sk_assign\n r7 = r0");
        with_socket(section, [10, 0, 0, 2], 80, &body)
    };
    assert_eq!(assign("tc/ingress", 0), (0, Some(1)));
    assert_eq!(assign("tc/ingress", 1), (-22, None));
    assert_eq!(assign("tc/egress", 0), (-95, None));
    let none = "r1 = r8\n r2 = 0\n r3 = 0\n call bpf_sk_assign\n r7 = r0";
    assert_eq!(with_socket("tc/ingress", [10, 0, 0, 2], 80, none), (-22, None));
}

#[test]
fn a_socket_has_the_cgroups_that_it_was_given() {
    let id = |body: &str| with_socket("cgroup_skb/ingress", [10, 0, 0, 3], 80, body).0;
    assert_eq!(id("r1 = r6\n call bpf_sk_cgroup_id\n r7 = r0"), 20);
    let level = |n| id(&format!("r1 = r6\n r2 = {n}\n call bpf_sk_ancestor_cgroup_id\n r7 = r0"));
    assert_eq!([level(0), level(1), level(2), level(-1)], [1, 20, 0, 0]);
}

/// A program that makes a connection with its source translated, and looks for a packet of the replies.
#[test]
fn replies_of_a_translated_connection_are_found() {
    let asm = "r6 = r1\n *(u64 *)(r10 - 16) = 0\n *(u64 *)(r10 - 8) = 0\n r1 = -1\n *(u32 *)(r10 - 16) = r1\n \
        r1 = 6\n *(u8 *)(r10 - 8) = r1\n r1 = 0x0100000a\n *(u32 *)(r10 - 32) = r1\n r1 = 0x0200000a\n \
        *(u32 *)(r10 - 28) = r1\n r1 = 0x50000500\n *(u32 *)(r10 - 24) = r1\n r1 = r6\n r2 = r10\n \
        r2 += -32\n r3 = 12\n r4 = r10\n r4 += -16\n r5 = 16\n call @bpf_xdp_ct_alloc\n \
        if r0 == 0 goto lost\n r7 = r0\n r1 = 0x090200c0\n *(u32 *)(r10 - 48) = r1\n r1 = 0\n \
        *(u32 *)(r10 - 44) = r1\n *(u64 *)(r10 - 40) = r1\n r1 = r7\n r2 = r10\n r2 += -48\n r3 = 4000\n \
        r4 = 0\n call @bpf_ct_set_nat_info\n if r0 != 0 goto lost\n r1 = r7\n \
        call @bpf_ct_insert_entry\n if r0 == 0 goto lost\n r1 = r0\n call @bpf_ct_release\n \
        r1 = 0x0200000a\n *(u32 *)(r10 - 32) = r1\n r1 = 0x090200c0\n *(u32 *)(r10 - 28) = r1\n \
        r1 = 0xa00f5000\n *(u32 *)(r10 - 24) = r1\n r1 = r6\n r2 = r10\n r2 += -32\n r3 = 12\n r4 = r10\n \
        r4 += -16\n r5 = 16\n call @bpf_xdp_ct_lookup\n if r0 == 0 goto lost\n r1 = r0\n \
        call @bpf_ct_release\n r0 = *(u8 *)(r10 - 7)\n exit\n lost: r0 = 77\n exit\n";
    let mut session = session(&format!(".section \"xdp\"\np:\n {asm}"));
    assert_eq!(run(&mut session, &mut packet()).verdict.code, 1, "the direction of replies");
    let known = session.connections();
    let [known] = &known[..] else { panic!("{known:?}") };
    let reply = ("10.0.0.2:80".parse().unwrap(), "192.0.2.9:4000".parse().unwrap());
    assert_eq!((known.from, known.reply), ("10.0.0.1:5".parse().unwrap(), reply));
    // IPS_SRC_NAT, IPS_SRC_NAT_DONE, IPS_CONFIRMED
    assert_eq!(known.status, 1 << 4 | 1 << 7 | 1 << 3);
    // The same connection once more has no room.
    assert_eq!(run(&mut session, &mut packet()).verdict.code, 77);
}
