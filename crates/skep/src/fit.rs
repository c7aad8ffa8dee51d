//! What a program asks of the kernel that it is for: its types and its configuration.

use skep_btf::Btf;
use skep_btf::fixup::Target;
use skep_obj::{KconfigError, KernelConfig, RelocError, Report, fill_kconfig, relocate};
use skep_prog::Image;

/// A kernel that images are fitted to; what is not given stays open in an image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel<'a> {
    /// Its types: what `/sys/kernel/btf/vmlinux` holds.
    pub types: Option<&'a Btf>,
    /// Its configuration.
    pub config: Option<KernelConfig<'a>>,
}

/// Why an image does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Its types make no sense, or are ambiguous in the kernel.
    #[error(transparent)]
    Types(#[from] RelocError),
    /// The configuration lacks what the image asks for.
    #[error(transparent)]
    Config(#[from] KconfigError),
}

/// Fits an image to a kernel: instructions that depend on its types (CO-RE), variables of `.kconfig`.
///
/// What the report lists as poisoned stops a program only where it comes to it.
///
/// # Errors
/// [`FitError`]
///
/// ```
/// # let object = include_bytes!("../../../corpus/cli/task.o");
/// # let types = include_bytes!("../../../corpus/btf/core_target.el.btf");
/// use skep::{Kernel, fit, read_image};
///
/// let mut image = read_image(object, "task.o").unwrap().image;
/// let types = skep_btf::Btf::parse(types).unwrap();
/// let kernel = Kernel { types: Some(&types), ..Kernel::default() };
/// let report = fit(&mut image, &kernel).unwrap();
/// let why = report.poisoned[0].why.to_string();
/// assert!(why.contains("struct task.gone"), "{why}");
/// ```
pub fn fit(image: &mut Image, kernel: &Kernel<'_>) -> Result<Report, FitError> {
    let report = match kernel.types {
        Some(btf) => relocate(image, &[Target { name: "vmlinux", btf }])?,
        None => Report::default(),
    };
    if let Some(config) = kernel.config {
        fill_kconfig(image, &config)?;
    }
    Ok(report)
}

/// A configuration from its text, `/proc/config.gz` without compression for example.
///
/// The version is that of the line `# Linux/x86 6.12.1 Kernel Configuration`, without which it is that
/// of `release` (`uname -r`), and 0 if that is none either.
///
/// ```
/// let text = "# Linux/x86 6.12.1 Kernel Configuration\nCONFIG_HZ=250\n";
/// let config = skep::kernel_config(text, "5.10.0-8-amd64");
/// assert_eq!((config.version, config.bpf_cookie), (0x06_0c_01, true));
/// ```
#[must_use]
pub fn kernel_config<'a>(text: &'a str, release: &str) -> KernelConfig<'a> {
    let head = text.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("# Linux/")?.split_once(' ')?;
        version(rest.strip_suffix(" Kernel Configuration")?)
    });
    let version = head.chain(version(release)).next().unwrap_or(0);
    let wraps = |line: &str| line.trim_end() == "CONFIG_ARCH_HAS_SYSCALL_WRAPPER=y";
    KernelConfig {
        version,
        // `bpf_get_attach_cookie` came with 5.15.
        bpf_cookie: version >= 0x05_0f_00,
        syscall_wrapper: text.lines().any(wraps),
        text,
    }
}

/// `KERNEL_VERSION` of `6.1.4-rc2+`: the third number ends at 255, as in the kernel.
fn version(release: &str) -> Option<u32> {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
    let mut numbers = release[..end].split('.').map(str::parse::<u32>);
    let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
    (major <= 255 && minor <= 255).then_some(major << 16 | minor << 8 | patch.min(255))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_kernel() {
        let table = [
            ("6.12.1", Some(0x06_0c_01)),
            ("6.1.0-18-amd64", Some(0x06_01_00)),
            ("4.19.325", Some(0x04_13_ff)),
            ("6.12-rc1", Some(0x06_0c_00)),
            ("6.12.", Some(0x06_0c_00)),
            ("6", None),
            ("", None),
            ("256.1", None),
            ("99999999999.1", None),
        ];
        for (release, want) in table {
            assert_eq!(version(release), want, "{release:?}");
        }
    }

    #[test]
    fn the_first_head_counts_and_then_the_release() {
        let two = "# Linux/x86 5.14.0 Kernel Configuration\n# Linux/arm64 6.1.2 Kernel Configuration\nCONFIG_ARCH_HAS_SYSCALL_WRAPPER=y\n";
        let config = kernel_config(two, "6.12.0");
        assert_eq!((config.version, config.bpf_cookie), (0x05_0e_00, false));
        assert!(config.syscall_wrapper);
        assert_eq!(kernel_config("CONFIG_HZ=1\n", "6.12.0-x").version, 0x06_0c_00);
        assert_eq!(kernel_config("", "plan 9").version, 0);
    }
}
