//! Maps after a run: which of them, and how much of each.

use super::arg::WhichMaps;
use skep::{Entry, MapView, Session};
use skep_abi::MapType;
use skep_btf::Shown;
use skep_prog::DataKind;
use std::cmp::Ordering;
use std::net::IpAddr;

/// The maps to show.
pub(crate) fn chosen(session: &Session, which: WhichMaps) -> impl Iterator<Item = MapView<'_>> {
    session.maps().filter(move |map| match which {
        WhichMaps::None => false,
        WhichMaps::Written => !is_constant(map),
        WhichMaps::All => true,
    })
}

fn is_constant(map: &MapView<'_>) -> bool {
    matches!(map.def().data, Some(DataKind::Rodata | DataKind::Kconfig))
}

/// Entries of a map, as far as they are to be shown.
pub(crate) struct Content<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
    /// Entries of an array left out because they are zero.
    pub(crate) zero: u64,
    /// Entries left out because there are so many.
    pub(crate) more: u64,
}

/// Up to `most` entries of a map, in the order of the map or of its keys.
pub(crate) fn content<'a>(
    map: &MapView<'a>,
    which: WhichMaps,
    most: usize,
    in_order: bool,
) -> Content<'a> {
    let mut content = Content { entries: Vec::new(), zero: 0, more: 0 };
    let skip_zero = which != WhichMaps::All && is_array(map);
    let entries: Box<dyn Iterator<Item = Entry<'a>>> = if in_order && is_hash(map) {
        Box::new(sorted(map).into_iter())
    } else {
        Box::new(map.entries())
    };
    for entry in entries {
        if skip_zero && entry.is_zero() {
            content.zero += 1;
        } else if content.entries.len() < most {
            content.entries.push(entry);
        } else {
            content.more += 1;
        }
    }
    content
}

fn sorted<'a>(map: &MapView<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<_> = map.entries().map(|entry| (entry.show_key(), entry)).collect();
    entries.sort_by(|(a, _), (b, _)| order(a, b));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// Numbers and addresses by value, records by their first member that differs.
fn order(a: &Shown, b: &Shown) -> Ordering {
    let members = |members: &[(String, Shown)], others: &[(String, Shown)]| {
        let pairs = members.iter().zip(others).map(|((_, a), (_, b))| order(a, b));
        pairs.fold(Ordering::Equal, Ordering::then)
    };
    match (a, b) {
        (Shown::Int(a), Shown::Int(b)) => a.cmp(b),
        (Shown::UInt(a), Shown::UInt(b)) => a.cmp(b),
        (Shown::Bytes(a), Shown::Bytes(b)) => a.cmp(b),
        (Shown::Struct(a), Shown::Struct(b)) => members(a, b),
        (Shown::Text(a), Shown::Text(b)) => match (a.parse::<IpAddr>(), b.parse::<IpAddr>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        },
        (a, b) => a.to_string().cmp(&b.to_string()),
    }
}

/// Whether the order of the map says nothing.
fn is_hash(map: &MapView<'_>) -> bool {
    matches!(
        map.def().map_type,
        MapType::Hash | MapType::PercpuHash | MapType::LruHash | MapType::LruPercpuHash
    )
}

/// Whether all entries are there from the beginning. A data section is one entry, whose variables
/// may well be zero.
fn is_array(map: &MapView<'_>) -> bool {
    let def = map.def();
    def.data.is_none() && matches!(def.map_type, MapType::Array | MapType::PercpuArray)
}
