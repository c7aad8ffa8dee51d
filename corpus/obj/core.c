// SPDX-License-Identifier: MIT OR Apache-2.0
// A program that needs to know where the running kernel keeps a field.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct sock_common {
	unsigned short skc_family;
	unsigned short skc_state[4];
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

SEC("kprobe/tcp_close")
int on_close(void **ctx)
{
	struct sock *sk = ctx[14];

	return BPF_CORE_READ(sk, __sk_common.skc_state[2]);
}

char _license[] SEC("license") = "GPL";
