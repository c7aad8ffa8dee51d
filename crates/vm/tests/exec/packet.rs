//! The packet that a run is lent.

use skep_abi::ProgType;
use skep_prog::Prog;
use skep_vm::{Cx, Helpers, Input, Machine, PACKET_BASE, PacketBuf, Stop, Vm};

fn bytes(of: u8) -> PacketBuf {
    PacketBuf { bytes: vec![of; 8], end: 8, ..PacketBuf::default() }
}

/// A program that has a helper exchange the packet and reads the first byte of what is there then.
fn exchanging() -> Machine<u8> {
    let exchange = |cx: &mut Cx<'_, u8>| -> Result<u64, Stop> {
        if *cx.state > 0 {
            *cx.mem.packet = bytes(*cx.state);
        }
        Ok(0)
    };
    let mut machine = Machine::new(Helpers::new().with(1, "exchange", exchange), Vec::new());
    let text = format!("call 1\nr1 = {PACKET_BASE}\nr0 = *(u8 *)(r1 + 7)\nexit");
    let insns = skep_asm::assemble(&text).unwrap();
    machine.load(&Prog::new("exchanging", ProgType::SocketFilter, insns)).unwrap();
    machine
}

#[test]
fn what_helpers_put_in_place_of_a_packet_comes_back() {
    let (machine, mut vm) = (exchanging(), Vm::new());
    for (mut put, want) in [(0, 3), (5, 5)] {
        let mut packet = bytes(3);
        let input = Input { packet: Some(&mut packet), ..Input::default() };
        let output = vm.run(&machine, 0, &mut put, input);
        assert_eq!(output.result.unwrap(), u64::from(want));
        assert_eq!(packet.bytes, [want; 8]);
    }
}

#[test]
fn a_run_without_a_packet_finds_none_of_an_earlier_one() {
    let (machine, mut vm) = (exchanging(), Vm::new());
    let mut run = |mut put: u8| vm.run(&machine, 0, &mut put, Input::default()).result;
    assert_eq!(run(9).unwrap(), 9);
    let fault = run(0).unwrap_err().to_string();
    assert!(fault.contains("load of 1 byte"), "{fault}");
}
