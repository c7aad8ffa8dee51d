// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Programs of which some hold what is no instruction. `build.sh` compiles them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

int count;

SEC("xdp")
int good(struct xdp_md *ctx)
{
    count++;
    return XDP_PASS;
}

SEC("xdp")
int bad(struct xdp_md *ctx)
{
    count++;
    asm volatile(".quad 0x00000000000000df");
    return XDP_PASS;
}

static __attribute__((noinline)) int twice(int n)
{
    asm volatile(".quad 0x0000000000000606");
    return n * 2;
}

SEC("tc")
int calls_bad(struct __sk_buff *ctx)
{
    return twice(ctx->len);
}

SEC("tc")
int runs_on(struct __sk_buff *ctx)
{
    asm volatile("goto +100");
    return 0;
}

SEC("tc")
int also_good(struct __sk_buff *ctx)
{
    return 0;
}

SEC("tc")
int into_the_middle(struct __sk_buff *ctx)
{
    asm volatile("goto +1; r1 = 0x1122334455667788 ll" ::: "r1");
    return 0;
}
