//! What is no instruction, in the kernel's words.

use skep_isa::table::{ATOMIC, NEG, X, class, jump, mode};
use skep_isa::{AluOp, DecodeError};

/// What Linux says of a slot that is no instruction: the last line of its log.
///
/// Whatever reads instructions refuses such a program before it is verified, so that no verdict is asked for.
///
/// ```
/// let err = skep_isa::DecodeError::Opcode { code: 0xdf };
/// assert_eq!(skep_verifier::kernel_on_encoding(&err), "unknown opcode df");
/// ```
#[must_use]
pub fn kernel_on_encoding(error: &DecodeError) -> String {
    match *error {
        DecodeError::Opcode { code } => opcode(code),
        DecodeError::Field { code, field, value } => used(code, field, value),
        DecodeError::Register { reg, .. } => format!("R{reg} is invalid"),
        DecodeError::SecondSlot { field: "imm", .. } => "unrecognized bpf_ld_imm64 insn".into(),
        _ => "invalid bpf_ld_imm64 insn".into(),
    }
}

/// `resolve_pseudo_ldimm64` looks at the mode of a load before it looks for the opcode.
fn opcode(code: u8) -> String {
    match (code & 7, code & 0xe0) {
        (class::LDX, how) if how != mode::MEM && how != mode::MEMSX => {
            "BPF_LDX uses reserved fields".into()
        }
        _ => format!("unknown opcode {code:02x}"),
    }
}

/// A field that the opcode does not use, or not with this value.
fn used(code: u8, field: &str, value: i32) -> String {
    let group = match (code & 7, code & 0xf0) {
        (class::LD, 0x10) if field == "src" => return "unrecognized bpf_ld_imm64 insn".into(),
        (class::LD, 0x10) => "LD_IMM64",
        (class::LD, _) => "LD_[ABS|IND]",
        (class::LDX, _) => "LDX",
        (class::ST, _) => "ST",
        (class::STX, _)
            if code & 0xe0 == mode::ATOMIC && ATOMIC.iter().any(|row| row.imm == value) =>
        {
            return "invalid atomic operand size".into();
        }
        (class::STX, _) if code & 0xe0 == mode::ATOMIC => {
            return format!("BPF_ATOMIC uses invalid atomic opcode {value:02x}");
        }
        (class::STX, _) => "STX",
        // The table of the kernel's opcodes has no jumps and calls through registers.
        (class::JMP, jump::JA | jump::CALL) if code & X != 0 => return opcode(code),
        (class::JMP | class::JMP32, jump::JA) => "JA",
        (class::JMP, jump::CALL) => "CALL",
        (class::JMP, jump::EXIT) => "EXIT",
        (class::JMP, jump::JCOND) => {
            return format!("invalid may_goto imm {}", if field == "imm" { value } else { 0 });
        }
        (class::JMP | class::JMP32, _) => "JMP/JMP32",
        (_, NEG) => "NEG",
        (_, 0xd0) => "END",
        (_, op) if op == AluOp::Mov.row().code => "MOV",
        _ => "ALU",
    };
    format!("BPF_{group} uses reserved fields")
}
