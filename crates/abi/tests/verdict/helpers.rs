//! Helpers: who may call them, and what they take, as the verifier's own words tell.

use crate::code::{Insn, add, call, copy, exit, load_map, mov, store_imm};
use crate::hooks::{Hook, places, target};
use crate::kernel::{CAP_BPF, Load, Map, NET_ADMIN, PERFMON, may_ask, with_caps};
use skep_abi::{Arg, ArgKind, Cap, Helper, MapType, ProgType, Ret, RetKind, arg_flag};
use std::collections::{BTreeMap, BTreeSet};

/// What the verifier says where a helper is not for the program.
const REFUSALS: [&str; 7] = [
    "cannot use helper",
    "unknown func",
    "invalid func",
    "not supported for program type",
    "supported only for",
    "helper call is not allowed in probe",
    "helper call might sleep in a non-sleepable prog",
];

/// Whether the kernel gives the helper to the program; whatever else is wrong with the call is not asked.
fn given(hook: &Hook, helper: u32, result: i32) -> bool {
    let (verdict, log) = hook.with(&[call(helper), mov(0, result), exit()]).log();
    assert!(verdict.is_ok() || !log.is_empty(), "{}: {verdict:?}", hook.name);
    verdict.is_ok() || !REFUSALS.iter().any(|words| log.contains(words))
}

/// The same by the tables.
fn admitted(hook: &Hook, helper: &Helper) -> bool {
    let place = if hook.prog_type == ProgType::StructOps { None } else { hook.attach };
    let (target, member) = target(hook);
    let Some(proto) = helper.variant(hook.prog_type, place) else { return false };
    helper.only_in(hook.prog_type, place).is_none_or(|only| only.admits(target, member))
        && (!proto.may_sleep() || hook.flags != 0)
}

#[test]
fn helpers_are_given_to_the_programs_that_the_table_admits_in_a_sample() {
    helpers_of(6, 1000);
}

#[test]
#[ignore = "loads some 23,000 programs"]
fn helpers_are_given_to_the_programs_that_the_table_admits() {
    helpers_of(1, 5000);
}

