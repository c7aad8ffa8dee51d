// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Programs that are refused, for what is said of them in `explain.txt`. `build.sh` compiles them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef __arg_nonnull
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))
#endif
#define noinline __attribute__((noinline))

char _license[] SEC("license") = "GPL";

struct value {
    __u32 n;
    char buf[64];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, struct value);
} stats SEC(".maps");

struct locked {
    struct bpf_spin_lock lock;
    int count;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct locked);
} locks SEC(".maps");

int table[16];

struct task_struct {
    int pid;
} __attribute__((preserve_access_index));

struct bpf_iter_num { __u64 opaque[1]; };
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

// A byte that is stored into a spilled number.
SEC("tc")
int spill_torn(struct __sk_buff *ctx)
{
    __u32 key = 0;
    struct value *v = bpf_map_lookup_elem(&stats, &key);
    if (!v)
        return 0;
    __u64 index = ctx->len;
    if (index >= sizeof(v->buf))
        return 0;
    __u64 slot;
    asm volatile("*(u64 *)(r10 - 40) = %0" : : "r"(index));
    asm volatile("r3 = 0\n *(u8 *)(r10 - 39) = r3" : : : "r3");
    asm volatile("%0 = *(u64 *)(r10 - 40)" : "=r"(slot));
    v->buf[slot] = 1;
    return 0;
}

// A number that is stored in half and read whole.
SEC("tc")
int spill_half(struct __sk_buff *ctx)
{
    __u32 key = 0;
    struct value *v = bpf_map_lookup_elem(&stats, &key);
    if (!v)
        return 0;
    __u64 index = ctx->len;
    if (index >= sizeof(v->buf))
        return 0;
    __u64 slot;
    asm volatile("*(u32 *)(r10 - 36) = %0" : : "r"(index));
    asm volatile("%0 = *(u64 *)(r10 - 40)" : "=r"(slot));
    v->buf[slot] = 1;
    return 0;
}

noinline int sum(struct value *val)
{
    return val->n;
}

// A parameter of a global function that may be null.
SEC("tc")
int parameter_null(struct __sk_buff *ctx)
{
    struct value v = { .n = 1 };
    return sum(&v);
}

noinline int fill(struct value *val, __u32 len)
{
    if (!val)
        return 0;
    return bpf_probe_read_kernel(val->buf, len, val);
}

// A parameter of a global function that has no bounds.
SEC("kprobe/f")
int parameter_size(void *ctx)
{
    struct value v = {};
    return fill(&v, 4);
}

noinline int length(struct __sk_buff *skb, int n)
{
    return skb->len + n;
}

// An argument that the prototype does not allow.
SEC("xdp")
int parameter_type(struct xdp_md *ctx)
{
    return length((void *)ctx, 3);
}

noinline int first(struct value *val __arg_nonnull)
{
    return val->n;
}

// An argument that may be null where none may be.
SEC("tc")
int parameter_nonnull(struct __sk_buff *ctx)
{
    __u32 key = ctx->len;
    struct value *found = bpf_map_lookup_elem(&stats, &key);
    return first(found);
}

// A result that is wrong whatever happens.
SEC("cgroup/connect4")
int result_always(struct bpf_sock_addr *ctx)
{
    return 5;
}

// A result that may be wrong.
SEC("cgroup/connect4")
int result_maybe(struct bpf_sock_addr *ctx)
{
    return ctx->user_port & 3;
}

// An argument that a call leaves nothing in.
SEC("tc")
int argument_clobbered(struct __sk_buff *ctx)
{
    long r;
    bpf_get_prandom_u32();
    asm volatile("%0 = r2" : "=r"(r));
    return r;
}

// A variable that is indexed beyond its end.
SEC("tc")
int variable_beyond(struct __sk_buff *ctx)
{
    __u32 i = ctx->len & 31;
    return table[i];
}

static long add(__u32 i, int *sum)
{
    return sum[2];
}

// What a function that is called back gets.
SEC("tc")
int callback_given(struct __sk_buff *ctx)
{
    int sum = 0;
    bpf_loop(10, add, &sum, 0);
    return sum;
}

