// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Pages of an arena; each program folds what it sees into one number, as those of kfuncs.bpf.c.
#include <linux/bpf.h>
#include "newer.h"
#include <bpf/bpf_helpers.h>

#define __arena __attribute__((address_space(1)))
#define see(what) (seen = seen * 31 + (__u32)(what))

struct {
    __uint(type, BPF_MAP_TYPE_ARENA);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 10);
} arena SEC(".maps");

extern void __arena *bpf_arena_alloc_pages(void *map, void __arena *addr, __u32 pages, int node,
                                           __u64 flags) __ksym;
extern void bpf_arena_free_pages(void *map, void __arena *addr, __u32 pages) __ksym;

SEC("syscall")
int pages(void *ctx)
{
    volatile __u64 __arena *a, *b;
    __u32 seen = 0;

    (void)ctx;
    a = bpf_arena_alloc_pages(&arena, 0, 2, -1, 0);
    if (!a)
        return -1;
    see(a[0]);
    a[1] = 11;
    a[512] = 12;
    see(a[1]);
    see(a[512]);
    b = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
    if (!b)
        return -2;
    see((void __arena *)b - (void __arena *)a);
    see(!bpf_arena_alloc_pages(&arena, 0, 8, -1, 0));
    see(!bpf_arena_alloc_pages(&arena, 0, 0, -1, 0));
    see(!bpf_arena_alloc_pages(&arena, 0, 1, -1, 1));
    see(!bpf_arena_alloc_pages(&arena, (void __arena *)a, 1, -1, 0));
    *b = 5;
    bpf_arena_free_pages(&arena, (void __arena *)a, 2);
    see(a[1]);
    a[1] = 3;
    see(a[1]);
    see(*b);
    a = bpf_arena_alloc_pages(&arena, (void __arena *)a, 1, -1, 0);
    if (!a)
        return -3;
    see(a[1]);
    see((void __arena *)b - (void __arena *)a);
    bpf_arena_free_pages(&arena, (void __arena *)a, 10);
    return seen;
}

char _license[] SEC("license") = "GPL";
