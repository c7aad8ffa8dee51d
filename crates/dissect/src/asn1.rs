//! Elements of ASN.1's basic encoding (X.690), as SNMP uses them.

use crate::cx::{Cx, Printed};

const UNIVERSAL: [&str; 18] = [
    "U-0",
    "Boolean",
    "Integer",
    "Bitstring",
    "String",
    "Null",
    "ObjID",
    "ObjectDes",
    "U-8",
    "U-9",
    "U-10",
    "U-11",
    "U-12",
    "U-13",
    "U-14",
    "U-15",
    "Sequence",
    "Set",
];
const APPLICATION: [&str; 7] =
    ["IpAddress", "Counter", "Gauge", "TimeTicks", "Opaque", "C-5", "Counter64"];
const CONTEXT: [&str; 9] = [
    "GetRequest",
    "GetNextRequest",
    "GetResponse",
    "SetRequest",
    "Trap",
    "GetBulk",
    "Inform",
    "V2Trap",
    "Report",
];
const PRIVATE: [&str; 1] = ["P-0"];
const EXCEPTIONS: [&str; 3] = ["noSuchObject", "noSuchInstance", "endOfMibView"];

/// The four classes with the names of their elements.
const CLASSES: [(&str, &[&str]); 4] =
    [("x", &UNIVERSAL), ("x", &APPLICATION), ("x", &CONTEXT), ("x", &PRIVATE)];

/// What an element holds; positions and lengths where it is bytes.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    Any,
    Null,
    Octets(usize, usize),
    Oid(usize, usize),
    Int(i32),
    Uns(u32),
    Uns64(u64),
    Str(usize, usize),
    Seq(usize, usize),
    Addr(usize, usize),
    Pdu(usize, usize),
    Exception,
}

/// An element.
pub(crate) struct Element {
    pub(crate) id: usize,
    pub(crate) value: Value,
}

