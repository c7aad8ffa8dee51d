//! Address resolution (RFC 826), reverse (RFC 903) and inverse (RFC 2390).

use crate::cx::{Cut, Cx, Printed};
use crate::ether::{ETHERTYPES, IPV4, TRAIL};
use crate::tok::Toks;

const FRAME_RELAY: usize = 15;
/// RFC 2225.
const ATM: usize = 19;
const OPERATIONS: &Toks = &[
    (1, "Request"),
    (2, "Reply"),
    (3, "Reverse Request"),
    (4, "Reverse Reply"),
    (8, "Inverse Request"),
    (9, "Inverse Reply"),
    (10, "NACK Reply"),
];
const HARDWARE: &Toks = &[
    (1, "Ethernet"),
    (6, "TokenRing"),
    (7, "ArcNet"),
    (FRAME_RELAY, "FrameRelay"),
    (23, "Strip"),
    (24, "IEEE 1394"),
    (ATM, "ATM"),
    (32, "InfiniBand"),
];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, caplen: usize) -> Printed {
    cx.proto = "arp";
    if !cx.has(at, 8) {
        return Err(Cut);
    }
    let (hardware, protocol) = (cx.u16(at)?, cx.u16(at + 2)?);
    if hardware == ATM {
        return atm(cx, at, len, caplen);
    }
    let (hlen, plen, operation) = (cx.u8(at + 4)?, cx.u8(at + 5)?, cx.u16(at + 6)?);
    let sha = at + 8;
    let spa = sha + hlen;
    let tha = spa + plen;
    let tpa = tha + hlen;
    if !cx.has(tpa, plen) {
        return Err(Cut);
    }
    if !cx.o.link {
        cx.s("ARP, ");
    }
    let is_ip = protocol == IPV4 || protocol == TRAIL;
    let verbose = cx.o.verbose > 0;
    if !is_ip || plen != 4 || hlen == 0 || verbose {
        tok!(cx, HARDWARE, hardware, "Unknown Hardware ({hardware})");
        put!(cx, " (len {hlen}), ");
        tok!(cx, ETHERTYPES, protocol, "Unknown Protocol (0x{protocol:04x})");
        put!(cx, " (len {plen})");
        if !verbose {
            put!(cx, ", length {len}");
            return Ok(());
        }
    }
    if verbose {
        cx.s(", ");
    }
    tok!(cx, OPERATIONS, operation, "Unknown ({operation})");
    cx.s(" ");
    let addr = |cx: &mut Cx<'_>, at| {
        if !is_ip {
            cx.s("<wrong proto type>");
        } else if plen != 4 {
            cx.s("<wrong len>");
        } else {
            return cx.ip(at);
        }
        Ok(())
    };
    match operation {
        1 => {
            cx.s("who-has ");
            addr(cx, tpa)?;
            if cx.bytes(tha, hlen)?.iter().any(|&byte| byte != 0) {
                cx.s(" (");
                station(cx, hardware, tha, hlen)?;
                cx.s(")");
            }
            cx.s(" tell ");
            addr(cx, spa)?;
        }
        2 => {
            addr(cx, spa)?;
            cx.s(" is-at ");
            station(cx, hardware, sha, hlen)?;
        }
        3 | 8 => {
            cx.s("who-is ");
            station(cx, hardware, tha, hlen)?;
            cx.s(" tell ");
            station(cx, hardware, sha, hlen)?;
        }
        4 => {
            station(cx, hardware, tha, hlen)?;
            cx.s(" at ");
            addr(cx, tpa)?;
        }
        9 => {
            station(cx, hardware, sha, hlen)?;
            cx.s(" at ");
            addr(cx, spa)?;
        }
        _ => return cx.always_print(at, caplen),
    }
    cx.s(", length ");
    cx.u(len);
    Ok(())
}

/// A hardware address: of Frame Relay the number of a circuit.
fn station(cx: &mut Cx<'_>, hardware: usize, at: usize, len: usize) -> Printed {
    if hardware != FRAME_RELAY || len == 0 {
        return cx.link_addr(at, len);
    }
    match circuit(cx.bytes(at, len)?) {
        Circuit::Number(number) => put!(cx, "DLCI {number}"),
        Circuit::Cut => cx.s("<Truncated>"),
        Circuit::Invalid => cx.s("<Invalid DLCI>"),
    }
    Ok(())
}

/// What a Frame Relay address says.
enum Circuit {
    Number(u32),
    /// It goes on beyond its last byte.
    Cut,
    Invalid,
}

