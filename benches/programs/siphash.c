/* SipHash-2-4 with a fixed key. */
#include "bench.h"

#define ROT(x, k) ((x) << (k) | (x) >> (64 - (k)))
#define ROUND                                                                   \
    do {                                                                        \
        v0 += v1; v1 = ROT(v1, 13); v1 ^= v0; v0 = ROT(v0, 32);                 \
        v2 += v3; v3 = ROT(v3, 16); v3 ^= v2;                                   \
        v0 += v3; v3 = ROT(v3, 21); v3 ^= v0;                                   \
        v2 += v1; v1 = ROT(v1, 17); v1 ^= v2; v2 = ROT(v2, 32);                 \
    } while (0)

ENTRY {
    u64 *words = (u64 *)mem;
    u64 v0 = 0x736f6d6570736575, v1 = 0x646f72616e646f6d;
    u64 v2 = 0x6c7967656e657261, v3 = 0x7465646279746573;
    for (u32 i = 0; i < 512; i++) {
        v3 ^= words[i];
        ROUND;
        ROUND;
        v0 ^= words[i];
    }
    v2 ^= 0xff;
    ROUND;
    ROUND;
    ROUND;
    ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}
