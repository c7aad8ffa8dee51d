// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Sockets as structs of the kernel, and cookies of one that is flooded. A program returns 0, or the line of what
// is not so.
#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
};

struct sock {
    struct sock_common __sk_common;
    __u32 sk_mark;
    __u16 sk_protocol;
};

struct inet_sock {
    struct sock sk;
};

struct inet_connection_sock {
    struct inet_sock icsk_inet;
};

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u32 snd_cwnd;
};

struct tcp6_sock {
    struct tcp_sock tcp;
    __u32 pad;
};
#pragma clang attribute pop

#define CHECK(condition)                \
    do {                                \
        if (!(condition)) {             \
            line = line ?: __LINE__;    \
        }                               \
    } while (0)

static __always_inline struct bpf_sock *find(struct __sk_buff *skb, __u16 to, __u16 from)
{
    struct bpf_sock_tuple tuple = {};
    tuple.ipv4.saddr = bpf_htonl(0x0a000001);
    tuple.ipv4.daddr = bpf_htonl(0x0a000002);
    tuple.ipv4.sport = bpf_htons(from);
    tuple.ipv4.dport = bpf_htons(to);
    return bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

SEC("tc")
int kinds(struct __sk_buff *skb)
{
    int line = 0;
    struct bpf_sock *sk = find(skb, 80, 5);
    if (!sk)
        return __LINE__;
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    CHECK(tcp);
    CHECK(tcp == bpf_skc_to_tcp_sock(sk));
    CHECK(!bpf_skc_to_tcp6_sock(sk));
    CHECK(!bpf_skc_to_udp6_sock(sk));
    CHECK(!bpf_skc_to_tcp_timewait_sock(sk));
    CHECK(!bpf_skc_to_tcp_request_sock(sk));
    CHECK(!bpf_skc_to_unix_sock(sk));
    CHECK(!bpf_skc_to_mptcp_sock(sk));
    bpf_sk_release(sk);

    struct bpf_sock_tuple tuple = {};
    tuple.ipv6.dport = bpf_htons(82);
    sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
    if (!sk)
        return __LINE__;
    CHECK(bpf_skc_to_tcp6_sock(sk));
    CHECK(bpf_skc_to_tcp_sock(sk));
    bpf_sk_release(sk);
    return line;
}

SEC("tc")
int fields(struct __sk_buff *skb)
{
    int line = 0;
    struct bpf_sock *sk = find(skb, 81, 9);
    if (!sk)
        return __LINE__;
    struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
    if (tcp) {
        struct sock *inner = &tcp->inet_conn.icsk_inet.sk;
        CHECK(tcp->snd_cwnd == 33);
        CHECK(inner->sk_mark == 5);
        CHECK(inner->sk_protocol == 6);
        CHECK(inner->__sk_common.skc_family == 2);
        CHECK(inner->__sk_common.skc_state == 1);
        CHECK(inner->__sk_common.skc_num == 81);
        CHECK(inner->__sk_common.skc_dport == bpf_htons(9));
        CHECK(inner->__sk_common.skc_daddr == bpf_htonl(0x0a000001));
        CHECK(inner->__sk_common.skc_rcv_saddr == bpf_htonl(0x0a000002));
    } else {
        line = __LINE__;
    }
    bpf_sk_release(sk);
    return line;
}

SEC("tc")
int cookies(struct __sk_buff *skb)
{
    int line = 0;
    struct iphdr ip = { .version = 4, .ihl = 5, .saddr = 1, .daddr = 2 };
    struct tcphdr tcp = { .source = 3, .dest = 4, .doff = 5, .syn = 1, .seq = 0x11223344 };
    struct bpf_sock *sk = find(skb, 80, 5);
    if (!sk)
        return __LINE__;
    long made = bpf_tcp_gen_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp));
    CHECK(made > 0);
    CHECK(made >> 32 == 536);
    CHECK(bpf_tcp_check_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp)) == -2);
    tcp.syn = 0;
    CHECK(bpf_tcp_gen_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp)) == -22);
    tcp.ack = 1;
    tcp.seq = bpf_htonl(bpf_ntohl(tcp.seq) + 1);
    tcp.ack_seq = bpf_htonl((__u32)made + 1);
    CHECK(bpf_tcp_check_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp)) == 0);
    tcp.ack_seq = bpf_htonl((__u32)made + 100);
    CHECK(bpf_tcp_check_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp)) == -2);
    ip.version = 5;
    CHECK(bpf_tcp_check_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp)) == -93);
    bpf_sk_release(sk);
    // One that answers by itself gives none.
    sk = find(skb, 81, 9);
    if (!sk)
        return __LINE__;
    ip.version = 4, tcp.syn = 1, tcp.ack = 0;
    CHECK(bpf_tcp_gen_syncookie(sk, &ip, sizeof(ip), &tcp, sizeof(tcp)) == -22);
    bpf_sk_release(sk);
    return line;
}

char LICENSE[] SEC("license") = "GPL";
