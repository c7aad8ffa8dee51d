//! The pages under `docs/abi/` are what the tables print.

use std::path::Path;
use std::{env, fs};

#[test]
fn printed_pages_are_those_of_the_tables() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/abi");
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&dir).unwrap();
    }
    for (name, want) in skep_abi::reference() {
        let path = dir.join(name).with_extension("md");
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &want).unwrap();
        }
        let got = fs::read_to_string(&path).unwrap_or_default();
        assert!(got == want, "docs/abi/{name}.md is out of date: run the tests with UPDATE=1");
    }
}
