//! What link layer discovery tells of telephones and the like (ANSI/TIA-1057, LLDP-MED).

use crate::cx::{Cx, Printed};
use crate::lldp::Shown;
use crate::tok::{Toks, tok};

const KINDS: &Toks = &[
    (1, "LLDP-MED Capabilities"),
    (2, "Network policy"),
    (3, "Location identification"),
    (4, "Extended power-via-MDI"),
    (5, "Inventory - hardware revision"),
    (6, "Inventory - firmware revision"),
    (7, "Inventory - software revision"),
    (8, "Inventory - serial number"),
    (9, "Inventory - manufacturer name"),
    (10, "Inventory - model name"),
    (11, "Inventory - asset ID"),
];
const CAPABILITIES: &Toks = &[
    (0x01, "LLDP-MED capabilities"),
    (0x02, "network policy"),
    (0x04, "location identification"),
    (0x08, "extended power via MDI-PSE"),
    (0x10, "extended power via MDI-PD"),
    (0x20, "Inventory"),
];
const DEVICES: &Toks = &[
    (1, "endpoint class 1"),
    (2, "endpoint class 2"),
    (3, "endpoint class 3"),
    (4, "network connectivity"),
];
const APPLICATIONS: &Toks = &[
    (1, "voice"),
    (2, "voice signaling"),
    (3, "guest voice"),
    (4, "guest voice signaling"),
    (5, "softphone voice"),
    (6, "video conferencing"),
    (7, "streaming video"),
    (8, "video signaling"),
];
const POLICY_FLAGS: &Toks = &[(0x80, "Unknown"), (0x40, "Tagged"), (0x20, "reserved")];
const LOCATIONS: &Toks = &[(1, "coordinate-based LCI"), (2, "civic address LCI"), (3, "ECS ELIN")];
const ALTITUDES: &Toks = &[(1, "meters"), (2, "floors")];
const DATUMS: &Toks = &[
    (1, "World Geodesic System 1984"),
    (2, "North American Datum 1983 (NAVD88)"),
    (3, "North American Datum 1983 (MLLW)"),
];
const LOCATED: &Toks = &[
    (0, "location of DHCP server"),
    (1, "location of the network element believed to be closest to the client"),
    (2, "location of the client"),
];
const CIVIC: &Toks = &[
    (1, "national subdivisions (state,canton,region,province,prefecture)"),
    (2, "county, parish, gun, district"),
    (3, "city, township, shi"),
    (4, "city division, borough, city district, ward chou"),
    (5, "neighborhood, block"),
    (6, "street"),
];
const SOURCES: &Toks = &[
    (1, "PSE - primary power source"),
    (2, "local - backup power source"),
    (3, "PSE+local - reserved"),
];
const PRIORITIES: &Toks = &[(1, "critical"), (2, "high"), (3, "low")];
const INVENTORY: &Toks = &[
    (5, "Hardware revision"),
    (6, "Firmware revision"),
    (7, "Software revision"),
    (8, "Serial number"),
    (9, "Manufacturer name"),
    (10, "Model name"),
    (11, "Asset ID"),
];

