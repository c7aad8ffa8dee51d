//! Programs and maps that belong together.

use crate::{DataKind, Initial, Kconfig, MapDef, Prog};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use skep_btf::Btf;

/// Programs, the maps they refer to by index, and what goes with them.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// In the order of the input.
    pub progs: Vec<Prog>,
    /// `ImmSrc::MapIdx(n)` is the n-th.
    pub maps: Vec<MapDef>,
    /// Variables of the map of kind [`DataKind::Kconfig`](crate::DataKind), if there is one.
    pub kconfig: Vec<Kconfig>,
    /// From the section `license`; empty where there is none.
    pub license: String,
    /// The types that [`MapDef`] and [`Subprog`](crate::Subprog) refer to.
    pub btf: Option<Arc<Btf>>,
}

impl Image {
    /// The program of this name.
    #[must_use]
    pub fn prog(&self, name: &str) -> Option<&Prog> {
        self.progs.iter().find(|prog| prog.name == name)
    }

    /// A variable of `.kconfig` that has no value yet, if a map waits for one.
    #[must_use]
    pub fn unfilled(&self) -> Option<&Kconfig> {
        let waits =
            |map: &MapDef| map.data == Some(DataKind::Kconfig) && map.initial == Initial::Empty;
        self.kconfig.first().filter(|_| self.maps.iter().any(waits))
    }

    /// Index of the map of this name.
    #[must_use]
    pub fn map_idx(&self, name: &str) -> Option<usize> {
        self.maps.iter().position(|map| map.name == name)
    }
}
