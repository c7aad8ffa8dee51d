//! The cases of `corpus/exec` that come to an end, as machine code. Those about refused accesses and budgets
//! are the interpreter's. Needs an x86-64 or AArch64 host.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

mod cases;

use cases::cases;
use skep_abi::ProgType;
use skep_exec::{Bare, BareError, CodeOptions, Features, features};
use skep_isa::{Call, ImmSrc, Pc};
use skep_jit::{Access, Callee, CompileError, Surroundings};
use skep_prog::Prog;
use std::path::Path;

extern "C" fn sum(a: u64, b: u64, c: u64, d: u64, e: u64) -> u64 {
    [a, b, c, d, e].iter().sum()
}

/// Helper 1 adds its arguments.
struct Sum;

impl Surroundings for Sum {
    fn imm(&self, _: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        match imm {
            ImmSrc::Value(value) => Ok(value),
            _ => Err("a reference"),
        }
    }

    fn call(&self, _: Pc, call: Call) -> Result<Callee, &'static str> {
        match call {
            Call::Helper(1) => Ok(Callee::Function(sum as *const () as u64)),
            _ => Err("another call"),
        }
    }

    fn access(&self, _: Pc) -> Access {
        Access::Plain
    }

    fn zeroes_stack(&self) -> bool {
        true
    }
}

fn number(text: &str) -> u64 {
    match (text.strip_prefix("0x"), text.strip_prefix('-')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).unwrap(),
        (_, Some(digits)) => digits.parse::<u64>().unwrap().wrapping_neg(),
        _ => text.parse().unwrap(),
    }
}

#[test]
fn cases_that_end_give_what_they_say() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/exec");
    let (mut run, mut left) = (0, Vec::new());
    for file in std::fs::read_dir(&dir).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for case in cases(&text) {
            let Some(want) = case.get("r0").map(number) else { continue };
            if case.get("packet").is_some() || case.get("budget").is_some() {
                continue;
            }
            let prog =
                Prog::new("case", ProgType::SocketFilter, skep_asm::assemble(&case.asm).unwrap());
            let mut hardened = CodeOptions::default();
            (hardened.blinding, hardened.retpolines) = (true, true);
            let mut kinds = vec![CodeOptions::plain(), CodeOptions::default(), hardened];
            let mut optimised = [CodeOptions::plain(), CodeOptions::default()];
            optimised.iter_mut().for_each(|kind| kind.optimised = true);
            kinds.extend(optimised);
            for (kind, features) in kinds
                .into_iter()
                .flat_map(|kind| [Features::default(), features()].map(|f| (kind, f)))
            {
                // SAFETY: the interpreter runs the case to its end with every access checked.
                let code = match unsafe { Bare::new(&prog, &Sum, features, kind) } {
                    Ok(code) => code,
                    Err(BareError::Compile(
                        CompileError::Unsupported { .. } | CompileError::Flow { .. },
                    )) => {
                        left.push(case.name.to_string());
                        break;
                    }
                    Err(err) => panic!("{}: {err}", case.name),
                };
                let mut mem = case.bytes("mem").unwrap_or_default();
                let mut stack = [0; 4096];
                let address = mem.as_mut_ptr().expose_provenance() as u64;
                // SAFETY: as above; r1 and r2 are what the case expects.
                let r0 = unsafe { code.run([address, mem.len() as u64, 0, 0, 0], &mut stack) };
                assert_eq!(r0, want, "{} as {kind:?}:\n{}", case.name, case.asm);
                if let Some(out) = case.bytes("mem-out") {
                    assert_eq!(mem, out, "{}", case.name);
                }
                run += 1;
            }
        }
    }
    assert!(run > 1200, "{run} runs; left: {left:?}");
    assert!(left.len() < 30, "not compiled: {left:?}");
}
