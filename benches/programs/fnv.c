/* FNV-1a, 64 bits. */
#include "bench.h"

ENTRY {
    u64 hash = 0xcbf29ce484222325UL;
    for (u64 i = 0; i < 8192; i++) {
        hash ^= mem[i];
        hash *= 0x100000001b3UL;
    }
    return hash;
}
