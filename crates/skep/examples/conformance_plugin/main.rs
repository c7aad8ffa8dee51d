//! Runs one program as the public BPF conformance suite asks its plug-ins to.
//!
//! ```text
//! conformance_plugin [MEMORY-HEX] [--engine interp|jit] < PROGRAM-HEX
//! ```
//!
//! The program's bytes come as hex on standard input, its memory as hex in the argument; spaces do not
//! count. r1 is the address of the memory and r2 its length. What is printed is r0 in hex.
//!
//! The suite's programs are for no verifier. With `--engine jit` the interpreter therefore runs the program first,
//! every access checked; only what it brings to an end runs as machine code, on the same memory.

mod native;

use skep_abi::ProgType;
use skep_prog::Prog;
use skep_vm::{Cx, Helpers, Input, MEM, Machine, Vm, address, cells};
use std::error::Error;
use std::io::Read as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        #[expect(clippy::print_stdout, reason = "the answer of the protocol")]
        Ok(r0) => {
            println!("{r0:x}");
            ExitCode::SUCCESS
        }
        Err((err, code)) => {
            let mut cause = err.source();
            eprint!("error: {err}");
            while let Some(err) = cause {
                eprint!(": {err}");
                cause = err.source();
            }
            eprintln!();
            code.into()
        }
    }
}

/// An error and the status to exit with.
type Failed = (Box<dyn Error>, u8);

fn run() -> Result<u64, Failed> {
    let mut memory = Vec::new();
    let mut args = std::env::args().skip(1);
    let mut as_code = false;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--engine" => as_code = is_jit(args.next().as_deref())?,
            hex => memory = bytes(hex).map_err(|err| (err, 2))?,
        }
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|err| (err.into(), 3))?;
    let program = bytes(&text).map_err(|err| (err, 2))?;
    let before = memory.clone();
    let r0 = execute(&program, &mut memory).map_err(|err| (err, 1))?;
    if as_code { native::execute(&program, before, &memory) } else { Ok(r0) }
}

fn is_jit(name: Option<&str>) -> Result<bool, Failed> {
    match name {
        Some("interp") => Ok(false),
        Some("jit") if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) => Ok(true),
        Some("jit") => Err(("there is no JIT compiler for this host".into(), 4)),
        _ => Err(("--engine takes interp or jit".into(), 2)),
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return Err("an odd number of hex digits".into());
    };
    let pair = |pair: &[u8; 2]| Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?);
    pairs.iter().map(pair).collect()
}

fn execute(program: &[u8], memory: &mut [u8]) -> Result<u64, Box<dyn Error>> {
    let prog = Prog::new("program", ProgType::SocketFilter, skep_isa::decode(program)?);
    let mut machine = Machine::new(helpers(), Vec::new());
    let index = machine.load(&prog)?;
    let len = memory.len() as u64;
    let args = if memory.is_empty() { [0; 5] } else { [address(MEM, 0), len, 0, 0, 0] };
    let input = Input { args, mem: cells(memory), ..Input::default() };
    Ok(Vm::new().run(&machine, index, &mut (), input).result?)
}

/// The functions that uBPF gives to the programs of its tests, by the same numbers.
fn helpers() -> Helpers<()> {
    Helpers::new()
        .with(0, "gather_bytes", |a: u64, b: u64, c: u64, d: u64, e: u64| {
            [a, b, c, d, e].iter().fold(0, |all, byte| all << 8 | byte & 0xff)
        })
        .with(1, "memfrob", |cx: &mut Cx<'_, ()>, addr: u64, len: u64| {
            let mut bytes = cx.mem.read_vec(addr, len)?;
            bytes.iter_mut().for_each(|byte| *byte ^= 42);
            cx.mem.write(addr, &bytes)?;
            Ok::<u64, skep_vm::Stop>(addr)
        })
        .with(2, "no_op", || 0u64)
        .with(3, "sqrti", |x: u64| x.isqrt())
        .with(4, "strcmp", |cx: &mut Cx<'_, ()>, a: u64, b: u64| {
            let (a, b) = (cx.mem.read_str(a, 4096)?, cx.mem.read_str(b, 4096)?);
            Ok::<u64, skep_vm::Stop>(u64::from(a != b))
        })
        .with(5, "identity", |x: u64| x)
}
