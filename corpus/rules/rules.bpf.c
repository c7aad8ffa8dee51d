// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Examples of rules that need types, each an accepted and a refused program. `build.sh` compiles them.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))
#define kptr __attribute__((btf_type_tag("kptr")))
#define kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))
#define core __attribute__((preserve_access_index))

char _license[] SEC("license") = "GPL";

struct bpf_list_head {
    __u64 opaque[2];
} __attribute__((aligned(8)));

struct bpf_list_node {
    __u64 opaque[3];
} __attribute__((aligned(8)));

struct task_struct {
    int pid;
} core;

struct file {
    unsigned int f_flags;
} core;

struct locked {
    struct bpf_spin_lock lock;
    int count;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct locked);
} locked SEC(".maps");

struct holder {
    struct task_struct kptr_untrusted *task;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct holder);
} holders SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} events SEC(".maps");

struct bpf_iter_num { __u64 opaque[1]; };
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
extern void *bpf_obj_new_impl(__u64 local_type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *obj, void *meta) __ksym;
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node,
                                    void *meta, __u64 off) __ksym;

SEC("tp_btf/task_newtask")
int mem_btf_good(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[0];
    return task->pid == 0;
}

SEC("tp_btf/task_newtask")
int mem_btf_bad(__u64 *ctx)
{
    char *task = (void *)ctx[0];
    return *(int *)(task + 32760);
}

SEC("tc")
int special_good(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct locked *value = bpf_map_lookup_elem(&locked, &key);
    return value ? value->count : 0;
}

SEC("tc")
int special_bad(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct locked *value = bpf_map_lookup_elem(&locked, &key);
    return value ? *(int *)&value->lock : 0;
}

SEC("tc")
int lock_good(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct locked *value = bpf_map_lookup_elem(&locked, &key);
    if (!value)
        return 0;
    bpf_spin_lock(&value->lock);
    value->count++;
    bpf_spin_unlock(&value->lock);
    return 0;
}

SEC("tc")
int lock_bad(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct locked *value = bpf_map_lookup_elem(&locked, &key);
    if (!value)
        return 0;
    bpf_spin_lock(&value->lock);
    if (value->count > 100)
        return 0;
    value->count++;
    bpf_spin_unlock(&value->lock);
    return 0;
}

noinline int length(struct __sk_buff *skb)
{
    return skb->len;
}

SEC("tc")
int subprog_arg_good(struct __sk_buff *skb)
{
    return length(skb);
}

SEC("tc")
int subprog_arg_bad(struct __sk_buff *skb)
{
    __u64 other[8] = {};
    return length((void *)other);
}

noinline int sum(int a, int b)
{
    return a + b;
}

noinline struct __sk_buff *same(struct __sk_buff *skb)
{
    asm volatile("" : "+r"(skb));
    return skb;
}

SEC("tc")
int subprog_proto_good(struct __sk_buff *skb)
{
    return sum(skb->len, 1);
}

SEC("tc")
int subprog_proto_bad(struct __sk_buff *skb)
{
    return same(skb) != 0;
}

static int keep_on(__u32 at, void *ctx)
{
    return 0;
}

static int too_much(__u32 at, void *ctx)
{
    return 2;
}

SEC("tc")
int callback_good(struct __sk_buff *skb)
{
    bpf_loop(10, keep_on, 0, 0);
    return 0;
}

SEC("tc")
int callback_bad(struct __sk_buff *skb)
{
    bpf_loop(10, too_much, 0, 0);
    return 0;
}

SEC("syscall")
int kfunc_unknown_good(void *ctx)
{
    struct task_struct *task = bpf_task_from_pid(1);
    if (task)
        bpf_task_release(task);
    return 0;
}

SEC("socket")
int kfunc_unknown_bad(void *ctx)
{
    struct task_struct *task = bpf_task_from_pid(1);
    if (task)
        bpf_task_release(task);
    return 0;
}

SEC("syscall")
int kfunc_arg_good(void *ctx)
{
    struct task_struct *task = bpf_task_from_pid(1);
    if (task)
        bpf_task_release(task);
    return 0;
}

SEC("syscall")
int kfunc_arg_bad(void *ctx)
{
    struct task_struct *task = bpf_task_from_pid(1);
    bpf_task_release(task);
    return 0;
}

SEC("xdp")
int dynptr_good(struct xdp_md *ctx)
{
    struct bpf_dynptr record;
    __u32 value = 1;
    bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
    bpf_dynptr_write(&record, 0, &value, sizeof(value), 0);
    bpf_ringbuf_submit_dynptr(&record, 0);
    return XDP_PASS;
}

SEC("xdp")
int dynptr_bad(struct xdp_md *ctx)
{
    struct bpf_dynptr record;
    __u32 value = 1;
    bpf_dynptr_write(&record, 0, &value, sizeof(value), 0);
    return XDP_PASS;
}

SEC("xdp")
int iter_good(struct xdp_md *ctx)
{
    __u64 it;
    bpf_iter_num_new((void *)&it, 0, 10);
    while (bpf_iter_num_next((void *)&it))
        ;
    bpf_iter_num_destroy((void *)&it);
    return XDP_PASS;
}

SEC("xdp")
int iter_bad(struct xdp_md *ctx)
{
    __u64 it;
    bpf_iter_num_next((void *)&it);
    return XDP_PASS;
}

struct item {
    struct bpf_list_node node;
    int number;
};

struct bpf_spin_lock items_lock SEC(".bss.items") __attribute__((aligned(8)));
struct bpf_list_head items SEC(".bss.items") __attribute__((aligned(8))) contains(item, node);

SEC("tc")
int collection_good(struct __sk_buff *skb)
{
    struct item *item = bpf_obj_new_impl(__builtin_btf_type_id(*(struct item *)0, 0), 0);
    if (!item)
        return 0;
    bpf_spin_lock(&items_lock);
    bpf_list_push_front_impl(&items, &item->node, 0, 0);
    bpf_spin_unlock(&items_lock);
    return 0;
}

SEC("tc")
int collection_bad(struct __sk_buff *skb)
{
    struct item *item = bpf_obj_new_impl(__builtin_btf_type_id(*(struct item *)0, 0), 0);
    if (!item)
        return 0;
    bpf_list_push_front_impl(&items, &item->node, 0, 0);
    return 0;
}

SEC("tp_btf/task_newtask")
int kptr_good(__u64 *ctx)
{
    __u32 key = 0;
    struct holder *holder = bpf_map_lookup_elem(&holders, &key);
    if (holder)
        holder->task = (void *)ctx[0];
    return 0;
}

SEC("tp_btf/sched_process_exec")
int kptr_bad(__u64 *ctx)
{
    __u32 key = 0;
    struct holder *holder = bpf_map_lookup_elem(&holders, &key);
    if (holder)
        holder->task = (void *)ctx[2];
    return 0;
}

SEC("tp_btf/task_newtask")
int attach_target_good(__u64 *ctx)
{
    return 0;
}

SEC("tp_btf/no_such_tracepoint")
int attach_target_bad(__u64 *ctx)
{
    return 0;
}

#define handler(name) __attribute__((btf_decl_tag("exception_callback:" #name)))

noinline int caught(__u64 cookie)
{
    return cookie;
}

noinline int caught_too(__u64 cookie)
{
    return cookie + 1;
}

SEC("tc")
handler(caught)
int btf_good(struct __sk_buff *skb)
{
    return 0;
}

SEC("tc")
handler(caught) handler(caught_too)
int btf_bad(struct __sk_buff *skb)
{
    return 0;
}
