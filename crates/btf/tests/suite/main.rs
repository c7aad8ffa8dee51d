//! Tests of the public interface: built types, compiled objects, the running kernel.

mod builder;
mod dedup;
mod dump;
mod ext;
mod fixup;
mod hostile;
mod kernel;
mod lookup;
mod malformed;
mod open;
mod show;
mod write;

use skep_btf::{Btf, ByteOrder};
use std::path::PathBuf;

/// A file of `corpus/btf`.
fn fixture(name: &str) -> Vec<u8> {
    let path = fixture_path(name);
    std::fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn fixture_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/btf").join(name)
}

/// The same C file compiled for both byte orders.
fn flows() -> [(ByteOrder, Btf); 2] {
    [(ByteOrder::Little, "flows.el.btf"), (ByteOrder::Big, "flows.eb.btf")]
        .map(|(order, name)| (order, Btf::parse(&fixture(name)).unwrap()))
}
