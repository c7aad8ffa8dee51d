//! Everything known at one point of one path.

use crate::frame::{Activation, Frame};
use crate::reg::RegState;
use std::mem;

/// Index of a remembered state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StateId(pub u32);

/// Kind of thing that must be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefKind {
    /// An object.
    Ptr,
    /// The interrupt state.
    Irq,
    /// A `bpf_spin_lock`.
    Lock,
    /// A `bpf_res_spin_lock`.
    ResLock,
    /// The same with interrupts off.
    ResLockIrq,
}

impl RefKind {
    /// Whether it is some lock.
    #[must_use]
    pub(crate) fn is_lock(self) -> bool {
        matches!(self, Self::Lock | Self::ResLock | Self::ResLockIrq)
    }
}

/// What a lock lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockPlace {
    /// None, for references that are no locks.
    None,
    /// A value of this map.
    Map(u32),
    /// An object of the program's own type.
    Object(skep_btf::TypeId),
}

/// Something that must be given back. Kernel: `struct bpf_reference_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Kind.
    pub kind: RefKind,
    /// Its number.
    pub id: u32,
    /// The instruction that took it.
    pub pc: u32,
    /// For locks, where they lie.
    pub place: LockPlace,
}

/// Flags of [`HistEntry`]. Kernel: `INSN_F_*`.
pub(crate) mod hist {
    /// The instruction reaches the stack, at `spi` of `frame`.
    pub(crate) const STACK_ACCESS: u8 = 1;
    /// Its `dst` is a stack pointer.
    pub(crate) const DST_STACK: u8 = 2;
    /// Its `src` is a stack pointer.
    pub(crate) const SRC_STACK: u8 = 4;
}

/// A step of the path that is not the one before it plus one, or that needs words for
/// backtracking. Kernel: `struct bpf_jmp_history_entry`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistEntry {
    /// The instruction.
    pub pc: u32,
    /// The one before it on the path.
    pub prev: u32,
    /// Bits of [`hist`].
    pub flags: u8,
    /// Slot of the stack that it reaches.
    pub spi: u8,
    /// And whose.
    pub frame: u8,
    /// Which of the [`History::linked`] belongs to it, counted from 1.
    pub linked: u32,
}

/// The way from a remembered state to the next.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Its steps, where there is something to be said about them.
    pub steps: Vec<HistEntry>,
    /// Registers and slots that got a range together.
    pub linked: Vec<LinkedRegs>,
}

impl Clone for History {
    fn clone(&self) -> Self {
        Self { steps: self.steps.clone(), linked: self.linked.clone() }
    }

    fn clone_from(&mut self, other: &Self) {
        copy_list(&mut self.steps, &other.steps);
        copy_list(&mut self.linked, &other.linked);
    }
}

/// Makes a list the same as another. Most lists of a state are empty.
#[inline]
pub(crate) fn copy_list<T: Clone>(to: &mut Vec<T>, from: &Vec<T>) {
    if from.is_empty() {
        to.clear();
    } else {
        to.clone_from(from);
    }
}

impl History {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.steps.clear();
        self.linked.clear();
    }
}

/// Up to six registers or slots. Kernel: `struct linked_regs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkedRegs {
    count: u8,
    items: [LinkedReg; 6],
}

/// A register or stack slot of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkedReg {
    /// Frame.
    pub frame: u8,
    /// Register number, or slot.
    pub at: u8,
    /// Whether it is a register.
    pub is_reg: bool,
}

impl LinkedRegs {
    /// Adds one if there is room; otherwise says so.
    pub(crate) fn push(&mut self, item: LinkedReg) -> bool {
        match self.items.get_mut(usize::from(self.count)) {
            Some(place) => {
                *place = item;
                self.count += 1;
                true
            }
            None => false,
        }
    }

    /// All.
    #[must_use]
    pub(crate) fn items(&self) -> &[LinkedReg] {
        &self.items[..usize::from(self.count)]
    }

    /// Whether there is none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Everything known at one point of one path. Kernel: `struct bpf_verifier_state`.
///
/// `F` is [`Frame`] on the current path and [`KeptFrame`](crate::kept::KeptFrame) in what is kept.
#[derive(Debug)]
pub(crate) struct State<F = Frame> {
    /// Activations, the main function's first.
    pub frames: Vec<F>,
    /// What must be given back.
    pub refs: Vec<Reference>,
    /// Locks held.
    pub active_locks: u32,
    /// Id of the last lock taken; 0 is none.
    pub active_lock_id: u32,
    /// Where the last lock taken lies.
    pub active_lock_place: LockPlace,
    /// Depth of sections without preemption.
    pub active_preempt_locks: u32,
    /// Id of the innermost saved interrupt state; 0 is none.
    pub active_irq_id: u32,
    /// Depth of RCU read-side sections.
    pub active_rcu_locks: u32,
    /// Whether the path is one that only a mispredicting CPU takes.
    pub speculative: bool,
    /// Whether the program may sleep here.
    pub in_sleepable: bool,
    /// Paths from here that were not followed to their end.
    pub branches: u32,
    /// The instruction about to be followed.
    pub pc: u32,
    /// First instruction after the state before.
    pub first_pc: u32,
    /// Last instruction before this state.
    pub last_pc: u32,
    /// The remembered state before on the path.
    pub parent: Option<StateId>,
    /// For a copy kept because it closed a loop, the state it was equal to.
    pub equal: Option<StateId>,
    /// Steps since the parent.
    pub history: History,
    /// Remembered states on the path.
    pub dfs_depth: u32,
    /// Callbacks of helpers that were followed.
    pub callback_unroll_depth: u32,
    /// Times `may_goto` went on.
    pub may_goto_depth: u32,
}

impl State {
    /// The start of a function.
    #[must_use]
    pub(crate) fn new(frame: Frame, first_pc: u32, in_sleepable: bool) -> Self {
        Self { frames: vec![frame], ..Self::empty(first_pc, in_sleepable) }
    }

