// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A program whose functions `replacement.bpf.c` replaces.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))

char _license[] SEC("license") = "GPL";

noinline int length(struct __sk_buff *skb) {
    asm volatile("" : "+r"(skb));
    return skb->len;
}

noinline int sum(int a, int b) {
    asm volatile("" : "+r"(a), "+r"(b));
    return a + b;
}

static noinline int hidden(int a) {
    asm volatile("" : "+r"(a));
    return a + 1;
}

noinline int unused(int a) {
    asm volatile("" : "+r"(a));
    return a;
}

SEC("tc")
int filter(struct __sk_buff *skb) {
    volatile int zero = 0;
    return sum(length(skb), hidden(3)) > 100 ? 0 : zero;
}
