// The types of a kernel that core.bpf.c was not compiled for: fields are moved, resized, renamed, gone.
typedef unsigned int u32;
typedef unsigned long long u64;
struct inner { long pad; u32 b[8]; int a; };
struct task {
	long state;
	char comm[32];
	struct {
		u64 start;
		int pid;
		struct { int before; union { u32 right; int left; }; };
	};
	long narrow;
	u64 pad : 30, flag_a : 5;
	int more : 4, flag_b : 9;
	struct inner in;
	u32 *files;
	int tgid;
};
struct twice { long pad; int a; };
struct twice___other { int a; };
struct tail { u64 pad; int len; u64 data[]; };
enum mode { MODE_X, MODE_A, MODE_B, MODE_NEG = -70, MODE_C };
enum wide { WIDE = 0x8877665544332211ULL };
typedef int (*callback)(struct task *, long);
struct ops { void *more; callback call; struct inner *in; };

struct task task;
struct twice twice;
struct twice___other other;
struct tail tail;
enum mode mode;
enum wide wide;
struct ops ops;
