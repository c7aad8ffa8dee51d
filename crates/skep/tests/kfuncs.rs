//! Kernel functions and helpers over objects, in compiled programs of `corpus/run`.
//!
//! Each program folds what it sees into one number. The numbers here are what Linux 6.18 gave for the same
//! objects by `BPF_PROG_TEST_RUN`, over 64 bytes of zeroes, on a machine of two CPUs.

use skep::{
    Image, Kernel, Network, Options, Packet, PacketMeta, Session, Socket, Task, Transport, fit,
    read_image,
};
use skep_hooks::LinkType;
use skep_isa::Size;
use skep_map::{Fields, Map, SharedMap};
use skep_vm::{Env, Input, Machine, Vm, builtin};

fn image(name: &str) -> Image {
    let path = format!("{}/../../corpus/run/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut image = read_image(&std::fs::read(path).unwrap(), name).unwrap().image;
    // Numbers of the program's own types are all that is asked for.
    let types = image.btf.as_deref().cloned().unwrap();
    fit(&mut image, &Kernel { types: Some(&types), ..Kernel::default() }).unwrap();
    image
}

fn packet() -> Packet {
    let meta = PacketMeta { link: LinkType::ETHERNET, wire_len: 64, ..PacketMeta::default() };
    let mut packet = Packet::new();
    packet.reset(&[0; 64], meta);
    packet
}

#[test]
fn programs_over_objects_see_what_they_see_in_the_kernel() {
    let image = image("kfuncs.o");
    let kernel = [
        ("tree_shape", 2_628_698_561),
        ("list_ends", 119_863_254),
        ("throws", 65),
        ("work_queue", 4_273_993_914),
        ("task_storage", 4_238_850_693),
        ("per_cpu_object", 8_774),
    ];
    assert_eq!(image.progs.len(), kernel.len());
    let options = Options { cpus: 2, ..Options::default() };
    for (name, want) in kernel {
        let mut session = Session::load(&image, Some(name), options).unwrap();
        session.set_task(Task { tid: 3, pid: 3, ..Task::default() });
        let outcome = session.run(&mut packet()).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(outcome.verdict.code, want, "{name}");
    }
}

#[test]
fn tunnels_and_cookies_are_those_of_the_kernel() {
    let image = image("tunnel.o");
    let kernel =
        [("tunnel4", 3_994_920_814), ("tunnel6", 3_670_867_530), ("cookies", 2_469_381_225)];
    assert_eq!(image.progs.len(), kernel.len());
    for (name, want) in kernel {
        let mut session = Session::load(&image, Some(name), Options::default()).unwrap();
        let outcome = session.run(&mut packet()).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(outcome.verdict.code, want, "{name}");
    }
}

#[test]
fn tasks_and_cgroups_are_found_as_in_the_kernel() {
    let image = image("cgroup.o");
    for (name, want) in [("root_cgroup", 2_460_617_433), ("current_task", 917_264_922)] {
        let mut session = Session::load(&image, Some(name), Options::default()).unwrap();
        session.set_task(Task { tid: 9, pid: 8, cgroups: vec![1, 2], ..Task::default() });
        session.set_kernel_types(image.btf.clone().unwrap());
        let outcome = session.run(&mut packet()).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(outcome.verdict.code, want, "{name}");
    }
}

#[test]
fn connections_are_tracked_as_by_the_kernel() {
    let image = image("conntrack.o");
    let kernel = [("wrong", 2_212_926_410), ("tracked", 3_755_590_213), ("zoned", 3_755_590_213)];
    assert_eq!(image.progs.len(), kernel.len());
    for (name, want) in kernel {
        let mut session = Session::load(&image, Some(name), Options::default()).unwrap();
        session.set_kernel_types(image.btf.clone().unwrap());
        let outcome = session.run(&mut packet()).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(outcome.verdict.code, want, "{name}");
        let marks: Vec<u32> = session.connections().iter().map(|known| known.mark).collect();
        assert_eq!(marks, if name == "wrong" { vec![] } else { vec![0xabd] });
    }
}

#[test]
fn sockets_are_shown_as_structs_of_the_kernel() {
    let image = image("socket.o");
    let tcp = |local: &str, remote: Option<&str>| {
        let parse = |text: &str| text.parse().unwrap();
        Socket::new(Transport::Tcp, parse(local), remote.map(parse))
    };
    let mut listener = tcp("10.0.0.2:80", None);
    listener.flooded = true;
    let mut connected = tcp("10.0.0.2:81", Some("10.0.0.1:9"));
    connected.tcp.snd_cwnd = 33;
    connected.mark = 5;
    let sockets = vec![listener, connected, tcp("[::]:82", None)];
    let network = Network { sockets, ..Network::default() };
    for prog in ["kinds", "fields", "cookies"] {
        let mut session = Session::load(&image, Some(prog), Options::default()).unwrap();
        session.set_kernel_types(image.btf.clone().unwrap());
        session.set_network(network.clone());
        let outcome = session.run(&mut packet()).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(outcome.verdict.code, 0, "{prog} says what is wrong by the line");
    }
}

/// The verdict for a packet of so many bytes.
fn caught(len: usize) -> u32 {
    let mut session = Session::load(&image("exception.o"), None, Options::default()).unwrap();
    let meta = PacketMeta { link: LinkType::ETHERNET, wire_len: 64, ..PacketMeta::default() };
    let mut packet = Packet::new();
    packet.reset(&vec![0; len], meta);
    session.run(&mut packet).unwrap_or_else(|fault| panic!("{fault}")).verdict.code
}

#[test]
fn what_is_thrown_arrives_in_the_function_that_the_program_names() {
    assert_eq!((caught(60), caught(64)), (1060, 129));
}

/// A world where nothing happens.
struct Still;

impl Env for Still {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }

    fn random(&mut self) -> u32 {
        0
    }

    fn print(&mut self, text: String) {
        panic!("{text}");
    }
}

