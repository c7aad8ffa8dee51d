// SPDX-License-Identifier: MIT OR Apache-2.0
// Every kind of question that a program can ask about a kernel's types, with answers on most kernels
// and some on none.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define relocatable __attribute__((preserve_access_index))

typedef struct relocatable {
	int counter;
} atomic_t;

struct list_head {
	struct list_head *next, *prev;
} relocatable;

struct mm_struct {
	unsigned long start_stack;
} relocatable;

struct task_struct {
	int pid;
	int tgid;
	/* Moved between kernels. */
	unsigned int __state;
	struct task_struct *real_parent;
	struct list_head children;
	struct mm_struct *mm;
	char comm[16];
	unsigned in_iowait : 1;
	unsigned sched_reset_on_fork : 1;
	/* On no kernel. */
	long unheard_of;
} relocatable;

struct task_struct___old {
	long state;
} relocatable;

struct task_struct___narrow {
	/* 8 bytes in kernels: a load has to grow. */
	unsigned int start_time;
	/* A signed field of 4 bytes: no load can be adjusted. */
	short prio;
} relocatable;

struct sk_buff {
	unsigned int len;
	unsigned char pkt_type : 3;
	unsigned short protocol;
} relocatable;

struct sock_common {
	union {
		struct {
			unsigned int skc_daddr;
			unsigned int skc_rcv_saddr;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
} relocatable;

struct sock {
	struct sock_common __sk_common;
} relocatable;

struct unheard_of {
	int x;
} relocatable;

union bpf_attr___few {
	struct {
		unsigned int map_type;
	};
} relocatable;

enum bpf_map_type___shuffled {
	BPF_MAP_TYPE_UNHEARD_OF = 77,
	BPF_MAP_TYPE_RINGBUF___shuffled = 1,
	BPF_MAP_TYPE_HASH___shuffled = 99,
};

enum pid_type {
	PIDTYPE_PID,
	PIDTYPE_TGID,
};

struct list_head___mine {
	struct list_head *next, *prev;
};

SEC("raw_tp/sched_switch")
int offsets(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct sock *sk = (void *)ctx[2];
	struct sk_buff *skb = (void *)ctx[3];
	char comm[4];

	bpf_core_read(comm, sizeof(comm), &task->comm[5]);
	return BPF_CORE_READ(task, real_parent, real_parent, pid) + BPF_CORE_READ(task, mm, start_stack) +
	       BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr) + BPF_CORE_READ(sk, __sk_common.skc_family) +
	       BPF_CORE_READ(skb, len) + BPF_CORE_READ(skb, protocol) +
	       (long)BPF_CORE_READ(task, children.next, prev) + comm[0];
}

/* Loads and stores in place, some of another size. */
SEC("raw_tp/sched_switch")
int accesses(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct task_struct___narrow *narrow = (void *)task;
	struct sock *sk = (void *)ctx[2];

	task->tgid = 7;
	task->real_parent = task;
	return task->pid + task->mm->start_stack + narrow->start_time + narrow->prio +
	       sk->__sk_common.skc_state + task->comm[3];
}

SEC("raw_tp/sched_switch")
int bitfields(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct sk_buff *skb = (void *)ctx[2];

	return BPF_CORE_READ_BITFIELD(task, sched_reset_on_fork) +
	       BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait) +
	       BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type) +
	       bpf_core_field_size(task->comm) + bpf_core_field_size(task->in_iowait);
}

SEC("raw_tp/sched_switch")
int questions(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct task_struct___old *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	if (bpf_core_field_exists(old->state))
		return BPF_CORE_READ(old, state);
	return bpf_core_type_exists(struct unheard_of) * 2 + bpf_core_type_exists(struct mm_struct) * 4 +
	       bpf_core_type_size(struct task_struct) + bpf_core_type_size(atomic_t) +
	       bpf_core_type_size(struct unheard_of) + bpf_core_type_size(union bpf_attr___few) +
	       bpf_core_type_matches(struct list_head___mine) * 8 +
	       bpf_core_type_matches(struct task_struct) * 16;
}

SEC("raw_tp/sched_switch")
long numbers(unsigned long long *ctx)
{
	return bpf_core_enum_value(enum bpf_map_type___shuffled, BPF_MAP_TYPE_RINGBUF___shuffled) +
	       bpf_core_enum_value_exists(enum bpf_map_type___shuffled, BPF_MAP_TYPE_UNHEARD_OF) * 1000 +
	       bpf_core_enum_value_exists(enum pid_type, PIDTYPE_TGID) * 2000 +
	       bpf_core_enum_value(enum bpf_map_type___shuffled, BPF_MAP_TYPE_HASH___shuffled) +
	       bpf_core_type_id_kernel(struct task_struct) + bpf_core_type_id_local(struct task_struct) +
	       bpf_core_type_id_kernel(struct unheard_of);
}

/* Parts that no kernel has: such instructions must not run. */
SEC("raw_tp/sched_switch")
int absent(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct unheard_of *unheard = (void *)ctx[2];

	if (ctx[0])
		return task->unheard_of + BPF_CORE_READ(unheard, x);
	return bpf_core_enum_value(enum bpf_map_type___shuffled, BPF_MAP_TYPE_UNHEARD_OF);
}

static __attribute__((noinline)) int pid_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, pid);
}

SEC("raw_tp/sched_switch")
int shared(unsigned long long *ctx)
{
	return pid_of((void *)ctx[1]) + pid_of((void *)ctx[2]);
}

char _license[] SEC("license") = "GPL";
