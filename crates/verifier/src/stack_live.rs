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

/// Chain of call sites, then the start of the function.
type Chain = Box<[u32]>;

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
#[derive(Debug)]
struct Instance {
    /// Call sites that lead here.
    callsites: Vec<u32>,
    /// First slots of the functions of each frame, this one last.
    starts: Vec<u32>,
    subprog: usize,
    len: usize,
    updated: bool,
    must_write_dropped: bool,
    frames: Vec<Marks>,
    /// Whether `must_write` of the instruction was set.
    written: Vec<bool>,
}

/// All marks so far. Kernel: `struct bpf_liveness`.
#[derive(Debug, Default)]
pub(crate) struct StackLive {
    instances: Vec<Instance>,
    by_chain: HashMap<Chain, usize>,
    /// Whether some instance was updated.
    dirty: bool,
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
        let start = *instance.starts.last()?;
        instance.frames.get(frame)?.masks.get((pc - start) as usize)
    }

    fn masks_mut(&mut self, instance: usize, frame: usize, pc: u32) -> &mut Masks {
        let instance = &mut self.instances[instance];
        let start = *instance.starts.last().expect("bug: an instance has a function");
        let masks = &mut instance.frames[frame].masks;
        if masks.is_empty() {
            masks.resize(instance.len, Masks::default());
        }
        &mut masks[(pc - start) as usize]
    }

    /// What is live before an instruction has to be computed anew.
    fn mark_stale(&mut self, instance: usize, frame: usize, pc: u32) {
        self.instances[instance].frames[frame].stale.push(pc);
    }

    fn mark_read(&mut self, instance: usize, frame: usize, pc: u32, slots: Slots) {
        let masks = self.masks_mut(instance, frame, pc);
        let read = masks.may_read | slots;
        if read == masks.may_read {
            return;
        }
        let news = read | masks.live_before != masks.live_before;
        masks.may_read = read;
        self.mark_stale(instance, frame, pc);
        self.instances[instance].updated |= news;
        self.dirty |= news;
    }

    fn reset_writes(&mut self, instance: usize, pc: u32) {
        self.write_pc = pc;
        self.write_acc.clear();
        self.write_acc.resize(self.instances[instance].starts.len(), 0);
    }

    fn commit_writes(&mut self, instance: usize) {
        let pc = self.write_pc;
        let here = &self.instances[instance];
        let at = (pc - here.starts[here.starts.len() - 1]) as usize;
        let seen = here.written[at];
        for frame in 0..self.instances[instance].starts.len() {
            let mut slots = self.write_acc[frame];
            if slots == 0 && !seen {
                continue;
            }
            let masks = self.masks_mut(instance, frame, pc);
            let old = masks.must_write;
            if seen {
                slots &= old;
            }
            if old != slots {
                masks.must_write = slots;
                self.mark_stale(instance, frame, pc);
                self.instances[instance].updated = true;
                self.dirty = true;
            }
            if old & !slots != 0 {
                self.instances[instance].must_write_dropped = true;
            }
        }
        self.instances[instance].written[at] = true;
    }
}

impl Verifier<'_> {
    /// Chain of calls of a frame: the key of its instance, and where its functions start.
    fn chain_of<R, S>(&self, state: &State<R, S>, frame: usize) -> (Vec<u32>, Vec<u32>) {
        let start = |at: usize| self.subprogs[state.frames[at].subprog as usize].start;
        let mut key: Vec<u32> = state.frames[1..=frame].iter().map(|f| f.callsite).collect();
        key.push(start(frame));
        (key, (0..=frame).map(start).collect())
    }

    fn instance(&mut self, (key, starts): (Vec<u32>, Vec<u32>)) -> usize {
        match self.live.by_chain.get(key.as_slice()) {
            Some(&at) => at,
            None => self.new_instance(key, starts),
        }
    }

    fn new_instance(&mut self, key: Vec<u32>, starts: Vec<u32>) -> usize {
        let start = starts[starts.len() - 1];
        let subprog = self.subprog_of(start);
        let len = (self.subprogs[subprog].end - start) as usize;
        let at = self.live.instances.len();
        self.live.instances.push(Instance {
            callsites: key[..key.len() - 1].to_vec(),
            frames: vec![Marks::default(); starts.len()],
            starts,
            subprog,
            len,
            updated: false,
            must_write_dropped: false,
            written: vec![false; len],
        });
        self.live.by_chain.insert(key.into_boxed_slice(), at);
        at
    }

    fn current_instance(&mut self) -> usize {
        if let Some(at) = self.live.current {
            return at;
        }
        let chain = self.chain_of(&self.cur, self.cur.curframe());
        let at = self.instance(chain);
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
        if !self.live.dirty {
            return;
        }
        for frame in (0..self.cur.frames.len()).rev() {
            let chain = self.chain_of(&self.cur, frame);
            let at = self.instance(chain);
            if self.live.instances[at].updated {
                self.update_instance(at);
                self.live.instances[at].updated = false;
                self.live.instances[at].must_write_dropped = false;
            }
        }
        self.live.dirty = self.live.instances.iter().any(|instance| instance.updated);
    }

    fn update_instance(&mut self, at: usize) {
        for frame in 0..self.live.instances[at].starts.len() {
            self.update_frame(at, frame);
        }
        if self.live.instances[at].starts.len() > 1 {
            self.propagate_to_caller(at);
        }
    }

    /// Goes through the function in postorder, again and again, until nothing changes. Instructions are
    /// passed over whose own marks and whose successors' are as they were the last time.
    fn update_frame(&mut self, at: usize, frame: usize) {
        let order = self.postorder_of(self.live.instances[at].subprog);
        let instance = &mut self.live.instances[at];
        let marks = &mut instance.frames[frame];
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
        if marks.masks.is_empty() {
            return;
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
    fn propagate_to_caller(&mut self, at: usize) {
        let here = &self.live.instances[at];
        let start = here.starts[here.starts.len() - 1];
        let callsite = here.callsites[here.callsites.len() - 1];
        let outer_starts = here.starts[..here.starts.len() - 1].to_vec();
        let mut key = here.callsites[..here.callsites.len() - 1].to_vec();
        key.push(outer_starts[outer_starts.len() - 1]);
        let frames = outer_starts.len();
        let outer = self.instance((key, outer_starts));
        self.live.reset_writes(outer, callsite);
        for frame in 0..frames {
            let Some(&masks) = self.live.masks(at, frame, start) else { continue };
            self.live.write_acc[frame] |= masks.must_write_acc;
            self.live.mark_read(outer, frame, callsite, masks.live_before);
        }
        self.live.commit_writes(outer);
    }

    /// Prepares questions about a state. Kernel: `bpf_live_stack_query_init`.
    pub(crate) fn live_query<R, S>(&mut self, state: &State<R, S>) -> Query {
        let instances = (0..state.frames.len())
            .map(|frame| {
                let chain = self.chain_of(state, frame);
                self.instance(chain)
            })
            .collect();
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
