// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What the processes of a cgroup may send: IPv4 to a few ports, ICMP, nothing else. Packets of
// this hook begin with the network header; 1 lets one out, 0 drops it.
//
//     skep run examples/cgroup_skb.o -r examples/traffic.pcap -w allowed.pcap

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORTS 3
#define DROP 0
#define PASS 1

const volatile __u16 allowed_ports[PORTS] = {53, 80, 443};

// Refused packets by destination port.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __be16);
    __type(value, __u64);
} refused SEC(".maps");

__u64 passed;
__u64 dropped;

static __always_inline int drop(void)
{
    __sync_fetch_and_add(&dropped, 1);
    return DROP;
}

static __always_inline int pass(void)
{
    __sync_fetch_and_add(&passed, 1);
    return PASS;
}

SEC("cgroup_skb/egress")
int egress_ports(struct __sk_buff *skb)
{
    void *data_end = (void *)(long)skb->data_end;
    struct iphdr *ip = (void *)(long)skb->data;
    struct udphdr *ports; // as in TCP, the ports come first
    __u64 one = 1, *count;
    __be16 port;

    if (skb->protocol != bpf_htons(ETH_P_IP))
        return drop();
    if ((void *)(ip + 1) > data_end || ip->ihl < 5)
        return drop();
    if (ip->protocol == IPPROTO_ICMP)
        return pass();
    if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
        return drop();
    // A later fragment has no ports; without its first one it is of no use to anybody.
    if (ip->frag_off & bpf_htons(0x1fff))
        return pass();

    ports = (void *)ip + ip->ihl * 4;
    if ((void *)(ports + 1) > data_end)
        return drop();
    port = ports->dest;
    for (int i = 0; i < PORTS; i++)
        if (port == bpf_htons(allowed_ports[i]))
            return pass();

    count = bpf_map_lookup_elem(&refused, &port);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&refused, &port, &one, BPF_ANY);
    return drop();
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
