// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A parser in stages: each program handles one header and tail-calls the next through a program
// array. A tail call keeps nothing but the context, so the stages hand over their position in a
// per-CPU array. Shows a program array filled in the object file, and tail calls that fail.
//
//     skep run examples/tail_calls.o --prog parse_ethernet -r examples/traffic.pcap

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum stage {
    IPV4,
    IPV6,
    TCP,
    UDP,
    STAGES,
};

int parse_ipv4(struct xdp_md *ctx);
int parse_tcp(struct xdp_md *ctx);
int parse_udp(struct xdp_md *ctx);

// IPV6 stays empty: that tail call fails, and parse_ethernet goes on behind it.
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, STAGES);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct xdp_md *));
} stages SEC(".maps") = {
    .values =
        {
            [IPV4] = (void *)&parse_ipv4,
            [TCP] = (void *)&parse_tcp,
            [UDP] = (void *)&parse_udp,
        },
};

struct state {
    __u32 at;    // where the next header begins
    __u32 depth; // stages passed
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct state);
} states SEC(".maps");

// Packets by destination port.
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 512);
    __type(key, __be16);
    __type(value, __u64);
} ports SEC(".maps");

__u64 reached[STAGES];
__u64 no_such_stage;

static __always_inline struct state *state(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&states, &zero);
}

// `len` more bytes at the state's position, or null.
static __always_inline void *header(struct xdp_md *ctx, struct state *state, __u32 len)
{
    void *data_end = (void *)(long)ctx->data_end;
    void *data = (void *)(long)ctx->data;
    __u32 at = state->at;

    if (at > 256)
        return 0;
    if (data + at + len > data_end)
        return 0;
    return data + at;
}

static __always_inline int count_port(struct state *state, enum stage stage, __be16 port)
{
    __u64 one = 1, *packets;

    __sync_fetch_and_add(&reached[stage], 1);
    state->depth++;
    packets = bpf_map_lookup_elem(&ports, &port);
    if (packets)
        __sync_fetch_and_add(packets, 1);
    else
        bpf_map_update_elem(&ports, &port, &one, BPF_ANY);
    return XDP_PASS;
}

SEC("xdp")
int parse_ethernet(struct xdp_md *ctx)
{
    struct state *s = state();
    struct ethhdr *eth;

    if (!s)
        return XDP_ABORTED;
    s->at = 0;
    s->depth = 1;
    eth = header(ctx, s, sizeof(*eth));
    if (!eth)
        return XDP_DROP;
    s->at = sizeof(*eth);
    if (eth->h_proto == bpf_htons(ETH_P_IP))
        bpf_tail_call(ctx, &stages, IPV4);
    else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
        bpf_tail_call(ctx, &stages, IPV6);
    __sync_fetch_and_add(&no_such_stage, 1);
    return XDP_PASS;
}

SEC("xdp")
int parse_ipv4(struct xdp_md *ctx)
{
    struct state *s = state();
    struct iphdr *ip;

    if (!s)
        return XDP_ABORTED;
    __sync_fetch_and_add(&reached[IPV4], 1);
    s->depth++;
    ip = header(ctx, s, sizeof(*ip));
    if (!ip || ip->ihl < 5)
        return XDP_DROP;
    s->at += ip->ihl * 4;
    if (ip->frag_off & bpf_htons(0x1fff))
        return XDP_PASS;
    if (ip->protocol == IPPROTO_TCP)
        bpf_tail_call(ctx, &stages, TCP);
    else if (ip->protocol == IPPROTO_UDP)
        bpf_tail_call(ctx, &stages, UDP);
    else
        bpf_tail_call(ctx, &stages, STAGES); // beyond the array: fails too
    __sync_fetch_and_add(&no_such_stage, 1);
    return XDP_PASS;
}

SEC("xdp")
int parse_tcp(struct xdp_md *ctx)
{
    struct state *s = state();
    struct tcphdr *tcp;

    if (!s)
        return XDP_ABORTED;
    tcp = header(ctx, s, sizeof(*tcp));
    if (!tcp)
        return XDP_DROP;
    return count_port(s, TCP, tcp->dest);
}

SEC("xdp")
int parse_udp(struct xdp_md *ctx)
{
    struct state *s = state();
    struct udphdr *udp;

    if (!s)
        return XDP_ABORTED;
    udp = header(ctx, s, sizeof(*udp));
    if (!udp)
        return XDP_DROP;
    return count_port(s, UDP, udp->dest);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
