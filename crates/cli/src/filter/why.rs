//! `skep filter --why`: the expression, with what it is for a packet.

use crate::failure::{Failure, Kind};
use crate::term::Term;
use serde_json::json;
use skep_cbpf::{Device, Packet};
use skep_filter::{Expr, LinkType, NodeId, NodeKind, Options, Reason};
use skep_hooks::{CaptureError, Next, open_file};
use std::borrow::Cow;
use std::io::Write;
use std::path::Path;

/// Says why packet N of a capture matches or does not.
pub(super) fn run(
    expr: &Expr,
    options: &Options<'_>,
    place: &str,
    as_json: bool,
    term: &mut Term<'_>,
) -> Result<(), Failure> {
    let (file, number) = place
        .rsplit_once(':')
        .and_then(|(file, number)| Some((file, number.parse::<u64>().ok().filter(|&n| n > 0)?)))
        .ok_or_else(|| Failure::new(Kind::Usage, "--why wants a capture and a number: FILE:N"))?;
    let one = read(Path::new(file), number)?;
    let options = Options { link: one.link, ..*options };
    let meaning = expr.meaning(&options).map_err(|err| super::refusal(expr.text(), &err))?;
    let mut packet = Packet::new(&one.bytes);
    packet.len = one.len;
    packet.meta.pkt_type = one.pkt_type;
    packet.meta.device = Some(Device { index: one.ifindex, hardware: 1 });
    let answer = meaning.evaluate(&packet);
    let reasons = meaning.reasons(expr, options.link, &packet);
    let verdict = match answer {
        Some(true) => "matches",
        Some(false) => "does not match",
        None => "does not match",
    };
    let lines = lines(expr, &reasons);
    if as_json {
        let nodes = lines.iter().map(|line| {
            json!({
                "depth": line.depth,
                "words": line.words,
                "holds": line.reason.holds,
                "reached": line.reason.reached,
                "sides": line.reason.sides,
                "has": line.reason.has.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        let object = json!({
            "file": file,
            "packet": number,
            "len": one.len,
            "matches": answer == Some(true),
            "nodes": nodes.collect::<Vec<_>>(),
        });
        writeln!(term.out, "{object}")?;
    } else {
        let captured = one.bytes.len();
        write!(term.out, "packet {number} of {file}: {} bytes", one.len)?;
        if captured < one.len as usize {
            write!(term.out, ", {captured} captured")?;
        }
        write!(term.out, ": {verdict}")?;
        if let Some(rejection) = meaning.rejection(&packet) {
            write!(term.out, ": {rejection}")?;
        }
        writeln!(term.out)?;
        for line in lines {
            let holds = match line.reason.holds {
                Some(true) => "yes",
                Some(false) => "no",
                None => "short",
            };
            write!(
                term.out,
                "{holds:<6}{:indent$}{}",
                "",
                line.words,
                indent = 2 * line.depth.min(DEEPEST)
            )?;
            for (at, value) in values(line.reason).enumerate() {
                write!(term.out, "{}{value}", if at == 0 { ": " } else { ", " })?;
            }
            let note = if line.reason.reached { "" } else { " (not reached)" };
            writeln!(term.out, "{note}")?;
        }
    }
    if answer == Some(true) { Ok(()) } else { Err(Failure::Said(Kind::Input)) }
}

/// Steps that conditions are indented, at most.
const DEEPEST: usize = 30;
/// Bytes of a condition that are shown, at most: those around it have them, too.
const LONGEST: usize = 400;

struct Line<'a> {
    depth: usize,
    words: Cow<'a, str>,
    reason: &'a Reason,
}

/// What the packet has: the sides of a comparison, unless it was not made, and what decided.
fn values(reason: &Reason) -> impl Iterator<Item = String> {
    let is_compared = reason.has.is_empty() || reason.holds.is_none();
    let sides = reason.sides.filter(|_| is_compared).map(|[left, right]| {
        let side = |side: Option<u32>| side.map_or("?".into(), |value| value.to_string());
        format!("{} and {}", side(left), side(right))
    });
    sides.into_iter().chain(reason.has.iter().map(ToString::to_string))
}

/// Each condition under what it is an operand of.
fn lines<'a>(expr: &'a Expr, reasons: &'a [Reason]) -> Vec<Line<'a>> {
    let Some(root) = expr.nodes().len().checked_sub(1) else { return Vec::new() };
    let mut lines = Vec::new();
    let mut pending = vec![(NodeId::try_from(root).unwrap_or(NodeId::MAX), 0)];
    while let Some((id, depth)) = pending.pop() {
        let (Some(node), Some(reason)) = (expr.nodes().get(id as usize), reasons.get(id as usize))
        else {
            continue;
        };
        let words = &expr.text()[node.span.start..node.span.end];
        let words = match words.len() {
            ..=LONGEST => words.into(),
            _ => format!("{}...", &words[..words.floor_char_boundary(LONGEST)]).into(),
        };
        lines.push(Line { depth, words, reason });
        match node.kind {
            NodeKind::And(left, right) | NodeKind::Or(left, right) => {
                pending.push((right, depth + 1));
                pending.push((left, depth + 1));
            }
            NodeKind::Not(operand) | NodeKind::Deep(_, operand) => {
                pending.push((operand, depth + 1))
            }
            _ => {}
        }
    }
    lines
}

struct One {
    bytes: Vec<u8>,
    len: u32,
    link: LinkType,
    ifindex: u32,
    pkt_type: u8,
}

/// Packet N of a capture, counted from 1.
fn read(path: &Path, number: u64) -> Result<One, Failure> {
    let failed = |err: CaptureError| match err {
        CaptureError::Io { source, .. } => Failure::file(path, &source),
        err => Failure::at(Kind::Input, path, &err),
    };
    let mut source = open_file(path).map_err(failed)?;
    let mut packet = skep_hooks::Packet::new();
    let mut count = 0;
    while count < number {
        match source.next(&mut packet).map_err(failed)? {
            Next::Packet => count += 1,
            Next::Idle => {}
            Next::End => {
                let text = format!("{}: no packet {number}, it has {count}", path.display());
                return Err(Failure::new(Kind::Usage, text));
            }
        }
    }
    let ifindex = packet.meta.ifindex;
    let interface = source.interfaces().iter().find(|interface| interface.ifindex == ifindex);
    let file_number = interface.map_or(1, |interface| u32::from(interface.link.0));
    let Some(link) = LinkType::from_file(file_number).or(LinkType::from_dlt(file_number)) else {
        let text = format!("{}: link type {file_number} is not supported", path.display());
        return Err(Failure::new(Kind::Unsupported, text));
    };
    let (bytes, len) = (packet.frame().to_vec(), packet.wire_len());
    let pkt_type = skep_hooks::LinkType(u16::try_from(file_number).unwrap_or(1)).pkt_type(&bytes);
    let pkt_type = u8::try_from(pkt_type as u32).unwrap_or(0);
    Ok(One { bytes, len, link, ifindex, pkt_type })
}
