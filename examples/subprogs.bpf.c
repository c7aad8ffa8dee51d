// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Functions: a static one, a global one, a callback for bpf_loop, and a loop with a bound. The
// program looks for a word in the first bytes of each packet and prints where it found it.
//
//     skep run examples/subprogs.o -r examples/traffic.pcap

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define WORD_LEN 5
#define SEARCH_MAX 256

const char word[WORD_LEN + 1] = "HTTP/";
const volatile __u32 print_max = 3;

struct search {
    struct xdp_md *ctx;
    __u32 found_at;
    _Bool found;
};

// How many packets had the word, by the 16-byte row it was in.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SEARCH_MAX / 16);
    __type(key, __u32);
    __type(value, __u64);
} rows SEC(".maps");

__u32 printed;
__u64 packets;
__u64 found;
__u64 bits; // set in the packet lengths, summed

// Static: verified together with its callers, so it may take a pointer into the packet's context.
static __noinline _Bool has_word_at(struct xdp_md *ctx, __u32 at)
{
    void *data_end = (void *)(long)ctx->data_end;
    const char *text = (void *)(long)ctx->data;

    if (at >= SEARCH_MAX)
        return 0;
    text += at;
    if ((void *)(text + WORD_LEN) > data_end)
        return 0;
    for (int i = 0; i < WORD_LEN; i++)
        if (text[i] != word[i])
            return 0;
    return 1;
}

// A callback for bpf_loop; returning 1 ends the loop.
static long try_at(__u32 at, struct search *search)
{
    if (!has_word_at(search->ctx, at))
        return 0;
    search->found_at = at;
    search->found = 1;
    return 1;
}

// Global: verified by itself, for any argument.
__noinline __u32 count_bits(__u32 n)
{
    __u32 count = 0;

    for (int i = 0; i < 32 && n; i++) {
        n &= n - 1;
        count++;
    }
    return count;
}

SEC("xdp")
int find_word(struct xdp_md *ctx)
{
    struct search search = {.ctx = ctx};
    __u32 len = ctx->data_end - ctx->data;
    __u64 *row;
    __u32 key;

    __sync_fetch_and_add(&packets, 1);
    __sync_fetch_and_add(&bits, count_bits(len));
    bpf_loop(SEARCH_MAX, try_at, &search, 0);
    if (!search.found)
        return XDP_PASS;

    __sync_fetch_and_add(&found, 1);
    key = search.found_at / 16;
    row = bpf_map_lookup_elem(&rows, &key);
    if (row)
        __sync_fetch_and_add(row, 1);
    if (printed < print_max) {
        printed++;
        bpf_printk("%s at byte %u of %u", word, search.found_at, len);
    }
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
