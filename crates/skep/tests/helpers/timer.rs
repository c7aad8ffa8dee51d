//! Timers between packets.

use super::{packet, run, session};
use skep::Session;

const PROGRAM: &str = "
.map counts, hash, key=4, value=24, entries=8
.section \"xdp\"
start:
    r1 = 5
    *(u32 *)(r10 - 4) = r1
    r1 = 0
    *(u64 *)(r10 - 32) = r1
    *(u64 *)(r10 - 24) = r1
    *(u64 *)(r10 - 16) = r1
    r1 = counts ll
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -32
    r4 = 1
    call bpf_map_update_elem
    r6 = r0
    r1 = counts ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    if r6 != 0 goto seen
    r6 = r0
    r1 = r6
    r2 = counts ll
    r3 = 1
    call bpf_timer_init
    if r0 != 0 goto out
    r1 = r6
    r2 = tick ll
    call bpf_timer_set_callback
    if r0 != 0 goto out
    r1 = r6
    r2 = 100
    r3 = 0
    call bpf_timer_start
    goto out
seen:
    r0 = *(u64 *)(r0 + 16)
out:
    exit
tick:
    r7 = r2
    r6 = r3
    r1 = *(u32 *)(r7 + 0)
    r2 = *(u64 *)(r6 + 16)
    r2 += r1
    *(u64 *)(r6 + 16) = r2
    AGAIN
    r0 = 0
    exit
";

fn at(session: &mut Session, time: u64) -> i64 {
    let mut packet = packet();
    packet.meta.timestamp = time;
    i64::from(run(session, &mut packet).verdict.code.cast_signed())
}

#[test]
fn a_timer_fires_once_its_time_has_come() {
    let mut session = session(&PROGRAM.replace("AGAIN", ""));
    assert_eq!(at(&mut session, 1000), 0);
    assert_eq!(at(&mut session, 1099), 0);
    assert_eq!(at(&mut session, 1100), 5);
    assert_eq!(at(&mut session, 9000), 5);
}

#[test]
fn a_callback_may_start_its_timer_again() {
    let again =
        "r1 = r6\n r2 = 10\n r3 = 0\n call bpf_timer_start\n if r0 == 0 goto +2\n r0 = 1\n exit";
    let mut session = session(&PROGRAM.replace("AGAIN", again));
    assert_eq!(at(&mut session, 1000), 0);
    assert_eq!(at(&mut session, 1100), 5);
    assert_eq!(at(&mut session, 1109), 5);
    assert_eq!(at(&mut session, 1130), 20, "at its own times, not at those of packets");
    let often = again.replace("r2 = 10", "r2 = 0");
    let mut session = super::session(&PROGRAM.replace("AGAIN", &often));
    at(&mut session, 1000);
    assert_eq!(
        at(&mut session, 1100),
        4096 * 5,
        "what starts itself for ever leaves time for packets"
    );
}

#[test]
fn a_timer_goes_with_its_entry_and_cannot_wait_for_itself() {
    let delete = "r1 = counts ll\n r2 = r7\n call bpf_map_delete_elem\n r1 = r6\n r2 = 10\n r3 = 0\n \
                  call bpf_timer_start";
    let mut session = session(&PROGRAM.replace("AGAIN", delete));
    at(&mut session, 1000);
    assert_eq!(at(&mut session, 1100), 0, "the entry is a new one");
    let cancel = "r1 = r6\n call bpf_timer_cancel\n *(u64 *)(r6 + 16) = r0";
    let mut session = super::session(&PROGRAM.replace("AGAIN", cancel));
    at(&mut session, 1000);
    assert_eq!(at(&mut session, 1100), -35);
}

#[test]
fn what_a_callback_does_wrong_is_a_fault_before_the_packet() {
    let mut session = session(&PROGRAM.replace("AGAIN", "r0 = *(u64 *)(r7 + 0)"));
    at(&mut session, 1000);
    let mut packet = packet();
    packet.meta.timestamp = 2000;
    let fault = session.run(&mut packet).unwrap_err().to_string();
    assert!(fault.contains("of map key, which has 4"), "{fault}");
    assert_eq!(at(&mut session, 2001), 5);
}

#[test]
fn a_timer_needs_its_map_a_clock_and_a_function() {
    let text = |call: &str| {
        format!(
            ".map a, array, key=4, value=16, entries=1\n.map b, array, key=4, value=16, entries=1\n\
             .section \"xdp\"\np:\n r1 = 0\n *(u32 *)(r10 - 4) = r1\n r1 = a ll\n r2 = r10\n r2 += -4\n \
             call bpf_map_lookup_elem\n if r0 == 0 goto out\n r6 = r0\n r1 = r0\n {call}\n out: exit\n"
        )
    };
    let code = |call: &str| at(&mut session(&text(call)), 1);
    assert_eq!(code("r2 = a ll\n r3 = 2\n call bpf_timer_init"), -22);
    assert_eq!(code("r2 = 5\n r3 = 0\n call bpf_timer_start"), -22);
    assert_eq!(code("call bpf_timer_cancel"), -22);
    let init = "r2 = a ll\n r3 = 7\n call bpf_timer_init\n r1 = r6\n ";
    assert_eq!(code(&format!("{init} r2 = a ll\n r3 = 7\n call bpf_timer_init")), -16);
    assert_eq!(code(&format!("{init} r2 = 5\n r3 = 0\n call bpf_timer_start")), -22);
    assert_eq!(code(&format!("{init} call bpf_timer_cancel")), 0);
    let fault = |call: &str| session(&text(call)).run(&mut packet()).unwrap_err().to_string();
    assert!(
        fault("r2 = b ll\n r3 = 1\n call bpf_timer_init").contains("a field in a value of the map")
    );
    assert!(fault(&format!("{init} r2 = 9\n call bpf_timer_set_callback")).contains("a function"));
}

/// A piece of work that counts, and starts itself again while the count is below `until`.
fn work(until: u32) -> String {
    format!(
        ".map works, array, key=4, value=24, entries=1\n.section \"xdp\"\nstart:\n r1 = 0\n \
         *(u32 *)(r10 - 4) = r1\n r1 = works ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n \
         if r0 == 0 goto out\n r6 = r0\n r1 = r6\n r2 = works ll\n r3 = 0\n call @bpf_wq_init\n \
         r1 = r6\n r2 = again ll\n r3 = 0\n r4 = 0\n call @bpf_wq_set_callback_impl\n r1 = r6\n \
         r2 = 0\n call @bpf_wq_start\n r1 = r6\n r2 = 0\n call @bpf_wq_start\n \
         r0 = *(u64 *)(r6 + 16)\n out:\n exit\n\
         again:\n r6 = r3\n r1 = *(u64 *)(r6 + 16)\n r1 += 1\n *(u64 *)(r6 + 16) = r1\n \
         if r1 >= {until} goto done\n r1 = r6\n r2 = 0\n call @bpf_wq_start\n done:\n r0 = 0\n exit\n"
    )
}

#[test]
fn work_is_done_before_the_next_packet() {
    let mut once = session(&work(0));
    assert_eq!([at(&mut once, 1), at(&mut once, 1), at(&mut once, 2)], [0, 1, 2]);
    let mut again = session(&work(5));
    assert_eq!([at(&mut again, 1), at(&mut again, 1), at(&mut again, 1)], [0, 5, 6]);
}
