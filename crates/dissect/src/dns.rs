//! DNS (RFC 1035) and multicast DNS (RFC 6762).

use crate::cx::{Cx, Printed};
use crate::dns_record::{class, record, type_name};

const OPERATIONS: [&str; 16] = [
    "",
    " inv_q",
    " stat",
    " op3",
    " notify",
    " update",
    " op6",
    " op7",
    " op8",
    " updateA",
    " updateD",
    " updateDA",
    " updateM",
    " updateMA",
    " zoneInit",
    " zoneRef",
];
/// As tcpdump has them, two without the space before.
const RESULTS: [&str; 24] = [
    "",
    " FormErr",
    " ServFail",
    " NXDomain",
    " NotImp",
    " Refused",
    " YXDomain",
    " YXRRSet",
    " NXRRSet",
    " NotAuth",
    " NotZone",
    " Resp11",
    " Resp12",
    " Resp13",
    " Resp14",
    " NoChange",
    " BadVers",
    "Resp17",
    " Resp18",
    " Resp19",
    " Resp20",
    "Resp21",
    " Resp22",
    " BadCookie",
];
const HEADER: usize = 12;
const OPT: usize = 41;
/// Characters of a name that are shown.
const LONGEST: usize = 255;

/// A message behind its length.
pub(crate) fn over_tcp(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "domain";
    if len < 2 {
        put!(cx, " [DNS over TCP: length {len} < 2]");
        cx.invalid();
        return Ok(());
    }
    let (said, len) = (cx.u16(at)?, len - 2);
    if said != len {
        put!(cx, " [prefix length({said}) != length({len})]");
        cx.invalid();
        return Ok(());
    }
    cx.s(" ");
    print(cx, at + 2, len, false)
}

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, multicast: bool) -> Printed {
    cx.proto = "domain";
    if len < HEADER {
        put!(cx, "domain [length {len} < 12]");
        cx.invalid();
        return Ok(());
    }
    if !cx.has(at, HEADER) {
        cx.trunc();
        return Ok(());
    }
    let flags = cx.u16(at + 2)?;
    let mut message = Message {
        at,
        p: at + HEADER,
        multicast,
        counts: [cx.u16(at + 4)?, cx.u16(at + 6)?, cx.u16(at + 8)?, cx.u16(at + 10)?],
    };
    cx.u(cx.u16(at)?);
    cx.s(OPERATIONS.get(flags >> 11 & 15).unwrap_or(&""));
    let whole = if flags & 0x8000 != 0 {
        message.response(cx, flags)?
    } else {
        message.request(cx, flags)?
    };
    if whole {
        cx.s(" (");
        cx.u(len);
        cx.s(")");
    } else {
        cx.trunc();
    }
    Ok(())
}

struct Message {
    at: usize,
    /// What comes next.
    p: usize,
    multicast: bool,
    /// Questions, answers, authorities, additional records.
    counts: [usize; 4],
}

impl Message {
    fn response(&mut self, cx: &mut Cx<'_>, flags: usize) -> Printed<bool> {
        let [questions, answers, authorities, additional] = self.counts;
        let result = flags & 15 | self.extended_result(cx)?.unwrap_or(0) << 4;
        match RESULTS.get(result) {
            Some(name) => cx.s(name),
            None => put!(cx, " Resp{}", result & 0xfff),
        }
        for (bit, set, clear) in
            [(0x0400, "*", ""), (0x0080, "", "-"), (0x0200, "|", ""), (0x0020, "$", "")]
        {
            cx.s(if flags & bit != 0 { set } else { clear });
        }
        if questions != 1 {
            put!(cx, " [{questions}q]");
        }
        for n in 0..questions {
            if n > 0 {
                cx.s(",");
            }
            if cx.o.verbose > 1 {
                cx.s(" q:");
                if !self.question(cx)? {
                    return Ok(false);
                }
            } else {
                match skip_name(cx, self.p)? {
                    Some(next) => self.p = next + 4,
                    None => return Ok(false),
                }
            }
        }
        cx.s(" ");
        cx.u(answers);
        cx.s("/");
        cx.u(authorities);
        cx.s("/");
        cx.u(additional);
        // The first answer is shown even where the packet ends.
        if answers > 0 && !self.records(cx, answers)? {
            return Ok(false);
        }
        self.sections(cx)
    }

