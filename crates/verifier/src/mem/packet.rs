//! The packet: only the part that was compared with its end.

use super::Access;
use super::region::{more, negative_min};
use crate::reg::RegState;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Errno, ProgType};
use skep_isa::Reg;

impl Verifier<'_> {
    /// Kernel: `check_packet_access`.
    pub(crate) fn check_packet_access(
        &self,
        base: Reg,
        off: i32,
        size: i32,
        zero_size_allowed: bool,
    ) -> Res<()> {
        let reg = self.reg(base);
        if reg.num.smin < 0 {
            return negative_min(base, reg);
        }
        let outside = || format!("R{} offset is outside of the packet", base.num());
        match u32::try_from(reg.range()) {
            Ok(range) => self
                .check_fits(base, off, size, range, zero_size_allowed)
                .map_err(|stop| more(stop, &outside())),
            Err(_) => Reject::new(Rule::MemPacket, outside())
                .errno(Errno::EINVAL)
                .fact(Fact::Reg(base, *reg))
                .stop(),
        }
    }

    pub(super) fn access_packet(&mut self, _: &RegState, access: Access) -> Res<()> {
        if access.write && !self.may_access_direct_pkt_data(None, true) {
            return Reject::new(Rule::MemReadOnly, "cannot write into packet")
                .fact(Fact::Reg(access.base, *self.reg(access.base)))
                .stop();
        }
        self.refuse_leak(access, "packet")?;
        self.check_packet_access(access.base, access.off, access.size, false)?;
        self.loads_unknown(access);
        Ok(())
    }

    /// Whether the program may reach into the packet itself, or give a function a pointer into it;
    /// for a function, whether it takes one. Kernel: `may_access_direct_pkt_data`.
    pub(crate) fn may_access_direct_pkt_data(
        &mut self,
        function_takes: Option<bool>,
        write: bool,
    ) -> bool {
        use ProgType as P;
        match self.prog.prog_type {
            P::LwtIn
            | P::LwtOut
            | P::LwtSeg6local
            | P::SkReuseport
            | P::FlowDissector
            | P::CgroupSkb
                if write =>
            {
                false
            }
            P::LwtIn
            | P::LwtOut
            | P::LwtSeg6local
            | P::SkReuseport
            | P::FlowDissector
            | P::CgroupSkb
            | P::SchedCls
            | P::SchedAct
            | P::Xdp
            | P::LwtXmit
            | P::SkSkb
            | P::SkMsg => match function_takes {
                Some(takes) => takes,
                None => {
                    self.seen_direct_write = true;
                    true
                }
            },
            P::CgroupSockopt => {
                self.seen_direct_write |= write;
                true
            }
            _ => false,
        }
    }
}
