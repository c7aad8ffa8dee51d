//! Protocols that speak in lines of text: HTTP, SIP, RTSP, SMTP, FTP, whois; SSH's first line; syslog.

use crate::cx::{Cut, Cx, Printed};
use crate::tok::{Toks, tok};

const HTTP: &[&str] = &[
    "GET",
    "PUT",
    "COPY",
    "HEAD",
    "LOCK",
    "MOVE",
    "POLL",
    "POST",
    "BCOPY",
    "BMOVE",
    "MKCOL",
    "TRACE",
    "LABEL",
    "MERGE",
    "DELETE",
    "SEARCH",
    "UNLOCK",
    "REPORT",
    "UPDATE",
    "NOTIFY",
    "BDELETE",
    "CONNECT",
    "OPTIONS",
    "CHECKIN",
    "PROPFIND",
    "CHECKOUT",
    "CCM_POST",
    "SUBSCRIBE",
    "PROPPATCH",
    "BPROPFIND",
    "BPROPPATCH",
    "UNCHECKOUT",
    "MKACTIVITY",
    "MKWORKSPACE",
    "UNSUBSCRIBE",
    "RPC_CONNECT",
    "VERSION-CONTROL",
    "BASELINE-CONTROL",
];
const SIP: &[&str] = &[
    "ACK",
    "BYE",
    "CANCEL",
    "DO",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "QAUTH",
    "REFER",
    "REGISTER",
    "SPRACK",
    "SUBSCRIBE",
    "UPDATE",
    "PUBLISH",
];
const RTSP: &[&str] = &[
    "OPTIONS",
    "DESCRIBE",
    "ANNOUNCE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
    "REDIRECT",
    "RECORD",
];
/// A longer word is none.
const LONGEST_WORD: usize = 127;

pub(crate) fn http(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "http";
    lines(cx, "HTTP", Some(HTTP), at, len)
}

pub(crate) fn sip(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "sip";
    lines(cx, "SIP", Some(SIP), at, len)
}

pub(crate) fn rtsp(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "rtsp";
    lines(cx, "RTSP", Some(RTSP), at, len)
}

pub(crate) fn smtp(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "smtp";
    lines(cx, "SMTP", None, at, len)
}

pub(crate) fn ftp(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "ftp";
    lines(cx, "FTP", None, at, len)
}

pub(crate) fn whois(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "whois";
    lines(cx, "WHOIS", None, at, len)
}

/// The name of the protocol and its first line, or all lines when verbose. With `commands`, only what begins with
/// one of them or whose first or second word is a code of three digits.
fn lines(cx: &mut Cx<'_>, name: &str, commands: Option<&[&str]>, at: usize, len: usize) -> Printed {
    let speaks = match commands {
        None => true,
        Some(commands) => match word(cx, at, 0, len) {
            None => false,
            Some((first, next)) => {
                commands.iter().any(|command| first.eq_ignore_ascii_case(command.as_bytes()))
                    || word(cx, at, next, len).is_some_and(|(second, _)| {
                        second.len() == 3 && second.iter().all(u8::is_ascii_digit)
                    })
            }
        },
    };
    cx.s(name);
    if !speaks {
        return Ok(());
    }
    if cx.o.verbose == 0 {
        return line(cx, ": ", at, 0, len).map(|_| ());
    }
    put!(cx, ", length: {len}");
    let mut n = 0;
    while n < len {
        match line(cx, "\n\t", at, n, len)? {
            Some(next) => n = next,
            None => break,
        }
    }
    Ok(())
}

/// The word at `n` and where the next one begins.
fn word<'a>(cx: &Cx<'a>, at: usize, n: usize, len: usize) -> Option<(&'a [u8], usize)> {
    let bytes = cx.bytes(at, len.min(cx.left(at))).ok()?;
    let rest = bytes.get(n..)?;
    let stop = rest.iter().position(|c| !c.is_ascii_graphic());
    if stop.is_none() && bytes.len() < len {
        return None;
    }
    let size = stop.unwrap_or(rest.len());
    let good = stop.is_none_or(|stop| rest.get(stop).is_some_and(|c| b" \t\r\n".contains(c)));
    if size == 0 || size > LONGEST_WORD || !good {
        return None;
    }
    let (word, after) = rest.split_at_checked(size)?;
    // A tab is white space to skip as much as a space, but not printable, and so ends the skipping.
    let spaces = after.iter().take_while(|&&c| c == b' ').count();
    Some((word, n + size + spaces))
}

