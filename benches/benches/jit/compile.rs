//! What compilation takes.

use skep_abi::ProgType;
use skep_benches::PROGRAMS;
use skep_exec::features;
use skep_isa::{AluOp, CondOp, Insn, Reg, Size, Src, Width};
use skep_jit::NoSurroundings;
use skep_jit::x64::{compile, compile_best};
use skep_jit::{Code, CompileError};
use skep_prog::Prog;
use std::hint::black_box;
use std::time::Instant;

const REGS: [Reg; 5] = [Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R6];

/// Arithmetic, loads and stores; with `branches` a conditional jump after every nine of them. If it is `used`, it stores
/// to memory that others see, and returns a sum of all registers; else nothing comes of most instructions, which the
/// second tier takes out.
fn program(len: usize, branches: bool, used: bool) -> Prog {
    let reg = |n: usize| REGS[n % 5];
    let (base, off) = if used { (Reg::R1, 16) } else { (Reg::FP, -16) };
    let mut insns =
        vec![Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(0) }];
    let mut sum = Vec::new();
    if used {
        insns.extend(REGS.map(|dst| Insn::Load { size: Size::Dw, dst, base: Reg::R1, off: 0 }));
        sum.extend(REGS.map(|reg| Insn::Alu {
            width: Width::W64,
            op: AluOp::Add,
            dst: Reg::R0,
            src: Src::Reg(reg),
        }));
    }
    let end = len - sum.len();
    while insns.len() < end - 1 {
        let n = insns.len();
        let (dst, src) = (reg(n), Src::Reg(reg(n * 7 + 1)));
        insns.push(match n % 10 {
            9 if branches && n + 2 < end => Insn::JumpIf {
                width: Width::W64,
                op: CondOp::Gt,
                dst,
                src: Src::Imm(5),
                off: if n + 20 < end { 10 } else { 0 },
            },
            0 => Insn::Load { size: Size::Dw, dst, base: Reg::R1, off: 8 },
            1 => Insn::Store { size: Size::Dw, base, off, src },
            2 => Insn::Alu { width: Width::W64, op: AluOp::Mov, dst, src },
            3 => Insn::Alu { width: Width::W64, op: AluOp::Add, dst, src: Src::Imm(0x1234) },
            4 => Insn::Alu { width: Width::W32, op: AluOp::Xor, dst, src },
            5 => Insn::Alu { width: Width::W64, op: AluOp::Lsh, dst, src: Src::Imm(3) },
            6 => Insn::Load { size: Size::W, dst, base, off },
            7 => Insn::Alu { width: Width::W64, op: AluOp::And, dst, src: Src::Imm(255) },
            _ => Insn::Alu { width: Width::W64, op: AluOp::Add, dst, src },
        });
    }
    insns.extend(sum);
    insns.push(Insn::Exit);
    Prog::new("generated", ProgType::SocketFilter, insns.into_iter().collect())
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
pub(crate) fn table() {
    println!(
        "\n{:24}{:>12}{:>12}{:>12}{:>16}{:>16}{:>14}",
        "compilation",
        "ns",
        "ns/insn",
        "bytes/insn",
        "opt 2 ns/insn",
        "opt 2 bytes/insn",
        "rbpf ns/insn"
    );
    for (len, branches, used) in [
        (2, false, false),
        (100, false, false),
        (100, true, false),
        (10_000, false, false),
        (10_000, true, false),
        (1_000_000, false, false),
        (1_000_000, true, false),
        (100, false, true),
        (100, true, true),
        (10_000, false, true),
        (10_000, true, true),
        (100_000, false, true),
        (100_000, true, true),
    ] {
        let prog = program(len, branches, used);
        let turns = (3_000_000 / len).clamp(7, 2000);
        let first = shortest(turns, || compile(&prog, &NoSurroundings, features()));
        let (first, bytes) = first.expect("it compiles");
        let second = shortest(turns.min(200), || compile_best(&prog, &NoSurroundings, features()));
        let raw = prog.insns.to_le_bytes();
        let mut theirs = f64::MAX;
        // rbpf 0.4 panics on longer ones.
        for _ in 0..if len <= 100 { turns.min(200) } else { 0 } {
            let Ok(mut vm) = rbpf::EbpfVmRaw::new(Some(&raw)) else { continue };
            let start = Instant::now();
            if black_box(vm.jit_compile()).is_ok() {
                theirs = theirs.min(start.elapsed().as_secs_f64() * 1e9);
            }
        }
        let kind = if branches { "branches" } else { "straight" };
        let kind = if used { format!("{kind}, used") } else { kind.into() };
        let n = len as f64;
        let theirs = if theirs == f64::MAX { "-".into() } else { format!("{:.1}", theirs / n) };
        let none = || ("-".to_string(), "-".to_string());
        let (second, second_bytes) = second.map_or_else(none, |(ns, bytes)| {
            (format!("{:.1}", ns / n), format!("{:.2}", bytes as f64 / n))
        });
        println!(
            "{:24}{first:12.0}{:12.1}{:12.2}{second:>16}{second_bytes:>16}{theirs:>14}",
            format!("{len} {kind}"),
            first / n,
            bytes as f64 / n,
        );
    }
    workloads();
}

