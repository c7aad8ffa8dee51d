// SPDX-License-Identifier: MIT OR Apache-2.0
//
// What is thrown arrives in a function that the program names.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_throw(__u64 cookie) __ksym;

__attribute__((noinline)) int handle(__u64 cookie)
{
    return cookie * 2 + 1;
}

static __attribute__((noinline)) int check(__u32 len)
{
    if (len > 60)
        bpf_throw(len);
    return len;
}

SEC("tc")
__attribute__((btf_decl_tag("exception_callback:handle")))
int caught(struct __sk_buff *skb)
{
    return check(skb->len) + 1000;
}

char _license[] SEC("license") = "GPL";
