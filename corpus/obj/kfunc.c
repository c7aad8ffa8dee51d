// SPDX-License-Identifier: MIT OR Apache-2.0
// Functions and variables that a kernel has to provide.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct rq {
	unsigned int nr_running;
};

extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, __u64 *timestamp) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int bpf_unheard_of(int arg) __ksym __weak;
extern const void bpf_map_put __ksym;
extern const struct rq runqueues __ksym;
extern const int bpf_prog_active __ksym __weak;

SEC("xdp")
int stamp(struct xdp_md *ctx)
{
	__u64 stamp = 0;

	bpf_xdp_metadata_rx_timestamp(ctx, &stamp);
	return stamp;
}

static __attribute__((noinline)) int locked(struct xdp_md *ctx)
{
	int sum = 0;

	bpf_rcu_read_lock();
	if (bpf_unheard_of)
		sum = bpf_unheard_of(1);
	bpf_rcu_read_unlock();
	return sum + (long)&bpf_map_put;
}

SEC("tc")
int calls(struct __sk_buff *skb)
{
	int *active = bpf_per_cpu_ptr(&bpf_prog_active, 0);

	bpf_rcu_read_lock();
	if (bpf_per_cpu_ptr(&runqueues, 0) && active)
		return *active;
	bpf_rcu_read_unlock();
	return locked((void *)skb);
}

char _license[] SEC("license") = "GPL";
