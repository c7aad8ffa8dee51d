//! Kernel functions: who may call them.

use crate::code::{call_kernel, exit, mov};
use crate::hooks::{places, target, vmlinux};
use crate::kernel::may_ask;
use skep_abi::{Kfunc, ProgType};
use skep_btf::Kind;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn kernel_functions_are_for_the_programs_that_the_table_admits_in_a_sample() {
    compare(7, 1_000);
}

#[test]
#[ignore = "loads some 20,000 programs"]
fn kernel_functions_are_for_the_programs_that_the_table_admits() {
    compare(1, 10_000);
}

/// Every hook of `step`.
fn compare(step: usize, least: usize) {
    if !may_ask() {
        return;
    }
    let btf = vmlinux();
    let here: Vec<_> = Kfunc::all()
        .iter()
        .filter_map(|row| Some((row, btf.find(row.name, Kind::Func)?.id.0)))
        .collect();
    let (mut asked, mut yes, mut count) = (0, 0, 0);
    let mut built: BTreeSet<&str> = BTreeSet::new();
    let mut wrong: BTreeMap<(&str, bool), Vec<String>> = BTreeMap::new();
    for (hook, result) in places().iter().skip(step / 3).step_by(step) {
        count += 1;
        let place = if hook.prog_type == ProgType::StructOps { None } else { hook.attach };
        for (kfunc, id) in &here {
            let (verdict, log) = hook.with(&[call_kernel(*id), mov(0, *result), exit()]).log();
            // Nobody here has a device to be bound to; the words are the same for all.
            let bound = log.contains("require device-bound program");
            let theirs = verdict.is_ok() || !log.contains("is not allowed");
            let (target, member) = target(hook);
            let ops = member.map(|member| (target, member));
            let ours = kfunc.admits(hook.prog_type, place, ops);
            asked += 1;
            yes += usize::from(theirs);
            built.extend(theirs.then_some(kfunc.name));
            if ours != theirs && !bound {
                wrong.entry((kfunc.name, theirs)).or_default().push(hook.name.clone());
            }
        }
    }
    eprintln!("{} functions, {count} hooks, {asked} calls, {yes} allowed", here.len());
    // A function that the kernel has and gives to nobody is not registered in this configuration.
    let absent: Vec<_> =
        here.iter().map(|row| row.0.name).filter(|name| !built.contains(name)).collect();
    wrong.retain(|(name, _), _| !absent.contains(name));
    eprintln!("not registered here: {absent:?}");
    let lines: Vec<_> = wrong.iter().map(|row| format!("{row:?}")).collect();
    assert!(wrong.is_empty(), "{}", lines.join("\n"));
    // Those for LSM programs cannot be asked for where none loads.
    let lsm = |name: &&&str| {
        Kfunc::find(name).is_some_and(|row| {
            !row.progs.contains(ProgType::Syscall) && row.progs.contains(ProgType::Lsm)
        })
    };
    assert!(step > 1 || absent.iter().filter(|name| !lsm(name)).count() <= 1);
    assert!(here.len() > 150 && yes > least);
}
