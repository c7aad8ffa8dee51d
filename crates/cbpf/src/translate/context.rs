//! Ancillary data as fields of the context and calls of helpers.

use super::{A, Target, TranslateError, Translator};
use crate::insn::Ancillary;
use skep_isa::{AluOp, Call, Insn, Reg, Size, Src, Swap, Width};

/// Fields of `struct __sk_buff` (`include/uapi/linux/bpf.h`): the offset, and whether the value is
/// 16 bits in network byte order.
#[rustfmt::skip]
const SKB: [(Ancillary, i16, bool); 9] = [
    (Ancillary::PktType,         4, false),
    (Ancillary::Mark,            8, false),
    (Ancillary::Queue,          12, false),
    (Ancillary::Protocol,       16, true),
    (Ancillary::VlanTagPresent, 20, false),
    (Ancillary::VlanTag,        24, false),
    (Ancillary::VlanTpid,       28, true),
    (Ancillary::IfIndex,        40, false),
    (Ancillary::RxHash,         68, false),
];
/// Of `struct xdp_md`: `ingress_ifindex`.
const XDP: [(Ancillary, i16, bool); 1] = [(Ancillary::IfIndex, 12, false)];

/// `len` of `struct __sk_buff`.
const SKB_LEN: i16 = 0;

/// `bpf_get_prandom_u32`
const PRANDOM: i32 = 7;
/// `bpf_get_smp_processor_id`
const PROCESSOR_ID: i32 = 8;

impl Translator {
    /// `A =` the datum.
    pub(super) fn ancillary(&mut self, pc: usize, anc: Ancillary) -> Result<(), TranslateError> {
        let fields = match self.target {
            Target::SocketFilter | Target::Tc(_) => SKB.as_slice(),
            Target::Xdp(_) => XDP.as_slice(),
        };
        if let Some(&(_, off, big_endian)) = fields.iter().find(|row| row.0 == anc) {
            self.field(A, self.regs.ctx, off);
            if big_endian {
                self.push(Insn::Swap { kind: Swap::Be, size: Size::H, dst: A });
            }
            return Ok(());
        }
        match anc {
            Ancillary::AluXorX => self.alu(AluOp::Xor, A, Src::Reg(self.regs.x)),
            Ancillary::Random => self.push(Insn::Call(Call::Helper(PRANDOM))),
            Ancillary::Cpu => self.push(Insn::Call(Call::Helper(PROCESSOR_ID))),
            anc => {
                let hook = self.target.name();
                return Err(TranslateError::Unsupported { pc, anc, hook });
            }
        }
        Ok(())
    }

    /// `dst =` length of the packet.
    pub(super) fn length(&mut self, dst: Reg) {
        match self.target {
            Target::SocketFilter | Target::Tc(_) => self.field(dst, self.regs.ctx, SKB_LEN),
            Target::Xdp(_) => {
                self.mov(dst, self.regs.end);
                let src = Src::Reg(self.regs.data);
                self.push(Insn::Alu { width: Width::W64, op: AluOp::Sub, dst, src });
            }
        }
    }

    /// `dst = *(u32 *)(ctx + off)`
    pub(super) fn field(&mut self, dst: Reg, ctx: Reg, off: i16) {
        self.push(Insn::Load { size: Size::W, dst, base: ctx, off });
    }
}
