//! Asking without privileges.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// While it lives, the calling thread has no effective capabilities.
pub(crate) struct Unprivileged {
    before: CapabilitySets,
}

impl Unprivileged {
    /// Capabilities belong to threads, so that others keep theirs.
    pub(crate) fn enter() -> std::io::Result<Self> {
        let before = capabilities(None)?;
        let none = CapabilitySets { effective: CapabilitySet::empty(), ..before };
        set_capabilities(None, none)?;
        Ok(Self { before })
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        set_capabilities(None, self.before).expect("capabilities that are still permitted");
    }
}
