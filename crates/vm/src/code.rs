//! A program decoded once into the form that the interpreter's loop dispatches on.
//!
//! One [`Op`] per instruction (`lddw` included), so that the distance between two ops is the number
//! of instructions between them; [`Code::pc`] leads back to slots. Jumps hold the index of their target.

use crate::fuse::fuse;
use crate::helper::Helper;
use crate::translate::plain;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use once_cell::race::OnceBox;
use skep_isa::{AluOp, AtomicOp, CondOp, Insns, Pc, Size};
use skep_prog::{Image, Prog};

/// What the loop dispatches on: an instruction with its width and operand kind settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[rustfmt::skip]
pub(crate) enum OpCode {
    Add64X, Sub64X, Mul64X, Div64X, SDiv64X, Or64X, And64X, Lsh64X, Rsh64X, Mod64X, SMod64X, Xor64X,
    Mov64X, Arsh64X,
    Add64K, Sub64K, Mul64K, Div64K, SDiv64K, Or64K, And64K, Lsh64K, Rsh64K, Mod64K, SMod64K, Xor64K,
    Mov64K, Arsh64K,
    Add32X, Sub32X, Mul32X, Div32X, SDiv32X, Or32X, And32X, Lsh32X, Rsh32X, Mod32X, SMod32X, Xor32X,
    Mov32X, Arsh32X,
    Add32K, Sub32K, Mul32K, Div32K, SDiv32K, Or32K, And32K, Lsh32K, Rsh32K, Mod32K, SMod32K, Xor32K,
    Mov32K, Arsh32K,
    Neg64, Neg32,
    MovSx8To64, MovSx16To64, MovSx32To64, MovSx8To32, MovSx16To32,
    Trunc16, Trunc32, Nop, Swap16, Swap32, Swap64,
    Load8, Load16, Load32, Load64, LoadSx8, LoadSx16, LoadSx32,
    Store8X, Store16X, Store32X, Store64X, Store8K, Store16K, Store32K, Store64K,
    /// `imm` is the row of [`Code::atomics`].
    Atomic, LoadAcquire, StoreRelease,
    /// `imm` is the offset; the access size is in `off`.
    LoadAbs, LoadInd,
    Eq64X, Gt64X, Ge64X, Set64X, Ne64X, SGt64X, SGe64X, Lt64X, Le64X, SLt64X, SLe64X,
    Eq64K, Gt64K, Ge64K, Set64K, Ne64K, SGt64K, SGe64K, Lt64K, Le64K, SLt64K, SLe64K,
    Eq32X, Gt32X, Ge32X, Set32X, Ne32X, SGt32X, SGe32X, Lt32X, Le32X, SLt32X, SLe32X,
    Eq32K, Gt32K, Ge32K, Set32K, Ne32K, SGt32K, SGe32K, Lt32K, Le32K, SLt32K, SLe32K,
    Jump, JumpReg, MayGoto,
    /// `imm` is the index into the helper table of the code.
    Helper,
    CallLocal, CallReg, Exit,
    /// `imm` is the region of the arena.
    CastArena,
    /// `imm` is the index of the reason in [`Code::traps`].
    Trap,
    // What follows is several instructions in one op: see `fuse`.
    /// `dst = src op third`, or with `imm`.
    MoveAdd64X, MoveSub64X, MoveMul64X, MoveDiv64X, MoveOr64X, MoveAnd64X, MoveLsh64X,
    MoveRsh64X, MoveMod64X, MoveXor64X, MoveArsh64X,
    MoveAdd64K, MoveSub64K, MoveMul64K, MoveDiv64K, MoveOr64K, MoveAnd64K, MoveLsh64K,
    MoveRsh64K, MoveMod64K, MoveXor64K, MoveArsh64K,
    MoveAdd32X, MoveSub32X, MoveMul32X, MoveDiv32X, MoveOr32X, MoveAnd32X, MoveLsh32X,
    MoveRsh32X, MoveMod32X, MoveXor32X, MoveArsh32X,
    MoveAdd32K, MoveSub32K, MoveMul32K, MoveDiv32K, MoveOr32K, MoveAnd32K, MoveLsh32K,
    MoveRsh32K, MoveMod32K, MoveXor32K, MoveArsh32K,
    /// `dst = src << imm[0] >> imm[1]`, skipping `third` ops.
    ShiftUp, ShiftUpSigned,
    /// `third = src >> imm[1]; dst = src << imm[0] | third`, or shifting left first, skipping `off` ops.
    RightLeft64, RightLeft32, LeftRight64, LeftRight32,
    /// `dst = src + third; imm[0] = *(dst + off)`, skipping `imm[1]` ops.
    AddLoad8, AddLoad16, AddLoad32, AddLoad64,
    /// `third = imm[1] << imm[2]`, then as `AddLoad` with `third` as the index, skipping `imm[3]` ops.
    IndexLoad8, IndexLoad16, IndexLoad32, IndexLoad64,
    /// `imm[0] = *(src + off); *(dst + imm[1]) = imm[0]`
    Copy8, Copy16, Copy32, Copy64,
    /// `dst += imm[0]; src += imm[1]`
    AddAdd,
    /// `dst = src + imm[0]; goto off`; `third` as `fuse::Step` says.
    StepJump,
    /// `dst = src + imm[0]; if third op imm[1] goto off[0]`, and more: see `fuse::Step`.
    StepEq64X, StepGt64X, StepGe64X, StepSet64X, StepNe64X, StepSGt64X, StepSGe64X, StepLt64X,
    StepLe64X, StepSLt64X, StepSLe64X,
    StepEq64K, StepGt64K, StepGe64K, StepSet64K, StepNe64K, StepSGt64K, StepSGe64K, StepLt64K,
    StepLe64K, StepSLt64K, StepSLe64K,
    StepEq32X, StepGt32X, StepGe32X, StepSet32X, StepNe32X, StepSGt32X, StepSGe32X, StepLt32X,
    StepLe32X, StepSLt32X, StepSLe32X,
    StepEq32K, StepGt32K, StepGe32K, StepSet32K, StepNe32K, StepSGt32K, StepSGe32K, StepLt32K,
    StepLe32K, StepSLt32K, StepSLe32K,
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Op {
    pub(crate) code: OpCode,
    pub(crate) dst: u8,
    pub(crate) src: u8,
    /// A third register or a small number, in ops made of several instructions.
    pub(crate) third: u8,
    /// Byte offset of an access, or index of the op a jump goes to.
    pub(crate) off: i32,
    /// Immediate, already extended to the width of the operation.
    pub(crate) imm: u64,
}

use OpCode as O;

/// `[64-bit, 32-bit][register, immediate][AluOp]`
#[rustfmt::skip]
const ALU: [[[OpCode; 14]; 2]; 2] = [
    [
        [O::Add64X, O::Sub64X, O::Mul64X, O::Div64X, O::SDiv64X, O::Or64X, O::And64X, O::Lsh64X,
         O::Rsh64X, O::Mod64X, O::SMod64X, O::Xor64X, O::Mov64X, O::Arsh64X],
        [O::Add64K, O::Sub64K, O::Mul64K, O::Div64K, O::SDiv64K, O::Or64K, O::And64K, O::Lsh64K,
         O::Rsh64K, O::Mod64K, O::SMod64K, O::Xor64K, O::Mov64K, O::Arsh64K],
    ],
    [
        [O::Add32X, O::Sub32X, O::Mul32X, O::Div32X, O::SDiv32X, O::Or32X, O::And32X, O::Lsh32X,
         O::Rsh32X, O::Mod32X, O::SMod32X, O::Xor32X, O::Mov32X, O::Arsh32X],
        [O::Add32K, O::Sub32K, O::Mul32K, O::Div32K, O::SDiv32K, O::Or32K, O::And32K, O::Lsh32K,
         O::Rsh32K, O::Mod32K, O::SMod32K, O::Xor32K, O::Mov32K, O::Arsh32K],
    ],
];

/// `[64-bit, 32-bit][register, immediate][CondOp]`
#[rustfmt::skip]
const COND: [[[OpCode; 11]; 2]; 2] = [
    [
        [O::Eq64X, O::Gt64X, O::Ge64X, O::Set64X, O::Ne64X, O::SGt64X, O::SGe64X, O::Lt64X, O::Le64X,
         O::SLt64X, O::SLe64X],
        [O::Eq64K, O::Gt64K, O::Ge64K, O::Set64K, O::Ne64K, O::SGt64K, O::SGe64K, O::Lt64K, O::Le64K,
         O::SLt64K, O::SLe64K],
    ],
    [
        [O::Eq32X, O::Gt32X, O::Ge32X, O::Set32X, O::Ne32X, O::SGt32X, O::SGe32X, O::Lt32X, O::Le32X,
         O::SLt32X, O::SLe32X],
        [O::Eq32K, O::Gt32K, O::Ge32K, O::Set32K, O::Ne32K, O::SGt32K, O::SGe32K, O::Lt32K, O::Le32K,
         O::SLt32K, O::SLe32K],
    ],
];

/// `[64-bit, 32-bit][register, immediate]`, and as [`moved_column`] says.
#[rustfmt::skip]
const MOVE: [[[OpCode; 11]; 2]; 2] = [
    [
        [O::MoveAdd64X, O::MoveSub64X, O::MoveMul64X, O::MoveDiv64X, O::MoveOr64X, O::MoveAnd64X,
         O::MoveLsh64X, O::MoveRsh64X, O::MoveMod64X, O::MoveXor64X, O::MoveArsh64X],
        [O::MoveAdd64K, O::MoveSub64K, O::MoveMul64K, O::MoveDiv64K, O::MoveOr64K, O::MoveAnd64K,
         O::MoveLsh64K, O::MoveRsh64K, O::MoveMod64K, O::MoveXor64K, O::MoveArsh64K],
    ],
    [
        [O::MoveAdd32X, O::MoveSub32X, O::MoveMul32X, O::MoveDiv32X, O::MoveOr32X, O::MoveAnd32X,
         O::MoveLsh32X, O::MoveRsh32X, O::MoveMod32X, O::MoveXor32X, O::MoveArsh32X],
        [O::MoveAdd32K, O::MoveSub32K, O::MoveMul32K, O::MoveDiv32K, O::MoveOr32K, O::MoveAnd32K,
         O::MoveLsh32K, O::MoveRsh32K, O::MoveMod32K, O::MoveXor32K, O::MoveArsh32K],
    ],
];

/// `[64-bit, 32-bit][register, immediate][CondOp]`
#[rustfmt::skip]
const STEP: [[[OpCode; 11]; 2]; 2] = [
    [
        [O::StepEq64X, O::StepGt64X, O::StepGe64X, O::StepSet64X, O::StepNe64X, O::StepSGt64X,
         O::StepSGe64X, O::StepLt64X, O::StepLe64X, O::StepSLt64X, O::StepSLe64X],
        [O::StepEq64K, O::StepGt64K, O::StepGe64K, O::StepSet64K, O::StepNe64K, O::StepSGt64K,
         O::StepSGe64K, O::StepLt64K, O::StepLe64K, O::StepSLt64K, O::StepSLe64K],
    ],
    [
        [O::StepEq32X, O::StepGt32X, O::StepGe32X, O::StepSet32X, O::StepNe32X, O::StepSGt32X,
         O::StepSGe32X, O::StepLt32X, O::StepLe32X, O::StepSLt32X, O::StepSLe32X],
        [O::StepEq32K, O::StepGt32K, O::StepGe32K, O::StepSet32K, O::StepNe32K, O::StepSGt32K,
         O::StepSGe32K, O::StepLt32K, O::StepLe32K, O::StepSLt32K, O::StepSLe32K],
    ],
];

impl OpCode {
    /// Arithmetic; `wide` is 64 bits, `imm` an immediate operand.
    pub(crate) const fn alu(op: AluOp, wide: bool, imm: bool) -> Self {
        ALU[!wide as usize][imm as usize][op as usize]
    }

