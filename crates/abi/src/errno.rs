//! Error numbers that helpers and map operations return.
//!
//! Source: `include/uapi/asm-generic/errno-base.h` and `errno.h`, Linux.

use core::fmt;

/// A Linux error number, positive. Programs see it negated in r0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

macro_rules! errno {
    ($($name:ident = $number:literal, $text:literal;)*) => {
        #[expect(missing_docs, reason = "POSIX names")]
        impl Errno {
            $(pub const $name: Self = Self($number);)*

            /// The symbol: `ENOENT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 { $($number => stringify!($name),)* _ => "unknown errno" }
            }

            /// The meaning in words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self.0 { $($number => $text,)* _ => "unknown error" }
            }
        }
    };
}

errno! {
    EPERM = 1, "operation not permitted";
    ENOENT = 2, "no such entry";
    ESRCH = 3, "no such process";
    EINTR = 4, "interrupted";
    E2BIG = 7, "too big";
    EBADF = 9, "bad file descriptor";
    EAGAIN = 11, "try again";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "permission denied";
    EFAULT = 14, "bad address";
    EBUSY = 16, "busy";
    EEXIST = 17, "entry exists";
    ENODEV = 19, "no such device";
    EINVAL = 22, "invalid argument";
    ENOSPC = 28, "no space left";
    ERANGE = 34, "out of range";
    EDEADLK = 35, "would deadlock";
    ENAMETOOLONG = 36, "name too long";
    ENODATA = 61, "no data";
    ETIME = 62, "timer expired";
    ENONET = 64, "machine is not on the network";
    EPROTO = 71, "protocol error";
    EOVERFLOW = 75, "value too large";
    EMSGSIZE = 90, "message too long";
    EPROTONOSUPPORT = 93, "protocol not supported";
    EOPNOTSUPP = 95, "operation not supported";
    EAFNOSUPPORT = 97, "address family not supported by protocol";
    ENOBUFS = 105, "no buffer space";
    EALREADY = 114, "already in progress";
    ENOTSUPP = 524, "operation not supported by the kernel";
}

impl Errno {
    /// Any number; 1 to 4095 are errors to a program.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// The positive number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// What a helper leaves in r0: the negated number, sign-extended.
    #[must_use]
    pub const fn r0(self) -> u64 {
        (self.0 as i64).wrapping_neg().cast_unsigned()
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.name())
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r0_is_the_negated_number() {
        assert_eq!(Errno::ENOENT.r0(), (-2i64).cast_unsigned());
        assert_eq!(Errno::from_number(7), Errno::E2BIG);
        assert_eq!(Errno::E2BIG.name(), "E2BIG");
    }
}
