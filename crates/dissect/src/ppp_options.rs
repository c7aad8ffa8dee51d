//! Control protocols of PPP (RFC 1661) and their options.

use crate::cx::{Cx, Printed};
use crate::oui::OUIS;
use crate::ppp::{BACP, CCP, CHAP, IPCP, IPV6CP, LCP, PROTOCOLS};
use crate::tok::{Toks, tok};

const CODES: &Toks = &[
    (0, "Vendor-Extension"),
    (1, "Conf-Request"),
    (2, "Conf-Ack"),
    (3, "Conf-Nack"),
    (4, "Conf-Reject"),
    (5, "Term-Request"),
    (6, "Term-Ack"),
    (7, "Code-Reject"),
    (8, "Prot-Reject"),
    (9, "Echo-Request"),
    (10, "Echo-Reply"),
    (11, "Disc-Req"),
    (12, "Ident"),
    (13, "Time-Rem"),
    (14, "Reset-Req"),
    (15, "Reset-Ack"),
];
const LCP_OPTIONS: &Toks = &[
    (0, "Vend-Ext"),
    (1, "MRU"),
    (2, "ACCM"),
    (3, "Auth-Prot"),
    (4, "Qual-Prot"),
    (5, "Magic-Num"),
    (6, "deprecated(6)"),
    (7, "PFC"),
    (8, "ACFC"),
    (9, "FCS-Alt"),
    (10, "SDP"),
    (11, "Num-Mode"),
    (12, "deprecated(12)"),
    (13, "Call-Back"),
    (14, "deprecated(14)"),
    (15, "deprecated(15)"),
    (16, "deprecated(16)"),
    (17, "MRRU"),
    (18, "12-Bit seq #"),
    (19, "End-Disc"),
    (20, "Proprietary"),
    (21, "DCE-Id"),
    (22, "MP+"),
    (23, "Link-Disc"),
    (24, "LCP-Auth-Opt"),
    (25, "COBS"),
    (26, "Prefix-elision"),
    (27, "Multilink-header-Form"),
    (28, "I18N"),
    (29, "SDL-over-SONET/SDH"),
    (30, "PPP-Muxing"),
];
const IPCP_OPTIONS: &Toks = &[
    (1, "IP-Addrs"),
    (2, "IP-Comp"),
    (3, "IP-Addr"),
    (4, "Home-Addr"),
    (129, "Pri-DNS"),
    (130, "Pri-NBNS"),
    (131, "Sec-DNS"),
    (132, "Sec-NBNS"),
];
const IPV6CP_OPTIONS: &Toks = &[(1, "Interface-ID")];
const CCP_OPTIONS: &Toks = &[
    (0, "OUI"),
    (1, "Pred-1"),
    (2, "Pred-2"),
    (3, "Puddle"),
    (16, "HP-PPC"),
    (17, "Stac-LZS"),
    (18, "MPPC"),
    (19, "Gand-FZA"),
    (20, "V.42bis"),
    (21, "BSD-Comp"),
    (23, "LZS-DCP"),
    (24, "MVRCA"),
    (25, "DEC"),
    (26, "Deflate"),
    (255, "Reserved"),
];
const BACP_OPTIONS: &Toks = &[(1, "Favored-Peer")];
const HASHES: &Toks = &[(5, "MD5"), (128, "MS-CHAPv1"), (129, "MS-CHAPv2")];
const CALLBACKS: &Toks =
    &[(0, "UserAuth"), (1, "DialString"), (2, "LocalID"), (3, "E.164"), (4, "X.500"), (6, "CBCP")];

pub(crate) fn control(cx: &mut Cx<'_>, protocol: usize, at: usize, len: usize) -> Printed {
    let name = tok(PROTOCOLS, protocol).unwrap_or("unknown");
    put!(cx, "{name}, ");
    if len < 4 || !cx.has(at, 2) {
        put!(cx, "[|{name}]");
        return Ok(());
    }
    let code = cx.u8(at)?;
    tok!(cx, CODES, code, "Unknown Opcode");
    put!(cx, " (0x{code:02x}), id {}, length {}", cx.u8(at + 1)?, len + 2);
    if cx.o.verbose == 0 {
        return Ok(());
    }
    let said = cx.u16(at + 2)?;
    if said < 4 {
        put!(cx, "\n\tencoded length {said} (< 4))");
        return Ok(());
    }
    if said > len {
        put!(cx, "\n\tencoded length {said} (> packet length {len}))");
        return Ok(());
    }
    put!(cx, "\n\tencoded length {said} (=Option(s) length {})", said - 4);
    if said == 4 {
        return Ok(());
    }
    if cx.o.verbose > 1 {
        cx.unknown_data(at - 2, "\n\t", 6)?;
    }
    if !body(cx, protocol, code, at, said)? {
        put!(cx, "[|{name}]");
    }
    Ok(())
}

