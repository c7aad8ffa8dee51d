// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A flow table. Each IPv4 packet is counted under its addresses, ports and protocol; packets that
// should not be on a wire are dropped. Shows a hash map with a structured key, a per-CPU array,
// counters in .bss and settings in .rodata.
//
//     skep run examples/xdp_flows.o -r examples/traffic.pcap

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_VLAN_TAGS 2

struct vlan_hdr {
    __be16 tci;
    __be16 proto;
};

// The types tell a printer what to print: a __be32 is an address, a __be16 a port. Hashing covers
// every byte of a key, so the padding is a field.
struct flow_key {
    __be32 saddr;
    __be32 daddr;
    __be16 sport;
    __be16 dport;
    __u8 proto;
    __u8 pad[3];
};

// No times: the same capture gives the same table.
struct flow_stats {
    __u64 packets;
    __u64 bytes;
    __u8 tcp_flags; // of all its packets
    __u8 pad[7];    // named, so that the initialiser below clears it: maps hold every byte
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct flow_key);
    __type(value, struct flow_stats);
} flows SEC(".maps");

// Packets by IP protocol number.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u64);
} protocols SEC(".maps");

const volatile __u8 min_ttl = 2;
const volatile _Bool drop_martians = 1;

__u64 dropped_ttl;
__u64 dropped_martian;
__u64 malformed;
__u64 not_ipv4;

// XDP_ABORTED rather than XDP_DROP: the tracepoint xdp:xdp_exception then shows these.
static __always_inline int abort_malformed(void)
{
    __sync_fetch_and_add(&malformed, 1);
    return XDP_ABORTED;
}

// Sources no router forwards from: "this network", loopback, multicast and above (RFC 6890).
static __always_inline _Bool is_martian(__be32 saddr)
{
    __u8 first = bpf_ntohl(saddr) >> 24;

    return first == 0 || first == 127 || first >= 224;
}

static __always_inline int count(const struct flow_key *key, __u64 bytes, __u8 tcp_flags)
{
    struct flow_stats first = {.packets = 1, .bytes = bytes, .tcp_flags = tcp_flags};
    struct flow_stats *stats;
    __u32 proto = key->proto;
    __u64 *packets;

    packets = bpf_map_lookup_elem(&protocols, &proto);
    if (packets)
        ++*packets;

    stats = bpf_map_lookup_elem(&flows, key);
    if (!stats) {
        bpf_map_update_elem(&flows, key, &first, BPF_NOEXIST);
        return XDP_PASS;
    }
    __sync_fetch_and_add(&stats->packets, 1);
    __sync_fetch_and_add(&stats->bytes, bytes);
    stats->tcp_flags |= tcp_flags;
    return XDP_PASS;
}

SEC("xdp")
int xdp_flows(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data;
    void *data_end = (void *)(long)ctx->data_end;
    struct flow_key key = {};
    struct ethhdr *eth = data;
    struct iphdr *ip;
    __u8 tcp_flags = 0;
    __be16 proto;
    void *next;

    if ((void *)(eth + 1) > data_end)
        return abort_malformed();
    proto = eth->h_proto;
    next = eth + 1;

    for (int i = 0; i < MAX_VLAN_TAGS; i++) {
        struct vlan_hdr *vlan = next;

        if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
            break;
        if ((void *)(vlan + 1) > data_end)
            return abort_malformed();
        proto = vlan->proto;
        next = vlan + 1;
    }
    if (proto != bpf_htons(ETH_P_IP)) {
        __sync_fetch_and_add(&not_ipv4, 1);
        return XDP_PASS;
    }

    ip = next;
    if ((void *)(ip + 1) > data_end || ip->version != 4 || ip->ihl < 5)
        return abort_malformed();
    next = (void *)ip + ip->ihl * 4;
    if (next > data_end)
        return abort_malformed();
    if (ip->ttl < min_ttl) {
        __sync_fetch_and_add(&dropped_ttl, 1);
        return XDP_DROP;
    }
    if (drop_martians && is_martian(ip->saddr)) {
        __sync_fetch_and_add(&dropped_martian, 1);
        return XDP_DROP;
    }

    key.saddr = ip->saddr;
    key.daddr = ip->daddr;
    key.proto = ip->protocol;
    // Only the first fragment has a transport header.
    if (ip->frag_off & bpf_htons(0x1fff))
        return count(&key, data_end - data, 0);

    if (ip->protocol == IPPROTO_TCP) {
        struct tcphdr *tcp = next;

        if ((void *)(tcp + 1) > data_end)
            return abort_malformed();
        key.sport = tcp->source;
        key.dport = tcp->dest;
        tcp_flags = ((__u8 *)tcp)[13];
    } else if (ip->protocol == IPPROTO_UDP) {
        struct udphdr *udp = next;

        if ((void *)(udp + 1) > data_end)
            return abort_malformed();
        key.sport = udp->source;
        key.dport = udp->dest;
    }
    return count(&key, data_end - data, tcp_flags);
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
