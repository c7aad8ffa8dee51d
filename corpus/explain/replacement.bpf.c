// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Programs that replace the functions of `target.bpf.c`, or may not. What is said of them is in
// `replacement.txt`.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

SEC("freplace/length")
int new_length(struct __sk_buff *skb) {
    return skb->len + skb->mark;
}

SEC("freplace/sum")
int new_sum(int a, int b) {
    return a - b;
}

SEC("freplace/filter")
int whole(struct __sk_buff *skb) {
    return 0;
}

SEC("freplace/sum")
int one_parameter(int a) {
    return a;
}

SEC("freplace/sum")
int wide_parameter(int a, long b) {
    return a;
}

SEC("freplace/length")
int of_xdp(struct xdp_md *ctx) {
    return ctx->rx_queue_index;
}

SEC("freplace/hidden")
int of_static(int a) {
    return a;
}

SEC("freplace/unused")
int of_unused(int a) {
    return a;
}

SEC("freplace/length")
int moves_packet(struct __sk_buff *skb) {
    return bpf_skb_pull_data(skb, 14);
}

SEC("freplace/length")
int no_field(struct __sk_buff *skb) {
    return *(int *)((char *)skb + 200);
}

SEC("freplace/nothing")
int of_nothing(int a) {
    return a;
}
