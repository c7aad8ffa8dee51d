//! Functions of the kernel that programs may call.

use super::names::ident;
use crate::{Body, Btf, TypeId};
use alloc::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// What stands before prototypes, in the words of libbpf's `bpf_helpers.h`.
pub(super) const HEAD: &str = "\
#ifndef BPF_NO_KFUNC_PROTOTYPES
#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif

";

pub(super) const TAIL: &str = "#endif /* BPF_NO_KFUNC_PROTOTYPES */\n\n";

/// The functions with the tag `bpf_kfunc`, by name. pahole sets it from version 1.26 on.
///
/// Those of the base of split BTF are not among them, nor those whose names C cannot have beside the
/// typedefs and enumerators.
pub(super) fn kfuncs(btf: &Btf) -> Vec<TypeId> {
    let mut found = BTreeMap::new();
    for tag in btf.types().filter(|tag| tag.name == "bpf_kfunc") {
        let Body::DeclTag { ty, component: None } = tag.body else { continue };
        let own = usize::try_from(ty.0).is_ok_and(|id| id > btf.base_len());
        if let Some(func) = btf.get(ty)
            && own
            && matches!(func.body, Body::Func { .. })
            && matches!(ident(func.name), Cow::Borrowed(name) if !name.is_empty())
        {
            found.entry(func.name).or_insert(ty);
        }
    }
    if !found.is_empty() {
        let taken = taken(btf);
        found.retain(|name, _| !taken.contains(name));
    }
    found.into_values().collect()
}

/// Names of typedefs and enumerators, which are those of functions in C too.
fn taken(btf: &Btf) -> BTreeSet<&str> {
    let mut taken = BTreeSet::new();
    for ty in btf.types() {
        match ty.body {
            Body::Typedef(_) => {
                taken.insert(ty.name);
            }
            Body::Enum { variants, .. } => taken.extend(variants.iter().map(|one| one.name)),
            Body::Enum64 { variants, .. } => taken.extend(variants.iter().map(|one| one.name)),
            _ => {}
        }
    }
    taken
}
