//! Every instruction over all registers, read back by an independent disassembler.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};
use skep_x64::{
    Alu, Assembler, Bmi, Cond, Gpr, Mem, MemSize, Reach, Shift, Simd, Unary, Width, Xmm,
};

const GPRS: [Gpr; 16] = [
    Gpr::Rax,
    Gpr::Rcx,
    Gpr::Rdx,
    Gpr::Rbx,
    Gpr::Rsp,
    Gpr::Rbp,
    Gpr::Rsi,
    Gpr::Rdi,
    Gpr::R8,
    Gpr::R9,
    Gpr::R10,
    Gpr::R11,
    Gpr::R12,
    Gpr::R13,
    Gpr::R14,
    Gpr::R15,
];
const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [MemSize; 4] = [MemSize::B1, MemSize::B2, MemSize::B4, MemSize::B8];
const DISPS: [i32; 6] = [0, 1, -128, 127, 128, i32::MIN];

const NAMES: [[&str; 4]; 16] = [
    ["al", "ax", "eax", "rax"],
    ["cl", "cx", "ecx", "rcx"],
    ["dl", "dx", "edx", "rdx"],
    ["bl", "bx", "ebx", "rbx"],
    ["spl", "sp", "esp", "rsp"],
    ["bpl", "bp", "ebp", "rbp"],
    ["sil", "si", "esi", "rsi"],
    ["dil", "di", "edi", "rdi"],
    ["r8b", "r8w", "r8d", "r8"],
    ["r9b", "r9w", "r9d", "r9"],
    ["r10b", "r10w", "r10d", "r10"],
    ["r11b", "r11w", "r11d", "r11"],
    ["r12b", "r12w", "r12d", "r12"],
    ["r13b", "r13w", "r13d", "r13"],
    ["r14b", "r14w", "r14d", "r14"],
    ["r15b", "r15w", "r15d", "r15"],
];

fn name(reg: Gpr, size: MemSize) -> &'static str {
    NAMES[reg.num() as usize][size as usize]
}

fn wide(reg: Gpr, width: Width) -> &'static str {
    name(reg, if width == Width::W64 { MemSize::B8 } else { MemSize::B4 })
}

fn pointer(size: MemSize) -> &'static str {
    ["byte ptr ", "word ptr ", "dword ptr ", "qword ptr "][size as usize]
}

fn mem(base: Gpr, index: Option<(Gpr, u8)>, disp: i32) -> (Mem, String) {
    let mut text = format!("[{}", name(base, MemSize::B8));
    let mut place = Mem::new(base, disp);
    if let Some((index, scale)) = index {
        place = place.with_index(index, scale);
        text += "+";
        text += name(index, MemSize::B8);
        if scale > 0 {
            text += &format!("*{}", 1 << scale);
        }
    }
    match disp {
        0 => {}
        disp if disp < 0 => text += &format!("-{}", hex(u64::from(disp.unsigned_abs()))),
        disp => text += &format!("+{}", hex(u64::from(disp.unsigned_abs()))),
    }
    (place, text + "]")
}

/// Numbers as the formatter has them.
fn hex(number: u64) -> String {
    if number < 10 {
        return number.to_string();
    }
    let digits = format!("{number:X}h");
    if digits.starts_with(|c: char| c.is_ascii_digit()) { digits } else { format!("0{digits}") }
}

#[track_caller]
fn reads(emit: impl FnOnce(&mut Assembler), want: &str) {
    let mut asm = Assembler::new();
    emit(&mut asm);
    let bytes = asm.finish().unwrap();
    let mut decoder = Decoder::new(64, &bytes, DecoderOptions::NONE);
    let mut insn = Instruction::default();
    decoder.decode_out(&mut insn);
    assert_eq!(insn.len(), bytes.len(), "{bytes:x?} has more than `{want}`");
    let mut text = String::new();
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_rip_relative_addresses(true);
    formatter.format(&insn, &mut text);
    assert_eq!(text.replace(" xacquire ", " "), want, "{bytes:x?}");
}

fn mems() -> Vec<(Mem, String)> {
    let mut all = Vec::new();
    for base in GPRS {
        for disp in DISPS {
            all.push(mem(base, None, disp));
        }
        for index in GPRS.into_iter().filter(|&index| index != Gpr::Rsp) {
            for scale in 0..4 {
                all.push(mem(base, Some((index, scale)), 0));
            }
            all.push(mem(base, Some((index, 0)), 5));
            all.push(mem(base, Some((index, 2)), 0x1234));
        }
    }
    all
}

fn pairs() -> impl Iterator<Item = (Width, Gpr, Gpr)> {
    WIDTHS.into_iter().flat_map(|width| {
        GPRS.into_iter().flat_map(move |a| GPRS.into_iter().map(move |b| (width, a, b)))
    })
}

