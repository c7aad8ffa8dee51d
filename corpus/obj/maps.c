// SPDX-License-Identifier: MIT OR Apache-2.0
// Map definitions: every attribute, initial content, inner maps.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef __ulong
#define __ulong(name, val) enum { name##__value = val } name
#endif

int first(struct __sk_buff *skb);
int second(struct __sk_buff *skb);

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, 4);
	__type(value, __u64);
	__uint(max_entries, 2);
};

struct inner inner_a SEC(".maps");
struct inner inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(key_size, 4);
	__uint(max_entries, 4);
	__array(values, struct inner);
} outer SEC(".maps") = {
	.values = { [1] = &inner_a, [3] = &inner_b },
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} jumps SEC(".maps") = {
	.values = { [0] = &first, [5] = &second },
};

struct prefix {
	__u32 bits;
	__u8 addr[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct prefix);
	__type(value, __u32);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE);
	__uint(numa_node, 0);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 16);
	__uint(max_entries, 1);
} percpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__type(value, __u64);
	__uint(max_entries, 100);
	__ulong(map_extra, 5);
} bloom SEC(".maps");

SEC("tc")
int first(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &jumps, 5);
	return 0;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	__u32 key = 1, *next;
	void *map = bpf_map_lookup_elem(&outer, &key);
	struct prefix prefix = { 32, { 10, 0, 0, 1 } };
	__u64 value = 9;

	if (map)
		bpf_map_update_elem(map, &key, &value, 0);
	bpf_map_push_elem(&bloom, &value, 0);
	bpf_ringbuf_output(&events, &value, sizeof(value), 0);
	if (!bpf_map_lookup_elem(&percpu, &key))
		return 1;
	next = bpf_map_lookup_elem(&routes, &prefix);
	return next ? *next : 2;
}

char _license[] SEC("license") = "GPL";
