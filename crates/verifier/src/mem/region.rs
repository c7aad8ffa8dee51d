//! Memory of a known size: all bytes of an access lie inside, at the least and the greatest offset.

use super::{Access, MAX_VAR_OFF, invalid_access, read_only};
use crate::reg::{Base, RegState, flag};
use crate::reject::{Fact, Reject, Res, Stop};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_isa::Reg;

impl Verifier<'_> {
    /// Kernel: `check_mem_region_access`.
    pub(crate) fn check_mem_region_access(
        &self,
        base: Reg,
        off: i32,
        size: i32,
        mem_size: u32,
        zero_size_allowed: bool,
    ) -> Res<()> {
        let reg = self.reg(base);
        let (smin, umax) = (reg.num.smin, reg.num.umax);
        let below = i64::from(off).wrapping_add(smin);
        if smin < 0 && (smin == i64::MIN || i32::try_from(below).is_err() || below < 0) {
            return negative_min(base, reg);
        }
        self.check_fits(base, truncated(below), size, mem_size, zero_size_allowed).map_err(
            |stop| {
                more(
                    stop,
                    &format!("R{} min value is outside of the allowed memory range", base.num()),
                )
            },
        )?;
        if umax >= MAX_VAR_OFF.cast_unsigned() {
            return Reject::new(
                rule_of(reg),
                format!(
                    "R{} unbounded memory access, make sure to bounds check any such access",
                    base.num()
                ),
            )
            .fact(Fact::Reg(base, *reg))
            .fact(Fact::Required("an offset with an upper bound".into()))
            .stop();
        }
        let above = truncated(umax.cast_signed().wrapping_add(i64::from(off)));
        self.check_fits(base, above, size, mem_size, zero_size_allowed).map_err(|stop| {
            more(stop, &format!("R{} max value is outside of the allowed memory range", base.num()))
        })
    }

    /// Kernel: `__check_mem_access`.
    pub(super) fn check_fits(
        &self,
        base: Reg,
        off: i32,
        size: i32,
        mem_size: u32,
        zero_size_allowed: bool,
    ) -> Res<()> {
        let size_ok = size > 0 || (size == 0 && zero_size_allowed);
        if off >= 0 && size_ok && i64::from(off) + i64::from(size) <= i64::from(mem_size) {
            return Ok(());
        }
        let reg = self.reg(base);
        let signed = mem_size.cast_signed();
        let kernel = match reg.ty.base {
            Base::MapKey if reg.ty.flags == 0 => {
                format!("invalid access to map key, key_size={signed} off={off} size={size}")
            }
            Base::MapValue if reg.ty.flags == 0 => {
                format!("invalid access to map value, value_size={signed} off={off} size={size}")
            }
            Base::Packet | Base::PacketMeta | Base::PacketEnd if reg.ty.flags == 0 => format!(
                "invalid access to packet, off={off} size={size}, R{}(id={},off={off},r={signed})",
                base.num(),
                reg.id
            ),
            _ => format!("invalid access to memory, mem_size={mem_size} off={off} size={size}"),
        };
        Reject::new(rule_of(reg), kernel)
            .fact(Fact::Reg(base, *reg))
            .fact(Fact::Access {
                start: off.into(),
                end: i64::from(off) + i64::from(size),
                size: mem_size.into(),
            })
            .stop()
    }

    /// A load or store through a pointer to memory of its own size.
    pub(super) fn access_mem(&mut self, reg: &RegState, access: Access) -> Res<()> {
        if reg.ty.may_be_null() {
            return invalid_access(access.base, reg);
        }
        let fixed = reg.is_read_only();
        if access.write && fixed {
            return read_only(access.base, reg);
        }
        self.refuse_leak(access, "mem")?;
        // Loads from memory that is not trusted are guarded, so they may go anywhere.
        if !(fixed && reg.ty.has(flag::UNTRUSTED)) {
            self.check_mem_region_access(
                access.base,
                access.off,
                access.size,
                reg.mem_size(),
                false,
            )?;
        }
        self.loads_unknown(access);
        Ok(())
    }
}

/// The offset may be negative.
pub(super) fn negative_min<T>(base: Reg, reg: &RegState) -> Res<T> {
    Reject::new(
        rule_of(reg),
        format!(
            "R{} min value is negative, either use unsigned index or do a if (index >=0) check.",
            base.num()
        ),
    )
    .fact(Fact::Reg(base, *reg))
    .fact(Fact::Required("an offset that is not negative".into()))
    .stop()
}

/// The rule that guards what the pointer points to.
fn rule_of(reg: &RegState) -> Rule {
    match reg.ty.base {
        Base::MapValue => Rule::MemMapValue,
        Base::Packet | Base::PacketMeta | Base::PacketEnd => Rule::MemPacket,
        _ => Rule::MemRegion,
    }
}

/// The kernel keeps such sums in an `int`.
fn truncated(sum: i64) -> i32 {
    super::int(sum.cast_unsigned())
}

/// Another line of the kernel's log.
pub(super) fn more(stop: Stop, line: &str) -> Stop {
    match stop {
        Stop::Reject(mut reject) => {
            reject.kernel.push('\n');
            reject.kernel.push_str(line);
            Stop::Reject(reject)
        }
        stop @ Stop::Unsupported(_) => stop,
    }
}
