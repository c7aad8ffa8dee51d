//! The program as machine code.

use super::Failed;
use skep_abi::ProgType;
use skep_exec::{Bare, CodeOptions, features};
use skep_isa::{Call, ImmSrc, Pc};
use skep_jit::{Access, Callee, Surroundings};
use skep_prog::Prog;
use std::ffi::CStr;

/// Runs a program that the interpreter has brought to its end, with `after` as the memory that it left.
pub(super) fn execute(program: &[u8], mut memory: Vec<u8>, after: &[u8]) -> Result<u64, Failed> {
    let insns = skep_isa::decode(program).map_err(|err| (err.into(), 1))?;
    let prog = Prog::new("program", ProgType::SocketFilter, insns);
    // SAFETY: the interpreter has run the program with this input, and every access was inside its memory or
    // stack. Programs that do otherwise when their memory is elsewhere are none of the suite's.
    let code = unsafe { Bare::new(&prog, &Functions, features(), CodeOptions::plain()) };
    let code = code.map_err(|err| (err.into(), 4))?;
    let address = memory.as_mut_ptr().expose_provenance() as u64;
    let len = memory.len() as u64;
    let args = if memory.is_empty() { [0; 5] } else { [address, len, 0, 0, 0] };
    let mut stack = [0; 4096];
    // SAFETY: as above.
    let native = unsafe { code.run(args, &mut stack) };
    if memory != after {
        return Err(("memory is not what the interpreter leaves".into(), 1));
    }
    Ok(native)
}

struct Functions;

impl Surroundings for Functions {
    fn imm(&self, _: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        match imm {
            ImmSrc::Value(value) => Ok(value),
            _ => Err("a reference to a map or function"),
        }
    }

    fn call(&self, _: Pc, call: Call) -> Result<Callee, &'static str> {
        Ok(Callee::Function(match call {
            Call::Helper(0) => gather_bytes as *const () as u64,
            Call::Helper(1) => memfrob as *const () as u64,
            Call::Helper(2) => no_op as *const () as u64,
            Call::Helper(3) => sqrti as *const () as u64,
            Call::Helper(4) => strcmp as *const () as u64,
            Call::Helper(5) => identity as *const () as u64,
            _ => return Err("a call of a function that the suite does not have"),
        }))
    }

    fn access(&self, _: Pc) -> Access {
        Access::Plain
    }

    fn zeroes_stack(&self) -> bool {
        true
    }
}

extern "C" fn gather_bytes(a: u64, b: u64, c: u64, d: u64, e: u64) -> u64 {
    [a, b, c, d, e].iter().fold(0, |all, byte| all << 8 | byte & 0xff)
}

extern "C" fn memfrob(bytes: *mut u8, len: u64) -> *mut u8 {
    for at in 0..usize::try_from(len).unwrap_or(0) {
        // SAFETY: the interpreter's function has changed the same bytes.
        unsafe { *bytes.wrapping_add(at) ^= 42 };
    }
    bytes
}

extern "C" fn no_op() -> u64 {
    0
}

extern "C" fn sqrti(x: u64) -> u64 {
    x.isqrt()
}

extern "C" fn strcmp(a: *const i8, b: *const i8) -> u64 {
    // SAFETY: the interpreter's function has read the same texts to their ends.
    let a = unsafe { CStr::from_ptr(a.cast()) };
    // SAFETY: as above.
    let b = unsafe { CStr::from_ptr(b.cast()) };
    u64::from(a != b)
}

extern "C" fn identity(x: u64) -> u64 {
    x
}
