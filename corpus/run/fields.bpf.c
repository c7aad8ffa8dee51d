// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Values with a lock, a timer and a pointer to an object in them, between plain bytes.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct object {
    __u64 number;
};

struct value {
    __u32 before;
    struct bpf_spin_lock lock;
    struct bpf_timer timer;
    struct object __attribute__((btf_type_tag("kptr"))) * object;
    __u64 after;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct value);
} values SEC(".maps");

SEC("tc")
int count(struct __sk_buff *skb)
{
    struct value *value;
    __u32 zero = 0;

    value = bpf_map_lookup_elem(&values, &zero);
    if (!value)
        return -1;
    if (skb->len == 64)
        bpf_timer_init(&value->timer, &values, 1);
    bpf_spin_lock(&value->lock);
    value->before++;
    value->after += skb->len;
    bpf_spin_unlock(&value->lock);
    return 0;
}

char _license[] SEC("license") = "GPL";
