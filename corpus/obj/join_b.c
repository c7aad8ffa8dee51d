// SPDX-License-Identifier: MIT OR Apache-2.0
// One of two objects that need each other; join_a.c is the other.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define NOINLINE __attribute__((noinline))

struct flow {
	__u32 addr;
	__u32 port;
};

struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

extern struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct flow);
	__type(value, __u64);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} either __weak SEC(".maps");

extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool CONFIG_BPF_SYSCALL __kconfig;

const volatile __u32 limit __weak = 9;
__u64 seen_b = 2;
extern __u64 seen_a;
__u32 level;
__u16 padded = 3;

static NOINLINE int scale(__u32 x)
{
	volatile __u32 y = x;

	return y * 5;
}

int choose(__u32 x)
{
	static volatile __u32 calls;

	calls += bpf_core_type_size(struct task_struct);
	return scale(x) + calls;
}

__weak int first(__u32 x)
{
	volatile __u32 y = x;

	return y + 22;
}

__hidden extern int secret(__u32 x);

int other(__u32 x)
{
	return secret(x) + scale(x + 1) + LINUX_KERNEL_VERSION + CONFIG_BPF_SYSCALL;
}

SEC("xdp")
int leave(struct xdp_md *ctx)
{
	struct flow flow = { .addr = ctx->data_end - ctx->data, .port = 0 };
	__u64 *count = bpf_map_lookup_elem(&flows, &flow);

	if (count)
		seen_a += *count + padded;
	if (flow.addr > limit)
		return first(flow.addr);
	return other(2) + choose(seen_b);
}

char LICENSE[] SEC("license") = "GPL";
