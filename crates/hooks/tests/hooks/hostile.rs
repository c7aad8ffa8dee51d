//! Captures that are none.

use crate::frames::udp4;
use crate::pcapng::Blocks;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use skep_hooks::{Next, Packet, open};

/// Reads until something is wrong or all is read.
fn read(bytes: Vec<u8>) {
    let limit = bytes.len();
    let Ok(mut source) = open(std::io::Cursor::new(bytes)) else { return };
    let mut packet = Packet::new();
    let mut count = 0;
    while let Ok(Next::Packet) = source.next(&mut packet) {
        count += 1;
        assert!(count <= limit, "more packets than bytes");
    }
}

fn captures() -> [Vec<u8>; 3] {
    let frame = udp4(b"some payload");
    let ng = |big_endian| {
        Blocks::new(big_endian)
            .section()
            .interface(1, 0, &[(2, b"eth0"), (9, &[9]), (14, &[1; 8])])
            .packet(0, 1, &frame, &[(2, &[1, 0, 0, 0])])
            .block(3, &[&[0, 0, 0, 9][..], &frame].concat())
            .section()
            .bytes
    };
    [crate::pcap::file(0xa1b2_c3d4, false, 1, &frame), ng(false), ng(true)]
}

#[test]
fn random_bytes_after_each_magic() {
    let rng = &mut SmallRng::seed_from_u64(3);
    let magics: [&[u8]; 7] = [
        b"",
        &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0],
        &[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4],
        &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0],
        &[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0],
        &[0x1f, 0x8b, 8, 0],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    for round in 0..7_000 {
        let mut bytes = magics[round % magics.len()].to_vec();
        bytes.extend((0..rng.random_range(0..200)).map(|_| rng.random::<u8>()));
        read(bytes);
    }
}

#[test]
fn damaged_captures() {
    let rng = &mut SmallRng::seed_from_u64(4);
    for capture in captures() {
        for at in 0..capture.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, rng.random()] {
                let mut bytes = capture.clone();
                bytes[at] = value;
                read(bytes);
            }
        }
        for _ in 0..5_000 {
            let mut bytes = capture.clone();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            bytes.truncate(rng.random_range(0..=bytes.len()));
            read(bytes);
        }
    }
}
