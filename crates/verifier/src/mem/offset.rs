//! Pointers that must be as they were given: without offset, or with a fixed one.

use crate::reg::RegState;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_isa::Reg;

impl Verifier<'_> {
    /// The pointer has no offset. Kernel: `check_ptr_off_reg`.
    pub(crate) fn check_ptr_off_reg(&self, at: Reg) -> Res<()> {
        self.check_ptr_off_reg_at(at, self.reg(at), false)
    }

    /// The pointer has no offset, or a fixed one where that is fine. Kernel: `__check_ptr_off_reg`.
    pub(crate) fn check_ptr_off_reg_at(&self, at: Reg, reg: &RegState, fixed_ok: bool) -> Res<()> {
        let name = || reg.ty.kernel_name();
        let refuse = |message: String| {
            Reject::new(Rule::PtrBounds, message)
                .fact(Fact::Reg(at, *reg))
                .fact(Fact::Required("the pointer as it was given, without offset".into()))
                .stop()
        };
        if reg.off < 0 {
            return refuse(format!(
                "negative offset {} ptr R{} off={} disallowed",
                name(),
                at.num(),
                reg.off
            ));
        }
        if !fixed_ok && reg.off != 0 {
            return refuse(format!(
                "dereference of modified {} ptr R{} off={} disallowed",
                name(),
                at.num(),
                reg.off
            ));
        }
        if reg.num.is_const() != Some(0) {
            return refuse(format!(
                "variable {} access var_off={} disallowed",
                name(),
                reg.num.var_off
            ));
        }
        Ok(())
    }
}
