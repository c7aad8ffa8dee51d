// SPDX-License-Identifier: MIT OR Apache-2.0
// No sections and no libbpf: a function for an embedder.
static __attribute__((noinline)) int half(int x)
{
	volatile int y = x;

	return y >> 1;
}

int entry(int *mem)
{
	return half(mem[0]) + half(mem[1]);
}
