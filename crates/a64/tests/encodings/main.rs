//! Every instruction over all registers: read back by an independent disassembler, and its text assembled by
//! LLVM, which must give the same bits.

mod book;
mod branches;
mod vectors;

use book::{Book, disassemble};
use skep_a64::{Add, Assembler, Cond, Divide, Gpr, Logic, Mem, MemSize, Move, Rmw, Shift, Width};

#[rustfmt::skip]
const GPRS: [Gpr; 32] = [
    Gpr::X0, Gpr::X1, Gpr::X2, Gpr::X3, Gpr::X4, Gpr::X5, Gpr::X6, Gpr::X7,
    Gpr::X8, Gpr::X9, Gpr::X10, Gpr::X11, Gpr::X12, Gpr::X13, Gpr::X14, Gpr::X15,
    Gpr::X16, Gpr::X17, Gpr::X18, Gpr::X19, Gpr::X20, Gpr::X21, Gpr::X22, Gpr::X23,
    Gpr::X24, Gpr::X25, Gpr::X26, Gpr::X27, Gpr::X28, Gpr::X29, Gpr::X30, Gpr::Zr,
];
const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [MemSize; 4] = [MemSize::B1, MemSize::B2, MemSize::B4, MemSize::B8];
const CONDS: [(Cond, &str); 14] = [
    (Cond::Eq, "eq"),
    (Cond::Ne, "ne"),
    (Cond::Hs, "hs"),
    (Cond::Lo, "lo"),
    (Cond::Mi, "mi"),
    (Cond::Pl, "pl"),
    (Cond::Vs, "vs"),
    (Cond::Vc, "vc"),
    (Cond::Hi, "hi"),
    (Cond::Ls, "ls"),
    (Cond::Ge, "ge"),
    (Cond::Lt, "lt"),
    (Cond::Gt, "gt"),
    (Cond::Le, "le"),
];

fn name(reg: Gpr, width: Width) -> String {
    let letter = if width == Width::W64 { 'x' } else { 'w' };
    if reg == Gpr::Zr { format!("{letter}zr") } else { format!("{letter}{}", reg.num()) }
}

/// The name in an address.
fn at(reg: Gpr) -> String {
    name(reg, Width::W64)
}

fn hex(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("#{sign}{:#x}", number.unsigned_abs())
}

fn narrow(width: Width) -> impl Fn(u64) -> u64 {
    move |bits| if width == Width::W32 { bits & 0xffff_ffff } else { bits }
}

/// All pairs of registers with a third that changes along.
fn triples() -> impl Iterator<Item = (Width, Gpr, Gpr, Gpr)> {
    WIDTHS.into_iter().flat_map(|width| {
        (0..32).flat_map(move |a| {
            (0..32).map(move |b| (width, GPRS[a], GPRS[b], GPRS[(a * 7 + b * 3) % 31]))
        })
    })
}

fn pairs() -> impl Iterator<Item = (Width, Gpr, Gpr)> {
    triples().map(|(width, a, b, _)| (width, a, b))
}

const NOT_ZERO: fn(&(Width, Gpr, Gpr)) -> bool = |&(_, a, b)| a != Gpr::Zr && b != Gpr::Zr;

