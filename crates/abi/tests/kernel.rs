//! Numbers and names against the running kernel's types.

use skep_abi::{AttachType, HELPERS, Kfunc, LinkType, MapFlag, MapType, ProgType, Release};
use skep_btf::{Body, Btf};
use std::collections::HashMap;
use std::{env, fs};

/// The running kernel's types, if it offers them.
fn kernel() -> Option<Btf> {
    let read = fs::read("/sys/kernel/btf/vmlinux").ok().and_then(|bytes| Btf::parse(&bytes).ok());
    let required = env::var_os("SKEP_REQUIRE_KERNEL").is_some_and(|value| value == "1");
    assert!(read.is_some() || !required, "no types of the kernel to compare with");
    read
}

/// Names in upper case and values of an enumeration.
fn values(btf: &Btf, name: &str) -> HashMap<String, u32> {
    let found = btf.types().filter(|ty| ty.name == name).find_map(|ty| match ty.body {
        Body::Enum { variants, .. } => Some(variants),
        _ => None,
    });
    let variants = found.unwrap_or_else(|| panic!("no enum {name}"));
    let value = |value: i128| u32::try_from(value).unwrap_or_default();
    variants.iter().map(|row| (row.name.to_uppercase(), value(row.value))).collect()
}

/// Each of ours has the kernel's number; the kernel has none beyond ours.
#[track_caller]
fn check(btf: &Btf, name: &str, prefix: &str, ours: impl Iterator<Item = (u32, &'static str)>) {
    let theirs = values(btf, name);
    let mut most = 0;
    for (number, name) in ours {
        most = most.max(number);
        let name = format!("{prefix}{}", name.to_uppercase());
        assert_eq!(theirs.get(&name), Some(&number), "{name}");
    }
    let more = theirs.iter().filter(|(name, value)| name.starts_with(prefix) && **value > most);
    assert_eq!(more.collect::<Vec<_>>(), [], "{name}: not in the table");
}

#[test]
fn numbers_are_those_of_the_kernel() {
    let Some(btf) = kernel() else { return };
    let rows = ProgType::ALL.iter().map(|row| (row.number(), row.name()));
    check(&btf, "bpf_prog_type", "BPF_PROG_TYPE_", rows);
    // Attach types of later releases are not in the types of this one.
    let reference = |row: &&AttachType| row.since() <= Release { major: 6, minor: 18 };
    let rows = AttachType::ALL.iter().filter(reference).map(|row| (row.number(), row.name()));
    check(&btf, "bpf_attach_type", "BPF_", rows);
    let rows = LinkType::ALL.iter().map(|row| (row.number(), row.name()));
    check(&btf, "bpf_link_type", "BPF_LINK_TYPE_", rows);
    let rows = MapType::ALL.iter().map(|row| (row.number(), row.name()));
    check(&btf, "bpf_map_type", "BPF_MAP_TYPE_", rows);
    check(&btf, "bpf_func_id", "BPF_FUNC_", (0..).zip(HELPERS));
}

#[test]
fn flags_are_those_of_the_kernel() {
    let Some(btf) = kernel() else { return };
    let mut theirs = HashMap::new();
    for ty in btf.types().filter(|ty| ty.name.is_empty()) {
        if let Body::Enum { variants, .. } = ty.body {
            theirs.extend(variants.iter().map(|row| (row.name.to_string(), row.value)));
        }
    }
    for flag in MapFlag::of(u32::MAX) {
        let value = theirs.get(flag.name()).map(|&value| u32::try_from(value).unwrap());
        assert_eq!(value, Some(flag.bit()), "{}", flag.name());
    }
}

/// What a kernel was built without is missing in its types, and so is what came after it.
#[test]
fn most_kernel_functions_are_there() {
    let Some(btf) = kernel() else { return };
    let functions: Vec<_> =
        btf.types().filter(|ty| matches!(ty.body, Body::Func { .. })).map(|ty| ty.name).collect();
    let has = |kfunc: &&Kfunc| functions.contains(&kfunc.name);
    let found = Kfunc::all().iter().filter(has).count();
    assert!(found >= 20, "{found} of {} kernel functions", Kfunc::all().len());
}