    /// Becomes the start of a function, in the memory of a state that is done with.
    pub(crate) fn restart(&mut self, frame: Frame, first_pc: u32, in_sleepable: bool) {
        self.vacate(first_pc, in_sleepable);
        self.frames.push(frame);
    }

    /// Becomes the start of a function without its activation: only the memory is left of what it was.
    pub(crate) fn vacate(&mut self, first_pc: u32, in_sleepable: bool) {
        let Self { frames, refs, history, .. } = self;
        frames.clear();
        refs.clear();
        history.clear();
        let (frames, refs, history) = (mem::take(frames), mem::take(refs), mem::take(history));
        *self = Self { frames, refs, history, ..Self::empty(first_pc, in_sleepable) };
    }

    /// The start of a function, without its activation.
    pub(crate) fn empty(first_pc: u32, in_sleepable: bool) -> Self {
        Self {
            frames: Vec::new(),
            refs: Vec::new(),
            active_locks: 0,
            active_lock_id: 0,
            active_lock_place: LockPlace::None,
            active_preempt_locks: 0,
            active_irq_id: 0,
            active_rcu_locks: 0,
            speculative: false,
            in_sleepable,
            branches: 1,
            pc: first_pc,
            first_pc,
            last_pc: u32::MAX,
            parent: None,
            equal: None,
            history: History::default(),
            dfs_depth: 0,
            callback_unroll_depth: 0,
            may_goto_depth: 0,
        }
    }

    /// Every register and spilled register of every frame. Kernel: `bpf_for_each_reg_in_vstate`.
    pub(crate) fn for_each_reg(&mut self, mut f: impl FnMut(&mut RegState)) {
        for frame in &mut self.frames {
            for reg in &mut frame.regs {
                f(reg);
            }
            for slot in frame.stack.iter_mut().filter(|slot| slot.is_spilled()) {
                f(&mut slot.reg);
            }
        }
    }
}

impl<F> State<F> {
    /// The same without content, to stand in for it.
    #[must_use]
    pub(crate) fn hollow(&self) -> Self {
        self.with_parts(Vec::new(), Vec::new(), History::default())
    }

    /// Number of the innermost frame.
    #[must_use]
    pub(crate) fn curframe(&self) -> usize {
        self.frames.len() - 1
    }

    /// The innermost frame.
    #[must_use]
    pub(crate) fn top(&self) -> &F {
        self.frames.last().expect("bug: a state has at least one frame")
    }

    /// The innermost frame, to change.
    pub(crate) fn top_mut(&mut self) -> &mut F {
        self.frames.last_mut().expect("bug: a state has at least one frame")
    }

    /// Instruction at which a frame stands: the call it made, or the current one.
    /// Kernel: `bpf_frame_insn_idx`.
    #[must_use]
    pub(crate) fn frame_pc(&self, frame: usize) -> u32
    where
        F: Activation,
    {
        self.frames.get(frame + 1).map_or(self.pc, |callee| callee.call().0)
    }

    /// The same with these activations.
    pub(crate) fn with_frames<T>(&self, frames: Vec<T>) -> State<T> {
        self.with_parts(frames, self.refs.clone(), self.history.clone())
    }

    /// The same with these activations, references and steps.
    fn with_parts<T>(&self, frames: Vec<T>, refs: Vec<Reference>, history: History) -> State<T> {
        State {
            frames,
            refs,
            active_locks: self.active_locks,
            active_lock_id: self.active_lock_id,
            active_lock_place: self.active_lock_place,
            active_preempt_locks: self.active_preempt_locks,
            active_irq_id: self.active_irq_id,
            active_rcu_locks: self.active_rcu_locks,
            speculative: self.speculative,
            in_sleepable: self.in_sleepable,
            branches: self.branches,
            pc: self.pc,
            first_pc: self.first_pc,
            last_pc: self.last_pc,
            parent: self.parent,
            equal: self.equal,
            history,
            dfs_depth: self.dfs_depth,
            callback_unroll_depth: self.callback_unroll_depth,
            may_goto_depth: self.may_goto_depth,
        }
    }
}

impl<F: Clone> Clone for State<F> {
    fn clone(&self) -> Self {
        self.with_frames(self.frames.clone())
    }

    fn clone_from(&mut self, other: &Self) {
        // One by one, as states are large and branches many.
        let Self {
            frames,
            refs,
            active_locks,
            active_lock_id,
            active_lock_place,
            active_preempt_locks,
            active_irq_id,
            active_rcu_locks,
            speculative,
            in_sleepable,
            branches,
            pc,
            first_pc,
            last_pc,
            parent,
            equal,
            history,
            dfs_depth,
            callback_unroll_depth,
            may_goto_depth,
        } = self;
        frames.clone_from(&other.frames);
        copy_list(refs, &other.refs);
        history.clone_from(&other.history);
        *active_locks = other.active_locks;
        *active_lock_id = other.active_lock_id;
        *active_lock_place = other.active_lock_place;
        *active_preempt_locks = other.active_preempt_locks;
        *active_irq_id = other.active_irq_id;
        *active_rcu_locks = other.active_rcu_locks;
        *speculative = other.speculative;
        *in_sleepable = other.in_sleepable;
        *branches = other.branches;
        *pc = other.pc;
        *first_pc = other.first_pc;
        *last_pc = other.last_pc;
        *parent = other.parent;
        *equal = other.equal;
        *dfs_depth = other.dfs_depth;
        *callback_unroll_depth = other.callback_unroll_depth;
        *may_goto_depth = other.may_goto_depth;
    }
}
