//! Loops whose turns can be told from a register: one block that ends with a jump to its start, and in it one step
//! of a register that the jump asks for.
//!
//! Such a loop needs no account in each turn. Before it, code works out how many turns there are instructions left
//! for, and what the register will be then; the loop ends there or at its own bound, whichever comes first. Behind it,
//! the way that the register has gone tells how many turns there were. Where a number is put into the register right before the
//! loop, and it leads up to another, all turns are taken off there, if they are few enough.

use crate::meter::over;
use crate::shape::{Shape, Target};
use crate::surroundings::{Access, Surroundings};
use skep_isa::{AluOp, CondOp, Insn, Insns, Pc, Reg, Src, Width};

/// Such a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The conditional jump.
    pub(crate) end: Pc,
    /// Instructions of a turn.
    pub(crate) insns: i32,
    /// What changes by 2 to the power of `log` in each turn, upwards or downwards.
    pub(crate) reg: Reg,
    pub(crate) log: u8,
    pub(crate) up: bool,
    /// What the jump asks for: `reg`, or a copy that is made in each turn before the step.
    pub(crate) asked: Reg,
    /// The loop goes on while this holds of what is asked for and the bound, which does not change.
    pub(crate) op: CondOp,
    pub(crate) width: Width,
    pub(crate) bound: Src,
}

/// Instructions of a turn at most: in longer ones an account costs little.
const MAX_INSNS: i32 = 24;
/// Steps are as wide as what addresses are scaled by.
const MAX_LOG: u8 = 3;
/// Instructions that are counted before a loop, at most.
const MOST_AT_ONCE: i128 = 1 << 16;
/// Slots before a loop in which the register may get its first number.
const MOST_BEFORE: u32 = 8;

impl Counted {
    /// The loop that starts at a slot. `is_simple` says of instructions that are no loads, stores or jumps whether they
    /// leave scratch registers alone.
    pub(crate) fn at<O: Surroundings + ?Sized>(
        (insns, shape): (&Insns, &Shape),
        outside: &O,
        head: Pc,
        is_simple: impl Fn(&Insn) -> bool,
    ) -> Option<Self> {
        let is_head = shape.is_target.get(head.index()) == Some(&Target::Loop);
        if !is_head || shape.sources.get(head.index()) != Some(&1) {
            return None;
        }
        let (end, count) = block(insns, shape, head, MAX_INSNS)?;
        let &Insn::JumpIf { width, op, dst, src, off } = insns.get(end)? else { return None };
        // The jump back, or one that leads over it.
        let over = over(insns, &shape.is_target, end);
        let (from, off, op, count) = match over {
            Some(off) => (Pc(end.0 + 1), off, opposite(op)?, count + 1),
            None => (end, off.into(), op, count),
        };
        if from.jump(off) != Some(head) {
            return None;
        }
        let body = || {
            let next = |pc: &Pc| Some(Pc(pc.0 + insns.get(*pc)?.slots())).filter(|pc| *pc < end);
            let pcs = core::iter::successors(Some(head).filter(|head| *head < end), next);
            pcs.filter_map(|pc| Some((pc, *insns.get(pc)?)))
        };
        if !body().all(|(pc, insn)| is_plain(outside, pc, &insn) && is_simple(&insn)) {
            return None;
        }
        // Either operand may be what changes.
        let mirrored = match src {
            Src::Reg(src) => mirror(op).map(|op| (src, op, Src::Reg(dst))),
            Src::Imm(_) => None,
        };
        let ways = [Some((dst, op, src)).filter(|_| mirror(op).is_some()), mirrored];
        ways.into_iter().flatten().find_map(|(asked, op, bound)| {
            let writes = |of: Reg| body().filter(|(_, insn)| insn.writes() == Some(of)).count();
            let is_fixed = match bound {
                Src::Reg(bound) => bound != asked && writes(bound) == 0,
                Src::Imm(_) => true,
            };
            let copied = body().find_map(|(pc, insn)| Some((pc, copy(&insn, asked, width)?)));
            let (from, reg) = copied.unwrap_or((head, asked));
            let behind = body().skip_while(|(pc, _)| *pc < from);
            let (up, log) = { behind }.find_map(|(_, insn)| step(&insn, reg, width))?;
            let is_one = writes(asked) == 1 && writes(reg) == 1;
            (is_fixed && is_one).then_some(Self {
                end,
                insns: count,
                reg,
                log,
                up,
                asked,
                op,
                width,
                bound,
            })
        })
    }

    /// Whether the jump asks for what the register was before the step.
    pub(crate) fn is_late(&self) -> bool {
        self.asked != self.reg
    }

    /// Instructions of all turns of the loop that starts at a slot, if that is known before it.
    pub(crate) fn all(&self, (insns, shape): (&Insns, &Shape), head: Pc) -> Option<i32> {
        let Src::Imm(bound) = self.bound else { return None };
        let turns = self.turns(number_before(insns, shape, head, self.reg)?, bound.into())?;
        let all = turns.checked_mul(self.insns.into()).filter(|all| *all <= MOST_AT_ONCE)?;
        i32::try_from(all).ok()
    }

