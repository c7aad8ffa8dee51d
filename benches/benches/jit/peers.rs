//! `solana-sbpf`'s JIT, and `rbpf` with Cranelift where that is asked for.

use crate::engines::Engine;
use crate::sbpf::Sbpf;
#[cfg(feature = "cranelift")]
use skep_benches::{Program, memory};

impl Engine for Sbpf {
    fn name(&self) -> &'static str {
        "solana-sbpf"
    }

    fn run(&mut self) -> u64 {
        self.run()
    }
}

/// `rbpf`, by Cranelift.
#[cfg(feature = "cranelift")]
pub(crate) struct Cranelift {
    vm: rbpf::EbpfVmRaw<'static>,
    mem: Vec<u8>,
}

#[cfg(feature = "cranelift")]
impl Cranelift {
    pub(crate) fn new(program: Program) -> Self {
        let mut vm = rbpf::EbpfVmRaw::new(Some(program.bytes)).expect("rbpf accepts the program");
        vm.cranelift_compile().expect("rbpf compiles the program");
        Self { vm, mem: memory() }
    }
}

#[cfg(feature = "cranelift")]
impl Engine for Cranelift {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn run(&mut self) -> u64 {
        self.vm.execute_program_cranelift(&mut self.mem).expect("the program is right")
    }
}
