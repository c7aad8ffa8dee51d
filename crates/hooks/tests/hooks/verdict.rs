//! Return values.

use skep_hooks::Action::{self, Aborted, Drop, Pass, Redirect, Tx};
use skep_hooks::Hook;

const MINUS_1: u64 = u64::MAX;

#[track_caller]
fn check(hook: Hook, cases: &[(u64, Action, &str)]) {
    for &(r0, action, text) in cases {
        let verdict = hook.verdict(r0);
        assert_eq!((verdict.action, &*verdict.to_string()), (action, text), "{hook:?} {r0:#x}");
    }
}

#[test]
fn xdp() {
    check(
        Hook::Xdp,
        &[
            (0, Aborted, "XDP_ABORTED"),
            (1, Drop, "XDP_DROP"),
            (2, Pass, "XDP_PASS"),
            (3, Tx, "XDP_TX"),
            (4, Redirect, "XDP_REDIRECT"),
            (5, Aborted, "XDP_ABORTED (unknown code 5)"),
            (MINUS_1, Aborted, "XDP_ABORTED (unknown code -1)"),
            (0x1_0000_0002, Pass, "XDP_PASS"),
        ],
    );
}

#[test]
fn classifier() {
    for hook in [Hook::TcIngress, Hook::TcEgress] {
        check(
            hook,
            &[
                (MINUS_1, Pass, "TC_ACT_UNSPEC"),
                (0xffff_ffff, Pass, "TC_ACT_UNSPEC"),
                (0, Pass, "TC_ACT_OK"),
                (1, Pass, "TC_ACT_UNSPEC (unknown code 1)"),
                (2, Drop, "TC_ACT_SHOT"),
                (3, Pass, "TC_ACT_UNSPEC (unknown code 3)"),
                (4, Drop, "TC_ACT_STOLEN"),
                (5, Pass, "TC_ACT_UNSPEC (unknown code 5)"),
                (6, Pass, "TC_ACT_UNSPEC (unknown code 6)"),
                (7, Redirect, "TC_ACT_REDIRECT"),
                (8, Drop, "TC_ACT_TRAP"),
                (9, Pass, "TC_ACT_UNSPEC (unknown code 9)"),
            ],
        );
    }
}

#[test]
fn action() {
    check(
        Hook::SchedAct,
        &[
            (MINUS_1, Pass, "TC_ACT_UNSPEC"),
            (0, Pass, "TC_ACT_OK"),
            (1, Pass, "TC_ACT_RECLASSIFY"),
            (2, Drop, "TC_ACT_SHOT"),
            (3, Pass, "TC_ACT_PIPE"),
            (4, Pass, "TC_ACT_UNSPEC (unknown code 4)"),
            (7, Redirect, "TC_ACT_REDIRECT"),
        ],
    );
}

#[test]
fn socket_filter_keeps_bytes() {
    check(Hook::SocketFilter, &[(0, Drop, "drop"), (96, Pass, "keep"), (MINUS_1, Pass, "keep")]);
    assert_eq!(Hook::SocketFilter.verdict(96).keep, Some(96));
    assert_eq!(Hook::SocketFilter.verdict(MINUS_1).keep, Some(u32::MAX));
    assert_eq!(Hook::Xdp.verdict(2).keep, None);
}

#[test]
fn cgroup() {
    check(Hook::CgroupSkbIngress, &[(0, Drop, "drop"), (1, Pass, "pass"), (2, Pass, "pass")]);
    check(
        Hook::CgroupSkbEgress,
        &[
            (0, Drop, "drop"),
            (1, Pass, "pass"),
            (2, Drop, "drop, congestion"),
            (3, Pass, "pass, congestion"),
        ],
    );
}

#[test]
fn columns_line_up() {
    assert_eq!(format!("{:10}|{:>8}|", Hook::Xdp.verdict(2), Tx), "XDP_PASS  |      tx|");
}
