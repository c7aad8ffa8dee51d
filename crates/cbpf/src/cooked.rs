//! From packets with the cooked header to the socket that makes it.
//!
//! A cooked packet socket (`AF_PACKET`, `SOCK_DGRAM`) shows its filter a packet from the network header on, without
//! what readers get in front of it: the header of LINUX_SLL2, which they make of the packet's address
//! (`struct sockaddr_ll`). Fields of that are ancillary data to a filter.
//!
//! | Bytes | Field | Kernel, `convert_bpf_extensions` |
//! |---|---|---|
//! | 0-1 | protocol | `SKF_AD_PROTOCOL` |
//! | 4-7 | interface | `SKF_AD_IFINDEX` |
//! | 8-9 | hardware type | `SKF_AD_HATYPE` |
//! | 10 | packet type | `SKF_AD_PKTTYPE` |

mod bounds;

use crate::check::{Program, check_insns, target};
use crate::insn::{AluOp, Ancillary, CondOp, Insn, Reg, Size, Src};
use alloc::vec;
use alloc::vec::Vec;
use bounds::Bounds;

/// Bytes of the header.
const HEADER: u32 = 20;

const FIELDS: [(Size, u32, Ancillary); 4] = [
    (Size::H, 0, Ancillary::Protocol),
    (Size::W, 4, Ancillary::IfIndex),
    (Size::H, 8, Ancillary::HaType),
    (Size::B, 10, Ancillary::PktType),
];

/// Types of the VLAN tags that the kernel looks behind. Kernel: `eth_type_vlan`.
const TAGS: [u32; 2] = [0x8100, 0x88a8];

impl Program {
    /// The program for packets with the header of LINUX_SLL2 as one for the socket that they come from, which accepts
    /// the same ones; `None` if it loads other bytes of the header than whole fields, or perhaps some of them.
    ///
    /// Whose protocol is that of a VLAN tag comes through if the program asks for protocols, and has to be asked
    /// about again: readers are told the protocol behind the tag (`vlan_get_protocol_dgram`), filters are not.
    #[must_use]
    pub fn for_cooked_socket(&self) -> Option<Self> {
        let bounds = bounds::at_each(self.insns());
        let mut insns = Vec::new();
        let mut places = Vec::with_capacity(self.insns().len());
        if self.insns().iter().any(|&insn| field(insn) == Some(Ancillary::Protocol)) {
            insns.extend(tags_come_through());
        }
        for (&insn, bounds) in self.insns().iter().zip(&bounds) {
            places.push(insns.len());
            match bounds {
                Some(bounds) => insns.extend(moved(insn, bounds)?.into_iter().flatten()),
                None => insns.push(insn),
            }
        }
        for (pc, &insn) in self.insns().iter().enumerate() {
            let here = *places.get(pc)?;
            let distance = |off: u32| -> Option<u32> {
                let there = *places.get(target(pc, off))?;
                u32::try_from(there.checked_sub(here)?.checked_sub(1)?).ok()
            };
            let short = |off: u8| u8::try_from(distance(off.into())?).ok();
            *insns.get_mut(here)? = match insn {
                Insn::Jump { k } => Insn::Jump { k: distance(k)? },
                Insn::JumpIf { op, src, jt, jf } => {
                    Insn::JumpIf { op, src, jt: short(jt)?, jf: short(jf)? }
                }
                _ => continue,
            };
        }
        check_insns(insns).ok()
    }
}

/// Accepts what has a tag's protocol. Both registers are 0 again.
fn tags_come_through() -> [Insn; 5] {
    let [first, second] = TAGS.map(Src::K);
    [
        Insn::LoadAnc { size: Size::H, anc: Ancillary::Protocol },
        Insn::JumpIf { op: CondOp::Eq, src: first, jt: 1, jf: 0 },
        Insn::JumpIf { op: CondOp::Eq, src: second, jt: 0, jf: 1 },
        Insn::RetK { k: u32::MAX },
        Insn::LoadImm { reg: Reg::A, k: 0 },
    ]
}

/// The field of the header that is loaded.
fn field(insn: Insn) -> Option<Ancillary> {
    let Insn::LoadAbs { size, k } = insn else { return None };
    FIELDS.iter().find(|row| (row.0, row.1) == (size, k)).map(|row| row.2)
}

/// One or two instructions that do the same without the header.
fn moved(insn: Insn, bounds: &Bounds) -> Option<[Option<Insn>; 2]> {
    let one = match insn {
        Insn::LoadAbs { size, k } => match field(insn) {
            Some(anc) => Insn::LoadAnc { size, anc },
            None => Insn::LoadAbs { size, k: behind(k, k)? },
        },
        Insn::LoadMsh { k } => Insn::LoadMsh { k: behind(k, k)? },
        Insn::LoadInd { size, k } => {
            let lowest = bounds.x.low.wrapping_add(k);
            let highest = bounds.x.high.wrapping_add(k);
            behind(lowest, highest)?;
            Insn::LoadInd { size, k: k.wrapping_sub(HEADER) }
        }
        Insn::LoadLen { reg: Reg::A } => {
            let add = Insn::Alu { op: AluOp::Add, src: Src::K(HEADER) };
            return Some([Some(insn), Some(add)]);
        }
        // Not without the accumulator; and ancillary data are not of the header.
        Insn::LoadLen { reg: Reg::X } | Insn::LoadAnc { .. } => return None,
        insn => insn,
    };
    Some([Some(one), None])
}

/// Where a load begins without the header, if it does behind the header wherever it does between these two.
fn behind(lowest: u32, highest: u32) -> Option<u32> {
    // What is negative is an offset from elsewhere.
    let is_plain = lowest <= highest && i32::try_from(highest).is_ok();
    lowest.checked_sub(HEADER).filter(|_| is_plain)
}
