// SPDX-License-Identifier: MIT OR Apache-2.0
// Prints what libbpf makes of an object, `dump OBJECT [BTF [KCONFIG]]`, or of names of sections,
// `dump -s NAME...`: program and attach type of each.
//
// The kernel may refuse the programs; libbpf has relocated them by then. One line per program, its name
// and its instructions in hexadecimal, one per map with its definition, and one for the content of
// `.kconfig`.
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether it came to what follows relocation: loading programs. */
static int relocated;
/* Whether a map could not be made: then it did not. */
static int unmade;

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	if (strstr(format, "failed to create"))
		unmade = 1;
	if (strstr(format, "program load failed") ||
	    strstr(format, "failed to find kernel BTF type ID"))
		relocated = 1;
	if (level == LIBBPF_WARN && getenv("DUMP_WARNINGS"))
		vfprintf(stderr, format, args);
	return 0;
}

static void hex(const char *name, const void *bytes, size_t len)
{
	printf("%s ", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", ((const unsigned char *)bytes)[i]);
	printf("\n");
}

/* What a definition says, in the order of the test's `words`. */
static void define(const char *what, int index, const struct bpf_map *map)
{
	__u32 words[] = {
		bpf_map__type(map),	   bpf_map__key_size(map),  bpf_map__value_size(map),
		bpf_map__max_entries(map), bpf_map__map_flags(map), bpf_map__numa_node(map),
		bpf_map__map_extra(map),
	};
	char name[32];

	snprintf(name, sizeof(name), "%s%d", what, index);
	hex(name, words, sizeof(words));
}

/* What the object's own loader says about maps before it loads them: without maps nothing is relocated. */
static void complete(struct bpf_map *map)
{
	if (bpf_map__type(map) == BPF_MAP_TYPE_STACK_TRACE && !bpf_map__value_size(map))
		bpf_map__set_value_size(map, 8 * 127);
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_STACK_TRACE:
		if (!bpf_map__max_entries(map))
			bpf_map__set_max_entries(map, 4096);
	default:
		break;
	}
}

static char *text_of(const char *path)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "r");

	if (!file)
		exit(2);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	return text;
}

static int sections(char **names)
{
	for (; *names; names++) {
		enum bpf_prog_type type;
		enum bpf_attach_type attach;

		if (!libbpf_prog_type_by_name(*names, &type, &attach))
			printf("%s %d %d\n", *names, type, attach);
	}
	return 0;
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct bpf_object *object;
	struct bpf_program *prog;
	struct bpf_map *map;
	size_t len;
	int index = 0;

	if (argc < 2)
		return 2;
	libbpf_set_print(quiet);
	if (!strcmp(argv[1], "-s"))
		return sections(argv + 2);
	if (argc > 2 && argv[2][0])
		opts.btf_custom_path = argv[2];
	if (argc > 3)
		opts.kconfig = text_of(argv[3]);
	object = bpf_object__open_file(argv[1], &opts);
	if (!object)
		return 1;
	/* Sections that start with '?' are relocated too. */
	bpf_object__for_each_program(prog, object)
		bpf_program__set_autoload(prog, true);
	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		define(":map", index, map);
		if (bpf_map__inner_map(map))
			define(":inner", index, bpf_map__inner_map(map));
		index++;
		bpf_map__set_pin_path(map, NULL);
		complete(map);
	}
	if (bpf_object__load(object) && (!relocated || unmade))
		return 1;
	bpf_object__for_each_program(prog, object)
		hex(bpf_program__name(prog), bpf_program__insns(prog),
		    bpf_program__insn_cnt(prog) * sizeof(struct bpf_insn));
	bpf_object__for_each_map(map, object)
		if (strstr(bpf_map__name(map), ".kconfig")) {
			const void *value = bpf_map__initial_value(map, &len);

			if (value)
				hex(".kconfig", value, len);
		}
	return 0;
}
