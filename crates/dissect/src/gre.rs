//! Generic routing encapsulation (RFC 1701, 2784), and its version 1 for PPTP (RFC 2637).

use crate::cx::{Cx, Printed};
use crate::ether::{self, ETHERTYPES, IPV4, IPV6, MPLS, PPP, TEB};
use crate::tok::{Toks, tok};
use crate::{ip, ip6, mpls, ppp};

const CHECKSUM: usize = 0x8000;
const ROUTING: usize = 0x4000;
const KEY: usize = 0x2000;
const SEQUENCE: usize = 0x1000;
const ACK: usize = 0x0080;
const FLAGS: &Toks = &[
    (CHECKSUM, "checksum present"),
    (ROUTING, "routing present"),
    (KEY, "key present"),
    (SEQUENCE, "sequence# present"),
    (0x0800, "source routing present"),
    (ACK, "ack present"),
];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.nest(|cx| header(cx, at, len))
}

fn header(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "gre";
    if !cx.has(at, 2) || len < 2 {
        cx.trunc();
        return Ok(());
    }
    let flags = cx.u16(at)?;
    let version = flags & 7;
    put!(cx, "GREv{version}");
    if version > 1 {
        cx.s(" ERROR: unknown-version");
        return Ok(());
    }
    if cx.o.verbose > 0 {
        cx.s(", Flags [");
        cx.bits(FLAGS, flags, ", ", "none");
        cx.s("]");
    }
    let mut fields = Fields { p: at + 2, left: len - 2 };
    let shown = if version == 0 {
        fields.version0(cx, flags, len)?
    } else {
        fields.version1(cx, flags, len)?
    };
    if !shown {
        cx.trunc();
    }
    Ok(())
}

struct Fields {
    p: usize,
    left: usize,
}

/// Steps over a field of so many bytes; ends with false where there are not as many.
macro_rules! field {
    ($this:expr, $cx:expr, $size:expr) => {{
        let Some(at) = $this.take($cx, $size) else { return Ok(false) };
        at
    }};
}

impl Fields {
    fn take(&mut self, cx: &Cx<'_>, size: usize) -> Option<usize> {
        if !cx.has(self.p, size) || self.left < size {
            return None;
        }
        let at = self.p;
        self.p += size;
        self.left -= size;
        Some(at)
    }

    fn protocol(cx: &mut Cx<'_>, protocol: usize, len: usize) {
        if cx.o.link {
            put!(
                cx,
                ", proto {} (0x{protocol:04x})",
                tok(ETHERTYPES, protocol).unwrap_or("unknown")
            );
        }
        put!(cx, ", length {len}");
    }

    fn version0(&mut self, cx: &mut Cx<'_>, flags: usize, len: usize) -> Printed<bool> {
        let protocol = cx.u16(field!(self, cx, 2))?;
        if flags & (CHECKSUM | ROUTING) != 0 {
            let at = field!(self, cx, 2);
            if cx.o.verbose > 0 {
                put!(cx, ", sum 0x{:x}", cx.u16(at)?);
            }
            let at = field!(self, cx, 2);
            put!(cx, ", off 0x{:x}", cx.u16(at)?);
        }
        if flags & KEY != 0 {
            let at = field!(self, cx, 4);
            put!(cx, ", key=0x{:x}", cx.u32(at)?);
        }
        if flags & SEQUENCE != 0 {
            let at = field!(self, cx, 4);
            put!(cx, ", seq {}", cx.u32(at)?);
        }
        let routed = flags & ROUTING != 0;
        loop {
            if !routed {
                break;
            }
            let at = field!(self, cx, 4);
            let (family, off, size) = (cx.u16(at)?, cx.u8(at + 2)?, cx.u8(at + 3)?);
            if family == 0 && size == 0 {
                break;
            }
            if !self.route(cx, family, off, size)? || self.left < size {
                return Ok(false);
            }
            self.p += size;
            self.left -= size;
        }
        Self::protocol(cx, protocol, len);
        cx.s(if cx.o.verbose == 0 { ": " } else { "\n\t" });
        let (p, left) = (self.p, self.left);
        match protocol {
            IPV4 => ip::print(cx, p, left)?,
            IPV6 => ip6::print(cx, p, left)?,
            MPLS => mpls::print(cx, p, left)?,
            TEB => {
                let caplen = cx.left(p);
                ether::print(cx, p, left, caplen)?;
            }
            _ => put!(cx, "gre-proto-0x{protocol:x}"),
        }
        Ok(true)
    }

    fn version1(&mut self, cx: &mut Cx<'_>, flags: usize, len: usize) -> Printed<bool> {
        let protocol = cx.u16(field!(self, cx, 2))?;
        if flags & KEY != 0 {
            let at = field!(self, cx, 4);
            put!(cx, ", call {}", cx.u16(at + 2)?);
        }
        for (bit, name) in [(SEQUENCE, "seq"), (ACK, "ack")] {
            if flags & bit != 0 {
                let at = field!(self, cx, 4);
                put!(cx, ", {name} {}", cx.u32(at)?);
            }
        }
        if flags & SEQUENCE == 0 {
            cx.s(", no-payload");
        }
        Self::protocol(cx, protocol, len);
        if flags & SEQUENCE == 0 {
            return Ok(true);
        }
        cx.s(if cx.o.verbose == 0 { ": " } else { "\n\t" });
        if protocol == PPP {
            ppp::print(cx, self.p, self.left)?;
        } else {
            put!(cx, "gre-proto-0x{protocol:x}");
        }
        Ok(true)
    }

    /// A source route; whether it was all there.
    fn route(&self, cx: &mut Cx<'_>, family: usize, off: usize, size: usize) -> Printed<bool> {
        let (name, step) = match family {
            0x0800 => ("ip", 4),
            0xfffe => ("asn", 2),
            _ => {
                put!(cx, ", (rtaf=0x{family:x})");
                return Ok(true);
            }
        };
        put!(cx, ", (rtaf={name}");
        let mut whole = true;
        if !off.is_multiple_of(step) {
            put!(cx, ", badoffset={off}");
        } else if !size.is_multiple_of(step) {
            put!(cx, ", badlength={size}");
        } else if off >= size {
            put!(cx, ", badoff/len={off}/{size}");
        } else {
            for n in (0..size).step_by(step) {
                if !cx.has(self.p + n, step) || self.left < n + step {
                    whole = false;
                    break;
                }
                cx.s(if n == off { " *" } else { " " });
                if step == 4 {
                    cx.dotted(cx.ipv4(self.p + n)?);
                } else {
                    put!(cx, "{:x}", cx.u16(self.p + n)?);
                }
            }
        }
        cx.s(")");
        Ok(whole)
    }
}
