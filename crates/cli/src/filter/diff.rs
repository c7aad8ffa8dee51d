//! `skep filter --diff`: whether two filters accept the same packets.

use super::refusal;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::term::Term;
use crate::value::hex;
use serde_json::{Value, json};
use skep_cbpf::{Meta, Program};
use skep_dissect::{Bytes, Dissector, Time};
use skep_filter::{
    Difference, Effort, ErrorKind, Expr, LinkType, Options, Witness, diff, program_of_all,
};
use skep_hooks::{Packet, PacketMeta, PacketSink, PcapWriter};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How to compare, and what to do with a packet.
pub(super) struct How<'a> {
    pub(super) least: u32,
    pub(super) write: Option<&'a Path>,
    pub(super) as_json: bool,
}

/// A filter that is compared.
struct Side {
    name: String,
    program: Program,
}

/// Compares two filters, or one optimised and not.
pub(super) fn run(
    texts: &[String],
    options: &Options<'_>,
    how: &How<'_>,
    term: &mut Term<'_>,
) -> Result<(), Failure> {
    let (one, other) = match texts {
        [text] => {
            let plain = Options { optimise: false, ..*options };
            let (mut one, mut other) = (side(text, options)?, side(text, &plain)?);
            one.name = format!("{text}, optimised");
            other.name = format!("{text}, not optimised");
            (one, other)
        }
        [one, other] => (side(one, options)?, side(other, options)?),
        _ => {
            let text = "--diff compares two filters, or one optimised and not";
            return Err(Failure::new(Kind::Usage, text)
                .help("put each expression into quotes, and options before them: skep filter --diff 'tcp port 80' 'port 80'"));
        }
    };
    let effort = Effort { least: how.least, ..Effort::default() };
    let answer = diff(&one.program, &other.program, effort);
    if how.as_json {
        writeln!(term.out, "{}", object(&answer, [&one, &other], options.link))?;
    }
    let some = if how.least > 0 {
        format!("packets of {} bytes and more", how.least)
    } else {
        "packets".into()
    };
    match answer {
        Difference::Equal(proof) => {
            if !how.as_json {
                let by = if proof.searched {
                    "no packet tells them apart"
                } else {
                    "both compute the same"
                };
                writeln!(term.out, "EQUAL: both accept the same {some}")?;
                writeln!(term.out, "proved: {by} ({} gates)", proof.gates)?;
            }
            Ok(())
        }
        Difference::Packet(witness) => {
            if !how.as_json {
                show(&witness, [&one, &other], options.link, term)?;
            }
            if let Some(path) = how.write {
                fs::write(path, capture(&witness, options.link))
                    .map_err(|err| Failure::file(path, &err))?;
                if !how.as_json {
                    writeln!(term.out, "written to {}", path.display())?;
                }
            }
            Err(Failure::Said(Kind::Input))
        }
        Difference::Undecided(why) => {
            if !how.as_json {
                writeln!(term.out, "UNDECIDED: {why}")?;
            }
            Err(Failure::Said(Kind::Unsupported))
        }
    }
}

/// An expression; what is none and names a file is a listing, and so is what follows `@`.
fn side(text: &str, options: &Options<'_>) -> Result<Side, Failure> {
    let name = text.to_string();
    if let Some(path) = text.strip_prefix('@') {
        return Ok(Side { name, program: listing(&PathBuf::from(path))? });
    }
    let program = match Expr::parse(text).and_then(|expr| expr.compile(options)) {
        Ok(program) => program,
        // A filter that accepts nothing may be compared, too.
        Err(err) if err.kind == ErrorKind::RejectsAll => program_of_all(false, options.snaplen),
        Err(_) if Path::new(text).is_file() => listing(Path::new(text))?,
        Err(err) => return Err(refusal(text, &err)),
    };
    Ok(Side { name, program })
}

/// A program as tcpdump prints it, in any of its forms.
fn listing(path: &Path) -> Result<Program, Failure> {
    let bytes = file::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let wrong = |err: &(dyn std::error::Error + 'static)| {
        Failure::at(Kind::Input, path, err)
            .help("a listing is what tcpdump -ddd prints, or -d or -dd")
    };
    let raws = skep_cbpf::parse(&text).map_err(|err| wrong(&err))?;
    skep_cbpf::check(&raws).map_err(|err| wrong(&err))
}

