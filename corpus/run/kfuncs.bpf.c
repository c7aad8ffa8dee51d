// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Kernel functions and helpers that both engines have. Each program folds what it sees into one number
// and returns it, so that an engine that sees anything else returns another one.
#include <linux/bpf.h>
#include "newer.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define private(name) SEC(".data." #name) __attribute__((visibility("hidden"), aligned(8)))
#define __contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))
#define new(type) ((type *)bpf_obj_new_impl(bpf_core_type_id_local(type), 0))
#define drop(object) bpf_obj_drop_impl(object, 0)
#define see(what) (seen = seen * 31 + (__u32)(what))

extern void *bpf_obj_new_impl(__u64 type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *object, void *meta) __ksym;
extern void *bpf_percpu_obj_new_impl(__u64 type_id, void *meta) __ksym;
extern void bpf_percpu_obj_drop_impl(void *object, void *meta) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node,
                               _Bool(less)(struct bpf_rb_node *, const struct bpf_rb_node *),
                               void *meta, __u64 off) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern struct bpf_rb_node *bpf_rbtree_right(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta,
                                    __u64 off) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta,
                                   __u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_back(struct bpf_list_head *head) __ksym;
extern void bpf_throw(__u64 cookie) __ksym;
extern int bpf_wq_init(struct bpf_wq *wq, void *map, unsigned int flags) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym;

struct item {
    struct bpf_rb_node node;
    __u64 number;
};

private(TREE) struct bpf_spin_lock tree_lock;
private(TREE) struct bpf_rb_root tree __contains(item, node);

static _Bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
    return container_of(a, struct item, node)->number < container_of(b, struct item, node)->number;
}

// Puts 40 numbers in, then takes some out; after each the top and its children are seen.
SEC("tc")
int tree_shape(struct __sk_buff *skb)
{
    __u32 seen = 0, number = 7;
    struct bpf_rb_node *at;
    struct item *item;

    (void)skb;
    for (int i = 0; i < 40; i++) {
        item = new(struct item);
        if (!item)
            return -1;
        number = number * 1103515245 + 12345;
        item->number = number >> 16 & 63;
        bpf_spin_lock(&tree_lock);
        bpf_rbtree_add_impl(&tree, &item->node, less, 0, 0);
        at = bpf_rbtree_root(&tree);
        if (at) {
            see(container_of(at, struct item, node)->number);
            struct bpf_rb_node *left = bpf_rbtree_left(&tree, at);
            if (left)
                see(container_of(left, struct item, node)->number);
            struct bpf_rb_node *right = bpf_rbtree_right(&tree, at);
            if (right)
                see(container_of(right, struct item, node)->number);
        }
        bpf_spin_unlock(&tree_lock);
    }
    for (int i = 0; i < 40; i++) {
        struct bpf_rb_node *out = 0;

        bpf_spin_lock(&tree_lock);
        at = bpf_rbtree_root(&tree);
        if (at && i % 3 == 0) {
            out = bpf_rbtree_remove(&tree, at);
        } else {
            at = bpf_rbtree_first(&tree);
            if (at)
                out = bpf_rbtree_remove(&tree, at);
        }
        at = bpf_rbtree_root(&tree);
        if (at)
            see(container_of(at, struct item, node)->number);
        bpf_spin_unlock(&tree_lock);
        if (!out)
            return -2;
        item = container_of(out, struct item, node);
        see(item->number);
        drop(item);
    }
    return seen;
}

struct link {
    __u64 number;
    struct bpf_list_node node;
};

private(LIST) struct bpf_spin_lock list_lock;
private(LIST) struct bpf_list_head list __contains(link, node);

