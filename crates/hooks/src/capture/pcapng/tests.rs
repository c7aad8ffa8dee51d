use super::*;

#[track_caller]
fn check(resolution: u8, offset: i64, ticks: u64, want: u64) {
    let got = Clock { resolution, offset, snaplen: 0 }.nanos(ticks);
    assert_eq!(got, want, "resolution {resolution:#x}, offset {offset}, ticks {ticks}");
}

#[test]
fn time_units() {
    check(6, 0, 1_500_000, 1_500_000_000);
    check(9, 0, 1_500_000, 1_500_000);
    check(0, 0, 3, 3_000_000_000);
    check(12, 0, 5_999, 5);
    check(127, 0, u64::MAX, 0);
    check(0x80, 0, 3, 3_000_000_000);
    check(0x80 | 10, 0, 512, 500_000_000);
    check(0xff, 0, u64::MAX, 0);
    check(6, 10, 1, 10_000_001_000);
    check(6, -10, 1, 0);
    check(0, i64::MAX, u64::MAX, u64::MAX);
    check(0, i64::MIN, 0, 0);
}

#[test]
fn resolution_of_output() {
    let nanos = |resolution| Clock { resolution, offset: 0, snaplen: 0 }.finer_than_micros();
    assert_eq!(
        [0, 6, 7, 9, 0x80 | 19, 0x80 | 20].map(nanos),
        [false, false, true, true, false, true]
    );
}
