/* Prints the cases of the kernel's test_verifier as JSON lines, one a case.
 *
 * The kernel's sources are included, not copied: its own code puts maps and functions into the
 * instructions, and what it asks of the kernel for that is recorded on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

struct made {
	int fd, inner, btf;
	unsigned type, key, value, max, flags, key_id, value_id;
};
static struct made maps[64];
static int nmaps;
static struct {
	int fd;
	const unsigned char *bytes;
	size_t len;
} btfs[64];
static int nbtfs;

static int record_map(enum bpf_map_type type, const char *name, unsigned key, unsigned value,
		      unsigned max, const struct bpf_map_create_opts *opts)
{
	int fd = bpf_map_create(type, name, key, value, max, opts);

	if (fd >= 0 && nmaps < 64) {
		struct made *made = &maps[nmaps++];

		*made = (struct made){ .fd = fd, .btf = -1, .type = type };
		made->key = key;
		made->value = value;
		made->max = max;
		if (opts) {
			made->flags = opts->map_flags;
			made->inner = opts->inner_map_fd;
			for (int i = 0; i < nbtfs; i++)
				if (opts->btf_fd && opts->btf_fd == btfs[i].fd)
					made->btf = i;
			made->key_id = opts->btf_key_type_id;
			made->value_id = opts->btf_value_type_id;
		}
	}
	return fd;
}

static int record_btf(const void *bytes, size_t len, const struct bpf_btf_load_opts *opts)
{
	int fd = bpf_btf_load(bytes, len, opts);

	if (fd >= 0 && nbtfs < 64) {
		unsigned char *copy = malloc(len);

		memcpy(copy, bytes, len);
		btfs[nbtfs].fd = fd;
		btfs[nbtfs].bytes = copy;
		btfs[nbtfs++].len = len;
	}
	return fd;
}

#define bpf_map_create record_map
#define bpf_btf_load record_btf
#define main selftest_main
#include "test_verifier.c"
#undef main

/* What the kernel's own runner needs beside its tests, and this one does not use. */
int cap_disable_effective(__u64 caps, __u64 *old) { return 0; }
int cap_enable_effective(__u64 caps, __u64 *old) { return 0; }
bool get_unpriv_disabled(void) { return true; }
bool is_jit_enabled(void) { return true; }
int load_bpf_testmod(bool verbose) { return -1; }
int unload_bpf_testmod(bool verbose) { return -1; }
int get_xlated_program(int fd, struct bpf_insn **buf, __u32 *cnt) { return -1; }
int testing_prog_flags(void) { return 0; }

static void hex(const void *at, size_t len)
{
	const unsigned char *bytes = at;

	putchar('"');
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	putchar('"');
}

