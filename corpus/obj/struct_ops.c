// SPDX-License-Identifier: MIT OR Apache-2.0
// A congestion control, once to be linked, once to be made when a loader is asked for it.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*set_state)(struct sock *sk, __u8 new_state);
	__u32 (*undo_cwnd)(struct sock *sk);
	char name[16];
	void *owner;
};

SEC("struct_ops")
__u32 BPF_PROG(half, struct sock *sk)
{
	return 2;
}

SEC("struct_ops")
void BPF_PROG(keep, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops.s/undo_cwnd")
__u32 BPF_PROG(undo, struct sock *sk)
{
	return 10;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops slow = {
	.ssthresh = (void *)half,
	.cong_avoid = (void *)keep,
	.undo_cwnd = (void *)undo,
	.name = "slow",
};

SEC(".struct_ops")
struct tcp_congestion_ops slower = {
	.ssthresh = (void *)half,
	.cong_avoid = (void *)keep,
	.name = "slower",
};

SEC("?.struct_ops.link")
struct tcp_congestion_ops slowest = {
	.ssthresh = (void *)half,
	.name = "slowest",
};

char _license[] SEC("license") = "GPL";
