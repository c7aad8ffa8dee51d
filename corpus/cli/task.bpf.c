// SPDX-License-Identifier: MIT OR Apache-2.0
// Questions about the types of corpus/btf/core_target.c.
// clang-19 -O2 -g -target bpf -fdebug-compilation-dir=. -c task.bpf.c -o task.o && llvm-strip-19 -g task.o
#define SEC(name) __attribute__((section(name), used))
#define FIELD(field, kind) __builtin_preserve_field_info(field, kind)

struct task {
	int pid;
	int tgid;
	int gone;
} __attribute__((preserve_access_index));

// XDP_PASS where a task has a tgid 32 bytes or more behind its begin.
SEC("xdp") int moved(void *ctx)
{
	struct task *t = 0;

	return FIELD(t->tgid, 2) && FIELD(t->tgid, 0) >= 32 ? 2 : 1;
}

// The offset of `gone` is asked for only where there is one.
SEC("xdp") int guarded(void *ctx)
{
	struct task *t = 0;

	return FIELD(t->gone, 2) ? FIELD(t->gone, 0) : 2;
}

// It is asked for everywhere.
SEC("xdp") int unguarded(void *ctx)
{
	struct task *t = 0;

	return FIELD(t->gone, 0);
}
