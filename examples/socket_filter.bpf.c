// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Socket filters that keep DNS: they return how many bytes the socket may see, 0 for none. Shows
// the two ways to read a packet without pointers: helpers, and the loads that classic BPF left
// behind (LD_ABS and LD_IND, which end the program with 0 when they run past the packet).
//
//     skep run examples/socket_filter.o --prog dns -r examples/traffic.pcap -w dns.pcap
//     skep run examples/socket_filter.o --prog dns_classic -r examples/traffic.pcap

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define KEEP_ALL 0xffff
#define DNS_PORT 53

unsigned long long load_byte(void *skb, unsigned long long at) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long at) asm("llvm.bpf.load.half");

__u64 kept;
__u64 skipped;

// Offsets count from the network header, so it does not matter whether the socket sees link
// headers. Keeps queries whole and answers up to their first 128 bytes.
SEC("socket")
int dns(struct __sk_buff *skb)
{
    struct udphdr udp;
    struct iphdr ip;

    if (skb->protocol != bpf_htons(ETH_P_IP))
        goto skip;
    if (bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
        goto skip;
    if (ip.protocol != IPPROTO_UDP || ip.frag_off & bpf_htons(0x1fff))
        goto skip;
    if (bpf_skb_load_bytes_relative(skb, ip.ihl * 4, &udp, sizeof(udp), BPF_HDR_START_NET))
        goto skip;
    if (udp.dest == bpf_htons(DNS_PORT)) {
        __sync_fetch_and_add(&kept, 1);
        return KEEP_ALL;
    }
    if (udp.source == bpf_htons(DNS_PORT)) {
        __sync_fetch_and_add(&kept, 1);
        return 128;
    }
skip:
    __sync_fetch_and_add(&skipped, 1);
    return 0;
}

// The same as `udp port 53` compiles to for classic BPF; results of the loads are in host order.
SEC("socket")
int dns_classic(struct __sk_buff *skb)
{
    unsigned long long l4;

    if (skb->protocol != bpf_htons(ETH_P_IP))
        return 0;
    if (load_byte(skb, SKF_NET_OFF + offsetof(struct iphdr, protocol)) != IPPROTO_UDP)
        return 0;
    if (load_half(skb, SKF_NET_OFF + offsetof(struct iphdr, frag_off)) & 0x1fff)
        return 0;
    l4 = SKF_NET_OFF + (load_byte(skb, SKF_NET_OFF) & 0xf) * 4;
    if (load_half(skb, l4) == DNS_PORT || load_half(skb, l4 + 2) == DNS_PORT)
        return KEEP_ALL;
    return 0;
}

// For AF_PACKET sockets, whose packets begin with the Ethernet header: keeps UDP and cuts off
// everything behind its header.
SEC("socket")
int udp_headers(struct __sk_buff *skb)
{
    __be16 proto;
    __u8 ihl, l4;

    if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), &proto, sizeof(proto)) ||
        proto != bpf_htons(ETH_P_IP))
        return 0;
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &ihl, sizeof(ihl)) ||
        bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), &l4, sizeof(l4)) ||
        l4 != IPPROTO_UDP)
        return 0;
    return ETH_HLEN + (ihl & 0xf) * 4 + sizeof(struct udphdr);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
