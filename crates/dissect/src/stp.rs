//! Spanning tree (IEEE 802.1D, 802.1w, 802.1s) and shortest path bridging (802.1aq).

use crate::cx::{Cx, Printed};
use crate::tok::{Toks, tok};

const VERSIONS: &Toks = &[(0, "802.1d"), (RAPID, "802.1w"), (MSTP, "802.1s"), (SPB, "802.1aq")];
const RAPID: usize = 2;
const MSTP: usize = 3;
const SPB: usize = 4;
const FLAGS: &Toks = &[
    (0x01, "Topology change"),
    (0x02, "Proposal"),
    (0x10, "Learn"),
    (0x20, "Forward"),
    (0x40, "Agreement"),
    (0x80, "Topology change ACK"),
];
const TYPES: &Toks = &[(0x00, "Config"), (0x02, "Rapid STP"), (0x80, "Topology Change")];
const ROLES: &Toks = &[(0, "Unknown"), (1, "Alternate"), (2, "Root"), (3, "Designated")];
/// Bytes of a BPDU with the length of version 1.
const BPDU: usize = 36;
/// Bytes of the information of version 3 before the first tree instance, as its length counts them.
const MST_CONFIG: usize = 64;
const MSTI: usize = 16;
const MSTP_MIN: usize = 102;
const SPB_MIN: usize = 87;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "stp";
    if len < 4 {
        cx.invalid();
        return Ok(());
    }
    if cx.u16(at)? != 0 {
        put!(cx, "unknown STP version, length {len}");
        return Ok(());
    }
    let version = cx.u8(at + 2)?;
    cx.s("STP ");
    tok!(cx, VERSIONS, version, "Unknown STP protocol (0x{version:02x})");
    if tok(VERSIONS, version).is_none() {
        return Ok(());
    }
    let kind = cx.u8(at + 3)?;
    cx.s(", ");
    tok!(cx, TYPES, kind, "Unknown BPDU Type (0x{kind:02x})");
    match (kind, version) {
        (0x00, _) if len >= BPDU - 1 => config(cx, at, len),
        (0x02, RAPID) if len >= BPDU => config(cx, at, len),
        (0x02, MSTP | SPB) => {
            if len < MSTP_MIN || cx.u8(at + 35)? != 0 {
                cx.invalid();
                return Ok(());
            }
            let v3 = cx.u16(at + 36)? + 2;
            if len < BPDU + v3 {
                cx.invalid();
                return Ok(());
            }
            mstp(cx, at, len)?;
            if version == SPB {
                let v4 = cx.u16(at + 36 + v3)? + 2;
                if len < BPDU + v3 + v4 || v4 < SPB_MIN {
                    cx.invalid();
                    return Ok(());
                }
                return spb(cx, at + BPDU + v3);
            }
            Ok(())
        }
        (0x00, _) | (0x02, RAPID) => {
            cx.invalid();
            Ok(())
        }
        _ => Ok(()),
    }
}

fn bridge(cx: &mut Cx<'_>, at: usize) -> Printed {
    for (n, &byte) in cx.bytes(at, 8)?.iter().enumerate() {
        match n {
            2 => cx.s("."),
            3.. => cx.s(":"),
            _ => {}
        }
        cx.hex2(byte);
    }
    Ok(())
}

/// Time in units of 1/256 s.
fn time(cx: &Cx<'_>, at: usize) -> Printed<f32> {
    Ok(f32::from(cx.port(at)?) / 256.0)
}

fn times(cx: &mut Cx<'_>, at: usize) -> Printed {
    put!(
        cx,
        "\n\tmessage-age {:.2}s, max-age {:.2}s, hello-time {:.2}s, forwarding-delay {:.2}s",
        time(cx, at + 27)?,
        time(cx, at + 29)?,
        time(cx, at + 31)?,
        time(cx, at + 33)?
    );
    Ok(())
}

