// SPDX-License-Identifier: MIT OR Apache-2.0
//
// A firewall on source prefixes. The rule set is a constant table; the first packet fills an LPM
// trie from it, and from then on the trie alone decides, so that whoever owns the map can change
// the rules while the program runs. Shows an LPM trie, structures in .rodata, a packet rewritten
// and shortened, and the verdicts pass, drop and tx.
//
//     skep run examples/xdp_firewall.o -r examples/traffic.pcap --write tx -w resets.pcap

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ADDR(a, b, c, d) bpf_htonl((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define RULES 6

enum action {
    ALLOW,
    DENY,
    REJECT, // answer TCP with a reset, drop the rest
};

struct prefix {
    __u32 len; // in bits
    __be32 addr;
};

struct rule {
    struct prefix source;
    enum action action;
};

struct decision {
    enum action action;
    __u32 rule; // where to count
};

const volatile struct rule rules[RULES] = {
    {{0, ADDR(0, 0, 0, 0)}, ALLOW},
    {{8, ADDR(127, 0, 0, 0)}, DENY},
    {{16, ADDR(10, 66, 0, 0)}, DENY},
    {{32, ADDR(10, 66, 0, 1)}, ALLOW}, // longer than the rule above: wins
    {{24, ADDR(203, 0, 113, 0)}, REJECT},
    {{32, ADDR(198, 51, 100, 7)}, DENY},
};

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 256);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct prefix);
    __type(value, struct decision);
} sources SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, RULES);
    __type(key, __u32);
    __type(value, __u64);
} hits SEC(".maps");

// Two CPUs may both fill the trie: they write the same entries.
_Bool filled;

static __always_inline void fill(void)
{
    for (__u32 i = 0; i < RULES; i++) {
        struct prefix source = {rules[i].source.len, rules[i].source.addr};
        struct decision decision = {rules[i].action, i};

        bpf_map_update_elem(&sources, &source, &decision, BPF_ANY);
    }
    filled = 1;
}

// The Internet checksum (RFC 1071) of a sum of 16-bit words.
static __always_inline __sum16 fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static __always_inline __u32 sum_words(const void *from, __u32 words)
{
    const __u16 *word = from;
    __u32 sum = 0;

    for (__u32 i = 0; i < words; i++)
        sum += word[i];
    return sum;
}

// Turns a segment into the reset that answers it (RFC 9293, section 3.5.2).
static __always_inline int reject(struct xdp_md *ctx, struct ethhdr *eth, struct iphdr *ip)
{
    void *data_end = (void *)(long)ctx->data_end;
    struct tcphdr *tcp = (void *)(ip + 1);
    __u8 mac[ETH_ALEN];
    __u32 taken;
    __be32 addr, ack;
    __be16 port;

    if (ip->protocol != IPPROTO_TCP || ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
        return XDP_DROP;
    if ((void *)(tcp + 1) > data_end || tcp->rst)
        return XDP_DROP;

    __builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, mac, ETH_ALEN);

    addr = ip->daddr;
    ip->daddr = ip->saddr;
    ip->saddr = addr;
    // How much of the sequence space the segment takes: its data, and one each for SYN and FIN.
    taken = bpf_ntohs(ip->tot_len) - sizeof(*ip) - tcp->doff * 4 + tcp->syn + tcp->fin;
    ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*tcp));
    ip->tos = 0;
    ip->id = 0;
    ip->frag_off = bpf_htons(0x4000);
    ip->ttl = 64;
    ip->check = 0;
    ip->check = fold(sum_words(ip, sizeof(*ip) / 2));

    port = tcp->dest;
    tcp->dest = tcp->source;
    tcp->source = port;
    if (tcp->ack) {
        tcp->seq = tcp->ack_seq;
        tcp->ack_seq = 0;
        ((__u8 *)tcp)[13] = 0x04; // RST
    } else {
        ack = bpf_htonl(bpf_ntohl(tcp->seq) + taken);
        tcp->seq = 0;
        tcp->ack_seq = ack;
        ((__u8 *)tcp)[13] = 0x14; // RST, ACK
    }
    ((__u8 *)tcp)[12] = sizeof(*tcp) / 4 << 4;
    tcp->window = 0;
    tcp->urg_ptr = 0;
    tcp->check = 0;
    tcp->check = fold(sum_words(tcp, sizeof(*tcp) / 2) + sum_words(&ip->saddr, 4) +
                      bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*tcp)));

    if (bpf_xdp_adjust_tail(ctx, (int)((void *)(tcp + 1) - data_end)))
        return XDP_DROP;
    return XDP_TX;
}

SEC("xdp")
int xdp_firewall(struct xdp_md *ctx)
{
    void *data_end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = (void *)(long)ctx->data;
    struct iphdr *ip = (void *)(eth + 1);
    struct prefix source = {.len = 32};
    struct decision *decision;
    __u64 *packets;
    __u32 rule;

    if (!filled)
        fill();
    if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
        return XDP_PASS;

    source.addr = ip->saddr;
    decision = bpf_map_lookup_elem(&sources, &source);
    if (!decision)
        return XDP_DROP;
    rule = decision->rule;
    packets = bpf_map_lookup_elem(&hits, &rule);
    if (packets)
        __sync_fetch_and_add(packets, 1);

    switch (decision->action) {
    case ALLOW:
        return XDP_PASS;
    case REJECT:
        return reject(ctx, eth, ip);
    default:
        return XDP_DROP;
    }
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
