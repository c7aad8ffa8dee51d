//! All cases of `corpus/exec` as machine code that checks: results, memory and faults are those that the interpreter has.
//! Needs an x86-64 or AArch64 host.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

mod cases;

use cases::cases;
use skep_abi::ProgType;
use skep_exec::{CodeOptions, Compiled};
use skep_prog::Prog;
use skep_vm::{
    FaultKind, Helpers, Input, Limits, MEM, Machine, Output, PacketBuf, Stop, Vm, address, cells,
};
use std::path::Path;

fn machine(text: &str) -> Machine<()> {
    let helpers = Helpers::new()
        .with(1, "sum", |a: u64, b: u64, c: u64, d: u64, e: u64| -> Result<u64, Stop> {
            Ok([a, b, c, d, e].iter().fold(0, |sum, n| n.wrapping_add(sum)))
        })
        .with(2, "back", |cx: &mut skep_vm::Cx<'_, ()>, func: u64, arg: u64| {
            cx.call(func, [arg, 2, 3, 4, 5])
        })
        .with(113, "bpf_probe_read_kernel", copy);
    let mut machine = Machine::new(helpers, Vec::new());
    let insns = skep_asm::assemble(text).unwrap();
    machine.load(&Prog::new("case", ProgType::SocketFilter, insns)).unwrap();
    machine
}

/// As the helper of that name.
fn copy(cx: &mut skep_vm::Cx<'_, ()>, dst: u64, size: u32, src: u64) -> Result<u64, Stop> {
    match cx.mem.read_vec(src, size.into()) {
        Ok(bytes) => cx.mem.write(dst, &bytes)?,
        Err(_) => {
            cx.mem.zero(dst, size.into())?;
            return Ok(skep_abi::Errno::EFAULT.r0());
        }
    }
    Ok(0)
}

/// What a run comes to, and the memory that it leaves.
fn run(
    machine: &Machine<()>,
    code: Option<&Compiled>,
    (mem, packet, budget): (&[u8], &[u8], u64),
) -> (Output, Vec<u8>) {
    let mut mem = mem.to_vec();
    let len = mem.len() as u64;
    let mut packet =
        PacketBuf { end: packet.len(), bytes: packet.to_vec(), ..PacketBuf::default() };
    let input = Input {
        args: [address(MEM, 0), len, 0, 0, 0],
        mem: cells(&mut mem),
        packet: Some(&mut packet),
        limits: Limits { insns: budget, ..Limits::default() },
        ..Input::default()
    };
    let output = match code {
        Some(code) => Vm::new().run_checked(machine, 0, &mut (), input, code),
        None => Vm::new().run(machine, 0, &mut (), input),
    };
    (output, mem)
}

/// Counted, blinded and neither.
fn kinds() -> [CodeOptions; 3] {
    let mut hardened = CodeOptions::default();
    (hardened.blinding, hardened.retpolines) = (true, true);
    [CodeOptions::default(), CodeOptions::plain(), hardened]
}

/// The same as interpreted; whether the run ended with a fault.
#[track_caller]
fn does_as_interpreted(text: &str, mem: &[u8]) -> bool {
    let machine = machine(text);
    let (want, want_mem) = run(&machine, None, (mem, &[], 1 << 20));
    for kind in kinds() {
        let code = Compiled::checked(&machine, kind).unwrap();
        let (got, got_mem) = run(&machine, Some(&code), (mem, &[], 1 << 20));
        assert_eq!(got.result, want.result, "{kind:?}:\n{text}");
        assert_eq!(got_mem, want_mem, "{kind:?}:\n{text}");
        if kind.metered && want.result.is_ok() {
            assert_eq!(got.insns, want.insns, "{kind:?}:\n{text}");
        }
    }
    want.result.is_err()
}

