//! Options of BOOTP and DHCP (RFC 2132 and those after it).

use crate::cx::{Cx, Printed};
use crate::tok::{Toks, tok};

const PAD: usize = 0;
const END: usize = 255;
const MESSAGE_TYPE: usize = 53;
const PARAMETERS: usize = 55;

/// Names of options, each after a letter for the form of its value: `a` text, `i` IPv4 addresses, `p` pairs of
/// them, `l` and `L` words, `s` halves, `B` yes or no, `b` bytes, `$` a form of its own.
const OPTIONS: &Toks = &[
    (PAD, " PAD"),
    (1, "iSubnet-Mask"),
    (2, "LTime-Zone"),
    (3, "iDefault-Gateway"),
    (4, "iTime-Server"),
    (5, "iIEN-Name-Server"),
    (6, "iDomain-Name-Server"),
    (7, "iLOG"),
    (8, "iCS"),
    (9, "iLPR-Server"),
    (10, "iIM"),
    (11, "iRL"),
    (12, "aHostname"),
    (13, "sBS"),
    (END, " END"),
    (14, "aDP"),
    (15, "aDomain-Name"),
    (16, "iSS"),
    (17, "aRP"),
    (18, "aEP"),
    (19, "BIPF"),
    (20, "BSRT"),
    (21, "pPF"),
    (22, "sRSZ"),
    (23, "bTTL"),
    (24, "lMTU-Timeout"),
    (25, "sMTU-Table"),
    (26, "sMTU"),
    (27, "BLSN"),
    (28, "iBR"),
    (29, "BMD"),
    (30, "BMS"),
    (31, "BRouter-Discovery"),
    (32, "iRSA"),
    (33, "pStatic-Route"),
    (34, "BUT"),
    (35, "lAT"),
    (36, "BIE"),
    (37, "bTT"),
    (38, "lKI"),
    (39, "BKG"),
    (40, "aYD"),
    (41, "iYS"),
    (42, "iNTP"),
    (43, "bVendor-Option"),
    (44, "iNetbios-Name-Server"),
    (45, "iWDD"),
    (46, "$Netbios-Node"),
    (47, "aNetbios-Scope"),
    (48, "iXFS"),
    (49, "iXDM"),
    (64, "sN+D"),
    (65, "iN+S"),
    (68, "iMH"),
    (69, "iSMTP"),
    (70, "iPOP3"),
    (71, "iNNTP"),
    (72, "iWWW"),
    (73, "iFG"),
    (74, "iIRC"),
    (75, "iSTS"),
    (76, "iSTDA"),
    (50, "iRequested-IP"),
    (51, "lLease-Time"),
    (52, "$OO"),
    (66, "aTFTP"),
    (67, "aBF"),
    (MESSAGE_TYPE, " DHCP-Message"),
    (54, "iServer-ID"),
    (PARAMETERS, "bParameter-Request"),
    (56, "aMSG"),
    (57, "sMSZ"),
    (58, "lRN"),
    (59, "lRB"),
    (60, "aVendor-Class"),
    (61, "$Client-ID"),
    (98, "aUAP"),
    (116, "BNOAUTO"),
    (78, "bSLP-DA"),
    (79, "bSLP-SCOPE"),
    (117, "sNSSEARCH"),
    (77, "$User-Class"),
    (118, "iSUBNET"),
    (121, "$Classless-Static-Route"),
    (249, "$Classless-Static-Route-Microsoft"),
    (150, "iTFTP-Server-Address"),
    (80, "aSLP-NA"),
    (81, "$FQDN"),
    (82, "$Agent-Information"),
    (83, "bARMT"),
    (88, "aTZSTR"),
    (89, "bFQDNS"),
    (90, "bAUTH"),
    (91, "LLast-Transaction-Time"),
    (92, "iAssociated-IP"),
    (93, "sARCH"),
    (94, "bNDI"),
    (97, "bGUID"),
    (95, "aLDAP"),
    (100, "aPOSIX-TZ"),
    (101, "aTZ-Name"),
    (112, "iNI"),
    (113, "aNITAG"),
    (114, "aURL"),
    (161, "aMUD-URL"),
];
const MESSAGES: &Toks = &[
    (1, "Discover"),
    (2, "Offer"),
    (3, "Request"),
    (4, "Decline"),
    (5, "ACK"),
    (6, "NACK"),
    (7, "Release"),
    (8, "Inform"),
    (10, "LeaseQuery"),
    (11, "LeaseUnassigned"),
    (12, "LeaseUnknown"),
    (13, "LeaseActive"),
];
const OVERLOADS: &Toks = &[(1, "file"), (2, "sname"), (3, "file+sname")];
const NODES: &Toks = &[(1, "b-node"), (2, "p-node"), (4, "m-node"), (8, "h-node")];
const HARDWARE: &Toks = &[
    (1, "ether"),
    (6, "ieee802"),
    (7, "arcnet"),
    (15, "frelay"),
    (0x17, "strip"),
    (0x18, "ieee1394"),
];
const AGENT: &Toks = &[(1, "Circuit-ID"), (2, "Remote-ID"), (6, "Subscriber-ID")];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize) -> Printed {
    cx.s("\n\t  Vendor-rfc1048 Extensions");
    put!(cx, "\n\t    Magic Cookie 0x{:08x}", cx.u32(at)?);
    let mut p = at + 4;
    while cx.has(p, 1) {
        let kind = cx.u8(p)?;
        p += 1;
        if kind == PAD && cx.o.verbose < 3 {
            continue;
        }
        if kind == END && cx.o.verbose < 3 {
            return Ok(());
        }
        let (form, name) = form_and_name(kind);
        let len = if kind == PAD || kind == END {
            0
        } else {
            p += 1;
            cx.u8(p - 1)?
        };
        put!(cx, "\n\t    {name} ({kind}), length {len}");
        if len > 0 {
            cx.s(": ");
        }
        if kind == PAD {
            let mut count = 1;
            while cx.has(p, 1) && cx.u8(p)? == PAD {
                (p, count) = (p + 1, count + 1);
            }
            if count > 1 {
                put!(cx, ", occurs {count}");
            }
        }
        if !cx.has(p, len) {
            cx.trunc();
            return Ok(());
        }
        let used = match kind {
            MESSAGE_TYPE if len == 1 => {
                let message = cx.u8(p)?;
                tok!(cx, MESSAGES, message, "Unknown ({message})");
                1
            }
            PARAMETERS => {
                for n in 0..len {
                    let wanted = cx.u8(p + n)?;
                    cx.s(if n % 4 == 0 { "\n\t      " } else { ", " });
                    put!(cx, "{} ({wanted})", form_and_name(wanted).1);
                }
                len
            }
            _ => value(cx, kind, form, p, len)?,
        };
        if used < len {
            put!(cx, "\n\t  trailing data length {}", len - used);
        }
        p += len;
    }
    Ok(())
}

