; Reads one byte beyond the shortest packets.

.section "xdp"
peek:
    r2 = *(u32 *)(r1 + 0)           ; xdp_md.data
    r0 = *(u8 *)(r2 + 61)           ; without a look at data_end
    r0 = 2                          ; XDP_PASS
    exit
