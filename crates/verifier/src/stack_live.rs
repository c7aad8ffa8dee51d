//! Stack slots that may be read later, by chain of calls and instruction.
//!
//! While paths are followed, each instruction collects the slots that it may read (the union over all
//! visits) and those that it always writes (the intersection). From these, per function and chain of
//! calls, the slots that are live before each instruction follow by backward data flow; what a callee
//! reads and writes of its callers' frames becomes reads and writes of the call. A state whose branches
//! are all explored has all its marks, so comparing with it may pass over dead slots.
//!
//! Kernel: `kernel/bpf/liveness.c` of Linux 6.18.

use crate::state::State;
use crate::verifier::Verifier;
use std::collections::HashMap;

/// Slots of one frame, one bit each.
pub(crate) type Slots = u64;

/// Marks of one instruction for one frame.
#[derive(Clone, Copy, Debug, Default)]
struct Masks {
    may_read: Slots,
    must_write: Slots,
    must_write_acc: Slots,
    live_before: Slots,
}

/// Marks of a function for one frame.
#[derive(Clone, Debug, Default)]
struct Marks {
    /// By instruction; empty as long as there are none.
    masks: Vec<Masks>,
    /// Instructions whose marks changed since `live_before` was computed.
    stale: Vec<u32>,
}

/// A function in one chain of calls.
///
/// A program may have very many chains, most of whose functions leave the stack alone: these hold nothing.
#[derive(Debug)]
struct Instance {
    /// The caller's.
    caller: Option<u32>,
    /// The call that leads here.
    callsite: u32,
    subprog: u32,
    /// First slot of the function, and its slots.
    start: u32,
    len: u32,
    updated: bool,
    must_write_dropped: bool,
    /// By frame, up to the last that has marks.
    frames: Vec<Marks>,
    /// Instructions whose `must_write` was set, a bit each.
    written: Vec<u64>,
}

/// Caller, call and first slot of the function.
type Key = (Option<u32>, u32, u32);

/// All marks so far. Kernel: `struct bpf_liveness`.
#[derive(Debug, Default)]
pub(crate) struct StackLive {
    instances: Vec<Instance>,
    by_key: HashMap<Key, u32>,
    /// Instances that were updated.
    updated: usize,
    /// Instance of the current state's innermost frame.
    current: Option<usize>,
    /// Slots that the current instruction wrote, by frame.
    write_acc: Vec<Slots>,
    write_pc: u32,
}

/// Answers whether slots of a state are live.
pub(crate) struct Query {
    instances: Vec<usize>,
    callsites: Vec<u32>,
    pc: u32,
}

impl StackLive {
    /// No mark.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The innermost frame has changed.
    pub(crate) fn reset_chain(&mut self) {
        self.current = None;
    }

    fn masks(&self, instance: usize, frame: usize, pc: u32) -> Option<&Masks> {
        let instance = &self.instances[instance];
        instance.frames.get(frame)?.masks.get((pc - instance.start) as usize)
    }

    fn masks_mut(&mut self, instance: usize, frame: usize, pc: u32) -> &mut Masks {
        let instance = &mut self.instances[instance];
        if instance.frames.len() <= frame {
            instance.frames.resize_with(frame + 1, Marks::default);
        }
        let masks = &mut instance.frames[frame].masks;
        if masks.is_empty() {
            masks.resize(instance.len as usize, Masks::default());
        }
        &mut masks[(pc - instance.start) as usize]
    }

    /// What is live before an instruction has to be computed anew.
    fn mark_stale(&mut self, instance: usize, frame: usize, pc: u32) {
        self.instances[instance].frames[frame].stale.push(pc);
    }

    fn mark_updated(&mut self, instance: usize) {
        let instance = &mut self.instances[instance];
        self.updated += usize::from(!instance.updated);
        instance.updated = true;
    }

    fn mark_read(&mut self, instance: usize, frame: usize, pc: u32, slots: Slots) {
        let old = self.masks(instance, frame, pc).copied().unwrap_or_default();
        let read = old.may_read | slots;
        if read == old.may_read {
            return;
        }
        self.masks_mut(instance, frame, pc).may_read = read;
        self.mark_stale(instance, frame, pc);
        if read | old.live_before != old.live_before {
            self.mark_updated(instance);
        }
    }

    /// Frames that are on the stack where the instance runs.
    fn depth(&self, instance: usize) -> usize {
        let callers = |&at: &usize| self.instances[at].caller.map(|caller| caller as usize);
        std::iter::successors(Some(instance), callers).count()
    }

