// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Packets rewritten on their way through tc: a service address is translated to its server and
// back with checksums kept right, DNS goes into a VLAN, telnet is dropped, ICMP is marked. Shows
// bpf_skb_store_bytes, incremental checksums, a VLAN tag pushed and a context field written.
//
//     skep run examples/tc_rewrite.o -r examples/traffic.pcap -w rewritten.pcap

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ADDR(a, b, c, d) bpf_htonl((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

#define IP_AT ETH_HLEN
#define L4_AT (ETH_HLEN + sizeof(struct iphdr))

struct endpoint {
    __be32 addr;
    __be16 port;
};

const volatile struct endpoint service = {ADDR(192, 0, 2, 80), bpf_htons(80)};
const volatile struct endpoint server = {ADDR(10, 0, 0, 80), bpf_htons(8080)};
const volatile __u16 dns_vlan = 53;
const volatile __u32 icmp_mark = 7;

struct counters {
    __u64 to_server;
    __u64 from_server;
    __u64 tagged;
    __u64 shot;
    __u64 marked;
};

struct counters counters;

// Replaces one address and port of a TCP segment over an IPv4 header without options. A TCP
// checksum also covers the addresses: BPF_F_PSEUDO_HDR.
static __always_inline int translate(struct __sk_buff *skb, __u32 addr_at, __be32 old_addr,
                                     __be32 new_addr, __u32 port_at, __be16 old_port,
                                     __be16 new_port)
{
    const __u32 ip_check = IP_AT + offsetof(struct iphdr, check);
    const __u32 tcp_check = L4_AT + offsetof(struct tcphdr, check);

    if (bpf_l4_csum_replace(skb, tcp_check, old_addr, new_addr, BPF_F_PSEUDO_HDR | 4) ||
        bpf_l4_csum_replace(skb, tcp_check, old_port, new_port, 2) ||
        bpf_l3_csum_replace(skb, ip_check, old_addr, new_addr, 4) ||
        bpf_skb_store_bytes(skb, addr_at, &new_addr, sizeof(new_addr), 0) ||
        bpf_skb_store_bytes(skb, port_at, &new_port, sizeof(new_port), 0))
        return TC_ACT_SHOT;
    return TC_ACT_OK;
}

SEC("tc")
int tc_rewrite(struct __sk_buff *skb)
{
    void *data_end = (void *)(long)skb->data_end;
    struct ethhdr *eth = (void *)(long)skb->data;
    struct iphdr *ip = (void *)(eth + 1);
    struct tcphdr *tcp = (void *)(ip + 1);
    struct udphdr *udp = (void *)(ip + 1);

    if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    if (ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
        return TC_ACT_OK;

    if (ip->protocol == IPPROTO_ICMP) {
        skb->mark = icmp_mark;
        __sync_fetch_and_add(&counters.marked, 1);
        return TC_ACT_OK;
    }

    if (ip->protocol == IPPROTO_UDP) {
        if ((void *)(udp + 1) > data_end)
            return TC_ACT_OK;
        if (udp->dest != bpf_htons(53) && udp->source != bpf_htons(53))
            return TC_ACT_OK;
        // Invalidates every pointer into the packet.
        if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), dns_vlan))
            return TC_ACT_SHOT;
        __sync_fetch_and_add(&counters.tagged, 1);
        return TC_ACT_OK;
    }

    if (ip->protocol != IPPROTO_TCP || (void *)(tcp + 1) > data_end)
        return TC_ACT_OK;
    if (tcp->dest == bpf_htons(23)) {
        __sync_fetch_and_add(&counters.shot, 1);
        return TC_ACT_SHOT;
    }
    if (ip->daddr == service.addr && tcp->dest == service.port) {
        __sync_fetch_and_add(&counters.to_server, 1);
        return translate(skb, IP_AT + offsetof(struct iphdr, daddr), service.addr, server.addr,
                         L4_AT + offsetof(struct tcphdr, dest), service.port, server.port);
    }
    if (ip->saddr == server.addr && tcp->source == server.port) {
        __sync_fetch_and_add(&counters.from_server, 1);
        return translate(skb, IP_AT + offsetof(struct iphdr, saddr), server.addr, service.addr,
                         L4_AT + offsetof(struct tcphdr, source), server.port, service.port);
    }
    return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
