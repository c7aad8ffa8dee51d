// SPDX-License-Identifier: MIT OR Apache-2.0
// Variables that a kernel has to provide.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern unsigned int LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_HZ __kconfig;

SEC("xdp")
int version(struct xdp_md *ctx)
{
	return LINUX_KERNEL_VERSION > CONFIG_HZ;
}

char _license[] SEC("license") = "GPL";
