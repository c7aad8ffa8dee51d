//! Loops whose turns can be told from a register: one block that ends with a jump to its start, and in it one step
//! of a register that the jump asks for.
//!
//! Such a loop needs no account in each turn. Before it, code works out how many turns there are instructions left
//! for, and what the register will be then; the loop ends there or at its own bound, whichever comes first. Behind it,
//! the way that the register has gone tells how many turns there were.

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
    /// The loop goes on while this holds of the register and the bound, which does not change.
    pub(crate) op: CondOp,
    pub(crate) width: Width,
    pub(crate) bound: Src,
}

/// Instructions of a turn at most: in longer ones an account costs little.
const MAX_INSNS: i32 = 24;
/// Steps are as wide as what addresses are scaled by.
const MAX_LOG: u8 = 3;

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
        ways.into_iter().flatten().find_map(|(reg, op, bound)| {
            let writes = |of: Reg| body().filter(|(_, insn)| insn.writes() == Some(of)).count();
            let is_fixed = match bound {
                Src::Reg(bound) => bound != reg && writes(bound) == 0,
                Src::Imm(_) => true,
            };
            let (up, log) = body().find_map(|(_, insn)| step(&insn, reg, width))?;
            (is_fixed && writes(reg) == 1).then_some(Self {
                end,
                insns: count,
                reg,
                log,
                up,
                op,
                width,
                bound,
            })
        })
    }
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