const ALU: [(Alu, &str); 6] = [
    (Alu::Add, "add"),
    (Alu::Or, "or"),
    (Alu::And, "and"),
    (Alu::Sub, "sub"),
    (Alu::Xor, "xor"),
    (Alu::Cmp, "cmp"),
];
const CONDS: [(Cond, &str); 12] = [
    (Cond::B, "b"),
    (Cond::Ae, "ae"),
    (Cond::E, "e"),
    (Cond::Ne, "ne"),
    (Cond::Be, "be"),
    (Cond::A, "a"),
    (Cond::S, "s"),
    (Cond::Ns, "ns"),
    (Cond::L, "l"),
    (Cond::Ge, "ge"),
    (Cond::Le, "le"),
    (Cond::G, "g"),
];

#[test]
fn registers() {
    for (width, a, b) in pairs() {
        let (x, y) = (wide(a, width), wide(b, width));
        for (op, text) in ALU {
            reads(|asm| asm.alu(op, width, a, b), &format!("{text} {x},{y}"));
        }
        reads(|asm| asm.mov(width, a, b), &format!("mov {x},{y}"));
        reads(|asm| asm.test(width, a, b), &format!("test {x},{y}"));
        reads(|asm| asm.imul(width, a, b), &format!("imul {x},{y}"));
        for (imm, shown) in [(5, "5"), (-2, "-"), (0x12345, "12345h")] {
            let shown = match (shown, width) {
                ("-", Width::W64) => "0FFFFFFFFFFFFFFFEh",
                ("-", Width::W32) => "0FFFFFFFEh",
                (shown, _) => shown,
            };
            // The formatter names a register once where it is both.
            let shown =
                if a == b { format!("imul {x},{shown}") } else { format!("imul {x},{y},{shown}") };
            reads(|asm| asm.imul_imm(width, a, b, imm), &shown);
        }
        for (cond, text) in CONDS {
            reads(|asm| asm.cmov(cond, width, a, b), &format!("cmov{text} {x},{y}"));
            reads(|asm| asm.set(cond, a), &format!("set{text} {}", name(a, MemSize::B1)));
        }
        for (op, text) in [(Bmi::Shlx, "shlx"), (Bmi::Sarx, "sarx"), (Bmi::Shrx, "shrx")] {
            for count in GPRS {
                let z = wide(count, width);
                reads(|asm| asm.shift_bmi(op, width, a, b, count), &format!("{text} {x},{y},{z}"));
            }
        }
        reads(|asm| asm.rorx(width, a, b, 7), &format!("rorx {x},{y},7"));
        let (byte, short) = (name(b, MemSize::B1), name(b, MemSize::B2));
        reads(|asm| asm.movsx(width, MemSize::B1, a, b), &format!("movsx {x},{byte}"));
        reads(|asm| asm.movsx(width, MemSize::B2, a, b), &format!("movsx {x},{short}"));
        let narrow = wide(a, Width::W32);
        reads(|asm| asm.movzx(MemSize::B1, a, b), &format!("movzx {narrow},{byte}"));
        reads(|asm| asm.movzx(MemSize::B2, a, b), &format!("movzx {narrow},{short}"));
        if width == Width::W64 {
            let half = name(b, MemSize::B4);
            reads(|asm| asm.movsx(width, MemSize::B4, a, b), &format!("movsxd {x},{half}"));
        }
    }
}

