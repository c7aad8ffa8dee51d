// SPDX-License-Identifier: MIT OR Apache-2.0
//
// One record in a ring buffer for each TCP connection attempt.
//
//     skep run examples/ringbuf_events.o -r examples/traffic.pcap
//
// What the records look like: a ring buffer has no value type, and BTF describes only what globals
// and functions mention. Hence a pointer nobody uses, whose declaration tag `record:events` says
// that its target is the type of the records in the map `events`.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct event {
    __be32 saddr;
    __be32 daddr;
    __be16 sport;
    __be16 dport;
    __u32 seq;
    __u16 window;
    __u8 ttl;
    __u8 source_mac[ETH_ALEN];
    char note[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct event *events_record __attribute__((unused, btf_decl_tag("record:events")));

__u64 sent;
__u64 lost; // the ring was full

SEC("xdp")
int syn_events(struct xdp_md *ctx)
{
    void *data_end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = (void *)(long)ctx->data;
    struct iphdr *ip = (void *)(eth + 1);
    struct event *event;
    struct tcphdr *tcp;

    if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
        return XDP_PASS;
    if (ip->protocol != IPPROTO_TCP || ip->ihl < 5 || ip->frag_off & bpf_htons(0x1fff))
        return XDP_PASS;
    tcp = (void *)ip + ip->ihl * 4;
    if ((void *)(tcp + 1) > data_end || !tcp->syn || tcp->ack)
        return XDP_PASS;

    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        __sync_fetch_and_add(&lost, 1);
        return XDP_PASS;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->saddr = ip->saddr;
    event->daddr = ip->daddr;
    event->sport = tcp->source;
    event->dport = tcp->dest;
    event->seq = bpf_ntohl(tcp->seq);
    event->window = bpf_ntohs(tcp->window);
    event->ttl = ip->ttl;
    __builtin_memcpy(event->source_mac, eth->h_source, ETH_ALEN);
    if (ip->ttl <= 1)
        __builtin_memcpy(event->note, "about to expire", sizeof("about to expire"));
    bpf_ringbuf_submit(event, 0);
    __sync_fetch_and_add(&sent, 1);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
