//! The search over paths: what waits, what is remembered, when it ends.
//!
//! Paths are followed depth first. A conditional jump follows one side and leaves the other, with its
//! state, on a stack. At prune points the state is compared with those remembered there
//! ([`crate::visited`]): if one of them covers it and was found safe, the path ends.
//!
//! Termination: every step counts towards one million, so the search ends; a loop without progress is
//! found when a state on the current path repeats exactly.
//!
//! Kernel: `do_check`, `push_stack`, `pop_stack`, `update_branch_counts`.

use crate::aux::Aux;
use crate::change::Change;
use crate::equal::Place;
use crate::kept::{KeptState, Pool};
use crate::reject::{Res, Stop, reject};
use crate::rule::Rule;
use crate::state::{History, State, StateId};
use crate::trace::Step;
use crate::verifier::{NO_PC, Next, Verifier};
use crate::waiting::Pending;
use skep_abi::Errno;
use std::cell::Cell;
use std::collections::HashMap;
use std::mem;

/// Instructions followed in all. Kernel: `BPF_COMPLEXITY_LIMIT_INSNS`.
pub(crate) const MAX_INSNS: u64 = 1_000_000;
/// Branches that wait. Kernel: `BPF_COMPLEXITY_LIMIT_JMP_SEQ`.
const MAX_PENDING: usize = 8192;

/// States done with whose memory is kept for others.
pub(crate) const MAX_SPARE: usize = 16;
/// The same of remembered ones.
const MAX_UNUSED: usize = 64;

/// A remembered state. Kernel: `struct bpf_verifier_state_list`.
pub(crate) struct Node {
    pub(crate) state: KeptState,
    pub(crate) hits: u32,
    pub(crate) misses: u32,
    /// No longer compared with, but still the parent of others.
    pub(crate) evicted: bool,
    /// Where it did not cover the last state that it was compared with.
    pub(crate) missed: Cell<Option<Place>>,
}

/// Remembered states: a pool, and lists by instruction and call site.
#[derive(Default)]
pub(crate) struct Remembered {
    nodes: Vec<Option<Box<Node>>>,
    free: Vec<u32>,
    /// Nodes done with, without content, for their memory.
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    unused: Vec<Box<Node>>,
    pub(crate) pool: Pool,
    /// Most instructions have none. Those beyond `used` are empty.
    lists: Vec<List>,
    used: usize,
    /// By instruction, the number of its list counted from 1.
    list_of: Vec<u32>,
    pub(crate) listed: u64,
    pub(crate) evicted: u64,
}

/// The states of an instruction that are compared with, newest last.
#[derive(Default)]
struct List {
    ids: Vec<StateId>,
    /// Those of them whose dead values were not cleared.
    uncleaned: Vec<StateId>,
}

impl Remembered {
    /// Forgets everything; next comes a program of that many slots.
    pub(crate) fn reset(&mut self, slots: usize) {
        while let Some(node) = self.nodes.pop() {
            if let Some(node) = node {
                self.retire(node);
            }
        }
        self.free.clear();
        for list in &mut self.lists[..self.used] {
            list.ids.clear();
            list.uncleaned.clear();
        }
        self.used = 0;
        self.list_of.clear();
        self.list_of.resize(slots, 0);
        self.pool.fit(slots);
        (self.listed, self.evicted) = (0, 0);
    }

    /// States that are held, and such as wait to be used again.
    pub(crate) fn size(&self) -> usize {
        self.nodes.len().max(self.lists.len())
    }

    /// States that are compared with, newest last.
    pub(crate) fn list(&self, bucket: usize) -> &[StateId] {
        self.list_at(bucket).map_or(&[], |list| &list.ids)
    }

    /// Those of them whose dead values were not cleared, newest last.
    pub(crate) fn uncleaned(&self, bucket: usize) -> &[StateId] {
        self.list_at(bucket).map_or(&[], |list| &list.uncleaned)
    }

    fn list_at(&self, bucket: usize) -> Option<&List> {
        (self.list_of[bucket] as usize).checked_sub(1).map(|at| &self.lists[at])
    }

    fn list_mut(&mut self, bucket: usize) -> &mut List {
        let at = &mut self.list_of[bucket];
        if *at == 0 {
            if self.used == self.lists.len() {
                self.lists.push(List::default());
            }
            self.used += 1;
            *at = u32::try_from(self.used).unwrap_or(u32::MAX);
        }
        &mut self.lists[*at as usize - 1]
    }

    /// The state is compared with from now on.
    pub(crate) fn enlist(&mut self, bucket: usize, id: StateId) {
        let list = self.list_mut(bucket);
        list.ids.push(id);
        list.uncleaned.push(id);
    }

