//! Maps to look at.

use skep_abi::MapType;
use skep_btf::{Btf, ByteOrder, Shown, TypeId};
use skep_map::{KeyValue, Map, UserSide};
use skep_prog::MapDef;

/// A map of a session.
pub struct MapView<'a> {
    pub(crate) btf: Option<&'a Btf>,
    pub(crate) map: &'a Map,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    btf: Option<&'a Btf>,
    def: &'a MapDef,
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes; in per-CPU maps those of each CPU, each padded to eight bytes.
    pub value: Vec<u8>,
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
            Map::Attached(map) => map.entries(),
            _ => 0,
        }
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether each CPU has values of its own.
    #[must_use]
    pub fn is_per_cpu(&self) -> bool {
        is_per_cpu(self.def())
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
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let (btf, def) = (self.btf, self.def());
        let map: Option<&'a dyn KeyValue> = match self.map {
            Map::KeyValue(map) => Some(&**map),
            Map::Attached(map) => Some(&**map),
            _ => None,
        };
        let mut last: Option<Vec<u8>> = None;
        std::iter::from_fn(move || {
            let map = map?;
            let mut key = vec![0; def.key_size as usize];
            map.next_key(last.as_deref(), &mut key).ok()?;
            let mut value = Vec::new();
            // An entry deleted by another thread meanwhile shows as one without values.
            let _ = map.lookup_user(&key, &mut value);
            last = Some(key.clone());
            Some(Entry { btf, def, key, value })
        })
    }
}

impl Entry<'_> {
    /// The key by its type.
    #[must_use]
    pub fn show_key(&self) -> Shown {
        show(self.btf, self.def.key_type, &self.key)
    }

    /// The value by its type; of each CPU, in per-CPU maps.
    #[must_use]
    pub fn show_values(&self) -> Vec<Shown> {
        let size = self.def.value_size as usize;
        // The values of per-CPU maps stand padded to eight bytes, one for each CPU.
        let chunk = if is_per_cpu(self.def) { size.next_multiple_of(8) } else { size };
        let show =
            |bytes: &[u8]| show(self.btf, self.def.value_type, bytes.get(..size).unwrap_or(bytes));
        self.value.chunks(chunk.max(1)).map(show).collect()
    }

    /// Whether all bytes of all values are zero, as in array entries never written.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.value.iter().all(|&byte| byte == 0)
    }
}

pub(crate) const fn is_per_cpu(def: &MapDef) -> bool {
    use MapType::{LruPercpuHash, PercpuArray, PercpuCgroupStorage, PercpuHash};
    matches!(def.map_type, PercpuArray | PercpuHash | LruPercpuHash | PercpuCgroupStorage)
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