#[test]
fn three_registers() {
    let mut book = Book::default();
    for (width, a, b, c) in triples() {
        let [x, y, z] = [a, b, c].map(|reg| name(reg, width));
        for (op, text) in [(Add::Add, "add"), (Add::Sub, "sub")] {
            let want = if b == Gpr::Zr && op == Add::Sub {
                format!("neg {x}, {z}")
            } else {
                format!("{text} {x}, {y}, {z}")
            };
            book.reads(|asm| asm.add(op, width, a, b, c), &want);
        }
        for (op, text) in
            [(Logic::And, "and"), (Logic::Orr, "orr"), (Logic::Eor, "eor"), (Logic::Ands, "ands")]
        {
            let want = match op {
                Logic::Orr if b == Gpr::Zr => format!("mov {x}, {z}"),
                Logic::Ands if a == Gpr::Zr => format!("tst {y}, {z}"),
                _ => format!("{text} {x}, {y}, {z}"),
            };
            book.reads(|asm| asm.logic(op, width, a, b, c), &want);
        }
        for (op, text) in
            [(Shift::Lsl, "lsl"), (Shift::Lsr, "lsr"), (Shift::Asr, "asr"), (Shift::Ror, "ror")]
        {
            book.reads(|asm| asm.shift(op, width, a, b, c), &format!("{text} {x}, {y}, {z}"));
        }
        for (op, text) in [(Divide::Udiv, "udiv"), (Divide::Sdiv, "sdiv")] {
            book.reads(|asm| asm.divide(op, width, a, b, c), &format!("{text} {x}, {y}, {z}"));
        }
        let d = GPRS[(a.num() ^ 9) as usize];
        let w = name(d, width);
        let (mul, minus) = if d == Gpr::Zr {
            (format!("mul {x}, {y}, {z}"), format!("mneg {x}, {y}, {z}"))
        } else {
            (format!("madd {x}, {y}, {z}, {w}"), format!("msub {x}, {y}, {z}, {w}"))
        };
        book.reads(|asm| asm.madd(width, a, b, c, d), &mul);
        book.reads(|asm| asm.msub(width, a, b, c, d), &minus);
        for (cond, text) in CONDS {
            let want = format!("csel {x}, {y}, {z}, {text}");
            book.reads(|asm| asm.csel(cond, width, a, b, c), &want);
        }
        if width == Width::W64 {
            let want = format!("add {x}, {y}, {z}, lsl #{}", a.num() + 1);
            book.reads(|asm| asm.add_shifted(a, b, c, a.num() + 1), &want);
        }
    }
    book.is_llvms();
}

#[test]
fn two_registers() {
    let mut book = Book::default();
    for (width, a, b) in pairs() {
        let [x, y] = [a, b].map(|reg| name(reg, width));
        let narrow_y = name(b, Width::W32);
        book.reads(|asm| asm.cmp(width, a, b), &format!("cmp {x}, {y}"));
        book.reads(|asm| asm.mov(width, a, b), &format!("mov {x}, {y}"));
        book.reads(|asm| asm.mvn(width, a, b), &format!("mvn {x}, {y}"));
        book.reads(|asm| asm.rev(width, a, b), &format!("rev {x}, {y}"));
        for (size, sign, zero) in [(MemSize::B1, "sxtb", "uxtb"), (MemSize::B2, "sxth", "uxth")] {
            book.reads(
                |asm| asm.sign_extend(width, size, a, b),
                &format!("{sign} {x}, {narrow_y}"),
            );
            let want = format!("{zero} {}, {narrow_y}", name(a, Width::W32));
            book.reads(|asm| asm.zero_extend(size, a, b), &want);
        }
        let last = i64::from(width.bits()) - 1;
        for count in [1, 7, last] {
            let shown = hex(count);
            let count = u8::try_from(count).unwrap();
            for (op, text) in
                [(Shift::Lsl, "lsl"), (Shift::Lsr, "lsr"), (Shift::Asr, "asr"), (Shift::Ror, "ror")]
            {
                let want = format!("{text} {x}, {y}, {shown}");
                book.reads(|asm| asm.shift_imm(op, width, a, b, count), &want);
                // Counts modulo the width.
                let more = count + width.bits();
                book.reads(|asm| asm.shift_imm(op, width, a, b, more), &want);
            }
        }
        book.reads(|asm| asm.ubfm(width, a, b, 3, 9), &format!("ubfx {x}, {y}, #0x3, #0x7"));
        book.reads(|asm| asm.sbfm(width, a, b, 3, 9), &format!("sbfx {x}, {y}, #0x3, #0x7"));
        let left = hex(last - 8);
        book.reads(|asm| asm.ubfm(width, a, b, 9, 3), &format!("ubfiz {x}, {y}, {left}, #0x4"));
        if width == Width::W64 {
            let want = format!("sxtw {x}, {narrow_y}");
            book.reads(|asm| asm.sign_extend(width, MemSize::B4, a, b), &want);
        } else {
            let want = format!("rev16 {x}, {y}");
            book.reads(|asm| asm.rev16(a, b), &want);
            book.reads(|asm| asm.zero_extend(MemSize::B4, a, b), &format!("mov {x}, {y}"));
        }
    }
    book.is_llvms();
}

