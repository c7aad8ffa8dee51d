; Does with its frame pointer what no compiler does.

.section "xdp"
odd:
    r2 = 3
    r2 *= r10
    r0 = 2                          ; XDP_PASS
    exit
