//! The first pass: functions, what each needs, where jumps lead, and how long code can become at most.

use crate::code::CompileError;
use crate::surroundings::{Access, Callee, Surroundings};
use alloc::vec::Vec;
use skep_isa::{AluOp, Call, ImmSrc, Insn, Insns, Pc, Reg, Src};

/// Registers that a function saves: those that hold r6 to r9, by bit 0 to 3, and above them what else a processor has.
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
    /// It leaves its code but to return, so that what is kept in registers has to be saved there.
    pub(crate) has_calls: bool,
    /// It has `may_goto`.
    pub(crate) may_goto: bool,
    /// It is called by an instruction, or its address is taken.
    pub(crate) called: bool,
    /// Words of the host's stack for values that have no register.
    pub(crate) spills: u32,
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
    /// Of each slot, the jumps that lead there, as far as that matters.
    pub(crate) sources: Vec<u8>,
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

/// How long the code for a processor can be, in bytes.
pub(crate) trait Lengths {
    /// What aligns the head of a short loop.
    const ALIGN: u32;
    /// The start of a function.
    const PROLOGUE: u32;
    /// What an access takes that is done by the bridge.
    const BRIDGED: u32;
    /// What an access or a call takes more that code checks.
    const CHECKED: u32;
    /// What a tail call takes more by an array that is known.
    const TAIL_CALL: u32;
    /// What a look-up in an array takes more whose values differ by CPU.
    const PER_CPU: u32;
    /// What a call takes more that copies.
    const PROBE: u32;
    /// What a loop of calls takes more.
    const CALLBACK_LOOP: u32;
    /// The same over a map.
    const EACH: u32;
    /// What an instruction takes more where numbers are blinded or jumps guarded.
    const HARDENED: u32;
    /// What surrounds a loop whose turns are told from a register.
    const COUNTED: u32;
    /// What the meter takes for a block, calls included.
    const CHARGE: u32;

    /// An instruction, if its access is plain.
    fn most(insn: &Insn) -> u32;
}

impl Shape {
    pub(crate) fn new<L: Lengths, O: Surroundings + ?Sized>(
        insns: &Insns,
        outside: &O,
    ) -> Result<Self, CompileError> {
        let len = insns.len();
        let mut this = Self {
            most: Vec::with_capacity(len + 1),
            is_target: alloc::vec![Target::No; len],
            sources: alloc::vec![0; len],
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
        this.measure::<L, O>(insns, outside)?;
        if outside.style().metered {
            this.env = true;
            // The meter may call from anywhere.
            this.functions.iter_mut().for_each(|function| function.calls = true);
        }
        if outside.checks() {
            this.env = true;
            // Frames are told from r10, and any access or call may have to be left to others.
            this.functions.iter_mut().for_each(|function| {
                (function.frame, function.calls) = (true, true);
            });
        }
        if outside.keeps_frames() {
            this.functions.iter_mut().for_each(|function| function.frame = true);
        }
        // The main function sets the frame pointer that the others go down from.
        let frames = this.functions.iter().any(|function| function.frame);
        if let Some(main) = this.functions.first_mut() {
            main.frame |= frames;
        }
        Ok(this)
    }

    /// Most bytes from one slot to another behind it.
    #[inline]
    pub(crate) fn between(&self, from: Pc, to: Pc) -> u32 {
        let most = |pc: Pc| self.most.get(pc.index()).copied().unwrap_or(u32::MAX);
        most(to).wrapping_sub(most(from))
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
            if let Some(sources) = self.sources.get_mut(to.index()) {
                *sources = sources.saturating_add(1);
            }
            if kind == Target::Function {
                starts.push(to.0);
            }
        }
        Ok(())
    }

