//! Programs for packets with the cooked header, and what they become for the socket without it.

use crate::generate;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore};
use skep_cbpf::{
    AluOp, Ancillary, CondOp, Device, Insn, Meta, Packet, Program, RawInsn, Reg, Size, Src, check,
    check_insns,
};

const HEADER: usize = 20;

/// A packet as readers see it, and as the filter of the socket does.
struct Cooked {
    bytes: Vec<u8>,
    meta: Meta,
}

impl Cooked {
    fn random(rng: &mut SmallRng) -> Self {
        let protocols = [0x0800, 0x86dd, 0x0806, 4, 0x8100, 0x88a8];
        let meta = Meta {
            protocol: protocols[rng.random_range(0..protocols.len())],
            pkt_type: rng.random_range(0..5),
            device: Some(Device { index: rng.random_range(0..70), hardware: rng.random() }),
            ..Meta::default()
        };
        let device = meta.device.unwrap();
        let mut bytes = Vec::new();
        bytes.extend(meta.protocol.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(device.index.to_be_bytes());
        bytes.extend(device.hardware.to_be_bytes());
        bytes.extend([meta.pkt_type, 6]);
        bytes.extend(rng.next_u64().to_be_bytes());
        bytes.extend(generate::packet(rng));
        Self { bytes, meta }
    }

    fn read(&self) -> Packet<'_> {
        Packet { meta: self.meta, ..Packet::new(&self.bytes) }
    }

    fn filtered(&self) -> Packet<'_> {
        Packet { meta: self.meta, ..Packet::new(&self.bytes[HEADER..]) }
    }

    fn is_tagged(&self) -> bool {
        matches!(self.meta.protocol, 0x8100 | 0x88a8)
    }
}

fn asks_protocol(program: &Program) -> bool {
    program.insns().contains(&Insn::LoadAbs { size: Size::H, k: 0 })
}

/// Loads that can be moved more often than not.
fn program(rng: &mut SmallRng) -> Vec<RawInsn> {
    let fields = [(0x28, 0), (0x20, 4), (0x28, 8), (0x30, 10)];
    let mut insns = generate::program(rng);
    for insn in &mut insns {
        match insn.code {
            0x20 | 0x28 | 0x30 if rng.random_ratio(2, 3) => {
                let (code, k) = fields[rng.random_range(0..fields.len())];
                *insn = RawInsn::stmt(code, k);
            }
            0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 | 0xb1 if rng.random_ratio(9, 10) => {
                insn.k = rng.random_range(16..60);
            }
            _ => {}
        }
    }
    insns
}

#[test]
fn random_programs_answer_the_same() {
    let rng = &mut generate::rng(21);
    let (mut moved, mut indirect) = (0, 0);
    for _ in 0..30_000 {
        let Ok(program) = check(&program(rng)) else { continue };
        let Some(other) = program.for_cooked_socket() else { continue };
        moved += 1;
        let computes = |insn: &Insn| matches!(insn, Insn::LoadInd { .. });
        indirect += usize::from(program.insns().iter().any(computes));
        for _ in 0..4 {
            let packet = Cooked::random(rng);
            let want = if packet.is_tagged() && asks_protocol(&program) {
                u32::MAX
            } else {
                program.run(&packet.read())
            };
            assert_eq!(other.run(&packet.filtered()), want, "{program:?}\n{other:?}");
        }
    }
    assert!(moved > 5000 && indirect > 1000, "only {moved}, {indirect} of them with loads at X");
}

fn moved(insns: &[Insn]) -> Option<Vec<Insn>> {
    let ends = [insns, &[Insn::RetA]].concat();
    let program = check_insns(ends).unwrap().for_cooked_socket()?;
    let (_, rest) = program.insns().split_last()?;
    Some(rest.to_vec())
}