/// How the number is loaded before it is used.
fn in_scratch(number: u64) -> String {
    let mut asm = Assembler::new();
    asm.mov_imm(Gpr::X16, number);
    disassemble(&asm.finish().unwrap()).join("; ")
}

#[test]
fn immediates() {
    let mut book = Book::default();
    for (width, a, b) in pairs().filter(NOT_ZERO) {
        let [x, y] = [a, b].map(|reg| name(reg, width));
        let scratch = name(Gpr::X16, width);
        for (number, shown) in [
            (5, "#0x5"),
            (0xfff, "#0xfff"),
            (0x1000, "#0x1, lsl #12"),
            (0xff_f000, "#0xfff, lsl #12"),
        ] {
            book.reads(|asm| asm.add_imm(width, a, b, number), &format!("add {x}, {y}, {shown}"));
            book.reads(|asm| asm.add_imm(width, a, b, -number), &format!("sub {x}, {y}, {shown}"));
            book.reads(|asm| asm.cmp_imm(width, a, number), &format!("cmp {x}, {shown}"));
            let less = u32::try_from(number).unwrap();
            book.reads(|asm| asm.subs_imm(width, a, b, less), &format!("subs {x}, {y}, {shown}"));
            book.reads(|asm| asm.cmp_imm(width, a, -number), &format!("cmn {x}, {shown}"));
        }
        book.reads(|asm| asm.cmp_imm(width, a, 0), &format!("cmp {x}, #0x0"));
        for number in [0x1001, -0x1001, i64::from(i32::MIN), i64::from(i32::MAX)] {
            let loaded = in_scratch(narrow(width)(number.cast_unsigned()));
            let want = format!("{loaded}; add {x}, {y}, {scratch}");
            book.reads(|asm| asm.add_imm(width, a, b, number), &want);
            let want = format!("{loaded}; cmp {x}, {scratch}");
            book.reads(|asm| asm.cmp_imm(width, a, number), &want);
            if let Ok(less) = u32::try_from(number) {
                let want = format!("{loaded}; subs {x}, {y}, {scratch}");
                book.reads(|asm| asm.subs_imm(width, a, b, less), &want);
            }
        }
        for (op, text) in
            [(Logic::And, "and"), (Logic::Orr, "orr"), (Logic::Eor, "eor"), (Logic::Ands, "ands")]
        {
            for bits in [1u64, 0xff00, 0x3fff_fffc, 0x5555_5555_5555_5555, !0xff] {
                let shown = format!("#{:#x}", narrow(width)(bits));
                let want = format!("{text} {x}, {y}, {shown}");
                book.reads(|asm| asm.logic_imm(op, width, a, b, bits), &want);
            }
            for bits in [0, 5, 0x1234_5678, u64::MAX] {
                let loaded = in_scratch(narrow(width)(bits));
                let want = format!("{loaded}; {text} {x}, {y}, {scratch}");
                book.reads(|asm| asm.logic_imm(op, width, a, b, bits), &want);
            }
        }
        let want = format!("tst {y}, #0x80");
        book.reads(|asm| asm.logic_imm(Logic::Ands, width, Gpr::Zr, b, 0x80), &want);
        for (op, text) in [(Move::Movz, "mov"), (Move::Movk, "movk")] {
            let want = format!("{text} {x}, #0x1234");
            book.reads(|asm| asm.mov_part(op, width, a, 0x1234, 0), &want);
        }
        let want = format!("movk {x}, #0xffff, lsl #16");
        book.reads(|asm| asm.mov_part(Move::Movk, width, a, 0xffff, 1), &want);
    }
    book.is_llvms();
}