// A lock that is not released.
SEC("tc")
int lock_held(struct __sk_buff *ctx)
{
    __u32 key = 0;
    struct locked *l = bpf_map_lookup_elem(&locks, &key);
    if (!l)
        return 0;
    bpf_spin_lock(&l->lock);
    if (l->count++ > 5)
        return 0;
    bpf_spin_unlock(&l->lock);
    return 0;
}

// A call while a lock is held.
SEC("tc")
int lock_call(struct __sk_buff *ctx)
{
    __u32 key = 0;
    struct locked *l = bpf_map_lookup_elem(&locks, &key);
    if (!l)
        return 0;
    bpf_spin_lock(&l->lock);
    l->count = bpf_get_prandom_u32();
    bpf_spin_unlock(&l->lock);
    return 0;
}

// Another lock than the one that is held.
SEC("tc")
int lock_other(struct __sk_buff *ctx)
{
    __u32 key = 0;
    struct locked *a = bpf_map_lookup_elem(&locks, &key);
    struct locked *b = bpf_map_lookup_elem(&locks, &key);
    if (!a || !b)
        return 0;
    bpf_spin_lock(&a->lock);
    bpf_spin_unlock(&b->lock);
    return 0;
}

// A pointer to a structure of the kernel that may be null.
SEC("tp_btf/task_newtask")
int kernel_null(__u64 *ctx)
{
    struct task_struct *task = bpf_task_from_pid(1);
    int pid = task->pid;
    bpf_task_release(task);
    return pid;
}

// A structure of the kernel that is written.
SEC("tp_btf/task_newtask")
int kernel_write(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[0];
    task->pid = 4;
    return 0;
}

// A section that is not left.
SEC("tc")
int rcu_held(struct __sk_buff *ctx)
{
    bpf_rcu_read_lock();
    if (ctx->len > 100)
        return 1;
    bpf_rcu_read_unlock();
    return 0;
}

// An iterator that is not destroyed, and one that was not made.
SEC("tc")
int iter_leak(struct __sk_buff *ctx)
{
    __u64 it[1];
    int *v, s = 0;
    bpf_iter_num_new((void *)it, 0, 10);
    while ((v = bpf_iter_num_next((void *)it))) {
        s += *v;
        if (s > 1000)
            return 1;
    }
    bpf_iter_num_destroy((void *)it);
    return s;
}

SEC("tc")
int iter_unmade(struct __sk_buff *ctx)
{
    __u64 it[1];
    int *v = bpf_iter_num_next((void *)it);
    return v ? *v : 0;
}

struct held {
    struct task_struct __kptr *task;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct held);
} helds SEC(".maps");

struct sk_buff {
    unsigned int len;
} __attribute__((preserve_access_index));

struct cgroup {
    int level;
} __attribute__((preserve_access_index));

extern struct cgroup *bpf_cgroup_from_id(__u64 id) __ksym;
extern void bpf_cgroup_release(struct cgroup *cgroup) __ksym;
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

// An object of another type than the field takes.
SEC("tp_btf/task_newtask")
int kernel_exchange(__u64 *ctx)
{
    __u32 key = 0;
    struct held *held = bpf_map_lookup_elem(&helds, &key);
    if (!held)
        return 0;
    struct cgroup *cgroup = bpf_cgroup_from_id(1);
    if (!cgroup)
        return 0;
    struct cgroup *old = bpf_kptr_xchg((void **)&held->task, cgroup);
    if (old)
        bpf_cgroup_release(old);
    return 0;
}

// A part of a pointer in a structure without name.
SEC("tc")
int kernel_part(struct __sk_buff *ctx)
{
    __u32 type = __builtin_btf_type_id(*(struct sk_buff *)0, 1);
    void *skb = bpf_rdonly_cast((void *)(long)ctx->len, type);
    char *part;
    asm volatile("%0 = 8; %0 += %1" : "=&r"(part) : "r"(skb));
    return *part;
}
