; SPDX-License-Identifier: MIT OR Apache-2.0
;
; Counts packets by IP protocol, without a compiler. In the dialect of bpftool and the kernel.
;
;     skep run examples/count.s -r examples/traffic.pcap

.map counts, array, key=4, value=8, entries=256

.section xdp
count:
    r2 = *(u32 *)(r1 + 4)           ; xdp_md.data_end
    r1 = *(u32 *)(r1 + 0)           ; xdp_md.data
    r3 = r1
    r3 += 34                        ; an Ethernet and an IPv4 header
    if r3 > r2 goto pass
    r2 = *(u16 *)(r1 + 12)          ; EtherType
    r2 = be16 r2
    if r2 != 0x800 goto pass
    r2 = *(u8 *)(r1 + 23)           ; IPv4 protocol
    *(u32 *)(r10 - 4) = r2
    r2 = r10
    r2 += -4
    r1 = counts ll
    call bpf_map_lookup_elem
    if r0 == 0 goto pass
    r1 = 1
    lock *(u64 *)(r0 + 0) += r1
pass:
    r0 = 2                          ; XDP_PASS
    exit
