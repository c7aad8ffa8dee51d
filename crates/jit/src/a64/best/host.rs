//! The processor's registers, as places of values.

use crate::a64::{A64, regs};
use crate::best::moves;
use crate::best::place::{self, Asked, Host, Set};
use crate::lift::Lifted;
use skep_a64::Gpr;
use skep_ir::{Inst, Value};

pub(super) type Loc = place::Loc<Gpr>;
pub(super) type Places = place::Places<A64>;
pub(super) type Move = moves::Move<Gpr>;

/// Where arguments of functions are.
pub(super) const ARGS: [Gpr; 5] = [Gpr::X0, Gpr::X1, Gpr::X2, Gpr::X3, Gpr::X4];

/// What a value is in that an atomic operation stores, if it is in no register.
pub(super) const STORED: Gpr = Gpr::X8;

/// What hold values and are kept by nobody, neither by functions nor by the stubs for accesses.
pub(super) const FREE: [Gpr; 7] =
    [Gpr::X8, Gpr::X13, Gpr::X14, Gpr::X15, Gpr::X17, Gpr::X5, Gpr::X6];

const fn set(regs: &[Gpr]) -> Set {
    let (mut all, mut n) = (0, 0);
    while n < regs.len() {
        all |= 1 << regs[n].num();
        n += 1;
    }
    all
}

impl Host for A64 {
    type Gpr = Gpr;

    const ARGS: [Gpr; 5] = ARGS;
    const RESULT: Gpr = regs::RESULT;
    const VOLATILE: Set = Self::STUBS | set(&ARGS) | set(&[regs::RESULT]);
    const STUBS: Set = set(&FREE);
    const ORDER: &'static [Gpr] = &[
        Gpr::X8,
        Gpr::X13,
        Gpr::X14,
        Gpr::X15,
        Gpr::X17,
        Gpr::X5,
        Gpr::X6,
        Gpr::X7,
        Gpr::X4,
        Gpr::X3,
        Gpr::X2,
        Gpr::X1,
        Gpr::X0,
        Gpr::X19,
        Gpr::X20,
        Gpr::X21,
        Gpr::X22,
    ];
    const SAVED: &'static [Gpr] = &regs::SAVED;
    // None of the order.
    const RESERVED: Set = 0;
    const SPARE: Set = 0;

    fn num(reg: Gpr) -> u8 {
        reg.num()
    }

    fn clobbers(
        f: &Lifted,
        value: Value,
        _: Asked,
        mut wish: impl FnMut(Value, Gpr),
    ) -> (Set, bool) {
        match *f.inst(value) {
            Inst::Atomic { expected, .. } => {
                if expected != Value::NONE {
                    wish(value, regs::RESULT);
                }
                (set(&[regs::RESULT, STORED]), true)
            }
            _ => (0, false),
        }
    }
}