fn show(
    witness: &Witness,
    sides: [&Side; 2],
    link: LinkType,
    term: &mut Term<'_>,
) -> Result<(), Failure> {
    writeln!(term.out, "DIFFERENT on a packet of {} bytes", witness.len)?;
    for (side, returns) in sides.iter().zip(witness.returns) {
        let verdict = if returns == 0 { "rejects" } else { "accepts" };
        writeln!(term.out, "  {verdict}  {}", side.name)?;
    }
    if witness.bytes.len() != witness.len as usize {
        writeln!(term.out, "of which {} are captured", witness.bytes.len())?;
    }
    for line in beside(&witness.meta) {
        writeln!(term.out, "beside it: {line}")?;
    }
    if witness.bytes.is_empty() {
        return Ok(writeln!(term.out, "no bytes")?);
    }
    let options = skep_dissect::Options {
        time: Time::No,
        bytes: Bytes::HexAscii { link: true },
        link: true,
        ..skep_dissect::Options::default()
    };
    let packet = skep_dissect::Packet {
        bytes: &witness.bytes,
        wire_len: witness.len,
        time: 0,
        link: u16::try_from(link.file_number()).unwrap_or(u16::MAX),
        interface: None,
    };
    let mut out = Vec::new();
    Dissector::new(options).line(1, &packet, &mut out);
    Ok(write!(term.out, "{}", String::from_utf8_lossy(&out))?)
}

/// What is kept beside the bytes, where it matters.
fn beside(meta: &Meta) -> Vec<String> {
    let none = Meta::default();
    let mut lines = Vec::new();
    let mut tell = |name: &str, value: u32, plain: u32| {
        if value != plain {
            lines.push(format!("{name} {value:#x}"));
        }
    };
    tell("protocol", meta.protocol.into(), none.protocol.into());
    tell("packet type", meta.pkt_type.into(), none.pkt_type.into());
    tell("interface", meta.device.map_or(0, |device| device.index), 0);
    tell("hardware type", meta.device.map_or(0, |device| device.hardware.into()), 0);
    tell("mark", meta.mark, none.mark);
    tell("queue", meta.queue.into(), none.queue.into());
    tell("hash", meta.hash, none.hash);
    tell("VLAN tag", meta.vlan_tci.into(), none.vlan_tci.into());
    tell("VLAN protocol", meta.vlan_proto.into(), none.vlan_proto.into());
    tell("processor", meta.cpu, none.cpu);
    lines
}

fn object(answer: &Difference, sides: [&Side; 2], link: LinkType) -> Value {
    let mut object = json!({"a": sides[0].name, "b": sides[1].name, "link": link.name()});
    match answer {
        Difference::Equal(proof) => {
            object["answer"] = json!("equal");
            object["gates"] = json!(proof.gates);
        }
        Difference::Packet(witness) => {
            object["answer"] = json!("different");
            object["accepts"] = json!(witness.returns.map(|returns| returns != 0));
            object["len"] = json!(witness.len);
            object["bytes"] = json!(hex(&witness.bytes));
            object["beside"] = json!(beside(&witness.meta));
        }
        Difference::Undecided(why) => {
            object["answer"] = json!("undecided");
            object["reason"] = json!(why.to_string());
        }
    }
    object
}

/// The packet as a capture.
fn capture(witness: &Witness, link: LinkType) -> Vec<u8> {
    let link = skep_hooks::LinkType(u16::try_from(link.file_number()).unwrap_or(u16::MAX));
    let mut packet = Packet::new();
    packet
        .reset(&witness.bytes, PacketMeta { link, wire_len: witness.len, ..PacketMeta::default() });
    let mut out = Vec::new();
    let longest = u32::try_from(skep_filter::LONGEST_WITNESS).unwrap_or(u32::MAX);
    // Memory takes everything.
    if let Ok(mut writer) = PcapWriter::start(&mut out, link, false, longest) {
        let _ = writer.write(&packet);
    }
    out
}
