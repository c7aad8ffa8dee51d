// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A program that runs for long enough to be seen by a profiler, and functions for a debugger to stop in.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 hash = 14695981039346656037ull;

static __attribute__((noinline)) __u64 mix(__u64 value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 29;
	return value;
}

static long turn(__u32 index, void *ctx __attribute__((unused)))
{
	__u64 value = hash + index;
	for (int i = 0; i < 64; i++) {
		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
	}
	hash = value;
	return 0;
}

SEC("xdp") int spin(struct xdp_md *ctx)
{
	bpf_loop(20000, turn, NULL, 0);
	hash = mix(hash ^ ctx->rx_queue_index);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
