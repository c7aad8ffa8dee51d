//! Which numbers matter: precision, found by walking the path backwards.
//!
//! Most numbers never influence whether a program is safe, so comparing states passes over their
//! ranges. Where one does (an offset of a pointer, the size of an access, a branch that was decided),
//! the path is walked back from there: registers and stack slots that the number was made from are
//! asked for in turn, and in each remembered state on the way they are marked *precise*, so that only
//! states whose ranges are within are covered by it.
//!
//! Kernel: `mark_chain_precision`, `backtrack_insn`.

use crate::history::{entry_at, prev_pc};
use crate::reject::{Res, reject};
use crate::rule::Rule;
use crate::state::{HistEntry, State, StateId, hist};
use crate::verifier::{MAX_FRAMES, Verifier};
use skep_isa::{AluOp, AtomicOp, Call, Insn, Reg, Src};

/// Helper that replaces the program.
const TAIL_CALL: i32 = 12;
/// r1 to r5.
const ARGS: u32 = 0x3e;

/// Registers and slots asked for, by frame. Kernel: `struct backtrack_state`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    frame: usize,
    regs: [u32; MAX_FRAMES],
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
    fn sync_linked(&mut self, entry: Option<&HistEntry>) {
        let Some(entry) = entry.filter(|entry| !entry.linked.is_empty()) else { return };
        let bit = |at: u8| 1_u64 << at;
        let some = entry.linked.items().iter().any(|item| {
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
        for item in entry.linked.items() {
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
        cur: &mut State,
        changed: &mut bool,
    ) -> Res<()> {
        if !self.bpf_capable {
            return Ok(());
        }
        let asked = precise_in(&self.remembered.get(old).state, cur.curframe());
        self.walk_back(cur, asked, changed)
    }

    fn walk_back_current(&mut self, asked: Asked, changed: &mut bool) -> Res<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let placeholder = self.cur.hollow();
        let mut state = std::mem::replace(&mut self.cur, placeholder);
        let walked = self.walk_back(&mut state, asked, changed);
        self.cur = state;
        walked
    }

    /// Walks back from the instruction that `start` is at.
    fn walk_back(&mut self, start: &mut State, mut asked: Asked, changed: &mut bool) -> Res<()> {
        if asked.is_empty() {
            return Ok(());
        }
        let mut next_pc = u32::MAX;
        let mut skip = true;
        let mut last = start.pc;
        let mut at: Option<StateId> = None;
        loop {
            let first_frame = {
                let state = at.map_or(&*start, |id| &self.remembered.get(id).state);
                if last == u32::MAX {
                    let (frame, sub) = (state.frames[0].callsite, state.frames[0].subprog);
                    let entry = state.frames.len() == 1
                        && sub > 0
                        && frame == crate::frame::MAIN
                        && asked.slots[asked.frame] == 0
                        && asked.regs[asked.frame] & !ARGS == 0;
                    if !entry {
                        return internal(format!(
                            "backtracking func entry subprog {sub} reg_mask {:x} stack_mask {:x}",
                            asked.regs[asked.frame], asked.slots[asked.frame]
                        ));
                    }
                    true
                } else {
                    let mut left = state.history.len();
                    let mut pc = last;
                    loop {
                        if skip {
                            skip = false;
                        } else {
                            let entry = entry_at(state, pc, left);
                            match self.walk_insn(pc, next_pc, entry, &mut asked)? {
                                Walk::On => {}
                                Walk::GiveUp => {
                                    let parent = start.parent;
                                    self.force_precision(parent);
                                    return Ok(());
                                }
                            }
                        }
                        if asked.is_empty() {
                            return Ok(());
                        }
                        next_pc = pc;
                        match prev_pc(state, pc, &mut left) {
                            None => break,
                            Some(before) => pc = before,
                        }
                        if pc as usize >= self.insns.len() {
                            return internal(format!("backtracking idx {}", pc.cast_signed()));
                        }
                    }
                    false
                }
            };
            if first_frame {
                let state = match at {
                    None => &mut *start,
                    Some(id) => &mut self.remembered.get_mut(id).state,
                };
                for (at, reg) in state.frames[0].regs.iter_mut().enumerate() {
                    if asked.regs[asked.frame] >> at & 1 != 0 && reg.is_scalar() {
                        reg.precise = true;
                        *changed = true;
                    }
                }
                return Ok(());
            }
            let state = at.map_or(&*start, |id| &self.remembered.get(id).state);
            let first = state.first_pc;
            let Some(parent) = state.parent else { break };
            let state = &mut self.remembered.get_mut(parent).state;
            mark(state, &mut asked, changed)?;
            if asked.is_empty() {
                return Ok(());
            }
            next_pc = first;
            last = state.last_pc;
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
                for reg in frame.regs[..10].iter_mut().filter(|reg| reg.is_scalar()) {
                    reg.precise = true;
                }
                for slot in frame.stack.iter_mut().filter(|slot| slot.is_spilled_scalar()) {
                    slot.reg.precise = true;
                }
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
        asked: &mut Asked,
    ) -> Res<Walk> {
        let Some(insn) = self.insns[pc as usize] else { return Ok(Walk::On) };
        asked.sync_linked(entry);
        let walked = self.walk_kind(pc, next_pc, insn, entry, asked)?;
        if matches!(insn, Insn::JumpIf { .. } | Insn::Call(Call::Helper(_) | Call::Kfunc { .. })) {
            asked.sync_linked(entry);
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
fn mark(state: &mut State, asked: &mut Asked, changed: &mut bool) -> Res<()> {
    for at in (0..=asked.frame).rev() {
        let Some(frame) = state.frames.get_mut(at) else {
            return internal("backtracking beyond the frames of a state");
        };
        for reg in 0..10 {
            if asked.regs[at] >> reg & 1 == 0 {
                continue;
            }
            let known = &mut frame.regs[reg];
            if !known.is_scalar() || known.precise {
                asked.regs[at] &= !(1 << reg);
            } else {
                known.precise = true;
                *changed = true;
            }
        }
        for slot in 0..64 {
            if asked.slots[at] >> slot & 1 == 0 {
                continue;
            }
            let Some(known) = frame.stack.get_mut(slot) else {
                return internal(format!("stack slot {slot}, total slots {}", frame.stack.len()));
            };
            if !known.is_spilled_scalar() || known.reg.precise {
                asked.slots[at] &= !(1 << slot);
            } else {
                known.reg.precise = true;
                *changed = true;
            }
        }
    }
    Ok(())
}

/// Everything that is precise in a state.
fn precise_in(state: &State, frame: usize) -> Asked {
    let mut asked = Asked::at(frame);
    for (at, frame) in state.frames.iter().enumerate() {
        for (reg, known) in frame.regs[..10].iter().enumerate() {
            asked.regs[at] |= u32::from(known.is_scalar() && known.precise) << reg;
        }
        for (slot, known) in frame.stack.iter().enumerate() {
            asked.slots[at] |= u64::from(known.is_spilled_scalar() && known.reg.precise) << slot;
        }
    }
    asked
}