fn helpers_of(step: usize, least: usize) {
    if !may_ask() {
        return;
    }
    let (mut asked, mut yes) = (0, 0);
    let mut built: BTreeSet<u32> = BTreeSet::new();
    let mut missing: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (hook, result) in places().iter().step_by(step) {
        for id in 1..=213 {
            let theirs = given(hook, id, *result);
            let ours = Helper::find(id).is_some_and(|helper| admitted(hook, helper));
            asked += 1;
            yes += usize::from(theirs);
            built.extend(theirs.then_some(id));
            match (ours, theirs) {
                (true, false) => missing.entry(id).or_default().push(hook.name.clone()),
                (false, true) => wrong.push(format!("{}: the kernel gives {id}", hook.name)),
                _ => {}
            }
        }
    }
    // What this kernel was built without is given to nobody.
    let mut left_out = Vec::new();
    for (id, hooks) in missing {
        let helper = Helper::find(id).unwrap();
        if built.contains(&id) || helper.configs().is_empty() && helper.lockdown().is_none() {
            wrong.push(format!("{}: the kernel does not give it to {hooks:?}", helper.name));
        } else {
            left_out.push(helper.name);
        }
    }
    eprintln!(
        "{} hooks, {asked} calls, {yes} given; not in this kernel: {left_out:?}",
        places().len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(places().len() > 90 && yes > least);
}

/// A map that the helper takes.
fn map_for(helper: &Helper, maps: &BTreeMap<u32, Map>) -> Option<i32> {
    let fits = |info: &&skep_abi::MapInfo| info.helpers.contains(&helper.name);
    let kind = match helper.name {
        "perf_event_read" | "perf_event_output" => MapType::PerfEventArray,
        "ringbuf_query" => MapType::Ringbuf,
        _ => skep_abi::MapInfo::all().iter().find(fits)?.map_type,
    };
    maps.get(&kind.number()).map(Map::fd)
}

/// Code that puts something fitting in the register of a parameter; `None` where that takes more.
fn fitting(reg: u8, arg: &Arg, helper: &Helper, maps: &BTreeMap<u32, Map>) -> Option<Vec<Insn>> {
    Some(match arg.kind {
        ArgKind::Ctx => vec![copy(reg, 9)],
        ArgKind::Any => vec![mov(reg, 0)],
        ArgKind::Size | ArgKind::SizeOrZero | ArgKind::AllocSizeOrZero => vec![mov(reg, 8)],
        ArgKind::Map => load_map(reg, map_for(helper, maps)?).to_vec(),
        ArgKind::Mem | ArgKind::MapKey | ArgKind::MapValue | ArgKind::Stack => {
            vec![copy(reg, 10), add(reg, -64)]
        }
        _ if arg.flags & arg_flag::OR_NULL != 0 => vec![mov(reg, 0)],
        _ => return None,
    })
}

/// Whether a number is wanted.
fn is_number(kind: ArgKind) -> bool {
    matches!(kind, ArgKind::Size | ArgKind::SizeOrZero | ArgKind::AllocSizeOrZero)
}

/// What the verifier wants to see in place of a number, or of the stack where a number is wanted.
///
/// `None` if it says nothing of this argument; then something else was wrong before, or anything is fine.
fn wanted(
    hook: &Hook,
    helper: &Helper,
    args: &[Arg],
    at: usize,
    maps: &BTreeMap<u32, Map>,
) -> Option<String> {
    let mut code = vec![copy(9, 1)];
    code.extend((1..=8).map(|slot| store_imm(8, 10, -8 * slot, 0)));
    for (reg, arg) in (1..).zip(args).take(at) {
        code.extend(fitting(reg, arg, helper, maps)?);
    }
    let reg = u8::try_from(at + 1).unwrap();
    code.extend(if is_number(args[at].kind) { [copy(reg, 10)] } else { [mov(reg, 5)] });
    // A call without a word against the argument goes on to a register that is not set.
    code.extend([call(helper.id), copy(0, 8), exit()]);
    let (_, log) = hook.with(&code).log();
    let line = log.lines().find(|line| line.starts_with(&format!("R{reg} type=")))?;
    Some(line.split_once("expected=")?.1.to_owned())
}

#[test]
fn arguments_are_of_the_kinds_that_the_verifier_expects_in_a_sample() {
    arguments_of(6, 1000);
}

#[test]
#[ignore = "loads some 23,000 programs"]
fn arguments_are_of_the_kinds_that_the_verifier_expects() {
    arguments_of(1, 8000);
}

fn arguments_of(step: usize, least: usize) {
    if !may_ask() {
        return;
    }
    let maps = Map::one_of_each();
    let (mut asked, mut heard, mut wrong) = (0, 0, Vec::new());
    let mut kinds: BTreeSet<&str> = BTreeSet::new();
    for (hook, _) in places().iter().step_by(step) {
        for helper in Helper::all().iter().filter(|helper| admitted(hook, helper)) {
            let place = if hook.prog_type == ProgType::StructOps { None } else { hook.attach };
            let proto = helper.variant(hook.prog_type, place).expect("bug: admitted, no prototype");
            for (at, arg) in proto.args.iter().enumerate() {
                asked += 1;
                let Some(theirs) = wanted(hook, helper, proto.args, at, &maps) else { continue };
                heard += 1;
                let ours = arg.kind.expected();
                kinds.extend(ours);
                if ours != Some(&theirs) {
                    wrong.push(format!(
                        "{} {} {at}: {theirs}, ours {ours:?}",
                        hook.name, helper.name
                    ));
                }
            }
        }
    }
    eprintln!("{asked} arguments, {heard} of them told, {} sets of registers", kinds.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(heard > least && kinds.len() >= 10);
}

#[test]
fn helpers_for_gpl_programs_are_those_of_the_table_in_a_sample() {
    licences_of(6, 800);
}

#[test]
#[ignore = "loads some 9,000 programs"]
fn helpers_for_gpl_programs_are_those_of_the_table() {
    licences_of(1, 5000);
}

fn licences_of(step: usize, least: usize) {
    if !may_ask() {
        return;
    }
    let (mut asked, mut yes, mut wrong) = (0, 0, Vec::new());
    for (hook, _) in places().iter().step_by(step) {
        for helper in Helper::all().iter().filter(|helper| admitted(hook, helper)) {
            let place = if hook.prog_type == ProgType::StructOps { None } else { hook.attach };
            let proto = helper.variant(hook.prog_type, place).expect("bug: admitted, no prototype");
            let code = [call(helper.id), mov(0, 0), exit()];
            let load = Load { license: "MIT", ..hook.with(&code) };
            let (_, log) = load.log();
            let theirs = log.contains("cannot call GPL-restricted function");
            // Some places want the licence whatever is called, and some helpers are not in this kernel.
            let other = REFUSALS.iter().any(|words| log.contains(words))
                || log.contains("must have a GPL compatible license");
            if log.is_empty() || other {
                continue;
            }
            asked += 1;
            yes += usize::from(theirs);
            if theirs != proto.is_gpl_only() {
                wrong.push(format!("{} {}: {theirs}", hook.name, helper.name));
            }
        }
    }
    eprintln!("{asked} calls, {yes} for the GPL only");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > least && yes > 100);
}

#[test]
fn capabilities_open_the_helpers_that_the_table_says_in_a_sample() {
    capabilities(9, 500);
}

#[test]
#[ignore = "loads some 16,000 programs"]
fn capabilities_open_the_helpers_that_the_table_says() {
    capabilities(1, 5_000);
}

fn capabilities(step: usize, least: usize) {
    if !may_ask() {
        return;
    }
    let places: Vec<_> = places().iter().step_by(step).collect();
    let mut asked = 0;
    for have in [Some(Cap::Bpf), Some(Cap::Perfmon)] {
        let more = if have == Some(Cap::Perfmon) { PERFMON } else { 0 };
        let caps = CAP_BPF | NET_ADMIN | more;
        let answers = with_caps(caps, || {
            let mut answers = Vec::new();
            for (hook, result) in &places {
                // What may not be loaded at all with these capabilities says nothing of helpers.
                if hook.with(&[mov(0, *result), exit()]).verdict().is_err() {
                    continue;
                }
                for helper in Helper::all().iter().filter(|helper| admitted(hook, helper)) {
                    answers.push((hook, helper, given(hook, helper.id, *result)));
                }
            }
            answers
        });
        let mut differ = Vec::new();
        for (hook, helper, theirs) in answers {
            asked += 1;
            let ours = helper.needs_cap(hook.prog_type) <= have;
            if ours != theirs && helper.lockdown().is_none() && helper.configs().is_empty() {
                differ.push(format!("{} {}: with {have:?} {theirs}", hook.name, helper.name));
            }
        }
        assert!(differ.is_empty(), "{}", differ.join("\n"));
    }
    eprintln!("{asked} calls with fewer capabilities");
    assert!(asked > least);
}

#[test]
fn maps_go_into_the_helpers_that_the_table_says_in_a_sample() {
    maps_and_helpers(9, 1_000);
}

#[test]
#[ignore = "loads some 50,000 programs"]
fn maps_go_into_the_helpers_that_the_table_says() {
    maps_and_helpers(1, 30_000);
}

fn maps_and_helpers(step: usize, least: usize) {
    if !may_ask() {
        return;
    }
    let maps = Map::one_of_each();
    let (mut asked, mut refused, mut wrong) = (0, 0, Vec::new());
    let with_map = |helper: &&Helper| helper.args.iter().any(|arg| arg.kind == ArgKind::Map);
    for (hook, _) in places().iter().step_by(step) {
        let place = if hook.prog_type == ProgType::StructOps { None } else { hook.attach };
        for helper in Helper::all().iter().filter(with_map).filter(|row| admitted(hook, row)) {
            let proto = helper.variant(hook.prog_type, place).expect("bug: admitted, no prototype");
            for (&number, map) in &maps {
                let only = BTreeMap::from([(number, map)]);
                let Some(code) = whole_call(helper, proto.args, &only) else { continue };
                let (verdict, log) = hook.with(&code).log();
                let theirs = !log.contains("cannot pass map_type");
                // An argument that does not fit the map is found first.
                if verdict.is_err() && theirs && !log.contains("R8 !read_ok") {
                    continue;
                }
                let map_type = MapType::from_number(number).expect("bug: a map without a type");
                asked += 1;
                refused += usize::from(!theirs);
                if map_type.goes_with(helper, hook.prog_type, place) != theirs {
                    wrong.push(format!("{} {} {map_type}: {theirs}", hook.name, helper.name));
                }
            }
        }
    }
    eprintln!("{asked} pairs of map and helper, {refused} refused");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > least && asked > refused);
}

