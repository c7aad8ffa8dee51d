//! One shape for the enumerations of `uapi/linux/bpf.h`.

/// An enumeration with the kernel's number and name for each variant.
macro_rules! table_enum {
    (
        $(#[$meta:meta])*
        pub enum $ty:ident $prefix:literal { $($variant:ident = $number:literal, $name:literal;)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the kernel's own names")]
        pub enum $ty { $($variant = $number,)* }

        impl $ty {
            /// All of them, by number.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The kernel's number.
            #[must_use]
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// `None` where Linux 6.18 has no such number.
            #[must_use]
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|row| row.number() == number)
            }

            /// The kernel's name in lower case, without its common prefix.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// By [`name`](Self::name), in either case, with or without the kernel's prefix.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                let short = name.strip_prefix($prefix).unwrap_or(name);
                Self::ALL.iter().copied().find(|row| row.name().eq_ignore_ascii_case(short))
            }
        }

        impl core::fmt::Display for $ty {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn numbers_and_names_find_their_row() {
                for &row in $ty::ALL {
                    assert_eq!($ty::from_number(row.number()), Some(row));
                    assert_eq!($ty::from_name(row.name()), Some(row));
                }
                assert_eq!($ty::from_number(u32::MAX), None);
                assert_eq!($ty::from_name("no such thing"), None);
            }
        }
    };
}

pub(crate) use table_enum;
