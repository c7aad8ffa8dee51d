//! The page of rules by program type, map type and structure of the kernel.

use super::list;
use crate::hooks::{BOOL_LSM, CURRENT_LSM, DISABLED_LSM, SLEEPABLE_LSM, UNTRUSTED_LSM};
use crate::{
    IterTarget, LoadCap, MapType, Ops, PacketAccess, PacketPass, ProgInfo, Special, attach, trust,
};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

const RULES: &str = "# Rules\n\n\
What the verifier of Linux 6.18 lets programs of a type do beyond calls and their context.\n\n\
| program type | loading takes | packet | passes it to helpers | `ld_abs` | locks, lists, timers | sleeps at |\n\
|---|---|---|---|---|---|---|\n";

pub(super) fn rules(out: &mut String) -> fmt::Result {
    out.push_str(RULES);
    for info in ProgInfo::all() {
        let prog = info.prog_type;
        let cap = match prog.load_cap() {
            LoadCap::None => "nothing, or CAP_BPF",
            LoadCap::Bpf => "CAP_BPF",
            LoadCap::NetAdmin => "CAP_BPF, CAP_NET_ADMIN",
            LoadCap::Perfmon => "CAP_BPF, CAP_PERFMON",
            LoadCap::Everything => "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON",
        };
        let packet = match prog.packet_access() {
            PacketAccess::None => "–",
            PacketAccess::Read => "loads",
            PacketAccess::Write => "loads, stores",
        };
        let pass = match prog.passes_packet() {
            PacketPass::Never => "–",
            PacketPass::ToTakers => "that take it",
            PacketPass::Anywhere => "all",
        };
        let absolute = if prog.may_load_absolute() { "yes" } else { "–" };
        let locks = if prog.is_tracing() { "–" } else { "yes" };
        let asleep = info.attach.iter().filter(|&&place| prog.may_be_sleepable(Some(place)));
        let asleep = match (prog.may_be_sleepable(None), asleep.count() == info.attach.len()) {
            (true, true) => "everywhere".to_string(),
            _ => list(info.attach.iter().filter(|&&place| prog.may_be_sleepable(Some(place)))),
        };
        writeln!(out, "| {prog} | {cap} | {packet} | {pass} | {absolute} | {locks} | {asleep} |")?;
    }
    maps(out)?;
    structures(out)?;
    lists(out)
}

fn maps(out: &mut String) -> fmt::Result {
    out.push_str(
        "\n## Maps\n\n| map | sleepable programs | inside maps | fields |\n|---|---|---|---|\n",
    );
    for &map in &MapType::ALL[1..] {
        let yes = |is| if is { "yes" } else { "–" };
        let fields = Special::ALL.iter().filter(|&&field| map.may_hold(field));
        let fields = list(fields.map(|field| format!("{field:?}")));
        let (asleep, inner) = (yes(map.in_sleepable()), yes(map.may_be_inner()));
        writeln!(out, "| {map} | {asleep} | {inner} | {fields} |")?;
    }
    out.push_str("\n## Fields in values\n\n| field | since |\n|---|---|\n");
    for field in Special::ALL {
        writeln!(out, "| {field:?} | {} |", field.since())?;
    }
    Ok(())
}

fn structures(out: &mut String) -> fmt::Result {
    out.push_str(
        "\n## Structures of operations\n\n| structure | since | option | members | sleep | store to |\n\
         |---|---|---|---|---|---|\n",
    );
    for ops in Ops::all() {
        let asleep = ops.sleepable.map_or_else(|| "all".to_string(), list);
        let stores =
            ops.stores.iter().map(|store| format!("`{}`", store.structure) + " " + store.field);
        let (name, since, config) = (ops.name, ops.since, ops.config);
        let (members, stores) = (list(ops.members), list(stores));
        writeln!(out, "| `{name}` | {since} | {config} | {members} | {asleep} | {stores} |")?;
    }
    out.push_str(
        "\n## Iterators\n\nArguments, from 0, that are not as their type in BTF says.\n\n\
         | iterator | since | arguments |\n|---|---|---|\n",
    );
    for target in IterTarget::all() {
        let args = target.args.iter().map(|(number, arg)| format!("{number}: {arg:?}"));
        writeln!(out, "| {} | {} | {} |", target.name, target.since, list(args))?;
    }
    out.push_str("\n## Trusted fields\n\n| structure | trust | fields |\n|---|---|---|\n");
    for (structure, safe, fields) in trust::SAFE_FIELDS {
        writeln!(out, "| `{structure}` | {safe:?} | {} |", list(*fields))?;
    }
    Ok(())
}

fn lists(out: &mut String) -> fmt::Result {
    out.push_str("\n## Lists\n\n| list | names |\n|---|---|\n");
    let modifiable = attach::MODIFIABLE.iter().map(|row| row.0);
    let rows = [
        ("LSM hooks whose programs may sleep", list(SLEEPABLE_LSM)),
        ("LSM hooks whose arguments are not trusted", list(UNTRUSTED_LSM)),
        ("LSM hooks without programs", list(DISABLED_LSM)),
        ("LSM hooks of the current cgroup", list(CURRENT_LSM)),
        ("LSM hooks that return a truth value", list(BOOL_LSM)),
        ("functions without programs", list(attach::DENIED)),
        ("functions without programs at their end", list(attach::NO_RETURN)),
        ("functions whose result programs may change", list(modifiable)),
        ("functions with error injection that do not sleep", list(attach::INJECTED_ATOMIC)),
        ("structures protected by RCU", list(trust::RCU_PROTECTED)),
    ];
    for (what, names) in rows {
        writeln!(out, "| {what} | {names} |")?;
    }
    Ok(())
}
