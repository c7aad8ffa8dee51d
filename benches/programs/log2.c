/* Binary logarithm by halving the range of bits, without branches. */
#include "bench.h"

ENTRY {
    u64 sum = 0;
    for (u64 k = 0; k < 1000; k++) {
        u64 v = k * 2654435761UL;
        u32 r, s;
        r = (v > 0xffffffff) << 5; v >>= r;
        s = (v > 0xffff) << 4; v >>= s; r |= s;
        s = (v > 0xff) << 3; v >>= s; r |= s;
        s = (v > 0xf) << 2; v >>= s; r |= s;
        s = (v > 3) << 1; v >>= s; r |= s;
        sum += r | v >> 1;
    }
    return sum;
}
