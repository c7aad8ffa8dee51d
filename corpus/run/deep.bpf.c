// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Programs whose functions pile up deeper than eight, which the verifier does not see: it counts chains of
// calls, and neither what a tail call keeps above it nor where a callback is called in the end.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FUNCTION __attribute__((noinline))

int below(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, int(void *));
} next SEC(".maps") = { .values = { [0] = (void *)&below } };

/* A function with a stack of its own, which calls another. */
#define CALLS(name, callee)                                 \
	static FUNCTION int name(void *ctx)                 \
	{                                                   \
		volatile long own = 1;                      \
		int result = callee(ctx);                   \
		return result + (own != 0);                 \
	}

static FUNCTION int jump(void *ctx)
{
	volatile long own = 1;
	bpf_tail_call(ctx, &next, 0);
	return own != 0;
}
CALLS(above5, jump)
CALLS(above4, above5)
CALLS(above3, above4)
CALLS(above2, above3)
CALLS(above1, above2)

SEC("xdp") int tail_call(struct xdp_md *ctx)
{
	volatile long own = 1;
	int result = above1(ctx);
	return result + (own != 0) > 0 ? XDP_PASS : XDP_DROP;
}

/* One without a stack. */
static FUNCTION int bare(void *ctx)
{
	bpf_tail_call(ctx, &next, 0);
	return 1;
}

SEC("xdp") int bare_tail_call(struct xdp_md *ctx)
{
	volatile long own = 1;
	int result = bare(ctx);
	return result + (own != 0) > 0 ? XDP_PASS : XDP_DROP;
}

static FUNCTION int leaf(void *ctx __attribute__((unused)))
{
	volatile long own = 1;
	return own != 0;
}
CALLS(below6, leaf)
CALLS(below5, below6)
CALLS(below4, below5)
CALLS(below3, below4)
CALLS(below2, below3)
CALLS(below1, below2)

SEC("xdp") int below(struct xdp_md *ctx)
{
	volatile long own = 1;
	int result = below1(ctx);
	return result + (own != 0) > 0 ? XDP_PASS : XDP_DROP;
}

CALLS(back2, leaf)
CALLS(back1, back2)

static long back(__u32 index __attribute__((unused)), void *ctx)
{
	volatile long own = 1;
	return back1(ctx) + (own == 0) > 100;
}

static FUNCTION int loop(void *function)
{
	volatile long own = 1;
	bpf_loop(1, function, NULL, 0);
	return own != 0;
}
CALLS(hand2, loop)
CALLS(hand1, hand2)

/* Global functions are verified each by itself. */
FUNCTION int global3(int x)
{
	volatile long own = 1;
	void *function = back;
	asm volatile("%0 += 1" : "+r"(x));
	asm volatile("" : "+r"(function));
	int result = hand1(function);
	return result + (own != 0);
}
FUNCTION int global2(int x)
{
	volatile long own = 1;
	asm volatile("%0 += 1" : "+r"(x));
	int result = global3(x);
	return result + (own != 0);
}
FUNCTION int global1(int x)
{
	volatile long own = 1;
	asm volatile("%0 += 1" : "+r"(x));
	int result = global2(x);
	return result + (own != 0);
}

SEC("xdp") int callback(struct xdp_md *ctx)
{
	volatile long own = 1;
	int x = ctx->rx_queue_index;
	int result = global1(x);
	return result + (own != 0) > 0 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
