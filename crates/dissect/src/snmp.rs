//! SNMP, versions 1 to 3 (RFC 1157, 3416, 3412).

use crate::asn1::{Element, Value, octets, oid, show, text};
use crate::cx::{Cx, Printed};

const GET: usize = 0;
const GET_NEXT: usize = 1;
const SET: usize = 3;
const TRAP: usize = 4;
const GET_BULK: usize = 5;
const INFORM: usize = 6;
const TRAP2: usize = 7;
const REPORT: usize = 8;
const ERRORS: [&str; 19] = [
    "noError",
    "tooBig",
    "noSuchName",
    "badValue",
    "readOnly",
    "genErr",
    "noAccess",
    "wrongType",
    "wrongLength",
    "wrongEncoding",
    "wrongValue",
    "noCreation",
    "inconsistentValue",
    "resourceUnavailable",
    "commitFailed",
    "undoFailed",
    "authorizationError",
    "notWritable",
    "inconsistentName",
];
const TRAPS: [&str; 7] = [
    "coldStart",
    "warmStart",
    "linkDown",
    "linkUp",
    "authenticationFailure",
    "egpNeighborLoss",
    "enterpriseSpecific",
];

/// The rest of a sequence.
struct Seq {
    p: usize,
    len: usize,
}

/// The next element, which must be of a form; otherwise says so and ends the message with `None`.
macro_rules! expect {
    ($seq:expr, $cx:expr, $pattern:pat => $value:expr, $complaint:expr) => {{
        let Some(element) = $seq.next($cx)? else { return Ok(None) };
        match element.value {
            $pattern => $value,
            _ => {
                $cx.s($complaint);
                show($cx, &element)?;
                return Ok(None);
            }
        }
    }};
}

/// Shown to the end; nothing if something else stood where it should not, which has been said.
type Shown = Printed<Option<()>>;

impl Seq {
    fn of(element: (usize, usize)) -> Self {
        Self { p: element.0, len: element.1 }
    }

    fn next(&mut self, cx: &mut Cx<'_>) -> Printed<Option<Element>> {
        let Some((element, used)) = Element::parse(cx, self.p, self.len)? else { return Ok(None) };
        self.p += used;
        self.len -= used;
        Ok(Some(element))
    }

    /// Says what is left after an element that should be the last.
    fn extra(&self, cx: &mut Cx<'_>, used: usize, what: &str) {
        // tcpdump compares with the length of the last element, not with what is left.
        if used < self.len {
            put!(cx, "[{} extra after {what}]", self.len - used);
        }
    }
}

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "snmp";
    cx.s(" ");
    message(cx, at, len).map(|_| ())
}

fn message(cx: &mut Cx<'_>, at: usize, len: usize) -> Shown {
    let mut whole = Seq { p: at, len };
    let inner = expect!(whole, cx, Value::Seq(p, n) => (p, n), "[!init SEQ]");
    if whole.len > 0 {
        put!(cx, "[{} extra after iSEQ]", whole.len);
    }
    let mut seq = Seq::of(inner);
    let version = expect!(seq, cx, Value::Int(n) => n, "[version!=INT]");
    let name = match version {
        0 => "SNMPv1",
        1 => "SNMPv2c",
        3 => "SNMPv3",
        _ => {
            put!(cx, "SNMP [version = {version}]");
            return Ok(None);
        }
    };
    let verbose = cx.o.verbose > 0;
    if verbose {
        put!(cx, "{{ {name} ");
    }
    // What went wrong within does not end the message.
    if version == 3 {
        version3(cx, &seq)?
    } else {
        community(cx, seq, version)?
    };
    if verbose {
        cx.s("} ");
    }
    Ok(Some(()))
}

fn community(cx: &mut Cx<'_>, mut seq: Seq, version: i32) -> Shown {
    let (p, len) = expect!(seq, cx, Value::Str(p, n) => (p, n), "[comm!=STR]");
    if cx.bytes(p, len)? != b"public" {
        cx.s("C=");
        if !text(cx, p, len)? {
            return Ok(None);
        }
        cx.s(" ");
    }
    pdu(cx, seq, version)
}

