/* Looks 1024 keys up in a sorted table of 1024 words. */
#include "bench.h"

ENTRY {
    u32 *table = (u32 *)mem;
    for (u32 i = 0; i < 1024; i++)
        table[i] = i * 7;
    u64 found = 0;
    for (u32 key = 0; key < 1024; key++) {
        u32 low = 0, high = 1024;
        while (low < high) {
            u32 mid = (low + high) / 2;
            if (table[mid] < key * 6)
                low = mid + 1;
            else
                high = mid;
        }
        found += low < 1024 && table[low] == key * 6;
    }
    return found;
}
