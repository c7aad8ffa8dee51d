/* Calls helpers that do little: the CPU's number, and text compared. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp") int run(struct xdp_md *ctx)
{
    static const char text[] = "helper";
    char other[] = "helpez";
    long sum = 0;
    for (int i = 0; i < 1000; i++) {
        sum += bpf_get_smp_processor_id() == 0;
        sum += bpf_strncmp(other, sizeof(other), text);
    }
    return sum;
}

char _license[] SEC("license") = "GPL";
