//! Which kinds of instructions a program has: each is looked at once, and what few programs have is not looked for again.

use crate::outside::TAIL_CALL;
use skep_isa::{Call, ImmSrc, Insn, Insns};

/// Kinds of instructions that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// Calls of anything.
    pub(crate) calls: bool,
    /// Calls of functions of the program.
    pub(crate) local_calls: bool,
    pub(crate) tail_calls: bool,
    /// Addresses of functions of the program, which may be called back.
    pub(crate) callbacks: bool,
    pub(crate) may_goto: bool,
    /// Atomic operations and stores that release.
    pub(crate) atomics: bool,
}

impl Uses {
    pub(crate) fn of(insns: &Insns) -> Self {
        let mut uses = Self::default();
        for insn in insns.slots().iter().flatten() {
            match insn {
                Insn::Call(call) => {
                    uses.calls = true;
                    uses.local_calls |= matches!(call, Call::Local(_));
                    uses.tail_calls |= *call == TAIL_CALL;
                }
                Insn::LoadImm { imm: ImmSrc::Func(_), .. } => uses.callbacks = true,
                Insn::MayGoto { .. } => uses.may_goto = true,
                Insn::Atomic { .. } | Insn::StoreRelease { .. } => uses.atomics = true,
                _ => {}
            }
        }
        uses
    }

    /// Whether functions of the program are called or pointed to.
    pub(crate) const fn names_functions(&self) -> bool {
        self.local_calls || self.callbacks
    }

    /// Whether loops may nest that only their turns end. Each entry of a function has turns of its own for `may_goto`,
    /// eight million: in the main function alone they end soon enough, but together only by what they are counted.
    pub(crate) const fn has_nested_turns(&self, has_tail_calls: bool) -> bool {
        self.may_goto && (has_tail_calls || self.names_functions())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Uses) {
        assert_eq!(Uses::of(&skep_asm::assemble(text).unwrap()), want, "{text}");
    }

    #[test]
    fn each_kind_is_found() {
        let none = Uses::default();
        check("r1 = 1 ll\nr0 = 0\nif r1 == 0 goto +0\n*(u64 *)(r10 - 8) = r1\nexit", none);
        check("call 1\nexit", Uses { calls: true, ..none });
        check("call 12\nexit", Uses { calls: true, tail_calls: true, ..none });
        check("call f\nexit\nf:\nexit", Uses { calls: true, local_calls: true, ..none });
        check("r1 = f ll\nexit\nf:\nexit", Uses { callbacks: true, ..none });
        check("may_goto +0\nexit", Uses { may_goto: true, ..none });
        check("lock *(u64 *)(r10 - 8) += r1\nexit", Uses { atomics: true, ..none });
    }

    #[test]
    fn turns_nest_in_functions_and_over_tail_calls() {
        let turns = Uses { may_goto: true, ..Uses::default() };
        assert!(!turns.has_nested_turns(false));
        assert!(turns.has_nested_turns(true));
        assert!(Uses { local_calls: true, ..turns }.has_nested_turns(false));
        assert!(Uses { callbacks: true, ..turns }.has_nested_turns(false));
        assert!(!Uses { callbacks: true, ..Uses::default() }.has_nested_turns(true));
    }
}
