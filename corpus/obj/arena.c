// SPDX-License-Identifier: MIT OR Apache-2.0
// Variables in an arena.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Of Linux 6.9, newer than the headers. */
#define BPF_MAP_TYPE_ARENA 33

#define ARENA __attribute__((address_space(1)))

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4);
} arena SEC(".maps");

int ARENA first = 3;
int ARENA table[4] = { 1, 2, 3, 4 };
long own = 5;

SEC("syscall")
int sum(void *ctx)
{
	/* Nothing else refers to the map, which the verifier must know. */
	asm volatile("" ::"r"(&arena));
	return first + table[3] + own;
}

char _license[] SEC("license") = "GPL";
