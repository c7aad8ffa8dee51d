/* Parses Ethernet, VLAN, IPv4, TCP and UDP headers of 128 frames with bounds checks, and counts. */
#include "bench.h"

static __attribute__((always_inline)) u32 parse(u8 *at, u8 *end)
{
    if (at + 14 > end)
        return 0;
    u16 proto = *(u16 *)(at + 12);
    at += 14;
    if (proto == 0x0081) {
        if (at + 4 > end)
            return 1;
        proto = *(u16 *)(at + 2);
        at += 4;
    }
    if (proto != 0x0008)
        return 2;
    if (at + 20 > end)
        return 3;
    u32 header = (at[0] & 15) * 4;
    u32 addr = *(u32 *)(at + 12) ^ *(u32 *)(at + 16);
    u8 layer4 = at[9];
    if (header < 20 || at + header > end)
        return 4;
    at += header;
    if (layer4 == 6) {
        if (at + 20 > end)
            return 5;
        return addr + *(u16 *)at + *(u16 *)(at + 2) + (at[13] & 2);
    }
    if (layer4 == 17) {
        if (at + 8 > end)
            return 6;
        return addr + *(u16 *)at + *(u16 *)(at + 2) + *(u16 *)(at + 4);
    }
    return 7;
}

ENTRY {
    for (u64 i = 0; i < 128; i++) {
        u8 *frame = mem + i * 64;
        u64 tag = i & 3 ? 0 : 4;
        *(u16 *)(frame + 12) = 0x0081;
        *(u16 *)(frame + 12 + tag) = i % 7 ? 0x0008 : 0xdd86;
        frame[14 + tag] = 0x45;
        frame[23 + tag] = i % 5 ? 6 : 17;
    }
    u64 sum = 0;
    for (u64 round = 0; round < 8; round++)
        for (u64 i = 0; i < 128; i++)
            sum += parse(mem + i * 64, mem + i * 64 + 64);
    return sum;
}
