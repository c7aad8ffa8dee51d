//! Options of IPv6's extension headers.

use crate::cx::{Cx, Printed};

const PAD1: usize = 0;
const PADN: usize = 1;
const ROUTER_ALERT: usize = 5;
const JUMBO: usize = 0xc2;
const HOME_ADDRESS: usize = 0xc9;

/// A packet longer than its header can say (RFC 2675).
pub(crate) struct Jumbo {
    pub(crate) found: bool,
    /// The length of the payload that the header says, then that of the option.
    pub(crate) payload: usize,
}

/// Shows options; whether they were well formed. `jumbo` is given for options from hop to hop.
pub(crate) fn options(
    cx: &mut Cx<'_>,
    at: usize,
    len: usize,
    mut jumbo: Option<&mut Jumbo>,
) -> Printed<bool> {
    let verbose = cx.o.verbose > 0;
    let (mut p, end) = (at, at + len);
    let mut seen_jumbo = false;
    while p < end {
        let kind = cx.u8(p)?;
        let size = match kind {
            PAD1 => 1,
            _ if p + 1 < end => cx.u8(p + 1)? + 2,
            _ => return Ok(false),
        };
        if size > end - p {
            return Ok(false);
        }
        match kind {
            PAD1 if verbose => cx.s("(pad1)"),
            PADN if verbose => cx.s("(padn)"),
            ROUTER_ALERT => {
                if end - p < 4 {
                    cx.s("(rtalert: trunc)");
                    return Ok(false);
                }
                if size != 4 {
                    put!(cx, "(rtalert: invalid len {})", size - 2);
                    return Ok(false);
                }
                if verbose {
                    put!(cx, "(rtalert: 0x{:04x}) ", cx.u16(p + 2)?);
                }
            }
            JUMBO
                if !jumbo_payload(cx, p, end - p, size, &mut seen_jumbo, jumbo.as_deref_mut())? =>
            {
                return Ok(false);
            }
            JUMBO => {}
            HOME_ADDRESS => {
                if end - p < 18 {
                    cx.s("(homeaddr: trunc)");
                    return Ok(false);
                }
                if size < 18 {
                    put!(cx, "(homeaddr: invalid len {})", size - 2);
                    return Ok(false);
                }
                if verbose {
                    cx.after("(homeaddr: ", |cx| cx.ip6(p + 2))?;
                    if size > 18 && !suboptions(cx, p + 18, size - 18)? {
                        return Ok(false);
                    }
                    cx.s(")");
                }
            }
            PAD1 | PADN => {}
            _ if verbose => put!(cx, "(opt_type 0x{kind:02x}: len={})", size - 2),
            _ => {}
        }
        p += size;
    }
    if verbose && len > 0 {
        cx.s(" ");
    }
    Ok(true)
}

fn jumbo_payload(
    cx: &mut Cx<'_>,
    p: usize,
    left: usize,
    size: usize,
    seen: &mut bool,
    jumbo: Option<&mut Jumbo>,
) -> Printed<bool> {
    if left < 6 {
        cx.s("(jumbo: trunc)");
        return Ok(false);
    }
    if size != 6 {
        put!(cx, "(jumbo: invalid len {})", size - 2);
        return Ok(false);
    }
    let payload = cx.u32(p + 2)?;
    let why = match jumbo {
        _ if *seen => " - already seen",
        None => " - not a hop-by-hop option",
        Some(jumbo) if jumbo.payload != 0 => " - payload len != 0",
        Some(_) if payload < 65536 => " - < 65536",
        Some(jumbo) => {
            *jumbo = Jumbo { found: true, payload };
            ""
        }
    };
    *seen = true;
    if cx.o.verbose > 0 {
        put!(cx, "(jumbo: {payload}{why}) ");
    }
    Ok(true)
}

fn suboptions(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<bool> {
    let (mut p, end) = (at, at + len);
    while p < end {
        let kind = cx.u8(p)?;
        let size = match kind {
            PAD1 => 1,
            _ if p + 1 < end => cx.u8(p + 1)? + 2,
            _ => return Ok(false),
        };
        if size > end - p {
            return Ok(false);
        }
        match kind {
            PAD1 => cx.s(", pad1"),
            PADN => cx.s(", padn"),
            _ => put!(cx, ", sopt_type 0x{kind:02x}: len={}", size - 2),
        }
        p += size;
    }
    Ok(true)
}
