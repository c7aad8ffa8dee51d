/* Mixes words three at a time, as Jenkins' lookup3 does. */
#include "bench.h"

#define ROT(x, k) ((x) << (k) | (x) >> (32 - (k)))

ENTRY {
    u32 *words = (u32 *)mem, a = 0xdeadbeef, b = a, c = a;
    for (u32 i = 0; i + 3 <= 2048; i += 3) {
        a += words[i];
        b += words[i + 1];
        c += words[i + 2];
        a -= c; a ^= ROT(c, 4); c += b;
        b -= a; b ^= ROT(a, 6); a += c;
        c -= b; c ^= ROT(b, 8); b += a;
        a -= c; a ^= ROT(c, 16); c += b;
        b -= a; b ^= ROT(a, 19); a += c;
        c -= b; c ^= ROT(b, 4); b += a;
    }
    return c;
}
