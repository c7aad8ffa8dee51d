/* Types and the entry point of the bench programs: r1 is 16 KiB of memory. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define ENTRY __attribute__((section("prog"))) u64 entry(u8 *mem)
