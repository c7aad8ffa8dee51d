//! Instructions as the kernel prints them, and what they read and write.

use super::state::Touched;
use crate::frame::Byte;
use crate::reg::{Base, RegState};
use crate::trace::Step;
use skep_abi::Helper;
use skep_isa::{AluOp, Call, CondOp, ImmSrc, Insn, Reg, Size, Src, Swap, Width};

/// Text of an instruction with its code. Kernel: `print_bpf_insn`. Addresses are not known here; the
/// kernel shows 0 in their place to those who may not see them.
pub(super) fn kernel_insn(insn: &Insn) -> String {
    format!("({:02x}) {}", insn.encode().0.code, text(insn))
}

fn text(insn: &Insn) -> String {
    match *insn {
        Insn::Alu { width, op, dst, src } => {
            let w = letter(width);
            let dst = dst.num();
            match src {
                Src::Reg(src) => format!("{w}{dst} {} {w}{}", alu(op), src.num()),
                Src::Imm(imm) => format!("{w}{dst} {} {imm}", alu(op)),
            }
        }
        Insn::MovSx { width, from, dst, src } => {
            let w = letter(width);
            format!("{w}{} = (s{}){w}{}", dst.num(), from.bits(), src.num())
        }
        Insn::Neg { width, dst } => {
            let w = letter(width);
            format!("{w}{n} = -{w}{n}", n = dst.num())
        }
        Insn::Swap { kind, size, dst } => {
            let name = match kind {
                Swap::Le => "le",
                Swap::Be => "be",
                Swap::Always => "bswap",
            };
            format!("{dst} = {name}{} {dst}", size.bits())
        }
        Insn::AddrSpaceCast { dst, src, .. } => {
            let imm = insn.encode().0.imm.cast_unsigned();
            format!("{dst} = addr_space_cast({src}, {}, {})", imm >> 16, imm & 0xffff)
        }
        Insn::LoadImm { dst, imm } => match imm {
            ImmSrc::Value(value) => format!("{dst} = {value:#x}"),
            _ => format!("{dst} = 0x0"),
        },
        Insn::LoadAbs { size, imm } => format!("r0 = *({} *)skb[{imm}]", uint(size)),
        Insn::LoadInd { size, src, imm } => format!("r0 = *({} *)skb[{src} + {imm}]", uint(size)),
        Insn::Load { size, dst, base, off } => {
            format!("{dst} = *({} *)({base} {off:+})", uint(size))
        }
        Insn::LoadSx { size, dst, base, off } => {
            format!("{dst} = *(s{} *)({base} {off:+})", size.bits())
        }
        Insn::Store { size, base, off, src } => {
            let src = operand(src);
            format!("*({} *)({base} {off:+}) = {src}", uint(size))
        }
        Insn::Atomic { size, op, base, off, src } => {
            let wide = if size == Size::Dw { "64" } else { "" };
            let place = format!("({} *)({base} {off:+})", uint(size));
            use skep_isa::AtomicOp as A;
            match op {
                A::Add => format!("lock *{place} += {src}"),
                A::Or => format!("lock *{place} |= {src}"),
                A::And => format!("lock *{place} &= {src}"),
                A::Xor => format!("lock *{place} ^= {src}"),
                A::FetchAdd => format!("{src} = atomic{wide}_fetch_add({place}, {src})"),
                A::FetchOr => format!("{src} = atomic{wide}_fetch_or({place}, {src})"),
                A::FetchAnd => format!("{src} = atomic{wide}_fetch_and({place}, {src})"),
                A::FetchXor => format!("{src} = atomic{wide}_fetch_xor({place}, {src})"),
                A::Xchg => format!("{src} = atomic{wide}_xchg({place}, {src})"),
                A::CmpXchg => format!("r0 = atomic{wide}_cmpxchg({place}, r0, {src})"),
            }
        }
        Insn::LoadAcquire { size, dst, base, off } => {
            format!("{dst} = load_acquire(({} *)({base} {off:+}))", uint(size))
        }
        Insn::StoreRelease { size, base, off, src } => {
            format!("store_release(({} *)({base} {off:+}), {src})", uint(size))
        }
        Insn::JumpIf { width, op, dst, src, off } => {
            let w = letter(width);
            let src = match src {
                Src::Reg(src) => format!("{w}{}", src.num()),
                Src::Imm(imm) => format!("{imm:#x}"),
            };
            format!("if {w}{} {} {src} goto pc{off:+}", dst.num(), cond(op))
        }
        Insn::Jump { off } => format!("goto pc{off:+}"),
        Insn::JumpLong { off } => format!("gotol pc{off:+}"),
        Insn::JumpReg { dst } => format!("gotox {dst}"),
        Insn::MayGoto { off } => format!("may_goto pc{off:+}"),
        Insn::Static { off, .. } => format!("goto_or_nop pc{off:+}"),
        Insn::StaticLong { off, .. } => format!("gotol_or_nop pc{off:+}"),
        Insn::Call(call) => match call {
            Call::Helper(id) => {
                let helper = u32::try_from(id).ok().and_then(Helper::find);
                match helper {
                    Some(helper) => format!("call bpf_{}#{id}", helper.name),
                    None => format!("call unknown#{id}"),
                }
            }
            Call::Local(off) => format!("call pc{off:+}"),
            Call::Kfunc { id, .. } => format!("call kernel-function#{id}"),
            Call::Reg(reg) => format!("callx {reg}"),
        },
        Insn::Exit => "exit".into(),
    }
}

