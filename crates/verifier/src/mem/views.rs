//! Views of kernel structures (sockets, flow keys) and buffers of unknown size.

use super::region::negative_min;
use super::{Access, read_only};
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{FLOW_KEYS_SIZE, Viewed, view_access};
use skep_isa::Reg;

impl Verifier<'_> {
    pub(super) fn access_flow_keys(&mut self, reg: &RegState, access: Access) -> Res<()> {
        self.refuse_leak(access, "flow keys")?;
        let end = i64::from(access.off) + i64::from(access.size);
        if access.off < 0 || end > i64::from(FLOW_KEYS_SIZE) {
            return Reject::new(
                Rule::MemRegion,
                format!("invalid access to flow keys off={} size={}", access.off, access.size),
            )
            .fact(Fact::Reg(access.base, *reg))
            .fact(Fact::Access { start: access.off.into(), end, size: FLOW_KEYS_SIZE.into() })
            .stop();
        }
        self.loads_unknown(access);
        Ok(())
    }

    pub(super) fn access_sock(&mut self, reg: &RegState, access: Access) -> Res<()> {
        if access.write {
            return read_only(access.base, reg);
        }
        if reg.num.smin < 0 {
            return negative_min(access.base, reg);
        }
        let view = match reg.ty.base {
            Base::SockCommon => Viewed::SockCommon,
            Base::TcpSock => Viewed::TcpSock,
            Base::XdpSock => Viewed::XdpSock,
            _ => Viewed::Socket,
        };
        if view_access(view, access.off, access.size.unsigned_abs()).is_err() {
            return Reject::new(
                Rule::MemCtx,
                format!(
                    "R{} invalid {} access off={} size={}",
                    access.base.num(),
                    reg.ty.kernel_name(),
                    access.off,
                    access.size
                ),
            )
            .fact(Fact::Reg(access.base, *reg))
            .stop();
        }
        self.loads_unknown(access);
        Ok(())
    }

    pub(super) fn access_tp_buffer(&mut self, reg: &RegState, access: Access) -> Res<()> {
        check_buffer(access.base, reg, "tracepoint", access.off, access.size)?;
        self.loads_unknown(access);
        Ok(())
    }

    pub(super) fn access_buf(&mut self, reg: &RegState, access: Access) -> Res<()> {
        if access.write && reg.is_read_only() {
            return read_only(access.base, reg);
        }
        self.check_buffer_access(access.base, access.off, access.size)?;
        self.loads_unknown(access);
        Ok(())
    }

    /// Kernel: `check_buffer_access`. How far programs reach matters only where they are attached.
    pub(crate) fn check_buffer_access(&self, base: Reg, off: i32, size: i32) -> Res<()> {
        let reg = self.reg(base);
        let what = if reg.is_read_only() { "rdonly" } else { "rdwr" };
        check_buffer(base, reg, what, off, size)
    }
}

/// Kernel: `__check_buffer_access`.
fn check_buffer(base: Reg, reg: &RegState, what: &str, off: i32, size: i32) -> Res<()> {
    let n = base.num();
    let kernel = if off < 0 {
        format!("R{n} invalid {what} buffer access: off={off}, size={size}")
    } else if reg.num.is_const() != Some(0) {
        format!("R{n} invalid variable buffer offset: off={off}, var_off={}", reg.num.var_off)
    } else {
        return Ok(());
    };
    Reject::new(Rule::MemBuffer, kernel).fact(Fact::Reg(base, *reg)).stop()
}