    fn reset_writes(&mut self, instance: usize, pc: u32) {
        self.write_pc = pc;
        self.write_acc.clear();
        self.write_acc.resize(self.depth(instance), 0);
    }

    fn commit_writes(&mut self, instance: usize) {
        let pc = self.write_pc;
        let at = (pc - self.instances[instance].start) as usize;
        let (word, bit) = (at / 64, 1 << (at % 64));
        let seen = self.instances[instance].written[word] & bit != 0;
        for frame in 0..self.write_acc.len() {
            let mut slots = self.write_acc[frame];
            let old = self.masks(instance, frame, pc).map_or(0, |masks| masks.must_write);
            if seen {
                slots &= old;
            } else if slots == 0 {
                continue;
            }
            if old != slots {
                self.masks_mut(instance, frame, pc).must_write = slots;
                self.mark_stale(instance, frame, pc);
                self.mark_updated(instance);
            }
            if old & !slots != 0 {
                self.instances[instance].must_write_dropped = true;
            }
        }
        self.instances[instance].written[word] |= bit;
    }
}

impl Verifier<'_> {
    /// The instances of the frames of a state.
    fn chain<R, S>(&mut self, state: &State<R, S>) -> Vec<usize> {
        let calls = state.frames.iter().map(|frame| (frame.callsite, frame.subprog));
        self.chain_of(calls)
    }

    fn current_chain(&mut self) -> Vec<usize> {
        let frames = self.cur.frames.iter();
        let calls: Vec<_> = frames.map(|frame| (frame.callsite, frame.subprog)).collect();
        self.chain_of(calls.into_iter())
    }

    fn chain_of(&mut self, calls: impl Iterator<Item = (u32, u32)>) -> Vec<usize> {
        let mut caller = None;
        calls
            .map(|(callsite, subprog)| {
                let callsite = if caller.is_none() { 0 } else { callsite };
                let at = self.instance(caller, callsite, subprog);
                caller = Some(at);
                at as usize
            })
            .collect()
    }

    fn instance(&mut self, caller: Option<u32>, callsite: u32, subprog: u32) -> u32 {
        let func = &self.subprogs[subprog as usize];
        let (start, end) = (func.start, func.end);
        let next = u32::try_from(self.live.instances.len()).unwrap_or(u32::MAX);
        let at = *self.live.by_key.entry((caller, callsite, start)).or_insert(next);
        if at == next {
            let len = end - start;
            self.live.instances.push(Instance {
                caller,
                callsite,
                subprog,
                start,
                len,
                updated: false,
                must_write_dropped: false,
                frames: Vec::new(),
                written: vec![0; len.div_ceil(64) as usize],
            });
        }
        at
    }

    fn current_instance(&mut self) -> usize {
        if let Some(at) = self.live.current {
            return at;
        }
        let at = self.current_chain().last().copied();
        let at = at.expect("bug: a state has at least one frame");
        self.live.current = Some(at);
        at
    }

    /// Slots of a frame may be read by the current instruction. Kernel: `bpf_mark_stack_read`.
    pub(crate) fn mark_stack_read(&mut self, frame: u32, slots: Slots) {
        let instance = self.current_instance();
        let pc = self.pc;
        self.live.mark_read(instance, frame as usize, pc, slots);
    }

    /// Slots of a frame are written by the current instruction. Kernel: `bpf_mark_stack_write`.
    pub(crate) fn mark_stack_write(&mut self, frame: u32, slots: Slots) {
        if let Some(acc) = self.live.write_acc.get_mut(frame as usize) {
            *acc |= slots;
        }
    }

    /// An instruction begins. Kernel: `bpf_reset_stack_write_marks`.
    pub(crate) fn begin_stack_writes(&mut self) {
        let instance = self.current_instance();
        self.live.reset_writes(instance, self.pc);
    }

    /// The instruction has ended. Kernel: `bpf_commit_stack_write_marks`.
    pub(crate) fn commit_stack_writes(&mut self) {
        if let Some(instance) = self.live.current {
            self.live.commit_writes(instance);
        }
    }

    /// Brings the answers for the current chain of calls up to date. Kernel: `bpf_update_live_stack`.
    pub(crate) fn update_live_stack(&mut self) {
        self.live.reset_chain();
        if self.live.updated == 0 {
            return;
        }
        for at in self.current_chain().into_iter().rev() {
            if self.live.instances[at].updated {
                self.update_instance(at);
                self.live.updated -= 1;
                self.live.instances[at].updated = false;
                self.live.instances[at].must_write_dropped = false;
            }
        }
    }

    fn update_instance(&mut self, at: usize) {
        for frame in 0..self.live.instances[at].frames.len() {
            self.update_frame(at, frame);
        }
        if let Some(caller) = self.live.instances[at].caller {
            self.propagate_to_caller(at, caller as usize);
        }
    }

    /// Goes through the function in postorder, again and again, until nothing changes. Instructions are
    /// passed over whose own marks and whose successors' are as they were the last time.
    fn update_frame(&mut self, at: usize, frame: usize) {
        let order = self.postorder_of(self.live.instances[at].subprog as usize);
        let instance = &mut self.live.instances[at];
        let marks = &mut instance.frames[frame];
        if marks.masks.is_empty() {
            return;
        }
        let mut stale = PlaceSet::new(order.len());
        if instance.must_write_dropped {
            for masks in &mut marks.masks {
                masks.must_write_acc = 0;
            }
            marks.stale.clear();
            (0..order.len()).for_each(|place| stale.insert(place));
        }
        for pc in marks.stale.drain(..) {
            stale.insert(self.postorder_place[pc as usize] as usize - order.start);
        }
        loop {
            let mut next = 0;
            while let Some(place) = stale.first_from(next) {
                next = place + 1;
                stale.remove(place);
                let pc = self.postorder[order.start + place];
                if self.update_insn(at, frame, pc) {
                    for &before in self.predecessors.of(pc) {
                        stale.insert(self.postorder_place[before as usize] as usize - order.start);
                    }
                }
            }
            if next == 0 {
                break;
            }
        }
    }

    fn update_insn(&mut self, at: usize, frame: usize, pc: u32) -> bool {
        let (mut after, mut acc, mut any) = (0, Slots::MAX, false);
        for next in self.successors(pc) {
            if let Some(masks) = self.live.masks(at, frame, next) {
                after |= masks.live_before;
                acc &= masks.must_write_acc;
                any = true;
            }
        }
        if !any {
            return false;
        }
        let masks = self.live.masks_mut(at, frame, pc);
        acc |= masks.must_write;
        let before = (after & !masks.must_write) | masks.may_read;
        let changed = before != masks.live_before || acc != masks.must_write_acc;
        masks.live_before = before;
        masks.must_write_acc = acc;
        changed
    }

    /// What a callee reads and writes of outer frames is read and written by the call.
    fn propagate_to_caller(&mut self, at: usize, caller: usize) {
        let Instance { start, callsite, .. } = self.live.instances[at];
        self.live.reset_writes(caller, callsite);
        for frame in 0..self.live.write_acc.len() {
            let Some(&masks) = self.live.masks(at, frame, start) else { continue };
            self.live.write_acc[frame] |= masks.must_write_acc;
            self.live.mark_read(caller, frame, callsite, masks.live_before);
        }
        self.live.commit_writes(caller);
    }

    /// Prepares questions about a state. Kernel: `bpf_live_stack_query_init`.
    pub(crate) fn live_query<R, S>(&mut self, state: &State<R, S>) -> Query {
        let instances = self.chain(state);
        Query {
            instances,
            callsites: state.frames[1..].iter().map(|frame| frame.callsite).collect(),
            pc: state.pc,
        }
    }

    /// Whether the slot may be read later. Kernel: `bpf_stack_slot_alive`.
    pub(crate) fn slot_alive(&self, query: &Query, frame: usize, slot: usize) -> bool {
        let live = |instance: usize, pc: u32| {
            let masks = self.live.masks(query.instances[instance], frame, pc);
            masks.is_some_and(|masks| masks.live_before >> slot & 1 != 0)
        };
        let innermost = query.instances.len() - 1;
        live(innermost, query.pc)
            || (frame..innermost).any(|at| {
                let callsite = query.callsites[at];
                let again = self.aux[callsite as usize].calls_callback;
                live(at, if again { callsite } else { callsite + 1 })
            })
    }
}

/// A set of places in the postorder of a function.
struct PlaceSet(Vec<u64>);

impl PlaceSet {
    fn new(places: usize) -> Self {
        Self(vec![0; places.div_ceil(64)])
    }

    fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn remove(&mut self, place: usize) {
        self.0[place / 64] &= !(1 << (place % 64));
    }

    /// The first that is not before `place`.
    fn first_from(&self, place: usize) -> Option<usize> {
        let mut word = place / 64;
        let mut bits = self.0.get(word)? & u64::MAX << (place % 64);
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }
}
