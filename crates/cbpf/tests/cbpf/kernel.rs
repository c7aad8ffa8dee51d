//! The classic cases of the kernel's own test module, `lib/test_bpf.c`.
//!
//! `tests/kernel/extract.py` reads them from the kernel's sources where those are installed.

use crate::ebpf::Machine;
use crate::translate::verdict;
use serde_json::Value;
use skep_cbpf::{
    Ancillary, Device, Format, Insn, Meta, Packet, Program, RawInsn, Target, TranslateError,
    Verdict, check, parse, print, translate,
};
use std::process::Command;
use std::sync::OnceLock;

/// How many there are in Linux 6.12: 123 that pass `bpf_check_classic` and 11 that do not.
const CASES: usize = 134;
/// Of these, how many the checker must reject: eleven for what they are, and one because its
/// conversion to eBPF would need too long a jump.
const REJECTED: usize = 12;

/// The cases, or `None` with the reason printed.
fn cases() -> Option<&'static [Value]> {
    static CASES: OnceLock<Result<Value, String>> = OnceLock::new();
    match CASES.get_or_init(extract) {
        Ok(all) => Some(all["cases"].as_array().expect("a list of cases")),
        Err(reason) => {
            assert!(std::env::var_os("SKEP_REQUIRE_KERNEL").is_none(), "{reason}");
            eprintln!("skipped: {reason}");
            None
        }
    }
}

fn extract() -> Result<Value, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/extract.py");
    let out = Command::new("python3").arg(script).output().map_err(|e| format!("python3: {e}"))?;
    let stderr = String::from_utf8_lossy(&out.stderr);
    match out.status.code() {
        Some(0) => Ok(serde_json::from_slice(&out.stdout).expect("extract.py prints JSON")),
        Some(3) => Err(stderr.trim().to_owned()),
        _ => panic!("extract.py failed: {stderr}"),
    }
}

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    let number = value.as_u64().unwrap_or_else(|| panic!("{value} is no number"));
    T::try_from(number).unwrap_or_else(|_| panic!("{number} does not fit"))
}

fn insns(case: &Value) -> Vec<RawInsn> {
    let insn = |i: &Value| RawInsn {
        code: number(&i[0]),
        jt: number(&i[1]),
        jf: number(&i[2]),
        k: number(&i[3]),
    };
    case["insns"].as_array().expect("instructions").iter().map(insn).collect()
}

fn bytes(run: &Value) -> Vec<u8> {
    let hex = run["bytes"].as_str().unwrap_or("");
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// The packet that the kernel's `populate_skb` made.
fn packet<'a>(run: &Value, bytes: &'a [u8]) -> Packet<'a> {
    let mut packet = Packet::new(bytes);
    if run["len"].is_null() {
        return packet;
    }
    packet.network = number(&run["network"]);
    packet.len = number(&run["len"]);
    packet.meta = Meta {
        protocol: number(&run["protocol"]),
        pkt_type: number(&run["pkt_type"]),
        device: Some(Device { index: number(&run["ifindex"]), hardware: number(&run["hatype"]) }),
        mark: number(&run["mark"]),
        queue: number(&run["queue"]),
        hash: number(&run["hash"]),
        vlan_tci: number(&run["vlan_tci"]),
        vlan_proto: number(&run["vlan_proto"]),
        ..Meta::default()
    };
    packet
}

fn accepted(cases: &[Value]) -> impl Iterator<Item = (&Value, Program)> {
    cases.iter().filter_map(|case| Some((case, check(&insns(case)).ok()?)))
}

#[test]
fn checker_and_interpreter_do_as_stated() {
    let Some(cases) = cases() else { return };
    assert_eq!(cases.len(), CASES);
    let mut failures = Vec::new();
    let (mut rejected, mut runs) = (0, 0);
    for case in cases {
        let name = &case["descr"];
        let program = match check(&insns(case)) {
            // 22 is EINVAL, the one error of the kernel's checker.
            Err(_) if case["errno"] == 22 => {
                rejected += 1;
                continue;
            }
            Err(error) => {
                failures.push(format!("{name}: rejected: {error}"));
                continue;
            }
            Ok(_) if case["errno"] != 0 => {
                failures.push(format!("{name}: accepted"));
                continue;
            }
            Ok(program) => program,
        };
        for run in case["runs"].as_array().expect("runs") {
            runs += 1;
            let bytes = bytes(run);
            let (want, got) = (number::<u32>(&run["result"]), program.run(&packet(run, &bytes)));
            if got != want {
                failures.push(format!("{name}, {} bytes: {got}, not {want}", bytes.len()));
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(rejected, REJECTED);
    assert!(runs >= CASES - REJECTED, "only {runs} runs");
}

#[test]
fn listings_keep_the_cases() {
    let Some(cases) = cases() else { return };
    for case in cases {
        let insns = insns(case);
        for format in [Format::C, Format::Decimal] {
            assert_eq!(parse(&print(&insns, format)).as_ref(), Ok(&insns), "{}", case["descr"]);
        }
        // The readable form loses unused fields, and the reader need not get them back.
        let text = print(&insns, Format::Text);
        let parsed = parse(&text).unwrap_or_else(|e| panic!("{}: {e}", case["descr"]));
        assert_eq!(print(&parsed, Format::Text), text);
    }
}

#[test]
fn translations_do_as_stated() {
    let Some(cases) = cases() else { return };
    use Ancillary::{HaType, Nlattr, NlattrNest, PayOffset};
    let (mut translated, mut runs) = (0, 0);
    let targets = [Target::SocketFilter, Target::Tc(Verdict::TC), Target::Xdp(Verdict::XDP)];
    for (case, program) in accepted(cases) {
        for target in targets {
            match translate(&program, target) {
                Ok(insns) => {
                    translated += 1;
                    for run in case["runs"].as_array().expect("runs") {
                        let bytes = bytes(run);
                        let got = Machine::run(&insns, target, &packet(run, &bytes));
                        let want = verdict(target, number(&run["result"]));
                        assert_eq!(got, want, "{} {target:?}", case["descr"]);
                        runs += 1;
                    }
                }
                Err(TranslateError::Unsupported { pc, anc, .. }) => {
                    let here =
                        |insn: &Insn| matches!(insn, Insn::LoadAnc { anc: a, .. } if *a == anc);
                    assert!(program.insns().get(pc).is_some_and(here), "{}", case["descr"]);
                    let missing = matches!(anc, HaType | Nlattr | NlattrNest | PayOffset);
                    assert!(
                        missing || matches!(target, Target::Xdp(_)),
                        "{}: {anc:?}",
                        case["descr"]
                    );
                }
                Err(error) => panic!("{}: {error}", case["descr"]),
            }
        }
    }
    assert!(translated > 340 && runs > translated, "{runs} runs of {translated} translations");
}
