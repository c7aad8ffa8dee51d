//! Stack slots that may be read later, by chain of calls and instruction.
//!
//! While paths are followed, each instruction collects the slots that it may read (the union over all
//! visits) and those that it always writes (the intersection). From these, per function and chain of
//! calls, the slots that are live before each instruction follow by backward data flow; what a callee
//! reads and writes of its callers' frames becomes reads and writes of the call. A state whose branches
//! are all explored has all its marks, so comparing with it may pass over dead slots.
//!
//! Kernel: `kernel/bpf/liveness.c` of Linux 6.18.

use crate::flow::Backwards;
use crate::frame::Activation;
use crate::kept::KeptState;
use crate::paged::Paged;
use crate::verifier::{MAX_FRAMES, Verifier};
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

/// Slots of one frame, one bit each.
pub(crate) type Slots = u64;

/// Marks of one instruction for one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Accesses {
    may_read: Slots,
    must_write: Slots,
}

/// Marks of a function for one frame.
#[derive(Clone, Debug, Default)]
struct Marks {
    /// Whether there are any.
    any: bool,
    accesses: Paged<Accesses>,
    live_before: Paged<Slots>,
    /// What is written on every way from an instruction to the end of the function; only for frames of
    /// callers, as nobody else asks.
    must_write_after: Paged<Slots>,
    /// Instructions whose marks changed since `live_before` was computed.
    stale: Vec<u32>,
}

/// A function in one chain of calls.
///
/// A program may have very many chains, most of whose functions leave the stack alone: these hold little.
#[derive(Debug)]
struct Instance {
    /// The caller's, [`NO_CALLER`] for the first.
    caller: u32,
    /// The call that leads here.
    callsite: u32,
    subprog: u32,
    /// First slot of the function.
    start: u32,
    /// Where in [`StackLive::written`] the bits of its instructions begin.
    written: u32,
    updated: bool,
    must_write_dropped: bool,
    /// By frame, up to the last that has marks.
    frames: Box<[Marks]>,
}

/// No instance.
const NO_CALLER: u32 = u32::MAX;

/// Caller, call and first slot of the function.
type Key = (u32, u32, u32);

/// All marks so far. Kernel: `struct bpf_liveness`.
#[derive(Debug, Default)]
pub(crate) struct StackLive {
    instances: Vec<Instance>,
    by_key: HashMap<Key, u32>,
    /// Instructions that were followed, a bit each, by instance.
    written: Vec<u64>,
    /// Instances that were updated.
    updated: usize,
    /// Instance of the current state's innermost frame, and the frames that are on the stack there.
    current: Option<(usize, usize)>,
    /// Slots that the current instruction wrote, by frame.
    write_acc: [Slots; MAX_FRAMES],
    /// Whether it wrote any.
    wrote: bool,
    /// Frames that are on the stack at the current instruction.
    write_frames: usize,
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
        self.instances.clear();
        self.by_key.clear();
        self.written.clear();
        self.updated = 0;
        self.current = None;
    }

    /// Functions in chains of calls that there is something of.
    pub(crate) fn size(&self) -> usize {
        self.instances.len()
    }

    /// The innermost frame has changed.
    pub(crate) fn reset_chain(&mut self) {
        self.current = None;
    }

    /// The marks for a frame, if there are any.
    fn marks(&self, instance: usize, frame: usize) -> Option<&Marks> {
        self.instances[instance].frames.get(frame).filter(|marks| marks.any)
    }

    fn marks_mut(&mut self, instance: usize, frame: usize) -> &mut Marks {
        let frames = &mut self.instances[instance].frames;
        if frames.len() <= frame {
            let mut more = mem::take(frames).into_vec();
            more.resize_with(frame + 1, Marks::default);
            *frames = more.into();
        }
        let marks = &mut frames[frame];
        marks.any = true;
        marks
    }

    /// What an instruction reads and writes.
    fn accesses(&self, instance: usize, frame: usize, pc: u32) -> Accesses {
        let at = pc - self.instances[instance].start;
        self.marks(instance, frame).map(|marks| marks.accesses.get(at)).unwrap_or_default()
    }

    /// Notes anew what an instruction reads and writes: what is live before it has to be computed anew.
    fn set_accesses(&mut self, instance: usize, frame: usize, pc: u32, accesses: Accesses) {
        let at = pc - self.instances[instance].start;
        let marks = self.marks_mut(instance, frame);
        marks.accesses.set(at, accesses);
        marks.stale.push(pc);
    }

    fn live_before(&self, instance: usize, frame: usize, pc: u32) -> Slots {
        let at = pc - self.instances[instance].start;
        self.marks(instance, frame).map_or(0, |marks| marks.live_before.get(at))
    }

    fn mark_updated(&mut self, instance: usize) {
        let instance = &mut self.instances[instance];
        self.updated += usize::from(!instance.updated);
        instance.updated = true;
    }

    fn mark_read(&mut self, instance: usize, frame: usize, pc: u32, slots: Slots) {
        let mut accesses = self.accesses(instance, frame, pc);
        if slots & !accesses.may_read == 0 {
            return;
        }
        accesses.may_read |= slots;
        self.set_accesses(instance, frame, pc, accesses);
        if accesses.may_read & !self.live_before(instance, frame, pc) != 0 {
            self.mark_updated(instance);
        }
    }

    /// Frames that are on the stack where the instance runs.
    fn depth(&self, instance: usize) -> usize {
        let caller = |&at: &usize| self.instances[at].caller();
        std::iter::successors(Some(instance), caller).count()
    }

    fn reset_writes(&mut self, frames: usize, pc: u32) {
        self.write_pc = pc;
        self.write_frames = frames;
        if mem::take(&mut self.wrote) {
            self.write_acc = [0; MAX_FRAMES];
        }
    }

    #[inline]
    fn commit_writes(&mut self, instance: usize) {
        let Instance { start, written, ref frames, .. } = self.instances[instance];
        let (word, bit) = bit_of(written, self.write_pc - start);
        let word = &mut self.written[word];
        let seen = *word & bit != 0;
        *word |= bit;
        // Otherwise nothing has touched the stack yet.
        if self.wrote || !frames.is_empty() {
            self.merge_writes(instance, seen);
        }
    }

    /// Those of an instruction that may have been followed before.
    #[inline(never)]
    fn merge_writes(&mut self, instance: usize, seen: bool) {
        let pc = self.write_pc;
        for frame in 0..self.write_frames {
            let mut slots = self.write_acc[frame];
            if !seen && slots == 0 {
                continue;
            }
            let accesses = self.accesses(instance, frame, pc);
            let old = accesses.must_write;
            if seen {
                slots &= old;
            }
            if old != slots {
                let accesses = Accesses { must_write: slots, ..accesses };
                self.set_accesses(instance, frame, pc, accesses);
                self.mark_updated(instance);
            }
            if old & !slots != 0 {
                self.instances[instance].must_write_dropped = true;
            }
        }
    }
}

