/* Counts by keys of a hash map and of an array. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u64);
} hash SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u64);
} array SEC(".maps");

SEC("xdp") int run(struct xdp_md *ctx)
{
    for (__u32 i = 0; i < 1000; i++) {
        __u32 key = i * 7 & 255;
        __u64 one = 1, *value = bpf_map_lookup_elem(&hash, &key);
        if (value)
            *value += 1;
        else
            bpf_map_update_elem(&hash, &key, &one, BPF_ANY);
        value = bpf_map_lookup_elem(&array, &key);
        if (value)
            *value += i;
    }
    return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
