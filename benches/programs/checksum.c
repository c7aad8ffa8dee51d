/* Internet checksum of all the memory. RFC 1071. */
#include "bench.h"

ENTRY {
    u64 sum = 0;
    for (u64 i = 0; i < 16384; i += 2)
        sum += *(u16 *)(mem + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}
