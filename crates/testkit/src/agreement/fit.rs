//! The kernel that subjects are fitted to: the running one.

use flate2::read::GzDecoder;
use skep_btf::{Btf, Kind, TypeId};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;
use std::{fs, io};

/// Types, configuration and addresses of the running kernel.
pub struct Target {
    /// `/sys/kernel/btf/vmlinux`
    pub btf: Btf,
    /// `/proc/config.gz` as text.
    pub config: String,
    /// `uname -r`
    pub release: String,
    /// `/proc/kallsyms`, read when first asked for.
    symbols: OnceLock<BTreeMap<String, u64>>,
}

/// Reads what the running kernel says of itself.
///
/// # Errors
/// If a file cannot be read, or its types make no sense.
pub fn target() -> io::Result<Target> {
    let bytes = fs::read("/sys/kernel/btf/vmlinux")?;
    let btf = Btf::parse(&bytes).map_err(io::Error::other)?;
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_string();
    let mut config = String::new();
    // Without either, programs that ask for an option are not judged.
    if let Ok(file) = fs::File::open("/proc/config.gz") {
        GzDecoder::new(file).read_to_string(&mut config)?;
    } else if let Ok(text) = fs::read_to_string(format!("/boot/config-{release}")) {
        config = text;
    }
    Ok(Target { btf, config, release, symbols: OnceLock::new() })
}

impl Target {
    /// The function or variable of this name in the kernel's types.
    pub(crate) fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.btf.find(name, kind).map(|ty| ty.id)
    }

    /// The address of a symbol.
    pub(crate) fn address(&self, symbol: &str) -> Option<u64> {
        let symbols = self.symbols.get_or_init(|| {
            let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
            let entry = |line: &str| {
                let mut words = line.split_whitespace();
                let at = u64::from_str_radix(words.next()?, 16).ok()?;
                Some((words.nth(1)?.to_string(), at))
            };
            text.lines().filter_map(entry).collect()
        });
        symbols.get(symbol).copied()
    }
}
