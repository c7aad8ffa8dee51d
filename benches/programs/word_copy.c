/* Copies eight bytes at a time. */
#include "bench.h"

ENTRY {
    volatile u64 *from = (u64 *)mem, *to = (u64 *)(mem + 8192);
    for (u64 i = 0; i < 1024; i++)
        to[i] = from[i];
    return to[100];
}
