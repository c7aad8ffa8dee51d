//! Which set of types a type id belongs to.

/// Which set of types a type id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BtfRef {
    /// The kernel's (`vmlinux`).
    Kernel,
    /// The program's own.
    Prog,
}
