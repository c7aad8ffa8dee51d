//! Where regions are in the host's memory, for runs of machine code.
//!
//! Machine code follows host addresses. Helpers get them as they are in registers and in memory, and find
//! the region by looking the address up; what they give to the program is an address of the host in turn.
//! Addresses of regions mean what they always do, so that helpers may use them as well: host addresses lie
//! above all regions of a run and below those of objects, which machine code does not get.

use super::{CTX, MAPS, MEM, Memory, PACKET, PACKET_BASE, STACK, Temporary, address, split};
use alloc::vec::Vec;
use core::cell::Cell;
use skep_map::Map;

/// Below lie addresses of regions alone, and from [`HIGH`] on those of objects and handles. Hosts have 39 to 52 bits
/// of address, and hand out the upper ones first.
const LOW: u64 = 1 << 38;
const HIGH: u64 = 1 << 52;
/// Where memory must lie of runs with more regions than [`LOW`] leaves room for.
const MANY: u64 = 1 << 44;

/// The values of a map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostRange {
    /// Address of the first byte.
    pub(crate) base: u64,
    pub(crate) len: u64,
    pub(crate) region: u32,
}

/// Where the values of a machine's maps are, and what else programs of it may see as it is.
pub(crate) struct HostRanges {
    /// In the order of their addresses.
    pub(crate) all: Vec<HostRange>,
    /// Where memory may lie.
    low: u64,
    /// Whether all of these do.
    are_seen: bool,
}

impl HostRanges {
    /// Whether addresses from here on are none of regions, objects or handles.
    #[inline]
    fn is_seen(&self, base: u64) -> bool {
        base < 4096 || (self.low..HIGH).contains(&base)
    }
}

/// Where things are.
pub(super) struct Host<'m> {
    /// Values of maps, by address.
    maps: &'m [HostRange],
    /// Where 64-bit addresses of the packet are kept.
    pointers: &'m [Cell<u8>],
    /// Positions in the context of the 32-bit fields that they are made from.
    fields: &'static [u32],
    /// The packet's bytes as of the last time that the pointers were set.
    packet: u64,
    stale: Cell<bool>,
}

