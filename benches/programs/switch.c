/* A switch in a loop, as state machines have it. */
#include "bench.h"

ENTRY {
    u64 t = 0;
    for (u64 i = 0; i < 2048; i++) {
        switch (mem[i] & 15) {
        case 0: t += 1; break;
        case 1: t ^= 7; break;
        case 2: t *= 3; break;
        case 3: t -= 9; break;
        case 4: t |= 2; break;
        case 5: t += 55; break;
        case 6: t ^= i; break;
        case 7: t += i; break;
        case 8: t <<= 1; break;
        case 9: t += 8; break;
        case 10: t -= i; break;
        case 11: t ^= 0x55; break;
        case 12: t += 99; break;
        default: t += 2;
        }
    }
    return t;
}
