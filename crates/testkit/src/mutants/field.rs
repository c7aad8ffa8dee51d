//! Where mutants live: a program whose maps are made once.

use crate::agreement::{Answer, Judge, Mode, Oracle, Ours, Prepared, Subject, judge_one};
use skep_isa::{Insns, RawInsn, SlotError};
use skep_prog::{Image, Prog};
use std::sync::Arc;

/// A subject in the kernel, whose instructions are replaced by others.
pub struct Field {
    /// What is replaced.
    pub subject: Subject,
    /// Its instructions, maps by index.
    pub insns: Vec<RawInsn>,
    prepared: Prepared,
}

impl Field {
    /// Makes the maps.
    ///
    /// # Errors
    /// Why the kernel's verifier cannot be asked.
    pub fn new(oracle: &mut Oracle<'_>, subject: Subject) -> Result<Self, String> {
        let prepared = oracle.prepare(&subject)?;
        let insns = subject.prog().insns.encode();
        Ok(Self { subject, insns, prepared })
    }

    /// Whether the kernel takes these instructions; the error number otherwise.
    pub fn kernel(
        &self,
        oracle: &mut Oracle<'_>,
        insns: &[RawInsn],
        mode: Mode,
    ) -> Result<(), i32> {
        let raw = self.numbered(insns);
        oracle.accepts(&self.prepared, &raw, mode).map_err(skep_abi::Errno::number)
    }

    /// The kernel's answer about these instructions, with a log.
    pub fn answer(&self, oracle: &mut Oracle<'_>, insns: &[RawInsn], mode: Mode) -> Answer {
        oracle.ask(&self.prepared, &self.numbered(insns), mode)
    }

    /// The other opinion.
    pub fn ours(&self, judge: &dyn Judge, insns: &[RawInsn], mode: Mode) -> Ours {
        match self.prog(insns) {
            Ok(prog) => judge_one(judge, &self.subject, &prog, mode),
            Err(why) => Ours::undecoded(&why),
        }
    }

    /// The program with these instructions.
    ///
    /// # Errors
    /// Why they are none.
    pub fn prog(&self, insns: &[RawInsn]) -> Result<Prog, SlotError> {
        let insns = Insns::decode(insns.iter().copied())?;
        let mut prog = self.subject.prog().clone();
        prog.insns = insns;
        Ok(prog)
    }

    /// An image of the program alone, with these instructions.
    #[must_use]
    pub fn image(&self, insns: &[RawInsn]) -> Option<Image> {
        let mut prog = self.prog(insns).ok()?;
        prog.lines = Arc::default();
        Some(Image { progs: vec![prog], ..(*self.subject.image).clone() })
    }

    /// The kernel's numbers in the place of indices.
    fn numbered(&self, insns: &[RawInsn]) -> Vec<RawInsn> {
        let same_len = insns.len() == self.insns.len();
        let number = |(at, &raw): (usize, &RawInsn)| {
            if same_len && raw == self.insns[at] {
                return self.prepared.raw[at];
            }
            if same_len && raw.code == 0x18 && self.insns[at].code == 0x18 {
                // Only where the address goes has changed.
                let known = self.prepared.raw[at];
                return RawInsn {
                    regs: RawInsn::new(0, raw.dst(), known.src(), 0, 0).regs,
                    ..known
                };
            }
            if raw.code == 0x18 && matches!(raw.src(), 5 | 6) {
                let found = self.prepared.fd(raw.imm);
                let regs = RawInsn::new(0, raw.dst(), raw.src() - 4, 0, 0).regs;
                return RawInsn { regs, imm: found.unwrap_or(-1), ..raw };
            }
            // Numbers of kernel functions: another slot holds the same call.
            if raw.code == 0x85
                && raw.src() == 2
                && let Some(at) = self.insns.iter().position(|other| *other == raw)
            {
                return self.prepared.raw[at];
            }
            raw
        };
        insns.iter().enumerate().map(number).collect()
    }
}
