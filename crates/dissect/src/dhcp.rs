//! BOOTP and DHCP (RFC 951, 2131).

use crate::cx::{Cx, Printed};
use crate::dhcp_options;
use crate::tok::Toks;

const OPERATIONS: &Toks = &[(1, "Request"), (2, "Reply")];
/// What vendor extensions begin with, by RFC 1048 and as Carnegie Mellon had it.
const RFC1048: usize = 0x6382_5363;
const CMU: usize = 0x434d_5500;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "bootp";
    let operation = cx.u8(at)?;
    cx.s("BOOTP/DHCP, ");
    tok!(cx, OPERATIONS, operation, "unknown (0x{operation:02x})");
    let (hardware, hlen) = (cx.u8(at + 1)?, cx.u8(at + 2)?);
    let ethernet = hardware == 1 && hlen == 6;
    if ethernet && operation == 1 {
        cx.after(" from ", |cx| cx.mac(at + 28))?;
    }
    put!(cx, ", length {len}");
    if cx.o.verbose == 0 {
        return Ok(());
    }
    if !cx.has(at + 8, 2) {
        cx.trunc();
        return Ok(());
    }
    if hardware != 1 {
        put!(cx, ", htype {hardware}");
    }
    if !ethernet {
        put!(cx, ", hlen {hlen}");
    }
    let (hops, id, seconds) = (cx.u8(at + 3)?, cx.u32(at + 4)?, cx.u16(at + 8)?);
    if hops != 0 {
        put!(cx, ", hops {hops}");
    }
    if id != 0 {
        put!(cx, ", xid 0x{id:x}");
    }
    if seconds != 0 {
        put!(cx, ", secs {seconds}");
    }
    let flags = cx.u16(at + 10)?;
    put!(cx, ", Flags [{}]", if flags & 0x8000 == 0 { "none" } else { "Broadcast" });
    if cx.o.verbose > 1 {
        put!(cx, " (0x{flags:04x})");
    }
    let addrs = [(12, "Client-IP"), (16, "Your-IP"), (20, "Server-IP"), (24, "Gateway-IP")];
    for (off, name) in addrs {
        if cx.u32(at + off)? != 0 {
            put!(cx, "\n\t  {name} ");
            cx.ip(at + off)?;
        }
    }
    if ethernet {
        cx.after("\n\t  Client-Ethernet-Address ", |cx| cx.mac(at + 28))?;
    }
    for (off, size, name) in [(44, 64, "sname"), (108, 128, "file")] {
        if cx.u8(at + off)? == 0 {
            continue;
        }
        put!(cx, "\n\t  {name} \"");
        let used = cx.terminated_chars(at + off, size);
        cx.s("\"");
        if used == 0 {
            cx.trunc();
            return Ok(());
        }
    }
    if !cx.has(at + 236, 4) {
        cx.trunc();
        return Ok(());
    }
    match cx.u32(at + 236)? {
        RFC1048 => dhcp_options::print(cx, at + 236)?,
        CMU => cmu(cx, at + 236)?,
        0 => {}
        other => put!(cx, "\n\t  Vendor-#0x{other:x}"),
    }
    Ok(())
}

fn cmu(cx: &mut Cx<'_>, at: usize) -> Printed {
    cx.s(" vend-cmu");
    if !cx.has(at + 4, 4) {
        cx.trunc();
        return Ok(());
    }
    let flags = cx.u8(at + 4)?;
    if flags & !1 != 0 {
        put!(cx, " F:0x{flags:x}");
    }
    let mask = if flags & 1 == 1 { "SM" } else { "SM*" };
    let addrs = [
        (12, "DG"),
        (8, mask),
        (16, "NS1"),
        (20, "NS2"),
        (24, "IEN1"),
        (28, "IEN2"),
        (32, "TS1"),
        (36, "TS2"),
    ];
    for (off, name) in addrs {
        if !cx.has(at + off, 4) {
            cx.trunc();
            return Ok(());
        }
        if cx.u32(at + off)? != 0 {
            put!(cx, " {name}:");
            cx.ip(at + off)?;
        }
    }
    Ok(())
}
