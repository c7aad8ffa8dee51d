// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Reads one byte beyond the shortest packets, as no verifier would let it.
//
//     clang-19 -target bpf -O2 -g -I/usr/include/$(uname -m)-linux-gnu -fdebug-compilation-dir=. \
//         -c fault.bpf.c -o fault.o && llvm-strip-19 -g fault.o

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int peek(struct xdp_md *ctx)
{
    unsigned char *data = (void *)(long)ctx->data;

    if (data[61] == 0xff)
        return XDP_DROP;
    return XDP_PASS;
}