fn address_of<T>(bytes: &[T]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

/// Where the values of maps are.
pub(crate) fn host_ranges(maps: &[Map]) -> HostRanges {
    let mut ranges: Vec<_> = maps
        .iter()
        .zip(MAPS..)
        .filter_map(|(map, region)| {
            let values = match map {
                Map::KeyValue(map) => map.values(),
                Map::Storage(map) => map.values(),
                Map::Attached(map) => map.values(),
                _ => return None,
            };
            let base = values.as_ptr().as_ptr().expose_provenance() as u64;
            Some(HostRange { base, len: values.len() as u64, region })
        })
        .collect();
    ranges.sort_unstable_by_key(|range| range.base);
    let regions = u64::from(MAPS) + maps.len() as u64;
    let low = if regions < LOW >> 32 { LOW } else { MANY };
    let mut ranges = HostRanges { all: ranges, low, are_seen: false };
    ranges.are_seen = ranges.all.iter().all(|range| ranges.is_seen(range.base));
    ranges
}

impl<'m> Memory<'m> {
    /// From now on programs see addresses of the host. False if some memory lies where regions are.
    pub(crate) fn go_native(
        &mut self,
        maps: &'m HostRanges,
        pointers: &'m [Cell<u8>],
        fields: &'static [u32],
    ) -> bool {
        let stale = Cell::new(true);
        self.host = Some(Host { maps: &maps.all, pointers, fields, packet: 0, stale });
        self.refresh();
        maps.are_seen
            && maps.is_seen(self.bytes_at(STACK))
            && maps.is_seen(self.bytes_at(CTX))
            && maps.is_seen(self.bytes_at(MEM))
            && maps.is_seen(address_of(&self.packet.bytes))
    }

    #[inline]
    pub(crate) fn native_ctx(&self) -> (u64, usize) {
        (self.bytes_at(CTX), self.bytes.get(CTX as usize).map_or(0, |bytes| bytes.rd.len()))
    }

    /// Slots that are both there and filled.
    #[inline]
    pub(crate) fn native_slots(&self) -> usize {
        self.host.as_ref().map_or(0, |host| host.fields.len().min(host.pointers.len() / 8))
    }

    #[inline]
    fn bytes_at(&self, region: u32) -> u64 {
        self.bytes.get(region as usize).map_or(0, |bytes| address_of(bytes.rd))
    }

    /// What [`Host::pointers`] are made from may have changed.
    pub(super) fn ctx_changed(&self) {
        if let Some(host) = &self.host {
            host.stale.set(true);
        }
    }

    /// Sets the pointers to the packet anew if it or the context has changed.
    pub(crate) fn refresh(&mut self) {
        let base = self.packet.bytes.as_mut_ptr().expose_provenance() as u64;
        let ctx = self.bytes.get(CTX as usize).map_or(&[][..], |bytes| bytes.rd);
        let Some(host) = &mut self.host else { return };
        if host.packet == base && !host.stale.get() {
            return;
        }
        host.packet = base;
        host.stale.set(false);
        for (&field, slot) in host.fields.iter().zip(host.pointers.as_chunks::<8>().0) {
            let cells = ctx.get(field as usize..).and_then(<[_]>::first_chunk::<4>);
            let value = cells.map_or([0; 4], |cells| cells.each_ref().map(Cell::get));
            let at = u32::from_le_bytes(value).wrapping_sub(PACKET_BASE);
            let pointer = base.wrapping_add(at.into());
            for (byte, cell) in pointer.to_le_bytes().into_iter().zip(slot) {
                cell.set(byte);
            }
        }
    }

    /// Region and position of an address.
    #[inline]
    pub(super) fn split(&self, addr: u64) -> (u32, u32) {
        split(self.home(addr))
    }

    /// An address as one of a region: host addresses are looked up.
    #[inline]
    pub(crate) fn home(&self, addr: u64) -> u64 {
        match &self.host {
            Some(host) if (LOW..HIGH).contains(&addr) => self.find(host, addr).unwrap_or(addr),
            _ => addr,
        }
    }

    fn find(&self, host: &Host<'_>, addr: u64) -> Option<u64> {
        for region in [STACK, CTX, MEM] {
            let bytes = self.bytes.get(region as usize)?;
            let at = addr.wrapping_sub(address_of(bytes.rd));
            if at < bytes.rd.len() as u64 {
                return Some(address(region, bytes.lo) + at);
            }
        }
        // The end of the packet is an address that programs have as well.
        let at = addr.wrapping_sub(address_of(&self.packet.bytes));
        if at <= self.packet.bytes.len() as u64 {
            return Some(address(PACKET, PACKET_BASE) + at);
        }
        let next = host.maps.partition_point(|range| range.base <= addr);
        if let Some(range) = next.checked_sub(1).and_then(|at| host.maps.get(at)) {
            let at = addr - range.base;
            if at < range.len {
                return Some(address(range.region, 0) + at);
            }
        }
        for (region, temporary) in (MAPS as usize + self.maps.len()..).zip(&self.temporary) {
            let (base, len) = place_of(temporary).unwrap_or_default();
            let at = addr.wrapping_sub(base);
            if at < len {
                return Some(address(u32::try_from(region).ok()?, 0) + at);
            }
        }
        None
    }

    /// The address of a region as programs see it: in runs of machine code, that of the host.
    #[inline]
    pub(crate) fn seen(&self, addr: u64) -> u64 {
        match &self.host {
            Some(host) => self.host_address(host, addr).unwrap_or(addr),
            None => addr,
        }
    }

    fn host_address(&self, host: &Host<'_>, addr: u64) -> Option<u64> {
        let (region, at) = split(addr);
        let (base, lo) = match region {
            PACKET => (address_of(&self.packet.bytes), PACKET_BASE),
            STACK | CTX | MEM => {
                (self.bytes_at(region), self.bytes.get(region as usize).map_or(0, |bytes| bytes.lo))
            }
            region => match host.maps.iter().find(|range| range.region == region) {
                Some(range) => (range.base, 0),
                None => (place_of(self.temporary(region)?)?.0, 0),
            },
        };
        Some(base.wrapping_add(at.wrapping_sub(lo).into()))
    }
}

/// Address and length of a region that comes and goes.
fn place_of(temporary: &Temporary<'_>) -> Option<(u64, u64)> {
    match temporary {
        Temporary::Record { ring, record } => {
            let base = ring.values().as_ptr().as_ptr().expose_provenance();
            Some(((base + record.at) as u64, record.len.into()))
        }
        Temporary::Copy(_, bytes, _) => Some((address_of(bytes), bytes.len() as u64)),
        Temporary::Free => None,
    }
}