fn form_and_name(kind: usize) -> (u8, &'static str) {
    let entry = tok(OPTIONS, kind).unwrap_or("?Unknown");
    (entry.bytes().next().unwrap_or(b'?'), entry.get(1..).unwrap_or(""))
}

/// Shows a value; how many bytes of it were used.
fn value(cx: &mut Cx<'_>, kind: usize, form: u8, p: usize, len: usize) -> Printed<usize> {
    let form = match form {
        b'?' if len & 1 != 0 => b'b',
        b'?' if len & 2 != 0 => b's',
        b'?' => b'l',
        form => form,
    };
    let size = match form {
        b'a' => {
            quoted(cx, p, len);
            return Ok(len);
        }
        b'$' => return special(cx, kind, p, len),
        b'i' | b'l' | b'L' => 4,
        b'p' => 8,
        b's' => 2,
        _ => 1,
    };
    for n in (0..len / size * size).step_by(size) {
        if n > 0 {
            cx.s(if matches!(form, b'b' | b' ') { "." } else { "," });
        }
        match form {
            b'i' => cx.ip(p + n)?,
            b'L' => put!(cx, "{}", cx.word(p + n)?.cast_signed()),
            b'l' => put!(cx, "{}", cx.u32(p + n)?),
            b'p' => {
                cx.after("(", |cx| cx.ip(p + n))?;
                cx.after(":", |cx| cx.ip(p + n + 4))?;
                cx.s(")");
            }
            b's' => put!(cx, "{}", cx.u16(p + n)?),
            b'B' => match cx.u8(p + n)? {
                0 => cx.s("N"),
                1 => cx.s("Y"),
                other => put!(cx, "{other}?"),
            },
            _ => put!(cx, "{}", cx.u8(p + n)?),
        }
    }
    Ok(len / size * size)
}