impl Element {
    /// The element at `at`, at most `len` bytes long, and its length; otherwise says what is wrong.
    pub(crate) fn parse(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<Option<(Self, usize)>> {
        if len < 1 {
            cx.s("[nothing to parse]");
            return Ok(None);
        }
        let first = cx.u8(at)?;
        let (mut id, constructed, class) = (first & 0x1f, first & 0x20 != 0, first >> 6);
        let (mut p, end) = (at + 1, at + len);
        if id == 0x1f {
            id = 0;
            loop {
                let byte = cx.u8(p)?;
                if p >= end {
                    cx.s("[Xtagfield?]");
                    return Ok(None);
                }
                p += 1;
                // Identifiers are kept in a byte.
                id = (id << 7 | byte & 0x7f) & 0xff;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        if p >= end {
            cx.s("[no asnlen]");
            return Ok(None);
        }
        let mut size = cx.u8(p)?;
        p += 1;
        if size & 0x80 != 0 {
            let octets = size & 0x7f;
            size = 0;
            if end - p < octets {
                put!(cx, "[asnlen? {}<{octets}]", end - p);
                return Ok(None);
            }
            if !cx.has(p, octets) {
                cx.trunc();
                return Ok(None);
            }
            for n in 0..octets {
                size = (size << 8 | cx.u8(p + n)?) & 0xffff_ffff;
            }
            p += octets;
        }
        if end - p < size {
            put!(cx, "[len{}<asnlen{size}]", end - p);
            return Ok(None);
        }
        let form = if constructed { 'C' } else { 'P' };
        let (class_name, names) = CLASSES.get(class).copied().unwrap_or(("", &[]));
        let Some(name) = names.get(id).copied() else {
            put!(cx, "[id?{form}/{class_name}/{id}]");
            return Ok(None);
        };
        if !cx.has(p, size) {
            cx.trunc();
            return Ok(None);
        }
        let value = match (constructed, class, id) {
            (false, 0, 2) if size == 0 => {
                cx.s("[asnlen=0]");
                return Ok(None);
            }
            (false, 0, 2) => Value::Int(integer(cx, p, size)?),
            (false, 0, 4) => Value::Str(p, size),
            (false, 0, 5) => Value::Null,
            (false, 0, 6) => Value::Oid(p, size),
            (false, 1, 0) => Value::Addr(p, size),
            (false, 1, 1..=3) => {
                Value::Uns(u32::try_from(unsigned(cx, p, size)? & 0xffff_ffff).unwrap_or(0))
            }
            (false, 1, 6) => Value::Uns64(unsigned(cx, p, size)?),
            (false, 2, 0..=2) => Value::Exception,
            (false, 2, _) => Value::Any,
            (true, 0, 16) => Value::Seq(p, size),
            (true, 2, _) => Value::Pdu(p, size),
            (false, 0, _) => {
                put!(cx, "[P/U/{name}]");
                Value::Octets(p, size)
            }
            (false, 1, _) => {
                put!(cx, "[P/A/{name}]");
                Value::Octets(p, size)
            }
            (false, ..) => {
                put!(cx, "[P/{class_name}/{name}]");
                Value::Octets(p, size)
            }
            (true, 0, _) => {
                put!(cx, "C/U/{name}");
                Value::Octets(p, size)
            }
            (true, ..) => {
                put!(cx, "C/{class_name}/{name}");
                Value::Octets(p, size)
            }
        };
        Ok(Some((Self { id, value }, p + size - at)))
    }
}

/// The last 32 bits of a signed number.
fn integer(cx: &Cx<'_>, p: usize, size: usize) -> Printed<i32> {
    let bytes = cx.bytes(p, size)?;
    let negative = bytes.first().is_some_and(|&byte| byte & 0x80 != 0);
    let start = if negative { u32::MAX } else { 0 };
    Ok(bytes.iter().fold(start, |n, &byte| n << 8 | u32::from(byte)).cast_signed())
}

/// The last 64 bits of an unsigned number.
fn unsigned(cx: &Cx<'_>, p: usize, size: usize) -> Printed<u64> {
    Ok(cx.bytes(p, size)?.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)))
}

/// Shows an element; whether it could be.
pub(crate) fn show(cx: &mut Cx<'_>, element: &Element) -> Printed<bool> {
    match element.value {
        Value::Any => cx.s("[BE_ANY!?]"),
        Value::Null => {}
        Value::Octets(p, len) => octets(cx, p, len)?,
        Value::Oid(p, len) => oid(cx, p, len)?,
        Value::Int(n) => put!(cx, "{n}"),
        Value::Uns(n) => put!(cx, "{n}"),
        Value::Uns64(n) => put!(cx, "{n}"),
        Value::Str(p, len) => return text(cx, p, len),
        Value::Seq(_, len) => put!(cx, "Seq({len})"),
        Value::Addr(p, len) => {
            if len != 4 {
                cx.s("[inetaddr len!=4]");
            }
            for (n, byte) in cx.bytes(p, len)?.iter().enumerate() {
                if n > 0 {
                    cx.s(".");
                }
                put!(cx, "{byte}");
            }
        }
        Value::Pdu(_, len) => put!(cx, "{}({len})", CONTEXT.get(element.id).unwrap_or(&"")),
        Value::Exception => put!(cx, "[{}]", EXCEPTIONS.get(element.id).unwrap_or(&"")),
    }
    Ok(true)
}

pub(crate) fn octets(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    for &byte in cx.bytes(p, len)? {
        cx.s("_");
        cx.hex2(byte);
    }
    Ok(())
}

/// A string, in quotes if it is text; whether it was all there.
pub(crate) fn text(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    if !cx.has(p, len) {
        cx.trunc();
        return Ok(false);
    }
    let bytes = cx.bytes(p, len)?;
    if bytes.iter().all(|c| (0x20..0x7f).contains(c)) {
        cx.s("\"");
        cx.out.extend_from_slice(bytes);
        cx.s("\"");
        return Ok(true);
    }
    for (n, &byte) in bytes.iter().enumerate() {
        if n > 0 {
            cx.s("_");
        }
        cx.hex2(byte);
    }
    Ok(true)
}

/// An object identifier in numbers.
pub(crate) fn oid(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    let mut number = 0u32;
    let mut first = true;
    for &byte in cx.bytes(p, len)? {
        number = (number << 7).wrapping_add(u32::from(byte & 0x7f));
        if byte & 0x80 != 0 {
            continue;
        }
        if first {
            first = false;
            // Two numbers in one; the sign is that of 32 bits.
            let top = (number.cast_signed() / 40).min(2);
            put!(cx, ".{}", top.cast_unsigned());
            number = number.wrapping_sub((top * 40).cast_unsigned());
        }
        put!(cx, ".{number}");
        number = 0;
    }
    Ok(())
}
