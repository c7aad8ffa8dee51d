//! Variables of a function: r0 to r9, and slots of its stack.

use crate::surroundings::{Access, Surroundings};
use core::ops::Range;
use skep_isa::{AluOp, Call, Insn, Insns, Pc, Reg, Size, Src, Width};

/// Registers that are variables.
const REGS: usize = 10;
/// As many as a mask has bits.
const MOST: usize = 64;
/// Bytes of a slot, and slots of a frame.
const SLOT: i32 = 8;
const SLOTS: usize = 64;

/// What there is.
pub(super) struct Vars {
    /// How many.
    pub(super) count: usize,
    /// The variable of each slot from the end of the frame on, 0 if it is none, and how much is stored to it.
    slots: [(u8, Size); SLOTS],
}

/// What instructions do to variables, as masks of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    /// Read before they are written.
    pub(super) reads: u64,
    pub(super) writes: u64,
    /// Written with what may have more than 32 bits.
    pub(super) wide: u64,
}

impl Uses {
    /// Anything.
    pub(super) const ANY: Self = Self { reads: u64::MAX, writes: u64::MAX, wide: u64::MAX };

    /// Followed by others.
    pub(super) fn then(&mut self, next: Self) {
        self.reads |= next.reads & !self.writes;
        self.writes |= next.writes;
        self.wide |= next.wide;
    }
}

/// Whether what an instruction gives has surely no more than 32 bits, as the lift knows it.
const fn is_narrow(insn: &Insn) -> bool {
    match *insn {
        Insn::Alu { width: Width::W32, .. }
        | Insn::Neg { width: Width::W32, .. }
        | Insn::MovSx { width: Width::W32, .. } => true,
        Insn::Alu { op: AluOp::Mov | AluOp::And, src: Src::Imm(imm), .. } => imm >= 0,
        Insn::Swap { size, .. }
        | Insn::Load { size, .. }
        | Insn::LoadAcquire { size, .. }
        | Insn::Store { size, .. } => !matches!(size, Size::Dw),
        _ => false,
    }
}

/// What is known of a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    No,
    /// Stored so, and loaded not at all or no more.
    Stored(Size),
    /// Loaded so, as far as that is known.
    Loaded(Size),
    Mixed,
}

impl Vars {
    /// Of the function in these slots.
    pub(super) fn of<O: Surroundings + ?Sized>(
        insns: &Insns,
        outside: &O,
        range: Range<u32>,
    ) -> Self {
        let mut this = Self { count: REGS, slots: [(0, Size::Dw); SLOTS] };
        if range.is_empty() {
            return this;
        }
        let mut seen = [Seen::No; SLOTS];
        for (pc, insn) in within(insns, range) {
            if !note(outside, pc, insn, &mut seen) {
                return this;
            }
        }
        for (slot, seen) in this.slots.iter_mut().zip(seen) {
            if let Seen::Stored(size) = seen
                && this.count < MOST
            {
                *slot = (u8::try_from(this.count).unwrap_or(0), size);
                this.count += 1;
            }
        }
        this
    }

    /// The variable that an access of the stack is one of, and what is stored to it.
    pub(super) fn slot(&self, base: Reg, off: i16) -> Option<(usize, Size)> {
        if base != Reg::FP || self.count == REGS {
            return None;
        }
        let (var, size) = self.slots[slot_of(off)?];
        (var != 0).then_some((var.into(), size))
    }

    /// What an instruction does to variables.
    pub(super) fn uses(&self, insn: &Insn) -> Uses {
        let (reads, writes) = self.read_and_written(insn);
        Uses { reads, writes, wide: if is_narrow(insn) { 0 } else { writes } }
    }