#[test]
fn all_cases_end_as_interpreted() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/exec");
    let (mut ran, mut faults, mut left) = (0, 0, Vec::new());
    for file in std::fs::read_dir(&dir).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for case in cases(&text) {
            let machine = machine(&case.asm);
            let (mem, packet) =
                (case.bytes("mem").unwrap_or_default(), case.bytes("packet").unwrap_or_default());
            let budget = case.get("budget");
            let is_short = budget.is_some();
            let budget = budget.map_or(1 << 32, |budget| budget.parse().unwrap());
            let (want, want_mem) = run(&machine, None, (&mem, &packet, budget));
            for kind in kinds().into_iter().filter(|kind| kind.metered) {
                let code = match Compiled::checked(&machine, kind) {
                    Ok(code) => code,
                    Err(why) => {
                        left.push(format!("{}: {why}", case.name));
                        break;
                    }
                };
                let (got, got_mem) = run(&machine, Some(&code), (&mem, &packet, budget));
                let is_broke = |output: &Output| {
                    let kind = output.result.as_ref().err().map(|fault| &fault.kind);
                    matches!(kind, Some(FaultKind::Budget { .. }))
                };
                // Where exactly a budget ends, the two may not agree on.
                if !(is_short && (is_broke(&got) || is_broke(&want))) {
                    assert_eq!(got.result, want.result, "{}:\n{}", case.name, case.asm);
                    assert_eq!(got_mem, want_mem, "{}", case.name);
                }
                ran += 1;
                faults += usize::from(want.result.is_err());
            }
        }
    }
    assert!(ran > 700 && faults > 40, "{ran} runs, {faults} faults; left: {left:?}");
    assert!(left.len() < 20, "not compiled: {left:#?}");
}

/// Loads and stores of each size at the ends of the memory, and beyond.
#[test]
fn bounds_are_exact() {
    let mem: Vec<u8> = (1..=40).collect();
    let mut faults = 0;
    for (size, bytes) in [("u8", 1i64), ("u16", 2), ("u32", 4), ("u64", 8)] {
        for at in [-9, -8, -1, 0, 1, 40 - bytes - 1, 40 - bytes, 41 - bytes, 40, 1 << 31, -1 << 31]
        {
            for insn in [
                format!("r0 = *({size} *)(r2 + 0)"),
                format!("*({size} *)(r2 + 0) = r3"),
                format!("*({size} *)(r2 + 0) = -77"),
            ] {
                // A second time, where the first may have left what it found; from another place before.
                for first in ["", "r2 = r1\nr2 += 16\ncall f\n"] {
                    let text = format!(
                        "r0 = 0\nr3 = 0x1122334455667788 ll\n{first}r2 = r1\nr4 = {at} ll\nr2 += r4\n\
                         call f\ncall f\nexit\nf:\n{insn}\nexit\n"
                    );
                    faults += usize::from(does_as_interpreted(&text, &mem));
                }
            }
        }
    }
    assert!(faults > 100, "{faults} faults");
}

#[test]
fn registers_and_stack_are_as_interpreted_where_nobody_has_set_them() {
    let mem = [7; 16];
    for text in [
        // What a helper leaves of r1 to r5, and a function of r0 to r5.
        "r2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall 1\nr0 += r1\nr0 += r2\nr0 += r5\nexit\n",
        "r0 += r6\nr0 += r9\nr0 += r7\nr0 += r8\nexit\n",
        "call f\nr0 += r3\nexit\nf:\nr3 = 9\nr6 = 8\nexit\n",
        // A frame is zero each time, and that of a function that has returned is out of reach.
        "call f\ncall f\nexit\nf:\nr0 = *(u64 *)(r10 - 512)\n*(u64 *)(r10 - 512) = 5\nexit\n",
        "call f\nr1 = r0\nr0 = *(u64 *)(r1 + 0)\nexit\nf:\n*(u64 *)(r10 - 8) = 5\nr0 = r10\nr0 += -8\nexit\n",
        "call g\ncall f\nexit\ng:\ncall f\nexit\nf:\nr2 = r10\nr2 += -8\nr0 = *(u64 *)(r2 + 0)\nexit\n",
        "call g\nr1 = r0\ncall f\nexit\ng:\nr1 = r10\nr1 += -16\ncall h\nr0 = r10\nr0 += -16\nexit\n\
         h:\ncall f\nexit\nf:\nr0 = *(u64 *)(r1 + 0)\nexit\n",
        // A store of r10, and a load through it from beyond the frame.
        "*(u64 *)(r10 - 8) = r10\nr0 = *(u64 *)(r10 - 8)\nexit\n",
        "r0 = *(u64 *)(r10 + 0)\nexit\n",
        "r0 = *(u8 *)(r10 - 513)\nexit\n",
        "call f\nexit\nf:\nr0 = *(u8 *)(r10 + 8)\nexit\n",
        "*(u64 *)(r1 + 8) = r10\nr0 = r10\nexit\n",
    ] {
        does_as_interpreted(text, &mem);
    }
}

