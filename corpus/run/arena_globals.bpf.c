// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Globals in an arena, and pages that it does not have: a list that is built and read, and packets counted by length.
#include <linux/bpf.h>
#include "newer.h"
#include <bpf/bpf_helpers.h>

#define __arena __attribute__((address_space(1)))

struct {
    __uint(type, BPF_MAP_TYPE_ARENA);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 10);
} arena SEC(".maps");

struct node {
    struct node __arena *next;
    short value;
};

struct node __arena nodes[64] = { { .value = -5 } };
struct node __arena *__arena head;
unsigned int __arena count;
__u64 result;

SEC("xdp") int list(struct xdp_md *ctx)
{
    struct node __arena *node;
    __u32 at = count & 63, len = ctx->data_end - ctx->data;
    __s64 sum = 0;
    int turns;

    node = &nodes[at];
    if (at)
        node->value = -(short)len;
    node->next = count ? head : 0;
    head = node;
    count++;
    for (turns = 0, node = head; node && turns < 64; node = node->next, turns++)
        sum += node->value * (turns + 1);
    // Beyond the pages that there are: what is stored is gone.
    volatile __u64 __arena *hole = (void __arena *)((char __arena *)nodes + 8 * 4096);
    *hole = sum;
    result = result * 31 + sum + *hole + turns;
    return result & 1 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
