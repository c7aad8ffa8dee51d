// SPDX-License-Identifier: MIT OR Apache-2.0
/* Programs whose verdict hangs on the kernel's types. */

#define SEC(name) __attribute__((section(name), used))
#define KSYM __attribute__((weak, section(".ksyms")))

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

extern struct task_struct *bpf_task_from_pid(int pid) KSYM;
extern void no_such_function_of_skep(void) KSYM;

SEC("tp_btf/sched_switch")
int a_function_that_is_there(void *ctx)
{
	if (bpf_task_from_pid)
		return *(volatile int *)0;
	return 0;
}

SEC("tp_btf/sched_switch")
int a_function_that_is_not_there(void *ctx)
{
	if (no_such_function_of_skep)
		no_such_function_of_skep();
	return 0;
}

SEC("tp_btf/sched_switch")
int the_code_of_a_function(void *ctx)
{
	return *(volatile int *)bpf_task_from_pid;
}

/* What is compared twice: of a buffer the second comparison goes both ways in 6.18, of the others one. */
#define TWICE(section, name, offset)                                                              \
	SEC(section) __attribute__((naked)) int name(void *ctx)                                     \
	{                                                                                             \
		asm volatile("r1 = *(u64 *)(r1 + " #offset ");"                                       \
			     "if r1 == 0 goto 1f;"                                                      \
			     "if r1 != 0 goto 1f;"                                                      \
			     "r1 = *(u32 *)(r9 + 0);"                                                   \
			     "1: r0 = 0; exit;");                                                       \
	}

TWICE("iter/bpf_map_elem", a_key, 16)
TWICE("iter/bpf_map_elem", a_buffer, 24)
TWICE("tp_btf/sched_switch", a_task, 8)

/* The words for an object that a function gave: of another type than the field takes, null, and not held. */
struct cgroup {
	int level;
} __attribute__((preserve_access_index));

extern struct cgroup *bpf_cgroup_from_id(unsigned long long id) KSYM;
extern void bpf_cgroup_release(struct cgroup *cgroup) KSYM;
extern void *bpf_rdonly_cast(const void *obj, unsigned int id) KSYM;

static void *(*const lookup)(void *map, const void *key) = (void *)1;
static void *(*const exchange)(void *field, void *object) = (void *)194;

struct held {
	struct task_struct __attribute__((btf_type_tag("kptr"))) *task;
};

struct {
	int (*type)[2];
	int (*max_entries)[1];
	int *key;
	struct held *value;
} helds SEC(".maps");

SEC("tp_btf/sched_switch")
int an_object_of_another_type(void *ctx)
{
	int key = 0;
	struct held *held = lookup(&helds, &key);
	struct cgroup *cgroup = held ? bpf_cgroup_from_id(1) : 0;

	if (!cgroup)
		return 0;
	cgroup = exchange(&held->task, cgroup);
	if (cgroup)
		bpf_cgroup_release(cgroup);
	return 0;
}

SEC("tp_btf/sched_switch")
int an_object_that_may_be_null(void *ctx)
{
	return bpf_cgroup_from_id(1)->level;
}

/* A part of a pointer that lies in a structure without name. */
struct sk_buff {
	unsigned int len;
} __attribute__((preserve_access_index));

SEC("tc")
int a_part_of_a_pointer(void *ctx)
{
	char *at, *skb = bpf_rdonly_cast(ctx, __builtin_btf_type_id(*(struct sk_buff *)0, 1));

	asm volatile("%0 = 8; %0 += %1" : "=&r"(at) : "r"(skb));
	return *at;
}

char _license[] SEC("license") = "GPL";