/// A call with this map and otherwise what fits, and then a register that is not set.
fn whole_call(helper: &Helper, args: &[Arg], map: &BTreeMap<u32, &Map>) -> Option<Vec<Insn>> {
    let mut code = vec![copy(9, 1)];
    code.extend((1..=8).map(|slot| store_imm(8, 10, -8 * slot, 0)));
    for (reg, arg) in (1..).zip(args) {
        let fd = map.values().next()?.fd();
        if arg.kind == ArgKind::Map {
            code.extend(load_map(reg, fd));
        } else {
            code.extend(fitting(reg, arg, helper, &BTreeMap::new())?);
        }
    }
    code.extend([call(helper.id), copy(0, 8), exit()]);
    Some(code)
}

/// What the verifier calls a result of this kind, by its beginning.
fn result_word(ret: Ret) -> Option<&'static str> {
    Some(match ret.kind {
        RetKind::Int => "scalar",
        RetKind::Void => return None,
        RetKind::MapValue => "map_value",
        RetKind::Socket => "sock",
        RetKind::TcpSock => "tcp_sock",
        RetKind::SockCommon => "sock_common",
        RetKind::Mem if ret.flags & arg_flag::RINGBUF != 0 => "ringbuf_mem",
        RetKind::Mem => "mem",
        RetKind::MemOrBtfId | RetKind::BtfId => return Some(""),
    })
}

