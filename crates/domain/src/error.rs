//! What can be wrong with a description.

/// The parts of a number's description contradict each other: it stands for no number, or its bits
/// know more than its ranges. The words are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Inconsistent {
    /// A range ends before it begins.
    #[error("range bounds violation")]
    Ranges,
    /// All bits are known, but a range of the full width is not that number.
    #[error("const tnum out of sync with range bounds")]
    Const,
    /// The lower half is known, but a range of it is not that number.
    #[error("const subreg tnum out of sync with range bounds")]
    SubregConst,
}
