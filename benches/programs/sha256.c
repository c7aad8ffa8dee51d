/* SHA-256's compression of 16 blocks. The round constants are what the memory holds. */
#include "bench.h"

#define ROR(x, k) ((x) >> (k) | (x) << (32 - (k)))

ENTRY {
    u32 *input = (u32 *)mem, *k = (u32 *)(mem + 8192), *w = (u32 *)(mem + 12288);
    u32 *h = (u32 *)(mem + 14336);
    for (int i = 0; i < 8; i++)
        h[i] = 0x6a09e667 + i;
    for (int block = 0; block < 16; block++, input += 16) {
        for (int i = 0; i < 16; i++)
            w[i] = __builtin_bswap32(input[i]);
#pragma clang loop unroll(disable)
        for (int i = 16; i < 64; i++) {
            u32 x = w[i - 15], y = w[i - 2];
            u32 s0 = ROR(x, 7) ^ ROR(x, 18) ^ x >> 3;
            u32 s1 = ROR(y, 17) ^ ROR(y, 19) ^ y >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        u32 s[8];
        for (int i = 0; i < 8; i++)
            s[i] = h[i];
#pragma clang loop unroll(disable)
        for (int i = 0; i < 64; i++) {
            u32 a = s[0], e = s[4];
            u32 s1 = ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25);
            u32 t1 = s[7] + s1 + ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
            u32 s0 = ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22);
            u32 t2 = s0 + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
            s[7] = s[6]; s[6] = s[5]; s[5] = e; s[4] = s[3] + t1;
            s[3] = s[2]; s[2] = s[1]; s[1] = a; s[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++)
            h[i] += s[i];
    }
    /* Read back: solana-sbpf sign-extends 32-bit sums. */
    volatile u32 *out = h;
    return (u64)out[0] << 32 | out[7];
}