pub(crate) fn print(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<Shown> {
    if len < 4 {
        return Ok(Shown::Whole);
    }
    let kind = cx.u8(p + 3)?;
    put!(cx, "\n\t  {} Subtype ({kind})", tok(KINDS, kind).unwrap_or("unknown"));
    match kind {
        1 if len >= 7 => {
            let (capabilities, device) = (cx.u16(p + 4)?, cx.u8(p + 6)?);
            cx.s("\n\t    Media capabilities [");
            cx.bits(CAPABILITIES, capabilities, ", ", "none");
            put!(cx, "] (0x{capabilities:04x})\n\t    Device type [");
            put!(cx, "{}] (0x{device:02x})", tok(DEVICES, device).unwrap_or("unknown"));
        }
        2 if len >= 8 => policy(cx, p + 4)?,
        3 if len >= 5 => location(cx, p, len)?,
        4 if len >= 7 => power(cx, p + 4)?,
        5..=11 => {
            put!(cx, "\n\t  {} ", tok(INVENTORY, kind).unwrap_or("unknown"));
            cx.padded_chars(p + 4, len - 4)?;
        }
        1..=4 => {}
        _ => return Ok(Shown::Unknown),
    }
    Ok(Shown::Whole)
}

fn policy(cx: &mut Cx<'_>, p: usize) -> Printed {
    let (application, flags) = (cx.u8(p)?, cx.u8(p + 1)?);
    let name = tok(APPLICATIONS, application).unwrap_or("none");
    put!(cx, "\n\t    Application type [{name}] (0x{application:02x}), Flags [");
    cx.bits(POLICY_FLAGS, flags, ", ", "none");
    let (vlan, rest) = (cx.u16(p + 1)? >> 1 & 0xfff, cx.u16(p + 2)?);
    let (priority, dscp) = (rest >> 6 & 7, rest & 0x3f);
    put!(cx, "]\n\t    Vlan id {vlan}, L2 priority {priority}, DSCP value {dscp}");
    Ok(())
}

fn power(cx: &mut Cx<'_>, p: usize) -> Printed {
    let (head, tenths) = (cx.u8(p)?, cx.u16(p + 1)?);
    // The two low bits, as tcpdump has it, though the type is in the high ones.
    let device = if head & 3 == 0 { "PSE" } else { "PD" };
    let source = tok(SOURCES, head >> 4 & 3).unwrap_or("none");
    put!(cx, "\n\t    Power type [{device} device], Power source [{source}]");
    let priority = head & 15;
    let name = tok(PRIORITIES, priority).unwrap_or("none");
    put!(cx, "\n\t    Power priority [{name}] (0x{priority:02x})");
    if tenths < 1024 {
        put!(cx, ", Power {}.{} Watts", tenths / 10, tenths % 10);
    } else {
        put!(cx, ", Power {tenths} (Reserved)");
    }
    Ok(())
}

fn location(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    let format = cx.u8(p + 4)?;
    let name = tok(LOCATIONS, format).unwrap_or("unknown");
    put!(cx, "\n\t    Location data format {name} (0x{format:02x})");
    match format {
        1 if len >= 21 => coordinates(cx, p + 5)?,
        2 if len >= 6 => civic(cx, p + 5, len - 5)?,
        1 | 2 => {}
        3 => {
            cx.s("\n\t    ECS ELIN id ");
            cx.padded_chars(p + 5, len - 5)?;
        }
        _ => {
            cx.s("\n\t    Location ID ");
            cx.unknown_data(p + 5, "\n\t      ", len - 5)?;
        }
    }
    Ok(())
}

/// RFC 3825: latitude and longitude of 34 bits behind their resolutions, altitude, datum.
fn coordinates(cx: &mut Cx<'_>, p: usize) -> Printed {
    for (name, value, at) in [("Latitude", "latitude", p), ("Longitude", "longitude", p + 5)] {
        let head = cx.u8(at)?;
        let bits = (head as u64 & 3) << 32 | u64::from(cx.word(at + 1)?);
        put!(cx, "\n\t    {name} resolution {}, {value} value {bits}", head >> 2);
    }
    let kind = cx.u8(p + 10)? >> 4;
    put!(cx, "\n\t    Altitude type {} ({kind})", tok(ALTITUDES, kind).unwrap_or("unknown"));
    let (resolution, altitude) = (cx.u16(p + 10)? >> 6 & 0x3f, cx.u32(p + 11)? & 0x3fff_ffff);
    put!(cx, "\n\t    Altitude resolution {resolution}, altitude value 0x{altitude:x}");
    let datum = cx.u8(p + 15)?;
    put!(cx, "\n\t    Datum {} (0x{datum:02x})", tok(DATUMS, datum).unwrap_or("unknown"));
    Ok(())
}

/// RFC 4776: a country and parts of an address.
fn civic(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    let size = cx.u8(p)?;
    if size < 3 || len < 2 + size {
        return Ok(());
    }
    let what = cx.u8(p + 1)?;
    let name = tok(LOCATED, what).unwrap_or("unknown");
    put!(cx, "\n\t    LCI length {size}, LCI what {name} (0x{what:02x}), Country-code ");
    cx.padded_chars(p + 2, 2)?;
    let (mut p, mut left) = (p + 4, size - 3);
    while left >= 2 {
        let (kind, size) = (cx.u8(p)?, cx.u8(p + 1)?);
        (p, left) = (p + 2, left - 2);
        let name = tok(CIVIC, kind).unwrap_or("unknown");
        put!(cx, "\n\t      CA type '{name}' ({kind}), length {size}: ");
        if kind == 0 || size == 0 || left < size {
            break;
        }
        cx.padded_chars(p, size)?;
        (p, left) = (p + size, left - size);
    }
    Ok(())
}
