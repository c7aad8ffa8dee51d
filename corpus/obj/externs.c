// SPDX-License-Identifier: MIT OR Apache-2.0
// Variables that a kernel's configuration has to provide, of every type and size.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern unsigned int LINUX_KERNEL_VERSION __kconfig;
extern _Bool LINUX_HAS_BPF_COOKIE __kconfig;
extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig __weak;
extern int LINUX_UNHEARD_OF __kconfig __weak;
extern int CONFIG_HZ __kconfig;
extern unsigned long CONFIG_NR_CPUS __kconfig;
extern short CONFIG_LOG_BUF_SHIFT __kconfig __weak;
extern _Bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_NETFILTER_XTABLES __kconfig __weak;
extern char CONFIG_NET __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[8] __kconfig;
extern long CONFIG_UNHEARD_OF __kconfig __weak;

SEC("xdp")
int version(struct xdp_md *ctx)
{
	return LINUX_KERNEL_VERSION > CONFIG_HZ;
}

SEC("xdp")
int others(struct xdp_md *ctx)
{
	return LINUX_HAS_BPF_COOKIE + LINUX_HAS_SYSCALL_WRAPPER + LINUX_UNHEARD_OF + CONFIG_NR_CPUS +
	       CONFIG_LOG_BUF_SHIFT + CONFIG_BPF_SYSCALL + CONFIG_NETFILTER_XTABLES + CONFIG_NET +
	       CONFIG_DEFAULT_HOSTNAME[2] + CONFIG_UNHEARD_OF;
}

char _license[] SEC("license") = "GPL";
