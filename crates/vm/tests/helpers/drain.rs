//! Records that the user gives to programs.

use super::{World, prog};
use skep_abi::MapType;
use skep_isa::{ImmSrc, Insn, Pc, Reg};
use skep_map::Map;
use skep_prog::MapDef;
use skep_vm::{Input, Machine, Vm, builtin};

/// r0 of a program that drains the ring buffer with a callback, and records left.
fn drain(callback: &str) -> (Result<u64, String>, usize) {
    let mut prog = prog(&format!(
        "r1 = 0 ll\n r2 = f ll\n r3 = r10\n r3 += -8\n r4 = 0\n *(u64 *)(r10 - 8) = 0\n \
         call bpf_user_ringbuf_drain\n r0 <<= 32\n r1 = *(u64 *)(r10 - 8)\n r0 += r1\n exit\n f: {callback}"
    ));
    let imm = ImmSrc::MapIdx(0);
    *prog.insns.get_mut(Pc(0)).unwrap() = Insn::LoadImm { dst: Reg::R1, imm };
    let map = Map::new(&MapDef::new("ring", MapType::UserRingbuf, 0, 0, 4096), 1).unwrap();
    let Map::UserRing(ring) = &map else { panic!("another map") };
    for byte in [3, 4, 5] {
        ring.output(&[byte, 0, 0, 0], 0).unwrap();
    }
    let ring = ring.clone();
    let mut machine = Machine::new(builtin(), vec![map]);
    machine.load(&prog).unwrap();
    let output = Vm::new().run(&machine, 0, &mut World::new(), Input::default());
    let left = ring.consume(&mut |_| {});
    (output.result.map_err(|fault| fault.kind.to_string()), left)
}

/// Adds the record's number to the sum.
const SUM: &str = "r6 = r2\n r3 = r1\n r1 = r10\n r1 += -8\n r2 = 4\n r4 = 0\n r5 = 0\n \
                   call bpf_dynptr_read\n if r0 != 0 goto +4\n r1 = *(u32 *)(r10 - 8)\n \
                   r2 = *(u64 *)(r6 + 0)\n r2 += r1\n *(u64 *)(r6 + 0) = r2\n ";

#[test]
fn each_record_goes_to_the_callback_until_it_has_enough() {
    assert_eq!(drain(&format!("{SUM} r0 = 0\n exit")), (Ok(3 << 32 | 12), 0));
    assert_eq!(drain(&format!("{SUM} r0 = 1\n exit")), (Ok(1 << 32 | 3), 2));
}

#[test]
fn a_record_from_the_user_is_only_read() {
    let write = "r2 = 0\n r3 = r10\n r3 += -8\n r4 = 4\n r5 = 0\n call bpf_dynptr_write\n r6 = r0\n \
                 r0 = 1\n if r6 == -22 goto +1\n r0 = *(u8 *)(r0 + 0)\n exit";
    assert_eq!(drain(write), (Ok(1 << 32), 2));
    let (result, _) = drain("*(u64 *)(r1 + 0) = 0\n exit");
    assert!(result.unwrap_err().contains("dynptr is read-only"));
}
