//! Rules by program type: results, sleep, packets.

use crate::code::{add, copy, exit, jump_above, load, load_absolute, mov, store_imm};
use crate::hooks::{Hook, SLEEPABLE, places, struct_ops, target, vmlinux};
use crate::kernel::{CAP_BPF, NET_ADMIN, PERFMON, may_ask, with_caps};
use skep_abi::{
    AttachType, CtxKind, CtxTable, LoadCap, Ops, PacketAccess, ProgType, ResultRule, Returns,
};
use skep_btf::{Body, Btf};

fn returns(hook: &Hook, btf: &Btf) -> Returns {
    let proto = hook.func.and_then(|(proto, _)| btf.resolve(proto)).map(|ty| ty.body);
    let Some(Body::FuncProto { ret, .. }) = proto else { return Returns::Void };
    match btf.resolve(ret).map(|ty| ty.body) {
        Some(Body::Void) | None => Returns::Void,
        Some(Body::Ptr(_)) => Returns::Pointer,
        Some(_) => Returns::Number,
    }
}

#[test]
fn results_are_those_of_the_rules() {
    if !may_ask() {
        return;
    }
    let btf = vmlinux();
    let values = [i32::MIN, -4096, -4095, -1, 0, 1, 2, 3, 4, i32::MAX];
    let (mut asked, mut wrong) = (0, Vec::new());
    for (hook, _) in places() {
        let (function, _) = target(hook);
        let rule = hook.prog_type.result_rule(hook.attach, function, returns(hook, btf));
        for value in values {
            let ours = match rule {
                ResultRule::Unread | ResultRule::Any => true,
                ResultRule::Range(min, max) | ResultRule::Range32(min, max) => {
                    (min..=max).contains(&value)
                }
                ResultRule::NullOrReference => value == 0,
            };
            asked += 1;
            if hook.with(&[mov(0, value), exit()]).verdict().is_ok() != ours {
                wrong.push(format!("{}: {value}, {rule:?}", hook.name));
            }
        }
        asked += 1;
        if hook.with(&[exit()]).verdict().is_ok() != (rule == ResultRule::Unread) {
            wrong.push(format!("{}: r0 not set, {rule:?}", hook.name));
        }
    }
    eprintln!("{} hooks, {asked} programs", places().len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 1_000);
}

