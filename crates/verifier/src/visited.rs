//! Whether a state was seen before, in all that matters.
//!
//! # Loops
//!
//! A state inside a loop has not all its precision marks until every path from the loop's entry was
//! followed: paths that ended because they came back to a state on the current path have not passed on
//! what that state will be asked for. So inside loops whose exploration is going on, comparison takes
//! ranges in full, and each state that closed a loop is kept as a *backedge*. When the entry of the
//! loop is left for good, precision flows along all backedges until nothing changes.
//!
//! Kernel: `is_state_visited`, `clean_live_states`, `maybe_enter_scc`, `maybe_exit_scc`,
//! `propagate_backedges` of Linux 6.18.

use crate::equal::{Exact, IdMap, maybe_looping, states_equal};
use crate::explore::LoopChain;
use crate::frame::Byte;
use crate::kept::KeptState;
use crate::reg::{Extra, IterState, RegState};
use crate::reject::{Reject, Res};
use crate::rule::Rule;
use crate::state::{State, StateId};
use crate::verifier::Verifier;
use skep_isa::{Insn, Reg};

/// States at one instruction that unprivileged programs may have. Kernel: `BPF_COMPLEXITY_LIMIT_STATES`.
const MAX_STATES: usize = 64;
/// Steps without a checkpoint. Kernel: the limit on `jmp_history_cnt`.
const MAX_HISTORY: usize = 40;
/// Rounds of passing precision along backedges. Kernel: `MAX_BACKEDGE_ITERS`.
const MAX_ROUNDS: usize = 64;

/// What comparing with one remembered state said.
enum Compared {
    Hit { in_loop: bool },
    Miss { no_new: bool },
}