/// What a list of moves of constants leaves in the register, by a reading of their texts.
fn constant(texts: &[String]) -> u64 {
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("#0x"), 16).unwrap();
    texts.iter().fold(0, |value, text| {
        let mut words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let (op, _, imm) = (words.next().unwrap(), words.next(), words.next().unwrap());
        let shift = words.nth(1).map_or(0, |text| text[1..].parse::<u32>().unwrap());
        match op {
            "mov" => number(imm),
            "movk" => value & !(0xffff << shift) | number(imm) << shift,
            _ => panic!("{text}"),
        }
    })
}

#[test]
fn constants() {
    let mut book = Book::default();
    let parts = [0, 1, 0x8000, 0xffff, 0xfffe, 0x1234];
    let numbers = parts.into_iter().flat_map(|a| {
        parts.into_iter().flat_map(move |b| {
            parts
                .into_iter()
                .flat_map(move |c| parts.into_iter().map(move |d| a << 48 | b << 32 | c << 16 | d))
        })
    });
    for number in numbers.chain([0x5555_5555_5555_5555, 0xff00_ff00_ff00_ff00, 0xffff_f000]) {
        let mut asm = Assembler::new();
        asm.mov_imm(Gpr::X3, number);
        let bytes = asm.finish().unwrap();
        let texts = disassemble(&bytes);
        assert_eq!(constant(&texts), number, "{texts:?}");
        let halves =
            |skipped: u64| (0..4).filter(|n| number >> (16 * n) & 0xffff != skipped).count();
        let most = halves(0).min(halves(0xffff)).max(1);
        assert!(texts.len() <= most, "{number:#x} by {texts:?}");
        book.words(&bytes, &texts.join("; "));
    }
    for reg in GPRS {
        book.reads(|asm| asm.mov_imm(reg, 2), &format!("mov {}, #0x2", name(reg, Width::W32)));
        let want = format!("mov {}, #0xfffffffffffffffe", name(reg, Width::W64));
        book.reads(|asm| asm.mov_imm(reg, u64::MAX - 1), &want);
    }
    book.is_llvms();
}

/// Loads and stores of a size: their letters, and those of the signed load.
fn letters(size: MemSize) -> (&'static str, &'static str, Width) {
    match size {
        MemSize::B1 => ("b", "sb", Width::W32),
        MemSize::B2 => ("h", "sh", Width::W32),
        MemSize::B4 => ("", "sw", Width::W32),
        MemSize::B8 => ("", "", Width::W64),
    }
}

#[test]
fn memory() {
    let mut book = Book::default();
    for (_, a, b, c) in triples().filter(|&(width, _, b, _)| width == Width::W64 && b != Gpr::Zr) {
        for size in SIZES {
            let (plain, signed, width) = letters(size);
            let (short, whole) = (name(a, width), name(a, Width::W64));
            let bytes = 1 << (size as i32);
            let mut check = |mem: Mem, text: &str, u: &str| {
                let want = |op: &str, reg: &str| text.replace("OP", &format!("{op} {reg}"));
                let ld = want(&format!("ld{u}r{plain}"), &short);
                book.reads(|asm| asm.load(size, a, mem), &ld);
                let lds = want(&format!("ld{u}r{signed}"), &whole);
                book.reads(|asm| asm.load_sx(size, a, mem), &lds);
                book.reads(|asm| asm.store(size, a, mem), &want(&format!("st{u}r{plain}"), &short));
            };
            let base = at(b);
            check(Mem::new(b, 0), &format!("OP, [{base}]"), "");
            for distance in [bytes, 4095 * bytes] {
                let text = format!("OP, [{base}, {}]", hex(distance.into()));
                check(Mem::new(b, distance), &text, "");
            }
            for distance in [-1, -256] {
                let text = format!("OP, [{base}, {}]", hex(distance.into()));
                check(Mem::new(b, distance), &text, "u");
            }
            if bytes > 1 {
                check(Mem::new(b, 255), &format!("OP, [{base}, #0xff]"), "u");
                check(Mem::sp(255), "OP, [sp, #0xff]", "u");
            }
            check(Mem::sp(8), "OP, [sp, #0x8]", "");
            for distance in [-257, 4096 * bytes, 4095 * bytes + 1] {
                // One byte more is no distance that is too far for bytes.
                if distance == 4095 * bytes + 1 && bytes == 1 {
                    continue;
                }
                let loaded = in_scratch(i64::from(distance).cast_unsigned());
                check(Mem::new(b, distance), &format!("{loaded}; OP, [{base}, x16]"), "");
            }
            check(Mem::indexed(b, c), &format!("OP, [{base}, {}]", at(c)), "");
            let ld = format!("ldar{plain} {short}, [{base}]");
            book.reads(|asm| asm.load_acquire(size, a, b), &ld);
            let st = format!("stlr{plain} {short}, [{base}]");
            book.reads(|asm| asm.store_release(size, a, b), &st);
        }
    }
    book.is_llvms();
}

