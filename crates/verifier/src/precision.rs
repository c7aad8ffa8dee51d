//! Which numbers matter: precision, found by walking the path backwards.
//!
//! Most numbers never influence whether a program is safe, so comparing states passes over their
//! ranges. Where one does (an offset of a pointer, the size of an access, a branch that was decided),
//! the path is walked back from there: registers and stack slots that the number was made from are
//! asked for in turn, and in each remembered state on the way they are marked *precise*, so that only
//! states whose ranges are within are covered by it.
//!
//! Kernel: `mark_chain_precision`, `backtrack_insn`.

use crate::history::Way;
use crate::kept::{KeptFrame, KeptState};
use crate::reject::{Res, reject};
use crate::rule::Rule;
use crate::state::{HistEntry, LinkedReg, StateId, hist};
use crate::verifier::{MAX_FRAMES, Verifier};
use skep_isa::{AluOp, AtomicOp, Call, Insn, Reg, Src};

/// Helper that replaces the program.
const TAIL_CALL: i32 = 12;
/// r1 to r5.
const ARGS: u16 = 0x3e;
/// r0 to r9.
const ALL_REGS: u16 = 0x3ff;

/// Registers and slots asked for, by frame. Kernel: `struct backtrack_state`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    frame: usize,
    regs: [u16; MAX_FRAMES],
    slots: [u64; MAX_FRAMES],
}

/// What walking back over one instruction came to.
enum Walk {
    On,
    /// It is not known where the number comes from: everything becomes precise.
    GiveUp,
}

impl Asked {
    fn at(frame: usize) -> Self {
        Self { frame, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.regs[..=self.frame].iter().all(|&regs| regs == 0)
            && self.slots[..=self.frame].iter().all(|&slots| slots == 0)
    }

    fn has(&self, reg: Reg) -> bool {
        self.regs[self.frame] >> reg.num() & 1 != 0
    }

    fn ask(&mut self, reg: Reg) {
        self.regs[self.frame] |= 1 << reg.num();
    }

    fn drop(&mut self, reg: Reg) {
        self.regs[self.frame] &= !(1 << reg.num());
    }

    /// Any register linked with one that is asked for is asked for too. Kernel: `bt_sync_linked_regs`.
    fn sync_linked(&mut self, linked: &[LinkedReg]) {
        let bit = |at: u8| 1_u64 << at;
        let some = linked.iter().any(|item| {
            let frame = usize::from(item.frame);
            if item.is_reg {
                u64::from(self.regs[frame]) & bit(item.at) != 0
            } else {
                self.slots[frame] & bit(item.at) != 0
            }
        });
        if !some {
            return;
        }
        for item in linked {
            let frame = usize::from(item.frame);
            if item.is_reg {
                self.regs[frame] |= 1 << item.at;
            } else {
                self.slots[frame] |= bit(item.at);
            }
        }
    }

    fn enter(&mut self) -> Res<()> {
        if self.frame == MAX_FRAMES - 1 {
            return internal(format!("subprog enter from frame {}", self.frame));
        }
        self.frame += 1;
        Ok(())
    }

    fn exit(&mut self) -> Res<()> {
        if self.frame == 0 {
            return internal("subprog exit from frame 0");
        }
        self.frame -= 1;
        Ok(())
    }
}

fn internal<T>(what: impl Into<String>) -> Res<T> {
    reject(Rule::Internal, what)
}

impl Verifier<'_> {
    /// The number in the register matters. Kernel: `mark_chain_precision`.
    pub(crate) fn mark_chain_precision(&mut self, reg: Reg) -> Res<()> {
        if !self.bpf_capable {
            return Ok(());
        }
        let mut asked = Asked::at(self.cur.curframe());
        asked.ask(reg);
        self.walk_back_current(asked, &mut false)
    }

    /// The numbers in these slots of these frames matter. Kernel: `mark_chain_precision_batch`.
    pub(crate) fn mark_slots_precision(&mut self, slots: &[(u32, u64)]) -> Res<()> {
        if !self.bpf_capable {
            return Ok(());
        }
        let mut asked = Asked::at(self.cur.curframe());
        for &(frame, mask) in slots {
            asked.slots[frame as usize] |= mask;
        }
        self.walk_back_current(asked, &mut false)
    }

    /// What is precise in a remembered state matters in the current one. Kernel:
    /// `propagate_precision`.
    pub(crate) fn propagate_precision_to_current(&mut self, old: StateId) -> Res<()> {
        if !self.bpf_capable {
            return Ok(());
        }
        let asked = precise_in(&self.remembered.get(old).state, self.cur.curframe());
        self.walk_back_current(asked, &mut false)
    }

