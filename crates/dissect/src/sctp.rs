//! SCTP (RFC 9260).

use crate::cx::{Cx, Printed, sub32};
use crate::ip::Around;
use crate::options::Bytes;
use crate::tok::Toks;

const CHUNKS: &Toks = &[
    (0x00, "DATA"),
    (0x01, "INIT"),
    (0x02, "INIT ACK"),
    (0x03, "SACK"),
    (0x04, "HB REQ"),
    (0x05, "HB ACK"),
    (0x06, "ABORT"),
    (0x07, "SHUTDOWN"),
    (0x08, "SHUTDOWN ACK"),
    (0x09, "OP ERR"),
    (0x0a, "COOKIE ECHO"),
    (0x0b, "COOKIE ACK"),
    (0x0c, "ECN ECHO"),
    (0x0d, "ECN CWR"),
    (0x0e, "SHUTDOWN COMPLETE"),
    (0xc0, "FOR CUM TSN"),
    (0xc1, "REL CTRL"),
    (0xc2, "REL CTRL ACK"),
];
const PAYLOADS: &Toks = &[
    (1, "ISDN Q.921"),
    (2, "M2UA"),
    (3, "M3UA"),
    (4, "SUA"),
    (5, "M2PA"),
    (6, "V5.2"),
    (7, "H.248"),
    (8, "BICC"),
    (9, "TALI"),
    (10, "DUA"),
    (11, "ASAP"),
    (12, "ENRP"),
    (13, "H.323"),
    (14, "Q.IPC"),
    (15, "SIMCO"),
    (16, "DDPSC"),
    (17, "DDPSSC"),
    (18, "S1AP"),
    (19, "RUA"),
    (20, "HNBAP"),
    (21, "ForCES HP"),
    (22, "ForCES MP"),
    (23, "ForCES LP"),
    (24, "SBc-AP"),
    (25, "NBAP"),
    (27, "X2AP"),
];
const FORCES: &Toks = &[(6704, "ForCES HP"), (6705, "ForCES MP"), (6706, "ForCES LP")];
const HEADER: usize = 12;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    cx.proto = "sctp";
    if len < HEADER {
        put!(cx, "truncated-sctp - {} bytes missing!", HEADER - len);
        return Ok(());
    }
    if !cx.has(at, HEADER) {
        cx.trunc();
        return Ok(());
    }
    let (sport, dport) = (cx.u16(at)?, cx.u16(at + 2)?);
    around.src(cx)?;
    put!(cx, ".{sport} > ");
    around.dst(cx)?;
    put!(cx, ".{dport}: sctp");
    for port in [sport, dport] {
        if let Some(name) = crate::tok::tok(FORCES, port) {
            put!(cx, "[{name}]");
        }
    }
    let (mut p, mut left) = (at + HEADER, len - HEADER);
    let mut number = 0;
    while left > 0 {
        number += 1;
        let sep = match (cx.o.verbose, number) {
            (2.., _) => "\n\t",
            (_, 1) => " (",
            _ => ", (",
        };
        put!(cx, "{sep}{number}) ");
        if left < 4 {
            cx.s("[chunk descriptor cut off at end of packet]");
            return Ok(());
        }
        if !cx.has(p, 4) {
            cx.out
                .truncate(cx.out.len() - sep.len() - 2 - itoa::Buffer::new().format(number).len());
            cx.trunc();
            return Ok(());
        }
        let size = cx.u16(p + 2)?;
        if size < 4 {
            put!(cx, "[Bad chunk length {size}, < size of chunk descriptor]");
            return Ok(());
        }
        let padding = size.next_multiple_of(4) - size;
        if left < padding {
            put!(cx, "[Bad chunk length {size}, > remaining data in packet]");
            return Ok(());
        }
        if !cx.has(p, size) {
            cx.out
                .truncate(cx.out.len() - sep.len() - 2 - itoa::Buffer::new().format(number).len());
            cx.trunc();
            return Ok(());
        }
        let kind = cx.u8(p)?;
        cx.s("[");
        tok!(cx, CHUNKS, kind, "Unknown chunk type: 0x{kind:x}");
        cx.s("] ");
        let good = match kind {
            0 => data(cx, p, size)?,
            1 | 2 => init(cx, p, size)?,
            3 => selective(cx, p, size)?,
            _ => true,
        };
        if !good {
            put!(cx, "bogus chunk length {size}]");
            return Ok(());
        }
        p += size;
        left = sub32(left, size);
        if padding > 0 {
            if !cx.has(p, padding) {
                cx.trunc();
                return Ok(());
            }
            p += padding;
            left = sub32(left, padding);
        }
    }
    Ok(())
}

/// Whether the chunk is as long as its kind must be.
fn data(cx: &mut Cx<'_>, p: usize, size: usize) -> Printed<bool> {
    let flags = cx.u8(p + 1)?;
    for (bit, name) in [(4, "(U)"), (2, "(B)"), (1, "(E)")] {
        if flags & bit != 0 {
            cx.s(name);
        }
    }
    if flags & 7 != 0 {
        cx.s(" ");
    }
    if size < 16 {
        return Ok(false);
    }
    let payload = cx.u32(p + 12)?;
    put!(
        cx,
        "[TSN: {}] [SID: {}] [SSEQ {}] [PPID ",
        cx.u32(p + 4)?,
        cx.u16(p + 8)?,
        cx.u16(p + 10)?
    );
    tok!(cx, PAYLOADS, payload, "0x{payload:x}");
    cx.s("] ");
    if size == 16 {
        return Ok(false);
    }
    if cx.o.verbose >= 2 {
        cx.s("[Payload");
        if !cx.o.quick && !matches!(cx.o.bytes, Bytes::Hex { .. } | Bytes::HexAscii { .. }) {
            cx.s(":");
            cx.always_print(p + 16, size - 16)?;
        }
        cx.s("]");
    }
    Ok(true)
}

fn init(cx: &mut Cx<'_>, p: usize, size: usize) -> Printed<bool> {
    if size < 20 {
        return Ok(false);
    }
    put!(
        cx,
        "[init tag: {}] [rwnd: {}] [OS: {}] [MIS: {}] [init TSN: {}] ",
        cx.u32(p + 4)?,
        cx.u32(p + 8)?,
        cx.u16(p + 12)?,
        cx.u16(p + 14)?,
        cx.u32(p + 16)?
    );
    Ok(true)
}

fn selective(cx: &mut Cx<'_>, p: usize, size: usize) -> Printed<bool> {
    if size < 16 {
        return Ok(false);
    }
    let (seen, gaps, duplicates) = (cx.word(p + 4)?, cx.u16(p + 12)?, cx.u16(p + 14)?);
    put!(
        cx,
        "[cum ack {seen}] [a_rwnd {}] [#gap acks {gaps}] [#dup tsns {duplicates}] ",
        cx.u32(p + 8)?
    );
    let (mut at, end) = (p + 16, p + size);
    for n in 1..=gaps + duplicates {
        if at == end {
            break;
        }
        if end - at < 4 {
            return Ok(false);
        }
        if n <= gaps {
            let place = |off: u16| seen.wrapping_add(off.into());
            put!(
                cx,
                "\n\t\t[gap ack block #{n}: start = {}, end = {}] ",
                place(cx.port(at)?),
                place(cx.port(at + 2)?)
            );
        } else {
            put!(cx, "\n\t\t[dup TSN #{}: {}] ", n - gaps, cx.u32(at)?);
        }
        at += 4;
    }
    Ok(true)
}
