//! The plug-in of the public conformance suite keeps to its protocol.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// The plug-in, built: a run of this test alone would not build the package's examples.
fn plugin() -> &'static Path {
    static PLUGIN: LazyLock<PathBuf> = LazyLock::new(|| {
        let args = ["build", "--quiet", "--package", "skep", "--example", "conformance_plugin"];
        assert!(Command::new(env!("CARGO")).args(args).status().unwrap().success());
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().find(|dir| dir.ends_with("debug")).expect("a dev build");
        target.join("examples").join("conformance_plugin")
    });
    &PLUGIN
}

fn run(args: &[&str], program: &str) -> Output {
    let mut child = Command::new(plugin())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A plug-in that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(program.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn check(args: &[&str], program: &str, r0: &str) {
    let output = run(args, program);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), r0, "{output:?}");
    assert!(output.status.success());
}

/// r0 = *(u64 *)(r1 + 0); exit
const LOAD: &str = "79 10 00 00 00 00 00 00 95 00 00 00 00 00 00 00\n";

#[test]
fn memory_is_the_first_argument_and_the_program_comes_in_spaced_hex() {
    check(&["88 77 66 55 44 33 22 11"], LOAD, "1122334455667788");
    check(
        &["8877665544332211", "--engine", "interp"],
        &LOAD.replace(' ', "  "),
        "1122334455667788",
    );
}

#[test]
fn without_memory_its_length_is_zero() {
    check(&[], "bf20000000000000 9500000000000000", "0");
    check(&[""], "bf20000000000000 9500000000000000", "0");
}

#[test]
fn helpers_are_called_by_number() {
    let call_5 = "b701000007000000 8500000005000000 9500000000000000";
    check(&[], call_5, "7");
    let callx_r2 = "b701000009000000 b702000005000000 8d02000000000000 9500000000000000";
    check(&[], callx_r2, "9");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn machine_code_gives_the_same() {
    check(&["8877665544332211", "--engine", "jit"], LOAD, "1122334455667788");
    check(&["--engine", "jit"], "bf20000000000000 9500000000000000", "0");
    let call_5 = "b701000007000000 8500000005000000 9500000000000000";
    check(&["--engine", "jit"], call_5, "7");
    // r2 = 4; call memfrob; r0 = *(u32 *)(r0 + 0); exit
    let memfrob = "b702000004000000 8500000001000000 6100000000000000 9500000000000000";
    check(&["00010203", "--engine", "jit"], memfrob, "29282b2a");
    let callx_r2 = "b701000009000000 b702000005000000 8d02000000000000 9500000000000000";
    assert_eq!(run(&["--engine", "jit"], callx_r2).status.code(), Some(4));
}

#[test]
fn what_goes_wrong_is_said_on_standard_error() {
    let cases = [
        (&[][..], LOAD, 1, "null pointer"),
        (&[], "9500", 1, "8-byte instructions"),
        (&["8"], LOAD, 2, "odd number"),
        (&["--engine", "magic"], LOAD, 2, "--engine"),
        (&["--engine", "jit"], LOAD, 1, "null pointer"),
    ];
    for (args, program, code, words) in cases {
        let output = run(args, program);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(output.stdout.is_empty());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(words), "{args:?}: {text}");
    }
}
