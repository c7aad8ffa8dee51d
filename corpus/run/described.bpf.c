// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What a user describes: options of sockets, asked and set by an iterator; transformations and flows at XDP.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct seq_file;
struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 session_id;
    __u64 seq_num;
};
struct sock_common {
    unsigned short skc_family;
    unsigned char skc_state;
    __u16 skc_num;
};
struct sock {
    struct sock_common __sk_common;
};
struct tcp_sock {
    struct sock sk;
};
struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
    __u32 uid;
};
struct xfrm_id {
    __u32 daddr[4];
    __be32 spi;
    __u8 proto;
};
struct xfrm_state {
    struct xfrm_id id;
    __u32 if_id;
    struct {
        __u32 reqid;
        __u8 mode;
    } props;
};
struct flow_offload_tuple {
    __be16 src_port;
    __u16 mtu;
    struct {
        __u32 ifidx;
        __u8 h_dest[6];
    } out;
};
struct flow_offload_tuple_rhash {
    struct flow_offload_tuple tuple;
};
#pragma clang attribute pop

struct bpf_xfrm_state_opts {
    __s32 error;
    __s32 netns_id;
    __u32 mark;
    __u32 daddr[4];
    __be32 spi;
    __u8 proto;
    __u16 family;
};
struct bpf_flowtable_opts {
    __s32 error;
};

extern struct xfrm_state *bpf_xdp_get_xfrm_state(struct xdp_md *ctx, struct bpf_xfrm_state_opts *opts,
                                                 __u32 opts__sz) __ksym;
extern void bpf_xdp_xfrm_state_release(struct xfrm_state *x) __ksym;
extern struct flow_offload_tuple_rhash *bpf_xdp_flow_lookup(struct xdp_md *ctx, struct bpf_fib_lookup *tuple,
                                                           struct bpf_flowtable_opts *opts,
                                                           __u32 opts_len) __ksym;

// The struct that a socket is laid out as comes into BTF by this.
struct tcp_sock *laid_out __attribute__((unused));

struct option {
    int level;
    int name;
    int value;
};

// Those that there are, numbers that they take and that they do not, and some that there are not.
static const struct option options[] = {
    {1, 2, 7},     {1, 7, 10000},  {1, 7, 1},      {1, 8, 20000}, {1, 8, 1},       {1, 9, 2},
    {1, 12, 5},    {1, 15, 1},     {1, 36, 0x123}, {1, 3, 1},     {0, 1, 0x10},    {0, 2, 1},
    {41, 67, 3},   {6, 1, 1},      {6, 4, 100},    {6, 4, 0},     {6, 5, 40000},   {6, 5, 30},
    {6, 6, 128},   {6, 6, 5},      {6, 7, 3},      {6, 7, 0},     {6, 18, 1000},   {6, 18, -1},
    {6, 2, 40},    {6, 16, 1},     {6, 16, 2},     {6, 25, 4096}, {6, 27, 2},      {6, 27, 3},
    {6, 99, 1},    {17, 1, 1},
};

SEC("iter/tcp")
int tcp_options(struct bpf_iter__tcp *ctx)
{
    struct sock_common *sk = ctx->sk_common;
    struct seq_file *seq = ctx->meta->seq;
    char name[16];

    if (!sk || sk->skc_num != 4242)
        return 0;
    for (unsigned i = 0; i < sizeof(options) / sizeof(*options); i++) {
        int level = options[i].level, opt = options[i].name, value = options[i].value;
        int before = 0, after = 0;
        int first = bpf_getsockopt(sk, level, opt, &before, sizeof(before));
        int set = bpf_setsockopt(sk, level, opt, &value, sizeof(value));
        int get = bpf_getsockopt(sk, level, opt, &after, sizeof(after));
        BPF_SEQ_PRINTF(seq, "%d.%d: ", level, opt);
        BPF_SEQ_PRINTF(seq, "%d, %d to %d: ", first, set, value);
        BPF_SEQ_PRINTF(seq, "%d %d\n", get, after);
    }
    long get = bpf_getsockopt(sk, 6, 13, name, sizeof(name));
    BPF_SEQ_PRINTF(seq, "%ld %s\n", get, name);
    long set = bpf_setsockopt(sk, 6, 13, "reno", 5);
    get = bpf_getsockopt(sk, 6, 13, name, 3);
    BPF_SEQ_PRINTF(seq, "%ld %ld %s\n", set, get, name);
    set = bpf_setsockopt(sk, 6, 13, "r", 1);
    get = bpf_getsockopt(sk, 6, 13, name, sizeof(name));
    BPF_SEQ_PRINTF(seq, "%ld %ld %s\n", set, get, name);
    return 0;
}

// What a state of IPsec says: its request, mode and interface; else 100,000 and the error.
static __always_inline int transform_of(struct xdp_md *xdp, __s32 netns, __u32 mark, __u32 spi, __u32 size)
{
    struct bpf_xfrm_state_opts opts = {
        .netns_id = netns, .mark = mark, .spi = bpf_htonl(spi), .proto = 50, .family = 2,
        .daddr = {bpf_htonl(0x0a000002)},
    };
    struct xfrm_state *x = bpf_xdp_get_xfrm_state(xdp, &opts, size);
    if (!x)
        return 100000 - opts.error;
    int sum = x->props.reqid * 100 + x->props.mode * 10 + x->if_id;
    if (x->id.spi != opts.spi || x->id.daddr[0] != opts.daddr[0])
        sum = -1;
    bpf_xdp_xfrm_state_release(x);
    return sum;
}

SEC("xdp")
int transform(struct xdp_md *xdp)
{
    return transform_of(xdp, -1, 0x13, 77, sizeof(struct bpf_xfrm_state_opts));
}

SEC("xdp")
int transform_of_other_mark(struct xdp_md *xdp)
{
    return transform_of(xdp, -1, 0x12, 77, sizeof(struct bpf_xfrm_state_opts));
}

SEC("xdp")
int transform_of_other_namespace(struct xdp_md *xdp)
{
    return transform_of(xdp, 4, 0x13, 77, sizeof(struct bpf_xfrm_state_opts));
}

SEC("xdp")
int transform_of_short_options(struct xdp_md *xdp)
{
    return transform_of(xdp, -1, 0x13, 77, 8);
}

// Where a flow goes: device, longest packet, last byte of the address; else 100,000 and the error.
static __always_inline int flow_of(struct xdp_md *xdp, __u8 family, __u16 port)
{
    struct bpf_fib_lookup tuple = {
        .family = family, .l4_protocol = 6, .sport = bpf_htons(port), .dport = bpf_htons(443), .ifindex = 1,
        .ipv4_src = bpf_htonl(0x0a000001), .ipv4_dst = bpf_htonl(0x0a000002),
    };
    struct bpf_flowtable_opts opts = {};
    struct flow_offload_tuple_rhash *flow = bpf_xdp_flow_lookup(xdp, &tuple, &opts, sizeof(opts));
    if (!flow)
        return 100000 - opts.error;
    if (flow->tuple.src_port != tuple.sport)
        return -1;
    return flow->tuple.out.ifidx * 10000 + flow->tuple.mtu + flow->tuple.out.h_dest[5];
}

SEC("xdp")
int flow(struct xdp_md *xdp)
{
    return flow_of(xdp, 2, 5000);
}

SEC("xdp")
int flow_of_other_port(struct xdp_md *xdp)
{
    return flow_of(xdp, 2, 5001);
}

SEC("xdp")
int flow_of_other_family(struct xdp_md *xdp)
{
    return flow_of(xdp, 7, 5000);
}

char LICENSE[] SEC("license") = "GPL";
