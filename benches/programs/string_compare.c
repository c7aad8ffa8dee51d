/* strcmp of two equal strings, then of all their tails of up to 64 bytes with one another. */
#include "bench.h"

static __attribute__((always_inline)) int compare(const u8 *a, const u8 *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a - *b;
}

ENTRY {
    for (u64 i = 0; i < 4096; i++)
        mem[8192 + i] = mem[i];
    mem[4096] = mem[8192 + 4096] = 0;
    u64 sum = compare(mem, mem + 8192);
    for (u64 i = 4032; i < 4096; i++)
        sum += compare(mem + i, mem + 8192 + i);
    return sum;
}