#[test]
fn results_are_of_the_kinds_that_the_table_says() {
    if !may_ask() {
        return;
    }
    let maps = Map::one_of_each();
    let (mut heard, mut wrong) = (BTreeSet::new(), Vec::new());
    for (hook, _) in places().iter().step_by(2) {
        let place = if hook.prog_type == ProgType::StructOps { None } else { hook.attach };
        for helper in Helper::all().iter().filter(|helper| admitted(hook, helper)) {
            let proto = helper.variant(hook.prog_type, place).expect("bug: admitted, no prototype");
            let map =
                map_for(helper, &maps).and_then(|fd| maps.iter().find(|map| map.1.fd() == fd));
            let some = map.or(maps.first_key_value()).map(|(number, map)| (*number, map));
            let Some(code) = whole_call(helper, proto.args, &some.into_iter().collect()) else {
                continue;
            };
            let (_, log) = hook.with(&code).log();
            let call = format!("call bpf_{}#", helper.name);
            // Without this the call itself was refused.
            let Some(line) = log.lines().find(|line| line.contains(&call)) else { continue };
            if !log.contains("R8 !read_ok") {
                continue;
            }
            let theirs = line.split_once(" R0").and_then(|(_, rest)| rest.split_once('='));
            let theirs = theirs.map(|(_, word)| word);
            heard.insert(helper.id);
            let kind = some.and_then(|(number, _)| MapType::from_number(number));
            let owned =
                log.lines().any(|line| line.contains(&call) && line.contains("ref_obj_id="));
            if owned != helper.acquires(kind) {
                wrong.push(format!("{} {}: {line}", hook.name, helper.name));
            }
            let fits = match (result_word(proto.ret), theirs) {
                (None, None) => true,
                (Some(ours), Some(word)) => {
                    let end = word.find('(').unwrap_or(word.len());
                    let null = proto.ret.flags & arg_flag::OR_NULL != 0;
                    // A number that is known is printed as it is.
                    let number = ours == "scalar" && word.starts_with(|c: char| c.is_ascii_digit());
                    number || word.starts_with(ours) && word[..end].contains("_or_null") == null
                }
                _ => false,
            };
            if !fits {
                wrong.push(format!("{} {}: {line}, {:?}", hook.name, helper.name, proto.ret));
            }
        }
    }
    eprintln!("results of {} helpers", heard.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(heard.len() > 80);
}
