//! States that are kept for later, in little memory.
//!
//! Up to some ten thousand states are remembered and up to 8,192 wait to be followed. One state in full
//! takes more than a kilobyte for each frame and 120 bytes for each slot of stack, but from one to the
//! next little changes. So a kept state points to its registers and slots, and those that are equal to
//! the ones of the remembered state before it on the path, or that were met lately, are shared.
//!
//! Whether a number is precise is found out later, for each state on its own: that mark stands beside
//! the shared values, in [`Precise`].

use crate::frame::{Frame, Precise, Slot};
use crate::reg::RegState;
use crate::state::State;
use std::array;
use std::rc::Rc;

/// A state that is kept.
pub(crate) type KeptState = State<Rc<RegState>, Rc<Slot>>;
/// A frame of it.
pub(crate) type KeptFrame = Frame<Rc<RegState>, Rc<Slot>>;

/// Values of each kind that are found again.
const PLACES: usize = 1024;

/// Values that were kept lately.
pub(crate) struct Pool {
    regs: Box<[Rc<RegState>]>,
    slots: Box<[Rc<Slot>]>,
}

impl Default for Pool {
    fn default() -> Self {
        let (reg, slot) = (Rc::new(RegState::NOT_INIT), Rc::new(Slot::INVALID));
        Self { regs: vec![reg; PLACES].into(), slots: vec![slot; PLACES].into() }
    }
}

impl Pool {
    /// The state in the form that is kept. `before` is one that probably has much in common with it.
    pub(crate) fn keep(&mut self, state: &State, before: Option<&KeptState>) -> KeptState {
        let frames = state.frames.iter().enumerate().map(|(at, frame)| {
            let before = before.and_then(|before| before.frames.get(at));
            self.keep_frame(frame, before)
        });
        state.with_frames(frames.collect())
    }

    fn keep_frame(&mut self, frame: &Frame, before: Option<&KeptFrame>) -> KeptFrame {
        let mut precise = Precise::default();
        let regs = array::from_fn(|at| {
            let mut reg = frame.regs[at];
            precise.regs |= u16::from(reg.precise) << at;
            reg.precise = false;
            match before.map(|before| &before.regs[at]) {
                Some(old) if **old == reg => Rc::clone(old),
                _ => self.reg(reg),
            }
        });
        let mut stack = Vec::with_capacity(frame.stack.len());
        for (at, slot) in frame.stack.iter().enumerate() {
            let mut slot = *slot;
            precise.slots |= u64::from(slot.reg.precise) << at;
            slot.reg.precise = false;
            stack.push(match before.and_then(|before| before.stack.get(at)) {
                Some(old) if **old == slot => Rc::clone(old),
                _ => self.slot(slot),
            });
        }
        frame.with_values(regs, stack, precise)
    }

    /// A register that is kept.
    pub(crate) fn reg(&mut self, reg: RegState) -> Rc<RegState> {
        find(&mut self.regs, place(&reg), reg)
    }

    /// A slot that is kept.
    pub(crate) fn slot(&mut self, slot: Slot) -> Rc<Slot> {
        let bytes = slot.bytes.iter().fold(0, |all, &byte| all * 8 + byte as usize);
        find(&mut self.slots, place(&slot.reg).wrapping_add(bytes), slot)
    }
}

fn find<T: PartialEq>(places: &mut [Rc<T>], place: usize, value: T) -> Rc<T> {
    let known = &mut places[place % PLACES];
    if **known != value {
        *known = Rc::new(value);
    }
    Rc::clone(known)
}

/// Where a value is looked for.
fn place(reg: &RegState) -> usize {
    let parts = [
        reg.num.var_off.value(),
        reg.num.var_off.mask(),
        reg.num.umin,
        reg.num.umax,
        u64::from(reg.id) << 32 | u64::from(reg.off.cast_unsigned()),
        u64::from(reg.ty.flags) << 8 | reg.ty.base as u64,
    ];
    let mixed = parts
        .iter()
        .fold(0_u64, |all, &part| (all.rotate_left(5) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (mixed >> 40) as usize
}

impl KeptState {
    /// The state in full.
    pub(crate) fn unfold(&self) -> State {
        self.with_frames(self.frames.iter().map(KeptFrame::unfold).collect())
    }
}

impl KeptFrame {
    fn unfold(&self) -> Frame {
        let regs = array::from_fn(|at| {
            let precise = self.precise.reg(at);
            RegState { precise, ..*self.regs[at] }
        });
        let stack = self.stack.iter().enumerate().map(|(at, slot)| {
            let reg = RegState { precise: self.precise.slot(at), ..slot.reg };
            Slot { reg, bytes: slot.bytes }
        });
        self.with_values(regs, stack.collect(), Precise::default())
    }
}