    /// Variables that an instruction reads and writes.
    fn read_and_written(&self, insn: &Insn) -> (u64, u64) {
        // The frame pointer is none.
        let reg = |reg: Reg| 1u64 << reg.num() & ((1 << REGS) - 1);
        let src = |src: Src| match src {
            Src::Reg(src) => reg(src),
            Src::Imm(_) => 0,
        };
        const ARGS: u64 = 0b11_1110;
        match *insn {
            Insn::Alu { op: AluOp::Mov, dst, src: from, .. } => (src(from), reg(dst)),
            Insn::Alu { dst, src: from, .. } => (src(from) | reg(dst), reg(dst)),
            Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
                (reg(src), reg(dst))
            }
            Insn::Neg { dst, .. } | Insn::Swap { dst, .. } => (reg(dst), reg(dst)),
            Insn::LoadImm { dst, .. } => (0, reg(dst)),
            // What these leave in r1 to r5 nothing reads.
            Insn::LoadAbs { .. } => (0, ARGS | 1),
            Insn::LoadInd { src, .. } => (reg(src), ARGS | 1),
            Insn::Load { dst, base, off, .. }
            | Insn::LoadSx { dst, base, off, .. }
            | Insn::LoadAcquire { dst, base, off, .. } => match self.slot(base, off) {
                Some((var, _)) => (1 << var, reg(dst)),
                None => (reg(base), reg(dst)),
            },
            Insn::Store { base, off, src: from, .. } => match self.slot(base, off) {
                Some((var, _)) => (src(from), 1 << var),
                None => (src(from) | reg(base), 0),
            },
            Insn::StoreRelease { base, src, .. } => (reg(src) | reg(base), 0),
            Insn::Atomic { op, base, src, .. } => {
                let compared = if op == skep_isa::AtomicOp::CmpXchg { 1 } else { 0 };
                (reg(src) | reg(base) | compared, insn.writes().map_or(0, reg))
            }
            Insn::JumpIf { dst, src: from, .. } => (reg(dst) | src(from), 0),
            Insn::Call(call) => {
                let target = if let Call::Reg(target) = call { reg(target) } else { 0 };
                (ARGS | target, ARGS | 1)
            }
            Insn::Exit => (1, 0),
            Insn::JumpReg { dst } => (reg(dst), 0),
            Insn::Jump { .. }
            | Insn::JumpLong { .. }
            | Insn::MayGoto { .. }
            | Insn::Static { .. }
            | Insn::StaticLong { .. } => (0, 0),
        }
    }
}

/// The instructions in a range of slots.
pub(super) fn within(insns: &Insns, range: Range<u32>) -> impl Iterator<Item = (Pc, &Insn)> {
    let slots = insns.slots().get(range.start as usize..range.end as usize).unwrap_or_default();
    range.zip(slots).filter_map(|(slot, insn)| Some((Pc(slot), insn.as_ref()?)))
}

/// The slot that starts at an offset from the frame pointer.
fn slot_of(off: i16) -> Option<usize> {
    let below = -i32::from(off);
    let is_slot = below > 0 && below % SLOT == 0;
    usize::try_from(below / SLOT - 1).ok().filter(|&slot| is_slot && slot < SLOTS)
}

/// Notes an instruction's access to the stack; whether the frame pointer is used for that alone.
fn note<O: Surroundings + ?Sized>(
    outside: &O,
    pc: Pc,
    insn: &Insn,
    seen: &mut [Seen; SLOTS],
) -> bool {
    let is_fp = |src: Src| src == Src::Reg(Reg::FP);
    match *insn {
        Insn::Alu { src, dst, .. } | Insn::JumpIf { src, dst, .. } => !is_fp(src) && dst != Reg::FP,
        Insn::MovSx { src, .. }
        | Insn::AddrSpaceCast { src, .. }
        | Insn::LoadInd { src, .. }
        | Insn::StoreRelease { src, .. } => {
            src != Reg::FP && !matches!(insn, Insn::StoreRelease { base: Reg::FP, .. })
        }
        Insn::Atomic { base, src, .. } => base != Reg::FP && src != Reg::FP,
        Insn::LoadAcquire { base, .. } => base != Reg::FP,
        Insn::Store { size, base, off, src } if base == Reg::FP => {
            mark(seen, off, size, outside.access(pc), true);
            !is_fp(src)
        }
        Insn::Store { src, .. } => !is_fp(src),
        Insn::Load { size, base, off, .. } | Insn::LoadSx { size, base, off, .. } => {
            if base == Reg::FP {
                mark(seen, off, size, outside.access(pc), false);
            }
            true
        }
        _ => true,
    }
}

fn mark(seen: &mut [Seen; SLOTS], off: i16, size: Size, access: Access, is_store: bool) {
    let Some(slot) = slot_of(off).filter(|_| access == Access::Plain) else {
        // Slots that the access touches.
        let first = -i32::from(off) - i32::from(size.bytes());
        for below in [first, -i32::from(off) - 1] {
            let slot = usize::try_from(below.div_euclid(SLOT)).ok();
            if let Some(slot) = slot.and_then(|slot| seen.get_mut(slot)) {
                *slot = Seen::Mixed;
            }
        }
        return;
    };
    let known = &mut seen[slot];
    *known = match (*known, is_store) {
        (Seen::No, true) => Seen::Stored(size),
        (Seen::No, false) => Seen::Loaded(size),
        (Seen::Stored(stored), true) if stored == size => *known,
        (Seen::Stored(stored), false) if stored >= size => *known,
        (Seen::Loaded(loaded), false) => Seen::Loaded(loaded.max(size)),
        (Seen::Loaded(loaded), true) if size >= loaded => Seen::Stored(size),
        _ => Seen::Mixed,
    };
}