impl Verifier<'_> {
    /// Whether the current state is covered by one that is remembered here; if not, it may be
    /// remembered itself. Kernel: `is_state_visited`.
    pub(crate) fn is_visited(&mut self, pc: u32) -> Res<bool> {
        let aux = &self.aux[pc as usize];
        let checkpoint = aux.force_checkpoint;
        let force =
            self.test_state_freq || checkpoint || self.cur.history.steps.len() > MAX_HISTORY;
        let mut add = force
            || (self.jmps_processed - self.prev_jmps >= 2
                && self.stats.insns - self.prev_insns >= 8);
        let bucket = self.bucket(pc);
        let mut count = 0;
        let mut at = self.remembered.list(bucket).len();
        if at > 0 {
            self.clean_states(pc, bucket);
        }
        while at > 0 {
            at -= 1;
            let id = self.remembered.list(bucket)[at];
            count += 1;
            if self.remembered.get(id).state.pc != pc {
                continue;
            }
            match self.compare(pc, id)? {
                Compared::Hit { in_loop } => {
                    self.hit(pc, id, in_loop)?;
                    return Ok(true);
                }
                Compared::Miss { no_new } => {
                    if no_new
                        && !force
                        && self.jmps_processed - self.prev_jmps < 20
                        && self.stats.insns - self.prev_insns < 100
                    {
                        add = false;
                    }
                    self.miss(id, bucket, at, add, checkpoint);
                }
            }
        }
        self.stats.max_states_per_insn = self.stats.max_states_per_insn.max(count as u64);
        if (!self.bpf_capable && count > MAX_STATES) || !add {
            return Ok(false);
        }
        self.remember(pc, bucket);
        Ok(false)
    }

    /// The list for an instruction in the current call. Kernel: `explored_state`.
    pub(crate) fn bucket(&self, pc: u32) -> usize {
        let key = pc ^ self.frame().callsite;
        key as usize % self.insns.len()
    }

    /// Compares the current state with a remembered one at the same instruction.
    fn compare(&mut self, pc: u32, id: StateId) -> Res<Compared> {
        let old = &self.remembered.get(id).state;
        if old.branches == 0 {
            let in_loop = self.incomplete_marks(old);
            let exact =
                if in_loop || self.watcher.is_some() { Exact::RangeWithin } else { Exact::No };
            return Ok(if self.equal(id, exact) {
                Compared::Hit { in_loop }
            } else {
                Compared::Miss { no_new: false }
            });
        }
        let miss = Ok(Compared::Miss { no_new: true });
        let top = old.top();
        if top.in_async_callback && top.async_entries != self.frame().async_entries {
            return miss;
        }
        if self.aux[pc as usize].is_iter_next {
            let active = self.equal(id, Exact::RangeWithin) && self.iter_is_active();
            return if active { Ok(Compared::Hit { in_loop: true }) } else { miss };
        }
        if matches!(self.insns[pc as usize], Some(Insn::MayGoto { .. }))
            && old.may_goto_depth != self.cur.may_goto_depth
            && self.equal(id, Exact::RangeWithin)
        {
            return Ok(Compared::Hit { in_loop: true });
        }
        if self.aux[pc as usize].calls_callback {
            let hit = self.equal(id, Exact::RangeWithin);
            // 6.18 does not take callbacks for loops, whose precision would have to flow back.
            return if hit { Ok(Compared::Hit { in_loop: false }) } else { miss };
        }
        if maybe_looping(old, &self.cur)
            && self.equal(id, Exact::Yes)
            && !iter_depths_differ(old, &self.cur)
            && old.may_goto_depth == self.cur.may_goto_depth
            && old.callback_unroll_depth == self.cur.callback_unroll_depth
        {
            return Reject::new(Rule::LoopInfinite, format!("infinite loop detected at insn {pc}"))
                .stop();
        }
        miss
    }

    /// Whether the current state is covered by a remembered one.
    fn equal(&self, id: StateId, exact: Exact) -> bool {
        let old = self.remembered.get(id);
        let mut ids = IdMap::new(self.id_gen);
        let reads_old_stack = self.reads_old_stack.get();
        let is_equal = states_equal(self, &old.state, &self.cur, exact, &mut ids, &old.missed);
        if !is_equal {
            self.reads_old_stack.set(reads_old_stack);
        }
        is_equal
    }

    /// The iterator that r1 points to may give more.
    fn iter_is_active(&self) -> bool {
        let reg = self.reg(Reg::R1);
        let off = i64::from(reg.off).wrapping_add_unsigned(reg.num.var_off.value());
        let slot = usize::try_from((-off - 1) / 8).unwrap_or(usize::MAX);
        let slot = self.cur.frames.get(reg.frame as usize).and_then(|f| f.stack.get(slot));
        slot.is_some_and(|slot| {
            matches!(slot.reg.extra, Extra::Iter { state: IterState::Active, .. })
        })
    }

    /// The current path ends here.
    fn hit(&mut self, pc: u32, id: StateId, in_loop: bool) -> Res<()> {
        self.remembered.get_mut(id).hits += 1;
        if self.aux[pc as usize].jmp_point {
            self.push_history(0, 0, 0);
        }
        self.propagate_precision_to_current(id)?;
        if in_loop {
            let mut state = self.remembered.keep(&self.cur);
            state.equal = Some(id);
            state.pc = pc;
            if let Some(chain) = self.loop_chain(&self.remembered.get(id).state) {
                let visit = self.visits.by_chain.entry(chain).or_default();
                visit.backedges.push(state);
                self.visits.backedges += 1;
                self.update_peak();
            }
        }
        Ok(())
    }

    /// A remembered state did not cover the current one: it may be of no use.
    fn miss(&mut self, id: StateId, bucket: usize, at: usize, add: bool, checkpoint: bool) {
        let node = self.remembered.get_mut(id);
        if add {
            node.misses += 1;
        }
        let patience = if checkpoint && node.state.branches > 0 { 64 } else { 3 };
        if node.misses > node.hits * patience + patience {
            node.evicted = true;
            self.remembered.unlist(bucket, at);
            self.remembered.listed -= 1;
            self.remembered.evicted += 1;
            self.maybe_free(id);
        }
    }

    fn remember(&mut self, pc: u32, bucket: usize) {
        self.stats.total_states += 1;
        self.remembered.listed += 1;
        self.update_peak();
        self.prev_jmps = self.jmps_processed;
        self.prev_insns = self.stats.insns;
        if self.bpf_capable {
            forget_precision(&mut self.cur);
        }
        let history = std::mem::take(&mut self.cur.history);
        let mut state = self.remembered.keep(&self.cur);
        self.cur.history = self.remembered.spare_history();
        state.history = history;
        state.pc = pc;
        state.branches = 1;
        let depth = state.dfs_depth;
        let chain = self.loop_chain(&state);
        let id = self.remembered.insert(state);
        if let Some(chain) = chain {
            let visit = self.visits.by_chain.entry(chain).or_default();
            if visit.entry.is_none() {
                visit.entry = Some(id);
            }
        }
        self.remembered.enlist(bucket, id);
        self.cur.parent = Some(id);
        self.cur.first_pc = pc;
        self.cur.dfs_depth = depth + 1;
    }

    fn update_peak(&mut self) {
        let now = self.remembered.listed + self.remembered.evicted + self.visits.backedges;
        self.stats.peak_states = self.stats.peak_states.max(now);
    }

    /// Frees a state that is no longer compared with, when nothing derives from it.
    pub(crate) fn maybe_free(&mut self, id: StateId) {
        let node = self.remembered.get(id);
        if node.evicted && node.state.branches == 0 && !self.incomplete_marks(&node.state) {
            self.remembered.free(id);
            self.remembered.evicted -= 1;
        }
    }

    /// Clears dead registers and slots of the states here that are done with.
    /// Kernel: `clean_live_states`.
    fn clean_states(&mut self, pc: u32, bucket: usize) {
        for at in (0..self.remembered.uncleaned(bucket).len()).rev() {
            let id = self.remembered.uncleaned(bucket)[at];
            let state = &self.remembered.get(id).state;
            if state.branches > 0
                || state.pc != pc
                || !same_callsites(state, &self.cur)
                || self.incomplete_marks(state)
            {
                continue;
            }
            let mut node = self.remembered.take(id);
            self.clean(&mut node.state);
            self.remembered.put_back(id, node);
            self.remembered.set_cleaned(bucket, at);
        }
    }

    fn clean(&mut self, state: &mut KeptState) {
        let query = self.names_stack.then(|| self.live_query(state));
        for frame in 0..state.frames.len() {
            let live_regs = self.aux[state.frame_pc(frame) as usize].live_regs;
            let slots = 0..state.frames[frame].stack.len();
            let is_live = |&slot: &usize| match &query {
                Some(query) => self.slot_alive(query, frame, slot),
                None => false,
            };
            let live = slots.filter(is_live);
            let live_slots = live.fold(0, |all, slot| all | 1 << slot);
            self.remembered.pool.clear_dead(&mut state.frames[frame], live_regs, live_slots);
        }
    }

    /// The outermost loop that a state is in, with the calls that lead there.
    /// Kernel: `compute_scc_callchain`.
    pub(crate) fn loop_chain(&self, state: &KeptState) -> Option<LoopChain> {
        let scc_of = |frame: usize| self.aux[state.frame_pc(frame) as usize].scc;
        let outermost = (0..state.frames.len()).find(|&frame| scc_of(frame) != 0)?;
        let callsites = (0..outermost).map(|frame| state.frame_pc(frame)).collect();
        Some(LoopChain { callsites, scc: scc_of(outermost) })
    }

    /// Whether the state is in a loop whose paths were not all followed.
    /// Kernel: `incomplete_read_marks`.
    fn incomplete_marks(&self, state: &KeptState) -> bool {
        if self.visits.backedges == 0 {
            return false;
        }
        let chain = self.loop_chain(state);
        let visit = chain.and_then(|chain| self.visits.by_chain.get(&chain));
        visit.is_some_and(|visit| !visit.backedges.is_empty())
    }

    /// A state is done with. If it entered a loop, precision flows along the loop's backedges.
    /// Kernel: `maybe_exit_scc`.
    pub(crate) fn maybe_exit_loop(&mut self, id: StateId) -> Res<()> {
        let Some(chain) = self.loop_chain(&self.remembered.get(id).state) else { return Ok(()) };
        let Some(visit) = self.visits.by_chain.get_mut(&chain) else { return Ok(()) };
        if visit.entry != Some(id) {
            return Ok(());
        }
        visit.entry = None;
        let backedges = std::mem::take(&mut visit.backedges);
        if backedges.is_empty() {
            return Ok(());
        }
        self.visits.backedges -= backedges.len() as u64;
        self.update_peak();
        // While they are gone through, the marks of the loop's states are still incomplete; nothing
        // asks in between.
        self.propagate_backedges(backedges)
    }

    fn propagate_backedges(&mut self, backedges: Vec<KeptState>) -> Res<()> {
        for round in 0.. {
            if round > MAX_ROUNDS {
                for state in &backedges {
                    self.force_precision(state.parent);
                }
                break;
            }
            let mut changed = false;
            for state in &backedges {
                let Some(id) = state.equal else { continue };
                self.propagate_precision(id, state, &mut changed)?;
            }
            if !changed {
                break;
            }
        }
        Ok(())
    }
}

/// Whether the calls that lead to two states are the same.
fn same_callsites(a: &KeptState, b: &State) -> bool {
    a.frames.len() == b.frames.len()
        && a.frames.iter().zip(&b.frames).all(|(a, b)| a.callsite == b.callsite)
}

/// Kernel: `mark_all_scalars_imprecise`.
fn forget_precision(state: &mut State) {
    state.for_each_reg(|reg| {
        if reg.is_scalar() {
            reg.precise = false;
        }
    });
}

/// Whether an iterator made progress between the two. Kernel: `iter_active_depths_differ`.
fn iter_depths_differ(old: &KeptState, cur: &State) -> bool {
    old.frames.iter().zip(&cur.frames).any(|(old, cur)| {
        old.stack.iter().zip(&cur.stack).any(|(old, cur)| {
            let Extra::Iter { state: IterState::Active, depth, .. } = old.reg.extra else {
                return false;
            };
            old.bytes[0] == Byte::Iter
                && !matches!(cur.reg.extra, Extra::Iter { depth: now, .. } if now == depth)
        })
    })
}

/// A register that compares as an unknown number.
pub(crate) const UNBOUND: RegState = RegState::UNKNOWN;
