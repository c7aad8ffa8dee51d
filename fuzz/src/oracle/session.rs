//! The whole way: bytes of a file, its programs on a packet, its maps shown.

use super::bytes::Bytes;
use skep::{EventKind, InputError, MapView, Options, Packet, PacketMeta, Session, read_image};
use skep_diag::{Renderer, Source};
use std::time::Duration;

/// Programs of an image that are run, and maps and entries that are shown.
const PROGS: usize = 4;
const SHOWN: usize = 16;
/// Longest value shown: a map of a gigabyte is allowed, but takes its time.
const LONG: u32 = 1 << 16;

/// Input: packet with a byte of length, file.
pub fn check(data: &[u8]) {
    let mut input = Bytes::new(data);
    let frame = input.short();
    let file = input.rest();
    let image = match read_image(file, "file") {
        Ok(read) => read.image,
        Err(InputError::Text(diags)) => {
            let text = String::from_utf8_lossy(file);
            for diag in diags.iter().take(SHOWN) {
                let _ = Renderer::plain().render(diag, &Source::new("file", &text));
            }
            return;
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let options =
        Options { insns: 50_000, time: Duration::from_secs(5), cpus: 2, ..Options::default() };
    for prog in image.progs.iter().take(PROGS) {
        match Session::load(&image, Some(&prog.name), options) {
            Ok(session) => run(session, frame),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn run(mut session: Session, frame: &[u8]) {
    let mut packet = Packet::new();
    for len in [frame.len(), frame.len() / 2, frame.len()] {
        packet.reset(&frame[..len], PacketMeta { ifindex: 1, ..PacketMeta::default() });
        match session.run(&mut packet) {
            Ok(outcome) => {
                assert!(!outcome.verdict.name.is_empty());
                assert!(outcome.clones.len() <= 1024);
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }
    session.events(&mut |event| match event.kind {
        EventKind::Print(text) => assert!(text.chars().count() < 1024),
        kind => assert!(!format!("{kind:?}").is_empty()),
    });
    session.maps().take(SHOWN).for_each(|map| show(&map));
}

fn show(map: &MapView<'_>) {
    let def = map.def();
    if def.key_size < LONG && def.value_size < LONG {
        let shown = map.entries().take(SHOWN).map(|entry| {
            let values: Vec<_> = entry.show_values().iter().map(ToString::to_string).collect();
            (entry.show_key().to_string(), values)
        });
        assert!(shown.count() <= map.len());
    }
}
