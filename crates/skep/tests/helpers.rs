//! Helpers and kernel functions of packet hooks, called by programs of a session.

use skep::{EventKind, Options, Outcome, Packet, PacketMeta, Session, read_image};
use skep_hooks::LinkType;
use skep_prog::Extern;

#[path = "helpers/dynptr.rs"]
mod dynptr;
#[path = "helpers/hostile.rs"]
mod hostile;
#[path = "helpers/kernel.rs"]
mod kernel;
#[path = "helpers/lock.rs"]
mod lock;
#[path = "helpers/map.rs"]
mod map;
#[path = "helpers/meta.rs"]
mod meta;
#[path = "helpers/network.rs"]
mod network;
#[path = "helpers/observe.rs"]
mod observe;
#[path = "helpers/timer.rs"]
mod timer;

/// An image of one program in which `@name` is a kernel function.
fn image(text: &str) -> skep::Image {
    let mut externs: Vec<Extern> = Vec::new();
    let mut asm = String::new();
    for (n, part) in text.split('@').enumerate() {
        let (name, rest) = match n {
            0 => ("", part),
            _ => part.split_at(part.find(char::is_whitespace).unwrap_or(part.len())),
        };
        if !name.is_empty() {
            asm.push_str(&format!("kfunc {}, -1", externs.len()));
            externs.push(Extern { name: name.into(), type_id: None, weak: false });
        }
        asm.push_str(rest);
    }
    let read = read_image(asm.as_bytes(), "test.s");
    let mut image = read.unwrap_or_else(|err| panic!("{err:?}")).image;
    image.progs[0].externs = externs;
    image
}

fn session(text: &str) -> Session {
    Session::load(&image(text), None, Options::default()).unwrap_or_else(|err| panic!("{err}"))
}

/// An Ethernet frame with an ethertype nobody has, numbered bytes behind it.
fn packet() -> Packet {
    let mut bytes: Vec<u8> = vec![0xff; 12];
    bytes.extend([0x88, 0xb5]);
    bytes.extend(0..50);
    let meta = PacketMeta { link: LinkType::ETHERNET, wire_len: 64, ..PacketMeta::default() };
    let mut packet = Packet::new();
    packet.reset(&bytes, meta);
    packet
}

#[track_caller]
fn run(session: &mut Session, packet: &mut Packet) -> Outcome {
    session.run(packet).unwrap_or_else(|fault| panic!("{fault}"))
}

/// What the program of a section returns for the packet.
#[track_caller]
fn r0_on(section: &str, text: &str, packet: &mut Packet) -> i64 {
    let text = format!(".section \"{section}\"\np:\n {text}\n");
    i64::from(run(&mut session(&text), packet).verdict.code.cast_signed())
}

#[track_caller]
fn r0(section: &str, text: &str) -> i64 {
    r0_on(section, text, &mut packet())
}

/// Records of ring buffers.
fn records(session: &mut Session) -> Vec<String> {
    let mut records = Vec::new();
    session.events(&mut |event| match event.kind {
        EventKind::Record(shown) => records.push(shown.to_string()),
        other => panic!("{other:?}"),
    });
    records
}
