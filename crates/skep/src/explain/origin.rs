//! Where a value comes from, on the way that led to a refusal.

use skep_isa::{Insn, Pc, Reg};
use skep_prog::Prog;
use skep_verifier::{Base, RegState, Step};

/// Something that happened to a register.
pub(super) enum Origin {
    /// It got its value.
    Made { pc: Pc, value: RegState },
    /// A comparison bounded it.
    Bounded { pc: Pc, value: RegState },
    /// A call left nothing in it.
    Clobbered { pc: Pc },
}

/// What happened to the register before the last step: the last comparison that bounded it, then what
/// gave it its value. At most two.
pub(super) fn origin_of(steps: &[Step], reg: Reg, prog: &Prog) -> Vec<Origin> {
    let mut found = Vec::new();
    let Some(last) = steps.last() else { return found };
    let at = usize::from(reg.num());
    let mut bounded = false;
    for pair in steps.windows(2).rev() {
        let (before, after) = (&pair[0], &pair[1]);
        if before.frame != last.frame || after.frame != last.frame {
            continue;
        }
        let (was, is) = (before.regs[at], after.regs[at]);
        if was == is {
            continue;
        }
        let pc = before.pc;
        match prog.insns.get(pc) {
            Some(Insn::JumpIf { .. }) => {
                if !bounded {
                    found.push(Origin::Bounded { pc, value: is });
                    bounded = true;
                }
            }
            Some(Insn::Call(_)) if is.ty.base == Base::NotInit => {
                found.push(Origin::Clobbered { pc });
                break;
            }
            Some(_) if is.ty == was.ty && is.num == was.num && is.off == was.off => {
                // An id was given, no more.
            }
            _ => {
                found.push(Origin::Made { pc, value: is });
                break;
            }
        }
    }
    found
}