/// What comes behind a loop that is checked beforehand has checks of its own, also where one turn is all there is.
#[test]
fn loops_side_by_side_are_checked_each() {
    let mem = [7; 16];
    for second in ["*(u8 *)(r2 + 0)", "*(u8 *)(r3 + 0)"] {
        for turns in [1, 2, 5] {
            for (step, jump) in [("r5 -= 1", "if r5 != 0 goto l"), ("r5 -= 1", "if r5 s> 0 goto l")]
            {
                let text = format!(
                    "r0 = 0\nr5 = {turns}\nr3 = r1\nr3 += 3\nl:\nr4 = *(u8 *)(r1 + 0)\n{step}\n{jump}\n\
                     m:\nr4 = {second}\nr2 += 1\nr3 += 1\nif r4 != 0 goto m\nexit"
                );
                assert!(does_as_interpreted(&text, &mem), "{text}");
            }
        }
    }
}

/// A function may touch what its caller has on the stack; in a loop as well.
#[test]
fn frames_of_callers_are_touched_as_interpreted() {
    let mem: Vec<u8> = (1..=64).collect();
    let mut faults = 0;
    for access in ["r3 = *(u64 *)(r10 + 0)", "*(u64 *)(r10 + 8) = r0", "r3 = *(u8 *)(r10 + 511)"] {
        for end in ["if r1 != r2 goto l", "if r4 != 77 goto l", "if r1 < r2 goto l"] {
            for len in [16, 64, 4096] {
                let text = format!(
                    "r2 = r1\nr2 += {len}\n*(u64 *)(r10 - 512) = 5\n*(u64 *)(r10 - 504) = 6\n*(u8 *)(r10 - 1) = 9\n\
                     call f\nr3 = *(u64 *)(r10 - 504)\nr0 += r3\nexit\n\
                     f:\nr0 = 0\nl:\n{access}\nr4 = *(u8 *)(r1 + 0)\nr0 += r4\nr0 += r3\nr1 += 1\n{end}\nexit"
                );
                faults += usize::from(does_as_interpreted(&text, &mem));
            }
        }
    }
    assert!(faults > 9, "{faults}");
}

/// Registers that a call of the kernel's may change are as the function left them.
#[test]
fn functions_leave_registers_as_interpreted() {
    for saved in [
        "",
        "r6 = 1\n",
        "r6 = 1\nr7 = 2\n",
        "r6 = 1\nr7 = 2\nr8 = 3\n",
        "r6 = 1\nr9 = 1\nr7 = 2\nr8 = 3\n",
    ] {
        for reg in 1..=5 {
            let text = format!(
                "r0 = 3\ncall f\nr0 = r{reg}\nexit\n\
                 f:\nr1 = 11\nr2 = 12\nr3 = 13\nr4 = 14\nr5 = 15\n{saved}exit"
            );
            assert!(!does_as_interpreted(&text, &[]), "{text}");
        }
    }
}

/// Of accesses so many that they share what they have found, none gets to frames that are gone.
#[test]
fn many_accesses_find_no_frame_that_is_gone() {
    let many = "r0 = *(u8 *)(r1 + 0)\n".repeat(250);
    let text = format!(
        "{many}call g\nr2 = r10\nr2 += -520\nr0 = *(u64 *)(r2 + 0)\nexit\n\
         g:\ncall f\nexit\nf:\nr3 = r10\nr3 += -8\nr0 = *(u64 *)(r3 + 0)\nexit"
    );
    assert!(does_as_interpreted(&text, &[7; 16]));
}

/// An address of the frame takes more bytes than other copies, which jumps must reach over.
#[test]
fn jumps_lead_over_addresses_of_frames() {
    for count in 1..40 {
        let text =
            format!("r0 = 0\nif r2 == 0 goto e\n{}e:\nr0 += 1\nexit", "r3 = r10\n".repeat(count));
        assert!(!does_as_interpreted(&text, &[7; 16]));
    }
}

#[test]
fn functions_nest_as_deep_as_interpreted() {
    let circle =
        "r1 = 0\ncall f\nexit\nf:\nr1 += 1\nr0 = r1\nif r1 > LIMIT goto e\ncall f\ne:\nexit\n";
    let back = "r1 = f ll\nr2 = LIMIT\ncall 2\nexit\nf:\nr6 = r1\nr0 = 0\nif r6 == 0 goto e\nr6 += -1\n\
                r1 = f ll\nr2 = r6\ncall 2\nr0 += 1\ne:\nexit\n";
    for (text, most) in [(circle, 5), (back, 5)] {
        let faults =
            |limit: u32| does_as_interpreted(&text.replace("LIMIT", &limit.to_string()), &[0; 8]);
        assert!(!faults(most), "{text}");
        assert!(faults(20), "{text}");
        for limit in 0..12 {
            faults(limit);
        }
    }
}

