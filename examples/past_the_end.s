# A mistake: the byte at data_end is the first that does not belong to the packet.
#
#     skep run examples/past_the_end.s -r examples/traffic.pcap

.license "Dual MIT/GPL"
.section "xdp"
last_byte:
    r2 = *(u32 *)(r1 + 4)   # data_end
    r0 = *(u8 *)(r2 + 0)    # one byte too far
    exit
