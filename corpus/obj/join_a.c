// SPDX-License-Identifier: MIT OR Apache-2.0
// One of two objects that need each other; join_b.c is the other.
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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct flow);
	__type(value, __u64);
} flows SEC(".maps");

/* Of the other object, its attributes in another order. */
typedef struct {
	__type(value, __u64);
	__type(key, __u32);
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
} totals_t;

extern totals_t totals SEC(".maps");

/* The first of two weak ones stays. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} either __weak SEC(".maps");

extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool CONFIG_BPF_SYSCALL __kconfig __weak;
extern const void bpf_link_fops __ksym __weak;

const volatile __u32 limit __weak = 7;
__u64 seen_a = 1;
extern __u64 seen_b;
extern __u32 level;

/* Both objects have a function of this name. */
static NOINLINE int scale(__u32 x)
{
	volatile __u32 y = x;

	return y * 3;
}

/* Gives way to the strong one of the other object. */
__weak int choose(__u32 x)
{
	static volatile __u32 calls;

	calls += bpf_core_type_size(struct task_struct);
	return scale(x) + 1;
}

/* Stays, since the other one is weak too. */
__weak int first(__u32 x)
{
	volatile __u32 y = x;

	return y + 11;
}

__hidden int secret(__u32 x)
{
	volatile __u32 y = x;

	return scale(y) ^ 5;
}

extern int other(__u32 x);

SEC("xdp")
int enter(struct xdp_md *ctx)
{
	struct flow flow = { .addr = ctx->data_end - ctx->data, .port = level };
	__u64 one = 1, *count;
	__u32 key = 1;

	seen_a++;
	seen_b += seen_a;
	bpf_map_update_elem(&flows, &flow, &one, BPF_ANY);
	count = bpf_map_lookup_elem(&totals, &key);
	if (count)
		*count += flow.addr;
	bpf_map_lookup_elem(&either, &key);
	if (flow.addr > limit)
		return other(flow.addr) + choose(flow.port) + first(1);
	return scale(LINUX_KERNEL_VERSION) + CONFIG_BPF_SYSCALL + (&bpf_link_fops != 0);
}

char _license[] SEC("license") = "GPL";
