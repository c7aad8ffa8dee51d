// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Tracked connections: each step folds what it sees into one number.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct nf_conn {
    unsigned long status;
    unsigned int mark;
} __attribute__((preserve_access_index));
struct nf_conn___init {
    unsigned long status;
    unsigned int mark;
} __attribute__((preserve_access_index));

struct bpf_ct_opts {
    __s32 netns_id;
    __s32 error;
    __u8 l4proto;
    __u8 dir;
    __u16 ct_zone_id;
    __u8 ct_zone_dir;
    __u8 reserved[3];
};



extern struct nf_conn___init *bpf_skb_ct_alloc(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
                                               __u32 tuple__sz, struct bpf_ct_opts *opts,
                                               __u32 opts__sz) __ksym;
extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple,
                                         __u32 tuple__sz, struct bpf_ct_opts *opts,
                                         __u32 opts__sz) __ksym;
extern struct nf_conn *bpf_ct_insert_entry(struct nf_conn___init *ct) __ksym;
extern void bpf_ct_release(struct nf_conn *ct) __ksym;
extern void bpf_ct_set_timeout(struct nf_conn___init *ct, __u32 timeout) __ksym;
extern int bpf_ct_change_timeout(struct nf_conn *ct, __u32 timeout) __ksym;
extern int bpf_ct_set_status(const struct nf_conn___init *ct, __u32 status) __ksym;
extern int bpf_ct_change_status(struct nf_conn *ct, __u32 status) __ksym;

static __always_inline __u32 fold(__u32 sum, __u32 value)
{
    return (sum << 5 | sum >> 27) ^ value * 2654435761u;
}

// What an allocation or a look-up answers to options that make no sense.
static __always_inline __u32 refused(struct __sk_buff *skb, __u32 sum, struct bpf_ct_opts opts, __u32 len,
                                     __u32 size)
{
    struct bpf_sock_tuple tuple = {};
    tuple.ipv4.saddr = 0x0100000a;
    struct nf_conn___init *made = bpf_skb_ct_alloc(skb, &tuple, len, &opts, size);
    if (made) {
        struct nf_conn *in = bpf_ct_insert_entry(made);
        if (in)
            bpf_ct_release(in);
        return fold(sum, 77);
    }
    sum = fold(sum, opts.error);
    struct nf_conn *found = bpf_skb_ct_lookup(skb, &tuple, len, &opts, size);
    if (found) {
        bpf_ct_release(found);
        return fold(sum, 78);
    }
    return fold(sum, opts.error);
}

SEC("tc")
int wrong(struct __sk_buff *skb)
{
    __u32 sum = 0;
    struct bpf_ct_opts good = { .netns_id = -1, .l4proto = 6 }, opts;
    const __u32 v4 = sizeof(((struct bpf_sock_tuple *)0)->ipv4);
    opts = good, opts.l4proto = 1;
    sum = refused(skb, sum, opts, v4, 16);
    opts = good, opts.reserved[1] = 1;
    sum = refused(skb, sum, opts, v4, 16);
    opts = good, opts.netns_id = -2;
    sum = refused(skb, sum, opts, v4, 16);
    opts = good, opts.netns_id = 1000;
    sum = refused(skb, sum, opts, v4, 16);
    opts = good, opts.netns_id = 1000, opts.l4proto = 1;
    sum = refused(skb, sum, opts, v4, 16);
    sum = refused(skb, sum, good, v4 - 1, 16);
    opts = good, opts.ct_zone_id = 3;
    sum = refused(skb, sum, opts, v4, 12);
    sum = refused(skb, sum, good, v4, 15);
    return sum;
}

static __always_inline __u32 track(struct __sk_buff *skb, __u32 seed, __u16 zone)
{
    __u32 sum = 1;
    struct bpf_ct_opts opts = { .netns_id = -1, .l4proto = 17, .ct_zone_id = zone };
    struct bpf_sock_tuple tuple = {};
    tuple.ipv4.saddr = 0x0100000a;
    tuple.ipv4.daddr = 0x0200000a;
    tuple.ipv4.sport = bpf_htons(seed);
    tuple.ipv4.dport = bpf_htons(53);
    struct nf_conn *found = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
    if (found) {
        bpf_ct_release(found);
        return 2;
    }
    sum = fold(sum, opts.error);
    opts.error = 0;
    struct nf_conn___init *made = bpf_skb_ct_alloc(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
    if (!made)
        return 3;
    sum = fold(sum, opts.ct_zone_dir);
    sum = fold(sum, bpf_ct_set_status(made, 1 << 1 | 1 << 2));
    sum = fold(sum, bpf_ct_set_status(made, 1 << 1));
    sum = fold(sum, bpf_ct_set_status(made, 1 << 1 | 1 << 2 | 1 << 3));
    sum = fold(sum, made->status);
    bpf_ct_set_timeout(made, 10000);
    made->mark = 0xabc;
    struct nf_conn *in = bpf_ct_insert_entry(made);
    if (!in)
        return 4;
    sum = fold(sum, in->status);
    sum = fold(sum, in->mark);
    sum = fold(sum, bpf_ct_change_status(in, in->status | 1 << 13));
    sum = fold(sum, bpf_ct_change_status(in, 0));
    sum = fold(sum, bpf_ct_change_timeout(in, 20000));
    sum = fold(sum, in->status);
    // The same once more has no room.
    made = bpf_skb_ct_alloc(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
    if (made) {
        struct nf_conn *again = bpf_ct_insert_entry(made);
        sum = fold(sum, again ? 1 : 2);
        if (again)
            bpf_ct_release(again);
    }
    found = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
    if (found) {
        sum = fold(sum, found == in);
        sum = fold(sum, opts.dir);
        found->mark += 1;
        sum = fold(sum, in->mark);
        bpf_ct_release(found);
    }
    bpf_ct_release(in);
    // Replies, too.
    tuple.ipv4.saddr = 0x0200000a;
    tuple.ipv4.daddr = 0x0100000a;
    tuple.ipv4.sport = bpf_htons(53);
    tuple.ipv4.dport = bpf_htons(seed);
    found = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
    if (found) {
        sum = fold(sum, opts.dir);
        sum = fold(sum, found->mark);
        bpf_ct_change_timeout(found, 0);
        bpf_ct_release(found);
    }
    // Over by now.
    opts.error = 0;
    found = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
    if (found)
        bpf_ct_release(found);
    return fold(sum, opts.error);
}

SEC("tc")
int tracked(struct __sk_buff *skb)
{
    return track(skb, 4001, 0);
}

SEC("tc")
int zoned(struct __sk_buff *skb)
{
    return track(skb, 4002, 7);
}

char LICENSE[] SEC("license") = "GPL";
