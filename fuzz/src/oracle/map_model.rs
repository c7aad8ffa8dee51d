//! Maps as lists of entries: the plainest there are, to compare with.

use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// Entries in the order of their making.
pub struct Model {
    def: MapDef,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Model {
    /// An array, a hash or a longest prefix match map, all of one CPU.
    #[must_use]
    pub fn new(def: &MapDef) -> Self {
        let zero = vec![0; def.value_size as usize];
        let all = 0..def.max_entries;
        let entries = match def.map_type {
            MapType::Array => all.map(|n| (n.to_ne_bytes().to_vec(), zero.clone())).collect(),
            _ => Vec::new(),
        };
        Self { def: def.clone(), entries }
    }

    /// The value that a lookup finds.
    #[must_use]
    pub fn lookup(&self, key: &[u8]) -> Option<&[u8]> {
        if self.def.map_type != MapType::LpmTrie {
            return Some(&self.entries[self.position(key)?].1);
        }
        let wanted = prefix(key)?;
        let matches = |key: &[u8]| prefix(key).filter(|bits| wanted.starts_with(bits));
        let best = self.entries.iter().filter_map(|(key, value)| Some((matches(key)?, value)));
        best.max_by_key(|(bits, _)| bits.len()).map(|(_, value)| &value[..])
    }

    /// Kernel: `array_map_update_elem`, `htab_map_update_elem`, `trie_update_elem`.
    ///
    /// # Errors
    /// As these.
    pub fn update(&mut self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let (any, noexist, exist) = (0, 1, 2);
        let map_type = self.def.map_type;
        if ![any, noexist, exist].contains(&flags) || self.is_invalid(key) {
            return Err(Errno::EINVAL);
        }
        let full = self.entries.len() == self.def.max_entries as usize;
        match self.position(key) {
            None if map_type == MapType::Array => Err(Errno::E2BIG),
            Some(_) if flags == noexist => Err(Errno::EEXIST),
            None if flags == exist => Err(Errno::ENOENT),
            None if full && map_type == MapType::Hash => Err(Errno::E2BIG),
            None if full => Err(Errno::ENOSPC),
            Some(at) => {
                self.entries[at] = (key.to_vec(), value.to_vec());
                Ok(())
            }
            None => {
                self.entries.push((key.to_vec(), value.to_vec()));
                Ok(())
            }
        }
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// As the kernel's `map_delete_elem` of the type.
    pub fn delete(&mut self, key: &[u8]) -> Result<(), Errno> {
        if self.def.map_type == MapType::Array || self.is_invalid(key) {
            return Err(Errno::EINVAL);
        }
        let at = self.position(key).ok_or(Errno::ENOENT)?;
        self.entries.remove(at);
        Ok(())
    }

    /// Keys in no particular order.
    #[must_use]
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.entries.iter().map(|(key, _)| key.clone()).collect()
    }

    fn is_invalid(&self, key: &[u8]) -> bool {
        self.def.map_type == MapType::LpmTrie && prefix(key).is_none()
    }

    /// Where the entry of this very key is.
    fn position(&self, key: &[u8]) -> Option<usize> {
        self.entries.iter().position(|(other, _)| match self.def.map_type {
            MapType::LpmTrie => prefix(other) == prefix(key),
            _ => other == key,
        })
    }
}

/// The bits of a longest prefix match key that count.
fn prefix(key: &[u8]) -> Option<Vec<bool>> {
    let (&len, data) = key.split_first_chunk()?;
    let bits = data.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1 == 1));
    let bits: Vec<bool> = bits.collect();
    bits.get(..u32::from_ne_bytes(len) as usize).map(<[bool]>::to_vec)
}
