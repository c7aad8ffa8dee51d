// SPDX-License-Identifier: MIT OR Apache-2.0
// A function that a kernel has to provide.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash) __ksym;

SEC("xdp")
int hash(struct xdp_md *ctx)
{
	__u32 hash = 0;

	bpf_xdp_metadata_rx_hash(ctx, &hash);
	return hash;
}

char _license[] SEC("license") = "GPL";
