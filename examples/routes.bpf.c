// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Asks for each packet's route and counts the answers, as a router in XDP would; which sockets packets
// are for is counted too. `--world` says what there is to find:
//
//     skep run examples/routes.o -r examples/traffic.pcap --world examples/world.json
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET 2

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} answers SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, __u16);
    __type(value, __u64);
} listeners SEC(".maps");

static void count_socket(struct xdp_md *ctx, const struct iphdr *ip, const void *end)
{
    const struct tcphdr *tcp = (const void *)(ip + 1);
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock *sk;
    __u64 one = 1, *count;
    __u16 port;

    if (ip->protocol != IPPROTO_TCP || ip->ihl != 5 || (const void *)(tcp + 1) > end)
        return;
    tuple.ipv4.saddr = ip->saddr;
    tuple.ipv4.daddr = ip->daddr;
    tuple.ipv4.sport = tcp->source;
    tuple.ipv4.dport = tcp->dest;
    sk = bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!sk)
        return;
    port = sk->src_port;
    bpf_sk_release(sk);
    count = bpf_map_lookup_elem(&listeners, &port);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&listeners, &port, &one, BPF_ANY);
}

SEC("xdp")
int routes(struct xdp_md *ctx)
{
    const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
    const struct ethhdr *eth = data;
    const struct iphdr *ip = (const void *)(eth + 1);
    struct bpf_fib_lookup fib = {};
    __u64 *count;
    __u32 answer;

    if ((const void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
        return XDP_PASS;
    fib.family = AF_INET;
    fib.tos = ip->tos;
    fib.l4_protocol = ip->protocol;
    fib.tot_len = bpf_ntohs(ip->tot_len);
    fib.ipv4_src = ip->saddr;
    fib.ipv4_dst = ip->daddr;
    fib.ifindex = 1;
    count_socket(ctx, ip, end);
    answer = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
    if (answer > 15)
        answer = 15;
    count = bpf_map_lookup_elem(&answers, &answer);
    if (count)
        __sync_fetch_and_add(count, 1);
    return answer == BPF_FIB_LKUP_RET_BLACKHOLE ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
