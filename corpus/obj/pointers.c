// SPDX-License-Identifier: MIT OR Apache-2.0
// Addresses in data, which no map can hold.
static int a = 1, b = 2;
static int *volatile table[2] = { &a, &b };

__attribute__((section("xdp"))) int pass(unsigned int *ctx)
{
	return *table[ctx[0] & 1];
}