#[test]
fn sleepable_programs_are_for_the_places_of_the_rule() {
    if !may_ask() {
        return;
    }
    let mut wrong = Vec::new();
    for (hook, result) in places() {
        let asleep = Hook { flags: SLEEPABLE, ..hook.clone() };
        let theirs = asleep.with(&[mov(0, *result), exit()]).verdict().is_ok();
        let place = if hook.prog_type == ProgType::StructOps { None } else { hook.attach };
        let (ops, member) = target(hook);
        let member =
            member.is_none_or(|member| Ops::find(ops).is_some_and(|ops| ops.admits(member, true)));
        if theirs != (hook.prog_type.may_be_sleepable(place) && member) {
            wrong.push(format!("{}: {theirs}", hook.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn packets_are_read_and_written_where_the_rule_says() {
    if !may_ask() {
        return;
    }
    let (mut asked, mut wrong) = (0, Vec::new());
    for (hook, result) in places() {
        let table = CtxTable::of(hook.prog_type).expect("bug: a hook without a context");
        let field = |kind| {
            let shown = table.rules.iter().find(|rule| rule.kind == kind && table.shows(rule));
            shown.map(|rule| load(u32::from(rule.size), 0, 6, i16::try_from(rule.at).unwrap()))
        };
        let (Some(data), Some(end)) = (field(CtxKind::Packet), field(CtxKind::PacketEnd)) else {
            continue;
        };
        for (access, way) in
            [(load(1, 5, 7, 0), PacketAccess::Read), (store_imm(1, 7, 0, 0), PacketAccess::Write)]
        {
            let code = [
                copy(6, 1),
                data,
                copy(7, 0),
                end,
                copy(8, 0),
                copy(2, 7),
                add(2, 1),
                jump_above(2, 8, 1),
                access,
                mov(0, *result),
                exit(),
            ];
            asked += 1;
            let theirs = hook.with(&code).verdict().is_ok();
            let rule = hook.prog_type.packet_access();
            if theirs != (rule >= way) {
                wrong.push(format!("{}: {way:?} {theirs}, {rule:?}", hook.name));
            }
        }
    }
    eprintln!("{asked} programs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 50);
}

#[test]
fn absolute_loads_are_for_the_types_of_the_rule() {
    if !may_ask() {
        return;
    }
    let mut wrong = Vec::new();
    for (hook, result) in places() {
        let code = [copy(6, 1), load_absolute(), mov(0, *result), exit()];
        let theirs = hook.with(&code).verdict().is_ok();
        if theirs != hook.prog_type.may_load_absolute() {
            wrong.push(format!("{}: {theirs}", hook.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn members_of_operations_are_implemented_as_the_table_says() {
    if !may_ask() {
        return;
    }
    let (mut asked, mut wrong) = (0, Vec::new());
    for ops in Ops::all() {
        let members = struct_ops(vmlinux(), ops.name);
        let loads = |hook: &Hook| hook.with(&[mov(0, 0), exit()]).verdict().is_ok();
        // A structure that this kernel does not offer loads nothing.
        if !members.iter().any(loads) {
            continue;
        }
        for hook in members {
            let (_, member) = target(&hook);
            let member = member.expect("bug: operations without members");
            for flags in [0, SLEEPABLE] {
                asked += 1;
                let theirs = loads(&Hook { flags, ..hook.clone() });
                if theirs != ops.admits(member, flags != 0) {
                    wrong.push(format!("{} {member} {flags}: {theirs}", ops.name));
                }
            }
        }
    }
    eprintln!("{asked} programs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 25);
}

#[test]
fn programs_load_for_the_places_of_the_rule() {
    if !may_ask() {
        return;
    }
    let (mut asked, mut wrong) = (0, Vec::new());
    let mut types: Vec<_> = places().iter().map(|(hook, _)| hook.prog_type).collect();
    types.dedup();
    // What is for a function or a member needs more than a place.
    types.retain(|ty| !matches!(ty, ProgType::Tracing | ProgType::StructOps));
    for prog_type in types {
        let (hook, _) = places().iter().find(|(hook, _)| hook.prog_type == prog_type).unwrap();
        for attach in AttachType::ALL.iter().map(|&attach| Some(attach)).chain([None]) {
            let hook = Hook { attach, ..hook.clone() };
            let loads = |r0| hook.with(&[mov(0, r0), exit()]).verdict().is_ok();
            let theirs = loads(0) || loads(1);
            asked += 1;
            if theirs != prog_type.loads_for(attach) {
                wrong.push(format!("{prog_type} for {attach:?}: {theirs}"));
            }
        }
    }
    eprintln!("{asked} places");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 1_000);
}

#[test]
fn capabilities_load_the_types_of_the_rule() {
    if !may_ask() {
        return;
    }
    // Asked for before capabilities are gone, and kept for all tests.
    let hooks = places();
    let mut wrong = Vec::new();
    for caps in [CAP_BPF, CAP_BPF | NET_ADMIN, CAP_BPF | PERFMON, NET_ADMIN | PERFMON] {
        let answers = with_caps(caps, || {
            let loads = |(hook, r0): &(Hook, i32)| hook.with(&[mov(0, *r0), exit()]).verdict();
            hooks.iter().map(|place| (&place.0, loads(place))).collect::<Vec<_>>()
        });
        for (hook, theirs) in answers {
            let bpf = caps & CAP_BPF != 0;
            let ours = match hook.prog_type.load_cap() {
                // Whether nothing is enough depends on the setting.
                LoadCap::None if !bpf => continue,
                LoadCap::None | LoadCap::Bpf => bpf,
                LoadCap::NetAdmin => bpf && caps & NET_ADMIN != 0,
                LoadCap::Perfmon => bpf && caps & PERFMON != 0,
                LoadCap::Everything => false,
            };
            if theirs.is_ok() != ours {
                wrong.push(format!("{} with {caps:#x}: {theirs:?}", hook.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