fn config(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let flags = cx.u8(at + 4)?;
    cx.s(", Flags [");
    cx.bits(FLAGS, flags, ", ", "none");
    cx.s("]");
    cx.all(|cx| {
        cx.s(", bridge-id ");
        bridge(cx, at + 17)?;
        put!(cx, ".{:04x}, length {len}", cx.u16(at + 25)?);
        Ok(())
    })?;
    if cx.o.verbose == 0 {
        return Ok(());
    }
    times(cx, at)?;
    cx.all(|cx| {
        cx.s("\n\troot-id ");
        bridge(cx, at + 5)?;
        put!(cx, ", root-pathcost {}", cx.u32(at + 13)?);
        Ok(())
    })?;
    if cx.u8(at + 2)? == RAPID {
        put!(cx, ", port-role {}", tok(ROLES, flags >> 2 & 3).unwrap_or("Unknown"));
    }
    Ok(())
}

fn digest(cx: &mut Cx<'_>, at: usize, words: usize) -> Printed {
    for n in 0..words {
        put!(cx, "{:08x}", cx.u32(at + 4 * n)?);
    }
    Ok(())
}

fn mstp(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let flags = cx.u8(at + 4)?;
    cx.s(", CIST Flags [");
    cx.bits(FLAGS, flags, ", ", "none");
    put!(cx, "], length {len}");
    if cx.o.verbose == 0 {
        return Ok(());
    }
    put!(cx, "\n\tport-role {}, CIST root-id ", tok(ROLES, flags >> 2 & 3).unwrap_or("Unknown"));
    bridge(cx, at + 5)?;
    put!(cx, ", CIST ext-pathcost {}", cx.u32(at + 13)?);
    cx.s("\n\tCIST regional-root-id ");
    bridge(cx, at + 17)?;
    put!(cx, ", CIST port-id {:04x},", cx.u16(at + 25)?);
    times(cx, at)?;
    let v3 = cx.u16(at + 36)?;
    put!(cx, "\n\tv3len {v3}, MCID Name ");
    cx.padded_chars(at + 39, 32)?;
    cx.all(|cx| {
        put!(cx, ", rev {},\n\t\tdigest ", cx.u16(at + 71)?);
        digest(cx, at + 73, 4)
    })?;
    cx.s(", ");
    put!(cx, "CIST int-root-pathcost {},", cx.u32(at + 89)?);
    cx.after("\n\tCIST bridge-id ", |cx| bridge(cx, at + 93))?;
    cx.s(", ");
    put!(cx, "CIST remaining-hops {}", cx.u8(at + 101)?);
    let mut p = at + 102;
    for _ in 0..v3.saturating_sub(MST_CONFIG) / MSTI {
        let flags = cx.u8(p)?;
        put!(cx, "\n\tMSTI {}, Flags [", cx.u16(p + 1)? & 0xfff);
        cx.bits(FLAGS, flags, ", ", "none");
        put!(cx, "], port-role {}", tok(ROLES, flags >> 2 & 3).unwrap_or("Unknown"));
        cx.after("\n\t\tMSTI regional-root-id ", |cx| {
            bridge(cx, p + 1)?;
            put!(cx, ", pathcost {}", cx.u32(p + 9)?);
            Ok(())
        })?;
        put!(
            cx,
            "\n\t\tMSTI bridge-prio {}, port-prio {}, hops {}",
            cx.u8(p + 13)? >> 4,
            cx.u8(p + 14)? >> 4,
            cx.u8(p + 15)?
        );
        p += MSTI;
    }
    Ok(())
}

fn spb(cx: &mut Cx<'_>, at: usize) -> Printed {
    if cx.o.verbose == 0 {
        return Ok(());
    }
    put!(cx, "\n\tv4len {}, AUXMCID Name ", cx.u16(at)?);
    cx.padded_chars(at + 3, 32)?;
    put!(cx, ", Rev {},\n\t\tdigest ", cx.u16(at + 35)?);
    digest(cx, at + 37, 4)?;
    let agreement = cx.u8(at + 53)?;
    let (format, convention) = (cx.u8(at + 55)?, cx.u8(at + 56)?);
    put!(
        cx,
        "\n\tAgreement num {}, Discarded Agreement num {}, Agreement valid-flag {},\n\tRestricted role-flag: \
         {}, Format id {} cap {format}, Convention id {} cap {convention},\n\tEdge count {}, Agreement digest ",
        agreement >> 6,
        agreement >> 4 & 3,
        agreement >> 3 & 1,
        agreement >> 2 & 1,
        format >> 4,
        convention >> 4,
        cx.u16(at + 57)?
    );
    digest(cx, at + 67, 5)
}
