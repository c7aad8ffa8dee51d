//! Maps to look at.

use skep_btf::{Btf, ByteOrder, Shown, TypeId};
use skep_map::{KeyValue, Map};
use skep_prog::MapDef;

/// A map of a session.
pub struct MapView<'a> {
    pub(crate) btf: Option<&'a Btf>,
    pub(crate) map: &'a Map,
}

/// One entry, by its types.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Shown,
    /// The value; of each CPU, in per-CPU maps.
    pub values: Vec<Shown>,
    /// Whether all bytes of all values are zero, as in array entries never written.
    pub zero: bool,
}

impl<'a> MapView<'a> {
    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &'a MapDef {
        self.map.def()
    }

    /// Entries at present; none for maps without keys.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.map {
            Map::KeyValue(map) => map.entries(),
            _ => 0,
        }
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records a ring buffer had no room for.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        match self.map {
            Map::RingBuf(ring) => ring.dropped(),
            _ => 0,
        }
    }

    /// The entries, in the map's order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        let (btf, def) = (self.btf, self.def());
        let map = match self.map {
            Map::KeyValue(map) => Some(&**map),
            _ => None,
        };
        let mut last: Option<Vec<u8>> = None;
        std::iter::from_fn(move || {
            let map = map?;
            let mut key = vec![0; def.key_size as usize];
            map.next_key(last.as_deref(), &mut key).ok()?;
            let entry = entry(btf, map, &key);
            last = Some(key);
            Some(entry)
        })
    }
}

fn entry(btf: Option<&Btf>, map: &dyn KeyValue, key: &[u8]) -> Entry {
    let def = map.def();
    let mut bytes = Vec::new();
    // An entry deleted by another thread meanwhile shows as one without values.
    let _ = map.lookup_user(key, &mut bytes);
    let size = def.value_size as usize;
    // The values of per-CPU maps stand padded to eight bytes, one for each CPU.
    let chunk = if bytes.len() > size { size.next_multiple_of(8) } else { size.max(1) };
    let value = |bytes: &[u8]| show(btf, def.value_type, &bytes[..size.min(bytes.len())]);
    Entry {
        key: show(btf, def.key_type, key),
        values: bytes.chunks(chunk).map(value).collect(),
        zero: bytes.iter().all(|&byte| byte == 0),
    }
}

/// By type; without one, what is as long as an integer is one.
fn show(btf: Option<&Btf>, ty: Option<TypeId>, bytes: &[u8]) -> Shown {
    if let (Some(btf), Some(ty)) = (btf, ty) {
        return btf.show(ty, bytes, ByteOrder::Little);
    }
    let mut wide = [0; 8];
    match bytes.len() {
        1 | 2 | 4 | 8 => {
            wide[..bytes.len()].copy_from_slice(bytes);
            Shown::UInt(u64::from_le_bytes(wide))
        }
        _ => Shown::Bytes(bytes.to_vec()),
    }
}
