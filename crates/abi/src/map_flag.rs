//! Flags of map creation.
//!
//! Source: `BPF_F_*` in `include/uapi/linux/bpf.h`, Linux 6.18.

use crate::Release;
use crate::release::v;

/// A bit of a map's `map_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kernel's own names")]
pub enum MapFlag {
    NoPrealloc = 0,
    NoCommonLru = 1,
    NumaNode = 2,
    Rdonly = 3,
    Wronly = 4,
    StackBuildId = 5,
    ZeroSeed = 6,
    RdonlyProg = 7,
    WronlyProg = 8,
    Clone = 9,
    Mmapable = 10,
    PreserveElems = 11,
    InnerMap = 12,
    Link = 13,
    PathFd = 14,
    VtypeBtfObjFd = 15,
    TokenFd = 16,
    SegvOnFault = 17,
    NoUserConv = 18,
}

/// Name and first release, by bit.
const ROWS: [(MapFlag, &str, Release); 19] = [
    (MapFlag::NoPrealloc, "BPF_F_NO_PREALLOC", v(4, 6)),
    (MapFlag::NoCommonLru, "BPF_F_NO_COMMON_LRU", v(4, 10)),
    (MapFlag::NumaNode, "BPF_F_NUMA_NODE", v(4, 14)),
    (MapFlag::Rdonly, "BPF_F_RDONLY", v(4, 15)),
    (MapFlag::Wronly, "BPF_F_WRONLY", v(4, 15)),
    (MapFlag::StackBuildId, "BPF_F_STACK_BUILD_ID", v(4, 17)),
    (MapFlag::ZeroSeed, "BPF_F_ZERO_SEED", v(5, 0)),
    (MapFlag::RdonlyProg, "BPF_F_RDONLY_PROG", v(5, 2)),
    (MapFlag::WronlyProg, "BPF_F_WRONLY_PROG", v(5, 2)),
    (MapFlag::Clone, "BPF_F_CLONE", v(5, 4)),
    (MapFlag::Mmapable, "BPF_F_MMAPABLE", v(5, 5)),
    (MapFlag::PreserveElems, "BPF_F_PRESERVE_ELEMS", v(5, 10)),
    (MapFlag::InnerMap, "BPF_F_INNER_MAP", v(5, 10)),
    (MapFlag::Link, "BPF_F_LINK", v(6, 4)),
    (MapFlag::PathFd, "BPF_F_PATH_FD", v(6, 5)),
    (MapFlag::VtypeBtfObjFd, "BPF_F_VTYPE_BTF_OBJ_FD", v(6, 9)),
    (MapFlag::TokenFd, "BPF_F_TOKEN_FD", v(6, 9)),
    (MapFlag::SegvOnFault, "BPF_F_SEGV_ON_FAULT", v(6, 9)),
    (MapFlag::NoUserConv, "BPF_F_NO_USER_CONV", v(6, 9)),
];

impl MapFlag {
    /// Those set in `flags`; bits without a name are passed over.
    pub fn of(flags: u32) -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.0).filter(move |flag| flags & flag.bit() != 0)
    }

    /// Its value.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The kernel's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ROWS[self as usize].1
    }

    /// First release that takes it.
    #[must_use]
    pub const fn since(self) -> Release {
        ROWS[self as usize].2
    }

    /// Whether it is about any map, whatever its type: descriptors that come with creation.
    #[must_use]
    pub const fn is_general(self) -> bool {
        matches!(self, Self::TokenFd | Self::VtypeBtfObjFd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_bit() {
        for (at, row) in ROWS.iter().enumerate() {
            assert_eq!(row.0 as usize, at);
        }
        let names: [_; 2] = core::array::from_fn(|at| MapFlag::of(0x401).nth(at).unwrap().name());
        assert_eq!(names, ["BPF_F_NO_PREALLOC", "BPF_F_MMAPABLE"]);
        assert_eq!(MapFlag::of(u32::MAX).count(), ROWS.len());
    }
}
