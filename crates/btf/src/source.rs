//! The bytes that types are read from.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

/// A whole input, owned or shared, and where its sections are.
#[derive(Clone)]
pub(crate) struct Source {
    bytes: Bytes,
    types: Range<usize>,
    strings: Range<usize>,
}

#[derive(Clone)]
enum Bytes {
    Owned(Vec<u8>),
    Shared(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl Source {
    /// An input of which no section is known yet.
    pub(crate) fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        Self { bytes: Bytes::Shared(Arc::new(bytes)), types: 0..0, strings: 0..0 }
    }

    pub(crate) fn set_sections(&mut self, types: Range<usize>, strings: Range<usize>) {
        (self.types, self.strings) = (types, strings);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Owned(bytes) => bytes,
            Bytes::Shared(bytes) => (**bytes).as_ref(),
        }
    }

    pub(crate) fn words(&self) -> &[[u8; 4]] {
        self.bytes().get(self.types.clone()).unwrap_or_default().as_chunks().0
    }

    /// The words to write to; copies bytes that are shared.
    pub(crate) fn words_mut(&mut self) -> &mut [[u8; 4]] {
        if let Bytes::Shared(bytes) = &self.bytes {
            self.bytes = Bytes::Owned((**bytes).as_ref().to_vec());
        }
        match &mut self.bytes {
            Bytes::Owned(bytes) => {
                bytes.get_mut(self.types.clone()).unwrap_or_default().as_chunks_mut().0
            }
            Bytes::Shared(_) => &mut [],
        }
    }

    /// Where in the input the types begin.
    pub(crate) const fn types_at(&self) -> usize {
        self.types.start
    }

    /// The string section: ends with a zero byte.
    pub(crate) fn strings(&self) -> &[u8] {
        self.bytes().get(self.strings.clone()).unwrap_or_default()
    }
}
