/* The entries of maps, which a helper shows to a function. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_map;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u64);
} entries SEC(".maps");

static long body(struct bpf_map *map, const __u32 *key, __u64 *value, __u64 *sum)
{
    *sum = *sum * 31 + *key + *value;
    return 0;
}

SEC("xdp") int run(struct xdp_md *ctx)
{
    __u64 sum = 1;
    bpf_for_each_map_elem(&entries, body, &sum, 0);
    return sum;
}

char _license[] SEC("license") = "GPL";
