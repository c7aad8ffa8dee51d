#!/usr/bin/env python3
"""Prints the classic cases of the kernel's lib/test_bpf.c as JSON.

The table of cases is C and full of macros, so a C compiler reads it: the part of the file up to the end
of `populate_skb` is compiled as it is against stand-ins for the kernel's headers, with a `main` that
prints. The packets are made by `populate_skb` itself. Nothing of the kernel is stored.

Source: /usr/src/linux-source-6.12.tar.xz of Debian's linux-source-6.12, or $SKEP_LINUX_SOURCE.
Exit status: 0, or 3 with a reason on standard error if the source or a compiler is missing.

Output: {"cases": [{"descr", "insns": [[code, jt, jf, k], …], "errno": 0 or the one expected,
"skb": false if the program gets no packet, "runs": [{"bytes": hex, "head": bytes before the fragment,
"len", "network", "result", …metadata}, …]}, …]}
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ARCHIVE = os.environ.get("SKEP_LINUX_SOURCE", "/usr/src/linux-source-6.12.tar.xz")

# Headers used as they are.
UAPI = ["bpf.h", "bpf_common.h", "filter.h"]

SHIM = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#define __user
#include <linux/filter.h>
#include <linux/bpf.h>

/* User space defines this on every host, the kernel on those that are. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#undef __BIG_ENDIAN
#endif

typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int32_t s32; typedef int64_t s64;
#define BIT(n) (1UL << (n))
#define GFP_KERNEL 0
#define S16_MAX INT16_MAX
#define S32_MAX INT32_MAX
#define S32_MIN INT32_MIN
#define U32_MAX UINT32_MAX
#define S64_MAX INT64_MAX
#define BUG_ON(x) do { if (x) abort(); } while (0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define kmalloc_array(n, size, flags) calloc(n, size)
#define cpu_to_le16(x) (x)
#define cpu_to_le32(x) (x)
#define cpu_to_le64(x) (x)
#define cpu_to_be16 __builtin_bswap16
#define cpu_to_be32 __builtin_bswap32
#define cpu_to_be64 __builtin_bswap64
#define htons __builtin_bswap16
#define ETH_P_IP 0x0800
#define ETH_HLEN 14
#define BPF_MAXINSNS 4096
#define MAX_BPF_STACK 512
static u64 div64_u64(u64 a, u64 b) { return a / b; }
static u64 div64_u64_rem(u64 a, u64 b, u64 *r) { *r = a % b; return a / b; }

struct rnd_state { u32 s1, s2, s3, s4; };
struct net { int unused; };
static struct net init_net;
struct net_device { int ifindex; unsigned short type; };
#define dev_net_set(dev, net) ((void)(net))
struct sk_buff {
	u8 data[4096];
	unsigned int len;
	u16 protocol, queue_mapping, vlan_tci, vlan_proto;
	u8 pkt_type;
	u32 mark, hash;
	int network;
	struct net_device *dev;
};
#define alloc_skb(size, flags) ((struct sk_buff *)calloc(1, sizeof(struct sk_buff)))
static void __skb_put_data(struct sk_buff *skb, const void *data, unsigned int len)
{
	memcpy(skb->data + skb->len, data, len);
	skb->len += len;
}
#define skb_reset_mac_header(skb) ((void)(skb))
#define skb_set_network_header(skb, at) ((skb)->network = (at))
"""

MAIN = r"""
static void print_run(struct bpf_test *test, int sub)
{
	struct sk_buff *skb;
	unsigned int i, head;

	if (test->aux & FLAG_NO_DATA) {
		printf("{\"result\": %u}", test->test[sub].result);
		return;
	}
	skb = populate_skb((char *)test->data, test->test[sub].data_size);
	if (!skb)
		abort();
	head = skb->len;
	if (test->aux & FLAG_SKB_FRAG)
		__skb_put_data(skb, test->frag_data, MAX_DATA);
	printf("{\"result\": %u, \"head\": %u, \"len\": %u, \"network\": %d, ",
	       test->test[sub].result, head, skb->len, skb->network);
	printf("\"protocol\": %u, \"pkt_type\": %u, \"mark\": %u, \"queue\": %u, \"hash\": %u, ",
	       htons(skb->protocol), skb->pkt_type, skb->mark, skb->queue_mapping, skb->hash);
	printf("\"vlan_tci\": %u, \"vlan_proto\": %u, \"ifindex\": %d, \"hatype\": %u, \"bytes\": \"",
	       skb->vlan_tci, htons(skb->vlan_proto), skb->dev->ifindex, skb->dev->type);
	for (i = 0; i < skb->len; i++)
		printf("%02x", skb->data[i]);
	printf("\"}");
	free(skb);
}

static void print_case(struct bpf_test *test)
{
	struct sock_filter *insns = test->u.insns;
	int i, len = MAX_INSNS;

	if (test->fill_helper) {
		if (test->fill_helper(test))
			abort();
		insns = test->u.ptr.insns;
		len = test->u.ptr.len;
	} else {
		while (len > 1 && !insns[len - 1].code && !insns[len - 1].k)
			len--;
	}
	printf("{\"descr\": \"%s\", \"errno\": %d, \"skb\": %s, \"insns\": [", test->descr,
	       test->aux & FLAG_EXPECTED_FAIL ? -test->expected_errcode : 0,
	       test->aux & FLAG_NO_DATA ? "false" : "true");
	for (i = 0; i < len; i++)
		printf("%s[%u, %u, %u, %u]", i ? ", " : "", insns[i].code, insns[i].jt,
		       insns[i].jf, insns[i].k);
	printf("], \"runs\": [");
	/* The first is always run; of the others, 0 bytes and result 0 mean that there is none. */
	for (i = 0; i < MAX_SUBTESTS && !(test->aux & FLAG_EXPECTED_FAIL); i++) {
		if (i && !test->test[i].data_size && !test->test[i].result)
			break;
		printf("%s", i ? ", " : "");
		print_run(test, i);
	}
	printf("]}");
}

int main(void)
{
	unsigned int i, n = 0;

	printf("{\"cases\": [\n");
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if ((tests[i].aux & TEST_TYPE_MASK) != CLASSIC)
			continue;
		printf("%s", n++ ? ",\n" : "");
		print_case(&tests[i]);
	}
	printf("\n]}\n");
	return 0;
}
"""


