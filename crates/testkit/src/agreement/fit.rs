//! The kernel that subjects are fitted to: the running one, or one that has told of itself before.

use flate2::read::GzDecoder;
use skep_btf::{Btf, Kind, TypeId};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, io};

/// Types, configuration and addresses of a kernel.
pub struct Target {
    /// `/sys/kernel/btf/vmlinux`
    pub btf: Btf,
    /// `/proc/config.gz` as text.
    pub config: String,
    /// `uname -r`
    pub release: String,
    /// `/proc/cmdline`
    pub(crate) cmdline: String,
    /// `/sys/kernel/security/lockdown`
    pub(crate) lockdown: String,
    /// `/sys/devices/system/cpu/possible`
    pub(crate) cpus: String,
    /// `/proc/kallsyms`, read when first asked for.
    symbols: OnceLock<BTreeMap<String, u64>>,
}

const BTF: &str = "/sys/kernel/btf/vmlinux";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const CMDLINE: &str = "/proc/cmdline";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
const CPUS: &str = "/sys/devices/system/cpu/possible";
const SYMBOLS: &str = "/proc/kallsyms";
/// Unpacked where a kernel is told of in a directory.
const CONFIG: &str = "/proc/config";

/// Reads what the running kernel says of itself.
///
/// # Errors
/// If a file cannot be read, or its types make no sense.
pub fn target() -> io::Result<Target> {
    let release = fs::read_to_string(RELEASE)?;
    let config = own_config(release.trim())?;
    Target::below(Path::new("/"), config)
}

/// The options that the running kernel was built with. Without them, programs that ask for one are not judged.
fn own_config(release: &str) -> io::Result<String> {
    let mut config = String::new();
    if let Ok(file) = fs::File::open("/proc/config.gz") {
        GzDecoder::new(file).read_to_string(&mut config)?;
    } else if let Ok(text) = fs::read_to_string(format!("/boot/config-{release}")) {
        config = text;
    }
    Ok(config)
}

/// The place of a file below a directory that tells of a kernel.
fn below(dir: &Path, name: &str) -> PathBuf {
    dir.join(name.trim_start_matches('/'))
}

/// Has the running kernel tell of itself in a directory, for [`Target::read`]: in files of the same names.
///
/// # Errors
/// If a file cannot be read or written.
pub fn save_target(dir: &Path) -> io::Result<()> {
    let save = |name: &str, bytes: &[u8]| {
        let path = below(dir, name);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        fs::write(path, bytes)
    };
    for name in [BTF, RELEASE, SYMBOLS] {
        save(name, &fs::read(name)?)?;
    }
    for name in [CMDLINE, LOCKDOWN, CPUS] {
        save(name, &fs::read(name).unwrap_or_default())?;
    }
    let release = fs::read_to_string(RELEASE)?;
    save(CONFIG, own_config(release.trim())?.as_bytes())
}

impl Target {
    /// The kernel that a directory tells of.
    ///
    /// # Errors
    /// If a file cannot be read, or its types make no sense.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let this = Self::below(dir, fs::read_to_string(below(dir, CONFIG))?)?;
        let _ = this.symbols.set(addresses(&fs::read_to_string(below(dir, SYMBOLS))?));
        Ok(this)
    }

    fn below(dir: &Path, config: String) -> io::Result<Self> {
        let btf = Btf::parse(&fs::read(below(dir, BTF))?).map_err(io::Error::other)?;
        let release = fs::read_to_string(below(dir, RELEASE))?.trim().into();
        let text = |name: &str| fs::read_to_string(below(dir, name)).unwrap_or_default();
        let (cmdline, lockdown, cpus) = (text(CMDLINE), text(LOCKDOWN), text(CPUS));
        Ok(Self { btf, config, release, cmdline, lockdown, cpus, symbols: OnceLock::new() })
    }

    /// Whether it is known what lockdown forbids: without securityfs it is not.
    #[must_use]
    pub fn knows_lockdown(&self) -> bool {
        !self.lockdown.is_empty() || !self.config.contains("CONFIG_SECURITY_LOCKDOWN_LSM=y")
    }

    /// The function or variable of this name in the kernel's types.
    pub(crate) fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.btf.find(name, kind).map(|ty| ty.id)
    }

    /// The address of a symbol.
    pub(crate) fn address(&self, symbol: &str) -> Option<u64> {
        let own = || addresses(&fs::read_to_string(SYMBOLS).unwrap_or_default());
        self.symbols.get_or_init(own).get(symbol).copied()
    }
}

/// The symbols of `/proc/kallsyms`.
fn addresses(text: &str) -> BTreeMap<String, u64> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let at = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((words.nth(1)?.to_string(), at))
    };
    text.lines().filter_map(entry).collect()
}
