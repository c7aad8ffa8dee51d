//! What `skep dump` counts.

use crate::bin::{scratch, skep};
use std::fs;
use std::path::Path;

/// A UDP packet of Ethernet to a port of 10.0.0.2, in a capture.
fn packet(seconds: u32, src: u32, port: u16) -> Vec<u8> {
    const LEN: u32 = 42;
    let mut bytes = Vec::new();
    for word in [seconds, 0, LEN, LEN] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([0; 12]);
    bytes.extend([8, 0, 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0]);
    bytes.extend(src.to_be_bytes());
    bytes.extend([10, 0, 0, 2, 0, 9]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 8, 0, 0]);
    bytes
}

fn write(path: &Path, packets: impl Iterator<Item = Vec<u8>>) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    packets.for_each(|packet| bytes.extend(packet));
    fs::write(path, bytes).unwrap();
}

/// Of more values than are kept, those that are met most are shown, however late they come.
#[test]
fn frequent_values_are_found_among_many() {
    let path = scratch("dump-many").join("many.pcap");
    let many = (0..150_000).map(|n| packet(1, 0x0b00_0000 + n, 7));
    let late = (0..3000).map(|n| packet(1, 0x0a01_0203 + n % 3 / 2, 9));
    write(&path, many.chain(late));
    let path = path.display();
    let ran = skep(&format!("dump -r {path} --top src,dport --rows 2"));
    let rows = "   packets         bytes\n      2000         84000  10.1.2.3 9\n      1000         42000  10.1.2.4 9\n    150000       6300000  (others)\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, rows));
    let said = "more values than are kept: counts may be up to 1 packet too low, and values with no more may be missing\n";
    assert_eq!(ran.err, said);

    let ran = skep(&format!("dump -r {path} --top dport"));
    let rows =
        "   packets         bytes\n    150000       6300000  7\n      3000        126000  9\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), (rows, ""));
}

/// The mean is over all the time that packets are from, in whatever order they come.
#[test]
fn means_of_times_that_go_back() {
    let path = scratch("dump-rate").join("back.pcap");
    let rates = |times: &[u32]| {
        write(&path, times.iter().map(|&time| packet(time, 1, 7)));
        let ran = skep(&format!("dump -r {} --rate", path.display()));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        ran.out.lines().skip(1).map(words).collect::<Vec<_>>()
    };
    assert_eq!(rates(&[30, 10, 20]), ["30 1 336", "10 1 336", "20 1 336", "mean 0 48"]);
    assert_eq!(rates(&[30, 30, 29, 29]), ["30 2 672", "29 2 672", "mean 4 1344"]);
    // Of a moment there is none.
    assert_eq!(rates(&[5, 5, 5]), ["5 3 1008"]);
}