    /// A conditional jump.
    pub(crate) const fn cond(op: CondOp, wide: bool, imm: bool) -> Self {
        COND[!wide as usize][imm as usize][op as usize]
    }

    /// Arithmetic on a copy; `None` for a copy of a copy and for signed division.
    pub(crate) const fn moved(op: AluOp, wide: bool, imm: bool) -> Option<Self> {
        match moved_column(op) {
            Some(column) => Some(MOVE[!wide as usize][imm as usize][column]),
            None => None,
        }
    }

    /// A step and a conditional jump.
    pub(crate) const fn step(op: CondOp, wide: bool, imm: bool) -> Self {
        STEP[!wide as usize][imm as usize][op as usize]
    }

    pub(crate) const fn load(size: Size) -> Self {
        [Self::Load8, Self::Load16, Self::Load32, Self::Load64][size as usize]
    }

    pub(crate) const fn store(size: Size, imm: bool) -> Self {
        [
            [Self::Store8X, Self::Store16X, Self::Store32X, Self::Store64X],
            [Self::Store8K, Self::Store16K, Self::Store32K, Self::Store64K],
        ][imm as usize][size as usize]
    }
}

impl OpCode {
    /// Whether it stores a number of the instruction's own.
    pub(crate) const fn stores_immediate(self) -> bool {
        matches!(self, Self::Store8K | Self::Store16K | Self::Store32K | Self::Store64K)
    }
}

/// The column of `MOVE`.
const fn moved_column(op: AluOp) -> Option<usize> {
    Some(match op {
        AluOp::Add => 0,
        AluOp::Sub => 1,
        AluOp::Mul => 2,
        AluOp::Div => 3,
        AluOp::Or => 4,
        AluOp::And => 5,
        AluOp::Lsh => 6,
        AluOp::Rsh => 7,
        AluOp::Mod => 8,
        AluOp::Xor => 9,
        AluOp::Arsh => 10,
        AluOp::SDiv | AluOp::SMod | AluOp::Mov => return None,
    })
}

/// A program ready for the interpreter.
pub(crate) struct Code<S> {
    pub(crate) prog: Held,
    /// Its place in the machine.
    pub(crate) index: usize,
    /// The ops of instructions that name something outside of themselves, in order.
    pub(crate) linked: Vec<Op>,
    /// The ops, each instruction one of its own. They are made for who asks first: a run, or code that looks up
    /// what an instruction names.
    pub(crate) plain: OnceBox<Vec<Op>>,
    /// What runs: several instructions in one op where `fuse` found such.
    pub(crate) fused: OnceBox<Vec<Op>>,
    /// Which op belongs to which slot.
    pub(crate) places: Places,
    /// Helpers by the `imm` of [`OpCode::Helper`].
    pub(crate) helpers: Vec<Arc<Helper<S>>>,
    /// Size and operation of the atomic ops.
    pub(crate) atomics: Vec<(Size, AtomicOp)>,
    /// The function that a thrown exception goes to.
    pub(crate) exception: Option<usize>,
    /// What trap ops report.
    pub(crate) traps: Vec<&'static str>,
    /// Slots of loads through pointers to objects of the kernel, ascending.
    pub(crate) probes: Vec<Pc>,
}

impl<S> Code<S> {
    /// The ops of a run with or without an observer.
    #[inline(always)]
    pub(crate) fn ops_of<const OBSERVED: bool>(&self) -> &[Op] {
        if OBSERVED {
            return self.plain();
        }
        match self.fused.get() {
            Some(ops) => ops,
            None => self.fuse(),
        }
    }

