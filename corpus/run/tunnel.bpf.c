// SPDX-License-Identifier: MIT OR Apache-2.0
// What a program says of a tunnel, and finds again. Each program folds what it sees into one number.
#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

static __noinline __u32 fold(__u32 sum, const void *from, int len)
{
	const unsigned char *bytes = from;

	for (int i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 16777619;
	return sum;
}

static __noinline __u32 add(__u32 sum, long value)
{
	return fold(sum, &value, sizeof(value));
}

#define GET(size, flags)                                                        \
	({                                                                      \
		__builtin_memset(&got, 0xaa, sizeof(got));                      \
		sum = add(sum, bpf_skb_get_tunnel_key(skb, &got, size, flags)); \
		sum = fold(sum, &got, sizeof(got));                             \
	})

SEC("tc")
int tunnel4(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = { .tunnel_id = 77, .local_ipv4 = 0x0b000002, .remote_ipv4 = 0x0a000001, .tunnel_tos = 4, .tunnel_ttl = 9 };
	struct bpf_tunnel_key got;
	unsigned char options[24] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	__u32 sum = 2166136261u;

	GET(sizeof(got), 0);
	sum = add(sum, bpf_skb_set_tunnel_opt(skb, options, 8));
	sum = add(sum, bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 1 << 5));
	sum = add(sum, bpf_skb_set_tunnel_key(skb, &key, 20, 0));
	sum = add(sum, bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_DONT_FRAGMENT | BPF_F_SEQ_NUMBER));
	GET(sizeof(got), 0);
	GET(sizeof(got), BPF_F_TUNINFO_FLAGS);
	GET(sizeof(got), BPF_F_TUNINFO_IPV6);
	GET(sizeof(got), 2);
	GET(28, 0);
	GET(24, BPF_F_TUNINFO_FLAGS);
	GET(22, 0);
	GET(8, 0);
	GET(12, 0);
	sum = add(sum, bpf_skb_get_tunnel_opt(skb, options + 8, 16));
	sum = add(sum, bpf_skb_set_tunnel_opt(skb, options, 7));
	sum = add(sum, bpf_skb_set_tunnel_opt(skb, options, 8));
	sum = add(sum, bpf_skb_get_tunnel_opt(skb, options + 8, 4));
	sum = fold(sum, options, sizeof(options));
	sum = add(sum, bpf_skb_get_tunnel_opt(skb, options + 8, 16));
	sum = fold(sum, options, sizeof(options));
	key.tunnel_label = 3;
	sum = add(sum, bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0));
	sum = add(sum, bpf_skb_set_tunnel_key(skb, &key, 22, BPF_F_ZERO_CSUM_TX | 16));
	GET(sizeof(got), BPF_F_TUNINFO_FLAGS);
	sum = add(sum, bpf_skb_get_tunnel_opt(skb, options, 16));
	return sum;
}

SEC("tc")
int tunnel6(struct __sk_buff *skb)
{
	struct bpf_tunnel_key key = { .tunnel_id = 0x12345678, .remote_ipv6 = { 1, 2, 3, 4 }, .tunnel_label = 0xfedcba98 };
	struct bpf_tunnel_key got;
	__u32 sum = 2166136261u;

	key.local_ipv6[2] = 5;
	sum = add(sum, bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6));
	GET(sizeof(got), BPF_F_TUNINFO_IPV6);
	GET(sizeof(got), BPF_F_TUNINFO_IPV6 | BPF_F_TUNINFO_FLAGS);
	GET(28, BPF_F_TUNINFO_IPV6);
	GET(8, BPF_F_TUNINFO_IPV6);
	GET(sizeof(got), 0);
	return sum;
}

/* A cookie is good for the segment that answers it, and for no other. */
SEC("tc")
int cookies(void)
{
	struct iphdr four = { .version = 4, .ihl = 5, .saddr = 1, .daddr = 2 };
	struct ipv6hdr six = { .version = 6 };
	struct {
		struct tcphdr tcp;
		unsigned char options[4];
	} syn = { .tcp = { .source = 3, .dest = 4, .seq = 0x01020304, .doff = 6, .syn = 1 }, .options = { 2, 4, 0x05, 0xaa } };
	struct tcphdr ack = { .source = 3, .dest = 4, .doff = 5, .ack = 1 };
	__u32 sum = 2166136261u;
	__s64 made;

	ack.seq = __builtin_bswap32(__builtin_bswap32(syn.tcp.seq) + 1);
	made = bpf_tcp_raw_gen_syncookie_ipv4(&four, &syn.tcp, sizeof(syn));
	sum = add(sum, made >> 32);
	ack.ack_seq = __builtin_bswap32((__u32)made + 1);
	sum = add(sum, bpf_tcp_raw_check_syncookie_ipv4(&four, &ack));
	ack.source = 5;
	sum = add(sum, bpf_tcp_raw_check_syncookie_ipv4(&four, &ack));
	ack.source = 3;
	syn.options[2] = 2;
	made = bpf_tcp_raw_gen_syncookie_ipv6(&six, &syn.tcp, sizeof(syn));
	sum = add(sum, made >> 32);
	ack.ack_seq = __builtin_bswap32((__u32)made + 1);
	sum = add(sum, bpf_tcp_raw_check_syncookie_ipv6(&six, &ack));
	sum = add(sum, bpf_tcp_raw_check_syncookie_ipv4(&four, &ack));
	sum = add(sum, bpf_tcp_raw_gen_syncookie_ipv4(&four, &syn.tcp, sizeof(syn.tcp)));
	syn.tcp.doff = 5;
	sum = add(sum, bpf_tcp_raw_gen_syncookie_ipv6(&six, &syn.tcp, sizeof(syn.tcp)) >> 32);
	sum = add(sum, bpf_tcp_raw_gen_syncookie_ipv4(&four, &syn.tcp, sizeof(syn.tcp)) >> 32);
	return sum;
}
