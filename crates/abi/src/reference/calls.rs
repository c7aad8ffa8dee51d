//! The page of what decides a call besides the helper's own row.

use super::functions::{arg, ret};
use super::{list, types};
use crate::helper::{capabilities, configurations, later, only, variants};
use crate::{Calls, Cap, Helper, Kfunc, MapType, Only};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

const CALLS: &str = "# Calls\n\n\
What the verifier of Linux 6.18 asks of a call beyond the prototype and program types that stand in the \
list of helpers.\n\n\
## Prototypes of their own\n\n\
| helper | program types | at | returns | arguments | licence |\n|---|---|---|---|---|---|\n";

pub(super) fn calls(out: &mut String) -> fmt::Result {
    out.push_str(CALLS);
    for (helper, progs, at, proto) in variants() {
        let gpl = if proto.is_gpl_only() { "GPL" } else { "any" };
        let (ret, args) = (ret(&proto.ret), list(proto.args.iter().map(arg)));
        let at = if at.is_empty() { String::new() } else { list(at) };
        writeln!(out, "| `bpf_{helper}` | {} | {at} | {ret} | {args} | {gpl} |", types(progs))?;
    }
    out.push_str("\n## Admitted later than helper and type\n\n| since | program types | helpers |\n|---|---|---|\n");
    for (since, progs, helpers) in later() {
        writeln!(out, "| {since} | {} | {} |", types(progs), list(helpers))?;
    }
    out.push_str("\n## Capabilities\n\n| capability | program types | helpers |\n|---|---|---|\n");
    for (cap, progs, helpers) in capabilities() {
        let cap = match cap {
            Cap::Bpf => "CAP_BPF",
            Cap::Perfmon => "CAP_BPF and CAP_PERFMON",
            Cap::SysAdmin => "CAP_SYS_ADMIN",
        };
        writeln!(out, "| {cap} | {} | {} |", types(progs), list(helpers))?;
    }
    out.push_str("\n## Options of the kernel\n\n| options | helpers |\n|---|---|\n");
    for (options, helpers) in configurations() {
        writeln!(out, "| {} | {} |", list(options), list(helpers))?;
    }
    out.push_str(
        "\n## For some programs of a type only\n\n| helpers | program types | at | only |\n|---|---|---|---|\n",
    );
    for (helpers, progs, at, only) in only() {
        let at = if at.is_empty() { String::new() } else { list(at) };
        writeln!(out, "| {} | {} | {at} | {} |", list(helpers), types(progs), words(only))?;
    }
    effects(out)?;
    maps(out)
}

fn words(only: Only) -> String {
    match only {
        Only::Functions([]) => "nowhere".to_string(),
        Only::Functions(names) => list(names),
        Only::SleepableHooks => "hooks that may sleep".to_string(),
        Only::NotNamed(prefix) => format!("functions not named `{prefix}…`"),
        Only::Ops(ops, []) => format!("`struct {ops}`"),
        Only::Ops(ops, but) => format!("`struct {ops}` but {}", list(but)),
        Only::NotOps(ops) => format!("not `struct {ops}`"),
    }
}

fn helpers(test: impl Fn(&Helper) -> bool) -> impl Iterator<Item = String> {
    Helper::all().iter().filter(move |row| test(row)).map(|row| format!("bpf_{}", row.name))
}

fn kfuncs(test: impl Fn(&Kfunc) -> bool) -> impl Iterator<Item = String> {
    Kfunc::all().iter().filter(move |row| test(row)).map(|row| row.name.to_string())
}

fn effects(out: &mut String) -> fmt::Result {
    out.push_str("\n## What calls do\n\n| effect | helpers and kernel functions |\n|---|---|\n");
    let mut row = |effect: &str, names: String| writeln!(out, "| {effect} | {names} |");
    let packet = helpers(Helper::changes_packet).chain(kfuncs(Kfunc::changes_packet));
    row("pointers into the packet end", list(packet))?;
    row("r0 is a reference", list(helpers(|row| row.acquires(None))))?;
    row(
        "r0 is a reference, of a map of sockets",
        list(helpers(|row| !row.acquires(None) && row.acquires(Some(MapType::Sockmap)))),
    )?;
    row("r0 is the argument as another type", list(helpers(Helper::casts)))?;
    for (how, words) in
        [(Calls::Now, "calls a function of the program"), (Calls::Later, "has it called later")]
    {
        let names =
            helpers(|row| row.calls() == Some(how)).chain(kfuncs(|row| row.calls() == Some(how)));
        row(words, list(names))?;
    }
    row("may be called with a lock held", list(kfuncs(Kfunc::runs_locked)))
}

fn maps(out: &mut String) -> fmt::Result {
    out.push_str("\n## Maps that helpers take\n\nOthers take any map whose type does not say otherwise.\n\n| helper | only |\n|---|---|\n");
    for helper in Helper::all() {
        if let Some(maps) = helper.only_maps() {
            writeln!(out, "| `bpf_{}` | {} |", helper.name, list(maps))?;
        }
    }
    out.push_str("\n## Helpers that maps go with\n\n| map | only |\n|---|---|\n");
    for map in MapType::ALL {
        if let Some(names) = map.only_helpers() {
            writeln!(out, "| {map} | {} |", list(names))?;
        }
    }
    Ok(())
}
