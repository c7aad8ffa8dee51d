//! Instructions as llvm-objdump prints them.

use super::operand::{Operands, hex};
use skep_isa::{
    AddrCast, AluOp, AtomicOp, Call, CondOp, Insn, Reg, Size, Src, StaticBranch, Width,
};

pub(super) fn insn(insn: &Insn, operands: &Operands<'_>) -> String {
    match *insn {
        Insn::Alu { width, op, dst, src } => alu(width, op, dst, src),
        Insn::MovSx { width, from, dst, src } => {
            let (dst, src) = (reg(width, dst), reg(width, src));
            format!("{dst} = ({}){src}", from.row().signed)
        }
        Insn::Neg { width, dst } => format!("{0} = -{0}", reg(width, dst)),
        Insn::Swap { kind, size, dst } => {
            format!("{dst} = {}{} {dst}", kind.row().mnemonic, size.bits())
        }
        Insn::AddrSpaceCast { cast, dst, src } => {
            let spaces = match cast {
                AddrCast::ToKernel => "0x0, 0x1",
                AddrCast::ToUser => "0x1, 0x0",
            };
            format!("{dst} = addr_space_cast({src}, {spaces})")
        }
        Insn::LoadImm { dst, imm } => format!("{dst} = {}", operands.imm(imm)),
        Insn::LoadAbs { size, imm } => {
            format!("r0 = *({} *)skb[{}]", size.row().unsigned, hex(imm.into()))
        }
        Insn::LoadInd { size, src, imm: 0 } => {
            format!("r0 = *({} *)skb[{src}]", size.row().unsigned)
        }
        Insn::LoadInd { size, src, imm } => {
            format!("r0 = *({} *)skb[{}]", size.row().unsigned, sum(src, imm))
        }
        Insn::Load { size, dst, base, off } => {
            format!("{dst} = *{}", pointer(size.row().unsigned, base, off))
        }
        Insn::LoadSx { size, dst, base, off } => {
            format!("{dst} = *{}", pointer(size.row().signed, base, off))
        }
        Insn::Store { size, base, off, src } => {
            format!("*{} = {}", place(size, base, off), operand(Width::W64, src))
        }
        Insn::Atomic { size, op, base, off, src } => atomic(size, op, base, off, src),
        Insn::LoadAcquire { size, dst, base, off } => {
            format!("{} = load_acquire({})", reg(width(size), dst), place(size, base, off))
        }
        Insn::StoreRelease { size, base, off, src } => {
            format!("store_release({}, {})", place(size, base, off), reg(width(size), src))
        }
        Insn::JumpIf { width, op, dst, src, off } => {
            jump_if(width, op, dst, src) + &operands.target(off.into())
        }
        Insn::Jump { off } => format!("goto {}", operands.target(off.into())),
        Insn::JumpLong { off } => format!("gotol {}", operands.target(off)),
        Insn::JumpReg { dst } => format!("gotox {dst}"),
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
        StaticBranch::Goto => ("goto_or_nop", "gotol_or_nop"),
        StaticBranch::Nop => ("nop_or_goto", "nop_or_gotol"),
    }
}

fn reg(width: Width, reg: Reg) -> String {
    let letter = if width == Width::W32 { 'w' } else { 'r' };
    format!("{letter}{}", reg.num())
}

/// The register that holds as much: 32 bits for what is smaller.
fn width(size: Size) -> Width {
    if size == Size::Dw { Width::W64 } else { Width::W32 }
}

fn operand(width: Width, src: Src) -> String {
    match src {
        Src::Reg(src) => reg(width, src),
        Src::Imm(imm) => hex(imm.into()),
    }
}

fn alu(width: Width, op: AluOp, dst: Reg, src: Src) -> String {
    format!("{} {} {}", reg(width, dst), op.row().symbol, operand(width, src))
}

fn jump_if(width: Width, op: CondOp, dst: Reg, src: Src) -> String {
    let (dst, src) = (reg(width, dst), operand(width, src));
    format!("if {dst} {} {src} goto ", op.row().symbol)
}

/// `r1 + 0x4`
fn sum(base: Reg, off: i32) -> String {
    let sign = if off < 0 { '-' } else { '+' };
    format!("{base} {sign} {:#x}", off.unsigned_abs())
}

fn pointer(ty: &str, base: Reg, off: i16) -> String {
    format!("({ty} *)({})", sum(base, off.into()))
}

fn place(size: Size, base: Reg, off: i16) -> String {
    pointer(size.row().unsigned, base, off)
}

fn atomic(size: Size, op: AtomicOp, base: Reg, off: i16, src: Reg) -> String {
    let width = width(size);
    let (place, at) = (place(size, base, off), sum(base, off.into()));
    let (src, r0) = (reg(width, src), reg(width, Reg::R0));
    let bits = if width == Width::W32 { "32_32" } else { "_64" };
    match op {
        AtomicOp::Add => format!("lock *{place} += {src}"),
        AtomicOp::Or => format!("lock *{place} |= {src}"),
        AtomicOp::And => format!("lock *{place} &= {src}"),
        AtomicOp::Xor => format!("lock *{place} ^= {src}"),
        AtomicOp::FetchAdd | AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor => {
            format!("{src} = atomic_{}({place}, {src})", op.row().mnemonic)
        }
        AtomicOp::Xchg => format!("{src} = xchg{bits}({at}, {src})"),
        AtomicOp::CmpXchg => format!("{r0} = cmpxchg{bits}({at}, {r0}, {src})"),
    }
}
