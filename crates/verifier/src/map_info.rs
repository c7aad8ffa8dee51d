//! Maps as the verifier sees them.

use crate::record::Record;
use skep_abi::MapType;
use skep_prog::{DataKind, Initial, MapDef};

/// `BPF_F_RDONLY_PROG`
pub(crate) const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_WRONLY_PROG`
pub(crate) const WRONLY_PROG: u32 = 1 << 8;

/// A map that a program uses, or the template of the maps inside one.
#[derive(Clone, Debug)]
pub(crate) struct MapInfo<'a> {
    /// Its definition.
    pub(crate) def: &'a MapDef,
    /// Fields of its values that have a meaning.
    pub(crate) record: Record,
    /// For a map of maps, where in the list its template stands.
    pub(crate) inner: Option<u32>,
    /// Flags with those that the loader adds.
    pub(crate) flags: u32,
    /// Whether user space can no longer change it.
    pub(crate) frozen: bool,
}

impl MapInfo<'_> {
    /// Kind of map.
    pub(crate) fn map_type(&self) -> MapType {
        self.def.map_type
    }

    /// Whether programs may read values.
    pub(crate) fn may_read(&self) -> bool {
        self.flags & WRONLY_PROG == 0
    }

    /// Whether programs may write values.
    pub(crate) fn may_write(&self) -> bool {
        self.flags & RDONLY_PROG == 0
    }

    /// Content that can no longer change, for loads to be constants. Kernel: `bpf_map_is_rdonly`.
    pub(crate) fn constant(&self) -> Option<&[u8]> {
        match &self.def.initial {
            Initial::Value(bytes) if self.frozen && !self.may_write() => Some(bytes),
            _ => None,
        }
    }

    /// Whether the loader makes it read-only and freezes it.
    pub(crate) fn is_rodata(def: &MapDef) -> bool {
        matches!(def.data, Some(DataKind::Rodata | DataKind::Kconfig))
    }
}