/// Shows a line; where the next one begins.
fn line(
    cx: &mut Cx<'_>,
    prefix: &str,
    at: usize,
    start: usize,
    len: usize,
) -> Printed<Option<usize>> {
    let bytes = cx.bytes(at, len.min(cx.left(at)))?;
    let mut n = start;
    let next = loop {
        let Some(&c) = bytes.get(n) else {
            if n < len {
                return Err(Cut);
            }
            break None;
        };
        match c {
            b'\n' => break Some(n + 1),
            b'\r' if n + 1 >= len => return Ok(None),
            b'\r' => match bytes.get(n + 1) {
                None => return Err(Cut),
                Some(b'\n') => break Some(n + 2),
                Some(_) => return Ok(None),
            },
            b'\t' | b' '..=b'~' => n += 1,
            _ => return Ok(None),
        }
    };
    cx.s(prefix);
    cx.out.extend_from_slice(bytes.get(start..n).unwrap_or_default());
    if next.is_none() {
        cx.trunc();
    }
    Ok(next)
}

/// The version that either side of SSH says first (RFC 4253, section 4.2).
pub(crate) fn ssh(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "ssh";
    for (n, want) in b"SSH-".iter().enumerate() {
        if cx.byte(at + n)? != *want {
            return Ok(());
        }
    }
    let mut n = 4;
    while n < len {
        match cx.byte(at + n)? {
            b'\r' if n + 1 >= len => return Ok(()),
            b'\r' if cx.byte(at + n + 1)? != b'\n' => return Ok(()),
            b'\r' | b'\n' => {
                cx.s(": SSH: ");
                let version = cx.bytes(at, n)?;
                cx.out.extend_from_slice(version);
                return Ok(());
            }
            b' '..=b'~' => n += 1,
            _ => return Ok(()),
        }
    }
    Ok(())
}

const SEVERITIES: &Toks = &[
    (0, "emergency"),
    (1, "alert"),
    (2, "critical"),
    (3, "error"),
    (4, "warning"),
    (5, "notice"),
    (6, "info"),
    (7, "debug"),
];
const FACILITIES: &Toks = &[
    (0, "kernel"),
    (1, "user"),
    (2, "mail"),
    (3, "daemon"),
    (4, "auth"),
    (5, "syslog"),
    (6, "lpr"),
    (7, "news"),
    (8, "uucp"),
    (9, "cron"),
    (10, "authpriv"),
    (11, "ftp"),
    (12, "ntp"),
    (13, "security"),
    (14, "console"),
    (15, "cron"),
    (16, "local0"),
    (17, "local1"),
    (18, "local2"),
    (19, "local3"),
    (20, "local4"),
    (21, "local5"),
    (22, "local6"),
    (23, "local7"),
];

/// RFC 3164.
pub(crate) fn syslog(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "syslog";
    if cx.u8(at)? != usize::from(b'<') {
        cx.invalid();
        return Ok(());
    }
    let mut n = 1;
    let mut priority = 0;
    while n <= 3 {
        match cx.byte(at + n)? {
            c @ b'0'..=b'9' => priority = priority * 10 + usize::from(c - b'0'),
            _ => break,
        }
        n += 1;
    }
    if cx.byte(at + n)? != b'>' {
        cx.invalid();
        return Ok(());
    }
    n += 1;
    let (severity, facility) = (priority & 7, (priority & 0x3f8) >> 3);
    let severity_name = tok(SEVERITIES, severity).unwrap_or("unknown");
    if cx.o.verbose == 0 {
        cx.s("SYSLOG ");
        tok!(cx, FACILITIES, facility, "unknown ({facility})");
        put!(cx, ".{severity_name}, length: {len}");
        return Ok(());
    }
    put!(cx, "SYSLOG, length: {len}\n\tFacility ");
    tok!(cx, FACILITIES, facility, "unknown ({facility})");
    put!(cx, " ({facility}), Severity {severity_name} ({severity})\n\tMsg: ");
    for n in n..len {
        cx.ch(cx.byte(at + n)?);
    }
    if cx.o.verbose > 1 {
        cx.unknown_data(at, "\n\t", len)?;
    }
    Ok(())
}
