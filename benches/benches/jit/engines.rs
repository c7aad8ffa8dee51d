//! The engines, each with a program compiled and memory of its own.

use crate::kernel::RUNS;
use skep_abi::ProgType;
use skep_benches::{Program, memory};
use skep_exec::{Bare, CodeOptions, Compiled, features};
use skep_isa::{Call, ImmSrc, Pc};
use skep_jit::{Access, Callee, NoSurroundings, Surroundings};
use skep_prog::Prog;
use skep_vm::{Helpers, Input, MEM, Machine, Vm, address, cells};
use solana_sbpf::vm::ExecutionMode;
use std::ffi::{CString, c_void};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// One engine with one program.
pub(crate) trait Engine {
    fn name(&self) -> &'static str;

    /// Runs the program and returns r0; in the kernel the lower half of it.
    fn run(&mut self) -> u64;

    /// Nanoseconds of a run.
    fn ns(&mut self) -> f64 {
        // Whoever ran before has left caches and predictions of its own, and the kernel none at all.
        black_box(self.run());
        let start = Instant::now();
        black_box(self.run());
        // As many in a row as in the kernel, so that branches are foreseen as well; of short ones more, so that the clock
        // does not count.
        let runs = if start.elapsed() >= Duration::from_micros(2) { RUNS } else { 100 };
        let start = Instant::now();
        for _ in 0..runs {
            black_box(self.run());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
    }
}

/// Ours first, what all are measured by last.
pub(crate) const NAMES: [&str; 13] = [
    "skep",
    "metered",
    "hardened",
    "checked",
    "chk. metered",
    "opt 2",
    "opt 2 metered",
    "ir cranelift",
    "rbpf",
    "cranelift",
    "solana-sbpf",
    "kernel",
    "native",
];

pub(crate) fn engines(program: Program) -> Vec<Box<dyn Engine>> {
    let mut hardened = CodeOptions::plain();
    (hardened.blinding, hardened.retpolines) = (true, true);
    let optimised = |mut options: CodeOptions| {
        options.optimised = true;
        options
    };
    let mut all: Vec<Box<dyn Engine>> = vec![
        Box::new(Skep::new(program, NAMES[0], CodeOptions::plain())),
        Box::new(Skep::new(program, NAMES[1], CodeOptions::default())),
        Box::new(Skep::new(program, NAMES[2], hardened)),
        Box::new(Checked::new(program, NAMES[3], CodeOptions::plain())),
        Box::new(Checked::new(program, NAMES[4], CodeOptions::default())),
        Box::new(Skep::new(program, NAMES[5], optimised(CodeOptions::plain()))),
        Box::new(Skep::new(program, NAMES[6], optimised(CodeOptions::default()))),
        Box::new(Rbpf::new(program)),
    ];
    #[cfg(feature = "cranelift")]
    {
        all.push(Box::new(crate::peers::Cranelift::new(program)));
        if let Some(engine) = crate::clif::IrByCranelift::new(program) {
            all.push(Box::new(engine));
        }
    }
    all.push(Box::new(crate::sbpf::Sbpf::new(program, ExecutionMode::Jit)));
    if has_clang() {
        if let Some(kernel) = crate::kernel::Kernel::new(program) {
            all.push(Box::new(kernel));
        }
        all.push(Box::new(Native::new(program)));
    }
    all
}

/// Whether there is what compiles for this host.
pub(crate) fn has_clang() -> bool {
    Command::new("clang-19").arg("--version").output().is_ok_and(|output| output.status.success())
}

struct Skep {
    name: &'static str,
    code: Bare,
    mem: Vec<u8>,
    stack: Box<[u8; 4096]>,
}

impl Skep {
    fn new(program: Program, name: &'static str, options: CodeOptions) -> Self {
        let insns = skep_isa::decode(program.bytes).expect("clang writes instructions");
        let prog = Prog::new(program.name, ProgType::SocketFilter, insns);
        // SAFETY: the interpreter runs these programs with every access checked.
        let code = unsafe { Bare::new(&prog, &NoSurroundings, features(), options) };
        let code = code.expect("the program compiles");
        Self { name, code, mem: memory(), stack: Box::new([0; 4096]) }
    }
}

impl Engine for Skep {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self) -> u64 {
        let address = self.mem.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: as in `new`; r1 is the memory that the program works on.
        unsafe { self.code.run([address, 0, 0, 0, 0], &mut self.stack[..]) }
    }
}

/// Code that checks, in the interpreter's memory; nobody has verified the program.
struct Checked {
    name: &'static str,
    machine: Machine<()>,
    code: Compiled,
    vm: Vm,
    mem: Vec<u8>,
}

impl Checked {
    fn new(program: Program, name: &'static str, options: CodeOptions) -> Self {
        let insns = skep_isa::decode(program.bytes).expect("clang writes instructions");
        let prog = Prog::new(program.name, ProgType::SocketFilter, insns);
        let mut machine = Machine::new(Helpers::new(), Vec::new());
        machine.load(&prog).expect("the program loads");
        let code = Compiled::checked(&machine, options).expect("the program compiles");
        Self { name, machine, code, vm: Vm::new(), mem: memory() }
    }
}

impl Engine for Checked {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self) -> u64 {
        let input = Input {
            args: [address(MEM, 0), 0, 0, 0, 0],
            mem: cells(&mut self.mem),
            ..Input::default()
        };
        let output = self.vm.run_checked(&self.machine, 0, &mut (), input, &self.code);
        output.result.expect("the program does what it may")
    }
}

