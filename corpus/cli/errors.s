.section "xdp"
main:
    r2 = *(u32 *)(r1 + 4)
    r2 += r77
    if r2 > 3 goto ot
out:
    exti
