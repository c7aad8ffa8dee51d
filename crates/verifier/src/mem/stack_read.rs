//! Loads from the stack: fills of spilled registers, and plain bytes.

use super::stack::place;
use super::stack_write::{clear_scalar_id, frame_u8, reached, spi_u8, width};
use crate::frame::{Byte, Slot};
use crate::reg::RegState;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::state::hist;
use crate::verifier::Verifier;
use skep_isa::Reg;

impl Verifier<'_> {
    /// A load from a known offset. Kernel: `check_stack_read_fixed_off`.
    pub(super) fn check_stack_read_fixed_off(
        &mut self,
        frame: u32,
        off: i32,
        size: i32,
        dst: Option<Reg>,
    ) -> Res<()> {
        let at = place(off);
        let current = u32::try_from(self.cur.curframe()).unwrap_or(0);
        self.check_fastcall_stack_contract(current, off);
        self.mark_stack_read(frame, 1 << at.spi);
        let slot = self.cur.frames[frame as usize].stack[at.spi];
        let fills = if slot.is_spilled() {
            self.read_spilled(&slot, frame, off, size, dst)?
        } else {
            self.check_bytes_readable(frame, off, size)?;
            if let Some(dst) = dst {
                self.load_bytes(frame, off, off + size, dst);
            }
            false
        };
        if fills {
            self.push_history(hist::STACK_ACCESS, spi_u8(at.spi), frame_u8(frame));
        }
        Ok(())
    }

    /// Part or all of a spilled register. Whether the register got what was spilled.
    fn read_spilled(
        &mut self,
        slot: &Slot,
        frame: u32,
        off: i32,
        size: i32,
        dst: Option<Reg>,
    ) -> Res<bool> {
        let spilled = spilled_bytes(slot);
        if size == 8 && spilled == 8 {
            return self.fill_whole(slot, frame, off, dst);
        }
        if !slot.reg.is_scalar() {
            return Reject::new(Rule::MemSpill, "invalid size of register fill")
                .fact(Fact::Stack { frame, off })
                .stop();
        }
        let Some(dst) = dst else { return Ok(false) };
        if size <= spilled && off % 8 == 0 {
            let mut reg = slot.reg;
            if width(&reg) > size.unsigned_abs() * 8 {
                clear_scalar_id(&mut reg);
            }
            *self.reg_mut(dst) = reg;
            return Ok(true);
        }
        self.check_mixed(slot, frame, off, size, dst)
    }

    fn fill_whole(&mut self, slot: &Slot, frame: u32, off: i32, dst: Option<Reg>) -> Res<bool> {
        match dst {
            Some(dst) => *self.reg_mut(dst) = slot.reg,
            None if !self.allow_ptr_leaks && !slot.reg.is_scalar() => {
                return Reject::new(Rule::PtrLeak, format!("leaking pointer from stack off {off}"))
                    .fact(Fact::Stack { frame, off })
                    .stop();
            }
            None => {}
        }
        Ok(true)
    }

    /// Bytes of a spilled number and others.
    fn check_mixed(&mut self, slot: &Slot, frame: u32, off: i32, size: i32, dst: Reg) -> Res<bool> {
        let first = place(off).byte;
        let (mut spilled, mut zeros) = (0, 0);
        for i in 0..size {
            let byte = slot.bytes[first.wrapping_sub(usize::try_from(i).unwrap_or(0)) % 8];
            match byte {
                Byte::Spill => spilled += 1,
                Byte::Misc => {}
                Byte::Zero => zeros += 1,
                Byte::Invalid if self.allow_uninit_stack => self.reads_old_stack.set(true),
                _ => return unreadable(frame, off, i, size),
            }
        }
        let is_zero = slot.reg.num.is_const() == Some(0);
        if spilled == size && is_zero {
            *self.reg_mut(dst) = self.zero();
            return Ok(true);
        }
        *self.reg_mut(dst) = if zeros == size { self.zero() } else { self.unknown() };
        Ok(false)
    }

    fn check_bytes_readable(&self, frame: u32, off: i32, size: i32) -> Res<()> {
        let slot = &self.cur.frames[frame as usize].stack[place(off).spi];
        let first = place(off).byte;
        for i in 0..size {
            let byte = slot.bytes[first.wrapping_sub(usize::try_from(i).unwrap_or(0)) % 8];
            match byte {
                Byte::Misc | Byte::Zero => {}
                Byte::Invalid if self.allow_uninit_stack => self.reads_old_stack.set(true),
                _ => return unreadable(frame, off, i, size),
            }
        }
        Ok(())
    }

    /// What bytes of the stack give a register: zero if all are zero. Kernel: `mark_reg_stack_read`.
    fn load_bytes(&mut self, frame: u32, min_off: i32, max_off: i32, dst: Reg) {
        let stack = &self.cur.frames[frame as usize];
        let zero = (min_off..max_off).all(|at| stack.byte(at) == Byte::Zero);
        *self.reg_mut(dst) = if zero { self.zero() } else { self.unknown() };
    }

    /// Kernel: `__mark_reg_const_zero`.
    fn zero(&self) -> RegState {
        self.constant(0)
    }

    /// A load from somewhere in a range. Kernel: `check_stack_read_var_off`.
    pub(super) fn check_stack_read_var_off(
        &mut self,
        base: Reg,
        off: i32,
        size: i32,
        dst: Option<Reg>,
    ) -> Res<()> {
        let reg = *self.reg(base);
        let Some(dst) = dst else {
            return Reject::new(
                Rule::MemStack,
                format!(
                    "variable offset stack pointer cannot be passed into helper function; var_off={} off={off} size={size}",
                    reg.num.var_off
                ),
            )
            .fact(Fact::Reg(base, reg))
            .stop();
        };
        self.check_stack_range_initialized(base, off, size, false, false, None)?;
        let (min_off, max_off) = reached(&reg, off, size);
        self.load_bytes(reg.frame, min_off, max_off, dst);
        self.check_fastcall_stack_contract(reg.frame, min_off);
        Ok(())
    }
}

/// Bytes that were spilled, from the lowest address.
fn spilled_bytes(slot: &Slot) -> i32 {
    let count = slot.bytes.iter().rev().take_while(|byte| **byte == Byte::Spill).count();
    i32::try_from(count).unwrap_or(8)
}

fn unreadable<T>(frame: u32, off: i32, at: i32, size: i32) -> Res<T> {
    Reject::new(Rule::MemStackUninit, format!("invalid read from stack off {off}+{at} size {size}"))
        .fact(Fact::Stack { frame, off: off + at })
        .stop()
}
