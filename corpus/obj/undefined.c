// SPDX-License-Identifier: MIT OR Apache-2.0
// A function of another file.
int elsewhere(int x);

__attribute__((section("xdp"))) int lost(void *ctx)
{
	return 1 + elsewhere(2);
}
