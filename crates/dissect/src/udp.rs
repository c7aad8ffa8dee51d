//! UDP (RFC 768).

use crate::cx::{Cx, Printed};
use crate::ip::{Around, UDP};
use crate::options::Carried;
use crate::sum::should_be;
use crate::{dhcp, dhcp6, dns, esp, geneve, mpls, ntp, quic, radius, rtp, snmp, txt, vxlan};

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    cx.proto = "udp";
    if !cx.has(at + 2, 2) {
        if around.next(cx)? == UDP {
            around.addrs(cx)?;
            cx.s(": ");
        }
        cx.trunc();
        return Ok(());
    }
    let ports = (cx.port(at)?, cx.port(at + 2)?);
    let addrs = |cx: &mut Cx<'_>| around.ports(cx, UDP, ports, |cx, port| cx.udp_port(port));
    if len < 8 {
        addrs(cx)?;
        put!(cx, "truncated-udp {len}");
        return Ok(());
    }
    if !cx.has(at + 4, 2) {
        addrs(cx)?;
        cx.trunc();
        return Ok(());
    }
    let mut said = cx.u16(at + 4)?;
    if said == 0 && len > 65535 {
        // A jumbogram (RFC 2675).
        said = len;
    }
    if said < 8 {
        addrs(cx)?;
        put!(cx, "truncated-udplength {said}");
        return Ok(());
    }
    let said = said - 8;
    let data = said.min(len - 8);
    let p = at + 8;
    addrs(cx)?;
    if p > cx.end {
        cx.trunc();
        return Ok(());
    }
    if let Some(carried) = cx.o.carried {
        return match carried {
            Carried::Domain => dns::print(cx, p, data, false),
            Carried::Radius => radius::print(cx, p, data),
            Carried::Rtp => rtp::print(cx, p, data),
            Carried::Rtcp => rtp::control(cx, p),
            Carried::Snmp => snmp::print(cx, p, data),
            Carried::Vat => rtp::vat(cx, p, data),
            Carried::Vxlan => vxlan::print(cx, p, data),
        };
    }
    if cx.o.verbose > 0 && !cx.o.no_checksums && !around.fragment {
        checksum(cx, at, data, around)?;
    }
    if !cx.o.quick && payload(cx, p, data, ports)? {
        return Ok(());
    }
    cx.s("UDP, ");
    if said > data && !around.fragment {
        put!(cx, "bad length {said} > {data}");
    } else {
        cx.s("length ");
        cx.u(said);
    }
    Ok(())
}

fn checksum(cx: &mut Cx<'_>, at: usize, data: usize, around: Around) -> Printed {
    if !around.v6 && cx.o.verbose < 2 {
        return Ok(());
    }
    if !around.v6 && cx.u16(at + 6)? == 0 {
        cx.s("[no cksum] ");
        return Ok(());
    }
    if !cx.has(at + 8, data) {
        return Ok(());
    }
    match around.checksum(cx, 17, at, data + 8, data + 8)? {
        0 => cx.s("[udp sum ok] "),
        sum => {
            let have = cx.u16(at + 6)?;
            put!(cx, "[bad udp cksum 0x{have:04x} -> 0x{:04x}!] ", should_be(have, sum));
        }
    }
    Ok(())
}

/// What the ports announce; whether they do.
fn payload(cx: &mut Cx<'_>, p: usize, len: usize, (sport, dport): (u16, u16)) -> Printed<bool> {
    let on = |port| sport == port || dport == port;
    if on(53) {
        dns::print(cx, p, len, false)?;
    } else if on(5353) {
        dns::print(cx, p, len, true)?;
    } else if on(68) || on(67) {
        dhcp::print(cx, p, len)?;
    } else if on(4500) {
        return esp::in_udp(cx, p, len);
    } else if on(161) || on(162) {
        snmp::print(cx, p, len)?;
    } else if on(123) {
        ntp::print(cx, p, len)?;
    } else if dport == 3456 {
        rtp::vat(cx, p, len)?;
    } else if on(547) || on(546) {
        dhcp6::print(cx, p, len)?;
    } else if [1645, 1812, 1646, 1813, 1700, 3799].into_iter().any(on) {
        radius::print(cx, p, len)?;
    } else if on(5060) {
        txt::sip(cx, p, len)?;
    } else if on(514) {
        txt::syslog(cx, p, len)?;
    } else if on(4789) {
        vxlan::print(cx, p, len)?;
    } else if on(6081) {
        geneve::print(cx, p, len)?;
    } else if on(6635) {
        mpls::print(cx, p, len)?;
    } else if cx.o.beyond && quic::print(cx, p, len)? {
    } else {
        return Ok(false);
    }
    Ok(true)
}
