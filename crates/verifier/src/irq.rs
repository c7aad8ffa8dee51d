//! Saved interrupt state in the stack.

use crate::dynptr::and_then_said;
use crate::frame::{Byte, Slot};
use crate::mem::Spi;
use crate::reg::{Base, Extra, IrqClass, RegState, RegType};
use crate::reject::{Fact, Reject, Res, Stop, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::Errno;
use skep_isa::{Reg, Size};

impl IrqClass {
    const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Lock => "lock",
        }
    }
}

impl Verifier<'_> {
    /// Interrupt state as argument number `at`, to be saved or restored.
    /// Kernel: `process_irq_flag`.
    pub(crate) fn process_irq_flag(
        &mut self,
        at: usize,
        reg: Reg,
        saves: bool,
        class: IrqClass,
    ) -> Res<()> {
        let state = *self.reg(reg);
        let (spi, said) = match self.irq_flag_get_spi(&state) {
            Ok(spi) => (Some(spi), None),
            Err(stop @ Stop::Reject(_)) => (None, Some(stop)),
            Err(stop) => return Err(stop),
        };
        let slot = |spi: usize| &self.cur.frames[state.frame as usize].stack[spi];
        if saves {
            let free = match spi {
                Some(Spi::At(spi)) => !slot(spi).bytes.contains(&Byte::IrqFlag),
                Some(Spi::OutOfRange) => true,
                None => false,
            };
            if !free {
                let text = format!("expected uninitialized irq flag as arg#{at}");
                return Err(and_then_said(said, Rule::Lock, &text, (reg, state)));
            }
            self.check_mem_access(reg, 0, Size::Dw, true, None, false, false)?;
            return self.save_irq(&state, class);
        }
        let ready = match spi {
            Some(Spi::At(spi)) => {
                let slot = slot(spi);
                slot.reg.id != 0 && slot.bytes.iter().all(|&byte| byte == Byte::IrqFlag)
            }
            _ => false,
        };
        let Some(Spi::At(spi)) = spi.filter(|_| ready) else {
            let text = format!("expected an initialized irq flag as arg#{at}");
            return Err(and_then_said(said, Rule::Lock, &text, (reg, state)));
        };
        self.mark_stack_slot_obj_read(&state, spi, 1);
        self.restore_irq(&state, spi, class)
    }

    /// Kernel: `mark_stack_slot_irq_flag`.
    fn save_irq(&mut self, reg: &RegState, class: IrqClass) -> Res<()> {
        let Spi::At(spi) = self.irq_flag_get_spi(reg)? else {
            return reject(Rule::Internal, "an irq flag beyond the stack");
        };
        let id = self.acquire_irq();
        let mut state = RegState::pointer(RegType::new(Base::Stack), Extra::Irq(class));
        state.id = id;
        self.cur.frames[reg.frame as usize].stack[spi] =
            Slot { reg: state, bytes: [Byte::IrqFlag; 8] };
        self.mark_stack_write(reg.frame, 1 << spi);
        Ok(())
    }

    /// Kernel: `unmark_stack_slot_irq_flag`.
    fn restore_irq(&mut self, reg: &RegState, spi: usize, class: IrqClass) -> Res<()> {
        let saved = self.cur.frames[reg.frame as usize].stack[spi].reg;
        if let Extra::Irq(of) = saved.extra
            && of != class
        {
            return reject(
                Rule::Lock,
                format!(
                    "irq flag acquired by {} kfuncs cannot be restored with {} kfuncs",
                    of.name(),
                    class.name()
                ),
            );
        }
        if !self.cur.drop_irq(saved.id) {
            let active = self.cur.active_irq_id;
            let at = self.cur.refs.iter().find(|held| held.id == active).map_or(0, |held| held.pc);
            return Reject::new(
                Rule::Lock,
                format!(
                    "cannot restore irq state out of order, expected id={active} acquired at insn_idx={at}"
                ),
            )
            .errno(Errno::EACCES)
            .fact(Fact::Since(at))
            .stop();
        }
        self.cur.frames[reg.frame as usize].stack[spi] = Slot::INVALID;
        self.mark_stack_write(reg.frame, 1 << spi);
        Ok(())
    }
}
