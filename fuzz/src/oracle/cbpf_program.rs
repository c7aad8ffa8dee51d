//! Classic programs: what the checker takes runs to its end and encodes to a program that means the
//! same.

use super::bytes::Bytes;
use super::classic;
use skep_cbpf::{Device, Format, Meta, Packet, Program, Target, Verdict, check as verify};
use skep_cbpf::{parse, print, translate};

/// Input: packet with a byte of length, 16 bytes of other data, program.
pub fn check(data: &[u8]) {
    let mut input = Bytes::new(data);
    let bytes = input.short();
    let packet = packet(bytes, &mut input);
    let rest = input.rest();
    for raws in [classic::raws(rest), classic::repaired(rest)] {
        match verify(&raws) {
            Ok(program) => run(&program, &packet),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        if !raws.is_empty() {
            for format in [Format::C, Format::Decimal] {
                assert_eq!(parse(&print(&raws, format)).as_ref(), Ok(&raws), "{format:?}");
            }
        }
    }
}

fn packet<'a>(bytes: &'a [u8], input: &mut Bytes<'_>) -> Packet<'a> {
    let mut packet = Packet::ethernet(bytes, u32::from(input.u8()) << 4);
    packet.data = input.u8().into();
    packet.link = Some(usize::from(input.u8())).filter(|&at| at != 0);
    packet.network = input.u8().into();
    let device = Device { index: input.u8().into(), hardware: input.u8().into() };
    packet.meta = Meta {
        protocol: u16::from_be_bytes([input.u8(), input.u8()]),
        device: Some(device).filter(|device| device.index != 0),
        random: input.u8().into(),
        vlan_tci: input.u8().into(),
        ..packet.meta
    };
    packet
}

fn run(program: &Program, packet: &Packet<'_>) {
    let answer = program.run(packet);
    let again = verify(&program.encode()).expect("a program encodes to one");
    assert_eq!(&again, program);
    assert_eq!(again.run(packet), answer);
    for target in [Target::SocketFilter, Target::Xdp(Verdict::XDP), Target::Tc(Verdict::TC)] {
        if let Ok(insns) = translate(program, target) {
            assert_eq!(skep_prog::check_flow(&insns), Ok(()));
            assert_eq!(skep_isa::decode(&insns.to_le_bytes()).as_ref(), Ok(&insns));
        }
    }
}
