//! Options of sockets, transformations and flows that the user describes, in `corpus/run/described.o`.

use skep::{
    Flow, Image, Kernel, Network, Options, Packet, PacketMeta, Session, Socket, Transform,
    Transport, fit, read_image,
};
use skep_hooks::LinkType;
use std::sync::Arc;

fn image() -> Image {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/run/described.o");
    let mut image = read_image(&std::fs::read(path).unwrap(), "described.o").unwrap().image;
    // Structs of the kernel are laid out as the program's own types say.
    let types = image.btf.as_deref().cloned().unwrap();
    fit(&mut image, &Kernel { types: Some(&types), ..Kernel::default() }).unwrap();
    image
}

fn session(prog: &str, network: Network) -> Session {
    let image = image();
    let mut session = Session::load(&image, Some(prog), Options::default()).unwrap();
    session.set_kernel_types(Arc::new(image.btf.as_deref().cloned().unwrap()));
    session.set_network(network);
    session
}

/// What Linux 6.18 wrote of a listening socket, whose congestion control was `bbr`, as
/// `bpftool iter pin` shows it.
const OPTIONS: &str = "\
1.2: 0, 0 to 7: 0 1\n1.7: 0, 0 to 10000: 0 20000\n1.7: 0, 0 to 1: 0 4608\n1.8: 0, 0 to 20000: 0 40000\n\
1.8: 0, 0 to 1: 0 2304\n1.9: 0, 0 to 2: 0 1\n1.12: 0, 0 to 5: 0 5\n1.15: 0, 0 to 1: 0 1\n\
1.36: 0, 0 to 291: 0 291\n1.3: -22, -22 to 1: -22 0\n0.1: 0, 0 to 16: 0 16\n0.2: -22, -22 to 1: -22 0\n\
41.67: -22, -22 to 3: -22 0\n6.1: 0, 0 to 1: 0 1\n6.4: 0, 0 to 100: 0 100\n6.4: 0, -22 to 0: 0 100\n\
6.5: 0, -22 to 40000: 0 75\n6.5: 0, 0 to 30: 0 30\n6.6: 0, -22 to 128: 0 9\n6.6: 0, 0 to 5: 0 5\n\
6.7: 0, 0 to 3: 0 3\n6.7: 0, -22 to 0: 0 3\n6.18: 0, 0 to 1000: 0 1000\n6.18: 0, -22 to -1: 0 1000\n\
6.2: 0, -22 to 40: 0 536\n6.16: 0, 0 to 1: 0 1\n6.16: 0, -22 to 2: 0 1\n6.25: 0, 0 to 4096: 0 4096\n\
6.27: 0, 0 to 2: 0 2\n6.27: 0, -22 to 3: 0 2\n6.99: -22, -22 to 1: -22 0\n17.1: -22, -22 to 1: -22 0\n\
0 bbr\n0 0 re\n-22 0 reno\n";

#[test]
fn options_of_sockets_are_those_of_the_kernel() {
    let listening = |port| {
        let mut socket =
            Socket::new(Transport::Tcp, format!("127.0.0.1:{port}").parse().unwrap(), None);
        socket.tcp.mss_cache = 536;
        socket.congestion = "bbr".to_string();
        socket
    };
    let udp = Socket::new(Transport::Udp, "127.0.0.1:4242".parse().unwrap(), None);
    let sockets = vec![listening(80), udp, listening(4242)];
    let mut session = session("tcp_options", Network { sockets, ..Network::default() });
    let mut text = Vec::new();
    assert_eq!(session.iterate(None, &mut |bytes| text.extend_from_slice(bytes)).unwrap(), 2);
    assert_eq!(String::from_utf8(text).unwrap(), OPTIONS);
    let left = &session.network().sockets[2];
    assert_eq!((left.mark, left.priority, left.congestion.as_str()), (291, 5, "reno"));
    assert_eq!(session.network().sockets[0].mark, 0);
}

fn run(session: &mut Session) -> i32 {
    let meta = PacketMeta { link: LinkType::ETHERNET, wire_len: 64, ..PacketMeta::default() };
    let mut packet = Packet::new();
    packet.reset(&[0; 64], meta);
    session.run(&mut packet).unwrap_or_else(|fault| panic!("{fault}")).verdict.code.cast_signed()
}

#[test]
fn transformations_are_found_by_all_that_names_them() {
    let transform = Transform {
        from: "10.0.0.1".parse().unwrap(),
        to: "10.0.0.2".parse().unwrap(),
        spi: 77,
        protocol: 50,
        mark: 0x13,
        mark_mask: 0xff,
        if_id: 3,
        request: 9,
        tunnel: true,
    };
    let network = Network { transforms: vec![transform], ..Network::default() };
    for (prog, want) in [
        ("transform", 913),
        ("transform_of_other_mark", 100_002),
        ("transform_of_other_namespace", 100_064),
        ("transform_of_short_options", 100_022),
    ] {
        let mut session = session(prog, network.clone());
        assert_eq!([run(&mut session), run(&mut session)], [want; 2], "{prog}");
    }
}

#[test]
fn flows_are_found_by_both_ends() {
    let flow = Flow {
        transport: Transport::Tcp,
        from: "10.0.0.1:5000".parse().unwrap(),
        to: "10.0.0.2:443".parse().unwrap(),
        ifindex: 1,
        out: 2,
        source: [2, 0, 0, 0, 0, 1],
        dest: [2, 0, 0, 0, 0, 7],
        mtu: 1400,
    };
    let network = Network { flows: vec![flow], ..Network::default() };
    for (prog, want) in
        [("flow", 21_407), ("flow_of_other_port", 100_002), ("flow_of_other_family", 100_097)]
    {
        assert_eq!(run(&mut session(prog, network.clone())), want, "{prog}");
    }
}
