//! Instructions as uBPF and the conformance files write them.

use super::operand::Operands;
use skep_isa::{AddrCast, Call, Insn, Reg, Size, Src, StaticBranch, Width};

pub(super) fn insn(insn: &Insn, operands: &Operands<'_>) -> String {
    match *insn {
        Insn::Alu { width, op, dst, src } => {
            format!("{}{} %{dst}, {}", op.row().mnemonic, suffix(width), operand(src))
        }
        Insn::MovSx { width, from, dst, src } => {
            format!("movsx{}{} %{dst}, %{src}", from.bits(), width.bits())
        }
        Insn::Neg { width, dst } => format!("neg{} %{dst}", suffix(width)),
        Insn::Swap { kind, size, dst } => format!("{}{} %{dst}", kind.row().mnemonic, size.bits()),
        Insn::AddrSpaceCast { cast, dst, src } => {
            let spaces = match cast {
                AddrCast::ToKernel => "0, 1",
                AddrCast::ToUser => "1, 0",
            };
            format!("addr_space_cast %{dst}, %{src}, {spaces}")
        }
        Insn::LoadImm { dst, imm } => format!("lddw %{dst}, {}", operands.imm(imm)),
        Insn::LoadAbs { size, imm } => format!("ldabs{} {imm}", size.row().suffix),
        Insn::LoadInd { size, src, imm } => format!("ldind{} %{src}, {imm}", size.row().suffix),
        Insn::Load { size, dst, base, off } => load("ldx", size, dst, base, off),
        Insn::LoadSx { size, dst, base, off } => load("ldxs", size, dst, base, off),
        Insn::LoadAcquire { size, dst, base, off } => load("load_acq", size, dst, base, off),
        Insn::Store { size, base, off, src } => {
            let x = if matches!(src, Src::Reg(_)) { "x" } else { "" };
            format!("st{x}{} {}, {}", size.row().suffix, place(base, off), operand(src))
        }
        Insn::StoreRelease { size, base, off, src } => {
            format!("store_rel{} {}, %{src}", size.row().suffix, place(base, off))
        }
        Insn::Atomic { size, op, base, off, src } => {
            let bits = if size == Size::W { "32" } else { "" };
            format!("lock {}{bits} {}, %{src}", op.row().mnemonic, place(base, off))
        }
        Insn::JumpIf { width, op, dst, src, off } => {
            let (name, suffix) = (op.row().mnemonic, suffix(width));
            let (src, target) = (operand(src), operands.target(off.into()));
            format!("{name}{suffix} %{dst}, {src}, {target}")
        }
        Insn::Jump { off } => format!("ja {}", operands.target(off.into())),
        Insn::JumpLong { off } => format!("ja32 {}", operands.target(off)),
        Insn::JumpReg { dst } => format!("jx %{dst}"),
        Insn::MayGoto { off } => format!("may_goto {}", operands.target(off.into())),
        Insn::Static { branch, off } => {
            format!("{} {}", static_branch(branch).0, operands.target(off.into()))
        }
        Insn::StaticLong { branch, off } => {
            format!("{} {}", static_branch(branch).1, operands.target(off))
        }
        Insn::Call(call @ Call::Reg(_)) => format!("callx {}", operands.call(call)),
        Insn::Call(call) => format!("call {}", operands.call(call)),
        Insn::Exit => "exit".into(),
    }
}

const fn static_branch(branch: StaticBranch) -> (&'static str, &'static str) {
    match branch {
        StaticBranch::Goto => ("ja_or_nop", "ja32_or_nop"),
        StaticBranch::Nop => ("nop_or_ja", "nop_or_ja32"),
    }
}

const fn suffix(width: Width) -> &'static str {
    match width {
        Width::W32 => "32",
        Width::W64 => "",
    }
}

fn operand(src: Src) -> String {
    match src {
        Src::Reg(src) => format!("%{src}"),
        Src::Imm(imm) => imm.to_string(),
    }
}

/// `[%r1+4]`, and `[%r1]` for offset 0.
fn place(base: Reg, off: i16) -> String {
    if off == 0 { format!("[%{base}]") } else { format!("[%{base}{off:+}]") }
}

fn load(name: &str, size: Size, dst: Reg, base: Reg, off: i16) -> String {
    format!("{name}{} %{dst}, {}", size.row().suffix, place(base, off))
}
