//! What link layer discovery tells of bridges in data centres: IEEE 802.1Q (Qau, Qaz, Qbg), and DCBX as it was before.

use crate::cx::{Cx, Printed};
use crate::lldp::Shown;
use crate::tok::{Toks, tok};

const EVB_MODES: [&str; 4] =
    ["Not Supported", "EVB Bridge", "EVB Station", "Reserved for future Standardization"];
const VERSIONS: &Toks = &[
    (1, "DCB Capability Exchange Protocol Rev 1"),
    (2, "DCB Capability Exchange Protocol Rev 1.01"),
];

/// The value of an element of 802.1, whose organisation and kind stand before it.
pub(crate) fn bridge(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Shown> {
    let at = p + 4;
    match kind {
        8 if len >= 6 => {
            cx.s("\n\t    Pre-Priority CNPV Indicator");
            by_priority(cx, at)?;
            cx.s("\n\t    Pre-Priority Ready Indicator");
            by_priority(cx, at + 1)?;
        }
        9 if len >= 25 => {
            let head = cx.u8(at)?;
            let (willing, shaper) = (head >> 7, head >> 6 & 2);
            put!(cx, "\n\t    Willing:{willing}, CBS:{shaper}, RES:{}, ", head >> 3 & 7);
            put!(cx, "Max TCs:{}", head & 7);
            transmission(cx, at + 1)?;
        }
        10 if len >= 25 => {
            put!(cx, "\n\t    RES: {}", cx.u8(at)?);
            transmission(cx, at + 1)?;
        }
        11 if len >= 6 => {
            let head = cx.u8(at)?;
            put!(cx, "\n\t    Willing: {}, MBC: {}, ", head >> 7, head >> 6 & 1);
            put!(cx, "RES: {}, PFC cap:{} \n\t    PFC Enable", head >> 4 & 3, head & 15);
            by_priority(cx, at + 1)?;
        }
        12 if len >= 5 => {
            put!(cx, "\n\t    RES: {}", cx.u8(at)?);
            if len > 5 && (len - 5).is_multiple_of(3) {
                cx.s("\n\t    Application Priority Table");
                for row in (at + 1..p + len).step_by(3) {
                    let (head, protocol) = (cx.u8(row)?, cx.u16(row + 1)?);
                    put!(cx, "\n\t      Priority: {}, RES: {}, ", head >> 5, head >> 3 & 3);
                    put!(cx, "Sel: {}, Protocol ID: {protocol}", head & 7);
                }
            }
        }
        13 if len >= 9 => edge(cx, at)?,
        14 if len >= 8 => {
            let head = cx.u8(at)?;
            put!(cx, "\n\t    Role: {}, RES: {}, ", head >> 7, head >> 4 & 7);
            put!(cx, "Scomp: {} ChnCap: {}", head >> 3 & 1, cx.u16(at + 2)? & 0xfff);
            if (len - 8).is_multiple_of(3) {
                for row in (at + 4..p + len).step_by(3) {
                    let pair = cx.u24(row)?;
                    put!(cx, "\n\t    SCID: {}, SVID: {}", pair >> 12, pair & 0xfff);
                }
            }
        }
        8..=14 => {}
        _ => return Ok(Shown::Unknown),
    }
    Ok(Shown::Whole)
}

/// A bit for each priority.
fn by_priority(cx: &mut Cx<'_>, at: usize) -> Printed {
    let bits = cx.u8(at)?;
    cx.s("\n\t     Priority : 0  1  2  3  4  5  6  7\n\t     Value    : ");
    for priority in 0..8 {
        put!(cx, "{:<2} ", bits >> priority & 1);
    }
    Ok(())
}

/// Priorities, bandwidths and algorithms of traffic classes.
fn transmission(cx: &mut Cx<'_>, at: usize) -> Printed {
    const NUMBERS: &str = "0   1   2   3   4   5   6   7";
    let mut classes = [0; 8];
    for (n, class) in classes.iter_mut().enumerate() {
        let pair = cx.u8(at + n / 2)?;
        *class = if n % 2 == 0 { pair >> 4 } else { pair & 15 };
    }
    let bytes = |cx: &Cx<'_>, at: usize| {
        let mut row = [0; 8];
        for (n, value) in row.iter_mut().enumerate() {
            *value = cx.u8(at + n)?;
        }
        Ok(row)
    };
    let (shares, algorithms) = (bytes(cx, at + 4)?, bytes(cx, at + 12)?);
    for (title, head, name, row) in [
        ("Priority Assignment Table", "Priority : ", "Value    : ", classes),
        ("TC Bandwidth Table", "TC%   : ", "Value : ", shares),
        ("TSA Assignment Table", "Traffic Class: ", "Value        : ", algorithms),
    ] {
        put!(cx, "\n\t    {title}\n\t     {head}{NUMBERS}\n\t     {name}");
        for (n, value) in row.into_iter().enumerate() {
            let space = if n < 7 { " " } else { "" };
            put!(cx, "{value:<3}{space}");
        }
    }
    Ok(())
}