#[test]
fn one_register() {
    for (width, a) in WIDTHS.into_iter().flat_map(|width| GPRS.map(|a| (width, a))) {
        let x = wide(a, width);
        for (op, text) in ALU {
            for imm in [0, 5, -1, 127, -128, 128, 0x1234_5678, i32::MIN] {
                let shown = match width {
                    Width::W64 => hex(i64::from(imm).cast_unsigned()),
                    Width::W32 => hex(imm.cast_unsigned().into()),
                };
                reads(|asm| asm.alu_imm(op, width, a, imm), &format!("{text} {x},{shown}"));
            }
        }
        for (op, text) in [
            (Shift::Rol, "rol"),
            (Shift::Ror, "ror"),
            (Shift::Shl, "shl"),
            (Shift::Shr, "shr"),
            (Shift::Sar, "sar"),
        ] {
            reads(|asm| asm.shift_imm(op, width, a, 1), &format!("{text} {x},1"));
            reads(|asm| asm.shift_imm(op, width, a, 31), &format!("{text} {x},1Fh"));
            reads(|asm| asm.shift_cl(op, width, a), &format!("{text} {x},cl"));
        }
        for (op, text) in [
            (Unary::Not, "not"),
            (Unary::Neg, "neg"),
            (Unary::Mul, "mul"),
            (Unary::Div, "div"),
            (Unary::Idiv, "idiv"),
        ] {
            reads(|asm| asm.unary(op, width, a), &format!("{text} {x}"));
        }
        reads(|asm| asm.bswap(width, a), &format!("bswap {x}"));
        let low = name(a, MemSize::B1);
        let half = name(a, MemSize::B4);
        reads(|asm| asm.test_imm(width, a, 1), &format!("test {low},1"));
        reads(|asm| asm.test_imm(width, a, 0x80), &format!("test {half},80h"));
        let all = if width == Width::W64 { "0FFFFFFFFFFFFFFFFh" } else { "0FFFFFFFFh" };
        reads(|asm| asm.test_imm(width, a, -1), &format!("test {x},{all}"));
    }
    for a in GPRS {
        let (half, whole) = (name(a, MemSize::B4), name(a, MemSize::B8));
        reads(|asm| asm.mov_imm(a, 5), &format!("mov {half},5"));
        reads(|asm| asm.mov_imm(a, 0xffff_ffff), &format!("mov {half},0FFFFFFFFh"));
        reads(|asm| asm.mov_imm(a, u64::MAX - 1), &format!("mov {whole},0FFFFFFFFFFFFFFFEh"));
        reads(|asm| asm.mov_imm(a, 1 << 32), &format!("mov {whole},100000000h"));
        reads(|asm| asm.mov_imm(a, 1 << 63), &format!("mov {whole},8000000000000000h"));
        reads(|asm| asm.zero(a), &format!("xor {half},{half}"));
        reads(|asm| asm.swap16(a), &format!("rol {},8", name(a, MemSize::B2)));
        reads(|asm| asm.push(a), &format!("push {whole}"));
        reads(|asm| asm.pop(a), &format!("pop {whole}"));
        reads(|asm| asm.call_reg(a), &format!("call {whole}"));
        reads(|asm| asm.jmp_reg(a), &format!("jmp {whole}"));
    }
}

#[test]
fn memory() {
    for (place, text) in mems() {
        for reg in GPRS {
            for size in SIZES {
                let (of, ptr) = (name(reg, size), pointer(size));
                reads(|asm| asm.store(size, place, reg), &format!("mov {text},{of}"));
                let load = match size {
                    MemSize::B1 | MemSize::B2 => {
                        format!("movzx {},{ptr}{text}", name(reg, MemSize::B4))
                    }
                    size => format!("mov {},{text}", name(reg, size)),
                };
                reads(|asm| asm.load(size, reg, place), &load);
                let whole = name(reg, MemSize::B8);
                let load = match size {
                    MemSize::B1 | MemSize::B2 => format!("movsx {whole},{ptr}{text}"),
                    MemSize::B4 => format!("movsxd {whole},{text}"),
                    MemSize::B8 => format!("mov {whole},{text}"),
                };
                reads(|asm| asm.load_sx(size, reg, place), &load);
            }
            for width in WIDTHS {
                let x = wide(reg, width);
                for (op, name) in ALU {
                    reads(|asm| asm.alu_load(op, width, reg, place), &format!("{name} {x},{text}"));
                    if op == Alu::Cmp {
                        continue;
                    }
                    let lock = format!("lock {name} {text},{x}");
                    reads(|asm| asm.alu_store(op, width, place, reg, true), &lock);
                    let plain = format!("{name} {text},{x}");
                    reads(|asm| asm.alu_store(op, width, place, reg, false), &plain);
                }
                reads(|asm| asm.lea(width, reg, place), &format!("lea {x},{text}"));
                reads(|asm| asm.load_be(width, reg, place), &format!("movbe {x},{text}"));
                reads(|asm| asm.xadd(width, place, reg), &format!("lock xadd {text},{x}"));
                reads(|asm| asm.xchg(width, place, reg), &format!("xchg {text},{x}"));
                reads(|asm| asm.cmpxchg(width, place, reg), &format!("lock cmpxchg {text},{x}"));
            }
        }
        for (size, shown) in
            SIZES.into_iter().zip(["0FEh", "0FFFEh", "0FFFFFFFEh", "0FFFFFFFFFFFFFFFEh"])
        {
            let ptr = pointer(size);
            reads(|asm| asm.store_imm(size, place, -2), &format!("mov {ptr}{text},{shown}"));
        }
        reads(
            |asm| asm.alu_store_imm(Alu::Cmp, Width::W64, place, 0),
            &format!("cmp qword ptr {text},0"),
        );
        reads(
            |asm| asm.alu_store_imm(Alu::Sub, Width::W32, place, 0x1234),
            &format!("sub dword ptr {text},1234h"),
        );
        reads(|asm| asm.call_mem(place), &format!("call qword ptr {text}"));
    }
}

