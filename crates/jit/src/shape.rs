//! The first pass: functions, what each needs, where jumps lead, and how long code can become at most.

use crate::code::CompileError;
use crate::surroundings::{Access, Callee, Surroundings};
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
    pub(crate) fn new<O: Surroundings + ?Sized>(
        insns: &Insns,
        outside: &O,
    ) -> Result<Self, CompileError> {
        let len = insns.len();
        let mut this = Self {
            most: Vec::with_capacity(len + 1),
            is_target: alloc::vec![Target::No; len],
            ..Self::default()
        };
        let mut starts = alloc::vec![0];
        this.find_targets(insns, &mut starts)?;
        let called = starts.get(1..).unwrap_or_default().contains(&0);
        starts.sort_unstable();
        starts.dedup();
        let function =
            |&start: &u32| Function { start, called: start > 0 || called, ..Function::default() };
        this.functions = starts.iter().map(function).collect();
        this.measure(insns, outside)?;
        if outside.meter().is_some() {
            this.env = true;
            // The meter may call from anywhere.
            this.functions.iter_mut().for_each(|function| function.calls = true);
        }
        // The main function sets the frame pointer that the others go down from.
        let frames = this.functions.iter().any(|function| function.frame);
        if let Some(main) = this.functions.first_mut() {
            main.frame |= frames;
        }
        Ok(this)
    }

    fn find_targets(&mut self, insns: &Insns, starts: &mut Vec<u32>) -> Result<(), CompileError> {
        for (pc, insn) in insns.iter() {
            let (off, kind) = match insn {
                Insn::JumpIf { off, .. } | Insn::Jump { off } | Insn::MayGoto { off } => {
                    (off.into(), Target::Jump)
                }
                Insn::Call(Call::Local(off)) => (off, Target::Function),
                Insn::LoadImm { imm: ImmSrc::Func(off), .. } => {
                    self.env = true;
                    (off, Target::Function)
                }
                insn => match insn.jump_off() {
                    Some(off) => (off, Target::Jump),
                    None => continue,
                },
            };
            let is_loop = off < 0 && off.unsigned_abs() <= SHORT_LOOP && kind == Target::Jump;
            let kind = if is_loop { Target::Loop } else { kind };
            let to = pc.jump(off).filter(|&to| insns.get(to).is_some());
            let to = to.ok_or(CompileError::Flow { pc })?;
            if let Some(slot) = self.is_target.get_mut(to.index()) {
                *slot = kind.max(*slot);
            }
            if kind == Target::Function {
                starts.push(to.0);
            }
        }
        Ok(())
    }

    fn measure<O: Surroundings + ?Sized>(
        &mut self,
        insns: &Insns,
        outside: &O,
    ) -> Result<(), CompileError> {
        let charge = if outside.meter().is_some() { CHARGE } else { 0 };
        let mut at = 0;
        let mut most = 64;
        let mut function = Function::default();
        let mut last = None;
        let (mut start, mut end) = (0, 0);
        for (slot, &target) in (0..).zip(&self.is_target) {
            if slot == end {
                close(&mut self.functions, at, function, last)?;
                function = Function::default();
                at += 1;
                most += PROLOGUE;
                start = slot;
                end = self.functions.get(at).map_or(u32::MAX, |function| function.start);
            }
            if target == Target::Loop {
                most += ALIGN.1;
            }
            if target != Target::No {
                most += charge;
            }
            self.most.push(most);
            let pc = Pc(slot);
            let Some(insn) = insns.get(pc) else { continue };
            last = Some((pc, insn));
            most += function.add(insn);
            if crate::meter::ends_block(insn) {
                most += charge;
            }
            match insn {
                Insn::Load { .. }
                | Insn::LoadSx { .. }
                | Insn::LoadAcquire { .. }
                | Insn::Store { .. }
                | Insn::StoreRelease { .. }
                | Insn::Atomic { .. } => match outside.access(pc) {
                    Access::Plain | Access::Pointer { .. } => {}
                    Access::Bridged => {
                        (self.env, function.calls) = (true, true);
                        most += BRIDGED;
                    }
                    Access::Refused => {
                        let what = "an access through a pointer of this kind";
                        return Err(CompileError::Unsupported { pc, what });
                    }
                },
                Insn::LoadAbs { .. } | Insn::LoadInd { .. } => {
                    (self.env, function.calls) = (true, true);
                    most += BRIDGED;
                }
                Insn::Call(call) => {
                    function.calls = true;
                    self.env |= needs_env(pc, *call, outside);
                }
                insn => {
                    if let Some(off) = insn.jump_off() {
                        let to = pc.jump(off).unwrap_or_default().0;
                        if !(start..end).contains(&to) {
                            return Err(CompileError::Flow { pc });
                        }
                    }
                }
            }
        }
        self.most.push(most);
        close(&mut self.functions, at, function, last)
    }
}

/// Puts away what is known of the function before `next`.
fn close(
    functions: &mut [Function],
    next: usize,
    function: Function,
    last: Option<(Pc, &Insn)>,
) -> Result<(), CompileError> {
    if let Some((pc, insn)) = last
        && insn.falls_through()
    {
        return Err(CompileError::Flow { pc });
    }
    if let Some(slot) = next.checked_sub(1).and_then(|at| functions.get_mut(at)) {
        *slot = Function { start: slot.start, called: slot.called, ..function };
    }
    Ok(())
}

/// Whether a call needs the environment.
fn needs_env<O: Surroundings + ?Sized>(pc: Pc, call: Call, outside: &O) -> bool {
    let is_free =
        |callee| matches!(callee, Callee::Function(_) | Callee::Array(_) | Callee::Constant(_));
    !matches!(call, Call::Local(_)) && !outside.call(pc, call).is_ok_and(is_free)
}

/// Most bytes at the start of a function.
const PROLOGUE: u32 = 72;
/// Most bytes of an access by the bridge.
const BRIDGED: u32 = 48;
/// Most bytes that the meter takes for a block, calls included.
const CHARGE: u32 = 32;

impl Function {
    /// Notes what an instruction needs, and says how long its code can be.
    #[inline(always)]
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
            Insn::Call(_) => 48,
            Insn::Exit => EXIT,
        }
    }
}

/// Most bytes of an exit.
const EXIT: u32 = 20;

const fn most_of_alu(width: Width, op: AluOp, src: Src) -> u32 {
    match (op, src) {
        (AluOp::Div | AluOp::Mod | AluOp::SDiv | AluOp::SMod, _) => 56,
        (AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, Src::Reg(_)) => 14,
        (_, Src::Imm(_)) => 7,
        (_, Src::Reg(_)) if matches!(width, Width::W32) => 4,
        (_, Src::Reg(_)) => 4,
    }
}
