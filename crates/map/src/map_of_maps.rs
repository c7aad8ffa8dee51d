//! Maps of maps.
//!
//! Source: `kernel/bpf/map_in_map.c`; `fd_array_map_*` in `arraymap.c`, `fd_htab_map_*` in
//! `hashtab.c`.

use crate::Map;
use crate::key_value::{ANY, EXIST, NOEXIST, next_index, sized};
use crate::rules::F_INNER_MAP;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Bound;
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;
use spin::RwLock;

/// `array_of_maps` and `hash_of_maps`: maps that are alike, by key.
pub struct MapOfMaps {
    def: MapDef,
    inner: MapDef,
    maps: RwLock<BTreeMap<Box<[u8]>, Map>>,
}

impl MapOfMaps {
    pub(crate) fn new(mut def: MapDef) -> Result<Self, Errno> {
        let inner = def.inner.clone().ok_or(Errno::EBADF)?;
        def.value_size = 4;
        Ok(Self { def, inner: *inner, maps: RwLock::new(BTreeMap::new()) })
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// What each map in it is like.
    #[must_use]
    pub fn inner(&self) -> &MapDef {
        &self.inner
    }

    /// The map of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Map> {
        self.maps.read().get(key).cloned()
    }

    /// Maps at present.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.maps.read().len()
    }

    /// Puts a map in, or another one in its place. For the user; programs cannot.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a map unlike those that the definition names, for flags and sizes; `E2BIG` for a
    /// full map or an index beyond the end; `EEXIST`, `ENOENT`.
    pub fn set(&self, key: &[u8], map: Map, flags: u64) -> Result<(), Errno> {
        sized(key, self.def.key_size as usize)?;
        if flags > EXIST || (self.is_array() && flags != ANY) {
            return Err(Errno::EINVAL);
        }
        self.check_index(key)?;
        if !alike(&self.inner, map.def()) {
            return Err(Errno::EINVAL);
        }
        let mut maps = self.maps.write();
        let full = maps.len() == self.def.max_entries as usize;
        match maps.contains_key(key) {
            true if flags == NOEXIST => return Err(Errno::EEXIST),
            false if flags == EXIST => return Err(Errno::ENOENT),
            false if full => return Err(Errno::E2BIG),
            _ => {}
        }
        let old = maps.insert(key.into(), map);
        // The old map may go with this, which is not to happen under the lock.
        drop(maps);
        drop(old);
        Ok(())
    }

    /// Takes a map out.
    ///
    /// # Errors
    ///
    /// `ENOENT`; `E2BIG` for an index beyond the end.
    pub fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        sized(key, self.def.key_size as usize)?;
        self.check_index(key)?;
        let old = self.maps.write().remove(key);
        old.map(drop).ok_or(Errno::ENOENT)
    }

    /// Writes the key after `key` to `next`, as [`UserSide::next_key`](crate::UserSide::next_key);
    /// arrays have all their indices.
    ///
    /// # Errors
    ///
    /// `ENOENT` after the last.
    pub fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        sized(next, self.def.key_size as usize)?;
        if self.is_array() {
            return next_index(self.def.max_entries, key, next);
        }
        let maps = self.maps.read();
        let after = key.filter(|key| maps.contains_key(*key));
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (found, _) =
            maps.range::<[u8], _>((start, Bound::Unbounded)).next().ok_or(Errno::ENOENT)?;
        next.copy_from_slice(found);
        Ok(())
    }

    fn is_array(&self) -> bool {
        self.def.map_type == MapType::ArrayOfMaps
    }

    fn check_index(&self, key: &[u8]) -> Result<(), Errno> {
        let beyond = |index: [u8; 4]| u32::from_ne_bytes(index) >= self.def.max_entries;
        let index = key.as_array().filter(|_| self.is_array());
        if index.is_some_and(|index| beyond(*index)) { Err(Errno::E2BIG) } else { Ok(()) }
    }
}

/// Whether a map may stand where another is expected.
///
/// Kernel: `bpf_map_meta_equal`, `array_map_meta_equal`.
fn alike(expected: &MapDef, map: &MapDef) -> bool {
    let any_length = expected.map_type != MapType::Array || expected.flags & F_INNER_MAP != 0;
    map.map_type == expected.map_type
        && map.key_size == expected.key_size
        && map.value_size == expected.value_size
        && map.flags == expected.flags
        && (any_length || map.max_entries == expected.max_entries)
}