    /// The same for a state that is kept apart.
    pub(crate) fn propagate_precision(
        &mut self,
        old: StateId,
        cur: &KeptState,
        changed: &mut bool,
    ) -> Res<()> {
        if !self.bpf_capable {
            return Ok(());
        }
        let asked = precise_in(&self.remembered.get(old).state, cur.curframe());
        self.walk_back(cur.way(), cur.pc, asked, changed)
    }

    fn walk_back_current(&mut self, asked: Asked, changed: &mut bool) -> Res<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let history = std::mem::take(&mut self.cur.history);
        let way = self.cur.way_with(&history);
        let walked = self.walk_back(way, self.cur.pc, asked, changed);
        self.cur.history = history;
        walked
    }

    /// Walks back from the instruction `last` at the end of the way `start`.
    fn walk_back(
        &mut self,
        start: Way<'_>,
        mut last: u32,
        mut asked: Asked,
        changed: &mut bool,
    ) -> Res<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let mut next_pc = u32::MAX;
        let mut skip = true;
        let mut at: Option<StateId> = None;
        loop {
            let way = at.map_or(start, |id| self.remembered.get(id).state.way());
            let mut left = way.len();
            let mut pc = last;
            loop {
                if skip {
                    skip = false;
                } else {
                    let entry = way.entry(pc, left);
                    let linked = way.linked(entry);
                    match self.walk_insn(pc, next_pc, entry, linked, &mut asked)? {
                        Walk::On => {}
                        Walk::GiveUp => {
                            self.force_precision(start.parent);
                            return Ok(());
                        }
                    }
                }
                if asked.is_empty() {
                    return Ok(());
                }
                next_pc = pc;
                match way.before(pc, &mut left) {
                    None => break,
                    Some(before) => pc = before,
                }
                if pc as usize >= self.insns.len() {
                    return internal(format!("backtracking idx {}", pc.cast_signed()));
                }
            }
            let Some(parent) = way.parent else { break };
            next_pc = way.first_pc;
            let state = &mut self.remembered.get_mut(parent).state;
            mark(state, &mut asked, changed)?;
            if asked.is_empty() {
                return Ok(());
            }
            last = state.last_pc;
            if last == u32::MAX {
                return check_entry(state, &asked);
            }
            at = Some(parent);
        }
        if !asked.is_empty() {
            self.force_precision(start.parent);
        }
        Ok(())
    }

    /// Everything on the path matters. Kernel: `mark_all_scalars_precise`.
    pub(crate) fn force_precision(&mut self, mut next: Option<StateId>) {
        while let Some(id) = next {
            let state = &mut self.remembered.get_mut(id).state;
            for frame in &mut state.frames {
                frame.precise.regs |= scalar_regs(frame, ALL_REGS);
                frame.precise.slots |= scalar_slots(frame, u64::MAX);
            }
            next = state.parent;
        }
    }

    /// Walks back over the instruction at `pc`, before which `next_pc` was walked over.
    /// Kernel: `backtrack_insn`.
    fn walk_insn(
        &self,
        pc: u32,
        next_pc: u32,
        entry: Option<&HistEntry>,
        linked: &[LinkedReg],
        asked: &mut Asked,
    ) -> Res<Walk> {
        let Some(insn) = self.insns[pc as usize] else { return Ok(Walk::On) };
        asked.sync_linked(linked);
        let walked = self.walk_kind(pc, next_pc, insn, entry, asked)?;
        if matches!(insn, Insn::JumpIf { .. } | Insn::Call(Call::Helper(_) | Call::Kfunc { .. })) {
            asked.sync_linked(linked);
        }
        Ok(walked)
    }

    fn walk_kind(
        &self,
        pc: u32,
        next_pc: u32,
        insn: Insn,
        entry: Option<&HistEntry>,
        asked: &mut Asked,
    ) -> Res<Walk> {
        let flags = entry.map_or(0, |entry| entry.flags);
        match insn {
            Insn::Alu { op: AluOp::Mov, dst, src, .. } => {
                if asked.has(dst) {
                    asked.drop(dst);
                    if let Src::Reg(src) = src {
                        ask_unless_fp(asked, src);
                    }
                }
            }
            Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
                if asked.has(dst) {
                    asked.drop(dst);
                    ask_unless_fp(asked, src);
                }
            }
            Insn::Alu { dst, src: Src::Reg(src), .. } => {
                if asked.has(dst) {
                    ask_unless_fp(asked, src);
                }
            }
            Insn::Alu { .. } | Insn::Neg { .. } | Insn::Swap { .. } => {}
            Insn::Load { dst, .. } | Insn::LoadSx { dst, .. } | Insn::LoadAcquire { dst, .. } => {
                walk_load(dst, entry, asked);
            }
            Insn::Atomic { op, src, base, .. } if op.fetches() => {
                let to = if op == AtomicOp::CmpXchg { Reg::R0 } else { src };
                let _ = base;
                walk_load(to, entry, asked);
            }
            Insn::Store { base, src, .. } => {
                return Ok(walk_store(
                    base,
                    if let Src::Reg(src) = src { Some(src) } else { None },
                    entry,
                    asked,
                ));
            }
            Insn::StoreRelease { base, src, .. } | Insn::Atomic { base, src, .. } => {
                return Ok(walk_store(base, Some(src), entry, asked));
            }
            Insn::Call(call) => return self.walk_call(pc, next_pc, call, asked),
            Insn::Exit => return self.walk_exit(next_pc, asked),
            Insn::JumpIf { dst, src: Src::Reg(src), .. } => {
                if asked.has(dst) || asked.has(src) {
                    if flags & hist::SRC_STACK == 0 {
                        asked.ask(src);
                    }
                    if flags & hist::DST_STACK == 0 {
                        asked.ask(dst);
                    }
                }
            }
            Insn::JumpIf { .. }
            | Insn::Jump { .. }
            | Insn::JumpLong { .. }
            | Insn::JumpReg { .. }
            | Insn::MayGoto { .. }
            | Insn::Static { .. }
            | Insn::StaticLong { .. } => {}
            Insn::LoadImm { dst, .. } => asked.drop(dst),
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } => {
                if asked.has(Reg::R0) {
                    return Ok(Walk::GiveUp);
                }
                if next_pc != pc + 1 {
                    asked.enter()?;
                }
            }
        }
        Ok(Walk::On)
    }

    fn walk_call(&self, pc: u32, next_pc: u32, call: Call, asked: &mut Asked) -> Res<Walk> {
        let regs = |asked: &Asked| asked.regs[asked.frame];
        match call {
            Call::Local(off) => {
                let start = skep_isa::Pc(pc).jump(off).map(|to| to.0);
                let at = start.and_then(|start| self.subprog_starting(start));
                let Some(at) = at else { return internal("call target is no subprog") };
                if self.subprogs[at as usize].is_global {
                    if regs(asked) & ARGS != 0 {
                        return internal(format!(
                            "global subprog unexpected regs {:x}",
                            regs(asked)
                        ));
                    }
                    asked.drop(Reg::R0);
                    return Ok(Walk::On);
                }
                if regs(asked) & !ARGS != 0 {
                    return internal(format!("static subprog unexpected regs {:x}", regs(asked)));
                }
                if asked.slots[asked.frame] != 0 {
                    return internal(format!(
                        "static subprog leftover stack slots {:x}",
                        asked.slots[asked.frame]
                    ));
                }
                let args = regs(asked) & ARGS;
                asked.regs[asked.frame] = 0;
                asked.exit()?;
                asked.regs[asked.frame] |= args;
            }
            _ if self.calls_sync_callback(call) && next_pc.wrapping_sub(1) != pc => {
                if regs(asked) & !ARGS != 0 {
                    return internal(format!("callback unexpected regs {:x}", regs(asked)));
                }
                if asked.slots[asked.frame] != 0 {
                    return internal(format!(
                        "callback leftover stack slots {:x}",
                        asked.slots[asked.frame]
                    ));
                }
                asked.regs[asked.frame] = 0;
                asked.exit()?;
            }
            _ => {
                asked.drop(Reg::R0);
                if regs(asked) & ARGS != 0 {
                    return internal(format!(
                        "backtracking call unexpected regs {:x}",
                        regs(asked)
                    ));
                }
                if call == Call::Helper(TAIL_CALL) && next_pc.wrapping_sub(pc) != 1 {
                    asked.enter()?;
                }
            }
        }
        Ok(Walk::On)
    }

    fn walk_exit(&self, next_pc: u32, asked: &mut Asked) -> Res<Walk> {
        let call = next_pc.checked_sub(1).and_then(|pc| self.insns[pc as usize]);
        let from_call = matches!(call, Some(Insn::Call(Call::Local(_))));
        let precise = from_call && asked.has(Reg::R0);
        if from_call && asked.regs[asked.frame] & ARGS != 0 {
            return internal(format!(
                "backtracking exit unexpected regs {:x}",
                asked.regs[asked.frame]
            ));
        }
        asked.drop(Reg::R0);
        asked.enter()?;
        if precise {
            asked.ask(Reg::R0);
        }
        Ok(Walk::On)
    }
}

