// SPDX-License-Identifier: MIT OR Apache-2.0
// Puts the types of objects together and merges what is the same: `types IN...` prints how many are left.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct btf *all = btf__new_empty();

	libbpf_set_print(NULL);
	for (int i = 1; i < argc; i++) {
		struct btf *one = btf__parse(argv[i], NULL);

		if (!one || btf__add_btf(all, one) < 0)
			return 1;
		btf__free(one);
	}
	if (btf__dedup(all, NULL))
		return 1;
	printf("%u\n", btf__type_cnt(all) - 1);
	btf__free(all);
	return 0;
}
