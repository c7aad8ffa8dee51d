//! Registers that are read before they are written again, by instruction.
//!
//! No more than the verifier takes for read: a register that only the verifier takes for read is not
//! looked at, and one that it does not compare must not be.

use skep_abi::Helper;
use skep_isa::{AluOp, AtomicOp, Call, ImmSrc, Insn, Pc, Reg, Src};
use skep_prog::Prog;

/// r0 to r5.
const CALLER_SAVED: u16 = 0x3f;

/// A bit a register, by slot.
pub(crate) fn live(prog: &Prog) -> Vec<u16> {
    let insns: Vec<(Pc, Insn)> = prog.insns.iter().collect();
    let mut live = vec![0_u16; prog.insns.len() + 1];
    loop {
        let mut changed = false;
        for &(pc, insn) in insns.iter().rev() {
            let at = |pc: Option<Pc>| pc.and_then(|pc| live.get(pc.index())).copied().unwrap_or(0);
            let next = at(Some(Pc(pc.0 + insn.slots())));
            let out = match insn {
                Insn::Exit | Insn::JumpReg { .. } => 0,
                Insn::Jump { off } => at(pc.jump(off.into())),
                Insn::JumpLong { off } => at(pc.jump(off)),
                Insn::JumpIf { off, .. } | Insn::MayGoto { off } => next | at(pc.jump(off.into())),
                _ => next,
            };
            let (def, used) = match insn {
                Insn::Call(Call::Local(off)) => {
                    (CALLER_SAVED, at(pc.jump(off)) & CALLER_SAVED & !1)
                }
                _ => def_use(prog, &insn),
            };
            let before = (out & !def) | used;
            changed |= before != live[pc.index()];
            live[pc.index()] = before;
        }
        if !changed {
            return live;
        }
    }
}

/// Where functions begin that the program calls or has called.
pub(crate) fn functions(prog: &Prog) -> Vec<u32> {
    let target = |(pc, insn): (Pc, Insn)| match insn {
        Insn::Call(Call::Local(off)) | Insn::LoadImm { imm: ImmSrc::Func(off), .. } => pc.jump(off),
        _ => None,
    };
    let mut starts: Vec<u32> = prog.insns.iter().filter_map(target).map(|pc| pc.0).collect();
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    starts
}

const fn bit(reg: Reg) -> u16 {
    1 << reg.num()
}

fn src_bit(src: Src) -> u16 {
    match src {
        Src::Reg(reg) => bit(reg),
        Src::Imm(_) => 0,
    }
}

fn def_use(prog: &Prog, insn: &Insn) -> (u16, u16) {
    match *insn {
        Insn::LoadImm { dst, .. } => (bit(dst), 0),
        Insn::LoadAbs { .. } => (CALLER_SAVED, bit(Reg::R6)),
        Insn::LoadInd { src, .. } => (CALLER_SAVED, bit(Reg::R6) | bit(src)),
        Insn::Load { dst, base, .. }
        | Insn::LoadSx { dst, base, .. }
        | Insn::LoadAcquire { dst, base, .. } => (bit(dst), bit(base)),
        Insn::Store { base, src, .. } => (0, bit(base) | src_bit(src)),
        Insn::StoreRelease { base, src, .. } => (0, bit(base) | bit(src)),
        Insn::Atomic { op: AtomicOp::CmpXchg, base, src, .. } => {
            (bit(Reg::R0), bit(Reg::R0) | bit(base) | bit(src))
        }
        Insn::Atomic { op, base, src, .. } => {
            (if op.fetches() { bit(src) } else { 0 }, bit(base) | bit(src))
        }
        Insn::Swap { dst, .. } | Insn::Neg { dst, .. } => (bit(dst), bit(dst)),
        Insn::Alu { op: AluOp::Mov, dst, src, .. } => (bit(dst), src_bit(src)),
        Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => (bit(dst), bit(src)),
        Insn::Alu { dst, src, .. } => (bit(dst), bit(dst) | src_bit(src)),
        Insn::JumpIf { dst, src, .. } => (0, bit(dst) | src_bit(src)),
        Insn::JumpReg { dst } => (0, bit(dst)),
        Insn::Exit => (0, bit(Reg::R0)),
        Insn::Call(Call::Helper(id)) => {
            let proto = Helper::find(id.cast_unsigned())
                .and_then(|helper| helper.variant(prog.prog_type, prog.attach_type));
            (CALLER_SAVED, proto.map_or(0, |proto| ((1 << proto.args.len()) - 1) << 1))
        }
        Insn::Call(_) => (CALLER_SAVED, 0),
        _ => (0, 0),
    }
}
