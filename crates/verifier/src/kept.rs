//! States that are kept for later, in little memory.
//!
//! Up to some ten thousand states are remembered and up to 8,192 wait to be followed. One state in full
//! takes more than a kilobyte for each frame and 120 bytes for each slot of stack, but from one to the
//! next little changes. So a kept state points to its frames, and these to their registers and slots;
//! those that are equal to the ones of the remembered state before it on the path, or that were met
//! lately, are shared.
//!
//! Whether a number is precise is found out later, for each state on its own: that mark stands beside
//! the shared values, in [`Precise`].

use crate::frame::{Activation, Frame, Slot};
use crate::reg::RegState;
use crate::state::State;
use std::array;
use std::ops::Deref;
use std::rc::Rc;

/// A state that is kept.
pub(crate) type KeptState = State<KeptFrame>;
/// Registers and stack of an activation that is kept.
type Values = Frame<Rc<RegState>, Rc<Slot>>;

/// An activation of a state that is kept.
#[derive(Clone, Debug)]
pub(crate) struct KeptFrame {
    values: Rc<Values>,
    pub(crate) precise: Precise,
}

/// Which numbers of a kept frame matter; those of the current path carry the mark themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Precise {
    /// A bit a register.
    pub(crate) regs: u16,
    /// A bit a slot.
    pub(crate) slots: u64,
}

impl Precise {
    /// Those that the frame marks.
    fn of(frame: &Frame) -> Self {
        let regs = frame.regs.iter().enumerate();
        let slots = frame.stack.iter().enumerate();
        Self {
            regs: regs.fold(0, |all, (at, reg)| all | u16::from(reg.precise) << at),
            slots: slots.fold(0, |all, (at, slot)| all | u64::from(slot.reg.precise) << at),
        }
    }

    /// Whether the register matters.
    #[must_use]
    pub(crate) fn reg(self, at: usize) -> bool {
        self.regs >> at & 1 != 0
    }

    /// Whether the slot matters.
    #[must_use]
    pub(crate) fn slot(self, at: usize) -> bool {
        self.slots >> at & 1 != 0
    }
}

/// Most values of each kind that are found again.
const MAX_PLACES: usize = 1024;

/// Values that were kept lately.
#[derive(Default)]
pub(crate) struct Pool {
    /// The register that was never written, which most are.
    unwritten: Option<Rc<RegState>>,
    regs: Places<RegState>,
    slots: Places<Slot>,
    /// Frames whose dead values were cleared.
    cleared: Places<Values>,
}

/// Values by a number made of them, each until another takes its place. There are no places until something is kept: programs
/// that leave the stack alone have no slots.
struct Places<T> {
    values: Box<[Option<Rc<T>>]>,
    count: usize,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self::new(1)
    }
}

impl<T> Places<T> {
    fn new(count: usize) -> Self {
        Self { values: Box::default(), count }
    }
}

impl<T: PartialEq> Places<T> {
    /// The value, shared with one that is equal and was met lately.
    fn keep(&mut self, place: usize, value: T) -> Rc<T> {
        if self.values.is_empty() {
            self.values = std::iter::repeat_with(|| None).take(self.count).collect();
        }
        let known = &mut self.values[place & (self.count - 1)];
        match known {
            Some(known) if **known == value => Rc::clone(known),
            _ => Rc::clone(known.insert(Rc::new(value))),
        }
    }
}

impl Pool {
    /// What is kept next is of a program of that many slots.
    pub(crate) fn fit(&mut self, slots: usize) {
        let places = (4 * slots).next_power_of_two().min(MAX_PLACES);
        if self.regs.count != places {
            let (regs, slots) = (Places::new(places), Places::new(places));
            (self.regs, self.slots, self.cleared) = (regs, slots, Places::new(places));
        }
    }

    /// The state in the form that is kept. `before` is one that probably has much in common with it; `frames` is empty, for its
    /// memory.
    pub(crate) fn keep(
        &mut self,
        state: &State,
        before: Option<&KeptState>,
        mut frames: Vec<KeptFrame>,
    ) -> KeptState {
        frames.extend(state.frames.iter().enumerate().map(|(at, frame)| {
            let before = before.and_then(|before| before.frames.get(at));
            self.keep_frame(frame, before)
        }));
        state.with_frames(frames)
    }

    fn keep_frame(&mut self, frame: &Frame, before: Option<&KeptFrame>) -> KeptFrame {
        let precise = Precise::of(frame);
        let values = match before {
            Some(old) if old.stands_for(frame) => Rc::clone(&old.values),
            _ => Rc::new(self.values(frame, before)),
        };
        KeptFrame { values, precise }
    }

