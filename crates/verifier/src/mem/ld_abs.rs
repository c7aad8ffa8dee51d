//! `r0 = packet[…]`: loads of the packet by classic BPF's rules.

use crate::reg::Base;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::{Next, Verifier};
use skep_abi::ProgType;
use skep_isa::{Reg, Size};

/// Holds the context.
const CTX: Reg = Reg::R6;

impl Verifier<'_> {
    /// A load at `imm`, or at `src + imm`. Beyond the packet it ends the function with 0.
    /// Kernel: `check_ld_abs`.
    pub(crate) fn check_ld_abs(&mut self, _: Size, src: Option<Reg>, _: i32) -> Res<Next> {
        let refuse = |rule: Rule, text: &str| Reject::new(rule, text).stop();
        if !matches!(
            self.prog.prog_type,
            ProgType::SocketFilter | ProgType::SchedCls | ProgType::SchedAct
        ) {
            return refuse(
                Rule::CallPlace,
                "BPF_LD_[ABS|IND] instructions not allowed for this program type",
            );
        }
        if self.cur.frames[1..].iter().any(|frame| frame.in_callback) {
            return refuse(Rule::CallPlace, "cannot use BPF_LD_[ABS|IND] within callback");
        }
        self.check_src(CTX)?;
        // The program may end here.
        self.check_resource_leak(false, true, "BPF_LD_[ABS|IND]")?;
        if !self.reg(CTX).ty.is(Base::Ctx) {
            return Reject::new(
                Rule::CallPlace,
                "at the time of BPF_LD_ABS|IND R6 != pointer to skb",
            )
            .fact(Fact::Reg(CTX, *self.reg(CTX)))
            .stop();
        }
        if let Some(src) = src {
            self.check_src(src)?;
        }
        self.check_ptr_off_reg(CTX)?;
        self.clear_caller_saved();
        self.mark_unknown(Reg::R0);
        if self.cur.curframe() == 0 {
            return Ok(Next::Fall);
        }
        // Inside a function, the hidden return of 0 goes on in the caller.
        let pc = self.pc;
        self.push_branch(pc + 1, pc, false)?;
        *self.reg_mut(Reg::R0) = self.constant(0);
        self.prepare_func_exit()?;
        Ok(Next::Jump)
    }
}
