/* A loop whose body is a function that a helper calls. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long body(__u32 i, void *data)
{
    __u64 *sum = data;
    *sum = *sum * 31 + i;
    return 0;
}

SEC("xdp") int run(struct xdp_md *ctx)
{
    __u64 sum = 1;
    bpf_loop(1000, body, &sum, 0);
    return sum;
}

char _license[] SEC("license") = "GPL";
