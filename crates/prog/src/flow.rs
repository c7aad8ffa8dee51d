//! Where control can go, as far as instructions alone tell.

use alloc::collections::BTreeSet;
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc};

/// A jump, call or fall-through that leaves the program. Kernel: `check_subprogs`, `push_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum FlowError {
    /// There is no instruction to start at.
    #[error("the program has no instructions")]
    Empty,
    /// The target is outside the program or the second slot of `lddw`.
    #[error("insn {pc}: {what} of {off:+} leads to no instruction")]
    Target { pc: Pc, what: &'static str, off: i32 },
    /// The last instruction does not end the program.
    #[error("insn {pc}: control falls off the end of the program")]
    FallsOff { pc: Pc },
}

/// Every jump, call and function address leads to an instruction of the program, and control cannot
/// run off its end.
///
/// # Errors
/// The first violation by position.
pub fn check_flow(insns: &Insns) -> Result<(), FlowError> {
    let slots = insns.slots();
    for (pc, insn) in (0..).map(Pc).zip(slots) {
        let insn = match insn {
            // Most are such.
            Some(Insn::Alu { .. } | Insn::Load { .. } | Insn::Store { .. }) | None => continue,
            Some(insn) => insn,
        };
        if let Some((what, off)) = leads(insn) {
            // A call of offset k leads to pc + 1 + k, and so does a function address although its
            // `lddw` is two slots long.
            pc.jump(off)
                .filter(|&target| insns.get(target).is_some())
                .ok_or(FlowError::Target { pc, what, off })?;
        }
    }
    let last = slots.iter().rposition(Option::is_some).and_then(|at| u32::try_from(at).ok());
    let last = last.and_then(|at| Some((Pc(at), insns.get(Pc(at))?)));
    match last {
        None => Err(FlowError::Empty),
        Some((pc, insn)) if insn.falls_through() => Err(FlowError::FallsOff { pc }),
        Some(_) => Ok(()),
    }
}

/// Slots that some jump, call or function address leads to.
#[must_use]
pub fn targets(insns: &Insns) -> BTreeSet<Pc> {
    insns.iter().filter_map(|(pc, insn)| pc.jump(leads(&insn)?.1)).collect()
}

/// What kind of reference to another slot the instruction holds, and its offset.
fn leads(insn: &Insn) -> Option<(&'static str, i32)> {
    match *insn {
        Insn::Call(Call::Local(off)) => Some(("a call", off)),
        Insn::LoadImm { imm: ImmSrc::Func(off), .. } => Some(("a function address", off)),
        _ => Some(("a jump", insn.jump_off()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_isa::Reg;

    fn check(insns: &[Insn], expected: Result<(), &str>) {
        let insns: Insns = insns.iter().copied().collect();
        let got = check_flow(&insns).map_err(|err| alloc::string::ToString::to_string(&err));
        assert_eq!(got.as_ref().map_err(|err| err.as_str()).copied(), expected);
    }

    #[test]
    fn control_stays_inside() {
        let wide = Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::Value(0) };
        check(&[], Err("the program has no instructions"));
        check(&[Insn::Exit], Ok(()));
        check(&[wide], Err("insn 0: control falls off the end of the program"));
        check(&[Insn::Jump { off: -1 }], Ok(()));
        check(&[Insn::Jump { off: -2 }], Err("insn 0: a jump of -2 leads to no instruction"));
        check(&[Insn::Jump { off: 0 }, Insn::Exit], Ok(()));
        check(
            &[Insn::Jump { off: 1 }, wide, Insn::Exit],
            Err("insn 0: a jump of +1 leads to no instruction"),
        );
        check(
            &[Insn::Call(Call::Local(i32::MAX)), Insn::Exit],
            Err("insn 0: a call of +2147483647 leads to no instruction"),
        );
        check(&[Insn::MayGoto { off: 0 }, Insn::Exit], Ok(()));
    }
}