/// The word and bit of an instruction, `at` slots from the first of its function.
fn bit_of(written: u32, at: u32) -> (usize, u64) {
    (written as usize + at as usize / 64, 1 << (at % 64))
}

impl Instance {
    fn caller(&self) -> Option<usize> {
        (self.caller != NO_CALLER).then_some(self.caller as usize)
    }
}

impl Verifier<'_> {
    /// The instances of the frames of a state.
    fn chain(&mut self, state: &KeptState) -> Vec<usize> {
        self.chain_of(state.frames.iter().map(Activation::call))
    }

    fn chain_of(&mut self, calls: impl Iterator<Item = (u32, u32)>) -> Vec<usize> {
        let mut caller = NO_CALLER;
        calls
            .map(|call| {
                caller = self.callee(caller, call);
                caller as usize
            })
            .collect()
    }

    /// The instance of a frame whose caller's is known.
    fn callee(&mut self, caller: u32, (callsite, subprog): (u32, u32)) -> u32 {
        let callsite = if caller == NO_CALLER { 0 } else { callsite };
        self.instance(caller, callsite, subprog)
    }

    fn instance(&mut self, caller: u32, callsite: u32, subprog: u32) -> u32 {
        let func = &self.subprogs[subprog as usize];
        let (start, end) = (func.start, func.end);
        let next = u32::try_from(self.live.instances.len()).unwrap_or(u32::MAX);
        // Most paths are in the function that all of them start in: it comes first.
        let is_first = caller == NO_CALLER
            && self.live.instances.first().is_none_or(|first| first.start == start);
        let at = match is_first {
            true => 0,
            false => *self.live.by_key.entry((caller, callsite, start)).or_insert(next),
        };
        if at == next {
            let written = self.live.written.len();
            self.live.written.resize(written + (end - start).div_ceil(64) as usize, 0);
            self.live.instances.push(Instance {
                caller,
                callsite,
                subprog,
                start,
                written: u32::try_from(written).unwrap_or(u32::MAX),
                updated: false,
                must_write_dropped: false,
                frames: Box::default(),
            });
        }
        at
    }

    /// The instance of the innermost frame, and how many frames there are.
    fn current_instance(&mut self) -> (usize, usize) {
        if let Some(current) = self.live.current {
            return current;
        }
        let (mut caller, frames) = (NO_CALLER, self.cur.frames.len());
        for frame in 0..frames {
            caller = self.callee(caller, self.cur.frames[frame].call());
        }
        let current = (caller as usize, frames);
        self.live.current = Some(current);
        current
    }

    /// Slots of a frame may be read by the current instruction. Kernel: `bpf_mark_stack_read`.
    pub(crate) fn mark_stack_read(&mut self, frame: u32, slots: Slots) {
        let (instance, _) = self.current_instance();
        let pc = self.pc;
        self.live.mark_read(instance, frame as usize, pc, slots);
    }

    /// Slots of a frame are written by the current instruction. Kernel: `bpf_mark_stack_write`.
    pub(crate) fn mark_stack_write(&mut self, frame: u32, slots: Slots) {
        let frames = self.live.write_frames;
        if let Some(acc) = self.live.write_acc[..frames].get_mut(frame as usize) {
            *acc |= slots;
            self.live.wrote = true;
        }
    }

    /// An instruction begins. Kernel: `bpf_reset_stack_write_marks`.
    pub(crate) fn begin_stack_writes(&mut self) {
        if !self.names_stack {
            return;
        }
        let (_, frames) = self.current_instance();
        self.live.reset_writes(frames, self.pc);
    }

    /// The instruction has ended. Kernel: `bpf_commit_stack_write_marks`.
    pub(crate) fn commit_stack_writes(&mut self) {
        if let Some((instance, _)) = self.live.current {
            self.live.commit_writes(instance);
        }
    }

    /// Brings the answers for the current chain of calls up to date. Kernel: `bpf_update_live_stack`.
    pub(crate) fn update_live_stack(&mut self) {
        self.live.reset_chain();
        if self.live.updated == 0 {
            return;
        }
        let calls: Vec<_> = self.cur.frames.iter().map(Activation::call).collect();
        for at in self.chain_of(calls.into_iter()).into_iter().rev() {
            if self.live.instances[at].updated {
                self.update_instance(at);
                self.live.updated -= 1;
                self.live.instances[at].updated = false;
                self.live.instances[at].must_write_dropped = false;
            }
        }
    }

    fn update_instance(&mut self, at: usize) {
        if self.postorder.is_empty() {
            self.compute_postorder();
        }
        for frame in 0..self.live.instances[at].frames.len() {
            self.update_frame(at, frame);
        }
        if let Some(caller) = self.live.instances[at].caller() {
            self.propagate_to_caller(at, caller);
        }
    }

    /// Goes through the function in postorder, again and again, until nothing changes. Instructions are
    /// passed over whose own marks and whose successors' are as they were the last time.
    fn update_frame(&mut self, at: usize, frame: usize) {
        let is_callers = frame + 1 < self.live.depth(at);
        let order = self.postorder_of(self.live.instances[at].subprog as usize);
        let instance = &mut self.live.instances[at];
        let marks = &mut instance.frames[frame];
        if !marks.any {
            return;
        }
        let backwards = || Rc::new(Backwards::new(self.insns, &self.postorder));
        let way = Rc::clone(self.backwards.get_or_init(backwards));
        let mut stale = PlaceSet::new(order.len());
        if instance.must_write_dropped {
            marks.must_write_after = Paged::default();
            marks.stale.clear();
            (0..order.len()).for_each(|place| stale.insert(place));
        }
        for pc in marks.stale.drain(..) {
            stale.insert(way.place[pc as usize] as usize - order.start);
        }
        loop {
            let mut next = 0;
            while let Some(place) = stale.first_from(next) {
                next = place + 1;
                stale.remove(place);
                let pc = self.postorder[order.start + place];
                if self.update_insn(at, frame, pc, is_callers) {
                    for &before in way.predecessors.of(pc) {
                        stale.insert(way.place[before as usize] as usize - order.start);
                    }
                }
            }
            if next == 0 {
                break;
            }
        }
    }

    fn update_insn(&mut self, at: usize, frame: usize, pc: u32, is_callers: bool) -> bool {
        let start = self.live.instances[at].start;
        let Some(marks) = self.live.marks(at, frame) else { return false };
        let (mut after, mut all, mut any) = (0, Slots::MAX, false);
        for next in self.successors(pc) {
            after |= marks.live_before.get(next - start);
            if is_callers {
                all &= marks.must_write_after.get(next - start);
            }
            any = true;
        }
        if !any {
            return false;
        }
        let Accesses { may_read, must_write } = marks.accesses.get(pc - start);
        let before = (after & !must_write) | may_read;
        let all = if is_callers { all | must_write } else { 0 };
        let changed = before != marks.live_before.get(pc - start)
            || all != marks.must_write_after.get(pc - start);
        if changed {
            let marks = self.live.marks_mut(at, frame);
            marks.live_before.set(pc - start, before);
            marks.must_write_after.set(pc - start, all);
        }
        changed
    }

    /// What a callee reads and writes of outer frames is read and written by the call.
    fn propagate_to_caller(&mut self, at: usize, caller: usize) {
        let Instance { callsite, .. } = self.live.instances[at];
        self.live.reset_writes(self.live.depth(caller), callsite);
        for frame in 0..self.live.write_frames {
            let Some(marks) = self.live.marks(at, frame) else { continue };
            let (read, written) = (marks.live_before.get(0), marks.must_write_after.get(0));
            self.live.write_acc[frame] |= written;
            self.live.wrote |= written != 0;
            self.live.mark_read(caller, frame, callsite, read);
        }
        self.live.commit_writes(caller);
    }

    /// Prepares questions about a state. Kernel: `bpf_live_stack_query_init`.
    pub(crate) fn live_query(&mut self, state: &KeptState) -> Query {
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
            self.live.live_before(query.instances[instance], frame, pc) >> slot & 1 != 0
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
