//! The first pass: functions, what each needs, where jumps lead, and how long code can become at most.

use crate::code::CompileError;
use crate::surroundings::{Access, Surroundings};
use alloc::vec::Vec;
use skep_isa::{AluOp, Call, ImmSrc, Insn, Insns, Pc, Reg, Src, Width};

/// Callee-saved registers of BPF: r6 to r9, by bit 0 to 3.
pub(crate) type Saved = u8;

/// A function of the program: its slots are those from `start` to the next one's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Function {
    pub(crate) start: u32,
    /// Those of r6 to r9 that it writes.
    pub(crate) saved: Saved,
    /// It names r10.
    pub(crate) frame: bool,
    /// It calls something, so that the host's stack must be aligned.
    pub(crate) calls: bool,
    /// It has `may_goto`.
    pub(crate) may_goto: bool,
    /// It is called by an instruction, or its address is taken.
    pub(crate) called: bool,
}

/// What the first pass finds.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// In order of their start.
    pub(crate) functions: Vec<Function>,
    /// Most bytes that the code before a slot can have.
    pub(crate) most: Vec<u32>,
    /// Slots that control reaches from elsewhere.
    pub(crate) is_target: Vec<Target>,
    /// Whether something needs the environment.
    pub(crate) env: bool,
    /// Whether addresses of functions are taken.
    pub(crate) takes_addresses: bool,
}

/// How control reaches a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// From the slot before.
    #[default]
    No,
    /// Also from elsewhere.
    Jump,
    /// It heads a short loop.
    Loop,
    /// It starts a function.
    Function,
}

/// Slots of a loop that is worth aligning at most.
const SHORT_LOOP: u32 = 24;
/// To what multiple, and how many bytes that may take.
pub(crate) const ALIGN: (u32, u32) = (32, 21);

impl Shape {
    pub(crate) fn new(insns: &Insns, outside: &dyn Surroundings) -> Result<Self, CompileError> {
        let len = insns.len();
        let mut this = Self {
            most: Vec::with_capacity(len + 1),
            is_target: alloc::vec![Target::No; len],
            ..Self::default()
        };
        let mut starts = alloc::vec![0];
        this.find_targets(insns, &mut starts)?;
        starts.sort_unstable();
        starts.dedup();
        this.functions =
            starts.iter().map(|&start| Function { start, ..Function::default() }).collect();
        this.measure(insns, outside)?;
        Ok(this)
    }

    fn find_targets(&mut self, insns: &Insns, starts: &mut Vec<u32>) -> Result<(), CompileError> {
        for (pc, insn) in insns.iter() {
            let (to, kind) = match insn {
                Insn::Call(Call::Local(off)) => (pc.jump(off), Target::Function),
                Insn::LoadImm { imm: ImmSrc::Func(off), .. } => (pc.jump(off), Target::Function),
                insn => match insn.jump_off() {
                    Some(off) if off < 0 && off.unsigned_abs() <= SHORT_LOOP => {
                        (pc.jump(off), Target::Loop)
                    }
                    Some(off) => (pc.jump(off), Target::Jump),
                    None => continue,
                },
            };
            let to = to.filter(|&to| insns.get(to).is_some()).ok_or(CompileError::Flow { pc })?;
            if let Some(slot) = self.is_target.get_mut(to.index()) {
                *slot = kind.max(*slot);
            }
            if kind == Target::Function {
                starts.push(to.0);
            }
        }
        Ok(())
    }

    fn measure(&mut self, insns: &Insns, outside: &dyn Surroundings) -> Result<(), CompileError> {
        let mut at = 0;
        let mut most = 64;
        let mut function = Function::default();
        let mut last = None;
        for slot in 0..u32::try_from(insns.len()).unwrap_or(u32::MAX) {
            let pc = Pc(slot);
            if self.functions.get(at).is_some_and(|next| next.start == slot) {
                self.close(at, function, last)?;
                function = Function::default();
                at += 1;
                most += PROLOGUE;
            }
            if self.is_target.get(pc.index()) == Some(&Target::Loop) {
                most += ALIGN.1;
            }
            self.most.push(most);
            let Some(insn) = insns.get(pc) else { continue };
            last = Some((pc, *insn));
            most += function.add(insn) + self.outside(pc, insn, outside, &mut function);
            if let Some(off) = insn.jump_off() {
                self.stays(pc, off, at)?;
            }
        }
        self.most.push(most);
        self.close(at, function, last)?;
        for slot in 0..insns.len() {
            let pc = Pc(u32::try_from(slot).unwrap_or(u32::MAX));
            let to = match insns.get(pc) {
                Some(Insn::Call(Call::Local(off))) => pc.jump(*off),
                Some(Insn::LoadImm { imm: ImmSrc::Func(off), .. }) => {
                    (self.takes_addresses, self.env) = (true, true);
                    pc.jump(*off)
                }
                _ => continue,
            };
            let at = self.functions.partition_point(|function| Some(Pc(function.start)) < to);
            if let Some(function) = self.functions.get_mut(at) {
                function.called = true;
            }
        }
        Ok(())
    }