#[test]
fn atomic_operations_are_as_interpreted() {
    let mem = [9, 1, 2, 3, 4, 5, 6, 7, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1];
    for op in [
        "lock *(u64 *)(r1 + AT) += r2",
        "r2 = atomic_fetch_add((u64 *)(r1 + AT), r2)",
        "r2 = atomic_fetch_xor((u32 *)(r1 + AT), r2)",
        "r2 = xchg_64(r1 + AT, r2)",
        "r0 = cmpxchg_64(r1 + AT, r0, r2)",
        "w0 = cmpxchg32_32(r1 + AT, w0, w2)",
    ] {
        for at in ["0", "8", "4", "3", "16"] {
            let text = format!("r0 = 9\nr2 = 77\n{}\nr0 += r2\nexit\n", op.replace("AT", at));
            if skep_asm::assemble(&text).is_ok() {
                does_as_interpreted(&text, &mem);
            }
        }
    }
}

/// Loops of one block, whose accesses are checked before them: up to the end and beyond it, upwards and downwards, with
/// one access and several, with conditions on what is stepped and on what is loaded.
#[test]
fn loops_end_where_interpreted_ones_do() {
    let mem: Vec<u8> = (0..200).map(|n: u32| (n * 7 % 251) as u8).collect();
    let ends = [
        "if r2 != LAST goto l",
        "if r2 == LAST goto e\ngoto l",
        "if r4 > 3 goto l",
        "if r2 s< LAST goto l",
    ];
    let long = format!("r4 = *(u8 *)(r2 + 0)\n{}r0 += r4\nr2 += STEP\n", "r0 += 1\n".repeat(30));
    let bodies = [
        "r4 = *(u8 *)(r2 + 0)\nr0 += r4\nr2 += STEP\n",
        "r3 = r1\nr3 += r5\nr4 = *(u8 *)(r3 + 3)\n*(u16 *)(r3 + 90) = r4\nr5 += STEP\nr2 += STEP\n",
        "r4 = *(u8 *)(r2 + 1)\n*(u64 *)(r10 - 8) = r4\nr2 += STEP\nr3 = *(u32 *)(r2 - 1)\nr0 += r3\n",
        "r4 = *(s16 *)(r2 + 0)\nr0 += r4\nr3 = r10\nr3 += r5\nr0 ^= *(u8 *)(r3 - 64)\nr5 += 1\nr2 += STEP\n",
        "r4 = *(u8 *)(r2 + 0)\nr4 &= 7\nr4 += 1\n*(u8 *)(r1 + 199) = r4\nr2 += STEP\n",
        // To more sums of registers than there are registers for.
        "r4 = *(u8 *)(r2 + 0)\nr7 = *(u8 *)(r1 + 7)\nr0 += r7\nr3 = r10\nr3 += r5\nr7 = *(u8 *)(r3 - 64)\nr0 += r7\nr5 += 1\nr2 += STEP\n",
        // More instructions than other loops may have.
        &long,
    ];
    let (mut faults, mut all) = (0, 0);
    for body in bodies {
        for end in ends {
            for step in [1, 2, 8, 3, 40, -1, -4, -5] {
                for (from, turns) in [(0, 5), (100, 100), (199, 1), (150, 7), (192, 2), (-1, 3)] {
                    let body =
                        body.replace("r0 ^= *(u8 *)(r3 - 64)", "r7 = *(u8 *)(r3 - 64)\nr0 ^= r7");
                    let head = format!(
                        "r2 = r1\nr2 += {from}\nr5 = {from}\nr6 = r2\nr6 += {}\nr0 = 0\n",
                        step * turns
                    );
                    let text = format!("{head}l:\n{body}{end}\ne:\nr0 += r2\nexit\n")
                        .replace("STEP", &step.to_string())
                        .replace("LAST", "r6");
                    faults += usize::from(does_as_interpreted(&text, &mem));
                    all += 1;
                }
            }
        }
    }
    assert!(faults * 5 > all && faults * 5 < all * 4, "{faults} of {all} faults");
}

