//! Programs and what surrounds them.

use skep_abi::ProgType;
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc, Reg, Size, Src, Swap, Width, table};
use skep_jit::{Access, ArrayLookup, CallbackLoop, Callee, Probe, ProgSlots, Style, Surroundings};
use skep_prog::Prog;

/// Everything that can surround a program, by the number of the helper and of the slot.
pub(crate) struct All {
    /// Its instructions are counted, its numbers blinded, its jumps guarded.
    pub(crate) is_hardened: bool,
    /// Its accesses are checked.
    pub(crate) is_checked: bool,
}

pub(crate) const ALL: All = All { is_hardened: false, is_checked: false };
pub(crate) const HARDENED: All = All { is_hardened: true, is_checked: false };
pub(crate) const CHECKED: All = All { is_hardened: false, is_checked: true };
pub(crate) const BOTH: All = All { is_hardened: true, is_checked: true };

const fn array(stride: u32, len: u32, cpu_stride: u32) -> ArrayLookup {
    ArrayLookup { base: 1 << 40, stride, len, cpu_stride }
}

const CALLBACK: CallbackLoop = CallbackLoop { id: 7, start: Pc(0), frames: 8 };

impl Surroundings for All {
    fn imm(&self, _: Pc, _: ImmSrc) -> Result<u64, &'static str> {
        Ok(0x1234_5678_9abc)
    }

    fn call(&self, _: Pc, call: Call) -> Result<Callee, &'static str> {
        Ok(match call {
            Call::Helper(1) => Callee::Array(array(24, 7, 0)),
            Call::Helper(2) => Callee::Array(array(8, 1000, 0)),
            Call::Helper(7) => Callee::Array(array(24, 7, 0x1234_5678)),
            Call::Helper(3) => Callee::Function(0x7fff_1234_5678),
            Call::Helper(4) => Callee::Constant(7),
            Call::Helper(5) => Callee::WithContext { function: 1 << 45, context: 1 << 44 },
            Call::Helper(6) => Callee::Cpu,
            Call::Helper(12) => Callee::TailCall { id: 5, array: None },
            Call::Helper(13) => {
                let array = Some(ProgSlots { base: 1 << 40, len: 1000 });
                Callee::TailCall { id: 5, array }
            }
            Call::Helper(14) => Callee::Loop(CALLBACK),
            Call::Helper(16) => Callee::Each(CALLBACK, array(24, 1_000_000, 0)),
            Call::Helper(17) => Callee::Each(CALLBACK, array(8, 7, 0x1234_5678)),
            Call::Helper(18) => Callee::Probe(Probe { id: 8, bytes: 41, check: 3 }),
            Call::Helper(19) => Callee::Probe(Probe { id: 8, bytes: 8, check: 3 }),
            _ => Callee::Bridge(6),
        })
    }

    fn access(&self, pc: Pc) -> Access {
        match pc.0 % 4 {
            0 => Access::Plain,
            1 => Access::Bridged,
            2 => Access::Pointer { off: -64 },
            _ => Access::Probed { check: 5 },
        }
    }

    fn has_tail_calls(&self) -> bool {
        true
    }

    fn zeroes_stack(&self) -> bool {
        true
    }

    fn checks(&self) -> bool {
        self.is_checked
    }

    fn style(&self) -> Style {
        let blinding = self.is_hardened.then_some(0x1234_5678_9abc_def0);
        Style { metered: self.is_hardened, blinding, retpolines: self.is_hardened }
    }
}

pub(crate) fn prog(insns: Insns) -> Prog {
    Prog::new("read", ProgType::SchedCls, insns)
}

/// One of each, with registers, sizes and numbers that change along.
pub(crate) fn everything() -> Insns {
    let mut insns = Vec::new();
    for n in 0..10u8 {
        let (dst, other) = (Reg::new(n).unwrap(), Reg::new((n + 3) % 10).unwrap());
        let imm = [0, 1, -1, 127, 128, -129, i32::MAX, i32::MIN, 8, 1000][usize::from(n)];
        for width in [Width::W32, Width::W64] {
            for op in table::ALU.map(|row| row.op) {
                for src in [Src::Reg(other), Src::Reg(dst), Src::Imm(imm)] {
                    insns.push(Insn::Alu { width, op, dst, src });
                }
            }
            for op in table::COND.map(|row| row.op) {
                for src in [Src::Reg(other), Src::Imm(imm)] {
                    for off in [0, 1] {
                        insns.push(Insn::JumpIf { width, op, dst, src, off });
                    }
                }
            }
            insns.push(Insn::Neg { width, dst });
            insns.push(Insn::MovSx { width, from: Size::B, dst, src: other });
            insns.push(Insn::MovSx { width, from: Size::H, dst, src: other });
        }
        for size in [Size::B, Size::H, Size::W, Size::Dw] {
            for off in [0, 8, -200] {
                insns.push(Insn::Load { size, dst, base: other, off });
                insns.push(Insn::Store { size, base: other, off, src: Src::Reg(dst) });
                insns.push(Insn::Store { size, base: dst, off, src: Src::Imm(imm) });
                insns.push(Insn::LoadAcquire { size, dst, base: other, off });
                insns.push(Insn::StoreRelease { size, base: other, off, src: dst });
                if size != Size::Dw {
                    insns.push(Insn::LoadSx { size, dst, base: other, off });
                }
            }
            if size != Size::Dw {
                insns.push(Insn::LoadAbs { size, imm });
                insns.push(Insn::LoadInd { size, src: other, imm });
            }
            if size != Size::B {
                for kind in [Swap::Le, Swap::Be, Swap::Always] {
                    insns.push(Insn::Swap { kind, size, dst });
                }
            }
        }
        for size in [Size::W, Size::Dw] {
            for op in table::ATOMIC.map(|row| row.op) {
                insns.push(Insn::Atomic { size, op, base: other, off: 8, src: dst });
            }
        }
        insns.push(Insn::Store { size: Size::Dw, base: Reg::FP, off: -8, src: Src::Reg(dst) });
        insns.push(Insn::LoadImm { dst, imm: ImmSrc::Value(u64::MAX / 3) });
        insns.push(Insn::MayGoto { off: 0 });
        insns.push(Insn::JumpLong { off: 0 });
        for id in (1..=7).chain(12..=19) {
            insns.push(Insn::Call(Call::Helper(id)));
        }
    }
    insns.push(Insn::Exit);
    insns.into_iter().collect()
}