    fn values(&mut self, frame: &Frame, before: Option<&KeptFrame>) -> Values {
        let regs = array::from_fn(|at| match before.map(|before| &before.regs[at]) {
            Some(old) if old.same_but_precise(&frame.regs[at]) => Rc::clone(old),
            _ => self.reg(&frame.regs[at]),
        });
        let stack = frame.stack.iter().enumerate().map(|(at, slot)| {
            match before.and_then(|before| before.stack.get(at)) {
                Some(old) if old.same_but_precise(slot) => Rc::clone(old),
                _ => self.slot(*slot),
            }
        });
        frame.with_values(regs, stack.collect())
    }

    /// Clears the registers and slots of a frame that are not in these masks.
    pub(crate) fn clear_dead(&mut self, frame: &mut KeptFrame, live_regs: u16, live_slots: u64) {
        let live_regs = live_regs | 1 << 10;
        let values = &*frame.values;
        let regs = array::from_fn(|at| match live_regs >> at & 1 {
            0 => self.unwritten(),
            _ => Rc::clone(&values.regs[at]),
        });
        let stack = values.stack.iter().enumerate().map(|(at, slot)| match live_slots >> at & 1 {
            0 => self.slot(Slot::INVALID),
            _ => Rc::clone(slot),
        });
        let cleared = values.with_values(regs, stack.collect());
        frame.precise.regs &= live_regs;
        frame.precise.slots &= live_slots;
        let place = cleared.regs.iter().fold(cleared.callsite as usize, |all, reg| {
            all.wrapping_mul(31).wrapping_add(Rc::as_ptr(reg).addr() >> 4)
        });
        frame.values = self.cleared.keep(place, cleared);
    }

    /// The register that was never written.
    fn unwritten(&mut self) -> Rc<RegState> {
        Rc::clone(self.unwritten.get_or_insert_with(|| Rc::new(RegState::NOT_INIT)))
    }

    /// A register that is kept.
    fn reg(&mut self, reg: &RegState) -> Rc<RegState> {
        if reg.same_but_precise(&RegState::NOT_INIT) {
            return self.unwritten();
        }
        let reg = RegState { precise: false, ..*reg };
        self.regs.keep(place(&reg), reg)
    }

    /// A slot that is kept.
    fn slot(&mut self, mut slot: Slot) -> Rc<Slot> {
        slot.reg.precise = false;
        let bytes = slot.bytes.iter().fold(0, |all, &byte| all * 8 + byte as usize);
        self.slots.keep(place(&slot.reg).wrapping_add(bytes), slot)
    }
}

/// Where a value is looked for.
fn place(reg: &RegState) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let num = &reg.num;
    let bits = num.var_off.value() ^ num.var_off.mask().rotate_left(21);
    let range = num.umin.rotate_left(11) ^ num.umax.rotate_left(43);
    let names = u64::from(reg.id) << 32 | u64::from(reg.off.cast_unsigned());
    let kind = u64::from(reg.ty.flags) << 8 | reg.ty.base as u64;
    let mixed = ((bits ^ kind).wrapping_mul(ODD) ^ range ^ names.rotate_left(7)).wrapping_mul(ODD);
    (mixed >> 40) as usize
}

impl Deref for KeptFrame {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.values
    }
}

impl Activation for KeptFrame {
    fn call(&self) -> (u32, u32) {
        self.values.call()
    }
}

impl KeptState {
    /// The state in full.
    pub(crate) fn unfold(&self) -> State {
        self.with_frames(self.frames.iter().map(KeptFrame::unfold).collect())
    }
}

impl KeptFrame {
    /// Whether its values are those of the frame.
    fn stands_for(&self, frame: &Frame) -> bool {
        self.is_activation_of(frame)
            && self.regs.iter().zip(&frame.regs).all(|(old, reg)| old.same_but_precise(reg))
            && self.stack.len() == frame.stack.len()
            && self.stack.iter().zip(&frame.stack).all(|(old, slot)| old.same_but_precise(slot))
    }

    fn unfold(&self) -> Frame {
        let regs = array::from_fn(|at| {
            let precise = self.precise.reg(at);
            RegState { precise, ..*self.regs[at] }
        });
        let stack = self.stack.iter().enumerate().map(|(at, slot)| {
            let reg = RegState { precise: self.precise.slot(at), ..slot.reg };
            Slot { reg, bytes: slot.bytes }
        });
        self.with_values(regs, stack.collect())
    }
}
