// One relocation of each kind, as a program for the kernel of core_target.c has them.
#define __uint(name, val) int (*name)[val]
#define keep __attribute__((preserve_access_index))
#define SEC(name) __attribute__((section(name), used))
typedef unsigned int u32;
typedef unsigned long long u64;

struct inner { int a; u32 b[4]; } keep;
struct task {
	int pid;
	u64 start;
	struct inner in;
	void *files;
	union { int left; u32 right; };
	u32 flag_a : 3;
	int flag_b : 7;
	short narrow;
	char comm[16];
	u32 gone;
} keep;
struct task___old { int tgid; } keep;
struct missing { int x; } keep;
struct twice { int a; } keep;
struct tail { int len; u64 data[0]; } keep;
enum mode { MODE_A, MODE_B = 5, MODE_NEG = -7, MODE_GONE = 9 };
enum mode___new { MODE_C___new = 1 };
enum wide { WIDE = 0x1122334455667788ULL };
typedef int (*callback)(struct task *, long);
struct ops { callback call; struct inner *in; } keep;

extern void sink(u64 value);
#define S(x) sink((u64)(x))
#define FIELD(f, k) S(__builtin_preserve_field_info(f, k))

SEC("socket") int fields(struct task *t)
{
	FIELD(t->start, 0);
	FIELD(t->in.b[2], 0);
	FIELD(t->right, 0);
	FIELD(t->flag_a, 0);
	FIELD(t->flag_b, 1);
	FIELD(t->narrow, 1);
	FIELD(t->comm, 1);
	FIELD(t->comm, 2);
	FIELD(t->gone, 2);
	FIELD(t->gone, 0);
	FIELD(t->flag_b, 3);
	FIELD(t->flag_a, 3);
	FIELD(t->flag_b, 4);
	FIELD(t->flag_b, 5);
	FIELD(t->narrow, 4);
	FIELD(t->narrow, 5);
	FIELD(t[3].pid, 0);
	FIELD(((struct task___old *)t)->tgid, 0);
	FIELD(((struct missing *)t)->x, 0);
	FIELD(((struct missing *)t)->x, 2);
	FIELD(((struct twice *)t)->a, 1);
	FIELD(((struct twice *)t)->a, 0);
	FIELD(((struct tail *)t)->data[7], 0);
	return 0;
}

SEC("socket") int accesses(struct task *t)
{
	S(t->pid);
	S(t->files);
	S(t->narrow);
	S(t->right);
	return 0;
}

SEC("socket") int types(void)
{
	S(__builtin_btf_type_id(*(struct task *)0, 0));
	S(__builtin_btf_type_id(*(struct task *)0, 1));
	S(__builtin_preserve_type_info(*(struct task *)0, 0));
	S(__builtin_preserve_type_info(*(struct missing *)0, 0));
	S(__builtin_preserve_type_info(*(struct task *)0, 1));
	S(__builtin_preserve_type_info(*(struct missing *)0, 1));
	S(__builtin_preserve_type_info(*(struct inner *)0, 2));
	S(__builtin_preserve_type_info(*(struct task *)0, 2));
	S(__builtin_preserve_type_info(*(struct ops *)0, 2));
	S(__builtin_preserve_type_info(*(callback *)0, 0));
	S(__builtin_preserve_type_info(*(enum mode *)0, 2));
	return 0;
}

SEC("socket") int enumerators(void)
{
	S(__builtin_preserve_enum_value(*(enum mode *)MODE_B, 1));
	S(__builtin_preserve_enum_value(*(enum mode *)MODE_NEG, 1));
	S(__builtin_preserve_enum_value(*(enum mode *)MODE_B, 0));
	S(__builtin_preserve_enum_value(*(enum mode *)MODE_GONE, 0));
	S(__builtin_preserve_enum_value(*(enum mode *)MODE_GONE, 1));
	S(__builtin_preserve_enum_value(*(enum mode___new *)MODE_C___new, 1));
	S(__builtin_preserve_enum_value(*(enum wide *)WIDE, 1));
	return 0;
}