struct Rbpf {
    vm: rbpf::EbpfVmRaw<'static>,
    mem: Vec<u8>,
}

impl Rbpf {
    fn new(program: Program) -> Self {
        let mut vm = rbpf::EbpfVmRaw::new(Some(program.bytes)).expect("rbpf accepts the program");
        vm.jit_compile().expect("rbpf compiles the program");
        Self { vm, mem: memory() }
    }
}

impl Engine for Rbpf {
    fn name(&self) -> &'static str {
        "rbpf"
    }

    fn run(&mut self) -> u64 {
        // SAFETY: as for `Skep`.
        unsafe { self.vm.execute_program_jit(&mut self.mem) }.expect("the program is right")
    }
}

type Entry = extern "C" fn(*mut u8) -> u64;

struct Native {
    entry: Entry,
    mem: Vec<u8>,
}

impl Native {
    /// Compiles the program's source for this host, without vectors as all other engines have none.
    fn new(program: Program) -> Self {
        let dir = std::env::temp_dir().join(format!("skep-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("the temporary directory takes files");
        let library = dir.join(program.name).with_extension("so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(program.name);
        if !library.exists() {
            let status = Command::new("clang-19")
                .args(["-O2", "-fno-vectorize", "-fno-slp-vectorize", "-fPIC", "-shared", "-o"])
                .arg(&library)
                .arg(source.with_extension("c"))
                .status();
            assert!(
                status.is_ok_and(|status| status.success()),
                "clang-19 compiles {}",
                program.name
            );
        }
        let path = CString::new(library.to_str().expect("a path of ours")).expect("no zero in it");
        // SAFETY: the library has no constructors.
        let handle: *mut c_void = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "{} is a library", library.display());
        // SAFETY: the handle is one, and the name ends with a zero.
        let entry = unsafe { libc::dlsym(handle, c"entry".as_ptr()) };
        assert!(!entry.is_null(), "{} has an entry", library.display());
        // SAFETY: the sources define it so.
        let entry = unsafe { std::mem::transmute::<*mut c_void, Entry>(entry) };
        Self { entry, mem: memory() }
    }
}

impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn run(&mut self) -> u64 {
        (self.entry)(self.mem.as_mut_ptr())
    }
}

extern "C" fn id(value: u64) -> u64 {
    value
}

struct Id;

impl Surroundings for Id {
    fn imm(&self, _: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        match imm {
            ImmSrc::Value(value) => Ok(value),
            _ => Err("a reference"),
        }
    }

    fn call(&self, _: Pc, _: Call) -> Result<Callee, &'static str> {
        Ok(Callee::Function(id as *const () as u64))
    }

    fn access(&self, _: Pc) -> Access {
        Access::Plain
    }
}

/// A filter of 17 instructions: IPv4, TCP, to port 80.
const FILTER: &str = "
    r0 = 0
    r2 = *(u8 *)(r1 + 12)
    r3 = *(u8 *)(r1 + 13)
    r2 <<= 8
    r2 |= r3
    if r2 != 0x800 goto e
    r2 = *(u8 *)(r1 + 23)
    if r2 != 6 goto e
    r2 = *(u8 *)(r1 + 14)
    r2 &= 15
    r2 <<= 2
    r1 += r2
    r2 = *(u16 *)(r1 + 16)
    r2 = be16 r2
    if r2 != 80 goto e
    r0 = 1
    e: exit";

/// What an entry, a small filter and a call of a helper take.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
pub(crate) fn entries() {
    let calls = "r6 = 1000\nl:\nr1 = r6\ncall 1\nr6 += -1\nif r6 != 0 goto l\nexit";
    let mut packet = vec![0u8; 64];
    packet[12..14].copy_from_slice(&[8, 0]);
    (packet[23], packet[14]) = (6, 0x45);
    packet[36..38].copy_from_slice(&[0, 80]);
    for (name, text, per) in [
        ("empty program", "r0 = 0\nexit", 1.0),
        ("filter of 17 instructions", FILTER, 1.0),
        ("call of a helper", calls, 1000.0),
    ] {
        let insns = skep_asm::assemble(text).expect("the text is right");
        let bytes = insns.to_le_bytes();
        let prog = Prog::new(name, ProgType::SocketFilter, insns);
        // SAFETY: the programs touch the packet only.
        let code = unsafe { Bare::new(&prog, &Id, features(), CodeOptions::plain()) }
            .expect("it compiles");
        let mut vm = rbpf::EbpfVmRaw::new(Some(&bytes)).expect("rbpf accepts the program");
        vm.register_helper(1, |value, _, _, _, _| value).expect("rbpf takes a helper");
        vm.jit_compile().expect("rbpf compiles the program");
        let mut stack = [0; 512];
        let address = packet.as_mut_ptr().expose_provenance() as u64;
        let mut ours = f64::MAX;
        let mut theirs = f64::MAX;
        for _ in 0..300 {
            let runs = 1000;
            let start = Instant::now();
            for _ in 0..runs {
                // SAFETY: as above.
                black_box(unsafe { code.run([address, 64, 0, 0, 0], &mut stack) });
            }
            ours = ours.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(runs) / per);
            let start = Instant::now();
            for _ in 0..runs {
                // SAFETY: as above.
                black_box(unsafe { vm.execute_program_jit(&mut packet) }.expect("it runs"));
            }
            theirs = theirs.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(runs) / per);
        }
        println!("{name:28}{ours:8.2} ns{theirs:12.2} ns by rbpf");
    }
}
