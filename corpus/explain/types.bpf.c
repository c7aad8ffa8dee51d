// SPDX-License-Identifier: MIT OR Apache-2.0
//
// An object whose types the kernel refuses, whatever its programs do. `build.sh` compiles them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct bpf_rb_node {
    __u64 opaque[4];
};

struct bpf_list_node {
    __u64 opaque[3];
};

// In a list and in a tree at once, so it needs a count of who holds it.
struct flow {
    __u64 bytes;
    struct bpf_rb_node by_size;
    struct bpf_list_node by_age;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct flow);
} flows SEC(".maps");

SEC("tc")
int ingress(struct __sk_buff *ctx)
{
    return 0;
}

SEC("tc")
int egress(struct __sk_buff *ctx)
{
    return 0;
}

SEC("socket")
int tap(struct __sk_buff *ctx)
{
    return ctx->len;
}
