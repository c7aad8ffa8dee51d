//! Checksums, against RFC 1071 done the long way.

use crate::frames::{at, udp4};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use skep_hooks::{Errno, Hook, Packet, csum_diff};

const IP_CSUM: u32 = 24;
const UDP_CSUM: u32 = 40;

fn packet() -> Packet {
    at(Hook::TcIngress, &udp4(&[1, 2, 3, 4]))
}

/// The checksum of `bytes`, an even number of them.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let once = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((once & 0xffff) + (once >> 16)).unwrap()
}

fn field(packet: &Packet, off: u32) -> u16 {
    u16::from_be_bytes(packet.load_bytes(off, 2).unwrap().try_into().unwrap())
}

/// A header with a right checksum stays right when a field and the checksum change together.
#[test]
fn incremental_is_as_good_as_anew() {
    let rng = &mut SmallRng::seed_from_u64(2);
    for round in 0..10_000 {
        let mut packet = packet();
        let mut header: [u8; 20] = rng.random();
        header[10..12].fill(0);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.store_bytes(14, &header, 0).unwrap();

        let (size, at) = [(2, 8), (4, 12), (4, 16), (2, 2)][round % 4];
        let old = &header[at..at + size];
        let new: [u8; 4] = rng.random();
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        };
        let (from, to, flags) = match round % 3 {
            0 if size == 4 => (0, u64::from(csum_diff(old, &new, 0).unwrap()), 0),
            _ => (word(old), word(&new[..size]), size as u64),
        };
        if round % 2 == 0 {
            packet.l3_csum_replace(IP_CSUM, from, to, flags).unwrap();
        } else {
            packet.l4_csum_replace(IP_CSUM, from, to, flags).unwrap();
        }
        packet.store_bytes(14 + u32::try_from(at).unwrap(), &new[..size], 0).unwrap();
        let got = packet.load_bytes(14, 20).unwrap();
        assert_eq!(checksum(got), 0, "round {round}: {got:02x?}");
    }
}

#[test]
fn l3_refuses() {
    let cases = [
        (IP_CSUM, 0, 0x10, Err(Errno::EINVAL)),
        (IP_CSUM, 0, 1, Err(Errno::EINVAL)),
        (IP_CSUM, 0, 8, Err(Errno::EINVAL)),
        (IP_CSUM, 1, 0, Err(Errno::EINVAL)), // a difference has no old value
        (IP_CSUM + 1, 0, 2, Err(Errno::EFAULT)),
        (0x1_0000, 0, 2, Err(Errno::EFAULT)),
        (u32::MAX, 0, 2, Err(Errno::EFAULT)),
        (44, 0, 2, Ok(())),
        (46, 0, 2, Err(Errno::EFAULT)),
    ];
    for (off, from, flags, want) in cases {
        let mut packet = packet();
        assert_eq!(packet.l3_csum_replace(off, from, 0, flags), want, "{off} {flags:#x}");
        assert_eq!(
            packet.l4_csum_replace(off, from, 0, flags & 0xf),
            match flags {
                0x10 => Ok(()),
                _ => want,
            }
        );
    }
    assert_eq!(packet().l4_csum_replace(UDP_CSUM, 0, 0, 0x102), Err(Errno::EINVAL));
}

#[test]
fn a_udp_checksum_of_zero_is_none() {
    let (mangled_0, enforce, pseudo) = (1 << 5, 1 << 6, 1 << 4);
    // (checksum before, flags, after) for the field 0x0000 becoming 0x0001, or 0x1234 for 0x1235
    let cases = [
        (0, mangled_0 | pseudo, 0),
        (0, pseudo, 0xfffe),
        (0, mangled_0 | enforce, 0xfffe),
        (1, mangled_0, 0xffff),
        (1, pseudo, 0),
    ];
    for (before, flags, after) in cases {
        let mut packet = packet();
        packet.store_bytes(UDP_CSUM, &u16::to_be_bytes(before), 0).unwrap();
        let to = u64::from(1_u16.to_be());
        packet.l4_csum_replace(UDP_CSUM, 0, to, flags | 2).unwrap();
        assert_eq!(field(&packet, UDP_CSUM), after, "{before:#x} {flags:#x}");
    }
}

#[test]
fn diff_is_a_sum_of_16_bits() {
    let le = |v: u32| u32::from_le(v);
    let cases: [(&[u8], &[u8], u32, u32); 8] = [
        (&[], &[], 0, 0),
        (&[], &[], 0xffff_ffff, 0xffff),
        (&[], &[0; 4], 0, 0),
        (&[0; 4], &[], 0, 0),
        (&[1, 0, 0, 0], &[1, 0, 0, 0], 0, 0xffff),
        (&[0; 4], &[1, 0, 0, 0], 0, 1),
        (&[1, 0, 0, 0], &[0; 4], 0, 0xfffe),
        (&[], &[0xff; 8], 1, 1),
    ];
    for (from, to, seed, want) in cases {
        assert_eq!(csum_diff(from, to, le(seed)), Ok(le(want)), "{from:?} {to:?} {seed}");
    }
    assert_eq!(csum_diff(&[0; 3], &[], 0), Err(Errno::EINVAL));
    assert_eq!(csum_diff(&[], &[0; 6], 0), Err(Errno::EINVAL));
}
