//! IPsec's headers (RFC 4302, 4303), without keys.

use crate::cx::{Cx, Printed};

/// An authentication header; gives its length.
pub(crate) fn authentication(cx: &mut Cx<'_>, at: usize) -> Printed<Option<usize>> {
    cx.proto = "ah";
    cx.s("AH");
    let words = cx.u8(at + 1)?;
    let head = (words + 2) * 4;
    cx.s("(");
    if cx.o.verbose > 0 {
        put!(cx, "length={words}({head}-bytes),");
    }
    let reserved = cx.u16(at + 2)?;
    if reserved != 0 {
        put!(cx, "reserved=0x{reserved:x}[MustBeZero],");
    }
    put!(cx, "spi=0x{:08x},", cx.u32(at + 4)?);
    put!(cx, "seq=0x{:x},", cx.u32(at + 8)?);
    cx.s("icv=0x");
    for n in 12..head {
        cx.hex2(cx.byte(at + n)?);
    }
    cx.s("): ");
    Ok(Some(head))
}

/// An encrypted payload.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "esp";
    if at + 8 >= cx.end {
        cx.trunc();
        return Ok(());
    }
    put!(cx, "ESP(spi=0x{:08x},seq=0x{:x}), length {len}", cx.u32(at)?, cx.u32(at + 4)?);
    Ok(())
}

/// A compressed payload (RFC 3173).
pub(crate) fn compressed(cx: &mut Cx<'_>, at: usize) -> Printed {
    cx.proto = "ipcomp";
    put!(cx, "IPComp(cpi=0x{:04x})", cx.u16(at + 2)?);
    Ok(())
}

/// ESP within UDP (RFC 3948); whether it was, and not a negotiation of keys.
pub(crate) fn in_udp(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<bool> {
    cx.proto = "isakmp_rfc3948";
    if len == 1 && cx.u8(at)? == 0xff {
        cx.s("isakmp-nat-keep-alive");
        return Ok(true);
    }
    if len < 4 {
        cx.trunc();
        return Ok(true);
    }
    if cx.u32(at)? == 0 {
        return Ok(false);
    }
    cx.s("UDP-encap: ");
    print(cx, at, len)?;
    cx.proto = "isakmp";
    Ok(true)
}
