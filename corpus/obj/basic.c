// SPDX-License-Identifier: MIT OR Apache-2.0
// One program, one map with key and value types, and each kind of data section.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct flow_key {
	__u32 saddr;
	__u32 daddr;
};

struct flow {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow);
	__uint(max_entries, 1024);
} flows SEC(".maps");

const volatile __u32 min_len = 14;
const volatile __u32 max_len = 1500;
__u64 seen = 0;
__u64 too_long;
__u32 first_port = 1024;
static __u32 calls = 7;

SEC("xdp")
int count(struct xdp_md *ctx)
{
	struct flow_key key = { ctx->ingress_ifindex, ctx->rx_queue_index };
	__u32 len = ctx->data_end - ctx->data;
	struct flow *flow, fresh = { 1, len };

	seen++;
	calls++;
	if (len < min_len)
		return XDP_DROP;
	if (len > max_len)
		too_long += first_port;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow) {
		bpf_map_update_elem(&flows, &key, &fresh, BPF_ANY);
		return XDP_PASS;
	}
	__sync_fetch_and_add(&flow->packets, 1);
	flow->bytes += len;
	return calls > 100 ? XDP_ABORTED : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
