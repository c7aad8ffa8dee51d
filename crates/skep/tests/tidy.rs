//! Rules about the repository itself, checked like any other behaviour.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lowest first. A crate depends on crates of lower rows only. The same table stands, with words, in
/// `ARCHITECTURE.md`.
const ROWS: &[&[&str]] = &[
    &["skep-isa", "skep-diag", "skep-domain", "skep-x64", "skep-a64", "skep-dissect"],
    &["skep-btf", "skep-ir"],
    &["skep-abi"],
    &["skep-prog"],
    &["skep-obj", "skep-asm", "skep-cbpf", "skep-jit"],
    &["skep-map", "skep-sys", "skep-verifier"],
    &["skep-vm", "skep-hooks", "skep-linux", "skep-filter"],
    &["skep-exec"],
    &["skep"],
    &["skep-cli"],
];
/// Tests and benches may depend on anything, and nothing on them.
const DEV_ONLY: &[&str] = &["skep-testkit", "skep-benches"];
/// Crates that may contain `unsafe`.
const UNSAFE: &[&str] = &["skep-map", "skep-sys", "skep-hooks", "skep-exec"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Each crate of the workspace with its dependencies on others, those of its tests aside.
fn crates() -> Vec<(String, Vec<String>)> {
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let deps = package["dependencies"].as_array().unwrap().iter();
            let deps = deps.filter(|dep| dep["kind"].is_null() && !dep["path"].is_null());
            (text(&package["name"]), deps.map(|dep| text(&dep["name"])).collect())
        })
        .collect()
}

fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}

#[test]
fn dependencies_point_down() {
    let crates = crates();
    assert_eq!(crates.len(), ROWS.iter().map(|row| row.len()).sum::<usize>() + DEV_ONLY.len());
    for (name, deps) in crates {
        if DEV_ONLY.contains(&name.as_str()) {
            continue;
        }
        let own = row(&name).unwrap_or_else(|| panic!("{name} has no row"));
        for dep in deps {
            let below = row(&dep).is_some_and(|row| row < own);
            assert!(below, "{name} must not depend on {dep}: not a lower row");
        }
    }
}

#[test]
fn only_named_crates_may_be_unsafe() {
    for name in ROWS.concat() {
        let dir = root().join("crates").join(name.strip_prefix("skep-").unwrap_or(name));
        let main = ["src/lib.rs", "src/main.rs"].map(|file| dir.join(file));
        let main = main.iter().find(|file| file.exists()).unwrap();
        let forbids = fs::read_to_string(main).unwrap().contains("#![forbid(unsafe_code)]");
        assert!(forbids || UNSAFE.contains(&name), "{} may contain unsafe", main.display());
    }
}

#[test]
fn the_printed_instruction_set_is_that_of_the_table() {
    let path = root().join("docs/isa.md");
    let head = "# Instruction set\n\nEvery instruction that Skep knows, as `skep_isa::reference` \
                prints it from the tables that also decode and encode. Where two rows share an \
                opcode, the fields tell them apart.\n\n";
    let want = head.to_string() + &skep_isa::reference();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &want).unwrap();
    }
    let got = fs::read_to_string(&path).unwrap_or_default();
    assert!(got == want, "docs/isa.md is out of date: run the tests with UPDATE=1");
}

/// Paths in backquotes and links to files, in the texts for readers.
#[test]
fn documents_mention_only_what_exists() {
    let texts = ["README.md", "ARCHITECTURE.md", "examples/README.md"];
    let mut missing = Vec::new();
    for text in texts {
        let body =
            fs::read_to_string(root().join(text)).unwrap_or_else(|err| panic!("{text}: {err}"));
        for word in body.split(|c: char| c.is_whitespace() || "`()[]<>,".contains(c)) {
            let top = ["crates/", "docs/", "examples/", "corpus/", "benches/", "fuzz/", ".ci/"];
            let path = word.trim_end_matches(['.', ':', ';']);
            let concrete = !path.contains(['*', '{', '…', '$']) && !path.contains("NAME");
            let output = [".pcap", ".pcapng"].iter().any(|end| path.ends_with(end));
            if concrete && !output && top.iter().any(|dir| path.starts_with(dir)) {
                // A place in the file may follow.
                let path = path.split(['#', ':']).next().unwrap_or(path);
                if !root().join(path).exists() {
                    missing.push(format!("{text}: {path}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "no such file:\n{}", missing.join("\n"));
}
