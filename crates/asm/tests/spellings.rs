//! Every way to write an instruction that some tool has, against the bytes it stands for.

use skep_asm::assemble;

/// Bytes of one instruction in hex.
#[track_caller]
fn hex(text: &str) -> String {
    let insns = assemble(text).unwrap_or_else(|diags| panic!("{text:?}: {diags:#?}"));
    insns.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One line of bytes, then the spellings. The bytes are those of llvm-mc 19, or of RFC 9669 where
/// LLVM has no such instruction.
#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
    ("7110040000000000", &[
        "r0 = *(u8 *)(r1 + 4)", "r0 = *(u8 *)(r1 +4)", "w0 = *(u8 *)(r1 + 0x4)", "r0=*(u8*)(r1+4)",
        "ldxb %r0, [%r1+4]", "ldxb r0, [r1+0x4]",
    ]),
    ("7910fcff00000000", &["r0 = *(u64 *)(r1 - 4)", "r0 = *(u64 *)(r1 -4)", "ldxdw %r0, [%r1-4]"]),
    ("9110000000000000", &[
        "r0 = *(s8 *)(r1 + 0)", "r0 = *(s8 *)(r1)", "ldxsb %r0, [%r1]", "ldxbs %r0, [%r1+0]",
        "ldxbsx %r0, [%r1+0]",
    ]),
    ("8110000000000000", &["r0 = *(s32 *)(r1 + 0)", "ldxsw %r0, [%r1]"]),
    ("7321000000000000", &["*(u8 *)(r1 + 0) = r2", "*(u8 *)(r1 +0) = w2", "stxb [%r1], %r2"]),
    ("6201000005000000", &["*(u32 *)(r1 + 0) = 5", "stw [%r1], 0x5"]),
    ("7a01f8fffbffffff", &["*(u64 *)(r1 - 8) = -5", "stdw [%r1-8], -5"]),
    ("b700000005000000", &["r0 = 5", "mov %r0, 5", "mov64 %r0, 5", "r0 = 0b101", "mov r0, 5"]),
    ("b400000061000000", &["w0 = 0x61", "w0 = 'a'", "mov32 %r0, 97"]),
    ("b4000000ffffffff", &["w0 = -1", "w0 = 0xffffffff", "w0 = 4294967295", "mov32 %r0, -0x1"]),
    ("bc10000000000000", &["w0 = w1", "mov32 %r0, %r1"]),
    ("3f10010000000000", &["r0 s/= r1", "sdiv %r0, %r1"]),
    ("9400010007000000", &["w0 s%= 7", "smod32 %r0, 7"]),
    ("c701000003000000", &["r1 s>>= 3", "arsh %r1, 3"]),
    ("4f21000000000000", &["r1 |= r2", "or %r1, %r2"]),
    ("8701000000000000", &["r1 = -r1", "neg %r1"]),
    ("8401000000000000", &["w1 = -w1", "neg32 %r1"]),
    ("dc00000010000000", &["r0 = be16 r0", "be16 %r0"]),
    ("d400000040000000", &["r0 = le64 r0", "le64 %r0"]),
    ("d700000020000000", &["r0 = bswap32 r0", "bswap32 %r0", "swap32 %r0"]),
    ("bf21080000000000", &["r1 = (s8)r2", "movsx864 %r1, %r2"]),
    ("bf21200000000000", &["r1 = (s32)r2", "movsx3264 %r1, %r2"]),
    ("bc21100000000000", &["w1 = (s16)w2", "movsx1632 %r1, %r2"]),
    ("18010000887766550000000044332211", &[
        "r1 = 0x1122334455667788 ll", "r1 = 0x1122334455667788ll", "lddw %r1, 0x1122334455667788",
        "lddw r1, 0x1122334455667788 ll",
    ]),
    ("18010000ffffffff00000000ffffffff", &[
        "r1 = -1 ll", "lddw %r1, -1", "lddw %r1, 0xffffffffffffffff",
        "0: (18) r1 = 0xffffffffffffffff",
    ]),
    ("18110000030000000000000000000000", &["r1 = map[fd:3]", "lddw %r1, map_by_fd(3)"]),
    ("18210000030000000000000008000000", &[
        "r1 = map[fd:3][0]+8", "lddw %r1, map_val(map_by_fd(3)) + 8",
    ]),
    ("18310000030000000000000004000000", &[
        "r1 = ksym[id:3,fd:4]", "r1 = ksym[id:3, fd:4] ll", "lddw %r1, var_addr(3, 4)",
    ]),
    ("18410000050000000000000000000000", &[
        "r1 = subprog[+5]", "lddw %r1, code_addr(5)",
    ]),
    ("18510000020000000000000000000000", &["r1 = map[idx:2]", "lddw %r1, map_by_idx(2)"]),
    ("186100000200000000000000f8ffffff", &[
        "r1 = map[idx:2][0]-8", "lddw %r1, map_val(map_by_idx(2))-8",
    ]),
    ("db21080000000000", &[
        "lock *(u64 *)(r1 + 8) += r2", "lock *(u64 *)(r1 +8) += r2", "lock add [%r1+8], %r2",
    ]),
    ("c321080040000000", &[
        "lock *(u32 *)(r1 + 8) |= w2", "lock *(u32 *)(r1 + 8) |= r2", "lock or32 [%r1+8], %r2",
    ]),
    ("db21080001000000", &[
        "r2 = atomic_fetch_add((u64 *)(r1 + 8), r2)", "r2 = atomic64_fetch_add((u64 *)(r1 +8), r2)",
        "lock fetch_add [%r1+8], %r2", "lock fetch add [%r1+8], %r2",
    ]),
    ("c3210800a1000000", &[
        "w2 = atomic_fetch_xor((u32 *)(r1 + 8), w2)", "r2 = atomic_fetch_xor((u32 *)(r1 +8), r2)",
        "lock fetch_xor32 [%r1+8], %r2", "lock fetch xor32 [%r1+8], %r2",
    ]),
    ("db210800f1000000", &[
        "r0 = cmpxchg_64(r1 + 8, r0, r2)", "r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r2)",
        "lock cmpxchg [%r1+8], %r2",
    ]),
    ("c3210800f1000000", &[
        "w0 = cmpxchg32_32(r1 + 8, w0, w2)", "r0 = atomic_cmpxchg((u32 *)(r1 +8), r0, r2)",
        "lock cmpxchg32 [%r1+8], %r2",
    ]),
    ("db210800e1000000", &[
        "r2 = xchg_64(r1 + 8, r2)", "r2 = atomic64_xchg((u64 *)(r1 +8), r2)", "lock xchg [%r1+8], %r2",
    ]),
    ("c3210800e1000000", &["w2 = xchg32_32(r1 + 8, w2)", "lock xchg32 [%r1+8], %r2"]),
    ("c321040000010000", &[
        "w1 = load_acquire((u32 *)(r2 + 4))", "r1 = load_acquire((u32 *)(r2 +4))",
        "load_acqw %r1, [%r2+4]",
    ]),
    ("db21040010010000", &[
        "store_release((u64 *)(r1 + 4), r2)", "store_reldw [%r1+4], %r2",
    ]),
    ("300000000c000000", &["r0 = *(u8 *)skb[12]", "ldabsb 12"]),
    ("481000000c000000", &["r0 = *(u16 *)skb[r1 + 12]", "ldindh %r1, 12"]),
    ("48100000fcffffff", &["r0 = *(u16 *)skb[r1 + -4]", "r0 = *(u16 *)skb[r1 - 4]"]),
    ("6501030005000000", &[
        "if r1 s> 5 goto +3", "if r1 s> 0x5 goto pc+3", "if r1 s> 5 goto +0x3 <LBB0_3>",
        "jsgt %r1, 5, +3",
    ]),
    ("1d21fdff00000000", &["if r1 == r2 goto -3", "if r1 == r2 goto pc-3", "jeq %r1, %r2, -3"]),
    ("46010000ffffffff", &["if w1 & 0xffffffff goto +0", "jset32 %r1, -1, +0"]),
    ("0500010000000000", &["goto +1", "goto pc+1", "ja +1"]),
    ("0600000064000000", &["gotol +100", "gotol pc+100", "ja32 +100"]),
    ("e500020000000000", &["may_goto +2", "may_goto pc+2"]),
    ("0510020000000000", &["goto_or_nop +2", "ja_or_nop pc+2"]),
    ("0530020000000000", &["nop_or_goto +2", "nop_or_ja +2"]),
    ("0610000002000000", &["gotol_or_nop +2", "ja32_or_nop +2"]),
    ("0630000002000000", &["nop_or_gotol +2", "nop_or_ja32 +2"]),
    ("0d01000000000000", &["gotox r1", "jx %r1"]),
    ("8500000001000000", &[
        "call 1", "call 0x1", "call bpf_map_lookup_elem", "call map_lookup_elem",
        "call bpf_map_lookup_elem#1", "call bpf_map_lookup_elem#130976", "call helper 1",
        "call unknown#1",
    ]),
    ("8500000001000080", &["call -2147483647", "call 0x80000001"]),
    ("8510000005000000", &["call pc+5", "call pc+5#bpf_prog_0123_F", "call local +5"]),
    ("85200000d2040000", &[
        "call kernel-function#1234", "call bpf_obj_new_impl#1234", "call kfunc 1234",
        "call runtime 0x4d2",
    ]),
    ("85200200d2040000", &["call kernel-function#1234, 2", "call kfunc 1234, 2"]),
    ("8d03000000000000", &["callx r3", "callx %r3", "call %r3"]),
    ("bf21010001000000", &["r1 = addr_space_cast(r2, 0, 1)", "addr_space_cast %r1, %r2, 0, 1"]),
    ("bf21010000000100", &["r1 = addr_space_cast(r2, 0x1, 0x0)", "addr_space_cast %r1, %r2, 1, 0"]),
    ("9500000000000000", &[
        "exit", "exit # a", "exit // a", "exit ; a", "exit /* a", "/* a */ exit", "  exit\t",
        "17: (95) exit", "17: (95) exit  ; R0=1", "17:\t95 00 00 00 00 00 00 00\texit", "17: exit",
        "17:\t95 00 00 00 00 00 00 00\t<unknown>", "/* a\nb */ exit", "exit\r\n",
    ]),
];