/// What the code announces; whether it was all there.
fn body(cx: &mut Cx<'_>, protocol: usize, code: usize, at: usize, len: usize) -> Printed<bool> {
    let p = at + 4;
    let magic = |cx: &mut Cx<'_>| -> Printed {
        put!(cx, "\n\t  Magic-Num 0x{:08x}", cx.u32(p)?);
        Ok(())
    };
    match code {
        0 if len >= 11 => {
            magic(cx)?;
            let vendor = cx.u24(p + 4)?;
            put!(cx, " Vendor: {} ({vendor})", tok(OUIS, vendor).unwrap_or("Unknown"));
        }
        1..=4 => configuration(cx, protocol, p, len)?,
        8 if len >= 6 => {
            let rejected = cx.u16(p)?;
            let name = tok(PROTOCOLS, rejected).unwrap_or("unknown");
            put!(cx, "\n\t  Rejected {name} Protocol (0x{rejected:04x})");
            if len > 6 {
                cx.s("\n\t  Rejected Packet");
                cx.unknown_data(p + 2, "\n\t    ", len - 2)?;
            }
        }
        9..=11 if len >= 8 => {
            magic(cx)?;
            if len > 8 {
                cx.s("\n\t  -----trailing data-----");
                if !cx.has(p + 4, len - 8) {
                    return Ok(false);
                }
                cx.unknown_data(p + 4, "\n\t  ", len - 8)?;
            }
        }
        12 if len >= 8 => {
            magic(cx)?;
            if len > 8 {
                cx.s("\n\t  Message\n\t    ");
                return Ok(!cx.chars(p + 4, len - 4));
            }
        }
        13 if len >= 12 => {
            magic(cx)?;
            put!(cx, ", Seconds-Remaining {}s", cx.u32(p + 4)?);
        }
        0..=13 => {}
        _ if cx.o.verbose <= 1 => cx.unknown_data(at - 2, "\n\t  ", len + 2)?,
        _ => {}
    }
    Ok(true)
}

fn configuration(cx: &mut Cx<'_>, protocol: usize, at: usize, len: usize) -> Printed {
    let (names, unknown, short): (&Toks, _, _) = match protocol {
        LCP => (LCP_OPTIONS, "", "[|lcp]"),
        IPCP => (IPCP_OPTIONS, "unknown", "[|ipcp]"),
        IPV6CP => (IPV6CP_OPTIONS, "unknown", "[|ip6cp]"),
        CCP => (CCP_OPTIONS, "Unknown", "[|ccp]"),
        BACP => (BACP_OPTIONS, "Unknown", "[|bacp]"),
        _ => return Ok(()),
    };
    let (mut p, mut left) = (at, len - 4);
    loop {
        // tcpdump compares with the whole length, whatever is left of it.
        if len < 2 {
            return Ok(());
        }
        if !cx.has(p, 2) {
            cx.s(short);
            return Ok(());
        }
        let (kind, size) = (cx.u8(p)?, cx.u8(p + 1)?);
        if len < size {
            return Ok(());
        }
        let name = tok(names, kind).unwrap_or(unknown);
        if name.is_empty() {
            put!(cx, "\n\tunknown LCP option 0x{kind:02x}");
        } else {
            put!(cx, "\n\t  {name} Option (0x{kind:02x}), length {size}");
        }
        if size < 2 {
            if !name.is_empty() {
                cx.s(" (length bogus, should be >= 2)");
            }
            return Ok(());
        }
        if !name.is_empty() {
            let ended = match protocol {
                LCP => lcp(cx, kind, p, size)?,
                IPCP => ipcp(cx, kind, p, size)?,
                IPV6CP => ipv6cp(cx, kind, p, size)?,
                CCP => ccp(cx, kind, p, size)?,
                _ => bacp(cx, kind, p, size)?,
            };
            match ended {
                Ended::Good => {}
                Ended::Unknown => {
                    if cx.o.verbose < 2 {
                        cx.unknown_data(p + 2, "\n\t    ", size - 2)?;
                    }
                }
                Ended::Bogus => {}
                Ended::Stop => return Ok(()),
                Ended::Cut => {
                    cx.s(short);
                    return Ok(());
                }
            }
            if !matches!(ended, Ended::Bogus) && cx.o.verbose > 1 {
                cx.unknown_data(p + 2, "\n\t    ", size - 2)?;
            }
        }
        if left < size {
            put!(cx, " [remaining options length {left} < {size}]");
            cx.invalid();
            return Ok(());
        }
        (left, p) = (left - size, p + size);
        if left == 0 {
            return Ok(());
        }
    }
}

