/* Product of two matrices of 20 by 20 words. */
#include "bench.h"

#define N 20

ENTRY {
    u64 *a = (u64 *)mem, *b = a + N * N, *c = b + N * N;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            u64 sum = 0;
#pragma clang loop unroll(disable)
            for (int k = 0; k < N; k++)
                sum += a[i * N + k] * b[k * N + j];
            c[i * N + j] = sum;
        }
    }
    return c[5] + c[N * N - 1];
}