    /// The state at a place of a list is no longer compared with.
    pub(crate) fn unlist(&mut self, bucket: usize, at: usize) {
        let list = self.list_mut(bucket);
        let id = list.ids.remove(at);
        list.uncleaned.retain(|&other| other != id);
    }

    /// The dead values of one of those in [`Remembered::uncleaned`] were cleared.
    pub(crate) fn set_cleaned(&mut self, bucket: usize, at: usize) {
        self.list_mut(bucket).uncleaned.remove(at);
    }

    pub(crate) fn get(&self, id: StateId) -> &Node {
        self.nodes[id.0 as usize].as_deref().expect("bug: a state in use was freed")
    }

    pub(crate) fn get_mut(&mut self, id: StateId) -> &mut Node {
        self.nodes[id.0 as usize].as_deref_mut().expect("bug: a state in use was freed")
    }

    /// Takes a node out for a while, to be put back.
    pub(crate) fn take(&mut self, id: StateId) -> Box<Node> {
        self.nodes[id.0 as usize].take().expect("bug: a state in use was freed")
    }

    pub(crate) fn put_back(&mut self, id: StateId, node: Box<Node>) {
        self.nodes[id.0 as usize] = Some(node);
    }

    /// A state of a path in the form that is kept.
    pub(crate) fn keep(&mut self, state: &State) -> KeptState {
        let before = state.parent.and_then(|id| self.nodes[id.0 as usize].as_deref());
        let last = self.unused.last_mut();
        let frames = last.map(|node| mem::take(&mut node.state.frames)).unwrap_or_default();
        self.pool.keep(state, before.map(|node| &node.state), frames)
    }

    /// A history without steps, in memory that has been one.
    pub(crate) fn spare_history(&mut self) -> History {
        let last = self.unused.last_mut();
        last.map(|node| mem::take(&mut node.state.history)).unwrap_or_default()
    }

    pub(crate) fn insert(&mut self, state: KeptState) -> StateId {
        let node = Node { state, hits: 0, misses: 0, evicted: false, missed: Cell::default() };
        let node = Some(match self.unused.pop() {
            Some(mut unused) => {
                *unused = node;
                unused
            }
            None => Box::new(node),
        });
        match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                StateId(at)
            }
            None => {
                self.nodes.push(node);
                StateId(u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX))
            }
        }
    }

    pub(crate) fn free(&mut self, id: StateId) {
        if let Some(node) = self.nodes[id.0 as usize].take() {
            self.retire(node);
        }
        self.free.push(id.0);
    }

    fn retire(&mut self, mut node: Box<Node>) {
        if self.unused.len() < MAX_UNUSED {
            node.state.frames.clear();
            node.state.history.clear();
            self.unused.push(node);
        }
    }
}

/// A loop in a chain of calls. Kernel: `struct bpf_scc_callchain`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LoopChain {
    pub(crate) callsites: Vec<u32>,
    pub(crate) scc: u32,
}

/// The current visit of a loop. Kernel: `struct bpf_scc_visit`.
#[derive(Default)]
pub(crate) struct Visit {
    pub(crate) entry: Option<StateId>,
    /// States that closed the loop by being equal to one on the path.
    pub(crate) backedges: Vec<KeptState>,
}

/// Visits of loops.
#[derive(Default)]
pub(crate) struct Visits {
    pub(crate) by_chain: HashMap<LoopChain, Visit>,
    pub(crate) backedges: u64,
}