#[test]
fn jumps() {
    for (cond, text) in CONDS {
        let jump = |back: u32, ahead: u32, reach| {
            let mut asm = Assembler::new();
            let (start, end) = (asm.label(), asm.label());
            asm.bind(start);
            asm.nop(back);
            let at = asm.here();
            asm.jcc(cond, if ahead > 0 { end } else { start }, reach);
            asm.nop(ahead);
            asm.bind(end);
            let target = if ahead > 0 { asm.here() } else { 0 };
            let bytes = asm.finish().unwrap();
            let mut decoder = Decoder::with_ip(64, &bytes[at as usize..], at.into(), 0);
            let insn = decoder.decode();
            assert_eq!(insn.near_branch64(), u64::from(target));
            let mut got = String::new();
            IntelFormatter::new().format(&insn, &mut got);
            assert!(got.starts_with(&format!("j{text} ")), "{got}");
            insn.len()
        };
        assert_eq!(jump(126, 0, Reach::Long), 2);
        assert_eq!(jump(127, 0, Reach::Long), 6);
        assert_eq!(jump(0, 127, Reach::Short), 2);
        assert_eq!(jump(0, 1, Reach::Long), 6);
    }
    let mut asm = Assembler::new();
    let end = asm.label();
    asm.jmp(end, Reach::Short);
    asm.nop(128);
    asm.bind(end);
    assert!(asm.finish().is_err(), "a short jump over 128 bytes");
    let mut asm = Assembler::new();
    let nowhere = asm.label();
    asm.call(nowhere);
    assert!(asm.finish().is_err(), "a call of a label that is nowhere");
}

const XMMS: [Xmm; 16] = [
    Xmm::Xmm0,
    Xmm::Xmm1,
    Xmm::Xmm2,
    Xmm::Xmm3,
    Xmm::Xmm4,
    Xmm::Xmm5,
    Xmm::Xmm6,
    Xmm::Xmm7,
    Xmm::Xmm8,
    Xmm::Xmm9,
    Xmm::Xmm10,
    Xmm::Xmm11,
    Xmm::Xmm12,
    Xmm::Xmm13,
    Xmm::Xmm14,
    Xmm::Xmm15,
];

#[test]
fn vectors() {
    let ops = [
        (Simd::Punpcklwd, "punpcklwd"),
        (Simd::Punpckldq, "punpckldq"),
        (Simd::Punpckhwd, "punpckhwd"),
        (Simd::Punpckhdq, "punpckhdq"),
        (Simd::Paddq, "paddq"),
        (Simd::Pxor, "pxor"),
        (Simd::Psadbw, "psadbw"),
        (Simd::Paddd, "paddd"),
    ];
    for (a, dst) in XMMS.into_iter().enumerate() {
        for (b, src) in XMMS.into_iter().enumerate() {
            for (op, text) in ops {
                reads(|asm| asm.simd(op, dst, src), &format!("{text} xmm{a},xmm{b}"));
            }
            reads(|asm| asm.mov_xmm(dst, src), &format!("movaps xmm{a},xmm{b}"));
            for order in [0, 9, 0x4e, 0xb1, 0xff] {
                let text = format!("pshufd xmm{a},xmm{b},{}", hex(order));
                reads(|asm| asm.shuffle(dst, src, order.try_into().unwrap()), &text);
            }
        }
        for (place, text) in mems() {
            reads(|asm| asm.load_xmm(dst, place), &format!("movups xmm{a},{text}"));
            reads(|asm| asm.store_xmm(place, dst), &format!("movups {text},xmm{a}"));
        }
        for to in GPRS {
            for (width, op) in [(Width::W32, "movd"), (Width::W64, "movq")] {
                let text = format!("{op} {},xmm{a}", wide(to, width));
                reads(|asm| asm.mov_from_xmm(width, to, dst), &text);
            }
        }
    }
    for (place, _) in mems() {
        assert_eq!(place.plus(0), place);
    }
    let (place, text) = mem(Gpr::R13, Some((Gpr::Rdx, 1)), 0x75);
    reads(|asm| asm.load_xmm(Xmm::Xmm9, place), &format!("movups xmm9,{text}"));
    reads(|asm| asm.load_xmm(Xmm::Xmm9, place.plus(16)), "movups xmm9,[r13+rdx*2+85h]");
}

#[test]
fn waiting_and_order() {
    reads(Assembler::pause, "pause");
    reads(Assembler::lfence, "lfence");
}

#[test]
fn padding_does_nothing() {
    for len in 0..40 {
        let mut asm = Assembler::new();
        asm.nop(len);
        asm.ret();
        let bytes = asm.finish().unwrap();
        assert_eq!(bytes.len(), len as usize + 1);
        let insns: Vec<Instruction> = Decoder::new(64, &bytes, 0).iter().collect();
        let (ret, nops) = insns.split_last().unwrap();
        assert_eq!(ret.mnemonic(), iced_x86::Mnemonic::Ret);
        assert!(nops.iter().all(|insn| insn.mnemonic() == iced_x86::Mnemonic::Nop), "{len}");
    }
}
