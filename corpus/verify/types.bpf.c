// SPDX-License-Identifier: MIT OR Apache-2.0
/* Programs whose verdict hangs on the kernel's types. */

#define SEC(name) __attribute__((section(name), used))
#define KSYM __attribute__((weak, section(".ksyms")))

struct task_struct;
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

char _license[] SEC("license") = "GPL";