/// Accesses through one register, which one check serves where they lie in one part of memory: before, across and behind
/// its ends, loads and stores, with groups that reach into one another, and with the register changed in between.
#[test]
fn groups_of_accesses_fault_where_interpreted_ones_do() {
    let mem: Vec<u8> = (0..64).map(|n: u32| (n * 7 % 251) as u8).collect();
    let bodies = [
        "r3 = *(u8 *)(r2 + 0)\nr4 = *(u32 *)(r2 + 8)\nr0 += r3\nr0 += r4\n",
        "r3 = *(u16 *)(r2 + 6)\n*(u8 *)(r1 + 2) = r3\nr4 = *(s8 *)(r2 - 7)\n*(u64 *)(r1 + 40) = r4\nr0 += r4\n",
        "*(u8 *)(r2 + 3) = 77\nr4 = *(u8 *)(r7 - 1)\n*(u32 *)(r2 + 9) = r4\nr5 = *(u64 *)(r7 - 20)\nr0 += r5\n",
        "r3 = *(u32 *)(r2 + 0)\nr2 += 5\nr4 = *(u32 *)(r2 + 0)\nr5 = *(u32 *)(r2 + 4)\nr2 = *(u8 *)(r2 - 9)\nr0 += r4\n",
        "*(u8 *)(r7 - 16) = 1\n*(u8 *)(r2 + 0) = 2\n*(u8 *)(r7 - 8) = r1\nr8 = *(u8 *)(r1 + 0)\n*(u8 *)(r2 + 1) = 3\nr9 = *(u8 *)(r1 + 64)\n",
        "r3 = *(u8 *)(r2 + 0)\nr4 = *(u8 *)(r2 + 32767)\nr5 = *(u8 *)(r2 - 32768)\n",
        "lock *(u64 *)(r1 + 8) += r1\nr3 = *(u8 *)(r2 + 0)\nr3 /= 3\nr4 = *(u8 *)(r2 + 8)\nr0 += r3\nr0 += r4\n",
    ];
    let (mut faults, mut all) = (0, 0);
    for body in bodies {
        for at in [-12, -1, 0, 1, 7, 9, 10, 48, 52, 55, 56, 60, 63, 64, 1000] {
            for frame in [0, -492, -504, 8] {
                // Twice, as the first turn only finds where the memory is, and then further on.
                for step in [0, 1, 4, 1 << 20] {
                    let text = format!(
                        "r6 = 0\nr0 = 0\nl:\nr2 = r1\nr2 += {at}\nr3 = r6\nr3 *= {step}\nr2 += r3\n\
                         r7 = r10\nr7 += {frame}\n{body}r6 += 1\nif r6 < 3 goto l\nexit\n"
                    );
                    faults += usize::from(does_as_interpreted(&text, &mem));
                    all += 1;
                }
            }
        }
    }
    assert!(faults * 5 > all && faults < all, "{faults} of {all} faults");
}

/// What a call copies of a few bytes, of memory and beyond it, onto itself and onto other memory; what code has found once it
/// copies itself, and leaves r1 to r5 as they are.
#[test]
fn short_copies_are_those_of_the_interpreter() {
    let mem: Vec<u8> = (1..=64).collect();
    let mut faults = 0;
    for size in (0..=20).chain([40, 64, 65]) {
        // The last of them go beyond the memory, and those to r7 may write there.
        for to in ["r7", "r10\nr1 += -72"] {
            let text = format!(
                "r6 = r1\nr9 = 0\nl:\nr7 = r6\nr7 += r9\nr7 += 2\nr1 = {to}\nr2 = {size}\nr3 = r6\nr3 += r9\nr4 = 4\n\
                 call 113\nr8 ^= r0\nr8 += r2\nr8 += r4\nr3 -= r6\nr8 += r3\nr0 = *(u64 *)(r10 - 72)\n\
                 r8 += r0\nr9 += 3\nif r9 < 99 goto l\nr0 = r8\nexit"
            );
            faults += usize::from(does_as_interpreted(&text, &mem));
        }
    }
    assert!((15..30).contains(&faults), "{faults}");
}

/// More copies than there are checks.
#[test]
fn many_copies_are_those_of_the_interpreter() {
    let copy = |n: u32| {
        format!("r1 = r10\nr1 += -8\nr2 = {}\nr3 = r6\nr3 += {n}\ncall 113\nr7 += r0\n", n % 8 + 1)
    };
    let copies: String = (0..140).map(copy).collect();
    let text = format!(
        "r6 = r1\nr8 = 3\nl:\n{copies}r8 += -1\nif r8 != 0 goto l\nr0 = *(u64 *)(r10 - 8)\nr0 += r7\nexit"
    );
    assert!(!does_as_interpreted(&text, &[7; 100]));
}
