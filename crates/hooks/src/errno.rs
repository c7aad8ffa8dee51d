//! Error numbers, as helpers return them.

use std::fmt;

/// An error number of the kernel, positive. A helper returns it negated.
///
/// ```
/// use skep_hooks::Errno;
///
/// assert_eq!(Errno::EINVAL.to_r0() as i64, -22);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

#[expect(missing_docs, reason = "the names of include/uapi/asm-generic/errno.h")]
impl Errno {
    pub const ENOMEM: Self = Self(12);
    pub const EACCES: Self = Self(13);
    pub const EFAULT: Self = Self(14);
    pub const EINVAL: Self = Self(22);
    pub const EALREADY: Self = Self(114);
    /// Not in the uapi: `include/linux/errno.h`. Programs do see it.
    pub const ENOTSUPP: Self = Self(524);
}

impl Errno {
    /// The value a helper leaves in r0: the negated number, sign-extended.
    #[must_use]
    pub const fn to_r0(self) -> u64 {
        (-(self.0 as i64)).cast_unsigned()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::ENOMEM => "ENOMEM",
            Self::EACCES => "EACCES",
            Self::EFAULT => "EFAULT",
            Self::EINVAL => "EINVAL",
            Self::EALREADY => "EALREADY",
            Self::ENOTSUPP => "ENOTSUPP",
            _ => "errno",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl std::error::Error for Errno {}