fn version3(cx: &mut Cx<'_>, whole: &Seq) -> Shown {
    let verbose = cx.o.verbose > 0;
    let mut rest = Seq { p: whole.p, len: whole.len };
    let inner = expect!(rest, cx, Value::Seq(p, n) => (p, n), "[!message]");
    let mut header = Seq::of(inner);
    if verbose {
        cx.s("{ ");
    }
    expect!(header, cx, Value::Int(_) => (), "[msgID!=INT]");
    expect!(header, cx, Value::Int(_) => (), "[msgMaxSize!=INT]");
    let (p, len) = expect!(header, cx, Value::Str(p, n) => (p, n), "[msgFlags!=STR]");
    if len != 1 {
        put!(cx, "[msgFlags size {len}]");
        return Ok(None);
    }
    let flags = cx.u8(p)?;
    if !matches!(flags, 0 | 1 | 3 | 4 | 5 | 7) {
        put!(cx, "[msgFlags=0x{flags:02X}]");
        return Ok(None);
    }
    cx.s("F=");
    cx.bits(&[(1, "a"), (2, "p"), (4, "r")], flags, "", "");
    cx.s(" ");
    let before = header.p;
    let model = expect!(header, cx, Value::Int(n) => n, "[msgSecurityModel!=INT]");
    header.extra(cx, header.p - before, "message SEQ");
    if verbose {
        cx.s("} ");
    }
    if model != 3 {
        put!(cx, "[security model {model}]");
        return Ok(None);
    }
    if verbose {
        cx.s("{ USM ");
    }
    let mut rest = Seq { p: header.p, len: (whole.p + whole.len).saturating_sub(header.p) };
    let (p, len) = expect!(rest, cx, Value::Str(p, n) => (p, n), "[msgSecurityParameters!=STR]");
    user(cx, Seq { p, len })?;
    if verbose {
        cx.s("} { ScopedPDU ");
    }
    scoped(cx, rest)?;
    if verbose {
        cx.s("} ");
    }
    Ok(Some(()))
}

/// Parameters of the user-based security model (RFC 3414).
fn user(cx: &mut Cx<'_>, mut whole: Seq) -> Shown {
    let inner = expect!(whole, cx, Value::Seq(p, n) => (p, n), "[!usm]");
    let mut seq = Seq::of(inner);
    let verbose = cx.o.verbose > 0;
    expect!(seq, cx, Value::Str(..) => (), "[msgAuthoritativeEngineID!=STR]");
    let boots = expect!(seq, cx, Value::Int(n) => n, "[msgAuthoritativeEngineBoots!=INT]");
    if verbose {
        put!(cx, "B={boots} ");
    }
    let time = expect!(seq, cx, Value::Int(n) => n, "[msgAuthoritativeEngineTime!=INT]");
    if verbose {
        put!(cx, "T={time} ");
    }
    let (p, len) = expect!(seq, cx, Value::Str(p, n) => (p, n), "[msgUserName!=STR]");
    cx.s("U=");
    if !text(cx, p, len)? {
        return Ok(None);
    }
    cx.s(" ");
    expect!(seq, cx, Value::Str(..) => (), "[msgAuthenticationParameters!=STR]");
    let before = seq.p;
    expect!(seq, cx, Value::Str(..) => (), "[msgPrivacyParameters!=STR]");
    seq.extra(cx, seq.p - before, "usm SEQ");
    Ok(Some(()))
}

fn scoped(cx: &mut Cx<'_>, mut whole: Seq) -> Shown {
    let inner = expect!(whole, cx, Value::Seq(p, n) => (p, n), "[!scoped PDU]");
    let mut seq = Seq::of(inner);
    let (p, len) = expect!(seq, cx, Value::Str(p, n) => (p, n), "[contextEngineID!=STR]");
    cx.s("E=");
    octets(cx, p, len)?;
    cx.s(" ");
    let (p, len) = expect!(seq, cx, Value::Str(p, n) => (p, n), "[contextName!=STR]");
    cx.s("C=");
    if !text(cx, p, len)? {
        return Ok(None);
    }
    cx.s(" ");
    pdu(cx, seq, 3)
}

fn pdu(cx: &mut Cx<'_>, mut whole: Seq, version: i32) -> Shown {
    let Some(element) = whole.next(cx)? else { return Ok(None) };
    let Value::Pdu(p, len) = element.value else {
        cx.s("[no PDU]");
        return Ok(None);
    };
    if whole.len > 0 {
        put!(cx, "[{} extra after PDU]", whole.len);
    }
    let verbose = cx.o.verbose > 0;
    if verbose {
        cx.s("{ ");
    }
    show(cx, &element)?;
    cx.s(" ");
    let seq = Seq { p, len };
    match element.id {
        GET_BULK | INFORM | TRAP2 | REPORT if version == 0 => {
            cx.s("[v2 PDU in v1 message]");
            return Ok(None);
        }
        TRAP if version == 1 => {
            cx.s("[v1 PDU in v2 message]");
            return Ok(None);
        }
        TRAP => trap(cx, seq)?,
        kind => request(cx, kind, seq)?,
    };
    if verbose {
        cx.s(" } ");
    }
    Ok(Some(()))
}

