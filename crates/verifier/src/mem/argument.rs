//! Memory that functions get to read or write.

use super::{By, MAX_VAR_SIZ, MemMeta};
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::CtxTable;
use skep_isa::{Reg, Size};

impl Verifier<'_> {
    /// A function may read or write `size` bytes where the register points.
    /// Kernel: `check_helper_mem_access`.
    pub(crate) fn check_helper_mem_access(
        &mut self,
        at: Reg,
        size: i32,
        write: bool,
        zero_size_allowed: bool,
        meta: Option<&mut MemMeta>,
    ) -> Res<()> {
        let reg = *self.reg(at);
        let off = reg.off;
        match reg.ty.base {
            Base::Packet | Base::PacketMeta => {
                self.check_packet_access(at, off, size, zero_size_allowed)
            }
            Base::MapKey => {
                if write {
                    return super::read_only(at, &reg);
                }
                let key_size = self.map_of(&reg).map_or(0, |map| map.def.key_size);
                self.check_mem_region_access(at, off, size, key_size, false)
            }
            Base::MapValue => {
                self.check_map_access_type(&reg, off, size, write)?;
                self.check_map_access(at, off, size, zero_size_allowed, By::Helper)
            }
            Base::Mem => {
                if write && reg.is_read_only() {
                    return super::read_only(at, &reg);
                }
                self.check_mem_region_access(at, off, size, reg.mem_size(), zero_size_allowed)
            }
            Base::Buf => {
                if write && reg.is_read_only() {
                    return super::read_only(at, &reg);
                }
                self.check_buffer_access(at, off, size)
            }
            Base::Stack => {
                self.check_stack_range_initialized(at, off, size, zero_size_allowed, write, meta)
            }
            Base::BtfId => self.check_btf_argument(at, &reg, size, write),
            Base::Ctx if !self.ctx_is_converted() => {
                self.check_ctx_argument(at, size, write, zero_size_allowed)
            }
            _ => not_memory(at, &reg, size, zero_size_allowed),
        }
    }

    /// Whether the kernel rewrites accesses to the context, so that nobody else can read it.
    fn ctx_is_converted(&self) -> bool {
        CtxTable::of(self.prog.prog_type).is_none_or(|table| table.converted)
    }

    /// A context that is plain memory: the last byte must be there.
    fn check_ctx_argument(
        &mut self,
        at: Reg,
        size: i32,
        write: bool,
        zero_size_allowed: bool,
    ) -> Res<()> {
        if size == 0 {
            // The kernel refuses without a word.
            return match zero_size_allowed {
                true => Ok(()),
                false => {
                    Reject::new(Rule::HelperSize, "").fact(Fact::Reg(at, *self.reg(at))).stop()
                }
            };
        }
        self.check_mem_access(at, size.wrapping_sub(1), Size::B, write, None, false, false)
    }

    /// A size in a register, and memory behind the register before it.
    /// Kernel: `check_mem_size_reg`.
    pub(crate) fn check_mem_size_reg(
        &mut self,
        at: Reg,
        write: bool,
        zero_size_allowed: bool,
        meta: &mut MemMeta,
    ) -> Res<()> {
        let reg = *self.reg(at);
        let n = at.num();
        meta.size_max = reg.num.umax;
        let refuse = |kernel: String, need: &str| {
            Reject::new(Rule::HelperSize, kernel)
                .fact(Fact::Reg(at, reg))
                .fact(Fact::Required(need.into()))
                .stop()
        };
        if reg.num.smin < 0 {
            return refuse(
                format!("R{n} min value is negative, either use unsigned or 'var &= const'"),
                "a size that is not negative",
            );
        }
        if reg.num.umin == 0 && !zero_size_allowed {
            return refuse(
                format!(
                    "R{n} invalid zero-sized read: u64=[{},{}]",
                    reg.num.umin.cast_signed(),
                    reg.num.umax.cast_signed()
                ),
                "a size of at least 1",
            );
        }
        if reg.num.umax >= MAX_VAR_SIZ {
            return refuse(
                format!("R{n} unbounded memory access, use 'var &= const' or 'if (var < const)'"),
                "a size with an upper bound",
            );
        }
        let Some(pointer) = n.checked_sub(1).and_then(Reg::new) else {
            return Reject::new(Rule::Internal, "a size without a pointer before it").stop();
        };
        let size = i32::try_from(reg.num.umax).unwrap_or(i32::MAX);
        // Memory that is only partly filled must be initialized before.
        let meta = reg.num.is_const().is_some().then_some(meta);
        self.check_helper_mem_access(pointer, size, write, zero_size_allowed, meta)?;
        self.mark_chain_precision(at)
    }

    /// Memory of a size that the function knows. Kernel: `check_mem_reg`.
    pub(crate) fn check_mem_reg(&mut self, at: Reg, size: u32) -> Res<()> {
        if self.reg(at).is_null() {
            return Ok(());
        }
        let Ok(size) = i32::try_from(size) else {
            return Reject::new(
                Rule::HelperSize,
                format!("R{} memory size {size} is too large", at.num()),
            )
            .stop();
        };
        self.as_if_not_null(at, |this| {
            this.check_helper_mem_access(at, size, false, true, None)?;
            this.check_helper_mem_access(at, size, true, true, None)
        })
    }

    /// Memory of a kernel function with its size in the register `at`.
    /// Kernel: `check_kfunc_mem_size_reg`.
    pub(crate) fn check_kfunc_mem_size_reg(&mut self, at: Reg) -> Res<()> {
        let Some(pointer) = at.num().checked_sub(1).and_then(Reg::new) else {
            return Reject::new(Rule::Internal, "a size without a pointer before it").stop();
        };
        let mut meta = MemMeta::default();
        self.as_if_not_null(pointer, |this| {
            this.check_mem_size_reg(at, false, true, &mut meta)?;
            this.check_mem_size_reg(at, true, true, &mut meta)
        })
    }

    /// Null is fine too, but what is not null must be memory.
    fn as_if_not_null(&mut self, at: Reg, check: impl FnOnce(&mut Self) -> Res<()>) -> Res<()> {
        let saved = *self.reg(at);
        if !saved.ty.may_be_null() {
            return check(self);
        }
        let mut certain = saved;
        self.mark_not_null(&mut certain);
        *self.reg_mut(at) = certain;
        let checked = check(self);
        *self.reg_mut(at) = saved;
        checked
    }
}

fn not_memory(at: Reg, reg: &RegState, size: i32, zero_size_allowed: bool) -> Res<()> {
    if zero_size_allowed && size == 0 && reg.is_null() {
        return Ok(());
    }
    let rule = if reg.ty.may_be_null() { Rule::PtrNull } else { Rule::HelperArg };
    Reject::new(rule, format!("R{} type={} expected=fp", at.num(), reg.ty.kernel_name()))
        .fact(Fact::Reg(at, *reg))
        .fact(Fact::Arg(at.num()))
        .stop()
}
