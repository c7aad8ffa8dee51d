//! Branches, near and far.

use crate::book::{Book, disassemble};
use crate::{CONDS, GPRS, WIDTHS, at, hex, name};
use skep_a64::{Assembler, Cond, FixupError, Gpr, Label, Reach, Width};

/// A branch over so many instructions ahead, or back.
fn branch(words: i32, emit: impl FnOnce(&mut Assembler, Label)) -> Result<Vec<u8>, FixupError> {
    let mut asm = Assembler::new();
    let label = asm.label();
    if words <= 0 {
        asm.bind(label);
        (0..-words).for_each(|_| asm.nop());
    }
    let start = asm.here() as usize;
    emit(&mut asm, label);
    if words > 0 {
        (1..words).for_each(|_| asm.nop());
        asm.bind(label);
    }
    let end = if words > 0 { start + 8 } else { usize::MAX };
    asm.finish().map(|bytes| bytes[start..end.min(bytes.len())].to_vec())
}

fn distance(words: i32) -> String {
    let bytes = i64::from(words) * 4;
    if bytes < 0 { format!("$-{:#x}", -bytes) } else { format!("$+{bytes:#x}") }
}

#[test]
fn branches() {
    let mut book = Book::default();
    for words in [0, 1, 2, 100, -1, -100, 8191, -8192] {
        let to = distance(words);
        let mut check = |emit: &dyn Fn(&mut Assembler, Label), text: String| {
            let bytes = branch(words, |asm, label| emit(asm, label)).unwrap();
            book.words(&bytes[..4], &format!("{text}{to}"));
        };
        check(&|asm, label| asm.b(label), "b ".into());
        check(&|asm, label| asm.bl(label), "bl ".into());
        for (cond, text) in CONDS {
            check(&|asm, label| asm.b_cond(cond, label, Reach::Near), format!("b.{text} "));
        }
        for reg in GPRS {
            for (is_zero, n) in [(true, ""), (false, "n")] {
                for width in WIDTHS {
                    let text = format!("cb{n}z {}, ", name(reg, width));
                    check(&|asm, label| asm.cb(is_zero, width, reg, label, Reach::Near), text);
                }
                for (bit, width) in
                    [(0, Width::W32), (31, Width::W32), (32, Width::W64), (63, Width::W64)]
                {
                    let text = format!("tb{n}z {}, {}, ", name(reg, width), hex(bit.into()));
                    check(&|asm, label| asm.tb(is_zero, reg, bit, label, Reach::Near), text);
                }
            }
            check(&|asm, label| asm.adr(reg, label), format!("adr {}, ", at(reg)));
        }
    }
    book.is_llvms();
}

#[test]
fn branches_that_are_too_far_lead_over_others() {
    // The last word that each reaches, back and ahead.
    let edge = 1 << 18;
    for (words, is_near) in [(-edge, true), (-edge - 1, false), (1000, true)] {
        let emit = |asm: &mut Assembler, label| asm.b_cond(Cond::Lo, label, Reach::Near);
        let texts = disassemble(&branch(words, emit).unwrap());
        if is_near {
            assert_eq!(texts[0], format!("b.lo {}", distance(words)));
        } else {
            assert_eq!(
                texts[..2],
                ["b.hs $+0x8".to_string(), format!("b {}", distance(words - 1))]
            );
        }
    }
    let texts =
        disassemble(&branch(-8193, |asm, to| asm.tb(true, Gpr::X1, 5, to, Reach::Near)).unwrap());
    assert_eq!(texts[..2], ["tbnz w1, #0x5, $+0x8".to_string(), format!("b {}", distance(-8194))]);
    let texts = disassemble(
        &branch(9, |asm, to| asm.cb(true, Width::W64, Gpr::X1, to, Reach::Far)).unwrap(),
    );
    assert_eq!(texts, ["cbnz x1, $+0x8".to_string(), format!("b {}", distance(9))]);
    // Ahead, what is said counts; what is not true is an error.
    assert!(branch(edge - 1, |asm, to| asm.b_cond(Cond::Lo, to, Reach::Near)).is_ok());
    assert!(branch(edge, |asm, to| asm.b_cond(Cond::Lo, to, Reach::Near)).is_err());
    assert!(branch(edge, |asm, to| asm.b_cond(Cond::Lo, to, Reach::Far)).is_ok());
    assert!(branch(8192, |asm, to| asm.tb(true, Gpr::X1, 5, to, Reach::Near)).is_err());
    let mut asm = Assembler::new();
    let nowhere = asm.label();
    asm.bl(nowhere);
    assert!(asm.finish().is_err(), "a call of a label that is nowhere");
}
