//! How much memory an image may take.

use crate::ObjError;

/// What any object may take: more than the programs of any known project.
const BASE: usize = 64 << 20;
/// Times its own size that an object may take beyond that.
const TIMES: usize = 16;

/// Bytes an image may still take.
///
/// A subprogram stands behind each program that calls it, and a line's text behind each reference to
/// it, so that a small file can describe a large image. Everything that is copied more than once is
/// paid for here.
pub(crate) struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    /// For a file of `len` bytes.
    pub(crate) fn new(len: usize) -> Self {
        let limit = len.saturating_mul(TIMES).saturating_add(BASE);
        Self { limit, left: limit }
    }

    /// Pays for `bytes`.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), ObjError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or(ObjError::TooLarge { limit: self.limit })?;
        Ok(())
    }
}