fn quoted(cx: &mut Cx<'_>, p: usize, len: usize) {
    cx.s("\"");
    cx.chars(p, len);
    cx.s("\"");
}

fn too_short(cx: &mut Cx<'_>, least: usize, len: usize) -> Printed<usize> {
    put!(cx, "[ERROR: length < {least} bytes]");
    Ok(len)
}

fn special(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<usize> {
    match kind {
        46 | 52 | 61 if len < 1 => return too_short(cx, 1, len),
        46 | 52 => {
            let number = cx.u8(p)?;
            tok!(cx, if kind == 46 { NODES } else { OVERLOADS }, number, "#{number}");
            return Ok(1);
        }
        81 if len < 3 => return too_short(cx, 3, len),
        81 => {
            let flags = cx.u8(p)?;
            if flags & 0xf0 != 0 {
                put!(cx, "[ERROR: MBZ nibble 0x{:x} != 0] ", flags >> 4);
            }
            if flags & 15 != 0 {
                cx.s("[");
                cx.bits(&[(1, "S"), (2, "O"), (4, "E"), (8, "N")], flags & 15, "", "");
                cx.s("] ");
            }
            let (first, second) = (cx.u8(p + 1)?, cx.u8(p + 2)?);
            if first != 0 || second != 0 {
                put!(cx, "{first}/{second} ");
            }
            quoted(cx, p + 3, len - 3);
        }
        61 => {
            let hardware = cx.u8(p)?;
            if hardware == 0 {
                quoted(cx, p + 1, len - 1);
                return Ok(len);
            }
            tok!(cx, HARDWARE, hardware, "hardware-type {hardware},");
            cx.s(" ");
            for n in 1..len {
                if n > 1 {
                    cx.s(":");
                }
                cx.hex2(cx.byte(p + n)?);
            }
        }
        82 => return agent(cx, p, len),
        121 | 249 if len < 5 => return too_short(cx, 5, len),
        121 | 249 => routes(cx, p, len)?,
        77 if len < 2 => return too_short(cx, 2, len),
        77 => classes(cx, p, len)?,
        _ => put!(cx, "[unknown special tag {kind}, size {len}]"),
    }
    Ok(len)
}

/// RFC 3046.
fn agent(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<usize> {
    let (mut p, end) = (at, at + len);
    while end - p >= 2 {
        let (kind, size) = (cx.u8(p)?, cx.u8(p + 1)?);
        p += 2;
        let name = tok(AGENT, kind).unwrap_or("Unknown");
        put!(cx, "\n\t      {name} SubOption {kind}, length {size}: ");
        if size > end - p {
            cx.s("length goes past end of option");
            return Ok(len);
        }
        if matches!(kind, 1 | 2 | 6) {
            cx.chars(p, size);
        } else {
            cx.unknown_data(p, "\n\t\t", size)?;
        }
        p += size;
    }
    Ok(p - at)
}

/// RFC 3442.
fn routes(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let (mut p, end) = (at, at + len);
    while p < end {
        if p > at {
            cx.s(",");
        }
        let width = cx.u8(p)?;
        p += 1;
        if width > 32 {
            put!(cx, "[ERROR: Mask width ({width}) > 32]");
            return Ok(());
        }
        let given = width.div_ceil(8);
        if end - p < given + 4 {
            put!(cx, "[ERROR: Remaining length ({}) < {} bytes]", end - p, given + 4);
            return Ok(());
        }
        if width == 0 {
            cx.s("(default");
        } else {
            let mut addr = [0; 4];
            for (to, &from) in addr.iter_mut().zip(cx.bytes(p, given)?) {
                *to = from;
            }
            cx.s("(");
            cx.dotted(addr);
            put!(cx, "/{width}");
        }
        cx.after(":", |cx| cx.ip(p + given))?;
        cx.s(")");
        p += given + 4;
    }
    Ok(())
}

/// RFC 3004.
fn classes(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let (mut p, end) = (at, at + len);
    let mut number = 1;
    while p < end {
        let size = cx.u8(p)?;
        p += 1;
        put!(cx, "\n\t      instance#{number}: ");
        if size == 0 {
            cx.s("[ERROR: suboption length must be non-zero]");
            return Ok(());
        }
        if end - p < size {
            cx.s("[ERROR: invalid option]");
            return Ok(());
        }
        quoted(cx, p, size);
        put!(cx, ", length {size}");
        number += 1;
        p += size;
    }
    Ok(())
}
