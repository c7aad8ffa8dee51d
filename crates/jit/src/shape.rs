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
    /// Whether there are heads of short loops.
    has_loops: bool,
    /// What may lie before one beside the account, and what that takes for a block.
    before_loop: u32,
    charge: u32,
    /// Whether bytes are swapped somewhere.
    pub(crate) has_swaps: bool,
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
pub(crate) const SHORT_LOOP: u32 = 24;

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

    /// Arithmetic by operation, with a number and with a register.
    const ALU: [[u8; 2]; 16];
    /// A plain load.
    const LOAD: u32;
    /// A plain store.
    const STORE: u32;
    /// A jump on a condition.
    const JUMP_IF: u32;

    /// An instruction of another kind, if its access is plain.
    fn most(insn: &Insn) -> u32;
}

impl Shape {
    pub(crate) fn new<L: Lengths, O: Surroundings + ?Sized>(
        insns: &Insns,
        outside: &O,
    ) -> Result<Self, CompileError> {
        let mut starts = Vec::new();
        let mut this = Self::empty(insns.len(), &starts);
        // Calls that lead back start functions in what has been passed; the second time they are known.
        if !this.walk::<L, O>(insns, outside, &mut starts)? {
            this = Self::empty(insns.len(), &starts);
            this.walk::<L, O>(insns, outside, &mut starts)?;
        }
        this.add_targets::<L, O>(outside);
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
            main.called = starts.contains(&Pc(0));
        }
        Ok(this)
    }

    /// Before the walk, when some starts of functions may be known.
    fn empty(len: usize, starts: &[Pc]) -> Self {
        let mut this =
            Self { is_target: filled(len, Target::No), sources: filled(len, 0), ..Self::default() };
        for start in starts {
            if let Some(slot) = this.is_target.get_mut(start.index()) {
                *slot = Target::Function;
            }
        }
        this
    }

    /// Most bytes from the end of what comes before one slot to another behind it.
    #[inline]
    pub(crate) fn between(&self, from: Pc, to: Pc) -> u32 {
        let most = |pc: Pc| self.most.get(pc.index()).copied().unwrap_or(u32::MAX);
        let is_loop = self.is_target.get(from.index()) == Some(&Target::Loop);
        let before = self.charge + if is_loop { self.before_loop } else { 0 };
        most(to).wrapping_sub(most(from)).saturating_add(before)
    }

    /// Looks at each instruction once, and says whether all starts of functions were known before they came; those that
    /// were not are added to `starts`. Of what lies before targets of jumps, nothing is counted yet.
    fn walk<L: Lengths, O: Surroundings + ?Sized>(
        &mut self,
        insns: &Insns,
        outside: &O,
        starts: &mut Vec<Pc>,
    ) -> Result<bool, CompileError> {
        let style = outside.style();
        let charge = if style.metered { L::CHARGE } else { 0 };
        let is_hardened = style.blinding.is_some() || style.retpolines;
        let more = if is_hardened { L::HARDENED } else { 0 };
        let checked = if outside.checks() { L::CHECKED } else { 0 };
        let mut are_known = true;
        let mut most = 64 + L::PROLOGUE;
        let slots = insns.slots();
        let mut all = filled(slots.len() + 1, 0);
        let mut is_target = core::mem::take(&mut self.is_target);
        let mut sources = core::mem::take(&mut self.sources);
        // As long as each other, so that nothing has to be compared with their lengths.
        let targets = is_target.get_mut(..slots.len()).unwrap_or_default();
        let mosts = all.get_mut(..slots.len()).unwrap_or_default();
        let mut open = Function::default();
        let mut named = Named::default();
        let mut furthest = (Pc(0), Pc(0));
        for at in 0..slots.len() {
            let (Some(insn), Some(place)) = (slots.get(at), mosts.get_mut(at)) else { break };
            #[expect(clippy::cast_possible_truncation, reason = "slots have numbers of 32 bits")]
            let pc = Pc(at as u32);
            if targets.get(at) == Some(&Target::Function) && at > 0 {
                self.functions.push(close(insns, open, named, furthest, pc)?);
                open = Function { start: pc.0, called: true, ..Function::default() };
                (named, furthest) = (Named::default(), (pc, pc));
                most += L::PROLOGUE;
            }
            *place = most;
            let Some(insn) = insn else { continue };
            // The first four are most instructions of most programs.
            let (off, kind) = match *insn {
                Insn::Alu { op, dst, src, .. } => {
                    let [number, reg] = L::ALU[op as usize & 15];
                    most += more + u32::from(if let Src::Reg(_) = src { reg } else { number });
                    named.writes(dst);
                    named.reads_src(src);
                    if checked > 0 && op == AluOp::Mov && src == Src::Reg(Reg::FP) {
                        // The host's address of the frame becomes the program's.
                        most += checked;
                    }
                    continue;
                }
                Insn::Load { dst, base, .. } => {
                    named.writes(dst);
                    named.reads(base);
                    most += L::LOAD + more;
                    most += self.access::<L, O>(outside, pc, &mut open, checked)?;
                    continue;
                }
                Insn::Store { base, src, .. } => {
                    named.reads(base);
                    named.reads_src(src);
                    most += L::STORE + more;
                    most += self.access::<L, O>(outside, pc, &mut open, checked)?;
                    continue;
                }
                Insn::JumpIf { dst, src, off, .. } => {
                    named.reads(dst);
                    named.reads_src(src);
                    most += L::JUMP_IF + more + charge;
                    (off.into(), Target::Jump)
                }
                ref insn => {
                    most += L::most(insn) + more;
                    named.note(insn);
                    open.may_goto |= matches!(insn, Insn::MayGoto { .. });
                    self.has_swaps |= matches!(insn, Insn::Swap { .. });
                    if crate::meter::ends_block(insn) {
                        most += charge;
                    }
                    if insn.is_access() {
                        most += self.access::<L, O>(outside, pc, &mut open, checked)?;
                    }
                    most += self.call::<L, O>(outside, pc, insn, &mut open, checked);
                    match (insn, insn.jump_off()) {
                        (Insn::Call(Call::Local(off)), _) => (*off, Target::Function),
                        (Insn::LoadImm { imm: ImmSrc::Func(off), .. }, _) => {
                            self.env = true;
                            (*off, Target::Function)
                        }
                        (_, Some(off)) => (off, Target::Jump),
                        (_, None) => continue,
                    }
                }
            };
            let to = pc.jump(off).filter(|&to| insns.get(to).is_some());
            let to = to.ok_or(CompileError::Flow { pc })?;
            let is_loop = off < 0 && off.unsigned_abs() <= SHORT_LOOP && kind == Target::Jump;
            self.has_loops |= is_loop;
            let mut is_known = false;
            if let Some(target) = targets.get_mut(to.index()) {
                is_known = *target == Target::Function;
                *target = if is_loop { Target::Loop } else { kind }.max(*target);
            }
            if let Some(sources) = sources.get_mut(to.index()) {
                *sources = sources.saturating_add(1);
            }
            if kind != Target::Function {
                furthest = furthest.max((to, pc));
                if to.0 < open.start {
                    return Err(CompileError::Flow { pc });
                }
            } else if !is_known {
                starts.push(to);
                are_known &= to > pc || to == Pc(0);
            }
        }
        if let Some(last) = all.last_mut() {
            *last = most;
        }
        (self.most, self.is_target, self.sources) = (all, is_target, sources);
        let end = Pc(u32::try_from(insns.len()).unwrap_or(u32::MAX));
        self.functions.push(close(insns, open, named, furthest, end)?);
        Ok(are_known)
    }

    /// What an access takes more that is checked or not plain.
    #[inline(always)]
    fn access<L: Lengths, O: Surroundings + ?Sized>(
        &mut self,
        outside: &O,
        pc: Pc,
        function: &mut Function,
        checked: u32,
    ) -> Result<u32, CompileError> {
        if checked > 0 {
            return Ok(checked);
        }
        match outside.access(pc) {
            Access::Plain | Access::Pointer { .. } => Ok(0),
            Access::Bridged | Access::Probed { .. } | Access::Arena => {
                (self.env, function.calls, function.has_calls) = (true, true, true);
                Ok(L::BRIDGED)
            }
            Access::Refused => {
                let what = "an access through a pointer of this kind";
                Err(CompileError::Unsupported { pc, what })
            }
        }
    }

    /// What an instruction takes more if it calls, or asks for the packet; calls take `checked` more.
    fn call<L: Lengths, O: Surroundings + ?Sized>(
        &mut self,
        outside: &O,
        pc: Pc,
        insn: &Insn,
        function: &mut Function,
        checked: u32,
    ) -> u32 {
        let call = match *insn {
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } => {
                (self.env, function.calls, function.has_calls) = (true, true, true);
                return L::BRIDGED;
            }
            Insn::Call(call) => call,
            _ => return 0,
        };
        function.calls = true;
        let callee = (!matches!(call, Call::Local(_))).then(|| outside.call(pc, call));
        let is_alone = matches!(callee, Some(Ok(Callee::Function(_))));
        let is_inline = !callee.is_none_or(needs_env) && !is_alone;
        self.env |= callee.is_some_and(needs_env);
        function.has_calls |= !is_inline;
        let per_cpu = if callee.is_some_and(is_per_cpu) { L::PER_CPU } else { 0 };
        let more = match callee {
            Some(Ok(Callee::TailCall { array: Some(_), .. })) => L::TAIL_CALL,
            Some(Ok(Callee::Probe(_))) => L::PROBE,
            Some(Ok(Callee::Loop(_))) => L::CALLBACK_LOOP,
            Some(Ok(Callee::Each(..))) => L::EACH,
            _ => 0,
        };
        checked + per_cpu + more
    }

    /// Counts what lies before targets of jumps, now that all are known.
    fn add_targets<L: Lengths, O: Surroundings + ?Sized>(&mut self, outside: &O) {
        let charge = if outside.style().metered { L::CHARGE } else { 0 };
        let checked = if outside.checks() { L::CHECKED } else { 0 };
        // Where accesses are checked before loops, both may come before one.
        let before = if charge + checked > 0 { L::COUNTED } else { 0 };
        (self.before_loop, self.charge) = (L::ALIGN + before + checked, charge);
        if !self.has_loops && charge == 0 {
            return;
        }
        let mut more = 0;
        let last = Target::No;
        for (most, &target) in self.most.iter_mut().zip(self.is_target.iter().chain([&last])) {
            more += match target {
                Target::No => 0,
                Target::Loop => self.before_loop + charge,
                Target::Jump | Target::Function => charge,
            };
            *most += more;
        }
    }
}