/// Programs that no hook runs.
#[test]
fn sets_of_cpus_and_pages_are_those_of_the_kernel() {
    for (file, want) in [("cpumask.o", 4_294_381_570), ("arena.o", 2_956_934_822)] {
        let image = image(file);
        let maps = image.maps.iter().map(|def| Map::new(def, 2).unwrap()).collect();
        let mut machine = Machine::new(builtin(), maps).with_cpus(2);
        let prog = machine.load(&image.progs[0]).unwrap();
        let output = Vm::new().run(&machine, prog, &mut Still, Input::default());
        let r0 = output.result.unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(r0 & 0xffff_ffff, want, "{file}");
    }
}

#[test]
fn ciphers_are_those_of_the_kernel() {
    let image = image("crypto.o");
    let kernel = [("setup", 4_057_686_648), ("crypt", 1_321_540_017), ("unfit", 428_165_925)];
    let maps = image.maps.iter().map(|def| Map::new(def, 2).unwrap()).collect();
    let mut machine = Machine::new(builtin(), maps).with_cpus(2);
    let progs = kernel.map(|(name, _)| machine.load(image.prog(name).unwrap()).unwrap());
    // A context stays where it is, in the value of a map, for the next program.
    let mut vm = Vm::new();
    for (prog, (name, want)) in progs.into_iter().zip(kernel) {
        let output = vm.run(&machine, prog, &mut Still, Input::default());
        let r0 = output.result.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(r0 & 0xffff_ffff, want, "{name}");
    }
}

/// The lock of a process that is no more, in a value that processes share.
#[test]
fn programs_take_the_locks_of_the_dead() {
    let text = b".map m, array, key=4, value=16, entries=1\n.section \"tc\"\np:\n r1 = 0\n \
        *(u32 *)(r10 - 4) = r1\n r1 = m ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n \
        if r0 == 0 goto out\n r6 = r0\n r1 = r6\n call bpf_spin_lock\n r1 = 5\n \
        *(u64 *)(r6 + 8) = r1\n r1 = r6\n call bpf_spin_unlock\n r0 = 1\n out: exit\n";
    let image = read_image(text, "locked.s").unwrap().image;
    let path = std::env::temp_dir().join(format!("skep-locked-{}", std::process::id()));
    std::fs::write(&path, b"").unwrap();
    let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let fields = Fields { spin_lock: Some(0), opaque: Vec::new() };
    let shared = SharedMap::create_with_fields(&image.maps[0], 1, &file, &fields).unwrap();
    let Map::KeyValue(values) = shared.map() else { panic!("an array") };
    // A number that no process has had.
    values.values().store(0, Size::W, 9 << 10 | 7).unwrap();
    let mut machine = Machine::new(builtin(), vec![shared.map().clone()]);
    let prog = machine.load(&image.progs[0]).unwrap();
    let output = Vm::new().run(&machine, prog, &mut Still, Input::default());
    assert_eq!(output.result.unwrap_or_else(|fault| panic!("{fault}")), 1);
    let word = |at| values.values().load(at, Size::W);
    assert_eq!((word(0), word(8)), (Some(0), Some(5)), "the lock is free, the value written");
}
