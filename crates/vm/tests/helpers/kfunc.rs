//! Names of the kernel's functions and variables.

use super::{World, fault, load, prog, r0};
use skep_isa::{ImmSrc, Insn, Pc, Reg};
use skep_prog::Extern;
use skep_vm::{Input, Machine, Vm};

#[test]
fn a_kernel_function_is_found_by_its_name() {
    assert_eq!(r0("r1 = 7\n r2 = 1\n call @bpf_rdonly_cast\n exit", &mut []), 7);
    assert_eq!(r0("call @bpf_rcu_read_lock\n call @bpf_rcu_read_unlock\n exit", &mut []), 0);
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let refused = |text: &str| load(&prog(text)).err().map(|err| err.to_string());
    #[rustfmt::skip]
    let cases = [
        ("call @bpf_key_put\n exit", "test, insn 0: no kernel function bpf_key_put in the user engine"),
        ("call kfunc 0, -1\n exit", "test, insn 0: symbol 0 of 0"),
        ("call kfunc -1, -1\n exit", "test, insn 0: symbol -1 of 0"),
        ("call kfunc 7\n exit", "test, insn 0: kernel functions only exist in the kernel"),
    ];
    for (text, want) in cases {
        assert_eq!(refused(text).as_deref(), Some(want));
    }
}

#[test]
fn one_that_may_be_absent_faults_when_it_is_called() {
    assert_eq!(r0("r0 = 3\n if r0 == 3 goto +1\n call @?bpf_new_thing\n exit", &mut []), 3);
    let text = fault("call @?bpf_new_thing\n exit", &mut []);
    assert_eq!(text, "the kernel function bpf_new_thing: not supported by the user engine");
}

/// `r0 = &symbol; exit`
fn address_of(name: &str, weak: bool) -> Result<i64, String> {
    let mut prog = prog("r0 = 0 ll\n exit");
    prog.externs = vec![Extern { name: name.into(), type_id: None, weak }];
    let imm = ImmSrc::BtfId { id: 0, fd: Extern::FD };
    *prog.insns.get_mut(Pc(0)).unwrap() = Insn::LoadImm { dst: Reg::R0, imm };
    let machine = load(&prog).map_err(|err| err.to_string())?;
    let output = Vm::new().run(&machine, 0, &mut World::new(), Input::default());
    Ok(output.result.unwrap().cast_signed())
}

#[test]
fn an_absent_symbol_is_null_if_it_may_be_absent() {
    assert_eq!(address_of("bpf_new_thing", true), Ok(0));
    assert_ne!(address_of("bpf_strlen", true).unwrap(), 0);
    assert_ne!(address_of("bpf_strlen", false).unwrap(), 0);
    let refused = address_of("runqueues", false).unwrap_err();
    assert_eq!(refused, "test, insn 0: runqueues only exists in the kernel");
}

/// Throws 7 from a function called by one that `bpf_loop` calls back; then what is thrown arrives in the
/// function at the end, if that is named.
const THROWS: &str = "r1 = 3\n r2 = loop ll\n r3 = 0\n r4 = 0\n call 181\n r0 = 1\n exit\n \
    loop: r6 = 9\n call thrower\n r0 = 0\n exit\n \
    thrower: r1 = 7\n call @bpf_throw\n exit\n \
    catcher: r0 = r1\n r0 *= 100\n r2 = 1\n *(u64 *)(r10 - 8) = r2\n exit";

#[test]
fn what_is_thrown_ends_all_functions() {
    let mut machine = load(&prog(THROWS)).unwrap();
    let run = |machine: &Machine<World>| {
        Vm::new().run(machine, 0, &mut World::new(), Input::default()).result
    };
    assert_eq!(run(&machine), Ok(7));
    let last = prog(THROWS).insns.iter().map(|(pc, _)| pc).nth(14).unwrap();
    assert!(machine.set_exception_callback(0, last));
    assert_eq!(run(&machine), Ok(700));
    assert!(!machine.set_exception_callback(0, Pc(10_000)));
    assert!(!machine.set_exception_callback(9, last));
    assert_eq!(run(&machine), Ok(7));
}

#[test]
fn a_place_that_cannot_be_reached_says_so() {
    let text = fault("call @__bpf_trap\n exit", &mut []);
    assert!(text.contains("a place that the compiler took for unreachable"), "{text}");
}

/// What the kernel calls a load with an entry in its table of exceptions.
#[test]
fn loads_through_pointers_of_the_kernel_read_zero_where_nothing_is() {
    let text = "r1 = 64\n r0 = *(u32 *)(r1 + 4)\n r0 += 3\n exit";
    let mut machine = load(&prog(text)).unwrap();
    let run = |machine: &Machine<World>| {
        Vm::new().run(machine, 0, &mut World::new(), Input::default()).result
    };
    assert!(run(&machine).is_err());
    machine.set_probes(0, [Pc(1)].into_iter());
    assert_eq!(run(&machine), Ok(3));
    machine.set_probes(0, [Pc(0)].into_iter());
    assert!(run(&machine).is_err(), "another instruction is meant");
}
