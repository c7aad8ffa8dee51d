//! Stores to the stack: spills, and plain bytes.

use super::stack::place;
use crate::frame::{Byte, Slot};
use crate::reg::{ADD_CONST, Base, RegState};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::state::hist;
use crate::verifier::Verifier;
use skep_abi::Errno;
use skep_isa::Reg;

impl Verifier<'_> {
    /// A store at a known offset. Kernel: `check_stack_write_fixed_off`.
    pub(super) fn check_stack_write_fixed_off(
        &mut self,
        frame: u32,
        off: i32,
        size: i32,
        value: Option<Reg>,
    ) -> Res<()> {
        let at = place(off);
        let slot = &self.cur.frames[frame as usize].stack[at.spi];
        if !self.allow_ptr_leaks && slot.is_spilled() && !slot.is_spilled_scalar() && size != 8 {
            return Reject::new(Rule::MemSpill, "attempt to corrupt spilled pointer on stack")
                .fact(Fact::Stack { frame, off })
                .stop();
        }
        let reg = value.map(|value| *self.reg(value));
        self.sanitize_spill(frame, off, size, reg.as_ref());
        self.destroy_if_dynptr_stack_slot(frame, at.spi)?;
        if off % 8 == 0 && size == 8 {
            self.mark_stack_write(frame, 1 << at.spi);
        }
        self.check_fastcall_stack_contract(frame, off);
        let aligned = off % 8 == 0;
        match (value, reg) {
            (Some(value), Some(reg)) if aligned && reg.is_scalar() && self.bpf_capable => {
                self.spill_scalar(frame, at.spi, value, size);
            }
            (None, _) if aligned && self.bpf_capable && self.stored_imm().is_some() => {
                let imm = i64::from(self.stored_imm().unwrap_or(0)).cast_unsigned();
                self.save_register(frame, at.spi, RegState::constant(imm), size);
            }
            (_, Some(reg)) if is_spillable(&reg) => {
                if size != 8 {
                    return Reject::new(Rule::MemSpill, "invalid size of register spill")
                        .fact(Fact::Stack { frame, off })
                        .stop();
                }
                if frame as usize != self.cur.curframe() && reg.ty.is(Base::Stack) {
                    return Reject::new(
                        Rule::PtrLeak,
                        "cannot spill pointers to stack into stack frame of the caller",
                    )
                    .errno(Errno::EINVAL)
                    .fact(Fact::Stack { frame, off })
                    .stop();
                }
                self.save_register(frame, at.spi, reg, size);
            }
            _ => return self.write_bytes(frame, off, size, value),
        }
        self.push_history(hist::STACK_ACCESS, spi_u8(at.spi), frame_u8(frame));
        Ok(())
    }

    /// A CPU that speculates past a store could read what was there before. Kernel: the part of
    /// `check_stack_write_fixed_off` for `bypass_spec_v4`.
    fn sanitize_spill(&mut self, frame: u32, off: i32, size: i32, value: Option<&RegState>) {
        if self.bypass_spec_v4 {
            return;
        }
        let frame = &self.cur.frames[frame as usize];
        // The bytes are counted down from the offset, as the kernel does, wherever that ends.
        let slot = &frame.stack[place(off).spi];
        let first = place(off).byte;
        let old =
            (0..usize::try_from(size).unwrap_or(0)).map(|i| slot.bytes[first.wrapping_sub(i) % 8]);
        let mut overwrites = old.clone().any(|byte| !matches!(byte, Byte::Misc | Byte::Zero));
        overwrites |= value.is_some_and(is_spillable);
        if overwrites {
            self.aux_here().nospec_result = true;
        }
    }

    fn spill_scalar(&mut self, frame: u32, spi: usize, value: Reg, size: i32) {
        let fits = width(self.reg(value)) <= size.unsigned_abs() * 8;
        if fits {
            self.assign_scalar_id(value);
        }
        let reg = *self.reg(value);
        self.save_register(frame, spi, reg, size);
        if !fits {
            self.cur.frames[frame as usize].stack[spi].reg.id = 0;
        }
    }

    /// A copy of the number will be known to be the same. Kernel: `assign_scalar_id_before_mov`.
    pub(crate) fn assign_scalar_id(&mut self, reg: Reg) {
        let mut state = *self.reg(reg);
        self.give_scalar_id(&mut state);
        *self.reg_mut(reg) = state;
    }

    pub(super) fn give_scalar_id(&mut self, reg: &mut RegState) {
        if !reg.is_scalar() {
            return;
        }
        if reg.id & ADD_CONST != 0 {
            clear_scalar_id(reg);
        }
        if reg.id == 0 && reg.num.is_const().is_none() {
            reg.id = self.new_id();
        }
    }

    /// Kernel: `save_register_state`.
    fn save_register(&mut self, frame: u32, spi: usize, reg: RegState, size: i32) {
        let slot = &mut self.cur.frames[frame as usize].stack[spi];
        slot.reg = reg;
        let plain = 8 - usize::try_from(size).unwrap_or(8).min(8);
        for byte in &mut slot.bytes[plain..] {
            *byte = Byte::Spill;
        }
        for byte in &mut slot.bytes[..plain] {
            if !matches!(byte, Byte::Zero | Byte::Invalid) {
                *byte = Byte::Misc;
            }
        }
    }

    fn write_bytes(&mut self, frame: u32, off: i32, size: i32, value: Option<Reg>) -> Res<()> {
        let at = place(off);
        self.cur.frames[frame as usize].stack[at.spi].scrub();
        let mut byte = Byte::Misc;
        if self.stores_zero(value) {
            if let Some(value) = value {
                self.mark_chain_precision(value)?;
            }
            byte = Byte::Zero;
        }
        let slot = &mut self.cur.frames[frame as usize].stack[at.spi];
        for i in 0..usize::try_from(size).unwrap_or(0) {
            slot.bytes[at.byte.wrapping_sub(i) % 8] = byte;
        }
        Ok(())
    }

    fn stores_zero(&self, value: Option<Reg>) -> bool {
        match value {
            Some(value) => self.reg(value).is_null(),
            None => self.stored_imm() == Some(0),
        }
    }

    /// A store somewhere in a range. Kernel: `check_stack_write_var_off`.
    pub(super) fn check_stack_write_var_off(
        &mut self,
        base: Reg,
        off: i32,
        size: i32,
        value: Option<Reg>,
    ) -> Res<()> {
        let reg = *self.reg(base);
        let frame = reg.frame;
        let (min_off, max_off) = reached(&reg, off, size);
        let zero = self.stores_zero(value);
        for at in min_off..max_off {
            self.destroy_if_dynptr_stack_slot(frame, place(at).spi)?;
        }
        self.check_fastcall_stack_contract(frame, min_off);
        let mut zero_used = false;
        for at in min_off..max_off {
            zero_used |= self.may_write_byte(frame, at, zero)?;
        }
        match value {
            Some(value) if zero_used => self.mark_chain_precision(value),
            _ => Ok(()),
        }
    }

    /// A byte may be written. Whether that the value is zero was used.
    fn may_write_byte(&mut self, frame: u32, off: i32, zero: bool) -> Res<bool> {
        let pc = self.pc;
        let (leaks, uninit) = (self.allow_ptr_leaks, self.allow_uninit_stack);
        let at = place(off);
        let slot = &mut self.cur.frames[frame as usize].stack[at.spi];
        let old = slot.bytes[at.byte];
        let refuse = |rule: Rule, kernel: String| {
            Reject::new(rule, kernel).errno(Errno::EINVAL).fact(Fact::Stack { frame, off }).stop()
        };
        if !leaks && !matches!(old, Byte::Misc | Byte::Zero) {
            return refuse(
                Rule::MemSpill,
                format!(
                    "spilled ptr in range of var-offset stack write; insn {pc}, ptr off: {off}"
                ),
            );
        }
        if zero && old == Byte::Spill && holds_zero(slot) {
            return Ok(true);
        }
        slot.scrub();
        let old = slot.bytes[at.byte];
        let keep_zero = zero && old == Byte::Zero;
        if old == Byte::Invalid && !uninit {
            return refuse(
                Rule::MemStackUninit,
                format!(
                    "uninit stack in range of var-offset write prohibited for !root; insn {pc}, off: {off}"
                ),
            );
        }
        slot.bytes[at.byte] = if keep_zero { Byte::Zero } else { Byte::Misc };
        Ok(keep_zero)
    }
}

