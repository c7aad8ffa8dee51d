// SPDX-License-Identifier: MIT OR Apache-2.0
// Types of many kinds, a map, globals, line and CO-RE records. `build.sh` makes the fixtures.

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;

#define SEC(name) __attribute__((section(name), used))

enum action { ACTION_DROP = 1, ACTION_PASS, ACTION_ABORT = -1 };
enum big { BIG_ONE = 1, BIG_TOP = 0x8000000000000001ULL };

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	};
};

struct key {
	__be32 saddr;
	__u32 daddr;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 h_source[6];
	struct in6_addr peer;
};

struct flow {
	struct key key;
	__u64 packets;
	unsigned int syn : 1;
	int delta : 5;
	enum action action : 8;
	char comm[16];
	struct flow *next;
	const volatile float *load;
	double ratio;
	_Bool seen;
	enum big big;
	union {
		__u32 mark;
		__u8 raw[4];
	};
	int (*hook)(struct flow *flow, ...);
};

struct {
	int (*type)[1];
	int (*max_entries)[1024];
	struct key *key;
	struct flow *value;
} flows SEC(".maps");

const volatile int limit = 7;
__u32 total = 3;
static __u64 last_ns;
extern int log_kfunc(const char *text) SEC(".ksyms");

struct task {
	int pid;
	struct flow *flow;
} __attribute__((preserve_access_index));

static __attribute__((noinline)) int count(struct flow *flow)
{
	flow->packets++;
	last_ns += flow->packets;
	return flow->action;
}

SEC("xdp")
int first(struct flow *flow)
{
	if (total > (__u32)limit)
		return log_kfunc("full");
	return count(flow);
}

SEC("tc")
int second(struct task *task)
{
	return task->pid + count(task->flow);
}

char licence[] SEC("license") = "MIT";