    /// Whether a jump stays in the function before `next`.
    fn stays(&self, pc: Pc, off: i32, next: usize) -> Result<(), CompileError> {
        let to = pc.jump(off).unwrap_or_default().0;
        let start = self.functions.get(next.wrapping_sub(1)).map_or(0, |function| function.start);
        let end = self.functions.get(next).map_or(u32::MAX, |function| function.start);
        if (start..end).contains(&to) { Ok(()) } else { Err(CompileError::Flow { pc }) }
    }

    /// Puts away what is known of the function before `next`.
    fn close(
        &mut self,
        next: usize,
        function: Function,
        last: Option<(Pc, Insn)>,
    ) -> Result<(), CompileError> {
        if let Some((pc, insn)) = last
            && insn.falls_through()
        {
            return Err(CompileError::Flow { pc });
        }
        if let Some(slot) = next.checked_sub(1).and_then(|at| self.functions.get_mut(at)) {
            *slot = Function { start: slot.start, ..function };
        }
        Ok(())
    }

    /// Bytes more that an instruction takes because of its surroundings.
    fn outside(
        &mut self,
        pc: Pc,
        insn: &Insn,
        outside: &dyn Surroundings,
        function: &mut Function,
    ) -> u32 {
        let bridged = match insn {
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } => true,
            Insn::Load { .. } | Insn::LoadSx { .. } | Insn::Store { .. } => {
                outside.access(pc) == Access::Bridged
            }
            Insn::Call(Call::Local(_)) => {
                function.calls = true;
                return 0;
            }
            Insn::Call(_) => {
                function.calls = true;
                // Callees that need no environment are found in the second pass; it does no harm.
                self.env |= !matches!(
                    outside.call(pc, if let Insn::Call(call) = insn { *call } else { return 0 }),
                    Ok(crate::Callee::Function(_)
                        | crate::Callee::Array(_)
                        | crate::Callee::Constant(_))
                );
                return 0;
            }
            _ => false,
        };
        if bridged {
            (self.env, function.calls) = (true, true);
            return BRIDGED;
        }
        0
    }
}

/// Most bytes at the start of a function.
const PROLOGUE: u32 = 96;
/// Most bytes of an access by the bridge.
const BRIDGED: u32 = 64;

impl Function {
    /// Notes what an instruction needs, and says how long its code can be.
    fn add(&mut self, insn: &Insn) -> u32 {
        let mut write = |reg: Reg| {
            if (6..10).contains(&reg.num()) {
                self.saved |= 1 << (reg.num() - 6);
            }
        };
        match *insn {
            Insn::Alu { width, op, dst, src } => {
                write(dst);
                self.frame |= src == Src::Reg(Reg::FP);
                most_of_alu(width, op, src)
            }
            Insn::MovSx { dst, src, .. } => {
                write(dst);
                self.frame |= src == Reg::FP;
                4
            }
            Insn::Neg { dst, .. } => {
                write(dst);
                3
            }
            Insn::Swap { dst, .. } => {
                write(dst);
                9
            }
            Insn::AddrSpaceCast { dst, .. } => {
                write(dst);
                0
            }
            Insn::LoadImm { dst, .. } => {
                write(dst);
                10
            }
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } => EXIT,
            Insn::Load { dst, base, .. }
            | Insn::LoadSx { dst, base, .. }
            | Insn::LoadAcquire { dst, base, .. } => {
                write(dst);
                self.frame |= base == Reg::FP;
                9
            }
            Insn::Store { base, src, .. } => {
                self.frame |= base == Reg::FP || src == Src::Reg(Reg::FP);
                12
            }
            Insn::StoreRelease { base, src, .. } => {
                self.frame |= base == Reg::FP || src == Reg::FP;
                9
            }
            Insn::Atomic { op, base, src, .. } => {
                if op.fetches() {
                    write(src);
                }
                self.frame |= base == Reg::FP || src == Reg::FP;
                48
            }
            Insn::JumpIf { dst, src, .. } => {
                self.frame |= dst == Reg::FP || src == Src::Reg(Reg::FP);
                14
            }
            Insn::Jump { .. } | Insn::JumpLong { .. } => 5,
            Insn::Static { .. } | Insn::StaticLong { .. } => 5,
            Insn::JumpReg { .. } => 0,
            Insn::MayGoto { .. } => {
                self.may_goto = true;
                16
            }
            Insn::Call(_) => 80,
            Insn::Exit => EXIT,
        }
    }
}

/// Most bytes of an exit.
const EXIT: u32 = 32;

const fn most_of_alu(width: Width, op: AluOp, src: Src) -> u32 {
    match (op, src) {
        (AluOp::Div | AluOp::Mod | AluOp::SDiv | AluOp::SMod, _) => 80,
        (AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, Src::Reg(_)) => 14,
        (_, Src::Imm(_)) => 7,
        (_, Src::Reg(_)) if matches!(width, Width::W32) => 4,
        (_, Src::Reg(_)) => 4,
    }
}
