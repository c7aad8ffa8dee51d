//! The way to a refusal, step by step, with what was known at each.
//!
//! A verification keeps no record of its steps: most of them lead nowhere. When a program is refused,
//! the way to the refusal is known ([`Rejection::path`]), and [`trace`] follows it once more, alone.

use crate::env::Env;
use crate::frame::{Frame, Slot};
use crate::reg::RegState;
use crate::reject::Res;
use crate::state::Reference;
use crate::verdict::Rejection;
use crate::verifier::{NO_PC, Verifier};
use skep_isa::Pc;
use skep_prog::Prog;

/// Steps of a way that is remembered in full. A longer one has only its end.
const MAX_STEPS: usize = 20_000;

/// What was known before one instruction was followed.
#[derive(Clone, Debug)]
pub struct Step {
    /// The instruction.
    pub pc: Pc,
    /// Its frame, 0 for the function that was verified.
    pub frame: u32,
    /// r0 to r10.
    pub regs: [RegState; 11],
    /// Slots of the frame's stack: `n` is the eight bytes from `fp - 8 * (n + 1)`.
    pub stack: Vec<Slot>,
    /// Ids of what must be given back.
    pub refs: Vec<u32>,
    /// Whether the frame is that of a callback of a helper.
    pub in_callback: bool,
    /// Whether the frame is that of a callback that runs on its own, later.
    pub in_async_callback: bool,
    /// Whether it follows a branch that was left for later: another way was followed before.
    pub popped: bool,
}

impl Step {
    pub(crate) fn of(pc: u32, frame: &Frame, refs: &[Reference], popped: bool) -> Self {
        Self {
            pc: Pc(pc),
            frame: frame.frame,
            regs: frame.regs,
            stack: frame.stack.clone(),
            refs: refs.iter().map(|held| held.id).collect(),
            in_callback: frame.in_callback,
            in_async_callback: frame.in_async_callback,
            popped,
        }
    }
}

/// Follows the way to a refusal once more. The last step is the instruction that was refused.
///
/// Empty where the way is too long or the program as a whole was refused; shorter than the way where
/// something was known only because other ways had been followed before.
#[must_use]
pub fn trace(prog: &Prog, env: &Env<'_>, rejection: &Rejection) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(first) = rejection.path.first() else { return steps };
    let mut verifier = Verifier::new(prog, env);
    // What stops it is what is already known.
    let _ = verifier.replay(first.0, &rejection.path, &mut steps);
    steps
}

impl Verifier<'_> {
    fn replay(&mut self, first: u32, path: &[Pc], steps: &mut Vec<Step>) -> Res<()> {
        self.prepare()?;
        let Some(subprog) = self.subprog_starting(first) else { return Ok(()) };
        self.enter_function(subprog)?;
        for &Pc(pc) in path {
            let popped = self.pc != pc;
            if popped && !self.take_branch(pc) {
                return Ok(());
            }
            self.pending.clear();
            self.hist_entry = None;
            (self.cur.last_pc, self.cur.pc) = (self.prev_pc, pc);
            steps.push(Step::of(pc, self.frame(), &self.cur.refs, popped));
            if self.aux[pc as usize].jmp_point {
                self.push_history(0, 0, 0);
            }
            self.begin_stack_writes();
            let next = self.step()?;
            self.commit_stack_writes();
            if next == crate::verifier::Next::Fall {
                self.pc += self.insn(pc).slots();
            }
            self.prev_pc = pc;
            self.live.reset_chain();
        }
        Ok(())
    }

    /// Goes on with a branch that was left at `pc`.
    fn take_branch(&mut self, pc: u32) -> bool {
        let Some(branch) = self.pending.take_at(pc) else { return false };
        self.cur = branch.state;
        (self.pc, self.prev_pc) = (branch.pc, branch.prev_pc);
        true
    }

    /// The way to the current instruction, from the start of the function that is verified; empty if it
    /// is too long.
    pub(crate) fn path(&self) -> Vec<Pc> {
        let mut path = Vec::new();
        if self.pc == NO_PC || self.cur.frames.is_empty() {
            return path;
        }
        let mut way = self.cur.way();
        let mut pc = self.cur.pc;
        loop {
            let mut left = way.len();
            loop {
                path.push(Pc(pc));
                if path.len() > MAX_STEPS {
                    return Vec::new();
                }
                match way.before(pc, &mut left) {
                    Some(before) if (before as usize) < self.insns.len() => {
                        pc = self.slot_of(before);
                    }
                    _ => break,
                }
            }
            let Some(parent) = way.parent else { break };
            way = self.remembered.get(parent).state.way();
            pc = way.last_pc;
            // The remembered state is the one before its instruction, which was just gone past.
            let mut next = way;
            while pc == NO_PC {
                let Some(parent) = next.parent else { break };
                next = self.remembered.get(parent).state.way();
                pc = next.last_pc;
            }
            if pc == NO_PC {
                break;
            }
        }
        path.reverse();
        path
    }

    /// The instruction that a slot belongs to.
    fn slot_of(&self, pc: u32) -> u32 {
        if self.insns[pc as usize].is_none() { pc.saturating_sub(1) } else { pc }
    }
}
