//! Instructions in any form: what a file is taken for is what it holds.

use skep::{Code, read_code};
use skep_asm::{Dialect, print_insn};

/// Input: a file.
pub fn check(data: &[u8]) {
    match read_code(data, "file") {
        Ok(Code::Insns(insns)) => {
            assert_eq!(skep_isa::decode(&insns.to_le_bytes()).as_ref(), Ok(&insns));
            for (_, insn) in insns.iter() {
                for dialect in [Dialect::CLike, Dialect::Mnemonic] {
                    assert!(!print_insn(&insn, dialect, &[]).is_empty());
                }
            }
        }
        Ok(Code::Classic(raws)) => drop(skep_cbpf::check(&raws)),
        Ok(Code::Image(read)) => drop(read),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