    /// Turns from a number to another, if the register does not come round on its way.
    fn turns(&self, start: i64, bound: i64) -> Option<i128> {
        let is_signed = matches!(self.op, CondOp::SLt | CondOp::SGt);
        let (min, max) = match (is_signed, self.width) {
            (false, Width::W32) => (0, u32::MAX.into()),
            (false, Width::W64) => (0, u64::MAX.into()),
            (true, Width::W32) => (i32::MIN.into(), i32::MAX.into()),
            (true, Width::W64) => (i64::MIN.into(), i64::MAX.into()),
        };
        let number = |number: i64| -> i128 {
            let number = i128::from(number) & (max - min);
            if number > max { number - (max - min) - 1 } else { number }
        };
        let step = 1_i128 << self.log;
        let way = if self.up { 1 } else { -1 };
        let first = number(start) - if self.is_late() { way * step } else { 0 };
        let distance = way * (number(bound) - first);
        let turns = match (self.op, self.up) {
            (CondOp::Ne, _) if distance > 0 && distance & (step - 1) == 0 => distance >> self.log,
            (CondOp::Lt | CondOp::SLt, true) | (CondOp::Gt | CondOp::SGt, false) => {
                ((distance + step - 1) >> self.log).max(1)
            }
            _ => return None,
        };
        (min..=max).contains(&(first + way * step * turns)).then_some(turns)
    }
}

/// The number that a register is given right before a loop.
fn number_before(insns: &Insns, shape: &Shape, head: Pc, reg: Reg) -> Option<i64> {
    for slot in (head.0.saturating_sub(MOST_BEFORE)..head.0).rev() {
        // There is nothing where the second slot of an instruction is.
        let Some(insn) = insns.get(Pc(slot)) else { continue };
        if insn.writes() == Some(reg) {
            return match *insn {
                Insn::Alu { width, op: AluOp::Mov, src: Src::Imm(imm), .. } => Some(match width {
                    Width::W32 => imm.cast_unsigned().into(),
                    Width::W64 => imm.into(),
                }),
                _ => None,
            };
        }
        let is_alone = shape.is_target.get(slot as usize) == Some(&Target::No);
        if !is_alone || crate::meter::ends_block(insn) {
            return None;
        }
    }
    None
}

/// What an instruction makes a copy of.
fn copy(insn: &Insn, reg: Reg, of: Width) -> Option<Reg> {
    let &Insn::Alu { width, op: AluOp::Mov, dst, src: Src::Reg(src) } = insn else { return None };
    (dst == reg && src != reg && (width == of || of == Width::W32)).then_some(src)
}

/// The last instruction of the block that starts at a slot, and how many it has, if no more than `most`.
pub(crate) fn block(insns: &Insns, shape: &Shape, head: Pc, most: i32) -> Option<(Pc, i32)> {
    let (mut pc, mut count) = (head, 0);
    loop {
        let insn = insns.get(pc)?;
        count += 1;
        if crate::meter::ends_block(insn) {
            return Some((pc, count));
        }
        pc = Pc(pc.0 + insn.slots());
        let is_alone = shape.is_target.get(pc.index()) == Some(&Target::No);
        if !is_alone || count >= most {
            return None;
        }
    }
}

/// Whether accesses of an instruction are plain, if it has any.
fn is_plain<O: Surroundings + ?Sized>(outside: &O, pc: Pc, insn: &Insn) -> bool {
    // Code that checks asks for its accesses itself.
    !insn.is_access()
        || outside.checks()
        || matches!(outside.access(pc), Access::Plain | Access::Pointer { .. })
}

/// The condition that holds where another does not, if it is a strict one.
const fn opposite(op: CondOp) -> Option<CondOp> {
    Some(match op {
        CondOp::Eq => CondOp::Ne,
        CondOp::Le => CondOp::Gt,
        CondOp::Ge => CondOp::Lt,
        CondOp::SLe => CondOp::SGt,
        CondOp::SGe => CondOp::SLt,
        _ => return None,
    })
}

/// The same condition with its operands exchanged, if it is a strict one.
const fn mirror(op: CondOp) -> Option<CondOp> {
    Some(match op {
        CondOp::Ne => CondOp::Ne,
        CondOp::Gt => CondOp::Lt,
        CondOp::Lt => CondOp::Gt,
        CondOp::SGt => CondOp::SLt,
        CondOp::SLt => CondOp::SGt,
        _ => return None,
    })
}

/// Whether an instruction steps a register upwards, and how far as a power of two.
fn step(insn: &Insn, reg: Reg, of: Width) -> Option<(bool, u8)> {
    let &Insn::Alu { width, op, dst, src: Src::Imm(imm) } = insn else { return None };
    let by = match op {
        AluOp::Add => imm,
        AluOp::Sub => imm.checked_neg()?,
        _ => return None,
    };
    let size = by.unsigned_abs();
    #[expect(clippy::cast_possible_truncation, reason = "less than 32")]
    let log = size.trailing_zeros() as u8;
    let fits = dst == reg && width == of && size.is_power_of_two() && log <= MAX_LOG;
    fits.then_some((by > 0, log))
}
