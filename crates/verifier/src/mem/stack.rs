//! The stack: bounds of accesses, how far it grows, and who may use which part of it.
//!
//! A slot is eight bytes. Slot `n` is at `fp - 8 * (n + 1)`, and byte `i` of it, counted from its
//! highest address, at `fp - 8 * n - 1 - i`.

use super::Access;
use crate::frame::{Byte, Frame, Slot};
use crate::reg::RegState;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::{MAX_STACK, Verifier};
use skep_abi::Errno;
use skep_isa::{Insn, Reg, Src};

use super::MAX_VAR_OFF;

/// Where a byte of the stack is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) spi: usize,
    pub(super) byte: usize,
}

/// Where the byte at `fp + off` is kept; `off` is negative.
pub(super) fn place(off: i32) -> Place {
    let at = usize::try_from(-i64::from(off) - 1).unwrap_or(0);
    Place { spi: at / 8, byte: at % 8 }
}

impl Frame {
    /// Kind of the byte at `fp + off`, which is inside what is kept track of.
    pub(super) fn byte(&self, off: i32) -> Byte {
        let at = place(off);
        self.stack.get(at.spi).map_or(Byte::Invalid, |slot| slot.bytes[at.byte])
    }
}

impl Slot {
    /// Holds more than bytes. Kernel: `is_stack_slot_special`.
    pub(super) fn is_special(&self) -> bool {
        matches!(self.bytes[7], Byte::Spill | Byte::Dynptr | Byte::Iter | Byte::IrqFlag)
    }

    /// What it held becomes plain bytes. Kernel: `scrub_special_slot`.
    pub(super) fn scrub(&mut self) {
        self.reg.ty = crate::reg::RegType::new(crate::reg::Base::NotInit);
        if self.is_special() {
            self.scrub_bytes();
        }
    }

    /// Kernel: `scrub_spilled_slot` on each byte.
    pub(super) fn scrub_bytes(&mut self) {
        for byte in self.bytes.iter_mut().filter(|byte| **byte != Byte::Invalid) {
            *byte = Byte::Misc;
        }
    }
}

impl Verifier<'_> {
    pub(super) fn access_stack(&mut self, reg: &RegState, access: Access) -> Res<()> {
        let Access { base, off, size, write, value, .. } = access;
        self.check_stack_access_within_bounds(base, off, size, write)?;
        match (reg.num.is_const(), write) {
            (Some(var), false) => {
                self.check_stack_read_fixed_off(reg.frame, plus(off, var), size, value)
            }
            (Some(var), true) => {
                self.check_stack_write_fixed_off(reg.frame, plus(off, var), size, value)
            }
            (None, false) => self.check_stack_read_var_off(base, off, size, value),
            (None, true) => self.check_stack_write_var_off(base, off, size, value),
        }
    }

    /// The access lies between the end of the stack and the frame pointer; what is kept track of
    /// grows to it. Kernel: `check_stack_access_within_bounds`.
    pub(super) fn check_stack_access_within_bounds(
        &mut self,
        base: Reg,
        off: i32,
        size: i32,
        write: bool,
    ) -> Res<()> {
        let reg = *self.reg(base);
        let does = if write { "write to" } else { "read from" };
        let (min_off, max_off) = match reg.num.is_const() {
            Some(var) => {
                let min = var.cast_signed().wrapping_add(i64::from(off));
                (min, min.wrapping_add(i64::from(size)))
            }
            None => {
                if reg.num.smax >= MAX_VAR_OFF || reg.num.smin <= -MAX_VAR_OFF {
                    return Reject::new(
                        Rule::MemStack,
                        format!("invalid unbounded variable-offset {does} stack R{}", base.num()),
                    )
                    .fact(Fact::Reg(base, reg))
                    .stop();
                }
                let off = i64::from(off);
                (reg.num.smin + off, reg.num.smax + off + i64::from(size))
            }
        };
        let frame = &self.cur.frames[reg.frame as usize];
        let least = if write || self.allow_uninit_stack { -MAX_STACK } else { -frame.allocated() };
        let errno = if min_off < i64::from(least) || min_off > -1 {
            Errno::EACCES
        } else if max_off > 0 {
            Errno::EINVAL
        } else if size < 0 {
            Errno::EFAULT
        } else {
            let depth = u32::try_from(-min_off).unwrap_or(0);
            self.grow_stack(reg.frame, depth);
            return Ok(());
        };
        let kernel = match reg.num.is_const() {
            Some(_) => format!("invalid {does} stack R{} off={off} size={size}", base.num()),
            None => format!(
                "invalid variable-offset {does} stack R{} var_off={} off={off} size={size}",
                base.num(),
                reg.num.var_off
            ),
        };
        Reject::new(Rule::MemStack, kernel)
            .errno(errno)
            .fact(Fact::Reg(base, reg))
            .fact(Fact::Access { start: min_off, end: max_off, size: i64::from(-least) })
            .stop()
    }

    /// Without privileges, a pointer into the stack stays inside, where it is known to be.
    /// Kernel: `check_stack_access_for_ptr_arithmetic`.
    pub(crate) fn check_stack_for_arith(&self, at: Reg, reg: &RegState) -> Res<()> {
        let n = at.num();
        let off = plus(reg.off, reg.num.var_off.value());
        let kernel = if reg.num.is_const().is_none() {
            format!(
                "R{n} variable stack access prohibited for !root, var_off={} off={off}",
                reg.num.var_off
            )
        } else if !(-MAX_STACK..0).contains(&off) {
            format!(
                "R{n} stack pointer arithmetic goes out of range, prohibited for !root; off={off}"
            )
        } else {
            return Ok(());
        };
        Reject::new(Rule::MemStack, kernel).fact(Fact::Reg(at, *reg)).stop()
    }

    /// Keeps track of so many bytes of a frame. Kernel: `grow_stack_state`.
    pub(crate) fn grow_stack(&mut self, frame: u32, bytes: u32) {
        let slots = bytes.div_ceil(8);
        let frame = &mut self.cur.frames[frame as usize];
        if frame.stack.len() >= slots as usize {
            return;
        }
        frame.stack.resize(slots as usize, Slot::INVALID);
        let depth = &mut self.subprogs[frame.subprog as usize].stack_depth;
        *depth = (*depth).max(slots * 8);
    }

    /// Stack that is set apart for spills around fast calls is not used otherwise; if it is, the
    /// calls keep their spills. Kernel: `check_fastcall_stack_contract`.
    pub(super) fn check_fastcall_stack_contract(&mut self, frame: u32, off: i32) {
        let subprog = self.cur.frames[frame as usize].subprog as usize;
        let pattern = self.aux[self.pc as usize].fastcall_pattern;
        let sub = &mut self.subprogs[subprog];
        if sub.fastcall_stack_off <= off || pattern {
            return;
        }
        sub.fastcall_stack_off = i16::MIN.into();
        for aux in &mut self.aux[sub.start as usize..sub.end as usize] {
            aux.fastcall_spills = 0;
            aux.fastcall_pattern = false;
        }
    }

    /// The immediate that the current instruction stores. Kernel: `is_bpf_st_mem`.
    pub(super) fn stored_imm(&self) -> Option<i32> {
        match self.insn(self.pc) {
            Insn::Store { src: Src::Imm(imm), .. } => Some(imm),
            _ => None,
        }
    }
}

/// The kernel adds to an `int`.
fn plus(off: i32, var: u64) -> i32 {
    off.wrapping_add(super::int(var))
}
