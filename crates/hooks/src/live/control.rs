//! Control messages of a packet socket: time and VLAN tag.

use crate::VlanTag;
use crate::link::ethertype;
use libc::{PACKET_AUXDATA, SCM_TIMESTAMPNS, SOL_PACKET, SOL_SOCKET};

/// `TP_STATUS_VLAN_VALID`, `include/uapi/linux/if_packet.h`.
const VLAN_VALID: u32 = 1 << 4;
/// `TP_STATUS_VLAN_TPID_VALID`.
const TPID_VALID: u32 = 1 << 6;
/// Length, level and type in `struct cmsghdr`, whose length is a `size_t` to the kernel.
const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 8;

/// What control messages say about a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// Nanoseconds since 1970.
    pub(super) timestamp: Option<u64>,
    pub(super) vlan: Option<VlanTag>,
}

impl Control {
    /// Reads a sequence of messages.
    pub(super) fn new(mut bytes: &[u8]) -> Self {
        let mut this = Self::default();
        while let Some(len) = number::<WORD>(bytes, 0).map(usize::from_ne_bytes) {
            let (Some(level), Some(kind), Some(data)) =
                (int(bytes, WORD), int(bytes, WORD + 4), bytes.get(HEADER..len))
            else {
                break;
            };
            match (level, kind) {
                (SOL_SOCKET, SCM_TIMESTAMPNS) => this.timestamp = timespec(data),
                (SOL_PACKET, PACKET_AUXDATA) => this.vlan = auxdata(data),
                _ => {}
            }
            bytes = bytes.get(len.next_multiple_of(WORD)..).unwrap_or_default();
        }
        this
    }
}

/// `struct timespec`: two longs.
fn timespec(data: &[u8]) -> Option<u64> {
    let [seconds, nanos] = match data.len() {
        8 => [0, 4].map(|at| int(data, at).map(i64::from)),
        _ => [0, 8].map(|at| number(data, at).map(i64::from_ne_bytes)),
    };
    let seconds = u64::try_from(seconds?).ok()?.checked_mul(1_000_000_000)?;
    seconds.checked_add(u64::try_from(nanos?).ok()?)
}

/// `struct tpacket_auxdata`: status, two lengths, two offsets, tag and its protocol.
fn auxdata(data: &[u8]) -> Option<VlanTag> {
    let status = number(data, 0).map(u32::from_ne_bytes)?;
    if status & VLAN_VALID == 0 {
        return None;
    }
    let tci = number(data, 16).map(u16::from_ne_bytes)?;
    let proto = number(data, 18).map(u16::from_ne_bytes).filter(|_| status & TPID_VALID != 0);
    Some(VlanTag { proto: proto.unwrap_or(ethertype::VLAN), tci })
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    number(bytes, at).map(i32::from_ne_bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        bytes
    }

    fn both() -> Vec<u8> {
        let mut time = 7_i64.to_ne_bytes().to_vec();
        time.extend(8_i64.to_ne_bytes());
        let mut aux = (VLAN_VALID | TPID_VALID).to_ne_bytes().to_vec();
        aux.resize(16, 0);
        aux.extend(0x2005_u16.to_ne_bytes());
        aux.extend(0x88a8_u16.to_ne_bytes());
        let mut all = message(SOL_SOCKET, SCM_TIMESTAMPNS, &time);
        all.extend(message(SOL_PACKET, PACKET_AUXDATA, &aux));
        all
    }

    #[test]
    fn time_and_tag() {
        let want = Control {
            timestamp: Some(7_000_000_008),
            vlan: Some(VlanTag { proto: 0x88a8, tci: 0x2005 }),
        };
        assert_eq!(Control::new(&both()), want);
    }

    #[test]
    fn damaged_messages_end_the_sequence() {
        let all = both();
        for len in 0..all.len() {
            let got = Control::new(&all[..len]);
            assert!(got.timestamp.is_none_or(|t| t == 7_000_000_008), "{len}");
        }
        for len in [0, 1, HEADER - 1, usize::MAX, usize::MAX - 7] {
            let mut bytes = all.clone();
            bytes[..WORD].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(Control::new(&bytes), Control::default(), "{len}");
        }
    }

    #[test]
    fn no_tag_without_its_flag() {
        let aux = [0; 20];
        assert_eq!(Control::new(&message(SOL_PACKET, PACKET_AUXDATA, &aux)).vlan, None);
    }
}