impl Verifier<'_> {
    /// Leaves a copy of the current state for later. Kernel: `push_stack`.
    pub(crate) fn push_branch(
        &mut self,
        pc: u32,
        prev_pc: u32,
        speculative: bool,
    ) -> Res<&mut State> {
        let state = self.copy();
        self.push_state(state, pc, prev_pc, speculative)
    }

    /// The current state, in the memory of one that is done with if there is some.
    pub(crate) fn copy(&mut self) -> Box<State> {
        match self.spare.pop() {
            None => self.cur.clone(),
            Some(mut state) => {
                state.clone_from(&self.cur);
                state
            }
        }
    }

    /// Leaves a state for later.
    pub(crate) fn push_state(
        &mut self,
        state: Box<State>,
        pc: u32,
        prev_pc: u32,
        speculative: bool,
    ) -> Res<&mut State> {
        let branch = self.branch(state, pc, prev_pc, speculative)?;
        Ok(&mut self.pending.push(branch, &mut self.remembered).state)
    }

    /// A state that is to be left for later, if there is room for it.
    pub(crate) fn branch(
        &mut self,
        mut state: Box<State>,
        pc: u32,
        prev_pc: u32,
        speculative: bool,
    ) -> Res<Pending> {
        state.speculative |= speculative;
        if self.pending.len() >= MAX_PENDING {
            return reject(
                Rule::LimitBranches,
                format!("The sequence of {} jumps is too complex.", self.pending.len() + 1),
            );
        }
        if let Some(parent) = state.parent {
            self.remembered.get_mut(parent).state.branches += 1;
        }
        state.branches = 1;
        Ok(Pending { state, pc, prev_pc })
    }

    /// Follows every path from the current state. Kernel: `do_check`.
    pub(crate) fn explore(&mut self) -> Res<()> {
        let mut prev_pc = NO_PC;
        loop {
            self.hist_entry = None;
            self.prev_pc = prev_pc;
            if self.insns.get(self.pc as usize).is_none() {
                return reject(
                    Rule::Internal,
                    format!("invalid insn idx {} insn_cnt {}", self.pc, self.insns.len()),
                );
            }
            self.stats.insns += 1;
            if self.stats.insns > MAX_INSNS {
                return reject(
                    Rule::LimitInsns,
                    format!("BPF program is too large. Processed {} insn", self.stats.insns),
                );
            }
            self.cur.last_pc = self.prev_pc;
            self.cur.pc = self.pc;
            let pc = self.pc;
            let at = pc as usize;
            let Aux { prune_point, jmp_point, .. } = self.aux[at];
            let mut ends = prune_point && self.is_visited(pc)?;
            if !ends {
                if jmp_point {
                    self.push_history(0, 0, 0);
                }
                self.see();
                prev_pc = pc;
                ends = (self.cur.speculative && self.aux[at].nospec) || self.follow(pc)?;
            }
            if ends {
                self.update_live_stack();
                self.leave()?;
                match self.pending.pop() {
                    None => return Ok(()),
                    Some(next) => {
                        let done = mem::replace(&mut self.cur, next.state);
                        if self.spare.len() < MAX_SPARE {
                            self.spare.push(done);
                        }
                        self.pc = next.pc;
                        prev_pc = next.prev_pc;
                        self.live.reset_chain();
                    }
                }
            }
        }
    }

    /// One instruction. Whether the path ends.
    fn follow(&mut self, pc: u32) -> Res<bool> {
        self.stats.visits[pc as usize] += 1;
        if let Some(watcher) = &mut self.watcher {
            watcher(&Step::of(pc, self.cur.top(), &self.cur.refs, false));
        }
        self.begin_stack_writes();
        let stepped = self.step();
        let next = match stepped {
            Ok(next) => {
                self.commit_stack_writes();
                next
            }
            Err(Stop::Reject(reject))
                if self.cur.speculative
                    && recoverable(reject.errno)
                    && self.has(Change::SpeculationBarriers) =>
            {
                // A barrier keeps this path from ever reaching what would not be safe.
                self.commit_stack_writes();
                self.aux[pc as usize].nospec = true;
                self.alu_limits.remove(&pc);
                return Ok(true);
            }
            Err(stop) => return Err(stop),
        };
        match next {
            Next::End => return Ok(true),
            Next::Jump => {}
            Next::Fall => self.pc += self.insn(pc).slots(),
        }
        Ok(self.cur.speculative
            && self.has(Change::SpeculationBarriers)
            && self.aux[pc as usize].nospec_result)
    }

    /// Kernel: `sanitize_mark_insn_seen`.
    fn see(&mut self) {
        if !self.cur.speculative {
            self.aux[self.pc as usize].seen = true;
        }
    }

    /// The current path is done with: so are states all of whose branches were followed.
    /// Kernel: `update_branch_counts`.
    fn leave(&mut self) -> Res<()> {
        self.cur.branches -= 1;
        let mut next = self.cur.parent;
        let mut done: Option<StateId> = None;
        while let Some(id) = next {
            let state = &mut self.remembered.get_mut(id).state;
            state.branches -= 1;
            let (branches, parent) = (state.branches, state.parent);
            if branches > 0 {
                if let Some(done) = done {
                    self.maybe_free(done);
                }
                return Ok(());
            }
            self.maybe_exit_loop(id)?;
            if let Some(done) = done {
                self.maybe_free(done);
            }
            done = Some(id);
            next = parent;
        }
        if let Some(done) = done {
            self.maybe_free(done);
        }
        Ok(())
    }

    /// Forgets everything of one function's exploration. Kernel: `free_states`.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
        self.remembered.reset(self.insns.len());
        self.visits = Visits::default();
        self.live.clear();
    }
}

/// Whether a barrier can prevent what the error is about. Kernel: `error_recoverable_with_nospec`.
fn recoverable(errno: Errno) -> bool {
    [Errno::EPERM, Errno::EACCES, Errno::EINVAL].contains(&errno)
}
