//! Spin locks and pointers in values.

use super::{packet, run, session};

/// With r0 and r6 the address of a value of 16 bytes.
fn text(body: &str) -> String {
    format!(
        ".map a, array, key=4, value=16, entries=1\n.section \"xdp\"\np:\n r1 = 0\n \
         *(u32 *)(r10 - 4) = r1\n r1 = a ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n \
         if r0 == 0 goto out\n r6 = r0\n r1 = r0\n {body}\n out: exit\n"
    )
}

fn code(body: &str) -> i64 {
    i64::from(run(&mut session(&text(body)), &mut packet()).verdict.code.cast_signed())
}

fn fault(body: &str) -> String {
    session(&text(body)).run(&mut packet()).unwrap_err().to_string()
}

#[test]
fn a_lock_is_held_until_it_is_given_back() {
    let held = "call bpf_spin_lock\n r7 = *(u32 *)(r6 + 0)\n r1 = r6\n call bpf_spin_unlock\n \
                r0 = *(u32 *)(r6 + 0)\n r0 <<= 8\n r0 |= r7";
    assert_eq!(code(held), 1);
}

#[test]
fn a_run_does_not_wait_for_itself() {
    let again = fault("call bpf_spin_lock\n r1 = r6\n call bpf_spin_lock");
    assert!(again.contains("a lock while this run holds one"), "{again}");
    assert!(fault("call bpf_spin_unlock").contains("a lock that this run holds"));
    assert_eq!(code("call @bpf_res_spin_lock\n r1 = r6\n call @bpf_res_spin_lock"), -35);
}

#[test]
fn a_lock_that_is_not_given_back_ends_with_the_run() {
    let mut session = session(&text("call bpf_spin_lock\n r0 = 2"));
    for _ in 0..2 {
        assert_eq!(run(&mut session, &mut packet()).verdict.name, "XDP_PASS");
    }
}

#[test]
fn a_lock_that_nobody_gives_back_is_waited_for_within_the_budget() {
    let image = super::image(&text("r2 = 1\n *(u32 *)(r6 + 0) = r2\n call bpf_spin_lock"));
    let options = skep::Options { insns: 100_000, ..skep::Options::default() };
    let mut session = skep::Session::load(&image, None, options).unwrap();
    let fault = session.run(&mut packet()).unwrap_err().to_string();
    assert!(fault.contains("budget of 100000"), "{fault}");
}

#[test]
fn pointers_in_values_are_exchanged() {
    let text = "r1 += 8\n r2 = 7\n call bpf_kptr_xchg\n r7 = r0\n r1 = r6\n r1 += 8\n r2 = 0\n \
                call bpf_kptr_xchg\n r0 <<= 8\n r0 |= r7";
    assert_eq!(code(text), 0x700);
}
