//! Ranges of the stack that functions read or write, and loads from an unknown place in one.

use super::stack::place;
use super::{MemMeta, stack_write::reached};
use crate::frame::{Byte, Slot};
use crate::reg::RegState;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::Errno;
use skep_isa::Reg;

impl Verifier<'_> {
    /// All bytes that may be reached are initialized, or need not be. What is written is no longer
    /// known. Kernel: `check_stack_range_initialized`.
    pub(crate) fn check_stack_range_initialized(
        &mut self,
        base: Reg,
        off: i32,
        size: i32,
        zero_size_allowed: bool,
        write: bool,
        meta: Option<&mut MemMeta>,
    ) -> Res<()> {
        let reg = *self.reg(base);
        if size == 0 && !zero_size_allowed {
            return Reject::new(Rule::HelperSize, "invalid zero-sized read")
                .fact(Fact::Reg(base, reg))
                .stop();
        }
        self.check_stack_access_within_bounds(base, off, size, write)?;
        let fixed = reg.num.is_const().is_some();
        if !fixed && !self.bypass_spec_v1 {
            return Reject::new(
                Rule::Privilege,
                format!(
                    "R{} variable offset stack access prohibited for !root, var_off={}",
                    base.num(),
                    reg.num.var_off
                ),
            )
            .errno(Errno::EACCES)
            .fact(Fact::Reg(base, reg))
            .stop();
        }
        let (min_off, end) = match reg.num.is_const() {
            Some(var) => {
                let min = off.wrapping_add(super::int(var));
                (min, min.wrapping_add(size))
            }
            None => reached(&reg, off, size),
        };
        if let Some(meta) = meta.filter(|meta| fixed && meta.raw) {
            return self.check_raw_stack(meta, base, min_off, end, size);
        }
        for at in min_off..end {
            if !self.check_byte_initialized(reg.frame, at, write)? {
                return uninitialized(base, &reg, min_off, at, size);
            }
            self.mark_stack_read(reg.frame, 1 << place(at).spi);
        }
        Ok(())
    }

    /// Memory that a function fills whole: anything but a dynptr. Its bytes are written afterwards.
    fn check_raw_stack(
        &mut self,
        meta: &mut MemMeta,
        base: Reg,
        min_off: i32,
        end: i32,
        size: i32,
    ) -> Res<()> {
        let frame = self.reg(base).frame;
        let dynptr =
            (min_off..end).find(|&at| self.cur.frames[frame as usize].byte(at) == Byte::Dynptr);
        if let Some(off) = dynptr {
            return Reject::new(
                Rule::Dynptr,
                format!("potential write to dynptr at off={off} disallowed"),
            )
            .errno(Errno::EACCES)
            .fact(Fact::Stack { frame, off })
            .stop();
        }
        meta.raw_size = size;
        meta.raw_reg = Some(base);
        Ok(())
    }

    /// Whether the byte is initialized; if a function may write it, it becomes unknown.
    fn check_byte_initialized(&mut self, frame: u32, off: i32, write: bool) -> Res<bool> {
        let (leaks, uninit) = (self.allow_ptr_leaks, self.allow_uninit_stack);
        let unknown = self.unknown();
        let at = place(off);
        let Some(slot) = self.cur.frames[frame as usize].stack.get_mut(at.spi) else {
            return Reject::new(Rule::Internal, "allocated_stack too small").stop();
        };
        match slot.bytes[at.byte] {
            Byte::Misc => return Ok(true),
            Byte::Zero => {}
            Byte::Invalid if uninit => self.reads_old_stack.set(true),
            _ if slot.is_spilled() && (slot.reg.is_scalar() || leaks) => {
                if write {
                    forget(slot, unknown);
                }
                return Ok(true);
            }
            _ => return Ok(false),
        }
        if write {
            slot.bytes[at.byte] = Byte::Misc;
        }
        Ok(true)
    }
}

fn forget(slot: &mut Slot, unknown: RegState) {
    slot.reg = unknown;
    slot.scrub_bytes();
}

fn uninitialized(base: Reg, reg: &RegState, min_off: i32, at: i32, size: i32) -> Res<()> {
    let n = base.num();
    let nth = at - min_off;
    let kernel = match reg.num.is_const() {
        Some(_) => format!("invalid read from stack R{n} off {min_off}+{nth} size {size}"),
        None => {
            format!("invalid read from stack R{n} var_off {}+{nth} size {size}", reg.num.var_off)
        }
    };
    Reject::new(Rule::MemStackUninit, kernel)
        .fact(Fact::Reg(base, *reg))
        .fact(Fact::Stack { frame: reg.frame, off: at })
        .stop()
}
