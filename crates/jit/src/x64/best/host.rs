//! The processor's registers, as places of values.

use crate::best::moves;
use crate::best::place::{self, Asked, Host, Set};
use crate::lift::Lifted;
use crate::x64::{X64, regs};
use skep_ir::{BinOp, Inst, Value};
use skep_isa::{AtomicOp, Width};
use skep_x64::Gpr;

pub(super) type Loc = place::Loc<Gpr>;
pub(super) type Places = place::Places<X64>;
pub(super) type Move = moves::Move<Gpr>;

/// Where arguments of functions are.
pub(super) const ARGS: [Gpr; 5] = [Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8];

const fn one(reg: Gpr) -> Set {
    1 << reg.num()
}

const fn set(regs: &[Gpr]) -> Set {
    let (mut all, mut n) = (0, 0);
    while n < regs.len() {
        all |= one(regs[n]);
        n += 1;
    }
    all
}

impl Host for X64 {
    type Gpr = Gpr;

    const ARGS: [Gpr; 5] = ARGS;
    const RESULT: Gpr = Gpr::Rax;
    const VOLATILE: Set = set(&[
        Gpr::Rax,
        Gpr::Rcx,
        Gpr::Rdx,
        Gpr::Rsi,
        Gpr::Rdi,
        Gpr::R8,
        Gpr::R9,
        Gpr::R10,
        Gpr::R11,
    ]);
    const STUBS: Set = set(&[Gpr::R9, Gpr::R10]);
    const ORDER: &'static [Gpr] = &[
        Gpr::Rax,
        Gpr::Rcx,
        Gpr::Rdx,
        Gpr::Rsi,
        Gpr::Rdi,
        Gpr::R8,
        Gpr::R9,
        Gpr::R10,
        Gpr::Rbx,
        Gpr::Rbp,
        Gpr::R12,
        Gpr::R13,
        Gpr::R14,
        Gpr::R15,
    ];
    const SAVED: &'static [Gpr] = &regs::SAVED;
    const RESERVED: Set = set(&[Gpr::Rsp, Gpr::R11]);
    const SPARE: Set = one(Gpr::R10);

    fn num(reg: Gpr) -> u8 {
        reg.num()
    }

    #[inline]
    fn clobbers(
        f: &Lifted,
        value: Value,
        asked: Asked,
        mut wish: impl FnMut(Value, Gpr),
    ) -> (Set, bool) {
        match *f.inst(value) {
            Inst::Bin { op: BinOp::Div | BinOp::SDiv, a, .. } => {
                wish(value, Gpr::Rax);
                wish(a, Gpr::Rax);
                (one(Gpr::Rax) | one(Gpr::Rdx), false)
            }
            Inst::Bin { op: BinOp::Mod | BinOp::SMod, a, .. } => {
                wish(value, Gpr::Rdx);
                wish(a, Gpr::Rax);
                (one(Gpr::Rax) | one(Gpr::Rdx), false)
            }
            Inst::Bin { op: BinOp::Shl | BinOp::Shr | BinOp::Sar, b, .. }
                if !asked.counts_anywhere && f.known(b).is_none() =>
            {
                wish(b, Gpr::Rcx);
                (one(Gpr::Rcx), false)
            }
            Inst::Atomic {
                op: AtomicOp::CmpXchg | AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor,
                ..
            } => {
                wish(value, Gpr::Rax);
                (one(Gpr::Rax), true)
            }
            _ => (0, false),
        }
    }
}

/// The width of an operation as the host has it.
pub(super) const fn wide(width: Width) -> skep_x64::Width {
    regs::width(width)
}
