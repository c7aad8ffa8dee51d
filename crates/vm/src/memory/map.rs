//! Regions of maps.

use skep_map::{Map, ProgAccess, Values};

/// A map, as programs see its values.
pub(crate) struct MapRegion {
    pub(super) map: Map,
    /// As the map's flags say.
    access: ProgAccess,
}

impl MapRegion {
    pub(crate) fn new(map: &Map) -> Self {
        Self { map: map.clone(), access: map.prog_access() }
    }

    /// Whether programs may write, or read.
    #[inline]
    pub(super) const fn allows(&self, write: bool) -> bool {
        if write { self.access.write } else { self.access.read }
    }

    /// The values, all of which are always there; maps of other kinds have none.
    #[inline]
    pub(super) fn values(&self) -> Option<&Values> {
        match &self.map {
            Map::KeyValue(map) => Some(map.values()),
            Map::Storage(map) => Some(map.values()),
            Map::Attached(map) => Some(map.values()),
            _ => None,
        }
    }
}
