// SPDX-License-Identifier: MIT OR Apache-2.0
// A map as it was defined before BTF.
struct bpf_map_def {
	unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def old __attribute__((section("maps"), used)) = { 2, 4, 8, 16, 0 };

__attribute__((section("xdp"))) int pass(void *ctx)
{
	return 2;
}
