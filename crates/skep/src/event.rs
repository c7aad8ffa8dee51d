//! What programs report: lines of text, ring buffer records, perf events.

use crate::link::Linked;
use skep_btf::{Body, Btf, ByteOrder, Kind, Shown, TypeId};
use skep_map::{Map, PerfEvent};
use skep_prog::Image;

/// Something a program reported.
#[derive(Debug)]
pub struct Event<'a> {
    /// The map it came through; none for lines of text.
    pub map: Option<&'a str>,
    /// What it is.
    pub kind: EventKind,
}

/// What was reported.
#[derive(Debug)]
pub enum EventKind {
    /// A line of `bpf_printk`.
    Print(String),
    /// A record of a ring buffer or a perf event, by its BTF type if the object names one.
    Record(Shown),
    /// Records, or lines of text, that found no room.
    Lost(u64),
}

/// Empties the ring buffers and perf event arrays.
pub(crate) fn drain(image: &Image, linked: &Linked, sink: &mut dyn FnMut(Event<'_>)) {
    for map in linked.machine.maps() {
        let name = map.def().name.as_str();
        let mut emit = |kind| sink(Event { map: Some(name), kind });
        let show = |bytes: &[u8]| show(image.btf.as_deref(), name, bytes);
        match map {
            Map::RingBuf(ring) => {
                ring.consume(&mut |bytes| emit(EventKind::Record(show(bytes))));
            }
            Map::PerfEvents(events) => {
                while let Some(event) = events.next() {
                    emit(match event {
                        PerfEvent::Sample { bytes, .. } => EventKind::Record(show(&bytes)),
                        PerfEvent::Lost { count, .. } => EventKind::Lost(count),
                    });
                }
            }
            _ => {}
        }
    }
}

/// The record by its type; what a perf event carries of the packet follows as bytes.
fn show(btf: Option<&Btf>, map: &str, bytes: &[u8]) -> Shown {
    let typed = btf.and_then(|btf| {
        let ty = record_type(btf, map)?;
        Some((btf, ty, btf.size_of(ty)? as usize))
    });
    let Some((btf, ty, size)) = typed else { return Shown::Bytes(bytes.to_vec()) };
    let shown = btf.show(ty, bytes, ByteOrder::Little);
    match (shown, bytes.get(size..)) {
        (Shown::Struct(mut members), Some(packet @ [_, ..])) => {
            members.push(("packet".to_string(), Shown::Bytes(packet.to_vec())));
            Shown::Struct(members)
        }
        (shown, _) => shown,
    }
}

/// The type that a declaration tag `record:MAP` on a pointer names.
fn record_type(btf: &Btf, map: &str) -> Option<TypeId> {
    btf.types().find_map(|tag| {
        let Body::DeclTag { ty, .. } = tag.body else { return None };
        if tag.name.strip_prefix("record:") != Some(map) {
            return None;
        }
        let Body::Var { ty, .. } = btf.get(ty)?.body else { return None };
        let pointer = btf.resolve(ty)?;
        match pointer.body {
            Body::Ptr(target) if pointer.kind() == Kind::Ptr => Some(target),
            _ => None,
        }
    })
}
