//! Kinds of processors, and the one that this is.

use skep_jit::{Code, CompileError, Surroundings, a64, x64};
use skep_prog::Prog;

#[cfg(target_arch = "aarch64")]
pub(crate) use skep_jit::a64 as native;
#[cfg(not(target_arch = "aarch64"))]
pub(crate) use skep_jit::x64 as native;

/// What processors of this kind may have.
pub type Features = native::Features;

/// A kind of processor that there is machine code for, with what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Processor {
    /// x86-64.
    X64(x64::Features),
    /// AArch64.
    A64(a64::Features),
}

impl Processor {
    /// The one that this is, if there is machine code for it.
    #[must_use]
    pub fn host() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return Some(Self::X64(features()));
        #[cfg(target_arch = "aarch64")]
        return Some(Self::A64(features()));
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        None
    }

    /// An x86-64: this one, or else one with all that code makes use of.
    #[must_use]
    pub fn x86_64() -> Self {
        let all = Self::X64(x64::Features { bmi2: true, movbe: true });
        Self::host().filter(|host| matches!(host, Self::X64(_))).unwrap_or(all)
    }

    /// An AArch64, likewise.
    #[must_use]
    pub fn aarch64() -> Self {
        let all = Self::A64(a64::Features { lse: true });
        Self::host().filter(|host| matches!(host, Self::A64(_))).unwrap_or(all)
    }

    /// Code for it.
    pub(crate) fn compile<O: Surroundings>(
        self,
        prog: &Prog,
        outside: &O,
    ) -> Result<Code, CompileError> {
        match self {
            Self::X64(features) => x64::compile(prog, outside, features),
            Self::A64(features) => a64::compile(prog, outside, features),
        }
    }

    /// Code for it by the second tier.
    pub(crate) fn compile_best<O: Surroundings>(
        self,
        prog: &Prog,
        outside: &O,
    ) -> Result<Code, CompileError> {
        match self {
            Self::X64(features) => x64::compile_best(prog, outside, features),
            Self::A64(features) => a64::compile_best(prog, outside, features),
        }
    }
}

/// Code for a processor of this host's kind.
pub(crate) fn compile_native(
    prog: &Prog,
    outside: &impl Surroundings,
    features: Features,
    is_optimised: bool,
) -> Result<Code, CompileError> {
    #[cfg(not(target_arch = "aarch64"))]
    let processor = Processor::X64(features);
    #[cfg(target_arch = "aarch64")]
    let processor = Processor::A64(features);
    if is_optimised {
        processor.compile_best(prog, outside)
    } else {
        processor.compile(prog, outside)
    }
}

/// What this processor has.
#[must_use]
pub fn features() -> Features {
    #[cfg(target_arch = "x86_64")]
    return Features {
        bmi2: std::is_x86_feature_detected!("bmi2"),
        movbe: std::is_x86_feature_detected!("movbe"),
    };
    #[cfg(target_arch = "aarch64")]
    return Features { lse: std::arch::is_aarch64_feature_detected!("lse") };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Features::default()
}