    #[cold]
    fn fuse(&self) -> &[Op] {
        self.fused.get_or_init(|| Box::new(fuse(self.plain(), &self.prog.insns)))
    }

    /// The ops, each instruction one of its own.
    pub(crate) fn plain(&self) -> &[Op] {
        self.plain.get_or_init(|| Box::new(plain(&self.prog.insns, &self.places, &self.linked)))
    }

    /// The slot of an op.
    pub(crate) fn pc(&self, op: usize) -> Pc {
        self.places.pc(op).unwrap_or_default()
    }
}

/// A program of a machine: its own, or one of an image that others have too, by its number.
pub(crate) enum Held {
    Own(Prog),
    Of(Arc<Image>, usize),
}

impl Deref for Held {
    type Target = Prog;

    fn deref(&self) -> &Prog {
        match self {
            Self::Own(prog) => prog,
            Self::Of(image, at) => &image.progs[*at],
        }
    }
}

/// Which op belongs to which slot: there is one for each instruction.
pub(crate) struct Places {
    slots: usize,
    /// Slot of each op and op of each slot; none where each slot has one.
    pcs: Vec<Pc>,
    ops: Vec<u32>,
}

impl Places {
    pub(crate) fn new(insns: &Insns) -> Self {
        let mut this = Self { slots: insns.len(), pcs: Vec::new(), ops: Vec::new() };
        if insns.slots().iter().any(Option::is_none) {
            this.pcs.extend(insns.iter().map(|(pc, _)| pc));
            this.ops.resize(insns.len(), 0);
            for (pc, op) in this.pcs.iter().zip(0..) {
                this.ops[pc.index()] = op;
            }
        }
        this
    }

    /// Number of ops.
    pub(crate) fn len(&self) -> usize {
        if self.pcs.is_empty() { self.slots } else { self.pcs.len() }
    }

    /// The slot of an op.
    pub(crate) fn pc(&self, op: usize) -> Option<Pc> {
        if self.pcs.is_empty() {
            return u32::try_from(op).ok().filter(|_| op < self.slots).map(Pc);
        }
        self.pcs.get(op).copied()
    }

    /// The op of the instruction at a slot.
    pub(crate) fn op(&self, pc: Pc) -> Option<usize> {
        if self.pcs.is_empty() {
            return Some(pc.index()).filter(|&op| op < self.slots);
        }
        self.pcs.binary_search(&pc).ok()
    }

    /// The op that the slot `off` behind the next has; the first, where there is no such slot.
    pub(crate) fn target(&self, pc: Pc, off: i32) -> u32 {
        let Some(to) = pc.jump(off).filter(|to| to.index() < self.slots) else { return 0 };
        if self.ops.is_empty() { to.0 } else { self.ops[to.index()] }
    }
}
