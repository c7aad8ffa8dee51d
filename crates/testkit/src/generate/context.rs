//! Fields of the context.

use super::{Body, Generator};
use rand::Rng;
use skep_abi::ProgType;
use skep_isa::{Insn, Reg, Size, Src};

/// `struct xdp_md`: `ingress_ifindex`, `rx_queue_index`.
const XDP: [i16; 2] = [12, 16];
/// `struct __sk_buff` as every program sees it: `len`, `pkt_type`, `mark`, `queue_mapping`, `protocol`,
/// `vlan_present`, `vlan_tci`, `vlan_proto`, `priority`, `ingress_ifindex`, `ifindex`, `tc_index`,
/// `cb`, `hash`, `napi_id`, `gso_segs`, `gso_size`.
const SKB: [i16; 21] =
    [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 84, 164, 176];
/// Beyond that, tc: `tc_classid`, `wire_len`.
const TC: [i16; 2] = [72, 160];
/// The user engine shows socket filters a packet without link header: the protocol is then that of the
/// IP header if it has one, and not what the link header said.
const PROTOCOL: i16 = 16;
/// What socket filters may write: `cb`.
const SOCKET_WRITES: [i16; 5] = [48, 52, 56, 60, 64];
/// Beyond that, tc: `mark`, `queue_mapping`, `priority`, `tc_index`, `tc_classid`.
const TC_WRITES: [i16; 5] = [8, 12, 32, 44, 72];

impl Generator {
    /// A load or store of a field.
    pub(super) fn context(&mut self, body: &mut Body) {
        let tc = self.prog_type == ProgType::SchedCls;
        if self.prog_type != ProgType::Xdp && self.rng.random_bool(0.4) {
            let off = if tc && self.rng.random_bool(0.5) {
                self.pick(&TC_WRITES)
            } else {
                self.pick(&SOCKET_WRITES)
            };
            return self.write_field(body, off);
        }
        let Some([dst]) = self.free(body) else { return };
        let off = match self.prog_type {
            ProgType::Xdp => self.pick(&XDP),
            ProgType::SchedCls if self.rng.random_bool(0.1) => self.pick(&TC),
            _ => self.pick(&SKB),
        };
        if off == PROTOCOL && self.prog_type == ProgType::SocketFilter {
            return;
        }
        let size = match self.prog_type {
            ProgType::Xdp => Size::W,
            // A part of a field is a field too.
            _ => self.pick(&[Size::W, Size::W, Size::H, Size::B]),
        };
        body.code.push(Insn::Load { size, dst, base: Reg::R6, off });
        self.count(body, dst);
    }

    /// Any number: fields that are narrower in the kernel than in the context take a part of it, or
    /// nothing.
    fn write_field(&mut self, body: &mut Body, off: i16) {
        let src = if self.rng.random_bool(0.2) {
            Src::Imm(self.imm())
        } else {
            Src::Reg(self.number(body))
        };
        body.code.push(Insn::Store { size: Size::W, base: Reg::R6, off, src });
    }
}
