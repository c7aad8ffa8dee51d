//! `solana-sbpf`, for the benches that compare with it.

use skep_benches::{Program, memory};
use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{CallFrame, ContextObject, EbpfVm, ExecutionMode};
use std::ptr::NonNull;
use std::sync::Arc;

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

/// `solana-sbpf`, which translates addresses and counts instructions.
pub(crate) struct Sbpf {
    executable: Executable<Account>,
    account: Account,
    frames: Vec<CallFrame>,
    mode: ExecutionMode,
    /// The mapping points into these two.
    stack: AlignedMemory<{ ebpf::HOST_ALIGN }>,
    _mem: Box<[u8]>,
}

/// The version that has 32-bit jumps and otherwise takes plain eBPF.
const VERSION: SBPFVersion = SBPFVersion::V4;

impl Sbpf {
    /// The program, to be interpreted or run as machine code.
    pub(crate) fn new(program: Program, mode: ExecutionMode) -> Self {
        let loader = Arc::new(BuiltinProgram::new_mock());
        let functions = FunctionRegistry::default();
        let executable = Executable::from_text_bytes(program.bytes, loader, VERSION, functions)
            .expect("solana-sbpf loads the program");
        executable.verify::<RequisiteVerifier>().expect("solana-sbpf accepts the program");
        if matches!(mode, ExecutionMode::Jit) {
            executable.jit_compile().expect("solana-sbpf compiles the program");
        }
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
        Self { executable, account, frames, mode, stack, _mem: mem }
    }

    /// Runs the program and returns r0.
    pub(crate) fn run(&mut self) -> u64 {
        self.account.left = 1 << 32;
        let loader = self.executable.get_loader().clone();
        let mut vm = EbpfVm::new(loader, VERSION, &mut self.account, self.stack.len());
        vm.registers[1] = ebpf::MM_INPUT_START;
        let (_, result) = vm.execute_program(&self.executable, &mut self.mode, &mut self.frames);
        Result::from(result).expect("the program is right")
    }
}
