//! Kernel releases.

use core::fmt;

/// A release of Linux: `5.8`.
///
/// First releases in this crate are those whose merge window took the change. A distribution's kernel
/// may have it earlier; where that matters, ask that kernel (load a program, make a map).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the two numbers of a release")]
pub struct Release {
    pub major: u8,
    pub minor: u8,
}

/// The release `major.minor`.
pub(crate) const fn v(major: u8, minor: u8) -> Release {
    Release { major, minor }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_number_and_not_by_text() {
        assert!(v(3, 19) < v(4, 1) && v(5, 9) < v(5, 10) && v(5, 19) < v(6, 0));
    }
}
