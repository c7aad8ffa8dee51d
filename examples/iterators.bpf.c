// SPDX-License-Identifier: MIT OR Apache-2.0
// Iterators: what this process is, written as a file of the kernel would show it.
//   skep run examples/iterators.o --prog tasks
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

// What is used of the kernel's types; where members are is looked up in the kernel's own.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct seq_file;
struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 session_id;
    __u64 seq_num;
};
struct task_struct {
    int pid;
    int tgid;
    char comm[16];
};
struct inode {
    unsigned long i_ino;
};
struct path {
    void *mnt;
};
struct file {
    struct inode *f_inode;
    struct path f_path;
};
struct vm_area_struct {
    unsigned long vm_start;
    unsigned long vm_end;
    unsigned long vm_flags;
    struct file *vm_file;
};
struct bpf_map {
    __u32 id;
    __u32 key_size;
    __u32 max_entries;
    char name[16];
};
struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};
struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};
struct bpf_iter__task_vma {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    struct vm_area_struct *vma;
};
struct bpf_iter__bpf_map {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
};
struct bpf_iter__bpf_map_elem {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
    void *key;
    void *value;
};
#pragma clang attribute pop

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} squares SEC(".maps");

__u64 visits = 0;

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
    struct seq_file *seq = ctx->meta->seq;
    struct task_struct *task = ctx->task;

    if (!task) {
        BPF_SEQ_PRINTF(seq, "%llu tasks\n", visits);
        return 0;
    }
    if (ctx->meta->seq_num == 0)
        BPF_SEQ_PRINTF(seq, "tgid pid comm\n");
    visits++;
    BPF_SEQ_PRINTF(seq, "%d %d %s\n", task->tgid, task->pid, task->comm);
    return 0;
}

SEC("iter/task_file")
int files(struct bpf_iter__task_file *ctx)
{
    struct file *file = ctx->file;
    char path[128];

    if (!file || bpf_d_path(&file->f_path, path, sizeof(path)) < 0)
        return 0;
    BPF_SEQ_PRINTF(ctx->meta->seq, "%u %lu %s\n", ctx->fd, file->f_inode->i_ino, path);
    return 0;
}

SEC("iter.s/task_vma")
int areas(struct bpf_iter__task_vma *ctx)
{
    struct vm_area_struct *vma = ctx->vma;
    struct task_struct *task = ctx->task;
    char magic[4] = {};

    if (!vma || !task)
        return 0;
    // The beginning of each range that is a mapped ELF file says so.
    if (bpf_copy_from_user_task(magic, sizeof(magic), (void *)vma->vm_start, task, 0))
        return 0;
    if (magic[1] == 'E' && magic[2] == 'L' && magic[3] == 'F')
        BPF_SEQ_PRINTF(ctx->meta->seq, "%lx-%lx inode %lu\n", vma->vm_start, vma->vm_end,
                       vma->vm_file->f_inode->i_ino);
    return 0;
}

SEC("iter/bpf_map")
int maps(struct bpf_iter__bpf_map *ctx)
{
    struct bpf_map *map = ctx->map;

    if (map)
        BPF_SEQ_PRINTF(ctx->meta->seq, "%u %s: %u entries of %u bytes\n", map->id, map->name,
                       map->max_entries, map->key_size);
    return 0;
}

SEC("iter/bpf_map_elem")
int square(struct bpf_iter__bpf_map_elem *ctx)
{
    __u32 *key = ctx->key;
    __u64 *value = ctx->value;

    if (!key || !value)
        return 0;
    *value = *key * *key;
    BPF_SEQ_PRINTF(ctx->meta->seq, "%u: %llu\n", *key, *value);
    return 0;
}

// squares is the map that `square` goes over; no program names it otherwise.
struct numbers {
    __u64 a;
    __u64 b;
    __u64 sum;
};

SEC("syscall")
int add(struct numbers *ctx)
{
    __u64 *first = bpf_map_lookup_elem(&squares, &(__u32){0});

    ctx->sum = ctx->a + ctx->b;
    if (first)
        *first = ctx->sum;
    return 7;
}

char LICENSE[] SEC("license") = "GPL";
