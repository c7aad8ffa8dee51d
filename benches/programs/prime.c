/* Counts primes by trial division. */
#include "bench.h"

ENTRY {
    u64 count = 0;
    for (u64 n = 2; n < 1000; n++) {
        int prime = 1;
        for (u64 d = 2; d * d <= n; d++) {
            if (n % d == 0) {
                prime = 0;
                break;
            }
        }
        count += prime;
    }
    return count;
}
