// SPDX-License-Identifier: MIT OR Apache-2.0
// A section that says no program type.
__attribute__((section("cgroup/conect4"))) int pass(void *ctx)
{
	return 2;
}
