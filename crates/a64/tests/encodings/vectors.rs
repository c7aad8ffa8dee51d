//! Vectors.

use crate::book::Book;
use crate::{GPRS, at, hex, in_scratch};
use skep_a64::{Gpr, Lanes, Mem, Vector};

const VECTORS: [Vector; 8] = [
    Vector::V0,
    Vector::V1,
    Vector::V2,
    Vector::V3,
    Vector::V4,
    Vector::V5,
    Vector::V6,
    Vector::V7,
];
const LANES: [(Lanes, &str, &str, &str); 3] =
    [(Lanes::B1, "16b", "8h", "h"), (Lanes::B2, "8h", "4s", "s"), (Lanes::B4, "4s", "2d", "d")];

#[test]
fn sums() {
    let mut book = Book::default();
    for (x, a) in VECTORS.into_iter().enumerate() {
        book.reads(|asm| asm.zero_vector(a), &format!("movi v{x}.2d, #0x0"));
        for (y, b) in VECTORS.into_iter().enumerate() {
            for (lanes, short, long, letter) in LANES {
                let want = format!("uadalp v{x}.{long}, v{y}.{short}");
                book.reads(|asm| asm.add_pairs(lanes, a, b), &want);
                let want = format!("uaddlv {letter}{x}, v{y}.{short}");
                book.reads(|asm| asm.add_across(lanes, a, b), &want);
            }
            book.reads(|asm| asm.add_both(a, b), &format!("addp d{x}, v{y}.2d"));
        }
        for to in GPRS {
            book.reads(|asm| asm.mov_from_vector(to, a), &format!("fmov {}, d{x}", at(to)));
        }
    }
    book.is_llvms();
}

#[test]
fn memory() {
    let mut book = Book::default();
    for (x, a) in VECTORS.into_iter().enumerate() {
        for b in GPRS.into_iter().filter(|&b| b != Gpr::Zr) {
            let mut check = |mem: Mem, text: &str, u: &str| {
                let want = |op: &str| text.replace("OP", &format!("{op} q{x}"));
                book.reads(|asm| asm.load_vector(a, mem), &want(&format!("ld{u}r")));
                book.reads(|asm| asm.store_vector(a, mem), &want(&format!("st{u}r")));
            };
            let base = at(b);
            check(Mem::new(b, 0), &format!("OP, [{base}]"), "");
            for distance in [16, 4095 * 16, -256, -16, -1, 1, 255] {
                let u = if distance > 0 && distance % 16 == 0 { "" } else { "u" };
                let text = format!("OP, [{base}, {}]", hex(distance.into()));
                check(Mem::new(b, distance), &text, u);
            }
            for distance in [-257, 257, 4096 * 16, i32::MAX, i32::MIN] {
                let loaded = in_scratch(i64::from(distance).cast_unsigned());
                check(Mem::new(b, distance), &format!("{loaded}; OP, [{base}, x16]"), "");
            }
            check(Mem::indexed(b, Gpr::X3), &format!("OP, [{base}, x3]"), "");
        }
    }
    book.is_llvms();
}
