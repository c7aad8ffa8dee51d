//! What fuzzing found, and inputs made to hurt: each file of `corpus/bugs` goes to the fuzz target
//! that its name begins with, `TARGET-what.bin` or `.txt`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../../fuzz/src/oracle/targets.rs"]
pub mod oracle;

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/bugs");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn no_input_is_too_much() {
    let mut met = BTreeSet::new();
    for path in files() {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap();
        let target = name.split('-').next().unwrap();
        let known = oracle::TARGETS.iter().find(|(name, _)| *name == target);
        let (target, check) = known.unwrap_or_else(|| panic!("{name}: no target {target}"));
        eprintln!("{name}");
        check(&fs::read(&path).unwrap());
        met.insert(*target);
    }
    let missing: Vec<_> = oracle::TARGETS.iter().filter(|(name, _)| !met.contains(name)).collect();
    assert!(missing.is_empty(), "no input for {missing:?}");
}
