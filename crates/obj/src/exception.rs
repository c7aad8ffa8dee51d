//! Functions that the kernel calls when a program throws (`bpf_throw`).
//!
//! A program names its function by a declaration tag, `exception_callback:NAME`, and calls it nowhere.
//! Of libbpf: `bpf_prog_assign_exc_cb`.

use crate::ObjError;
use crate::elf::{Elf, MAX_NAME};
use crate::func::Funcs;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use skep_btf::{Body, Btf};

const TAG: &str = "exception_callback:";

/// Number of the function that each program names so, by the program's name.
pub(crate) fn callbacks<'b>(
    elf: &Elf<'_>,
    btf: Option<&'b Btf>,
    funcs: &Funcs<'_>,
) -> Result<BTreeMap<&'b str, Option<usize>>, ObjError> {
    let mut found = BTreeMap::new();
    for tag in btf.into_iter().flat_map(Btf::types) {
        let Body::DeclTag { ty, component: None } = tag.body else { continue };
        let Some(name) = tag.name.strip_prefix(TAG) else { continue };
        let Some(prog) = btf.and_then(|btf| btf.get(ty)) else { continue };
        if !matches!(prog.body, Body::Func { .. }) {
            continue;
        }
        match found.entry(prog.name) {
            // Of several none is taken: the kernel refuses such programs.
            Entry::Occupied(mut entry) => *entry.get_mut() = None,
            Entry::Vacant(entry) => {
                entry.insert(Some(callback(elf, funcs, name).ok_or_else(|| {
                    let short = |name: &str| name.chars().take(MAX_NAME).collect();
                    ObjError::NoCallback { prog: short(prog.name), func: short(name) }
                })?));
            }
        };
    }
    Ok(found)
}

/// The global function of this name that is no program.
fn callback(elf: &Elf<'_>, funcs: &Funcs<'_>, name: &str) -> Option<usize> {
    let (text, _) = elf.section(crate::object::TEXT)?;
    let start = elf.symbol(text, name)?.value;
    let func = funcs.starting(text, start)?;
    funcs.list.get(func).filter(|func| !func.local && func.name == name)?;
    Some(func)
}
