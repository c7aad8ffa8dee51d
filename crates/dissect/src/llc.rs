//! Logical link control (IEEE 802.2) and SNAP.

use crate::cx::{Cx, Printed};
use crate::ether::{self, Addrs, ETHERTYPES};
use crate::oui::{self, OUIS};
use crate::tok::{Toks, tok};
use crate::{ip, stp};

const SAPS: &Toks = &[
    (0x00, "Null"),
    (0xff, "Global"),
    (0x02, "802.1B I"),
    (0x03, "802.1B G"),
    (0x06, "IP"),
    (0x04, "SNA"),
    (0x0e, "ProWay NM"),
    (0x42, "STP"),
    (0x4e, "RS511"),
    (0x7e, "ISO8208"),
    (0x8e, "ProWay"),
    (0xaa, "SNAP"),
    (0xe0, "IPX"),
    (0xf0, "NetBeui"),
    (0xfe, "OSI"),
];
const COMMANDS: &Toks = &[
    (UI, "ui"),
    (0xe3, "test"),
    (XID, "xid"),
    (0x63, "ua"),
    (0x43, "disc"),
    (0x0f, "dm"),
    (0x6f, "sabme"),
    (0x87, "frmr"),
];
const FLAGS: &Toks = &[
    (0, "Command"),
    (1, "Response"),
    (0x10, "Poll"),
    (0x11, "Final"),
    (0x100, "Poll"),
    (0x101, "Final"),
];
const GROUPS: &Toks = &[(0, "Individual"), (1, "Group")];
const SUPERVISORY: &Toks = &[(0, "Receiver Ready"), (1, "Receiver not Ready"), (2, "Reject")];
const CISCO_PIDS: &Toks = &[
    (0x2000, "CDP"),
    (0x2003, "VTP"),
    (0x2004, "DTP"),
    (0x0111, "UDLD"),
    (0x010b, "PVST"),
    (0x010c, "VLAN Bridge"),
];
const BRIDGED_PIDS: &Toks = &[
    (0x0001, "Ethernet + FCS"),
    (0x0007, "Ethernet w/o FCS"),
    (0x0002, "802.4 + FCS"),
    (0x0008, "802.4 w/o FCS"),
    (0x0003, "Token Ring + FCS"),
    (0x0009, "Token Ring w/o FCS"),
    (0x0004, "FDDI + FCS"),
    (0x000a, "FDDI w/o FCS"),
    (0x0005, "802.6 + FCS"),
    (0x000b, "802.6 w/o FCS"),
    (0x000e, "BPDU"),
];

/// Unnumbered information.
const UI: usize = 0x03;
const XID: usize = 0xaf;
const POLL: usize = 0x10;

/// What a header was.
#[derive(Default)]
pub(crate) struct Llc {
    /// Its length.
    pub(crate) header: usize,
    /// Whether what follows has been shown.
    pub(crate) known: bool,
}

pub(crate) fn print(
    cx: &mut Cx<'_>,
    at: usize,
    len: usize,
    caplen: usize,
    addrs: Option<Addrs>,
) -> Printed<Llc> {
    cx.nest(|cx| header(cx, at, len, caplen, addrs))
}

fn header(
    cx: &mut Cx<'_>,
    at: usize,
    len: usize,
    caplen: usize,
    addrs: Option<Addrs>,
) -> Printed<Llc> {
    cx.proto = "llc";
    let short = |cx: &mut Cx<'_>| {
        cx.trunc();
        cx.always_print(at, caplen)?;
        Ok(Llc { header: caplen.min(len), known: true })
    };
    if caplen < 3 || len < 3 {
        return short(cx);
    }
    let (dsap_field, ssap_field) = (cx.u8(at)?, cx.u8(at + 1)?);
    let mut control = cx.u8(at + 2)?;
    let unnumbered = control & 3 == 3;
    let head = if unnumbered { 3 } else { 4 };
    if !unnumbered {
        if caplen < 4 || len < 4 {
            return short(cx);
        }
        control |= cx.u8(at + 3)? << 8;
    }
    let (dsap, ssap) = (dsap_field & !1, ssap_field & !1);
    if cx.o.link {
        let name = |sap| tok(SAPS, sap).unwrap_or("Unknown");
        put!(
            cx,
            "LLC, dsap {} (0x{dsap:02x}) {}, ssap {} (0x{ssap:02x}) {}",
            name(dsap),
            tok(GROUPS, dsap_field & 1).unwrap_or("Unknown"),
            name(ssap),
            tok(FLAGS, ssap_field & 1).unwrap_or("Unknown")
        );
        if unnumbered {
            put!(cx, ", ctrl 0x{control:02x}: ");
        } else {
            put!(cx, ", ctrl 0x{control:04x}: ");
        }
    }
    let (p, len, caplen) = (at + head, len - head, caplen - head);
    let known = Llc { header: head, known: true };
    match (ssap, dsap, control) {
        (0xaa, 0xaa, UI) => {
            let known = snap(cx, p, len, caplen, addrs, 2)?;
            return Ok(Llc { header: head + 5, known });
        }
        (0x42, 0x42, UI) => {
            stp::print(cx, p, len)?;
            return Ok(known);
        }
        (0x06, 0x06, UI) => {
            ip::print(cx, p, len)?;
            return Ok(known);
        }
        _ => {}
    }
    if !cx.o.link {
        saps(cx, ssap, dsap, addrs)?;
    }
    if unnumbered {
        let command = control & 0xef;
        cx.s("Unnumbered, ");
        tok!(cx, COMMANDS, command, "{command:02x}");
        flags(cx, ssap_field & 1 | control & POLL, len + head);
        if control & !POLL == XID {
            xid(cx, p, len, caplen)?;
            if len == 0 || caplen < 1 || cx.u8(p)? == 0x81 {
                return Ok(known);
            }
        }
    } else if control & 3 == 1 {
        let kind = tok(SUPERVISORY, control >> 2 & 3).unwrap_or("?");
        put!(cx, "Supervisory, {kind}, rcv seq {}", control >> 9 & 0x7f);
        flags(cx, ssap_field & 1 | control & 0x100, len + head);
        return Ok(known);
    } else {
        put!(cx, "Information, send seq {}, rcv seq {}", control >> 1 & 0x7f, control >> 9 & 0x7f);
        flags(cx, ssap_field & 1 | control & 0x100, len + head);
    }
    Ok(Llc { header: head, known: false })
}

