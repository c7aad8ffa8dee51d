//! Packets that wait for their names, so that these can be asked for at once.

use super::Wanted;
use skep_dissect::Record;
use skep_hooks::Packet;

/// Packets and bytes of them that wait at most.
const MOST: usize = 256;
const MOST_BYTES: usize = 1 << 18;

/// A packet that is not shown yet, its number, and the name of its interface.
pub(crate) struct Waiting {
    pub(crate) number: u64,
    pub(crate) packet: Packet,
    pub(crate) interface: Option<String>,
}

/// Those in their order.
pub(crate) struct Ahead {
    wanted: Wanted,
    packets: Vec<Waiting>,
    bytes: usize,
    /// Whether others may come soon.
    waits: bool,
}

impl Ahead {
    pub(crate) const fn new(wanted: Wanted, waits: bool) -> Self {
        Self { wanted, packets: Vec::new(), bytes: 0, waits }
    }

    pub(crate) fn add(&mut self, number: u64, packet: &Packet, record: &Record<'_>) {
        let mut wanted = self.wanted.borrow_mut();
        if self.packets.is_empty() {
            // Those before are shown, with names or without.
            wanted.clear();
        }
        if let Some(ip) = record.ip {
            wanted.extend([ip.src, ip.dst]);
        }
        let interface = record.interface.map(str::to_owned);
        self.packets.push(Waiting { number, packet: packet.clone(), interface });
        self.bytes += packet.frame().len();
    }

    /// Whether it is time to show them.
    pub(crate) const fn is_full(&self) -> bool {
        !self.waits || self.packets.len() >= MOST || self.bytes >= MOST_BYTES
    }

    pub(crate) fn take(&mut self) -> Vec<Waiting> {
        self.bytes = 0;
        std::mem::take(&mut self.packets)
    }
}
