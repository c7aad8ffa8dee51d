//! One instruction: which rules look at it.

use crate::reject::{Res, reject};
use crate::rule::Rule;
use crate::verifier::{Next, Verifier};
use skep_isa::{Insn, Pc};

impl Verifier<'_> {
    /// Follows the current instruction. Kernel: `do_check_insn`.
    pub(crate) fn step(&mut self) -> Res<Next> {
        let insn = self.insn(self.pc);
        self.check_known(&insn)?;
        match insn {
            Insn::Alu { width, op, dst, src } => self.check_alu(width, op, dst, src)?,
            Insn::MovSx { width, from, dst, src } => self.check_mov_sx(width, from, dst, src)?,
            Insn::Neg { width, dst } => self.check_neg(width, dst)?,
            Insn::Swap { kind, size, dst } => self.check_swap(kind, size, dst)?,
            Insn::AddrSpaceCast { cast, dst, src } => self.check_addr_space_cast(cast, dst, src)?,
            Insn::LoadImm { dst, imm } => self.check_load_imm(dst, imm)?,
            Insn::LoadAbs { size, imm } => return self.check_ld_abs(size, None, imm),
            Insn::LoadInd { size, src, imm } => return self.check_ld_abs(size, Some(src), imm),
            Insn::Load { size, dst, base, off } => self.check_load(dst, base, off, size, false)?,
            Insn::LoadSx { size, dst, base, off } => self.check_load(dst, base, off, size, true)?,
            Insn::Store { size, base, off, src } => self.check_store(base, off, size, src)?,
            Insn::Atomic { size, op, base, off, src } => {
                self.check_atomic(op, base, off, size, src)?;
            }
            Insn::LoadAcquire { size, dst, base, off } => {
                self.check_load_acquire(dst, base, off, size)?;
            }
            Insn::StoreRelease { size, base, off, src } => {
                self.check_store_release(base, off, size, src)?;
            }
            Insn::JumpIf { width, op, dst, src, off } => {
                self.jmps_processed += 1;
                return self.check_jump_if(width, op, dst, src, off);
            }
            Insn::MayGoto { off } => {
                self.jmps_processed += 1;
                return self.check_may_goto(off);
            }
            Insn::Jump { .. } | Insn::JumpLong { .. } => {
                self.jmps_processed += 1;
                let off = insn.jump_off().unwrap_or(0);
                return self.jump(off);
            }
            Insn::Call(call) => {
                self.jmps_processed += 1;
                return self.check_call(call);
            }
            Insn::Exit => {
                self.jmps_processed += 1;
                return self.check_exit();
            }
            Insn::JumpReg { .. } | Insn::Static { .. } | Insn::StaticLong { .. } => {
                return reject(Rule::InsnEncoding, "BPF_JA uses reserved fields");
            }
        }
        Ok(Next::Fall)
    }

    /// Older releases take new uses of codes that they know for mistakes in fields.
    fn check_known(&self, insn: &Insn) -> Res<()> {
        if self.is_known(insn) {
            return Ok(());
        }
        let text = match insn {
            Insn::LoadAcquire { .. } | Insn::StoreRelease { .. } | Insn::Atomic { .. } => {
                format!("BPF_ATOMIC uses invalid atomic opcode {:02x}", insn.encode().0.imm)
            }
            Insn::Call(_) => "BPF_CALL uses reserved fields".into(),
            Insn::LoadImm { .. } => "invalid bpf_ld_imm64 insn".into(),
            Insn::MovSx { .. } | Insn::AddrSpaceCast { .. } => {
                "BPF_MOV uses reserved fields".into()
            }
            _ => "BPF_ALU uses reserved fields".into(),
        };
        reject(Rule::InsnEncoding, text)
    }

    /// Goes to `pc + 1 + off`, which was checked to be inside the function.
    pub(crate) fn jump(&mut self, off: i32) -> Res<Next> {
        match Pc(self.pc).jump(off) {
            Some(to) => {
                self.pc = to.0;
                Ok(Next::Jump)
            }
            None => reject(Rule::Internal, "jump out of range"),
        }
    }
}
