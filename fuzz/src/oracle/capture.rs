//! Captures: reading ends, hooks take every packet, and what is written reads back.

use skep_hooks::{Hook, Interface, Next, Packet, PacketSink, PacketSource, PcapngWriter, open};
use std::io::Cursor;

/// Packets read of one input; compressed ones can hold many.
const MAX_PACKETS: u32 = 100_000;
/// Packets looked at.
const KEPT: usize = 16;

const HOOKS: [Hook; 7] = [
    Hook::Xdp,
    Hook::TcIngress,
    Hook::TcEgress,
    Hook::SchedAct,
    Hook::SocketFilter,
    Hook::CgroupSkbIngress,
    Hook::CgroupSkbEgress,
];

/// Input: a file.
pub fn check(data: &[u8]) {
    let mut source = match open(Cursor::new(data.to_vec())) {
        Ok(source) => source,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let kept = read(&mut *source, MAX_PACKETS);
    assert!(source.progress().read <= data.len() as u64);
    for packet in &kept {
        HOOKS.into_iter().for_each(|hook| enter(hook, packet.clone()));
    }
    reads_back(&kept, source.interfaces());
}

/// The first packets; all up to `max` are read.
fn read(source: &mut dyn PacketSource, max: u32) -> Vec<Packet> {
    let mut kept = Vec::new();
    let mut packet = Packet::new();
    for _ in 0..max {
        match source.next(&mut packet) {
            Ok(Next::Packet) if kept.len() < KEPT => kept.push(packet.clone()),
            Ok(Next::Packet) => {}
            Ok(Next::Idle) => panic!("a file has no times without packets"),
            Ok(Next::End) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
    kept
}

fn enter(hook: Hook, mut packet: Packet) {
    if hook.is_skb() {
        packet.untag();
    }
    hook.enter(&mut packet);
    let mut ctx = Vec::new();
    hook.write_ctx(&packet, 0x1_0000, &mut ctx);
    assert_eq!(ctx.len(), hook.ctx_len());
    hook.read_ctx(&mut packet, &ctx);
    let mut again = Vec::new();
    hook.write_ctx(&packet, 0x1_0000, &mut again);
    assert_eq!(ctx, again, "{hook:?}");
}

fn reads_back(packets: &[Packet], interfaces: &[Interface]) {
    let mut file = Vec::new();
    let mut writer = PcapngWriter::new(&mut file, interfaces).expect("memory takes all");
    for packet in packets {
        writer.write(packet).expect("memory takes all");
    }
    let mut source = open(Cursor::new(file)).expect("a written file opens");
    let again = read(&mut *source, MAX_PACKETS);
    assert_eq!(again.len(), packets.len());
    for (got, want) in again.iter().zip(packets) {
        let facts = |packet: &Packet| {
            let meta = packet.meta;
            (packet.frame().to_vec(), packet.wire_len(), meta.link, meta.timestamp)
        };
        assert_eq!(facts(got), facts(want));
    }
}