fn error_name(cx: &mut Cx<'_>, number: i32) {
    match usize::try_from(number).ok().and_then(|n| ERRORS.get(n)) {
        Some(name) => cx.s(name),
        None => put!(cx, "err={}", number.cast_unsigned()),
    }
}

fn request(cx: &mut Cx<'_>, kind: usize, mut seq: Seq) -> Shown {
    let asks = matches!(kind, GET | GET_NEXT | SET | INFORM | TRAP2 | REPORT);
    let id = expect!(seq, cx, Value::Int(n) => n, "[reqId!=INT]");
    if cx.o.verbose > 0 {
        put!(cx, "R={id} ");
    }
    let status = expect!(seq, cx, Value::Int(n) => n, "[errorStatus!=INT]");
    let mut failed = false;
    if asks && status != 0 {
        cx.s("[errorStatus(");
        error_name(cx, status);
        cx.s(")!=0]");
    } else if kind == GET_BULK {
        put!(cx, " N={status}");
    } else if status != 0 {
        cx.s(" ");
        error_name(cx, status);
        failed = true;
    }
    let index = expect!(seq, cx, Value::Int(n) => n, "[errorIndex!=INT]");
    if asks && index != 0 {
        put!(cx, "[errorIndex({index})!=0]");
    } else if kind == GET_BULK {
        put!(cx, " M={index}");
    } else if index != 0 && failed {
        put!(cx, "@{index}");
    } else if index != 0 {
        put!(cx, "[errorIndex({index}) w/o errorStatus]");
    } else if failed {
        cx.s("[errorIndex==0]");
    }
    bindings(cx, kind, seq)
}

fn trap(cx: &mut Cx<'_>, mut seq: Seq) -> Shown {
    cx.s(" ");
    let (p, len) = expect!(seq, cx, Value::Oid(p, n) => (p, n), "[enterprise!=OID]");
    oid(cx, p, len)?;
    cx.s(" ");
    let Some(agent) = seq.next(cx)? else { return Ok(None) };
    if !matches!(agent.value, Value::Addr(..)) {
        cx.s("[agent-addr!=INETADDR]");
        show(cx, &agent)?;
        return Ok(None);
    }
    show(cx, &agent)?;
    let generic = expect!(seq, cx, Value::Int(n) => n, "[generic-trap!=INT]");
    cx.s(" ");
    match usize::try_from(generic).ok().and_then(|n| TRAPS.get(n)) {
        Some(name) => cx.s(name),
        None => put!(cx, "gt={generic}"),
    }
    let specific = expect!(seq, cx, Value::Int(n) => n, "[specific-trap!=INT]");
    if generic == 6 {
        put!(cx, " s={specific}");
    } else if specific != 0 {
        put!(cx, "[specific-trap({specific})!=0]");
    }
    cx.s(" ");
    let Some(time) = seq.next(cx)? else { return Ok(None) };
    if !matches!(time.value, Value::Uns(_)) {
        cx.s("[time-stamp!=TIMETICKS]");
        show(cx, &time)?;
        return Ok(None);
    }
    show(cx, &time)?;
    bindings(cx, TRAP, seq)
}

fn bindings(cx: &mut Cx<'_>, kind: usize, mut whole: Seq) -> Shown {
    let inner = expect!(whole, cx, Value::Seq(p, n) => (p, n), "[!SEQ of varbind]");
    if whole.len > 0 {
        put!(cx, "[{} extra after SEQ of varbind]", whole.len);
    }
    let mut list = Seq::of(inner);
    let reads = matches!(kind, GET | GET_NEXT | GET_BULK);
    while list.len > 0 {
        cx.s(" ");
        let inner = expect!(list, cx, Value::Seq(p, n) => (p, n), "[!varbind]");
        let mut seq = Seq::of(inner);
        let (p, len) = expect!(seq, cx, Value::Oid(p, n) => (p, n), "[objName!=OID]");
        oid(cx, p, len)?;
        if !reads {
            cx.s("=");
        }
        let Some(value) = seq.next(cx)? else { return Ok(None) };
        if matches!(value.value, Value::Null) {
            continue;
        }
        if reads {
            cx.s("[objVal!=NULL]");
        }
        if !show(cx, &value)? {
            return Ok(None);
        }
    }
    Ok(Some(()))
}
