/* Copies byte by byte. */
#include "bench.h"

ENTRY {
    volatile u8 *from = mem, *to = mem + 8192;
    for (u64 i = 0; i < 4096; i++)
        to[i] = from[i];
    return to[100];
}
