//! Alignment of accesses.

use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_domain::Tnum;
use skep_isa::Reg;

/// Bytes that precede a packet, so that what follows its Ethernet header is aligned.
/// Kernel: the `NET_IP_ALIGN` of machines that care.
const IP_ALIGN: i32 = 2;

impl Verifier<'_> {
    /// Kernel: `check_ptr_alignment`.
    pub(crate) fn check_ptr_alignment(
        &self,
        base: Reg,
        reg: &RegState,
        off: i32,
        size: i32,
        strict: bool,
    ) -> Res<()> {
        let strict = self.strict_alignment || strict;
        let plain = reg.ty.flags == 0;
        let (what, strict) = match reg.ty.base {
            Base::Packet | Base::PacketMeta if plain => {
                return misaligned(strict, size, reg, IP_ALIGN.wrapping_add(off), base, |bits| {
                    format!(
                        "misaligned packet access off {IP_ALIGN}+{bits}+{}+{off} size {size}",
                        reg.off
                    )
                });
            }
            Base::FlowKeys if plain => ("flow keys ", strict),
            Base::MapKey if plain => ("key ", strict),
            Base::MapValue if plain => ("value ", strict),
            Base::Ctx if plain => ("context ", strict),
            // Spilled registers are kept track of by whole slots.
            Base::Stack if plain => ("stack ", true),
            Base::Socket if plain => ("sock ", strict),
            Base::SockCommon if plain => ("sock_common ", strict),
            Base::TcpSock if plain => ("tcp_sock ", strict),
            Base::XdpSock if plain => ("xdp_sock ", strict),
            Base::Arena if plain => return Ok(()),
            _ => ("", strict),
        };
        misaligned(strict, size, reg, off, base, |bits| {
            format!("misaligned {what}access off {bits}+{}+{off} size {size}", reg.off)
        })
    }
}

/// The sum of all parts of the offset is a multiple of the size.
fn misaligned(
    strict: bool,
    size: i32,
    reg: &RegState,
    off: i32,
    base: Reg,
    message: impl FnOnce(Tnum) -> String,
) -> Res<()> {
    if !strict || size == 1 {
        return Ok(());
    }
    let fixed = i64::from(reg.off.wrapping_add(off)).cast_unsigned();
    let sum = reg.num.var_off.add(Tnum::constant(fixed));
    if sum.is_aligned(u64::from(size.unsigned_abs())) {
        return Ok(());
    }
    Reject::new(Rule::MemAlign, message(reg.num.var_off))
        .fact(Fact::Reg(base, *reg))
        .fact(Fact::Required(format!("an offset that is a multiple of {size}")))
        .stop()
}