    fn measure<L: Lengths, O: Surroundings + ?Sized>(
        &mut self,
        insns: &Insns,
        outside: &O,
    ) -> Result<(), CompileError> {
        let charge = if outside.style().metered { L::CHARGE } else { 0 };
        let is_hardened = outside.style().blinding.is_some() || outside.style().retpolines;
        let more = if is_hardened { L::HARDENED } else { 0 };
        let checked = if outside.checks() { L::CHECKED } else { 0 };
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
                most += L::PROLOGUE;
                start = slot;
                end = self.functions.get(at).map_or(u32::MAX, |function| function.start);
            }
            if target == Target::Loop {
                // Where accesses are checked before loops, both may come before one.
                let before = if charge + checked > 0 { L::COUNTED } else { 0 };
                most += L::ALIGN + before + checked;
            }
            if target != Target::No {
                most += charge;
            }
            self.most.push(most);
            let pc = Pc(slot);
            let Some(insn) = insns.get(pc) else { continue };
            last = Some((pc, insn));
            function.note(insn);
            most += L::most(insn) + more;
            if crate::meter::ends_block(insn) {
                most += charge;
            }
            match insn {
                insn if checked > 0 && insn.is_access() => most += checked,
                // The host's address of the frame becomes the program's.
                Insn::Alu { op: AluOp::Mov, src: Src::Reg(Reg::FP), .. } => most += checked,
                insn if insn.is_access() => match outside.access(pc) {
                    Access::Plain | Access::Pointer { .. } => {}
                    Access::Bridged | Access::Probed { .. } | Access::Arena => {
                        (self.env, function.calls, function.has_calls) = (true, true, true);
                        most += L::BRIDGED;
                    }
                    Access::Refused => {
                        let what = "an access through a pointer of this kind";
                        return Err(CompileError::Unsupported { pc, what });
                    }
                },
                Insn::LoadAbs { .. } | Insn::LoadInd { .. } => {
                    (self.env, function.calls, function.has_calls) = (true, true, true);
                    most += L::BRIDGED;
                }
                Insn::Call(call) => {
                    function.calls = true;
                    most += checked;
                    let callee = (!matches!(call, Call::Local(_))).then(|| outside.call(pc, *call));
                    let is_alone = matches!(callee, Some(Ok(Callee::Function(_))));
                    let is_inline = !callee.is_none_or(needs_env) && !is_alone;
                    self.env |= callee.is_some_and(needs_env);
                    function.has_calls |= !is_inline;
                    if let Some(Ok(Callee::TailCall { array: Some(_), .. })) = callee {
                        most += L::TAIL_CALL;
                    }
                    if callee.is_some_and(is_per_cpu) {
                        most += L::PER_CPU;
                    }
                    if let Some(Ok(Callee::Probe(_))) = callee {
                        most += L::PROBE;
                    }
                    if let Some(Ok(Callee::Loop(_))) = callee {
                        most += L::CALLBACK_LOOP;
                    }
                    if let Some(Ok(Callee::Each(..))) = callee {
                        most += L::EACH;
                    }
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

/// Whether a call of something outside needs the environment.
fn needs_env(callee: Result<Callee, &'static str>) -> bool {
    is_per_cpu(callee)
        || !matches!(callee, Ok(Callee::Function(_) | Callee::Array(_) | Callee::Constant(_)))
}

/// Whether a call gives what differs by CPU.
fn is_per_cpu(callee: Result<Callee, &'static str>) -> bool {
    matches!(callee, Ok(Callee::Array(array)) if array.cpu_stride > 0)
}

impl Function {
    /// Notes what an instruction needs.
    #[inline(always)]
    fn note(&mut self, insn: &Insn) {
        if let Some(written) = insn.writes()
            && (6..10).contains(&written.num())
        {
            self.saved |= 1 << (written.num() - 6);
        }
        self.frame |= match *insn {
            Insn::Alu { src, .. } => src == Src::Reg(Reg::FP),
            Insn::MovSx { src, .. } => src == Reg::FP,
            Insn::Load { base, .. }
            | Insn::LoadSx { base, .. }
            | Insn::LoadAcquire { base, .. } => base == Reg::FP,
            Insn::Store { base, src, .. } => base == Reg::FP || src == Src::Reg(Reg::FP),
            Insn::StoreRelease { base, src, .. } | Insn::Atomic { base, src, .. } => {
                base == Reg::FP || src == Reg::FP
            }
            Insn::JumpIf { dst, src, .. } => dst == Reg::FP || src == Src::Reg(Reg::FP),
            _ => false,
        };
        self.may_goto |= matches!(insn, Insn::MayGoto { .. });
    }
}
