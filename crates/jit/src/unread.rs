//! What loads and copies leave to the bridge that have not been found.

/// One of them.
pub(crate) struct Unread<L, G> {
    pub(crate) at: L,
    pub(crate) back: L,
    pub(crate) what: What<G>,
}

pub(crate) enum What<G> {
    /// A load from the address where the stub of accesses expects it, as [`Env::kind`](crate::Env::kind) describes it, to a
    /// register.
    Load(u64, G),
    /// A call, by its number.
    Call(u32),
}
