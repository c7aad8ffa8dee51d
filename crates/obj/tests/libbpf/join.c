// SPDX-License-Identifier: MIT OR Apache-2.0
// Links objects as libbpf does: `join OUT IN...`.
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int warnings(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && getenv("DUMP_WARNINGS"))
		vfprintf(stderr, format, args);
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_linker *linker;

	if (argc < 3)
		return 2;
	libbpf_set_print(warnings);
	linker = bpf_linker__new(argv[1], NULL);
	if (!linker)
		return 2;
	for (int i = 2; i < argc; i++)
		if (bpf_linker__add_file(linker, argv[i], NULL))
			return 1;
	if (bpf_linker__finalize(linker))
		return 1;
	bpf_linker__free(linker);
	return 0;
}