fn ask_unless_fp(asked: &mut Asked, reg: Reg) {
    if reg != Reg::FP {
        asked.ask(reg);
    }
}

fn walk_load(dst: Reg, entry: Option<&HistEntry>, asked: &mut Asked) {
    if !asked.has(dst) {
        return;
    }
    asked.drop(dst);
    // Numbers keep their precision only on the stack.
    if let Some(entry) = entry.filter(|entry| entry.flags & hist::STACK_ACCESS != 0) {
        asked.slots[usize::from(entry.frame)] |= 1 << entry.spi;
    }
}

fn walk_store(base: Reg, src: Option<Reg>, entry: Option<&HistEntry>, asked: &mut Asked) -> Walk {
    if asked.has(base) {
        // A number that is stored through comes from a subtraction of pointers.
        return Walk::GiveUp;
    }
    let Some(entry) = entry.filter(|entry| entry.flags & hist::STACK_ACCESS != 0) else {
        return Walk::On;
    };
    let slots = &mut asked.slots[usize::from(entry.frame)];
    if *slots >> entry.spi & 1 != 0 {
        *slots &= !(1 << entry.spi);
        if let Some(src) = src {
            asked.ask(src);
        }
    }
    Walk::On
}

/// Marks what is asked for in a remembered state; what is marked already or is no number is no longer
/// asked for.
fn mark(state: &mut KeptState, asked: &mut Asked, changed: &mut bool) -> Res<()> {
    for at in (0..=asked.frame).rev() {
        let Some(frame) = state.frames.get_mut(at) else {
            return internal("backtracking beyond the frames of a state");
        };
        let (regs, slots) = (&mut asked.regs[at], &mut asked.slots[at]);
        let beyond = (0..64).find(|&slot| *slots >> slot & 1 != 0 && slot >= frame.stack.len());
        if let Some(slot) = beyond {
            return internal(format!("stack slot {slot}, total slots {}", frame.stack.len()));
        }
        *regs = scalar_regs(frame, *regs) & !frame.precise.regs;
        *slots = scalar_slots(frame, *slots) & !frame.precise.slots;
        frame.precise.regs |= *regs;
        frame.precise.slots |= *slots;
        *changed |= *regs != 0 || *slots != 0;
    }
    Ok(())
}

