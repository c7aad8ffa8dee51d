/* CRC-32 of 2 KiB, bit by bit. */
#include "bench.h"

ENTRY {
    u32 crc = ~0u;
    for (u64 i = 0; i < 2048; i++) {
        crc ^= mem[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}