/// Edge virtual bridging.
fn edge(cx: &mut Cx<'_>, at: usize) -> Printed {
    let bridge = cx.u8(at)?;
    put!(
        cx,
        "\n\t    EVB Bridge Status\n\t      RES: {}, BGID: {}, ",
        bridge >> 3,
        bridge >> 2 & 1
    );
    put!(cx, "RRCAP: {}, RRCTR: {}", bridge >> 1 & 1, bridge & 1);
    let station = cx.u8(at + 1)?;
    put!(cx, "\n\t    EVB Station Status\n\t      RES: {}, ", station >> 4);
    put!(cx, "SGID: {}, RRREQ: {},", station >> 3 & 1, station >> 2 & 1);
    put!(cx, "RRSTAT: {}", station & 3);
    let retries = cx.u8(at + 2)?;
    put!(cx, "\n\t    R: {}, RTE: {}, ", retries >> 5, retries & 0x1f);
    let mode = cx.u8(at + 3)?;
    put!(cx, "EVB Mode: {} [{}]", EVB_MODES.get(mode >> 6).unwrap_or(&""), mode >> 6);
    put!(cx, "\n\t    ROL: {}, RWD: {}, ", mode >> 5 & 1, mode & 0x1f);
    let alive = cx.u8(at + 4)?;
    put!(cx, "RES: {}, ROL: {}, RKA: {}", alive >> 6, alive >> 5 & 1, alive & 0x1f);
    Ok(())
}

/// Capability exchange as vendors had it before 802.1Qaz; of its first version only the name is shown.
pub(crate) fn exchange(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<Shown> {
    if len < 4 {
        return Ok(Shown::Whole);
    }
    let version = cx.u8(p + 3)?;
    put!(cx, "\n\t  {} Subtype ({version})", tok(VERSIONS, version).unwrap_or("unknown"));
    if version == 1 {
        return Ok(Shown::Unknown);
    }
    let (mut p, mut left) = (p + 4, len - 4);
    let mut shown = Shown::Whole;
    while left >= 2 {
        let head = cx.u16(p)?;
        let (kind, size) = (head >> 9, head & 0x1ff);
        (p, left, shown) = (p + 2, left - 2, Shown::Whole);
        if kind == 0 || size == 0 || left < size {
            break;
        }
        let least = [10, 17, 6, 4].get(kind - 1);
        match least {
            Some(&least) if size < least => break,
            Some(_) => feature(cx, kind, p, size)?,
            None => shown = Shown::Unknown,
        }
        if cx.o.verbose > 1 || least.is_none() {
            cx.unknown_data(p, "\n\t    ", size)?;
        }
        (p, left) = (p + size, left - size);
    }
    Ok(shown)
}

fn feature(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed {
    let name = match kind {
        1 => "Control - Protocol Control",
        2 => "Feature - Priority Group",
        3 => "Feature - Priority Flow Control",
        _ => "Feature - Application",
    };
    put!(cx, "\n\t    {name} (type 0x{kind:x}, length {len})");
    put!(cx, "\n\t      Oper_Version: {}\n\t      Max_Version: {}", cx.u8(p)?, cx.u8(p + 1)?);
    if kind == 1 {
        put!(cx, "\n\t      Sequence Number: {}", cx.u32(p + 2)?);
        put!(cx, "\n\t      Acknowledgement Number: {}", cx.u32(p + 6)?);
        return Ok(());
    }
    let info = cx.u8(p + 2)?;
    put!(cx, "\n\t      Info block(0x{info:02X}): Enable bit: {}, ", info >> 7);
    put!(cx, "Willing bit: {}, Error Bit: {}", info >> 6 & 1, info >> 5 & 1);
    put!(cx, "\n\t      SubType: {}", cx.u8(p + 3)?);
    match kind {
        2 => {
            cx.s("\n\t      Priority Allocation");
            let groups = cx.u32(p + 4)?;
            for n in 0..8 {
                put!(cx, "\n\t          PgId_{n}: {}", groups >> (28 - 4 * n) & 15);
            }
            cx.s("\n\t      Priority Group Allocation");
            for n in 0..8 {
                put!(cx, "\n\t          Pg percentage[{n}]: {}", cx.u8(p + 8 + n)?);
            }
            put!(cx, "\n\t      NumTCsSupported: {}", cx.u8(p + 16)?);
        }
        3 => {
            let bits = cx.u8(p + 4)?;
            put!(cx, "\n\t      PFC Config (0x{bits:02X})");
            for n in 0..8 {
                let is = if bits >> n & 1 == 1 { "Enabled" } else { "Disabled" };
                put!(cx, "\n\t          Priority Bit {n}: {is}");
            }
            put!(cx, "\n\t      NumTCPFCSupported: {}", cx.u8(p + 5)?);
        }
        _ => applications(cx, p + 4, len - 4)?,
    }
    Ok(())
}

fn applications(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    for row in (p..).step_by(6).take(len / 6) {
        put!(cx, "\n\t      Application Value\n\t          Application Protocol ID: ");
        put!(cx, "0x{:04x}", cx.u16(row)?);
        let rest = cx.u24(row + 2)?;
        let (field, oui) = (rest >> 22, rest & 0x3f_ffff);
        let name = if field == 0 { "L2 EtherType" } else { "Socket Number" };
        put!(cx, "\n\t          SF (0x{field:x}) Application Protocol ID is {name}");
        put!(cx, "\n\t          OUI: 0x{oui:06x}");
        put!(cx, "\n\t          User Priority Map: 0x{:02x}", cx.u8(row + 5)?);
    }
    Ok(())
}
