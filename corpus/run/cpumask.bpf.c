// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Sets of CPUs; each program folds what it sees into one number, as those of kfuncs.bpf.c.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define see(what) (seen = seen * 31 + (__u32)(what))

struct cpumask {
    __u64 bits;
};

struct bpf_cpumask {
    __u64 bits;
} __attribute__((preserve_access_index));

typedef const struct cpumask *set;

extern struct bpf_cpumask *bpf_cpumask_create(void) __ksym;
extern struct bpf_cpumask *bpf_cpumask_acquire(struct bpf_cpumask *mask) __ksym;
extern void bpf_cpumask_release(struct bpf_cpumask *mask) __ksym;
extern __u32 bpf_cpumask_first(set mask) __ksym;
extern __u32 bpf_cpumask_first_zero(set mask) __ksym;
extern __u32 bpf_cpumask_first_and(set a, set b) __ksym;
extern void bpf_cpumask_set_cpu(__u32 cpu, struct bpf_cpumask *mask) __ksym;
extern void bpf_cpumask_clear_cpu(__u32 cpu, struct bpf_cpumask *mask) __ksym;
extern _Bool bpf_cpumask_test_cpu(__u32 cpu, set mask) __ksym;
extern _Bool bpf_cpumask_test_and_set_cpu(__u32 cpu, struct bpf_cpumask *mask) __ksym;
extern _Bool bpf_cpumask_test_and_clear_cpu(__u32 cpu, struct bpf_cpumask *mask) __ksym;
extern void bpf_cpumask_setall(struct bpf_cpumask *mask) __ksym;
extern void bpf_cpumask_clear(struct bpf_cpumask *mask) __ksym;
extern _Bool bpf_cpumask_and(struct bpf_cpumask *to, set a, set b) __ksym;
extern void bpf_cpumask_or(struct bpf_cpumask *to, set a, set b) __ksym;
extern void bpf_cpumask_xor(struct bpf_cpumask *to, set a, set b) __ksym;
extern _Bool bpf_cpumask_equal(set a, set b) __ksym;
extern _Bool bpf_cpumask_intersects(set a, set b) __ksym;
extern _Bool bpf_cpumask_subset(set a, set b) __ksym;
extern _Bool bpf_cpumask_empty(set mask) __ksym;
extern _Bool bpf_cpumask_full(set mask) __ksym;
extern void bpf_cpumask_copy(struct bpf_cpumask *to, set from) __ksym;
extern __u32 bpf_cpumask_weight(set mask) __ksym;
extern int bpf_cpumask_populate(struct bpf_cpumask *mask, void *from, __u64 size) __ksym;

SEC("syscall")
int cpu_sets(void *ctx)
{
    struct bpf_cpumask *a, *b;
    __u64 bits[2] = {2, 0};
    __u32 seen = 0;

    (void)ctx;
    a = bpf_cpumask_create();
    if (!a)
        return -1;
    b = bpf_cpumask_create();
    if (!b) {
        bpf_cpumask_release(a);
        return -2;
    }
    see(bpf_cpumask_empty((set)a));
    see(bpf_cpumask_first((set)a));
    see(bpf_cpumask_first_zero((set)a));
    bpf_cpumask_set_cpu(0, a);
    bpf_cpumask_set_cpu(9999, a);
    see(bpf_cpumask_weight((set)a));
    see(bpf_cpumask_test_cpu(0, (set)a));
    see(bpf_cpumask_test_cpu(9999, (set)a));
    see(bpf_cpumask_first_zero((set)a));
    bpf_cpumask_setall(b);
    see(bpf_cpumask_full((set)b));
    see(bpf_cpumask_weight((set)b));
    see(bpf_cpumask_first_zero((set)b));
    see(bpf_cpumask_subset((set)a, (set)b));
    see(bpf_cpumask_subset((set)b, (set)a));
    see(bpf_cpumask_equal((set)a, (set)b));
    see(bpf_cpumask_intersects((set)a, (set)b));
    see(bpf_cpumask_first_and((set)a, (set)b));
    bpf_cpumask_xor(b, (set)a, (set)b);
    see(bpf_cpumask_weight((set)b));
    see(bpf_cpumask_first((set)b));
    see(bpf_cpumask_and(a, (set)a, (set)b));
    see(bpf_cpumask_weight((set)a));
    bpf_cpumask_or(a, (set)a, (set)b);
    see(bpf_cpumask_weight((set)a));
    see(bpf_cpumask_test_and_set_cpu(0, a));
    see(bpf_cpumask_test_and_set_cpu(0, a));
    see(bpf_cpumask_test_and_clear_cpu(0, a));
    see(bpf_cpumask_test_and_clear_cpu(0, a));
    bpf_cpumask_clear_cpu(1, a);
    see(bpf_cpumask_weight((set)a));
    see(bpf_cpumask_populate(a, bits, sizeof(bits)));
    see(bpf_cpumask_weight((set)a));
    see(bpf_cpumask_first((set)a));
    bpf_cpumask_copy(b, (set)a);
    see(bpf_cpumask_equal((set)a, (set)b));
    bpf_cpumask_clear(a);
    see(bpf_cpumask_empty((set)a));
    bpf_cpumask_release(a);
    bpf_cpumask_release(b);
    return seen;
}

char _license[] SEC("license") = "GPL";
