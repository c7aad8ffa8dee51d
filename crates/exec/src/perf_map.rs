//! Names of code for `perf`: `/tmp/perf-PID.map`, a line each of address, length and name. `perf record` samples
//! addresses, and `perf report` looks them up there, of whatever lies in memory of no file.

use crate::symbol::Symbol;
use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Adds the functions to the map of this process, and says where that is.
///
/// # Errors
/// What the system says to the file; a link by that name is not followed.
pub fn write_perf_map(symbols: &[Symbol<'_>]) -> io::Result<PathBuf> {
    let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
    append(&path, symbols)?;
    Ok(path)
}

fn append(path: &Path, symbols: &[Symbol<'_>]) -> io::Result<()> {
    #[expect(clippy::cast_possible_wrap, reason = "flags")]
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let mut file =
        OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(flags).open(path)?;
    let mut text = String::new();
    for symbol in symbols {
        text += &format!("{:x} {:x} {}\n", symbol.address, symbol.code.len(), symbol.name);
    }
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(address: u64, name: &str) -> Symbol<'static> {
        Symbol { name: name.into(), prog: 0, address, code: &[0xc3; 16], lines: Vec::new() }
    }

    #[test]
    fn a_line_a_function_behind_what_is_there() {
        let path = std::env::temp_dir().join(format!("skep-perf-map-{}", std::process::id()));
        std::fs::write(&path, "10 20 other\n").unwrap();
        append(&path, &[symbol(0x7f00_0000_1000, "bpf_prog_a"), symbol(0x1000, "bpf_stubs_a")])
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "10 20 other\n7f0000001000 10 bpf_prog_a\n1000 10 bpf_stubs_a\n");
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(append(&link, &[]).is_err(), "a link was followed");
        std::fs::remove_file(link).unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
