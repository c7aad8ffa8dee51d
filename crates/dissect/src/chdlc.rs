//! Cisco's HDLC and its address resolution and keepalives, SLARP.

use crate::cx::{Cx, Printed};
use crate::ether::{ETHERTYPES, IPV4, IPV6, MPLS, MPLS_MULTI};
use crate::tok::{Toks, tok};
use crate::{ip, ip6, mpls};

const ADDRESSES: &Toks = &[(0x0f, "unicast"), (0x8f, "bcast")];
/// The ethertype of reverse ARP means another protocol here.
const SLARP: usize = 0x8035;
const HEADER: usize = 4;
/// A type, then two addresses or counters and two bytes.
const SLARP_FIXED: usize = 14;
/// With the uptime in milliseconds.
const SLARP_UPTIME: usize = 18;

/// Whether a frame's first byte is an address of Cisco's.
pub(crate) fn is_address(byte: usize) -> bool {
    tok(ADDRESSES, byte).is_some()
}

/// A captured frame; gives the length of its header.
pub(crate) fn captured(cx: &mut Cx<'_>, len: usize) -> Printed<usize> {
    cx.proto = "chdlc";
    if len < HEADER {
        cx.trunc();
        return Ok(cx.end);
    }
    let (address, protocol) = (cx.u8(0)?, cx.u16(2)?);
    if cx.o.link {
        tok!(cx, ADDRESSES, address, "0x{address:02x}");
        let name = tok(ETHERTYPES, protocol).unwrap_or("Unknown");
        put!(cx, ", ethertype {name} (0x{protocol:04x}), length {len}: ");
    }
    let left = len - HEADER;
    match protocol {
        IPV4 => ip::print(cx, HEADER, left)?,
        IPV6 => ip6::print(cx, HEADER, left)?,
        SLARP => slarp(cx, HEADER, left)?,
        MPLS | MPLS_MULTI => mpls::print(cx, HEADER, left)?,
        _ if cx.o.link => {}
        _ => put!(cx, "unknown CHDLC protocol (0x{protocol:04x})"),
    }
    Ok(HEADER)
}

fn slarp(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "chdlc_slarp";
    put!(cx, "SLARP (length: {len}), ");
    if len < SLARP_FIXED || !cx.has(at, SLARP_FIXED) {
        cx.trunc();
        return Ok(());
    }
    let mut shown = 4;
    match cx.u32(at)? {
        0 => cx.s("request"),
        1 => {
            cx.s("reply ");
            cx.ip(at + 4)?;
            cx.s("/");
            cx.ip(at + 8)?;
        }
        2 => {
            let (mine, yours) = (cx.u32(at + 4)?, cx.u32(at + 8)?);
            put!(cx, "keepalive: mineseen=0x{mine:08x}, yourseen=0x{yours:08x}");
            put!(cx, ", reliability=0x{:04x}", cx.u16(at + 12)?);
            if len >= SLARP_UPTIME {
                uptime(cx, at + SLARP_FIXED)?;
                shown = SLARP_UPTIME;
            }
        }
        code => {
            put!(cx, "0x{code:02x} unknown");
            if cx.o.verbose < 2 {
                cx.unknown_data(at + 4, "\n\t", len - 4)?;
            }
        }
    }
    if len > SLARP_UPTIME && cx.o.verbose > 0 {
        put!(cx, ", (trailing junk: {} bytes)", len - SLARP_UPTIME);
    }
    if cx.o.verbose > 1 {
        cx.unknown_data(at + shown, "\n\t", len - shown)?;
    }
    Ok(())
}

/// Milliseconds, as days, hours, minutes and seconds.
fn uptime(cx: &mut Cx<'_>, at: usize) -> Printed {
    let seconds = cx.u32(at)? / 1000;
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3600 % 24);
    put!(cx, ", link uptime={}d{hours}h{minutes}m{}s", seconds / 86_400, seconds % 60);
    Ok(())
}
