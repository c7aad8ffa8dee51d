//! Registers and stack of one activation.

use crate::reg::RegState;
use crate::state::copy_list;
use skep_isa::Reg;

/// What one byte of the stack holds. Kernel: `enum bpf_stack_slot_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Byte {
    /// Never written.
    Invalid,
    /// Part of a spilled register.
    Spill,
    /// Data.
    Misc,
    /// Zero.
    Zero,
    /// Part of a dynptr.
    Dynptr,
    /// Part of an iterator.
    Iter,
    /// Saved interrupt state.
    IrqFlag,
}

/// Eight bytes of stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The register behind bytes of kind [`Byte::Spill`], or what a dynptr, iterator or flag is.
    pub reg: RegState,
    /// Kind of each byte, the highest address first, as the kernel counts: byte `i` of the slot
    /// `spi` is at `fp - spi * 8 - 1 - i`.
    pub bytes: [Byte; 8],
}

impl Slot {
    /// Never written.
    pub const INVALID: Self = Self { reg: RegState::NOT_INIT, bytes: [Byte::Invalid; 8] };

    /// Whether all its bytes are of this kind.
    #[must_use]
    pub(crate) fn is(&self, kind: Byte) -> bool {
        u64::from_ne_bytes(self.bytes.map(|byte| byte as u8)) == u64::from_ne_bytes([kind as u8; 8])
    }

    /// Equal in all but whether safety depends on the range.
    #[must_use]
    pub(crate) fn same_but_precise(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.reg.same_but_precise(&other.reg)
    }

    /// Whether it holds a whole spilled register. Kernel: `is_spilled_reg`.
    #[must_use]
    pub fn is_spilled(&self) -> bool {
        self.bytes[7] == Byte::Spill
    }

    /// Whether it holds a spilled number. Kernel: `is_spilled_scalar_reg`.
    #[must_use]
    pub fn is_spilled_scalar(&self) -> bool {
        self.is_spilled() && self.reg.is_scalar()
    }

    /// Whether it holds a number spilled with all its bytes. Kernel: `is_spilled_scalar_reg64`.
    #[must_use]
    pub fn is_spilled_scalar64(&self) -> bool {
        self.bytes[0] == Byte::Spill && self.reg.is_scalar()
    }
}

/// Range of results a function may return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetRange {
    /// Least.
    pub min: i32,
    /// Greatest.
    pub max: i32,
}

/// `callsite` of a function that was not called.
pub(crate) const MAIN: u32 = u32::MAX;

/// An activation of a function, whatever else is known of it.
pub(crate) trait Activation {
    /// The call that made it, [`MAIN`] for the first, and the function.
    fn call(&self) -> (u32, u32);
}

/// Registers and stack of one activation. Kernel: `struct bpf_func_state`.
///
/// `R` and `S` are [`RegState`] and [`Slot`] on the current path and pointers to them in what is kept
/// ([`crate::kept`]).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<R = RegState, S = Slot> {
    /// r0 to r10.
    pub regs: [R; 11],
    /// The call that made it, [`MAIN`] for the first.
    pub callsite: u32,
    /// Its number, 0 for the first.
    pub frame: u32,
    /// The function.
    pub subprog: u32,
    /// Entries into asynchronous callbacks before this one.
    pub async_entries: u32,
    /// What it may return, for a callback.
    pub callback_ret: RetRange,
    /// Whether it was called by a helper.
    pub in_callback: bool,
    /// Whether it runs on its own, later.
    pub in_async_callback: bool,
    /// Whether it handles an exception.
    pub in_exception_callback: bool,
    /// Iterations of the callback called from here that were simulated.
    pub callback_depth: u32,
    /// Slot `n` is the eight bytes from `fp - 8 * (n + 1)`.
    pub stack: Vec<S>,
}

impl Frame {
    /// An activation with nothing but its frame pointer. Kernel: `init_func_state`.
    #[must_use]
    pub(crate) fn new(callsite: u32, frame: u32, subprog: u32) -> Self {
        let mut regs = [RegState::NOT_INIT; 11];
        regs[10] = RegState::pointer(
            crate::reg::RegType::new(crate::reg::Base::Stack),
            crate::reg::Extra::None,
        );
        regs[10].frame = frame;
        Self {
            regs,
            callsite,
            frame,
            subprog,
            async_entries: 0,
            callback_ret: RetRange::default(),
            in_callback: false,
            in_async_callback: false,
            in_exception_callback: false,
            callback_depth: 0,
            stack: Vec::new(),
        }
    }

    /// The register.
    #[must_use]
    pub(crate) fn reg(&self, reg: Reg) -> &RegState {
        &self.regs[usize::from(reg.num())]
    }

    /// The register, to change.
    pub(crate) fn reg_mut(&mut self, reg: Reg) -> &mut RegState {
        &mut self.regs[usize::from(reg.num())]
    }

    /// Bytes of stack that are kept track of.
    #[must_use]
    pub(crate) fn allocated(&self) -> i32 {
        i32::try_from(self.stack.len() * 8).unwrap_or(i32::MAX)
    }
}

impl<R, S> Frame<R, S> {
    /// Whether the two stand for the same activation, whatever their registers and slots hold.
    #[must_use]
    pub(crate) fn is_activation_of<T, U>(&self, other: &Frame<T, U>) -> bool {
        self.callsite == other.callsite
            && self.frame == other.frame
            && self.subprog == other.subprog
            && self.async_entries == other.async_entries
            && self.callback_ret == other.callback_ret
            && self.in_callback == other.in_callback
            && self.in_async_callback == other.in_async_callback
            && self.in_exception_callback == other.in_exception_callback
            && self.callback_depth == other.callback_depth
    }

    /// Stands for the same activation from now on, whatever its registers and slots hold.
    fn become_activation_of(&mut self, other: &Self) {
        self.callsite = other.callsite;
        self.frame = other.frame;
        self.subprog = other.subprog;
        self.async_entries = other.async_entries;
        self.callback_ret = other.callback_ret;
        self.in_callback = other.in_callback;
        self.in_async_callback = other.in_async_callback;
        self.in_exception_callback = other.in_exception_callback;
        self.callback_depth = other.callback_depth;
    }

    /// The same activation with these registers and slots.
    pub(crate) fn with_values<T, U>(&self, regs: [T; 11], stack: Vec<U>) -> Frame<T, U> {
        Frame {
            regs,
            callsite: self.callsite,
            frame: self.frame,
            subprog: self.subprog,
            async_entries: self.async_entries,
            callback_ret: self.callback_ret,
            in_callback: self.in_callback,
            in_async_callback: self.in_async_callback,
            in_exception_callback: self.in_exception_callback,
            callback_depth: self.callback_depth,
            stack,
        }
    }
}

impl<R: Clone, S: Clone> Clone for Frame<R, S> {
    fn clone(&self) -> Self {
        self.with_values(self.regs.clone(), self.stack.clone())
    }

    fn clone_from(&mut self, other: &Self) {
        // Whole frames are not moved about: they are a kilobyte and more.
        self.regs.clone_from_slice(&other.regs);
        copy_list(&mut self.stack, &other.stack);
        self.become_activation_of(other);
    }
}

impl<R, S> Activation for Frame<R, S> {
    fn call(&self) -> (u32, u32) {
        (self.callsite, self.subprog)
    }
}
