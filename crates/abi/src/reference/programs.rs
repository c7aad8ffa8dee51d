//! Pages of program types and their contexts.

use super::list;
use crate::{Ctx, Field, FieldKind, LinkType, ProgInfo, Results};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

const PROGRAMS: &str = "# Program types\n\n\
What Linux 6.18 has, and the release that had it first. *Results* are the values that the verifier lets \
r0 have at exit, by place where they differ. Programs that need BTF name a function or type of the \
kernel when they are loaded. A kernel that may have a type by backport can be asked: load `r0 = 0; exit` \
with it.\n\n\
| number | type | since | context | results | needs BTF | sleepable |\n|---|---|---|---|---|---|---|\n";

pub(super) fn programs(out: &mut String) -> fmt::Result {
    out.push_str(PROGRAMS);
    for info in ProgInfo::all() {
        let (number, yes) = (info.prog_type.number(), |is| if is { "yes" } else { "–" });
        let results = list(info.results.iter().map(range));
        let (btf, sleepable) = (yes(info.needs_btf), yes(info.sleepable));
        writeln!(
            out,
            "| {number} | {} | {} | {} | {results} | {btf} | {sleepable} |",
            info.prog_type,
            info.since,
            ctx(info.ctx)
        )?;
    }
    out.push_str(
        "\n## Places\n\n| attach type | number | program type | since |\n|---|---|---|---|\n",
    );
    for info in ProgInfo::all() {
        for attach in info.attach {
            let (number, since) = (attach.number(), attach.since());
            writeln!(out, "| {attach} | {number} | {} | {since} |", info.prog_type)?;
        }
    }
    out.push_str(
        "\n## Links\n\n| link type | number | program types | since |\n|---|---|---|---|\n",
    );
    for &link in &LinkType::ALL[1..] {
        let (number, progs) = (link.number(), list(link.progs().iter()));
        writeln!(out, "| {link} | {number} | {progs} | {} |", super::since(link.since()))?;
    }
    Ok(())
}

fn range(row: &Results) -> String {
    let values = match (row.min, row.max) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    };
    if row.at.is_empty() { values } else { format!("{values} at {}", list(row.at)) }
}

fn ctx(ctx: Ctx) -> String {
    let words = match ctx {
        Ctx::Struct { name, .. } => return format!("`struct {name}`"),
        Ctx::Registers => "`struct pt_regs`",
        Ctx::Words => "`struct bpf_raw_tracepoint_args`",
        Ctx::Typed => "typed arguments",
        Ctx::Record => "record of the tracepoint",
        Ctx::Buffer => "memory of the caller",
        Ctx::Sample => "`__u32`",
        Ctx::Target => "that of the target",
        Ctx::Nothing => "–",
    };
    words.to_string()
}

const CONTEXTS: &str = "# Contexts\n\n\
The fields of each context that programs may use, as the verifier of Linux 6.18 has them. *Loads* and \
*stores* are sizes in bytes at the start of the field; `+` after loads says that 1 or 2 bytes may also \
be loaded from inside it. Fields of 16 bytes and more are arrays whose elements follow the same rules.\n";

pub(super) fn contexts(out: &mut String) -> fmt::Result {
    out.push_str(CONTEXTS);
    let mut printed: &[Field] = &[];
    for info in ProgInfo::all() {
        let Ctx::Struct { name, size, fields } = info.ctx else { continue };
        writeln!(out, "\n## {}: `struct {name}`, {size} bytes\n", info.prog_type)?;
        if fields == printed && !printed.is_empty() {
            out.push_str("As the one before.\n");
            continue;
        }
        printed = fields;
        out.push_str("| field | at | size | is | loads | stores | only at |\n|---|---|---|---|---|---|---|\n");
        for field in fields {
            row(out, field)?;
        }
    }
    Ok(())
}

fn row(out: &mut String, field: &Field) -> fmt::Result {
    let kind = match field.kind {
        FieldKind::Scalar => "number",
        FieldKind::Packet => "start of data",
        FieldKind::PacketEnd => "end of data",
        FieldKind::PacketMeta => "start of metadata",
        FieldKind::Sock => "`struct bpf_sock`",
        FieldKind::SockOrNull => "`struct bpf_sock` or null",
        FieldKind::FlowKeys => "`struct bpf_flow_keys`",
        FieldKind::BtfPointer => "structure of the kernel",
    };
    let (read, write) = (sizes(field.read), sizes(field.write));
    let parts = if field.parts { "+" } else { "" };
    let only = if field.only.is_empty() { String::new() } else { list(field.only) };
    let Field { name, at, size, .. } = field;
    writeln!(out, "| {name} | {at} | {size} | {kind} | {read}{parts} | {write} | {only} |")
}

fn sizes(sum: u8) -> String {
    list([1, 2, 4, 8].into_iter().filter(|size| sum & size != 0))
}
