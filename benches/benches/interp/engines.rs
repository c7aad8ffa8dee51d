//! The engines, each with a program loaded and memory of its own.

use skep_abi::ProgType;
use skep_benches::{Program, memory};
use skep_prog::Prog;
use skep_vm::{Helpers, Input, MEM, Machine, Output, Vm, address, cells};
use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{CallFrame, ContextObject, EbpfVm, ExecutionMode};
use std::ptr::NonNull;
use std::sync::Arc;

/// One engine with one program.
pub(crate) trait Engine {
    fn name(&self) -> &'static str;

    /// Runs the program and returns r0.
    fn run(&mut self) -> u64;
}

/// All engines; the first is ours.
pub(crate) fn engines(program: Program) -> [Box<dyn Engine>; 3] {
    [Box::new(Skep::new(program)), Box::new(Rbpf::new(program)), Box::new(Sbpf::new(program))]
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

/// What `solana-sbpf` wants to know of its embedder: the instruction meter and the memory.
struct Account {
    left: u64,
    mapping: MemoryMapping,
}

impl ContextObject for Account {
    fn consume(&mut self, amount: u64) {
        self.left = self.left.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.left
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.mapping)
    }
}

struct Sbpf {
    executable: Executable<Account>,
    account: Account,
    frames: Vec<CallFrame>,
    /// The mapping points into these two.
    stack: AlignedMemory<{ ebpf::HOST_ALIGN }>,
    _mem: Box<[u8]>,
}

/// The version that has 32-bit jumps and otherwise takes plain eBPF.
const VERSION: SBPFVersion = SBPFVersion::V4;

impl Sbpf {
    fn new(program: Program) -> Self {
        let loader = Arc::new(BuiltinProgram::new_mock());
        let functions = FunctionRegistry::default();
        let executable = Executable::from_text_bytes(program.bytes, loader, VERSION, functions)
            .expect("solana-sbpf loads the program");
        executable.verify::<RequisiteVerifier>().expect("solana-sbpf accepts the program");
        let config = executable.get_config();
        let mut stack = AlignedMemory::zero_filled(config.stack_size());
        let mut mem = memory().into_boxed_slice();
        let regions = vec![
            executable.get_ro_region(),
            MemoryRegion::new(&raw mut *stack.as_slice_mut(), ebpf::MM_STACK_START),
            MemoryRegion::new(&raw mut *mem, ebpf::MM_INPUT_START),
        ];
        // SAFETY: stack and memory are heap allocations that live as long as the mapping, in the same
        // struct, and that nothing else touches.
        let mapping = unsafe { MemoryMapping::new(regions, config, VERSION) };
        let account = Account { left: 0, mapping: mapping.expect("the regions are apart") };
        let frames = vec![CallFrame::default(); config.max_call_depth];
        Self { executable, account, frames, stack, _mem: mem }
    }
}

impl Engine for Sbpf {
    fn name(&self) -> &'static str {
        "solana-sbpf"
    }

    fn run(&mut self) -> u64 {
        self.account.left = 1 << 32;
        let loader = self.executable.get_loader().clone();
        let mut vm = EbpfVm::new(loader, VERSION, &mut self.account, self.stack.len());
        vm.registers[1] = ebpf::MM_INPUT_START;
        let mut mode = ExecutionMode::Interpreted;
        let (_, result) = vm.execute_program(&self.executable, &mut mode, &mut self.frames);
        Result::from(result).expect("the program is right")
    }
}
