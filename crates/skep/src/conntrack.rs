//! The table of tracked connections.
//!
//! Each is found by the packets of both directions, in a time that does not depend on how many there are.
//!
//! Kernel: `net/netfilter/nf_conntrack_core.c`.

use crate::network::{Connection, Transport};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// Connections that there may be. Kernel: `nf_conntrack_max` of a machine with much memory.
const MAX: usize = 1 << 18;
/// How often those that are over are looked for where there is no room.
const SWEEP_NS: u64 = 1_000_000_000;

/// What a packet of a connection is known by, in one direction: protocol, ends, zone.
type Key = (Transport, SocketAddr, SocketAddr, u16);

/// All connections by number, and by what packets show of them.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    known: BTreeMap<u64, Connection>,
    /// The number, and whether such a packet is a reply.
    by_key: HashMap<Key, (u64, bool)>,
    next: u64,
    /// When those that are over were looked for last.
    swept: u64,
}

impl Connections {
    /// Of several for the same packets the first counts.
    pub(crate) fn new(given: Vec<Connection>) -> Self {
        let mut connections = Self::default();
        for connection in given {
            connections.put(connection);
        }
        connections
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Connection> {
        self.known.values()
    }

    /// The connection that a packet belongs to, and whether it is one of the replies.
    pub(crate) fn find(&self, flow: &Flow, now: u64) -> Option<(u64, &Connection, bool)> {
        let found = [true, false].into_iter().find_map(|reply| {
            let found = self.by_key.get(&flow.key(reply))?;
            (found.1 == reply).then_some(*found)
        });
        let (id, reply) = found?;
        let connection = self.known.get(&id).filter(|known| !known.is_over(now))?;
        Some((id, connection, reply))
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Connection> {
        self.known.get_mut(&id)
    }

    /// Kernel: `nf_conntrack_hash_check_insert`.
    pub(crate) fn insert(&mut self, new: Connection, now: u64) -> Option<u64> {
        if self.known.len() >= MAX && now.saturating_sub(self.swept) >= SWEEP_NS {
            self.swept = now;
            let over = self.known.iter().filter(|(_, known)| known.is_over(now));
            for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
                self.remove(id);
            }
        }
        for key in new.keys() {
            let Some((id, _)) = self.by_key.get(&key).copied() else { continue };
            if self.known.get(&id).is_some_and(|known| !known.is_over(now)) {
                return None;
            }
            self.remove(id);
        }
        (self.known.len() < MAX).then(|| self.put(new))
    }

    fn put(&mut self, new: Connection) -> u64 {
        let id = self.next;
        self.next += 1;
        for (key, reply) in new.keys().into_iter().zip([false, true]) {
            self.by_key.entry(key).or_insert((id, reply));
        }
        self.known.insert(id, new);
        id
    }

    fn remove(&mut self, id: u64) {
        let Some(gone) = self.known.remove(&id) else { return };
        for key in gone.keys() {
            if self.by_key.get(&key).is_some_and(|(known, _)| *known == id) {
                self.by_key.remove(&key);
            }
        }
    }
}

impl Connection {
    fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Of its packets and of the replies.
    fn keys(&self) -> [Key; 2] {
        let zone = Zone { id: self.zone, dirs: self.zone_dirs };
        let (from, to) = self.reply;
        [
            (self.transport, self.from, self.to, zone.at(false)),
            (self.transport, from, to, zone.at(true)),
        ]
    }
}

/// A zone, which may be meant for one direction only.
#[derive(Clone, Copy)]
pub(crate) struct Zone {
    pub(crate) id: u16,
    pub(crate) dirs: u8,
}

impl Zone {
    /// Kernel: `nf_ct_zone_id`.
    const fn at(self, reply: bool) -> u16 {
        if self.dirs >> (reply as u8) & 1 == 1 { self.id } else { 0 }
    }
}

/// What a packet is looked up by.
pub(crate) struct Flow {
    pub(crate) transport: Transport,
    pub(crate) ends: (SocketAddr, SocketAddr),
    pub(crate) zone: Zone,
}

impl Flow {
    fn key(&self, reply: bool) -> Key {
        (self.transport, self.ends.0, self.ends.1, self.zone.at(reply))
    }
}