#[test]
fn fields_are_ancillary_data_and_other_bytes_of_the_header_are_not_there() {
    let load = |size, k| [Insn::LoadAbs { size, k }];
    let anc = |size, anc| Some(vec![Insn::LoadAnc { size, anc }]);
    assert_eq!(moved(&load(Size::W, 4)), anc(Size::W, Ancillary::IfIndex));
    assert_eq!(moved(&load(Size::H, 8)), anc(Size::H, Ancillary::HaType));
    assert_eq!(moved(&load(Size::B, 10)), anc(Size::B, Ancillary::PktType));
    let protocol = moved(&load(Size::H, 0)).unwrap();
    assert_eq!(protocol.len(), 6, "tags come through first: {protocol:?}");
    assert_eq!(moved(&load(Size::W, 20)), Some(load(Size::W, 0).to_vec()));
    for (size, k) in [
        (Size::B, 0),
        (Size::W, 0),
        (Size::H, 2),
        (Size::H, 4),
        (Size::B, 11),
        (Size::H, 12),
        // From the header into the packet, and what is at the end of the numbers.
        (Size::W, 17),
        (Size::B, 19),
        (Size::B, 0x8000_0000),
        (Size::B, 0xfff0_0000),
    ] {
        assert_eq!(moved(&load(size, k)), None, "{size:?} at {k}");
    }
    assert_eq!(moved(&[Insn::LoadMsh { k: 20 }]), Some(vec![Insn::LoadMsh { k: 0 }]));
    assert_eq!(moved(&[Insn::LoadMsh { k: 14 }]), None);
    assert_eq!(moved(&[Insn::LoadAnc { size: Size::W, anc: Ancillary::PktType }]), None);
}

#[test]
fn computed_places_are_behind_the_header_on_every_way() {
    let load = |k| Insn::LoadInd { size: Size::B, k };
    let alu = |op, k| Insn::Alu { op, src: Src::K(k) };
    let byte = Insn::LoadAbs { size: Size::B, k: 20 };
    let behind = |first: &[Insn], k| moved(&[first, &[Insn::Tax, load(k)]].concat()).is_some();
    assert!(behind(&[byte, alu(AluOp::And, 15), alu(AluOp::Lsh, 2)], 20));
    assert!(behind(&[byte, alu(AluOp::Add, 20)], 0));
    assert!(behind(&[byte, alu(AluOp::Add, 30)], 0u32.wrapping_sub(10)));
    assert!(!behind(&[byte, alu(AluOp::Add, 20)], 0u32.wrapping_sub(1)));
    assert!(!behind(&[byte], 19));
    // A difference may be negative, and a word too large.
    assert!(!behind(&[byte, alu(AluOp::Sub, 1)], 40));
    assert!(!behind(&[Insn::LoadAbs { size: Size::W, k: 20 }], 20));
    // One way has a place in the header.
    let jump = Insn::JumpIf { op: CondOp::Gt, src: Src::K(7), jt: 0, jf: 1 };
    let set = |k| Insn::LoadImm { reg: Reg::X, k };
    assert!(moved(&[byte, set(20), jump, set(24), load(0)]).is_some());
    assert!(moved(&[byte, set(12), jump, set(24), load(0)]).is_none());
}

#[test]
fn lengths_count_the_header() {
    let length = [Insn::LoadLen { reg: Reg::A }];
    let add = Insn::Alu { op: AluOp::Add, src: Src::K(20) };
    assert_eq!(moved(&length), Some(vec![length[0], add]));
    assert_eq!(moved(&[Insn::LoadLen { reg: Reg::X }]), None);
    // A jump over one that became too long for it.
    let over = |jf| {
        let mut insns = vec![Insn::JumpIf { op: CondOp::Eq, src: Src::K(0), jt: 0, jf }];
        insns.extend(std::iter::repeat_n(length[0], jf.into()));
        moved(&insns).map(|insns| insns.len())
    };
    assert_eq!(over(127), Some(1 + 2 * 127));
    assert_eq!(over(128), None);
}
