//! RTP and RTCP (RFC 3550), and the audio of vat before them, which only `-T` asks for.

use crate::cx::{Cx, Printed};

pub(crate) fn vat(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "vat";
    if len < 2 {
        put!(cx, "udp/va/vat, length {len} < 2");
        return Ok(());
    }
    let head = cx.u16(at)?;
    if head & 0xf060 != 0 {
        put!(cx, "udp/vt {len} {} / {}", head & 0x3ff, head >> 10);
        return Ok(());
    }
    if len < 8 {
        put!(cx, "udp/vat, length {len} < 8");
        return Ok(());
    }
    let (first, second) = (cx.u32(at)?, cx.u32(at + 4)?);
    let star = if first & 0x80_0000 != 0 { "*" } else { "" };
    put!(cx, "udp/vat {} c{} {second}{star}", len - 8, first & 0xffff);
    if first & 0x1f_0000 != 0 {
        put!(cx, " f{}", first >> 16 & 0x1f);
    }
    if first & 0x3f00_0000 != 0 {
        put!(cx, " s{}", first >> 24 & 0x3f);
    }
    Ok(())
}

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "rtp";
    if len < 8 {
        put!(cx, "udp/rtp, length {len} < 8");
        return Ok(());
    }
    let (first, second) = (cx.u32(at)?, cx.u32(at + 4)?);
    let old = first >> 30 == 1;
    if !old && len < 12 {
        put!(cx, "udp/rtp, length {len} < 12");
        return Ok(());
    }
    let head = if old { 8 } else { 12 };
    // Words after the header.
    let mut words = (len >> 2).saturating_sub(head / 4);
    let (options, extension) = (old && first & 0x80_0000 != 0, !old && first & 0x1000_0000 != 0);
    let content = first >> 16 & if old { 0x3f } else { 0x7f };
    let marker = first & if old { 0x40_0000 } else { 0x80_0000 } != 0;
    put!(
        cx,
        "udp/{} {} c{content} {}{} {} {second}",
        if old { "rtpv1" } else { "rtp" },
        len - head,
        if options || extension { "+" } else { "" },
        if marker { "*" } else { "" },
        first & 0xffff
    );
    if cx.o.verbose == 0 {
        return Ok(());
    }
    put!(cx, " {}", cx.u32(at + 8)?);
    let mut p = at + head;
    let mut more = options;
    while more {
        let option = cx.u32(p)?;
        let size = option >> 16 & 0xff;
        if size == 0 || size > words {
            cx.s(" !opt");
            return Ok(());
        }
        p += 4 * size;
        words -= size;
        more = option >> 31 == 0;
    }
    if extension {
        let size = (cx.u32(p)? & 0xffff) + 1;
        if size > words {
            cx.s(" !ext");
            return Ok(());
        }
        p += 4 * size;
    }
    if content == 0x1f {
        put!(cx, " 0x{:04x}", cx.u32(p)? >> 16);
    }
    Ok(())
}

/// Control packets, one after another.
pub(crate) fn control(cx: &mut Cx<'_>, at: usize) -> Printed {
    let mut p = at;
    while p < cx.end {
        match report(cx, p)? {
            Some(len) => p += len,
            None => break,
        }
    }
    Ok(())
}

/// The number as double-precision hosts have it.
fn float(n: u32) -> f64 {
    f64::from(n)
}

fn report(cx: &mut Cx<'_>, at: usize) -> Printed<Option<usize>> {
    cx.proto = "rtcp";
    if !cx.has(at, 8) {
        cx.trunc();
        return Ok(None);
    }
    let len = (cx.u16(at + 2)? + 1) * 4;
    let flags = cx.u16(at)?;
    let verbose = cx.o.verbose > 0;
    let mut count = flags >> 8 & 0x1f;
    let mut blocks = at + 8;
    let kind = flags & 0xff;
    match kind {
        200 | 201 => {
            cx.s(if kind == 200 { " sr" } else { " rr" });
            let fixed = if kind == 200 { 28 } else { 8 };
            if len != count * 24 + fixed {
                put!(cx, " [{len}]");
            }
        }
        202 => put!(cx, " sdes {len}"),
        203 => put!(cx, " bye {len}"),
        _ => put!(cx, " type-0x{kind:x} {len}"),
    }
    if verbose && matches!(kind, 200..=203) {
        put!(cx, " {}", cx.u32(at + 4)?);
    }
    if kind == 200 {
        if !cx.has(at + 8, 20) {
            cx.trunc();
            return Ok(None);
        }
        let time = float(cx.word(at + 8)?) + float(cx.word(at + 12)?) / 4_294_967_296.0;
        put!(cx, " @{time:.2} {} {}p {}b", cx.u32(at + 16)?, cx.u32(at + 20)?, cx.u32(at + 24)?);
        blocks += 20;
    }
    if !matches!(kind, 200 | 201) {
        count = 0;
    }
    if count > 1 {
        put!(cx, " c{count}");
    }
    for n in 0..count {
        let p = blocks + 24 * n;
        if !cx.has(p, 24) {
            cx.trunc();
            return Ok(None);
        }
        if verbose {
            put!(cx, " {}", cx.u32(p)?);
        }
        let (last, since) = (float(cx.word(p + 16)?) / 65536.0, float(cx.word(p + 20)?) / 65536.0);
        put!(
            cx,
            " {}l {}s {}j @{last:.2}+{since:.2}",
            cx.u32(p + 4)? & 0xff_ffff,
            cx.u32(p + 8)?,
            cx.u32(p + 12)?
        );
    }
    Ok(Some(len))
}