static void text(const char *s)
{
	putchar('"');
	for (; s && *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 32)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void print_map(const struct made *made)
{
	printf("{\"type\":%u,\"key\":%u,\"value\":%u,\"max\":%u,\"flags\":%u", made->type, made->key,
	       made->value, made->max, made->flags);
	if (made->btf >= 0) {
		printf(",\"key_id\":%u,\"value_id\":%u,\"btf\":", made->key_id, made->value_id);
		hex(btfs[made->btf].bytes, btfs[made->btf].len);
	}
	if (made->type == BPF_MAP_TYPE_ARRAY && made->value <= 4096) {
		unsigned char value[4096];
		unsigned key = 0;

		if (!bpf_map_lookup_elem(made->fd, &key, value)) {
			printf(",\"content\":");
			hex(value, made->value);
		}
	}
	for (int i = 0; i < nmaps; i++)
		if (made->inner && made->inner == maps[i].fd) {
			printf(",\"inner\":");
			print_map(&maps[i]);
		}
	putchar('}');
}

static void print_case(struct bpf_test *test, const char *file)
{
	int map_fds[MAX_NR_MAPS], fd_array[2] = { -1, -1 };
	enum bpf_prog_type type = test->prog_type ? test->prog_type : BPF_PROG_TYPE_SOCKET_FILTER;
	struct bpf_insn *insns = test->insns;
	unsigned flags = 0;
	int len, count = 0;

	nmaps = 0;
	memset(map_fds, -1, sizeof(map_fds));
	do_test_fixup(test, type, insns, map_fds, &fd_array[1]);
	if (test->fill_insns) {
		insns = test->fill_insns;
		len = test->prog_len;
	} else {
		len = probe_filter_length(insns);
	}
	if (test->flags & F_LOAD_WITH_STRICT_ALIGNMENT)
		flags |= BPF_F_STRICT_ALIGNMENT;
	if (test->flags & F_NEEDS_EFFICIENT_UNALIGNED_ACCESS)
		flags |= BPF_F_ANY_ALIGNMENT;
	if (test->flags & ~3)
		flags |= test->flags;

	printf("{\"file\":");
	text(file);
	printf(",\"descr\":");
	text(test->descr);
	printf(",\"prog_type\":%u,\"attach_type\":%u,\"flags\":%u", type, test->expected_attach_type,
	       flags);
	printf(",\"kfunc\":");
	text(test->kfunc);
	printf(",\"result\":%u,\"result_unpriv\":%u", test->result, test->result_unpriv);
	printf(",\"errstr\":");
	text(test->errstr);
	printf(",\"errstr_unpriv\":");
	text(test->errstr_unpriv);
	printf(",\"module\":%d", fd_array[1] != -1);
	printf(",\"maps\":[");
	/* Only the maps that instructions name: first listed, then referred to by position. */
	int order[64], named = 0;
	for (int i = 0; i + 1 < len; i++) {
		if (insns[i].code != (BPF_LD | BPF_DW | BPF_IMM))
			continue;
		if (insns[i].src_reg != BPF_PSEUDO_MAP_FD && insns[i].src_reg != BPF_PSEUDO_MAP_VALUE)
			continue;
		for (int m = 0; m < nmaps; m++) {
			int seen = 0;

			if (insns[i].imm != maps[m].fd)
				continue;
			for (int k = 0; k < named; k++)
				seen |= order[k] == m;
			if (!seen) {
				printf("%s", named ? "," : "");
				order[named++] = m;
				print_map(&maps[m]);
			}
		}
	}
	printf("],\"uses\":[");
	for (int i = 0; i + 1 < len; i++) {
		if (insns[i].code != (BPF_LD | BPF_DW | BPF_IMM))
			continue;
		if (insns[i].src_reg != BPF_PSEUDO_MAP_FD && insns[i].src_reg != BPF_PSEUDO_MAP_VALUE)
			continue;
		for (int k = 0; k < named; k++)
			if (insns[i].imm == maps[order[k]].fd)
				printf("%s[%d,%d]", count++ ? "," : "", i, k);
	}
	printf("],\"insns\":");
	hex(insns, len * sizeof(*insns));
	if (test->func_info_cnt) {
		int fd;

		nbtfs = 0;
		fd = load_btf_for_test(test);
		if (fd >= 0 && nbtfs) {
			printf(",\"btf\":");
			hex(btfs[0].bytes, btfs[0].len);
			printf(",\"funcs\":[");
			for (int i = 0; i < test->func_info_cnt; i++)
				printf("%s[%u,%u]", i ? "," : "", test->func_info[i].insn_off,
				       test->func_info[i].type_id);
			putchar(']');
			close(fd);
		}
	}
	printf("}\n");
	for (int i = 0; i < nmaps; i++)
		close(maps[i].fd);
	for (int i = 0; i < nbtfs; i++)
		close(btfs[i].fd);
	nbtfs = 0;
	free(test->fill_insns);
	test->fill_insns = NULL;
}

int main(void)
{
	const char *file = "";

	srand(1);
	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!strncmp(tests[i].descr, "@file ", 6))
			file = tests[i].descr + 6;
		else
			print_case(&tests[i], file);
	}
	return 0;
}