/// The circuit of an address of two to four bytes (ITU-T Q.922, section 3.2): the last one is odd.
fn circuit(addr: &[u8]) -> Circuit {
    let mut bytes = addr.iter().map(|&byte| u32::from(byte));
    let is_last = |byte| byte & 1 == 1;
    match bytes.next() {
        Some(first) if !is_last(first) => {
            let Some(second) = bytes.next() else { return Circuit::Cut };
            let number = (first >> 2) << 4 | second >> 4;
            if is_last(second) {
                return Circuit::Number(number);
            }
            let Some(third) = bytes.next() else { return Circuit::Cut };
            if is_last(third) {
                return Circuit::Number(number << 6 | third >> 2);
            }
            match bytes.next() {
                Some(last) if is_last(last) => {
                    Circuit::Number((number << 7 | third >> 1) << 6 | last >> 2)
                }
                Some(_) => Circuit::Invalid,
                None => Circuit::Cut,
            }
        }
        Some(_) => Circuit::Invalid,
        None => Circuit::Cut,
    }
}

/// ATM numbers and subaddresses, each of a length of its own.
fn atm(cx: &mut Cx<'_>, at: usize, len: usize, caplen: usize) -> Printed {
    if !cx.has(at, 12) {
        return Err(Cut);
    }
    let (hardware, protocol, operation) = (cx.u16(at)?, cx.u16(at + 2)?, cx.u16(at + 6)?);
    let masked = |at| -> Printed<usize> { Ok(cx.u8(at)? & 0x3f) };
    let (sha, ssa, spa) = (masked(at + 4)?, masked(at + 5)?, cx.u8(at + 8)?);
    let (tha, tsa, tpa) = (masked(at + 9)?, masked(at + 10)?, cx.u8(at + 11)?);
    let source = at + 12;
    let target = source + sha + ssa + spa;
    let (source_ip, target_ip) = (source + sha + ssa, target + tha + tsa);
    if !cx.has(target_ip, tpa) {
        return Err(Cut);
    }
    if !cx.o.link {
        cx.s("ARP, ");
    }
    let is_ip = protocol == IPV4 || protocol == TRAIL;
    let verbose = cx.o.verbose > 0;
    if !is_ip || spa != 4 || tpa != 4 || verbose {
        tok!(cx, HARDWARE, hardware, "Unknown Hardware ({hardware})");
        cx.s(", ");
        tok!(cx, ETHERTYPES, protocol, "Unknown Protocol (0x{protocol:04x})");
        put!(cx, " (len {spa}/{tpa})");
        if !verbose {
            put!(cx, ", length {len}");
            return Ok(());
        }
        cx.s(", ");
    }
    tok!(cx, OPERATIONS, operation, "Unknown ({operation})");
    cx.s(" ");
    let ip = |cx: &mut Cx<'_>, at, size, wrong: &str| {
        if !is_ip {
            cx.s("<wrong proto type>");
        } else if size != 4 {
            cx.s(wrong);
        } else {
            return cx.ip(at);
        }
        Ok(())
    };
    let number = |cx: &mut Cx<'_>, at, size, subaddress| -> Printed {
        if size == 0 {
            cx.s("<No address>");
            return Ok(());
        }
        cx.long_addr(at, size)?;
        if subaddress != 0 {
            cx.s(",");
            cx.long_addr(at + size, subaddress)?;
        }
        Ok(())
    };
    match operation {
        1 => {
            cx.s("who-has ");
            ip(cx, target_ip, tpa, "<wrong tplen>")?;
            if tha != 0 {
                cx.s(" (");
                number(cx, target, tha, tsa)?;
                cx.s(")");
            }
            cx.s(" tell ");
            ip(cx, source_ip, spa, "<wrong splen>")?;
        }
        2 => {
            ip(cx, source_ip, spa, "<wrong splen>")?;
            cx.s(" is-at ");
            number(cx, source, sha, ssa)?;
        }
        8 => {
            cx.s("who-is ");
            number(cx, target, tha, tsa)?;
            cx.s(" tell ");
            number(cx, source, sha, ssa)?;
        }
        9 => {
            number(cx, source, sha, ssa)?;
            cx.s("at ");
            ip(cx, source_ip, spa, "<wrong splen>")?;
        }
        10 => {
            cx.s("for ");
            ip(cx, source_ip, spa, "<wrong splen>")?;
        }
        _ => return cx.always_print(at, caplen),
    }
    put!(cx, ", length {len}");
    Ok(())
}
