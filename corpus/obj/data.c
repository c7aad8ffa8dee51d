// SPDX-License-Identifier: MIT OR Apache-2.0
// Data sections of other names, strings, and addresses inside a section.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static int table[4] = { 1, 2, 3, 4 };
static volatile const __u16 ports[3] = { 22, 80, 443 };
__u8 hot[64] SEC(".data.hot") = { 5 };
char zeroes[16] SEC(".bss.rare");
const volatile int limit SEC(".rodata.limits") = 9;

SEC("socket")
int pick(struct __sk_buff *skb)
{
	__u32 i = skb->len & 3;
	const char *text = "none";

	if (i > limit)
		text = "many";
	table[i]++;
	hot[3]++;
	zeroes[15] = ports[2];
	bpf_trace_printk(text, 5);
	return table[3] + ports[i & 1];
}

char _license[] SEC("license") = "GPL";