const fn letter(width: Width) -> char {
    match width {
        Width::W32 => 'w',
        Width::W64 => 'r',
    }
}

const fn uint(size: Size) -> &'static str {
    match size {
        Size::B => "u8",
        Size::H => "u16",
        Size::W => "u32",
        Size::Dw => "u64",
    }
}

fn operand(src: Src) -> String {
    match src {
        Src::Reg(reg) => reg.to_string(),
        Src::Imm(imm) => imm.to_string(),
    }
}

const fn alu(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div => "/=",
        AluOp::SDiv => "s/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod => "%=",
        AluOp::SMod => "s%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::Arsh => "s>>=",
    }
}

const fn cond(op: CondOp) -> &'static str {
    match op {
        CondOp::Eq => "==",
        CondOp::Gt => ">",
        CondOp::Ge => ">=",
        CondOp::Set => "&",
        CondOp::Ne => "!=",
        CondOp::SGt => "s>",
        CondOp::SGe => "s>=",
        CondOp::Lt => "<",
        CondOp::Le => "<=",
        CondOp::SLt => "s<",
        CondOp::SLe => "s<=",
    }
}

/// Registers that an instruction reads or writes, and slots that it writes. Kernel: what is marked as
/// scratched.
pub(super) fn touched(insn: &Insn, step: &Step, next: &Step) -> Touched {
    let mut regs = 0_u16;
    let mut add = |reg: Reg| regs |= 1 << reg.num();
    let mut slots = 0;
    match *insn {
        Insn::Alu { dst, src, .. } | Insn::JumpIf { dst, src, .. } => {
            add(dst);
            if let Src::Reg(src) = src {
                add(src);
            }
        }
        Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
            add(dst);
            add(src);
        }
        Insn::Neg { dst, .. }
        | Insn::Swap { dst, .. }
        | Insn::LoadImm { dst, .. }
        | Insn::JumpReg { dst } => add(dst),
        Insn::Load { dst, base, .. }
        | Insn::LoadSx { dst, base, .. }
        | Insn::LoadAcquire { dst, base, .. } => {
            add(dst);
            add(base);
        }
        Insn::Store { size, base, off, src } => {
            add(base);
            if let Src::Reg(src) = src {
                add(src);
            }
            slots = written(step, base, off, size);
        }
        Insn::StoreRelease { size, base, off, src } => {
            add(base);
            add(src);
            slots = written(step, base, off, size);
        }
        Insn::Atomic { size, op, base, off, src } => {
            add(base);
            add(src);
            if op == skep_isa::AtomicOp::CmpXchg {
                add(Reg::R0);
            }
            slots = written(step, base, off, size);
        }
        Insn::LoadAbs { .. } => regs = 0x7f,
        Insn::LoadInd { src, .. } => {
            add(src);
            regs |= 0x7f;
        }
        Insn::Call(_) => {
            regs = 0x3f;
            slots = changed(step, next) | dynptrs_of(step);
        }
        Insn::Exit => add(Reg::R0),
        _ => {}
    }
    Touched { regs, slots }
}

/// Slots that are not as they were.
fn changed(step: &Step, next: &Step) -> u64 {
    let is_changed =
        |&at: &usize| step.stack.get(at).is_none_or(|slot| !slot.same_but_precise(&next.stack[at]));
    (0..next.stack.len()).filter(is_changed).fold(0, |all, at| all | 1 << at)
}

/// Slots of the dynptrs that are arguments.
fn dynptrs_of(step: &Step) -> u64 {
    let place = |reg: &RegState| {
        let var = reg.num.is_const().filter(|_| reg.ty.base == Base::Stack)?;
        let at = i64::from(reg.off).wrapping_add(var.cast_signed()).checked_neg()?;
        let at = usize::try_from(at.checked_sub(1)?).ok()? / 8;
        let is_dynptr = step.stack.get(at).is_some_and(|slot| slot.is(Byte::Dynptr));
        (reg.frame == step.frame && is_dynptr && at > 0).then_some(at)
    };
    step.regs[1..6].iter().filter_map(place).fold(0, |all, at| all | 0b11 << (at - 1))
}

/// Slots of this frame that a store reaches.
fn written(step: &Step, base: Reg, off: i16, size: Size) -> u64 {
    let reg = step.regs[usize::from(base.num())];
    let Some(var) = reg.num.is_const().filter(|_| reg.ty.base == Base::Stack) else { return 0 };
    let low = i64::from(reg.off).wrapping_add(var.cast_signed()).wrapping_add(i64::from(off));
    let high = low.wrapping_add(i64::from(size.bytes()) - 1);
    let slot = |at: i64| u32::try_from(at.wrapping_add(1).wrapping_neg() / 8).ok();
    if reg.frame != step.frame || low >= 0 || high >= 0 {
        return 0;
    }
    let bit = |at: Option<u32>| at.filter(|&at| at < 64).map_or(0, |at| 1_u64 << at);
    bit(slot(low)) | bit(slot(high))
}
