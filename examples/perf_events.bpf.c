// SPDX-License-Identifier: MIT OR Apache-2.0
//
// One perf event for each ICMP message: a record, and behind it the packet's first bytes, which
// the helper copies. The type of the record is told as in ringbuf_events.bpf.c.
//
//     skep run examples/perf_events.o -r examples/traffic.pcap

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define CAPTURE_MAX 64

// <linux/icmp.h> pulls in the C library.
struct icmp_start {
    __u8 type;
    __u8 code;
    __sum16 checksum;
};

struct event {
    __be32 saddr;
    __be32 daddr;
    __u8 type;
    __u8 code;
    __u16 captured; // bytes of the packet behind the record
    __u32 packet_len;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} events SEC(".maps");

struct event *events_record __attribute__((unused, btf_decl_tag("record:events")));

__u64 sent;
__u64 lost; // nobody listens on this CPU, or its buffer was full

SEC("tc")
int icmp_events(struct __sk_buff *skb)
{
    void *data_end = (void *)(long)skb->data_end;
    struct ethhdr *eth = (void *)(long)skb->data;
    struct iphdr *ip = (void *)(eth + 1);
    struct event event = {};
    struct icmp_start *icmp;
    __u64 captured;

    if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
        return TC_ACT_OK;
    if (ip->protocol != IPPROTO_ICMP || ip->ihl < 5 || ip->frag_off & bpf_htons(0x1fff))
        return TC_ACT_OK;
    icmp = (void *)ip + ip->ihl * 4;
    if ((void *)(icmp + 1) > data_end)
        return TC_ACT_OK;

    captured = skb->len < CAPTURE_MAX ? skb->len : CAPTURE_MAX;
    event.saddr = ip->saddr;
    event.daddr = ip->daddr;
    event.type = icmp->type;
    event.code = icmp->code;
    event.captured = captured;
    event.packet_len = skb->len;
    if (bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU | captured << 32, &event,
                              sizeof(event)))
        __sync_fetch_and_add(&lost, 1);
    else
        __sync_fetch_and_add(&sent, 1);
    return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