SEC("tc")
int list_ends(struct __sk_buff *skb)
{
    struct bpf_list_node *node;
    struct link *link;
    __u32 seen = 0;

    (void)skb;
    for (int i = 0; i < 9; i++) {
        link = new(struct link);
        if (!link)
            return -1;
        link->number = i;
        bpf_spin_lock(&list_lock);
        if (i % 3)
            bpf_list_push_back_impl(&list, &link->node, 0, 0);
        else
            bpf_list_push_front_impl(&list, &link->node, 0, 0);
        node = bpf_list_front(&list);
        if (node)
            see(container_of(node, struct link, node)->number);
        node = bpf_list_back(&list);
        if (node)
            see(container_of(node, struct link, node)->number);
        bpf_spin_unlock(&list_lock);
    }
    for (int i = 0; i < 10; i++) {
        bpf_spin_lock(&list_lock);
        node = i % 2 ? bpf_list_pop_back(&list) : bpf_list_pop_front(&list);
        bpf_spin_unlock(&list_lock);
        see(!node);
        if (node) {
            link = container_of(node, struct link, node);
            see(link->number);
            drop(link);
        }
    }
    return seen;
}

static __attribute__((noinline)) int deep(__u64 number)
{
    if (number > 20)
        bpf_throw(number + 1);
    return number;
}

SEC("tc")
int throws(struct __sk_buff *skb)
{
    int sum = deep(skb->len & 7);

    return sum + deep(skb->len | 64);
}

struct work {
    __u64 number;
    struct bpf_wq wq;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct work);
} works SEC(".maps");

// What is not ready, and what is wrong.
SEC("tc")
int work_queue(struct __sk_buff *skb)
{
    __u32 seen = 0, zero = 0;
    struct work *work = bpf_map_lookup_elem(&works, &zero);

    (void)skb;
    if (!work)
        return -1;
    see(bpf_wq_start(&work->wq, 0));
    see(bpf_wq_init(&work->wq, &works, 1));
    see(bpf_wq_init(&work->wq, &works, 0));
    see(bpf_wq_init(&work->wq, &works, 0));
    see(bpf_wq_start(&work->wq, 0));
    return seen;
}

struct task_struct {
    int pid;
};

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u64);
} task_values SEC(".maps");

SEC("tc")
int task_storage(struct __sk_buff *skb)
{
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    __u64 seven = 7, *value;
    __u32 seen = 0;

    (void)skb;
    see(bpf_task_storage_delete(&task_values, task));
    see(!bpf_task_storage_get(&task_values, task, 0, 0));
    value = bpf_task_storage_get(&task_values, task, &seven, 1);
    if (!value)
        return -1;
    see(*value);
    *value += 3;
    value = bpf_task_storage_get(&task_values, task, &seven, 1);
    if (value)
        see(*value);
    see(!bpf_task_storage_get(&task_values, task, 0, 2));
    see(bpf_task_storage_delete(&task_values, task));
    return seen;
}

struct counter {
    __u64 number;
    __u32 other;
};

struct slot {
    struct counter __attribute__((btf_type_tag("percpu_kptr"))) * counter;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slot);
} slots SEC(".maps");

SEC("tc")
int per_cpu_object(struct __sk_buff *skb)
{
    struct counter *counter, *part;
    __u32 seen = 0, zero = 0;
    struct slot *slot = bpf_map_lookup_elem(&slots, &zero);

    (void)skb;
    if (!slot)
        return -1;
    counter = bpf_percpu_obj_new_impl(bpf_core_type_id_local(struct counter), 0);
    if (!counter)
        return -2;
    counter = bpf_kptr_xchg(&slot->counter, counter);
    if (counter)
        bpf_percpu_obj_drop_impl(counter, 0);
    counter = slot->counter;
    if (!counter)
        return -3;
    part = bpf_this_cpu_ptr(counter);
    see(part->number);
    part->number = 9;
    part->other = 4;
    part = bpf_per_cpu_ptr(counter, bpf_get_smp_processor_id());
    if (part) {
        see(part->number);
        see(part->other);
    }
    see(!bpf_per_cpu_ptr(counter, 8192));
    return seen;
}

char _license[] SEC("license") = "GPL";
