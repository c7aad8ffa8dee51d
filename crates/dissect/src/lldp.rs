//! Link layer discovery (IEEE 802.1AB), with what 802.1 and 802.3 add of VLANs, links and power.

use crate::cx::{Cx, Printed};
use crate::oui::{DCBX, IANA, IEEE_8023, OUIS, RFC2684, TIA};
use crate::tok::{Toks, tok};
use crate::{lldp_dcb, lldp_tia};

const TLVS: &Toks = &[
    (0, "End"),
    (1, "Chassis ID"),
    (2, "Port ID"),
    (3, "Time to Live"),
    (4, "Port Description"),
    (5, "System Name"),
    (6, "System Description"),
    (7, "System Capabilities"),
    (8, "Management Address"),
    (127, "Organization specific"),
];
const CHASSIS: &Toks = &[
    (1, "Chassis component"),
    (2, "Interface alias"),
    (3, "Port component"),
    (4, "MAC address"),
    (5, "Network address"),
    (6, "Interface name"),
    (7, "Local"),
];
const PORTS: &Toks = &[
    (1, "Interface alias"),
    (2, "Port component"),
    (3, "MAC address"),
    (4, "Network Address"),
    (5, "Interface Name"),
    (6, "Agent circuit ID"),
    (7, "Local"),
];
const CAPABILITIES: &Toks = &[
    (0x01, "Other"),
    (0x02, "Repeater"),
    (0x04, "Bridge"),
    (0x08, "WLAN AP"),
    (0x10, "Router"),
    (0x20, "Telephone"),
    (0x40, "Docsis"),
    (0x80, "Station Only"),
];
const BRIDGES: &Toks = &[
    (1, "Port VLAN Id"),
    (2, "Port and Protocol VLAN ID"),
    (3, "VLAN name"),
    (4, "Protocol Identity"),
    (7, "Link aggregation"),
    (8, "Congestion Notification"),
    (9, "ETS Configuration"),
    (10, "ETS Recommendation"),
    (11, "Priority Flow Control Configuration"),
    (12, "Application Priority"),
    (13, "EVB"),
    (14, "CDCP"),
];
const LINKS: &Toks = &[
    (1, "MAC/PHY configuration/status"),
    (2, "Power via MDI"),
    (3, "Link aggregation"),
    (4, "Max frame size"),
];
const NUMBERING: &Toks = &[(2, "Interface Index"), (3, "System Port Number")];
const SUPPORT: &Toks = &[(1, "supported"), (2, "enabled")];
const MAUS: &Toks = &[
    (0, "Unknown"),
    (1, "AUI"),
    (2, "10BASE_5"),
    (3, "FOIRL"),
    (4, "10BASE2"),
    (5, "10BASET duplex mode unknown"),
    (6, "10BASEFP"),
    (7, "10BASEFB"),
    (8, "10BASEFL duplex mode unknown"),
    (9, "10BROAD36"),
    (10, "10BASET hdx"),
    (11, "10BASET fdx"),
    (12, "10BASEFL hdx"),
    (13, "10BASEFL fdx"),
    (14, "100BASET4"),
    (15, "100BASETX hdx"),
    (16, "100BASETX fdx"),
    (17, "100BASEFX hdx"),
    (18, "100BASEFX fdx"),
    (19, "100BASET2 hdx"),
    (20, "100BASET2 fdx"),
    (21, "1000BASEX hdx"),
    (22, "1000BASEX fdx"),
    (23, "1000BASELX hdx"),
    (24, "1000BASELX fdx"),
    (25, "1000BASESX hdx"),
    (26, "1000BASESX fdx"),
    (27, "1000BASECX hdx"),
    (28, "1000BASECX fdx"),
    (29, "1000BASET hdx"),
    (30, "1000BASET fdx"),
    (31, "10GBASEX"),
    (32, "10GBASELX4"),
    (33, "10GBASER"),
    (34, "10GBASEER"),
    (35, "10GBASELR"),
    (36, "10GBASESR"),
    (37, "10GBASEW"),
    (38, "10GBASEEW"),
    (39, "10GBASELW"),
    (40, "10GBASESW"),
];
const MEDIA: &Toks = &[
    (0x4000, "10BASE-T hdx"),
    (0x2000, "10BASE-T fdx"),
    (0x1000, "100BASE-T4"),
    (0x800, "100BASE-TX hdx"),
    (0x400, "100BASE-TX fdx"),
    (0x200, "100BASE-T2 hdx"),
    (0x100, "100BASE-T2 fdx"),
    (128, "Pause for fdx links"),
    (64, "Asym PAUSE for fdx"),
    (32, "Sym PAUSE for fdx"),
    (16, "Asym and Sym PAUSE for fdx"),
    (8, "1000BASE-{X LX SX CX} hdx"),
    (4, "1000BASE-{X LX SX CX} fdx"),
    (2, "1000BASE-T hdx"),
    (1, "1000BASE-T fdx"),
];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "lldp";
    put!(cx, "LLDP, length {len}");
    let verbose = cx.o.verbose;
    let (mut p, mut left) = (at, len);
    while left >= 2 {
        if !cx.has(p, 2) {
            cx.trunc();
            return Ok(());
        }
        let head = cx.u16(p)?;
        let (kind, size) = (head >> 9, head & 0x1ff);
        (p, left) = (p + 2, left - 2);
        if verbose > 0 {
            put!(cx, "\n\t{} TLV ({kind}), length {size}", tok(TLVS, kind).unwrap_or("Unknown"));
        }
        if kind == 0 || size == 0 {
            break;
        }
        if !cx.has(p, size) || left < size {
            cx.trunc();
            return Ok(());
        }
        let shown = if kind == 5 {
            cx.s(": ");
            cx.padded_chars(p, size)?;
            Shown::Whole
        } else if verbose > 0 {
            value(cx, kind, p, size)?
        } else {
            Shown::Whole
        };
        if matches!(shown, Shown::Cut) {
            cx.trunc();
            return Ok(());
        }
        if verbose > 1 || (verbose > 0 && matches!(shown, Shown::Unknown)) {
            cx.unknown_data(p, "\n\t  ", size)?;
        }
        (p, left) = (p + size, left - size);
    }
    Ok(())
}