/// What became of an option.
#[derive(Clone, Copy)]
enum Ended {
    Good,
    /// Its bytes are to be shown.
    Unknown,
    /// Of a length that its kind has not.
    Bogus,
    /// The same, and nothing after it is shown.
    Stop,
    Cut,
}

fn bogus(cx: &mut Cx<'_>, should: &str, stop: bool) -> Printed<Ended> {
    put!(cx, " (length bogus, should be {should})");
    Ok(if stop { Ended::Stop } else { Ended::Bogus })
}

fn lcp(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Ended> {
    match kind {
        0 if len < 6 => return bogus(cx, ">= 6", false),
        0 => {
            let vendor = cx.u24(p + 2)?;
            put!(cx, ": Vendor: {} ({vendor})", tok(OUIS, vendor).unwrap_or("Unknown"));
        }
        1 if len != 4 => return bogus(cx, "= 4", false),
        17 | 23 if len != 4 => return bogus(cx, "= 4", true),
        1 | 17 => put!(cx, ": {}", cx.u16(p + 2)?),
        23 => put!(cx, ": 0x{:04x}", cx.u16(p + 2)?),
        2 if len != 6 => return bogus(cx, "= 6", false),
        5 if len != 6 => return bogus(cx, "= 6", true),
        2 | 5 => put!(cx, ": 0x{:08x}", cx.u32(p + 2)?),
        3 if len < 4 => return bogus(cx, ">= 4", false),
        3 => {
            let protocol = cx.u16(p + 2)?;
            cx.s(": ");
            // tcpdump forgot the percent sign.
            tok!(cx, PROTOCOLS, protocol, "Unknown Auth Proto (0x04x)");
            match protocol {
                CHAP => {
                    let hash = cx.u8(p + 4)?;
                    cx.s(", ");
                    tok!(cx, HASHES, hash, "Unknown Auth Alg {hash}");
                }
                0xc023 | 0xc227 | 0xc027 | 0xc123 => {}
                _ => cx.unknown_data(p, "\n\t", len)?,
            }
        }
        4 if len < 4 => return bogus(cx, ">= 4", true),
        4 => cx.s(if cx.u16(p + 2)? == 0xc025 { ": LQR" } else { ": unknown" }),
        7 | 8 => {}
        13 if len < 3 => return bogus(cx, ">= 3", true),
        13 => {
            cx.s(": ");
            let operation = cx.u8(p + 2)?;
            let name = tok(CALLBACKS, operation).unwrap_or("Unknown");
            put!(cx, ": Callback Operation {name} ({operation})");
        }
        19 if len < 3 => return bogus(cx, ">= 3", true),
        19 => return endpoint(cx, p, len),
        _ => return Ok(Ended::Unknown),
    }
    Ok(Ended::Good)
}

fn endpoint(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<Ended> {
    match cx.u8(p + 2)? {
        0 => cx.s(": Null"),
        1 => cx.s(": Local"),
        2 if len != 7 => return bogus(cx, "= 7", true),
        2 => {
            cx.after(": IPv4 ", |cx| cx.ip(p + 3))?;
        }
        3 if len != 9 => return bogus(cx, "= 9", true),
        3 => {
            cx.after(": MAC ", |cx| cx.mac(p + 3))?;
        }
        4 => cx.s(": Magic-Num-Block"),
        5 => cx.s(": PSNDN"),
        class => put!(cx, ": Unknown class {class}"),
    }
    Ok(Ended::Good)
}

fn ipcp(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Ended> {
    match kind {
        1 if len != 10 => return bogus(cx, "= 10", false),
        1 => {
            cx.after(": src ", |cx| cx.ip(p + 2))?;
            cx.after(", dst ", |cx| cx.ip(p + 6))?;
        }
        2 if len < 4 => return bogus(cx, ">= 4", true),
        2 => return compression(cx, p, len),
        3 | 4 | 129..=132 if len != 6 => return bogus(cx, "= 6", true),
        3 | 4 | 129..=132 => {
            cx.after(": ", |cx| cx.ip(p + 2))?;
        }
        _ => return Ok(Ended::Unknown),
    }
    Ok(Ended::Good)
}

fn compression(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<Ended> {
    const NAMES: &Toks = &[(0x2d, "VJ-Comp"), (0x61, "IP Header Compression")];
    const SUBOPTIONS: &Toks = &[(1, "RTP-Compression"), (2, "Enhanced RTP-Compression")];
    const LEAST: usize = 14;
    let protocol = cx.u16(p + 2)?;
    put!(cx, ": {} (0x{protocol:02x}):", tok(NAMES, protocol).unwrap_or("Unknown"));
    if protocol != 0x61 {
        return Ok(Ended::Good);
    }
    if len < LEAST {
        return bogus(cx, ">= 14", true);
    }
    if !cx.has(p + 2, LEAST) {
        return Ok(Ended::Cut);
    }
    put!(
        cx,
        "\n\t    TCP Space {}, non-TCP Space {}, maxPeriod {}, maxTime {}, maxHdr {}",
        cx.u16(p + 4)?,
        cx.u16(p + 6)?,
        cx.u16(p + 8)?,
        cx.u16(p + 10)?,
        cx.u16(p + 12)?
    );
    if len > LEAST {
        let (mut p, mut left) = (p + LEAST, len - LEAST);
        put!(cx, "\n\t      Suboptions, length {left}");
        while left >= 2 {
            if !cx.has(p, 2) {
                return Ok(Ended::Cut);
            }
            let (kind, size) = (cx.u8(p)?, cx.u8(p + 1)?);
            if kind == 0 || size == 0 {
                break;
            }
            let name = tok(SUBOPTIONS, kind).unwrap_or("Unknown");
            put!(cx, "\n\t\t{name} Suboption #{kind}, length {size}");
            if left < size {
                put!(cx, " [remaining suboptions length {left} < {size}]");
                cx.invalid();
                break;
            }
            (left, p) = (left - size, p + size);
        }
    }
    Ok(Ended::Good)
}

fn ipv6cp(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Ended> {
    match kind {
        1 if len != 10 => return bogus(cx, "= 10", false),
        1 if !cx.has(p + 2, 8) => return Ok(Ended::Cut),
        1 => put!(
            cx,
            ": {:04x}:{:04x}:{:04x}:{:04x}",
            cx.u16(p + 2)?,
            cx.u16(p + 4)?,
            cx.u16(p + 6)?,
            cx.u16(p + 8)?
        ),
        _ => return Ok(Ended::Unknown),
    }
    Ok(Ended::Good)
}

fn ccp(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Ended> {
    match kind {
        21 if len < 3 => return bogus(cx, ">= 3", false),
        24 | 26 if len < 4 => return bogus(cx, ">= 4", false),
        21 => {
            let byte = cx.u8(p + 2)?;
            put!(cx, ": Version: {}, Dictionary Bits: {}", byte >> 5, byte & 0x1f);
        }
        24 => {
            let byte = cx.u8(p + 2)?;
            put!(
                cx,
                ": Features: {}, PxP: {}, History: {}, #CTX-ID: {}",
                byte >> 6,
                if byte & 0x20 == 0 { "Disabled" } else { "Enabled" },
                byte & 0x1f,
                cx.u8(p + 3)?
            );
        }
        26 => {
            let (window, check) = (cx.u8(p + 2)?, cx.u8(p + 3)?);
            put!(
                cx,
                ": Window: {}K, Method: {} (0x{:x}), MBZ: {}, CHK: {}",
                window >> 4,
                if window & 15 == 8 { "zlib" } else { "unknown" },
                window & 15,
                check >> 2,
                check & 3
            );
        }
        _ => return Ok(Ended::Unknown),
    }
    Ok(Ended::Good)
}

fn bacp(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Ended> {
    match kind {
        1 if len != 6 => return bogus(cx, "= 6", false),
        1 => put!(cx, ": Magic-Num 0x{:08x}", cx.u32(p + 2)?),
        _ => return Ok(Ended::Unknown),
    }
    Ok(Ended::Good)
}