fn flags(cx: &mut Cx<'_>, flags: usize, len: usize) {
    put!(cx, ", Flags [{}], length {len}", tok(FLAGS, flags).unwrap_or("?"));
}

fn xid(cx: &mut Cx<'_>, p: usize, len: usize, caplen: usize) -> Printed {
    if len == 0 {
        return Ok(());
    }
    if caplen < 1 {
        cx.trunc();
        return Ok(());
    }
    if cx.u8(p)? == 0x81 {
        if caplen < 3 || len < 3 {
            cx.trunc();
            return cx.always_print(p, caplen);
        }
        put!(cx, ": {:02x} {:02x}", cx.u8(p + 1)?, cx.u8(p + 2)?);
    }
    Ok(())
}

fn saps(cx: &mut Cx<'_>, ssap: usize, dsap: usize, addrs: Option<Addrs>) -> Printed {
    if let Some(addrs) = addrs {
        cx.mac(addrs.src)?;
        cx.s(" ");
        if ssap != dsap {
            tok!(cx, SAPS, ssap, "Unknown SSAP 0x{ssap:02x}");
            cx.s(" ");
        }
        cx.after("> ", |cx| cx.mac(addrs.dst))?;
        cx.s(" ");
    } else if ssap != dsap {
        tok!(cx, SAPS, ssap, "Unknown SSAP 0x{ssap:02x}");
        cx.s(" > ");
    }
    tok!(cx, SAPS, dsap, "Unknown DSAP 0x{dsap:02x}");
    cx.s(" ");
    Ok(())
}

fn pid_name(org: usize, pid: usize) -> &'static str {
    let table = match org {
        0 | oui::CISCO_90 | oui::APPLETALK => ETHERTYPES,
        oui::CISCO => CISCO_PIDS,
        oui::RFC2684 => BRIDGED_PIDS,
        _ => return "Unknown",
    };
    tok(table, pid).unwrap_or("Unknown")
}

/// Subnetwork access protocol; whether what follows has been shown.
pub(crate) fn snap(
    cx: &mut Cx<'_>,
    at: usize,
    len: usize,
    caplen: usize,
    addrs: Option<Addrs>,
    bridge_pad: usize,
) -> Printed<bool> {
    cx.proto = "snap";
    if !cx.has(at, 5) || caplen < 5 || len < 5 {
        cx.trunc();
        return Ok(true);
    }
    let (org, pid) = (cx.u24(at)?, cx.u16(at + 3)?);
    let (p, len, caplen) = (at + 5, len - 5, caplen - 5);
    let org_name = tok(OUIS, org).unwrap_or("Unknown");
    if cx.o.link {
        let what = if org == 0 { "ethertype" } else { "pid" };
        put!(
            cx,
            "oui {org_name} (0x{org:06x}), {what} {} (0x{pid:04x}), length {len}: ",
            pid_name(org, pid)
        );
    }
    match (org, pid) {
        (0 | oui::CISCO_90, _) if ether::payload(cx, pid, p, len, caplen)? => return Ok(true),
        (oui::CISCO, 0x010b | 0x010c) | (oui::RFC2684, 0x000e) => {
            stp::print(cx, p, len)?;
            return Ok(true);
        }
        (oui::RFC2684, 0x0001 | 0x0007) => {
            if !cx.has(p, bridge_pad) {
                cx.trunc();
                return Ok(true);
            }
            let (len, caplen) = (len.saturating_sub(bridge_pad), caplen.saturating_sub(bridge_pad));
            ether::print(cx, p + bridge_pad, len, caplen)?;
            return Ok(true);
        }
        _ => {}
    }
    if !cx.o.link {
        if let Some(addrs) = addrs {
            cx.mac(addrs.src)?;
            cx.after(" > ", |cx| cx.mac(addrs.dst))?;
            cx.s(" ");
        }
        if org == 0 {
            put!(cx, "SNAP, ethertype {} (0x{pid:04x}), length {len}: ", pid_name(org, pid));
        } else {
            put!(
                cx,
                "SNAP, oui {org_name} (0x{org:06x}), pid {} (0x{pid:04x}), length {len}: ",
                pid_name(org, pid)
            );
        }
    }
    Ok(false)
}
