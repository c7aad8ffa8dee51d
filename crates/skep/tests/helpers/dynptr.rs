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

/// What a program at XDP puts before the packet, one at tc reads and writes. Kernel: `bpf_dynptr_from_skb_meta`.
#[test]
fn metadata_has_a_dynptr_of_its_own() {
    let meta = |body: &str| format!("{NEW} call @bpf_dynptr_from_skb_meta\n {body}");
    let size = meta(&format!("{PTR} call @bpf_dynptr_size\n exit"));
    assert_eq!(r0("tc", &size), 0, "there is none");
    let mut packet = packet();
    let put = "r6 = r1\n r2 = -8\n call bpf_xdp_adjust_meta\n r2 = *(u32 *)(r6 + 8)\n r3 = *(u32 *)(r6 + 0)\n \
               r4 = r2\n r4 += 8\n if r4 > r3 goto +2\n *(u32 *)(r2 + 0) = 0x11223344\n \
               *(u32 *)(r2 + 4) = 0x55667788\n r0 = 2\n exit";
    assert_eq!(r0_on("xdp", put, &mut packet), 2);
    assert_eq!(r0_on("tc", &size, &mut packet), 8);
    let at = |off| meta(&slice("bpf_dynptr_slice", off));
    assert_eq!(r0_on("tc", &at(0), &mut packet), 0x1122_3344);
    assert_eq!(r0_on("tc", &at(4), &mut packet), 0x5566_7788);
    assert_eq!(r0_on("tc", &at(5), &mut packet), -1, "the packet is none of it");
    let write = |off: u32| {
        meta(&format!(
            "*(u32 *)(r10 - 24) = 0x0a0b0c0d\n {PTR} r2 = {off}\n r3 = r10\n r3 += -24\n r4 = 4\n r5 = 0\n \
             call bpf_dynptr_write\n exit"
        ))
    };
    assert_eq!(r0_on("tc", &write(2), &mut packet), 0);
    assert_eq!(r0_on("tc", &at(0), &mut packet), 0x0c0d_3344);
    assert_eq!(r0_on("tc", &at(4), &mut packet), 0x5566_0a0b);
    assert_eq!(r0_on("tc", &write(5), &mut packet), -7, "E2BIG");
    let read = meta(
        "r1 = r10\n r1 += -24\n r2 = 4\n r3 = r10\n r3 += -16\n r4 = 4\n r5 = 0\n call bpf_dynptr_read\n \
         if r0 != 0 goto +1\n r0 = *(u32 *)(r10 - 24)\n exit",
    );
    assert_eq!(r0_on("tc", &read, &mut packet), 0x5566_0a0b);
    let data = meta(&format!("{PTR} r2 = 0\n r3 = 4\n call bpf_dynptr_data\n exit"));
    assert_eq!(r0_on("tc", &data, &mut packet), 0, "bpf_dynptr_data is not for packets");
    assert_eq!(packet.data()[12..14], [0x88, 0xb5], "the packet is as it was");
    let flags = "r2 = 1\n r3 = r10\n r3 += -16\n call @bpf_dynptr_from_skb_meta\n exit";
    assert_eq!(r0_on("tc", flags, &mut packet), -22);
}
