/* Goes through 32 programs, each of which calls the next. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

int again(struct xdp_md *ctx);

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, int(void *));
} next SEC(".maps") = { .values = { [0] = (void *)&again } };

__u64 count;

SEC("xdp") int again(struct xdp_md *ctx)
{
    if (++count % 32)
        bpf_tail_call(ctx, &next, 0);
    return XDP_PASS;
}

SEC("xdp") int run(struct xdp_md *ctx)
{
    bpf_tail_call(ctx, &next, 0);
    return XDP_ABORTED;
}

char _license[] SEC("license") = "GPL";