    fn request(&mut self, cx: &mut Cx<'_>, flags: usize) -> Printed<bool> {
        let [questions, answers, authorities, additional] = self.counts;
        if flags & 0x0100 != 0 {
            cx.s("+");
        }
        if flags & 0x0010 != 0 {
            cx.s("%");
        }
        if flags & 0x6cf != 0 {
            put!(cx, " [b2&3=0x{flags:x}]");
        }
        let inverse = flags >> 11 & 15 == 1;
        if inverse {
            if questions != 0 {
                put!(cx, " [{questions}q]");
            }
            if answers != 1 {
                put!(cx, " [{answers}a]");
            }
        } else {
            if answers != 0 {
                put!(cx, " [{answers}a]");
            }
            if questions != 1 {
                put!(cx, " [{questions}q]");
            }
        }
        if authorities != 0 {
            put!(cx, " [{authorities}n]");
        }
        if additional != 0 {
            put!(cx, " [{additional}au]");
        }
        for n in 0..questions {
            if (n > 0 && self.p >= cx.end) || !self.question(cx)? {
                return Ok(false);
            }
        }
        if cx.o.verbose > 1 && answers > 0 && !self.records(cx, answers)? {
            return Ok(false);
        }
        self.sections(cx)
    }

    /// Authorities and additional records, which are only shown with `-vv`.
    fn sections(&mut self, cx: &mut Cx<'_>) -> Printed<bool> {
        if cx.o.verbose < 2 {
            return Ok(true);
        }
        let [_, _, authorities, additional] = self.counts;
        for (count, name) in [(authorities, " ns:"), (additional, " ar:")] {
            if count == 0 {
                continue;
            }
            if self.p >= cx.end {
                return Ok(false);
            }
            cx.s(name);
            if !self.records(cx, count)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn records(&mut self, cx: &mut Cx<'_>, count: usize) -> Printed<bool> {
        for n in 0..count {
            if n > 0 {
                if self.p >= cx.end {
                    return Ok(false);
                }
                cx.s(",");
            }
            match record(cx, self.p, self.at, self.multicast)? {
                Some(next) => self.p = next,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn question(&mut self, cx: &mut Cx<'_>) -> Printed<bool> {
        let Some(p) = skip_name(cx, self.p)? else { return Ok(false) };
        if !cx.has(p, 4) {
            return Ok(false);
        }
        type_name(cx, cx.u16(p)?);
        let number = cx.u16(p + 2)?;
        class(cx, if self.multicast { number & 0x7fff } else { number });
        if self.multicast {
            cx.s(if number & 0x8000 != 0 { " (QU)" } else { " (QM)" });
        }
        cx.s("? ");
        match name(cx, self.p, self.at)? {
            Some(next) => self.p = next + 4,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Further bits of the result, from the OPT record (RFC 6891).
    fn extended_result(&self, cx: &Cx<'_>) -> Printed<Option<usize>> {
        let [questions, answers, authorities, additional] = self.counts;
        let mut p = self.p;
        for _ in 0..questions {
            let Some(next) = skip_name(cx, p)? else { return Ok(None) };
            p = next + 4;
            if p >= cx.end {
                return Ok(None);
            }
        }
        for n in 0..answers + authorities + additional {
            let Some(next) = skip_name(cx, p)? else { return Ok(None) };
            if next + 2 > cx.end {
                return Ok(None);
            }
            if n >= answers + authorities && cx.u16(next)? == OPT {
                return Ok(if next + 5 > cx.end { None } else { Some(cx.u8(next + 4)?) });
            }
            if next + 10 > cx.end {
                return Ok(None);
            }
            p = next + 10 + cx.u16(next + 8)?;
            if p >= cx.end {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

/// Where a name ends.
pub(crate) fn skip_name(cx: &Cx<'_>, at: usize) -> Printed<Option<usize>> {
    let mut p = at;
    loop {
        if !cx.has(p, 1) {
            return Ok(None);
        }
        let len = cx.u8(p)?;
        p += 1;
        match len >> 6 {
            0 if len == 0 => return Ok(Some(p)),
            0 => p += len,
            3 => return Ok(Some(p + 1)),
            // A bit string (RFC 2673).
            1 if len == 0x41 && cx.has(p, 1) => {
                let bits = cx.u8(p)?;
                p += 1 + if bits == 0 { 32 } else { bits.div_ceil(8) };
            }
            _ => return Ok(None),
        }
    }
}

/// Bytes of a label, its type and length included in neither case; says what is wrong with it.
fn label_len(cx: &mut Cx<'_>, at: usize) -> Printed<Option<usize>> {
    if !cx.has(at, 1) {
        return Ok(None);
    }
    let len = cx.u8(at)?;
    match len >> 6 {
        0 | 3 => Ok(Some(len)),
        1 if len != 0x41 => {
            put!(cx, "<ELT {}>", len & 0x3f);
            Ok(None)
        }
        1 if cx.has(at + 1, 1) => {
            let bits = cx.u8(at + 1)?;
            Ok(Some(1 + if bits == 0 { 32 } else { bits.div_ceil(8) }))
        }
        1 => Ok(None),
        _ => {
            cx.s("<BAD LABEL TYPE>");
            Ok(None)
        }
    }
}

/// Shows a name; where it ends, unless it does not. `message` is what pointers count from.
pub(crate) fn name(cx: &mut Cx<'_>, at: usize, message: usize) -> Printed<Option<usize>> {
    labels(cx, at, message, at.saturating_sub(message))
}

/// Shows a name that tcpdump takes pointers of to count from `end`, where anything may be.
pub(crate) fn name_from(cx: &mut Cx<'_>, at: usize, end: usize) -> Printed<Option<usize>> {
    labels(cx, at, end, usize::MAX)
}

fn labels(cx: &mut Cx<'_>, at: usize, message: usize, limit: usize) -> Printed<Option<usize>> {
    let Some(mut len) = label_len(cx, at)? else { return Ok(None) };
    // Pointers must lead further and further back, which ends loops.
    let mut furthest = limit;
    let mut p = at + 1;
    let mut head = cx.u8(at)?;
    let points = head >> 6 == 3;
    let mut end = None;
    let mut shown = 0;
    if head == 0 {
        cx.s(".");
        return Ok(Some(p));
    }
    while head != 0 && p < cx.end {
        match head >> 6 {
            3 => {
                end = end.or(Some(p + 1));
                if !cx.has(p, 1) {
                    return Ok(None);
                }
                let target = (head << 8 | cx.u8(p)?) & 0x3fff;
                if target >= furthest {
                    cx.s("<BAD PTR>");
                    return Ok(None);
                }
                furthest = target;
                p = message + target;
                if !cx.has(p, 1) {
                    return Ok(None);
                }
                head = cx.u8(p)?;
                match label_len(cx, p)? {
                    Some(next) => len = next,
                    None => return Ok(None),
                }
                p += 1;
                continue;
            }
            1 => {
                if !bit_string(cx, p)? {
                    return Ok(None);
                }
            }
            _ => {
                let room = LONGEST.saturating_sub(shown);
                if room > 0 && cx.chars(p, len.min(room)) {
                    return Ok(None);
                }
                shown += len;
            }
        }
        p += len;
        if shown <= LONGEST {
            cx.s(".");
        }
        shown += 1;
        if !cx.has(p, 1) {
            return Ok(None);
        }
        head = cx.u8(p)?;
        match label_len(cx, p)? {
            Some(next) => len = next,
            None => return Ok(None),
        }
        p += 1;
    }
    if shown > LONGEST {
        cx.s("<DOMAIN NAME TOO LONG>");
    }
    // A pointer of one byte, the other one not captured.
    Ok(end.or((!points).then_some(p)))
}

fn bit_string(cx: &mut Cx<'_>, at: usize) -> Printed<bool> {
    if !cx.has(at, 1) {
        return Ok(false);
    }
    let bits = match cx.u8(at)? {
        0 => 256,
        bits => bits,
    };
    cx.s("\\[x");
    let (mut p, mut left) = (at + 1, bits);
    while left > 7 {
        cx.hex2(cx.byte(p)?);
        (p, left) = (p + 1, left - 8);
    }
    if left > 4 {
        put!(cx, "{:02x}", cx.u8(p)? & 0xff << (8 - left) & 0xff);
    } else if left > 0 {
        put!(cx, "{:x}", cx.u8(p)? >> 4 & 0xf << (4 - left));
    }
    put!(cx, "/{bits}]");
    Ok(true)
}
