//! The engines, each with a program loaded and memory of its own.

use crate::sbpf::Sbpf;
use skep_abi::ProgType;
use skep_benches::{Program, memory};
use skep_prog::Prog;
use skep_vm::{Helpers, Input, MEM, Machine, Output, Vm, address, cells};
use solana_sbpf::vm::ExecutionMode;

/// One engine with one program.
pub(crate) trait Engine {
    fn name(&self) -> &'static str;

    /// Runs the program and returns r0.
    fn run(&mut self) -> u64;
}

/// All engines; the first is ours.
pub(crate) fn engines(program: Program) -> [Box<dyn Engine>; 3] {
    [
        Box::new(Skep::new(program)),
        Box::new(Rbpf::new(program)),
        Box::new(Sbpf::new(program, ExecutionMode::Interpreted)),
    ]
}

pub(crate) struct Skep {
    machine: Machine<()>,
    vm: Vm,
    mem: Vec<u8>,
}

impl Skep {
    pub(crate) fn new(program: Program) -> Self {
        let insns = skep_isa::decode(program.bytes).expect("clang writes instructions");
        let prog = Prog::new(program.name, ProgType::SocketFilter, insns);
        let mut machine = Machine::new(Helpers::new(), Vec::new());
        machine.load(&prog).expect("the program stays inside itself");
        Self { machine, vm: Vm::new(), mem: memory() }
    }

    fn output(&mut self) -> Output {
        let args = [address(MEM, 0), 0, 0, 0, 0];
        let input = Input { args, mem: cells(&mut self.mem), ..Input::default() };
        self.vm.run(&self.machine, 0, &mut (), input)
    }

    /// Instructions of a run.
    pub(crate) fn insns(&mut self) -> u64 {
        self.output().insns
    }
}

impl Engine for Skep {
    fn name(&self) -> &'static str {
        "skep"
    }

    fn run(&mut self) -> u64 {
        self.output().result.expect("the program is right")
    }
}

struct Rbpf {
    vm: rbpf::EbpfVmRaw<'static>,
    mem: Vec<u8>,
}

impl Rbpf {
    fn new(program: Program) -> Self {
        let vm = rbpf::EbpfVmRaw::new(Some(program.bytes)).expect("rbpf accepts the program");
        Self { vm, mem: memory() }
    }
}

impl Engine for Rbpf {
    fn name(&self) -> &'static str {
        "rbpf"
    }

    fn run(&mut self) -> u64 {
        self.vm.execute_program(&mut self.mem).expect("the program is right")
    }
}

impl Engine for Sbpf {
    fn name(&self) -> &'static str {
        "solana-sbpf"
    }

    fn run(&mut self) -> u64 {
        self.run()
    }
}
