//! The kernel that programs are fitted to: its types and its configuration.

use crate::btf_file;
use crate::failure::{Failure, Kind, visible};
use crate::file;
use crate::term::Out;
use flate2::read::MultiGzDecoder;
use skep::{Image, Kernel, Report, fit, kernel_config};
use skep_btf::Btf;
use skep_obj::Poisoned;
use skep_prog::Initial;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Where a kernel shows its types.
pub(crate) const TYPES: &str = "/sys/kernel/btf/vmlinux";
/// Where a kernel shows its configuration, if it does.
const CONFIG: &str = "/proc/config.gz";
/// More than any configuration, decompressed.
const MOST: u64 = 16 << 20;

/// The types in a file, or in a directory for the running kernel.
pub(crate) fn types(path: &Path) -> Result<Btf, Failure> {
    btf_file::read(path)
}

/// Fits the image to the types in a file, or of the running kernel, and says what found no match.
pub(crate) fn fit_report(
    image: &mut Image,
    program: &Path,
    path: Option<&Path>,
) -> Result<(Report, Btf), Failure> {
    let types = types(path.unwrap_or(Path::new(TYPES))).map_err(|failure| match path {
        None => failure.help("the program depends on a kernel's types: --btf FILE names them"),
        Some(_) => failure.help(
            "--btf takes a file as /sys/kernel/btf/vmlinux, an ELF file, or an archive as of BTFHub",
        ),
    })?;
    let kernel = Kernel { types: Some(&types), ..Kernel::default() };
    let report =
        fit(image, &kernel).map_err(|err| Failure::at(Kind::Input, &file::name(program), &err))?;
    Ok((report, types))
}

/// Fits the image to the types in a file, or of the running kernel. Where the program `name`, and
/// those it can call, must not come is told. Returns the types.
pub(crate) fn fit_types(
    image: &mut Image,
    program: &Path,
    name: &str,
    path: Option<&Path>,
    err: &mut Out<'_>,
) -> Result<Btf, Failure> {
    let (report, types) = fit_report(image, program, path)?;
    let called = |name: &str| {
        let mut maps = image.maps.iter();
        maps.any(|map| match &map.initial {
            Initial::Progs(entries) => entries.iter().any(|(_, prog)| prog == name),
            _ => false,
        })
    };
    let runs = |poisoned: &&Poisoned| poisoned.prog == name || called(&poisoned.prog);
    for poisoned in report.poisoned.iter().filter(runs) {
        let (style, text) = (err.style.warning, visible(&poisoned.why.to_string()));
        let (prog, pc) = (&poisoned.prog, poisoned.pc);
        writeln!(err, "{style}warning{style:#}: {prog} must not come to insn {pc}: {text}")?;
    }
    Ok(types)
}

/// Gives the variables of `.kconfig` their values: of a file first, then of the running kernel.
pub(crate) fn fit_config(
    image: &mut Image,
    program: &Path,
    path: Option<&Path>,
) -> Result<(), Failure> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let text = match path {
        Some(path) => {
            let own = config(path).map_err(|failure| {
                failure.help("--kconfig takes lines as CONFIG_HZ=250, or a file as /proc/config.gz")
            })?;
            // The file may have all that is asked for.
            own + "\n" + &system(release.trim()).unwrap_or_default()
        }
        None => system(release.trim()).map_err(|failure| {
            failure.help("the program asks for a kernel's configuration: --kconfig FILE names it")
        })?,
    };
    let kernel = Kernel { config: Some(kernel_config(&text, &release)), ..Kernel::default() };
    let fitted = fit(image, &kernel);
    fitted.map(drop).map_err(|err| {
        let failure = Failure::at(Kind::Input, &file::name(program), &err);
        failure.help("--kconfig FILE has lines as CONFIG_HZ=250")
    })
}

/// The configuration of the running kernel.
fn system(release: &str) -> Result<String, Failure> {
    let boot = PathBuf::from(format!("/boot/config-{release}"));
    let proc = Path::new(CONFIG);
    if proc.exists() || !boot.exists() { config(proc) } else { config(&boot) }
}

/// The text of a configuration, perhaps compressed.
pub(crate) fn config(path: &Path) -> Result<String, Failure> {
    let bytes = file::read(path)?;
    let mut text = Vec::new();
    let reader: Box<dyn Read> = if bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(&bytes[..]))
    } else {
        Box::new(&bytes[..])
    };
    let read = reader.take(MOST + 1).read_to_end(&mut text);
    let wrong =
        |err: &(dyn std::error::Error + 'static)| Failure::at(Kind::Input, &file::name(path), err);
    read.map_err(|err| wrong(&err))?;
    if text.len() as u64 > MOST {
        let err = io::Error::other(format!("more than {} MiB are no configuration", MOST >> 20));
        return Err(wrong(&err));
    }
    let text = String::from_utf8(text).map_err(|err| wrong(&err))?;
    let says = |line: &str| line.trim_start_matches(['#', ' ']).starts_with("CONFIG_");
    if text.lines().any(says) {
        return Ok(text);
    }
    Err(wrong(&io::Error::other("no line begins with CONFIG_: this is no configuration")))
}
