//! Byte order, and reading numbers in it.

/// How the bytes of a number stand in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first; the order of `bpfel` objects and of most hosts.
    #[default]
    Little,
    /// Most significant byte first; the order of `bpfeb` objects and of the network.
    Big,
}

impl ByteOrder {
    /// 0xeb9f, with which BTF and BTF.ext begin.
    pub(crate) const fn magic(self) -> [u8; 2] {
        match self {
            Self::Little => [0x9f, 0xeb],
            Self::Big => [0xeb, 0x9f],
        }
    }

    pub(crate) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(crate) const fn bytes(self, word: u32) -> [u8; 4] {
        match self {
            Self::Little => word.to_le_bytes(),
            Self::Big => word.to_be_bytes(),
        }
    }

    /// The number whose digits, to the base 256, are `bytes`; at most the last 16 digits count.
    pub(crate) fn uint(self, bytes: &[u8]) -> u128 {
        let push = |num: u128, &byte: &u8| (num << 8) | u128::from(byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, push),
            Self::Big => bytes.iter().fold(0, push),
        }
    }
}