/// So many times the same. Zeroes are not asked of the allocator as such: glibc has no cache for them.
fn filled<T: Clone>(len: usize, value: T) -> Vec<T> {
    let mut all = Vec::with_capacity(len);
    all.resize(len, value);
    all
}

/// What is known of a function that ends before `end`, whose jumps lead to `to` at most, that from `pc`.
fn close(
    insns: &Insns,
    open: Function,
    named: Named,
    (to, pc): (Pc, Pc),
    end: Pc,
) -> Result<Function, CompileError> {
    if to >= end {
        return Err(CompileError::Flow { pc });
    }
    let last = (0..end.0).rev().find_map(|slot| Some((Pc(slot), insns.get(Pc(slot))?)));
    if let Some((pc, insn)) = last
        && insn.falls_through()
    {
        return Err(CompileError::Flow { pc });
    }
    Ok(Function { saved: named.saved(), frame: named.frame(), ..open })
}

/// Registers that a function names, by bit.
#[derive(Clone, Copy, Default)]
struct Named {
    written: u32,
    read: u32,
}

impl Named {
    #[inline(always)]
    fn writes(&mut self, reg: Reg) {
        self.written |= 1 << (reg.num() & 15);
    }

    #[inline(always)]
    fn reads(&mut self, reg: Reg) {
        self.read |= 1 << (reg.num() & 15);
    }

    #[inline(always)]
    fn reads_src(&mut self, src: Src) {
        if let Src::Reg(src) = src {
            self.reads(src);
        }
    }

    /// Those that an instruction names of a kind that is not frequent.
    fn note(&mut self, insn: &Insn) {
        if let Some(written) = insn.writes() {
            self.writes(written);
        }
        match *insn {
            Insn::MovSx { src: reg, .. }
            | Insn::LoadSx { base: reg, .. }
            | Insn::LoadAcquire { base: reg, .. } => self.reads(reg),
            Insn::StoreRelease { base, src, .. } | Insn::Atomic { base, src, .. } => {
                self.reads(base);
                self.reads(src);
            }
            _ => {}
        }
    }

    /// Those of r6 to r9 that are written.
    const fn saved(self) -> Saved {
        (self.written >> 6 & 15) as Saved
    }

    /// Whether r10 is read; it is never written.
    const fn frame(self) -> bool {
        self.read >> Reg::FP.num() & 1 != 0
    }
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
