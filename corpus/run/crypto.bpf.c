// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Ciphers: `setup` makes contexts and keeps them, `crypt` uses them. Each folds what it sees into one number.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_crypto_ctx {
    int usage;
} __attribute__((preserve_access_index));

struct bpf_crypto_params {
    char type[14];
    __u8 reserved[2];
    char algo[128];
    __u8 key[256];
    __u32 key_len;
    __u32 authsize;
};

extern struct bpf_crypto_ctx *bpf_crypto_ctx_create(const struct bpf_crypto_params *params,
                                                    __u32 params__sz, int *err) __ksym;
extern struct bpf_crypto_ctx *bpf_crypto_ctx_acquire(struct bpf_crypto_ctx *ctx) __ksym;
extern void bpf_crypto_ctx_release(struct bpf_crypto_ctx *ctx) __ksym;
extern int bpf_crypto_encrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src,
                              const struct bpf_dynptr *dst,
                              const struct bpf_dynptr *siv__nullable) __ksym;
extern int bpf_crypto_decrypt(struct bpf_crypto_ctx *ctx, const struct bpf_dynptr *src,
                              const struct bpf_dynptr *dst,
                              const struct bpf_dynptr *siv__nullable) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

#define KPTR __attribute__((btf_type_tag("kptr")))

struct value {
    struct bpf_crypto_ctx KPTR *ctx;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, int);
    __type(value, struct value);
} contexts SEC(".maps");

struct bpf_crypto_params params;
__u8 plain[40], coded[48], again[48], iv[16];

static __always_inline __u32 fold(__u32 sum, __u32 value)
{
    return (sum << 5 | sum >> 27) ^ value * 2654435761u;
}

// The error of parameters of which no context can be made.
static __noinline __u32 refused(__u32 sum)
{
    int err = 0;
    struct bpf_crypto_ctx *ctx = bpf_crypto_ctx_create(&params, sizeof(params), &err);
    if (ctx)
        bpf_crypto_ctx_release(ctx);
    return fold(sum, err);
}

static __always_inline __u32 keep(__u32 sum, int at)
{
    int err = 0;
    struct value *value = bpf_map_lookup_elem(&contexts, &at);
    if (!value)
        return fold(sum, 99);
    struct bpf_crypto_ctx *ctx = bpf_crypto_ctx_create(&params, sizeof(params), &err);
    sum = fold(sum, err);
    if (!ctx)
        return fold(sum, 98);
    ctx = bpf_kptr_xchg(&value->ctx, ctx);
    if (ctx)
        bpf_crypto_ctx_release(ctx);
    return sum;
}

static __always_inline void set(char *to, const char *from, int len)
{
    __builtin_memset(to, 0, 14);
    for (int i = 0; i < len; i++)
        to[i] = from[i];
}

#define SET(field, text) set(params.field, text, sizeof(text))

SEC("syscall")
int setup(void *ctx __attribute__((unused)))
{
    __u32 sum = 1;
    for (int i = 0; i < 32; i++)
        params.key[i] = i * 7;
    SET(type, "aead");
    SET(algo, "cbc(aes)");
    params.key_len = 16;
    sum = refused(sum);
    SET(type, "skcipher");
    params.reserved[1] = 1;
    sum = refused(sum);
    params.reserved[1] = 0;
    params.key_len = 17;
    sum = refused(sum);
    params.key_len = 0;
    sum = refused(sum);
    params.key_len = 16;
    params.authsize = 4;
    sum = refused(sum);
    params.authsize = 0;
    SET(algo, "xyz(aes)");
    sum = refused(sum);
    SET(algo, "cbc(aes)");
    sum = keep(sum, 0);
    SET(algo, "ecb(aes)");
    params.key_len = 32;
    sum = keep(sum, 1);
    return sum;
}

static __always_inline __u32 round(__u32 sum, int at, __u32 len, __u32 room, __u32 iv_len)
{
    struct bpf_dynptr src, dst, back, vector;
    struct value *value = bpf_map_lookup_elem(&contexts, &at);
    if (!value)
        return fold(sum, 97);
    for (__u32 i = 0; i < sizeof(plain); i++)
        plain[i] = i;
    for (__u32 i = 0; i < sizeof(iv); i++)
        iv[i] = i + at;
    __builtin_memset(coded, 0xee, sizeof(coded));
    __builtin_memset(again, 0xdd, sizeof(again));
    bpf_dynptr_from_mem(plain, len, 0, &src);
    bpf_dynptr_from_mem(coded, room, 0, &dst);
    bpf_dynptr_from_mem(again, room, 0, &back);
    bpf_dynptr_from_mem(iv, iv_len, 0, &vector);
    bpf_rcu_read_lock();
    struct bpf_crypto_ctx *ctx = value->ctx;
    if (!ctx) {
        bpf_rcu_read_unlock();
        return fold(sum, 96);
    }
    sum = fold(sum, bpf_crypto_encrypt(ctx, &src, &dst, iv_len ? &vector : (void *)0));
    for (__u32 i = 0; i < sizeof(coded); i++)
        sum = fold(sum, coded[i]);
    for (__u32 i = 0; i < sizeof(iv); i++) {
        sum = fold(sum, iv[i]);
        iv[i] = i + at;
    }
    sum = fold(sum, bpf_crypto_decrypt(ctx, &dst, &back, iv_len ? &vector : (void *)0));
    bpf_rcu_read_unlock();
    for (__u32 i = 0; i < sizeof(again); i++)
        sum = fold(sum, again[i]);
    for (__u32 i = 0; i < sizeof(iv); i++)
        sum = fold(sum, iv[i]);
    return sum;
}

SEC("tc")
int crypt(struct __sk_buff *skb __attribute__((unused)))
{
    __u32 sum = 1;
    sum = round(sum, 0, 32, 32, 16);
    sum = round(sum, 1, 32, 32, 0);
    sum = round(sum, 1, 32, 48, 0);
    return sum;
}

// What does not fit.
SEC("tc")
int unfit(struct __sk_buff *skb __attribute__((unused)))
{
    __u32 sum = 1;
    sum = round(sum, 0, 32, 32, 0);
    sum = round(sum, 0, 32, 32, 8);
    sum = round(sum, 1, 32, 32, 16);
    sum = round(sum, 1, 32, 16, 0);
    sum = round(sum, 0, 20, 32, 16);
    sum = round(sum, 1, 20, 32, 0);
    return sum;
}

char LICENSE[] SEC("license") = "GPL";
