//! Every case of `corpus/exec`.
//!
//! A case is a line `case:` with its name in words, the program indented below, and keys: `mem` and
//! `packet` (hex, what the program works on: r1 is the address of the memory, r2 its length), `budget`
//! (instructions), then `r0` or `fault` (words of the message), and `mem-out` (hex). Helper 1 adds its
//! arguments.

use skep_abi::ProgType;
use skep_prog::Prog;
use skep_vm::{Helpers, Input, Limits, MEM, Machine, PacketBuf, Vm, address, cells};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Case {
    name: String,
    asm: String,
    mem: Vec<u8>,
    packet: Vec<u8>,
    budget: Option<u64>,
    r0: Option<u64>,
    fault: Option<String>,
    mem_out: Option<Vec<u8>>,
}

#[test]
fn exec_corpus() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/exec");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "case"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no cases: a moved directory must not pass");
    let mut failures = String::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let cases = parse(&text).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
        assert!(!cases.is_empty(), "{}: no cases", file.display());
        for case in cases {
            if let Err(err) = check(&case) {
                let file = file.file_name().unwrap().display();
                writeln!(failures, "{file}: {}\n  {err}", case.name).unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "failed:\n{failures}");
}

fn check(case: &Case) -> Result<(), String> {
    let insns = skep_asm::assemble(&case.asm).map_err(|diags| format!("{diags:?}"))?;
    let sum = |a: u64, b: u64, c: u64, d: u64, e: u64| [a, b, c, d, e].iter().sum::<u64>();
    let mut machine = Machine::new(Helpers::new().with(1, "sum", sum), Vec::new());
    let prog = Prog::new("case", ProgType::SocketFilter, insns);
    let prog = machine.load(&prog).map_err(|err| err.to_string())?;
    let mut mem = case.mem.clone();
    let len = mem.len() as u64;
    let mut packet =
        PacketBuf { end: case.packet.len(), bytes: case.packet.clone(), ..PacketBuf::default() };
    let mut limits = Limits::default();
    limits.insns = case.budget.unwrap_or(limits.insns);
    let args = [address(MEM, 0), len, 0, 0, 0];
    let packet = Some(&mut packet);
    let input = Input { args, mem: cells(&mut mem), packet, limits, ..Input::default() };
    let output = Vm::new().run(&machine, prog, &mut (), input);
    match (output.result, case.r0, &case.fault) {
        (Ok(got), Some(want), None) if got == want => {}
        (Err(fault), None, Some(words)) if fault.to_string().contains(words) => {}
        (Ok(got), ..) => return Err(format!("r0 is {got:#x}")),
        (Err(fault), ..) => return Err(fault.to_string()),
    }
    match &case.mem_out {
        Some(want) if *want != mem => Err(format!("memory is {mem:02x?}")),
        _ => Ok(()),
    }
}

fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (line, n) in text.lines().zip(1..) {
        let fail = |what: &str| Err(format!("line {n}: {what}"));
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("case: ") {
            cases.push(Case { name: name.into(), ..Case::default() });
            continue;
        }
        let Some(case) = cases.last_mut() else { return fail("before the first case") };
        if line.starts_with(' ') {
            writeln!(case.asm, "{line}").map_err(|err| err.to_string())?;
            continue;
        }
        let Some((key, value)) = line.split_once(": ") else { return fail("no key") };
        let number = number(value);
        match key {
            "r0" if number.is_some() => case.r0 = number,
            "budget" if number.is_some() => case.budget = number,
            "fault" => case.fault = Some(value.into()),
            "mem" => case.mem = hex(value)?,
            "mem-out" => case.mem_out = Some(hex(value)?),
            "packet" => case.packet = hex(value)?,
            _ => return fail("unknown key, or no number"),
        }
    }
    match cases.iter().find(|case| case.r0.is_some() == case.fault.is_some()) {
        Some(case) => Err(format!("{}: one of r0 and fault", case.name)),
        None => Ok(cases),
    }
}

/// Decimal, negative or hexadecimal.
fn number(text: &str) -> Option<u64> {
    match (text.strip_prefix("0x"), text.strip_prefix('-')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
        (_, Some(digits)) => digits.parse::<u64>().ok().map(u64::wrapping_neg),
        _ => text.parse().ok(),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).map_err(|err| format!("{byte}: {err}")))
        .collect()
}
