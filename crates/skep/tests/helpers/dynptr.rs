//! Dynptrs over packets and ring buffer records.

use super::{packet, r0, r0_on, records, run, session};

const NEW: &str = "r6 = r1\n r2 = 0\n r3 = r10\n r3 += -16\n ";
const PTR: &str = "r1 = r10\n r1 += -16\n ";

/// 4 bytes at the offset, or -1 for null.
fn slice(kfunc: &str, off: u32) -> String {
    format!(
        "{PTR} r2 = {off}\n r3 = 0\n r4 = 4\n call @{kfunc}\n if r0 != 0 goto +2\n r0 = -1\n exit\n \
         r0 = *(u32 *)(r0 + 0)\n exit"
    )
}

#[test]
fn a_packet_is_read_through_its_dynptr() {
    let at = |section: &str, new: &str, off| {
        let slice = slice("bpf_dynptr_slice", off);
        r0(section, &format!("{NEW} call @{new}\n {slice}"))
    };
    for (section, new) in [("xdp", "bpf_dynptr_from_xdp"), ("tc", "bpf_dynptr_from_skb")] {
        assert_eq!(at(section, new, 14), 0x0302_0100, "{section}");
        assert_eq!(at(section, new, 60), 0x3130_2f2e, "{section}");
        assert_eq!(at(section, new, 61), -1, "{section}");
    }
    let from_network_header = at("cgroup_skb/ingress", "bpf_dynptr_from_skb", 0);
    assert_eq!(from_network_header, 0x0302_0100);
}

#[test]
fn a_dynptr_follows_the_head_of_the_packet() {
    let text = format!(
        "{NEW} call @bpf_dynptr_from_xdp\n r1 = r6\n r2 = 14\n call bpf_xdp_adjust_head\n {}",
        slice("bpf_dynptr_slice", 0)
    );
    assert_eq!(r0("xdp", &text), 0x0302_0100);
    let text = format!(
        "{NEW} call @bpf_dynptr_from_xdp\n r1 = r6\n r2 = 14\n call bpf_xdp_adjust_head\n {}",
        slice("bpf_dynptr_slice", 60)
    );
    assert_eq!(r0("xdp", &text), -1, "those bytes are gone");
}

#[test]
fn only_hooks_that_write_packets_write_through_dynptrs() {
    let write = |flags: u32| {
        format!(
            "{NEW} call @bpf_dynptr_from_skb\n *(u32 *)(r10 - 24) = 0x55555555\n {PTR} r2 = 14\n \
             r3 = r10\n r3 += -24\n r4 = 4\n r5 = {flags}\n call bpf_dynptr_write\n \
             if r0 != 0 goto +1\n r0 = *(u32 *)(r6 + 68)\n exit"
        )
    };
    let mut tc = packet();
    tc.meta.hash = 7;
    assert_eq!(r0_on("tc", &write(1), &mut tc), 7);
    assert_eq!(tc.data()[13..19], [0xb5, 0x55, 0x55, 0x55, 0x55, 4]);
    assert_eq!((r0_on("tc", &write(2), &mut tc), tc.meta.hash), (0, 0));
    assert_eq!(r0_on("tc", &write(4), &mut tc), -22);
    let read_only =
        format!("{NEW} call @bpf_dynptr_from_skb\n {PTR} call @bpf_dynptr_is_rdonly\n exit");
    assert_eq!(r0("tc", &read_only), 0);
    assert_eq!(r0("socket", &read_only), 1);
    let rdwr = slice("bpf_dynptr_slice_rdwr", 16);
    let text = format!("{NEW} call @bpf_dynptr_from_skb\n {rdwr}");
    assert_eq!(r0("tc", &text), 0x0504_0302);
    assert_eq!(r0("socket", &text), -1);
}

#[test]
fn a_record_of_any_length_is_reserved_and_submitted() {
    let text = ".map events, ringbuf, entries=4096\n.section \"xdp\"\np:\n r1 = events ll\n r2 = 4\n r3 = 0\n \
         r4 = r10\n r4 += -16\n call bpf_ringbuf_reserve_dynptr\n if r0 != 0 goto out\n \
         r1 = r10\n r1 += -16\n r2 = 0\n r3 = 4\n call bpf_dynptr_data\n if r0 == 0 goto out\n \
         *(u32 *)(r0 + 0) = 0x04030201\n r1 = r10\n r1 += -16\n r2 = 0\n \
         call bpf_ringbuf_submit_dynptr\n \
         r1 = r10\n r1 += -16\n r2 = 0\n call bpf_ringbuf_discard_dynptr\n r0 = 2\n out: exit\n";
    let mut session = session(text);
    assert_eq!(run(&mut session, &mut packet()).verdict.name, "XDP_PASS");
    let records = records(&mut session);
    assert_eq!(records.len(), 1, "what is submitted is not discarded: {records:?}");
    assert!(records[0].contains("01"), "{records:?}");
}