/// What the programs of the bench take. Cranelift starts from functions that have gone through the second tier's passes.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn workloads() {
    println!(
        "\n{:16}{:>8}{:>16}{:>16}{:>8}{:>18}{:>18}",
        "compilation",
        "insns",
        "opt 1 ns/insn",
        "opt 2 ns/insn",
        "ratio",
        "opt 2 bytes/insn",
        "cranelift ns/insn"
    );
    let (mut all, mut firsts, mut seconds) = (0.0, 0.0, 0.0);
    for program in PROGRAMS {
        let insns = skep_isa::decode(program.bytes).expect("clang writes instructions");
        let n = insns.len() as f64;
        let prog = Prog::new(program.name, ProgType::SocketFilter, insns);
        let first = shortest(1000, || compile(&prog, &NoSurroundings, features()));
        let second = shortest(1000, || compile_best(&prog, &NoSurroundings, features()));
        let ((first, _), (second, bytes)) = first.zip(second).expect("it compiles");
        (all, firsts, seconds) = (all + n, firsts + first, seconds + second);
        println!(
            "{:16}{n:8}{:16.1}{:16.1}{:8.1}{:18.2}{:>18}",
            program.name,
            first / n,
            second / n,
            second / first,
            bytes as f64 / n,
            by_cranelift(&prog).map_or_else(|| "-".into(), |ns| format!("{:.0}", ns / n)),
        );
    }
    println!(
        "{:16}{all:8}{:16.1}{:16.1}{:8.1}",
        "all",
        firsts / all,
        seconds / all,
        seconds / firsts
    );
}

/// Nanoseconds that Cranelift takes for a program's function.
#[cfg(feature = "cranelift")]
fn by_cranelift(prog: &Prog) -> Option<f64> {
    let (f, isa) = (crate::clif::function(prog)?, crate::clif::isa());
    let mut found = f64::MAX;
    for _ in 0..50 {
        let start = Instant::now();
        black_box(crate::clif::compile(&f, &isa));
        found = found.min(start.elapsed().as_secs_f64() * 1e9);
    }
    Some(found)
}

#[cfg(not(feature = "cranelift"))]
const fn by_cranelift(_: &Prog) -> Option<f64> {
    None
}

/// The shortest time in ns, and the bytes of code, of what compiles.
fn shortest(
    turns: usize,
    compile: impl Fn() -> Result<Code, CompileError>,
) -> Option<(f64, usize)> {
    let mut found = None::<(f64, usize)>;
    for _ in 0..turns {
        let start = Instant::now();
        let code = black_box(compile()).ok()?;
        let ns = start.elapsed().as_secs_f64() * 1e9;
        let least = found.map_or(ns, |(least, _)| ns.min(least));
        found = Some((least, code.bytes.len()));
    }
    found
}
