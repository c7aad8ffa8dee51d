//! perf and gdb see machine code: names, instructions, source lines.
#![cfg(target_arch = "x86_64")]

use crate::bin::{root, scratch, skep};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether tests that cannot run fail.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value == "1")
}

/// Whether there is a command by this name.
fn has(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().is_ok_and(|status| status.success());
    assert!(
        found || !is_set("SKEP_REQUIRE_TOOLS"),
        "SKEP_REQUIRE_TOOLS is set, and there is no {tool}"
    );
    if !found {
        eprintln!("skipped: there is no {tool}");
    }
    found
}

/// Runs a tool in a directory; what it printed, both ways.
fn run(dir: &Path, tool: &str, args: &[&str]) -> (bool, String) {
    let output = Command::new(tool)
        .args(args)
        .current_dir(dir)
        .env("DEBUGINFOD_URLS", "")
        .env("HOME", dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Whether perf may count anything here.
fn may_record(dir: &Path) -> bool {
    let (may, said) = run(dir, "perf", &["record", "-q", "-o", "none.data", "true"]);
    assert!(may || !is_set("SKEP_REQUIRE_KERNEL"), "SKEP_REQUIRE_KERNEL is set, and perf: {said}");
    if !may {
        eprintln!("skipped: perf may not record: {said}");
    }
    may
}

/// The command line of a program that runs long enough.
fn spin() -> Vec<String> {
    let path = |name: &str| root().join(name).canonicalize().unwrap().display().to_string();
    let (object, packets) = (path("corpus/run/spin.o"), path("examples/traffic.pcap"));
    let words = [env!("CARGO_BIN_EXE_skep"), "run", &object, "-r", &packets, "-c", "40"];
    words.into_iter().map(String::from).collect()
}

fn record(dir: &Path, more: &[&str]) {
    let spin = spin();
    let mut args = vec!["record", "-q", "-k", "mono", "-F", "2000", "-o", "p.data"];
    args.extend(spin.iter().map(String::as_str).chain(more.iter().copied()));
    let (ran, said) = run(dir, "perf", &args);
    assert!(ran, "{said}");
}

/// Functions of machine code in perf's report, as shared object and symbol.
fn report(dir: &Path, data: &str) -> Vec<(String, String)> {
    let args = ["report", "-i", data, "--stdio", "--sort", "dso,symbol", "-q"];
    let (ran, said) = run(dir, "perf", &args);
    assert!(ran, "{said}");
    let words = |line: &str| {
        let (before, symbol) = line.split_once("[.]")?;
        let dso = before.split_once('%')?.1.trim();
        let symbol = symbol.split_whitespace().next()?;
        symbol.starts_with("bpf_").then(|| (dso.to_string(), symbol.to_string()))
    };
    said.lines().filter_map(words).collect()
}

#[test]
fn perf_names_programs_by_its_map() {
    let dir = scratch("perf-map");
    if !has("perf") || !may_record(&dir) {
        return;
    }
    record(&dir, &["--perf-map"]);
    let found = report(&dir, "p.data");
    for entry in fs::read_dir("/tmp").unwrap().flatten() {
        let is_map = entry.file_name().to_string_lossy().starts_with("perf-");
        let text = if is_map { fs::read_to_string(entry.path()) } else { continue };
        // Leave none of this program behind.
        if text.is_ok_and(|text| text.contains(" bpf_prog_spin_turn\n")) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    assert!(found.iter().any(|(_, symbol)| symbol == "bpf_prog_spin_turn"), "{found:?}");
}

#[test]
fn perf_annotates_programs_by_their_dump() {
    let dir = scratch("jitdump");
    if !has("perf") || !may_record(&dir) {
        return;
    }
    record(&dir, &["--jitdump", "."]);
    let (ran, said) = run(&dir, "perf", &["inject", "--jit", "-i", "p.data", "-o", "j.data"]);
    assert!(ran, "{said}");
    let found = report(&dir, "j.data");
    let turn = found.iter().find(|(_, symbol)| symbol == "bpf_prog_spin_turn");
    let Some((dso, _)) = turn else { panic!("{found:?}") };
    assert!(dso.starts_with("jitted-"), "{dso}");
    // Its source, beside its instructions.
    fs::copy(root().join("corpus/run/spin.bpf.c"), dir.join("spin.bpf.c")).unwrap();
    let (ran, said) = run(&dir, "perf", &["annotate", "-i", "j.data", "--stdio", &turn.unwrap().1]);
    assert!(ran, "{said}");
    for part in ["value ^= value << 13;", "shl    $0xd"] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
}

#[test]
fn gdb_stops_in_programs() {
    let dir = scratch("gdb");
    if !has("gdb") {
        return;
    }
    let spin = spin();
    let mut args = vec!["-q", "-batch", "-nx", "-ex", "set breakpoint pending on"];
    for command in [
        "break bpf_prog_spin_mix",
        "run",
        "info symbol $pc",
        "info line *$pc",
        "x/i $pc",
        "delete",
        "continue",
    ] {
        args.extend(["-ex", command]);
    }
    args.push("--args");
    args.extend(spin.iter().map(String::as_str).chain(["--gdb"]));
    let (_, said) = run(&dir, "gdb", &args);
    if said.contains("ptrace: Operation not permitted") {
        assert!(!is_set("SKEP_REQUIRE_KERNEL"), "{said}");
        eprintln!("skipped: gdb may not trace");
        return;
    }
    for part in [
        "bpf_prog_spin_mix in section .text",
        "Line 11 of \"spin.bpf.c\" starts at address",
        "<bpf_prog_spin_mix>:\tpush   %rax",
        "exited normally",
    ] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
}

/// What compilers made of a line stands below it, and below each instruction what that became.
#[test]
fn listings_have_source_lines_instructions_and_machine_code() {
    let ran = skep("dis corpus/run/spin.o --native --source");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut lines = ran.out.lines().skip_while(|line| !line.contains("value ^= value << 13; @ "));
    assert!(lines.next().unwrap().starts_with("; value ^= value << 13; @ ./spin.bpf.c:21"));
    let rest: Vec<_> = lines.take(8).collect();
    let at = |what: &str| rest.iter().position(|line| line.contains(what));
    assert!(at("r3 <<= 0xd").unwrap() < at("shl rdx,0Dh").unwrap(), "{rest:#?}");
}

#[test]
fn listings_are_of_the_code_that_is_asked_for() {
    let list = |how: &str| {
        let ran = skep(&format!("dis examples/count.s --native --arch x86-64 {how}"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let (plain, optimised) = (list("--unmetered"), list("--unmetered --opt 2"));
    assert_ne!(plain, optimised);
    assert!(list("").lines().count() > plain.lines().count(), "instructions are counted");
    let hardened = list("--opt 2 --harden");
    let first = hardened.lines().next().unwrap();
    assert!(first.contains(" not optimised: ") && first.contains("blinded numbers"), "{first}");
    for how in ["--opt 2", "--harden", "--unmetered"] {
        assert_eq!(skep(&format!("dis examples/count.s {how}")).code, 2);
    }
}
