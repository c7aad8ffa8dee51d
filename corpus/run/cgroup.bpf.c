// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Cgroups and tasks found by number, and what is stored with them; each program folds what it sees into
// one number, as those of kfuncs.bpf.c.
#include <linux/bpf.h>
#include "newer.h"
#include <bpf/bpf_helpers.h>

#define see(what) (seen = seen * 31 + (__u32)(what))

struct cgroup {
    int level;
} __attribute__((preserve_access_index));

struct task_struct {
    int pid;
    int tgid;
} __attribute__((preserve_access_index));

extern struct cgroup *bpf_cgroup_from_id(__u64 id) __ksym;
extern struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgroup, int level) __ksym;
extern struct cgroup *bpf_cgroup_acquire(struct cgroup *cgroup) __ksym;
extern void bpf_cgroup_release(struct cgroup *cgroup) __ksym;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *task) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern long bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor) __ksym;

struct {
    __uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u64);
} cgroup_values SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u64);
} task_values SEC(".maps");

// The cgroup at the root has number 1 everywhere.
SEC("tc")
int root_cgroup(struct __sk_buff *skb)
{
    struct cgroup *root, *other;
    __u64 five = 5, *value;
    __u32 seen = 0;

    (void)skb;
    other = bpf_cgroup_from_id(~0ull - 77);
    see(!other);
    if (other)
        bpf_cgroup_release(other);
    root = bpf_cgroup_from_id(1);
    if (!root)
        return -1;
    see(root->level);
    other = bpf_cgroup_ancestor(root, 0);
    see(other == root);
    if (other)
        bpf_cgroup_release(other);
    other = bpf_cgroup_ancestor(root, 1);
    see(!other);
    if (other)
        bpf_cgroup_release(other);
    other = bpf_cgroup_ancestor(root, -1);
    see(!other);
    if (other)
        bpf_cgroup_release(other);
    see(bpf_cgrp_storage_delete(&cgroup_values, root));
    value = bpf_cgrp_storage_get(&cgroup_values, root, 0, 0);
    see(!value);
    value = bpf_cgrp_storage_get(&cgroup_values, root, &five, 1);
    if (value) {
        see(*value);
        *value += 2;
    }
    value = bpf_cgrp_storage_get(&cgroup_values, root, 0, 1);
    if (value)
        see(*value);
    see(bpf_cgrp_storage_delete(&cgroup_values, root));
    bpf_cgroup_release(root);
    return seen;
}

SEC("tc")
int current_task(struct __sk_buff *skb)
{
    struct task_struct *current = (void *)bpf_get_current_task_btf(), *task;
    __u64 id = bpf_get_current_pid_tgid(), three = 3, *value;
    struct cgroup *root;
    __u32 seen = 0;

    (void)skb;
    see(current->pid == (int)id);
    see(current->tgid == (int)(id >> 32));
    value = bpf_task_storage_get(&task_values, current, &three, 1);
    if (value)
        *value += 4;
    task = bpf_task_from_pid(id);
    if (!task)
        return -1;
    see(task == current);
    value = bpf_task_storage_get(&task_values, task, 0, 0);
    if (value)
        see(*value);
    see(bpf_task_storage_delete(&task_values, task));
    root = bpf_cgroup_from_id(1);
    if (root) {
        see(bpf_task_under_cgroup(task, root));
        bpf_cgroup_release(root);
    }
    bpf_task_release(task);
    task = bpf_task_from_pid(-5);
    see(!task);
    if (task)
        bpf_task_release(task);
    return seen;
}

char _license[] SEC("license") = "GPL";
