//! Pages of maps and of other features.

use super::{list, types};
use crate::{Feature, MapEntries, MapFlag, MapInfo, MapKey, MapValue};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

const MAPS: &str = "# Map types\n\n\
What Linux 6.18 has, and the release that had it first; what keys, values and `max_entries` are; the \
flags that creation takes, those in bold needed; the helpers that work with it. A kernel that may have a \
type by backport can be asked: create one of the least size.\n\n\
| number | type | since | key | value | entries | flags | helpers | program types |\n\
|---|---|---|---|---|---|---|---|---|\n";

pub(super) fn maps(out: &mut String) -> fmt::Result {
    out.push_str(MAPS);
    for info in MapInfo::all() {
        let (number, name, since) = (info.map_type.number(), info.map_type, info.since);
        let (key, value, entries) = (key(info.key), value(info.value), entries(info.entries));
        let flags = list(info.flags.iter().map(|flag| {
            let name = flag.name().trim_start_matches("BPF_F_").to_lowercase();
            if info.must.contains(flag) { format!("**{name}**") } else { name }
        }));
        let (helpers, progs) = (list(info.helpers), types(info.progs));
        writeln!(
            out,
            "| {number} | {name} | {since} | {key} | {value} | {entries} | {flags} | {helpers} | {progs} |"
        )?;
    }
    out.push_str("\n## Flags\n\n| flag | value | since |\n|---|---|---|\n");
    for flag in MapFlag::of(u32::MAX) {
        writeln!(out, "| `{}` | {:#x} | {} |", flag.name(), flag.bit(), flag.since())?;
    }
    Ok(())
}

fn key(key: MapKey) -> String {
    match key {
        MapKey::None => "none".to_string(),
        MapKey::Index => "index, 4 bytes".to_string(),
        MapKey::Bytes(u32::MAX) => "any bytes".to_string(),
        MapKey::Bytes(most) => format!("up to {most} bytes"),
        MapKey::Prefix => "bits, then up to 256 bytes".to_string(),
        MapKey::Id => "id, 4 bytes".to_string(),
        MapKey::Object(what) => format!("{what}; its descriptor from user space"),
        MapKey::Cgroup => "`struct bpf_cgroup_storage_key` or cgroup id".to_string(),
    }
}

fn value(value: MapValue) -> String {
    match value {
        MapValue::None => "none".to_string(),
        MapValue::Bytes => "any bytes".to_string(),
        MapValue::PerCpu => "up to 32 KiB for each CPU".to_string(),
        MapValue::Fd(what) => format!("{what} by descriptor, 4 bytes"),
        MapValue::Struct(what, sizes) => format!("{what}, {} bytes", list(sizes)),
        MapValue::Stack => "addresses, 8 bytes each".to_string(),
        MapValue::Ops => "structure of the kernel".to_string(),
    }
}

fn entries(entries: MapEntries) -> &'static str {
    match entries {
        MapEntries::Count => "number",
        MapEntries::Bytes => "bytes, a power of two and whole pages",
        MapEntries::Pages => "pages",
        MapEntries::Zero => "0",
    }
}

const FEATURES: &str = "# Other features\n\n\
What programs can use besides types, helpers and functions, and the first release with it.\n\n\
| feature | since |\n|---|---|\n";

pub(super) fn features(out: &mut String) -> fmt::Result {
    out.push_str(FEATURES);
    for feature in Feature::all() {
        writeln!(out, "| {} | {} |", feature.name(), feature.since())?;
    }
    Ok(())
}
