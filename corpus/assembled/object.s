; Everything that an object can say of programs and maps.

.license "GPL"
.map m, hash, key=4, value=8, entries=16
.map next, prog_array, key=4, value=4, entries=4, 0=a, 2=b
.map outer, array_of_maps, key=4, value=4, entries=2, inner=(array, key=4, value=8, entries=3), 1=in0
.map in0, array, key=4, value=8, entries=3
.rodata messages
greeting: .asciz "hello\n"
.data state
n: .quad 5
.bss zeros
z: .zero 16
.section "xdp"
a:
 r6 = r1
 r1 = 5
 call twice
 r2 = next ll
 r1 = r6
 r3 = 2
 call bpf_tail_call
 r1 = greeting ll
 r0 = *(u8 *)(r1 + 0)
 r1 = n ll
 r2 = *(u64 *)(r1 + 0)
 r1 = z ll
 *(u64 *)(r1 + 8) = r2
 r1 = 4
 r2 = cb ll
 r3 = 0
 r4 = 0
 call bpf_loop
 r0 = 2
 exit
twice:
 r0 = r1
 r0 <<= 1
 exit
cb:
 r0 = 0
 exit
.section "xdp"
b:
 r1 = 6
 call twice
 r0 = 1
 exit
twice:
 r0 = r1
 r0 *= 3
 exit
