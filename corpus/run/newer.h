// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What <linux/bpf.h> of Linux 6.1 does not have yet.
#define BPF_MAP_TYPE_CGRP_STORAGE 32
#define BPF_MAP_TYPE_ARENA 33

struct bpf_list_head {
    __u64 opaque[2];
} __attribute__((aligned(8)));

struct bpf_list_node {
    __u64 opaque[3];
} __attribute__((aligned(8)));

struct bpf_rb_root {
    __u64 opaque[2];
} __attribute__((aligned(8)));

struct bpf_rb_node {
    __u64 opaque[4];
} __attribute__((aligned(8)));

struct bpf_wq {
    __u64 opaque[2];
} __attribute__((aligned(8)));