/// What became of a value.
pub(crate) enum Shown {
    Whole,
    /// Its bytes are to be shown.
    Unknown,
    Cut,
}

fn value(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Shown> {
    match kind {
        1 => return identity(cx, CHASSIS, 4, 5, p, len),
        2 => return identity(cx, PORTS, 3, 4, p, len),
        3 if len < 2 => return Ok(Shown::Cut),
        3 => put!(cx, ": TTL {}s", cx.u16(p)?),
        4 => {
            cx.s(": ");
            cx.padded_chars(p, len)?;
        }
        6 => {
            cx.s("\n\t  ");
            cx.padded_chars(p, len)?;
        }
        7 if len < 4 => return Ok(Shown::Cut),
        7 => {
            for (name, at) in [("System  Capabilities", p), ("Enabled Capabilities", p + 2)] {
                let bits = cx.u16(at)?;
                put!(cx, "\n\t  {name} [");
                cx.bits(CAPABILITIES, bits, ", ", "none");
                put!(cx, "] (0x{bits:04x})");
            }
        }
        8 => {
            return Ok(if management(cx, p, len)? { Shown::Whole } else { Shown::Cut });
        }
        127 if len < 3 => return Ok(Shown::Cut),
        127 => return organisation(cx, p, len),
        _ => return Ok(Shown::Unknown),
    }
    Ok(Shown::Whole)
}

/// Who a chassis or a port is: `mac` and `network` are the kinds that are addresses.
fn identity(
    cx: &mut Cx<'_>,
    names: &'static Toks,
    mac: usize,
    network: usize,
    p: usize,
    len: usize,
) -> Printed<Shown> {
    if len < 2 {
        return Ok(Shown::Cut);
    }
    let kind = cx.u8(p)?;
    put!(cx, "\n\t  Subtype {} ({kind}): ", tok(names, kind).unwrap_or("Unknown"));
    if kind == mac {
        if len < 7 {
            return Ok(Shown::Cut);
        }
        cx.mac(p + 1)?;
    } else if kind == network {
        if !address(cx, p + 1, len - 1)? {
            return Ok(Shown::Cut);
        }
    } else if tok(names, kind).is_some() {
        cx.padded_chars(p + 1, len - 1)?;
    } else {
        return Ok(Shown::Unknown);
    }
    Ok(Shown::Whole)
}

/// An address behind its family; whether it was all there.
fn address(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    if len < 1 {
        return Ok(false);
    }
    let family = cx.u8(p)?;
    let name = tok(crate::af::FAMILIES, family).unwrap_or("Unknown");
    let size = match family {
        1 => 4,
        2 => 16,
        6 => 6,
        _ => {
            put!(cx, "AFI {name} ({family}), no AF printer !");
            return Ok(true);
        }
    };
    if len - 1 < size {
        return Ok(false);
    }
    put!(cx, "AFI {name} ({family}): ");
    match family {
        1 => cx.ip(p + 1)?,
        2 => cx.ip6(p + 1)?,
        _ => cx.mac(p + 1)?,
    }
    Ok(true)
}

/// Whether it was all there.
fn management(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    let size = cx.u8(p)?;
    let (p, left) = (p + 1, len - 1);
    if left < size {
        return Ok(false);
    }
    let start = cx.out.len();
    put!(cx, "\n\t  Management Address length {size}, ");
    if !address(cx, p, size)? {
        cx.out.truncate(start);
        return Ok(false);
    }
    let (p, left) = (p + size, left - size);
    if left < 5 {
        return Ok(false);
    }
    let kind = cx.u8(p)?;
    put!(
        cx,
        "\n\t  {} Interface Numbering ({kind}): {}",
        tok(NUMBERING, kind).unwrap_or("Unknown"),
        cx.u32(p + 1)?
    );
    let (p, left) = (p + 5, left - 5);
    if left > 0 {
        let size = cx.u8(p)?;
        if left < 1 + size {
            return Ok(false);
        }
        if size > 0 {
            put!(cx, "\n\t  OID length {size}");
            cx.padded_chars(p + 1, size)?;
        }
    }
    Ok(true)
}

fn organisation(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<Shown> {
    let org = cx.u24(p)?;
    put!(cx, ": OUI {} (0x{org:06x})", tok(OUIS, org).unwrap_or("Unknown"));
    let names = match org {
        RFC2684 => BRIDGES,
        IEEE_8023 => LINKS,
        IANA => return assigned(cx, p, len),
        TIA => return lldp_tia::print(cx, p, len),
        DCBX => return lldp_dcb::exchange(cx, p, len),
        _ => return Ok(Shown::Unknown),
    };
    if len < 4 {
        return Ok(Shown::Whole);
    }
    let kind = cx.u8(p + 3)?;
    put!(cx, "\n\t  {} Subtype ({kind})", tok(names, kind).unwrap_or("unknown"));
    if org == RFC2684 { bridge(cx, kind, p, len) } else { link(cx, kind, p, len) }
}

/// What IANA adds (RFC 8520): where a device's manufacturer tells what it is for.
fn assigned(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<Shown> {
    if len < 8 {
        return Ok(Shown::Whole);
    }
    let kind = cx.u8(p + 3)?;
    let is_url = kind == 1;
    put!(cx, "\n\t  {} Subtype ({kind})", if is_url { "MUD-URL" } else { "unknown" });
    if !is_url {
        return Ok(Shown::Unknown);
    }
    cx.s("\n\t  MUD-URL=");
    cx.chars(p + 4, len - 4);
    Ok(Shown::Whole)
}

/// What 802.1 adds.
fn bridge(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Shown> {
    match kind {
        1 if len >= 6 => put!(cx, "\n\t    port vlan id (PVID): {}", cx.u16(p + 4)?),
        2 if len >= 7 => {
            let flags = cx.u8(p + 4)?;
            put!(cx, "\n\t    port and protocol vlan id (PPVID): {}, flags [", cx.u16(p + 5)?);
            cx.bits(&[(2, "supported"), (4, "enabled")], flags, ", ", "none");
            put!(cx, "] (0x{flags:02x})");
        }
        3 if len >= 6 => {
            put!(cx, "\n\t    vlan id (VID): {}", cx.u16(p + 4)?);
            if len >= 7 && len >= 7 + cx.u8(p + 6)? {
                cx.s("\n\t    vlan name: ");
                cx.padded_chars(p + 7, cx.u8(p + 6)?)?;
            }
        }
        4 if len >= 5 && len >= 5 + cx.u8(p + 4)? => {
            cx.s("\n\t    protocol identity: ");
            cx.padded_chars(p + 5, cx.u8(p + 4)?)?;
        }
        7 => aggregation(cx, p, len)?,
        1..=4 => {}
        _ => return lldp_dcb::bridge(cx, kind, p, len),
    }
    Ok(Shown::Whole)
}

fn aggregation(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    if len >= 9 {
        cx.s("\n\t    aggregation status [");
        cx.bits(SUPPORT, cx.u8(p + 4)?, ", ", "none");
        put!(cx, "], aggregation port ID {}", cx.u32(p + 5)?);
    }
    Ok(())
}

/// What 802.3 adds.
fn link(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Shown> {
    match kind {
        1 if len >= 9 => {
            let (auto, media, unit) = (cx.u8(p + 4)?, cx.u16(p + 5)?, cx.u16(p + 7)?);
            cx.s("\n\t    autonegotiation [");
            cx.bits(SUPPORT, auto, ", ", "none");
            put!(cx, "] (0x{auto:02x})\n\t    PMD autoneg capability [");
            cx.bits(MEDIA, media, ", ", "unknown");
            put!(cx, "] (0x{media:04x})\n\t    MAU type ");
            put!(cx, "{} (0x{unit:04x})", tok(MAUS, unit).unwrap_or("unknown"));
        }
        2 if len >= 7 => {
            cx.s("\n\t    MDI power support [");
            let names: &Toks =
                &[(1, "PSE"), (2, "supported"), (4, "enabled"), (8, "can be controlled")];
            cx.bits(names, cx.u8(p + 4)?, ", ", "none");
            let pair = match cx.u8(p + 5)? {
                1 => "signal",
                2 => "spare",
                _ => "unknown",
            };
            let class = ["unknown", "class0", "class1", "class2", "class3", "class4"];
            let class = class.get(cx.u8(p + 6)?).unwrap_or(&"unknown");
            put!(cx, "], power pair {pair}, power class {class}");
        }
        3 => aggregation(cx, p, len)?,
        4 if len >= 6 => put!(cx, "\n\t    MTU size {}", cx.u16(p + 4)?),
        1..=4 => {}
        _ => return Ok(Shown::Unknown),
    }
    Ok(Shown::Whole)
}
