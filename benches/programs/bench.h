/* Types and the entry point of the bench programs: r1 is 16 KiB of memory. For the kernel it is the value of a map. */
#ifdef KERNEL
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef KERNEL
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, u32);
    __type(value, u8[16384]);
} memory SEC(".maps");

static __attribute__((always_inline)) u64 entry(u8 *mem);

SEC("xdp") int run(struct xdp_md *ctx)
{
    u32 zero = 0;
    u8 *mem = bpf_map_lookup_elem(&memory, &zero);
    return mem ? entry(mem) : 0;
}

#define ENTRY static __attribute__((always_inline)) u64 entry(u8 *mem)
#else
#define ENTRY __attribute__((section("prog"))) u64 entry(u8 *mem)
#endif