/// A spilled number that is zero.
fn holds_zero(slot: &Slot) -> bool {
    slot.is_spilled_scalar() && slot.reg.num.is_const() == Some(0)
}

/// First byte that may be reached and the one after the last; within the stack, as was checked.
pub(super) fn reached(reg: &RegState, off: i32, size: i32) -> (i32, i32) {
    let clamp = |sum: i64| super::int(sum.cast_unsigned());
    let min = clamp(reg.num.smin.wrapping_add(i64::from(off)));
    let max = clamp(reg.num.smax.wrapping_add(i64::from(off)).wrapping_add(i64::from(size)));
    (min, max)
}

/// Bits that the number may have. Kernel: `get_reg_width`.
pub(super) fn width(reg: &RegState) -> u32 {
    64 - reg.num.umax.leading_zeros()
}

/// Kernel: `clear_scalar_id`.
pub(super) fn clear_scalar_id(reg: &mut RegState) {
    reg.id = 0;
    reg.off = 0;
}

/// Kernel: `is_spillable_regtype`.
fn is_spillable(reg: &RegState) -> bool {
    !matches!(reg.ty.base, Base::NotInit | Base::Scalar | Base::TpBuffer | Base::ConstDynptr)
}

pub(super) fn spi_u8(spi: usize) -> u8 {
    u8::try_from(spi).unwrap_or(u8::MAX)
}

pub(super) fn frame_u8(frame: u32) -> u8 {
    u8::try_from(frame).unwrap_or(u8::MAX)
}
