// SPDX-License-Identifier: MIT OR Apache-2.0
// Functions: static and global ones, shared by programs, calling each other, as callbacks; several
// programs in one section; a section that loaders pass over by default.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define NOINLINE __attribute__((noinline))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 4);
} counts SEC(".maps");

__u64 total;

static NOINLINE int leaf(__u32 x)
{
	volatile __u32 y = x;

	return y * 3;
}

static NOINLINE int middle(__u32 x)
{
	volatile __u32 y = x + 1;

	return leaf(y) + leaf(y + 2);
}

NOINLINE int shared(__u32 x)
{
	volatile __u32 y = x;

	return middle(y) ^ leaf(x);
}

NOINLINE int unused(__u32 x)
{
	return shared(x) + 1;
}

static long add(void *map, __u32 *key, __u64 *value, void *ctx)
{
	total += *value + leaf(*key);
	return 0;
}

static long step(__u32 index, void *ctx)
{
	*(__u64 *)ctx += middle(index);
	return 0;
}

SEC("tc")
int one(struct __sk_buff *skb)
{
	return shared(skb->len) + leaf(skb->mark);
}

SEC("tc")
int two(struct __sk_buff *skb)
{
	__u64 sum = 0;

	bpf_loop(8, step, &sum, 0);
	bpf_for_each_map_elem(&counts, add, 0, 0);
	return sum;
}

SEC("?xdp.frags")
int three(struct xdp_md *ctx)
{
	return middle(ctx->ingress_ifindex);
}

char _license[] SEC("license") = "GPL";