#[test]
fn the_stack() {
    let mut book = Book::default();
    for (_, a, b) in pairs().filter(|&(width, ..)| width == Width::W64) {
        let [x, y] = [a, b].map(at);
        book.reads(|asm| asm.store_pair(a, b, 16), &format!("stp {x}, {y}, [sp, #0x10]"));
        book.reads(|asm| asm.store_pair(a, b, 504), &format!("stp {x}, {y}, [sp, #0x1f8]"));
        book.reads(|asm| asm.push_pair(a, b, 64), &format!("stp {x}, {y}, [sp, #-0x40]!"));
        // The same register twice is nothing that a load may be asked for.
        if a != b {
            book.reads(|asm| asm.load_pair(a, b, -512), &format!("ldp {x}, {y}, [sp, #-0x200]"));
            book.reads(|asm| asm.pop_pair(a, b, 64), &format!("ldp {x}, {y}, [sp], #0x40"));
        }
    }
    for a in GPRS {
        let x = at(a);
        book.reads(|asm| asm.push(a, 16), &format!("str {x}, [sp, #-0x10]!"));
        book.reads(|asm| asm.push(a, 256), &format!("str {x}, [sp, #-0x100]!"));
        book.reads(|asm| asm.pop(a, 16), &format!("ldr {x}, [sp], #0x10"));
        book.reads(|asm| asm.br(a), &format!("br {x}"));
        book.reads(|asm| asm.blr(a), &format!("blr {x}"));
        if a != Gpr::Zr {
            book.reads(|asm| asm.zero_pair(a), &format!("stp xzr, xzr, [{x}], #0x10"));
            book.reads(|asm| asm.mov_from_sp(a), &format!("mov {x}, sp"));
            book.reads(|asm| asm.mov_to_sp(a), &format!("mov sp, {x}"));
        }
    }
    book.reads(|asm| asm.free(16), "add sp, sp, #0x10");
    book.reads(|asm| asm.take(48), "sub sp, sp, #0x30");
    book.reads(Assembler::ret, "ret");
    book.reads(Assembler::trap, "brk #0x0");
    book.reads(Assembler::nop, "nop");
    book.reads(Assembler::barrier, "dmb ish");
    book.is_llvms();
}

#[test]
fn atomics() {
    let mut book = Book::default();
    for (width, a, b, c) in triples() {
        let ([x, y], z) = ([a, b].map(|reg| name(reg, width)), at(c));
        for (op, text) in [
            (Rmw::Ldadd, "ldaddal"),
            (Rmw::Ldclr, "ldclral"),
            (Rmw::Ldeor, "ldeoral"),
            (Rmw::Ldset, "ldsetal"),
            (Rmw::Swp, "swpal"),
        ] {
            book.reads(|asm| asm.rmw(op, width, a, b, c), &format!("{text} {y}, {x}, [{z}]"));
        }
        book.reads(|asm| asm.compare_and_swap(width, a, b, c), &format!("casal {x}, {y}, [{z}]"));
        book.reads(|asm| asm.load_exclusive(width, a, c), &format!("ldxr {x}, [{z}]"));
        // What is stored, where, and whether that failed are different registers.
        if a != b && a != c {
            let want = format!("stlxr {}, {y}, [{z}]", name(a, Width::W32));
            book.reads(|asm| asm.store_exclusive(width, a, b, c), &want);
        }
    }
    book.is_llvms();
}