#[test]
fn every_spelling_has_its_bytes() {
    for (bytes, spellings) in TABLE {
        for text in *spellings {
            assert_eq!(hex(text), *bytes, "{text}");
        }
    }
}

#[test]
fn labels_are_offsets() {
    let text = "\
a: r1 = 5 ll
b: if r1 == 0 goto a
   jne %r1, 1, end
   goto b
   call f
   r2 = f ll
end: exit
f:  gotol a
    jeq32 %r1, %r2, exit";
    let offs = "\
r1 = 5 ll
if r1 == 0 goto -3
if r1 != 1 goto +4
goto -3
call pc+3
r2 = subprog[+2]
exit
gotol -10
if w1 == w2 goto -3";
    assert_eq!(hex(text), hex(offs));
}

#[test]
fn a_listing_is_put_in_order() {
    let log = "\
func#0 @0
0: R1=ctx() R10=fp0
0: (bf) r6 = r1                       ; R1=ctx() R6_w=ctx()
1: (15) if r6 == 0x0 goto pc+3        ; R6_w=ctx()
2: (18) r1 = 0xffff8881
4: (95) exit

from 1 to 5: R1=ctx() R6_w=0 R10=fp0
5: (b7) r0 = 0                        ; R0_w=0
6: (05) goto pc-3
4: (95) exit
processed 7 insns (limit 1000000) max_states_per_insn 0
";
    let plain = "r6 = r1\nif r6 == 0 goto +3\nr1 = 0xffff8881 ll\nexit\nr0 = 0\ngoto -3";
    assert_eq!(hex(log), hex(plain));
}