/// The first state of a function that is verified by itself: what is still asked for are its arguments.
fn check_entry(state: &KeptState, asked: &Asked) -> Res<()> {
    let first = &state.frames[0];
    let (regs, slots) = (asked.regs[asked.frame], asked.slots[asked.frame]);
    if state.frames.len() == 1
        && first.subprog > 0
        && first.callsite == crate::frame::MAIN
        && slots == 0
        && regs & !ARGS == 0
    {
        return Ok(());
    }
    internal(format!(
        "backtracking func entry subprog {} reg_mask {regs:x} stack_mask {slots:x}",
        first.subprog
    ))
}

/// Those of the registers `of` that hold numbers.
fn scalar_regs(frame: &KeptFrame, of: u16) -> u16 {
    let number = |&at: &usize| of >> at & 1 != 0 && frame.regs[at].is_scalar();
    (0..10).filter(number).fold(0, |mask, at| mask | 1 << at)
}

/// Those of the slots `of` that hold spilled numbers.
fn scalar_slots(frame: &KeptFrame, mut of: u64) -> u64 {
    let mut mask = 0;
    while of != 0 {
        let at = of.trailing_zeros();
        of &= of - 1;
        let number = frame.stack.get(at as usize).is_some_and(|slot| slot.is_spilled_scalar());
        mask |= u64::from(number) << at;
    }
    mask
}

/// Everything that is precise in a state.
fn precise_in(state: &KeptState, frame: usize) -> Asked {
    let mut asked = Asked::at(frame);
    for (at, frame) in state.frames.iter().enumerate() {
        asked.regs[at] = scalar_regs(frame, frame.precise.regs);
        asked.slots[at] = scalar_slots(frame, frame.precise.slots);
    }
    asked
}
