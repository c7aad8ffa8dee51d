//! Label switching (RFC 3032).

use crate::cx::{Cx, Printed};
use crate::{ip, ip6};

const RESERVED: [&str; 4] =
    ["IPv4 explicit NULL", "router alert", "IPv6 explicit NULL", "implicit NULL"];

/// One entry of a stack.
#[derive(Clone, Copy)]
pub(crate) struct Label(pub(crate) usize);

impl Label {
    pub(crate) const fn number(self) -> usize {
        self.0 >> 12
    }
    pub(crate) const fn class(self) -> usize {
        self.0 >> 9 & 7
    }
    pub(crate) const fn is_last(self) -> bool {
        self.0 & 0x100 != 0
    }
    pub(crate) const fn ttl(self) -> usize {
        self.0 & 0xff
    }
}

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.nest(|cx| stack(cx, at, len))
}

fn stack(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "mpls";
    cx.s("MPLS");
    let verbose = cx.o.verbose > 0;
    let (mut p, mut len) = (at, len);
    let last = loop {
        if len < 4 {
            cx.invalid();
            return cx.need(p, len);
        }
        let label = Label(cx.u32(p)?);
        cx.s(if p > at && verbose { "\n\t" } else { " " });
        put!(cx, "(label {}", label.number());
        if verbose && label.number() < 16 {
            put!(cx, " ({})", RESERVED.get(label.number()).unwrap_or(&"rsvd"));
        }
        put!(cx, ", tc {}", label.class());
        if label.is_last() {
            cx.s(", [S]");
        }
        put!(cx, ", ttl {})", label.ttl());
        (p, len) = (p + 4, len - 4);
        if label.is_last() {
            break label;
        }
    };
    let version = match last.number() {
        0 | 3 => 4,
        2 => 6,
        _ if len < 1 => return Ok(()),
        _ => match cx.u8(p)? {
            0x45..=0x4f => 4,
            0x60..=0x6f => 6,
            _ => 0,
        },
    };
    if version == 0 {
        return cx.default_print(p, len);
    }
    cx.s(if verbose { "\n\t" } else { " " });
    if version == 4 { ip::print(cx, p, len) } else { ip6::print(cx, p, len) }
}
