//! Classic BPF.

use crate::failure::{Failure, Kind};
use crate::term::Out;
use serde_json::{Value, json};
use skep_abi::{ProgType, Section};
use skep_cbpf::{Format, Lookup, Program, RawInsn, Target, Verdict};
use skep_prog::{Image, MapDef, Prog};
use std::io::Write;
use std::path::Path;

/// Where a translated filter is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ebpf {
    /// A socket filter, which keeps as many bytes as the filter says.
    Socket,
    /// XDP: passes what the filter accepts, drops the rest.
    Xdp,
    /// tc: passes what the filter accepts, drops the rest.
    Tc,
}

/// As `tcpdump -d` prints it.
pub(super) fn show(insns: &[RawInsn], as_json: bool, out: &mut Out<'_>) -> Result<(), Failure> {
    let text = skep_cbpf::print(insns, Format::Text);
    if !as_json {
        write!(out, "{text}")?;
        return Ok(());
    }
    let lines = insns.iter().zip(text.lines()).map(|(raw, line)| {
        json!({"code": raw.code, "jt": raw.jt, "jf": raw.jf, "k": raw.k, "text": line})
    });
    writeln!(out, "{}", json!({"type": "classic", "insns": lines.collect::<Value>()}))?;
    Ok(())
}

/// Checks the filter and makes a program of it.
pub(crate) fn translate(name: &Path, insns: &[RawInsn], to: Ebpf) -> Result<Image, Failure> {
    let filter = skep_cbpf::check(insns).map_err(|err| Failure::at(Kind::Input, name, &err))?;
    translate_with_tables(name, &filter, &[], Vec::new(), to)
}

/// As [`translate`], with lookups in maps.
pub(crate) fn translate_with_tables(
    name: &Path,
    filter: &Program,
    lookups: &[Lookup],
    maps: Vec<MapDef>,
    to: Ebpf,
) -> Result<Image, Failure> {
    let (target, prog_type, section) = match to {
        Ebpf::Socket => (Target::SocketFilter, ProgType::SocketFilter, "socket"),
        Ebpf::Xdp => (Target::Xdp(Verdict::XDP), ProgType::Xdp, "xdp"),
        Ebpf::Tc => (Target::Tc(Verdict::TC), ProgType::SchedCls, "tc"),
    };
    let insns = skep_cbpf::translate_with_tables(filter, target, lookups)
        .map_err(|err| Failure::at(Kind::Unsupported, name, &err))?;
    let mut prog = Prog::new("filter", prog_type, insns);
    prog.section = section.to_string();
    prog.attach_type = Section::find(section).and_then(|(row, _)| row.attach_type);
    Ok(Image { progs: vec![prog], maps, ..Image::default() })
}
