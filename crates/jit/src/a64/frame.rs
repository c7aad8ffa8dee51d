//! Entering and leaving functions, and the ways between code and those who run it.

use super::regs::{ENV, ENV_ARG, FRAME_POINTER, METER, RESULT, S0, SAVED};
use super::{Compiler, env};
use crate::code::Entry;
use crate::env::{Env, FRAME, MAX_LOOPS};
use crate::shape::Function;
use crate::surroundings::Surroundings;
use core::mem::offset_of;
use skep_a64::{Cond, Gpr, Label, Mem, MemSize, Reach, Width};

/// Where a call returns to.
const LINK: Gpr = Gpr::X30;

/// What a C function preserves, as far as code changes it; their number is even.
const ALL: [Gpr; 8] = [Gpr::X19, Gpr::X20, Gpr::X21, Gpr::X22, FRAME_POINTER, ENV, LINK, METER];

/// Registers that lie on the stack, the first at its end.
#[derive(Default)]
struct Kept {
    regs: [Option<Gpr>; 8],
    len: usize,
}

impl Kept {
    fn add(&mut self, reg: Gpr) {
        if let Some(slot) = self.regs.get_mut(self.len) {
            *slot = Some(reg);
            self.len += 1;
        }
    }

    /// Bytes that they take: the stack stays a multiple of 16.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "8 registers at most"
    )]
    const fn bytes(&self) -> i32 {
        self.len.next_multiple_of(2) as i32 * 8
    }

    /// By pairs, with the distance from the end of the stack.
    fn pairs(&self) -> impl DoubleEndedIterator<Item = (Gpr, Option<Gpr>, i32)> {
        self.regs.chunks(2).zip((0..4).map(|n| n * 16)).filter_map(|(pair, at)| match pair {
            [Some(a), b] => Some((*a, *b, at)),
            _ => None,
        })
    }
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// Starts a function.
    pub(super) fn begin(&mut self, index: usize, function: Function) {
        self.asm.bind(Label(self.functions + u32::try_from(index).unwrap_or_default()));
        self.is_main = index == 0 && self.entry != Entry::AsFunction;
        self.function = function;
        self.epilogue = None;
        if self.is_main && self.entry == Entry::WithEnv {
            self.save_all();
            self.asm.load(MemSize::B8, FRAME_POINTER, env(offset_of!(Env, stack)));
            self.zero_registers();
            self.zero_stack();
            if function.may_goto {
                self.asm.mov_imm(S0, MAX_LOOPS.into());
                self.asm.push(S0, 16);
            }
            self.make_room();
            return;
        }
        if function.may_goto {
            self.asm.mov_imm(S0, MAX_LOOPS.into());
        }
        self.keep(&self.kept());
        self.make_room();
        if function.frame {
            if self.is_main {
                let stack = i32::try_from(offset_of!(Env, stack)).unwrap_or_default();
                self.asm.load(MemSize::B8, FRAME_POINTER, Mem::new(ENV_ARG, stack));
            } else {
                let down = -i64::from(FRAME);
                self.asm.add_imm(Width::W64, FRAME_POINTER, FRAME_POINTER, down);
            }
            self.zero_stack();
        }
    }

    /// Bytes of the host's stack for values that have no register, below all that is kept.
    pub(super) fn room(&self) -> u16 {
        u16::try_from(self.function.spills.next_multiple_of(2) * 8).unwrap_or(u16::MAX)
    }

    fn make_room(&mut self) {
        if self.room() > 0 {
            self.asm.take(self.room());
        }
    }

    fn free_room(&mut self) {
        if self.room() > 0 {
            self.asm.free(self.room());
        }
    }

    /// What the function at hand keeps on the stack. The turns of its loops are at the end, where
    /// [`Compiler::may_goto`] finds them.
    fn kept(&self) -> Kept {
        let Function { saved, frame, calls, may_goto, .. } = self.function;
        let mut kept = Kept::default();
        let rest = [(may_goto, S0), (calls, LINK), (frame, FRAME_POINTER)];
        let saved = SAVED.into_iter().enumerate().map(|(n, reg)| (saved >> n & 1 != 0, reg));
        for (_, reg) in rest.into_iter().chain(saved).filter(|&(is, _)| is) {
            kept.add(reg);
        }
        kept
    }

    fn keep(&mut self, kept: &Kept) {
        for (a, b, at) in kept.pairs() {
            match b {
                Some(b) if at == 0 => self.asm.push_pair(a, b, kept.bytes()),
                Some(b) => self.asm.store_pair(a, b, at),
                None if at == 0 => self.asm.push(a, kept.bytes()),
                None => self.asm.store(MemSize::B8, a, Mem::sp(at)),
            }
        }
    }

    fn take_back(&mut self, kept: &Kept) {
        for (a, b, at) in kept.pairs().rev() {
            match b {
                Some(b) if at == 0 => self.asm.pop_pair(a, b, kept.bytes()),
                Some(b) => self.asm.load_pair(a, b, at),
                None if at == 0 => self.asm.pop(a, kept.bytes()),
                None => self.asm.load(MemSize::B8, a, Mem::sp(at)),
            }
        }
    }

    /// Zeroes the function's stack, where that can make a difference.
    fn zero_stack(&mut self) {
        if !self.outside.zeroes_stack() {
            return;
        }
        self.asm.add_imm(Width::W64, S0, FRAME_POINTER, -i64::from(FRAME));
        let again = self.asm.label();
        self.asm.bind(again);
        self.asm.zero_pair(S0);
        self.asm.cmp(Width::W64, S0, FRAME_POINTER);
        self.asm.b_cond(Cond::Ne, again, Reach::Near);
    }

    /// Saves all that a C function must preserve, and takes the environment.
    fn save_all(&mut self) {
        self.keep(&all());
        self.asm.mov(Width::W64, ENV, ENV_ARG);
        self.asm.mov_from_sp(S0);
        self.asm.store(MemSize::B8, S0, env(offset_of!(Env, host_sp)));
        self.load_meter();
    }

    fn restore_all(&mut self) {
        self.take_back(&all());
        self.asm.ret();
    }

    /// Takes back what [`Compiler::begin`] has done, and returns.
    pub(super) fn restore(&mut self) {
        if self.is_main {
            self.asm.mov(Width::W64, Gpr::X0, RESULT);
        }
        if self.is_main && self.entry == Entry::WithEnv {
            self.free_room();
            if self.function.may_goto {
                self.asm.free(16);
            }
            self.save_meter();
            return self.restore_all();
        }
        self.restore_saved();
        self.asm.ret();
    }

    pub(super) fn restore_saved(&mut self) {
        self.free_room();
        self.take_back(&self.kept());
    }

    /// `exit`: the first of a function restores, the others go there unless there is nothing to do.
    pub(super) fn exit(&mut self) {
        let is_short = self.kept().len == 0 && self.room() == 0 && self.entry != Entry::WithEnv;
        if let Some(label) = self.epilogue
            && !is_short
        {
            return self.asm.b(label);
        }
        let label = self.asm.label();
        self.asm.bind(label);
        self.epilogue = Some(label);
        self.restore();
    }

    /// What lies behind the program: ways in, out and to the bridge.
    pub(super) fn add_stubs(&mut self) {
        if !self.shape.env && self.entry != Entry::AsFunction {
            return;
        }
        let leave = self.asm.label();
        self.asm.bind(self.stubs.enter);
        self.save_all();
        self.asm.load(MemSize::B8, FRAME_POINTER, env(offset_of!(Env, stack)));
        self.zero_registers();
        self.asm.load(MemSize::B8, S0, env(offset_of!(Env, target)));
        self.asm.blr(S0);
        self.asm.mov(Width::W64, Gpr::X0, RESULT);
        self.save_meter();
        self.asm.bind(leave);
        self.restore_all();
        self.asm.bind(self.stubs.abort);
        self.asm.load(MemSize::B8, S0, env(offset_of!(Env, host_sp)));
        self.asm.mov_to_sp(S0);
        self.asm.b(leave);
        self.add_bridge();
        self.add_access();
        self.add_ways();
        self.add_asks();
        self.add_slow();
        self.add_slow_clusters();
        self.add_misses();
        self.add_unread();
        self.asm.trap();
    }
}

fn all() -> Kept {
    Kept { regs: ALL.map(Some), len: ALL.len() }
}
