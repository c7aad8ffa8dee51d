/* Sorts 160 words by insertion. */
#include "bench.h"

ENTRY {
    u32 *a = (u32 *)mem;
    for (int i = 0; i < 160; i++)
        a[i] = i * 7919 % 331;
    for (int i = 1; i < 160; i++) {
        u32 v = a[i];
        int j = i - 1;
        while (j >= 0 && a[j] > v) {
            a[j + 1] = a[j];
            j--;
        }
        a[j + 1] = v;
    }
    return a[10];
}