def missing(reason):
    print(reason, file=sys.stderr)
    sys.exit(3)


def unpack(into):
    """The few files needed, from the archive."""
    names = ["*/lib/test_bpf.c", "*/lib/random32.c"]
    names += ["*/include/linux/filter.h", "*/include/linux/prandom.h"]
    names += ["*/include/uapi/linux/" + name for name in UAPI]
    tar = ["tar", "-xf", ARCHIVE, "-C", into, "--wildcards", "--no-wildcards-match-slash"]
    subprocess.run(tar + names, check=True)
    roots = glob.glob(into + "/*/lib/test_bpf.c")
    if len(roots) != 1:
        missing(f"{ARCHIVE}: no lib/test_bpf.c in it")
    return os.path.dirname(os.path.dirname(roots[0]))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def function(name, text):
    """The C function of this name."""
    return re.search(rf"^[^\n;]*\b{name}\([^;]*?\n{{.*?^}}\n", text, re.M | re.S).group(0)


def random(root):
    """The generator that some cases take their numbers from."""
    seed, step = read(root + "/include/linux/prandom.h"), read(root + "/lib/random32.c")
    parts = [function("__seed", seed), function("prandom_seed_state", seed)]
    return "".join(parts + [function("prandom_u32_state", step)])


def macros(header):
    """The macros that write instructions, with their continuation lines."""
    found = re.findall(r"^#define\s+\w*BPF_\w+\(.*?[^\\]$", header, re.M | re.S)
    keep = []
    for text in found:
        name = re.match(r"#define\s+(\w+)", text).group(1)
        # What is defined by other means is left out.
        if not re.match(r"BPF_(CALL_|CAST_CALL|SYS)|___?BPF_(MAP|N|CAST|U|REG)", name):
            keep.append(f"#undef {name}\n{text}")
    plain = re.findall(r"^#define\s+(?:BPF_REG_\w+|BPF_\w+|MAX_BPF_\w+)\s+\S.*$", header, re.M)
    plain = [f"#undef {text.split()[1]}\n{text}" for text in plain if not text.endswith("\\")]
    return "\n".join(plain + keep) + "\n"


def program(root):
    text = read(root + "/lib/test_bpf.c")
    text = text[: text.index(populate := function("populate_skb", text)) + len(populate)]
    text = re.sub(r"^#include <linux/.*$", "", text, flags=re.M)
    return SHIM + random(root) + macros(read(root + "/include/linux/filter.h")) + text + MAIN


def main():
    if not os.path.exists(ARCHIVE):
        missing(f"{ARCHIVE} is not there")
    compiler = next(filter(shutil.which, ["gcc", "cc", "clang", "clang-19"]), None)
    if compiler is None:
        missing("no C compiler")
    with tempfile.TemporaryDirectory() as work:
        root = unpack(work)
        os.makedirs(work + "/include/linux")
        for name in UAPI:
            shutil.copy(f"{root}/include/uapi/linux/{name}", f"{work}/include/linux/{name}")
        # The headers are those of the kernel's own sources, which include this one.
        open(work + "/include/linux/compiler.h", "w", encoding="utf-8").close()
        with open(work + "/cases.c", "w", encoding="utf-8") as file:
            file.write(program(root))
        build = [compiler, "-w", "-std=gnu11", "-O0", "-I", work + "/include"]
        subprocess.run(build + ["-o", work + "/cases", work + "/cases.c"], check=True)
        sys.stdout.flush()
        subprocess.run([work + "/cases"], check=True)


if __name__ == "__main__":
    main()
