//! Types as a C header.
//!
//! # Model
//!
//! What C needs before a definition is emitted first ([`order`]): what is contained by value, and each
//! typedef that is named. Structs and unions that are only pointed to are declared. Types without
//! names stand where they are used. [`names`] makes names unique, [`layout`] says which padding and
//! attributes give the sizes and offsets that the types have, [`declare`] writes declarations.
//!
//! # Order
//!
//! Enumerations first, then all else by name, except that what is needed comes before: so the headers
//! of two kernels can be compared line by line. The functions that programs may call come last ([`kfuncs`]).
//!
//! # Limits
//!
//! Types without names can be used many times, and contain each other: the text is limited, by the
//! number of types, and the depth of such types to [`Btf::MAX_NESTING`].

mod declare;
mod kfuncs;
mod layout;
mod names;
mod order;

use crate::{Body, Btf, BtfError, Kind, TypeId};
use alloc::{string::String, vec::Vec};
use declare::Writer;
use order::Order;

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum DumpError {
    /// The types were only opened, and are malformed.
    #[error("the types are malformed")]
    Btf(#[from] BtfError),
    /// Structs without names, or members without, contain or point to each other too deep.
    #[error("type {id} has types without names nested more than {limit} deep")]
    Deep { id: TypeId, limit: u8 },
    /// Types without names are used too often.
    #[error("the header would be larger than {limit} bytes")]
    Size { limit: usize },
}

const HEAD: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#if defined(__clang__) && defined(__bpf__) && !defined(BPF_NO_PRESERVE_ACCESS_INDEX)
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

";

const TAIL: &str = "\
#if defined(__clang__) && defined(__bpf__) && !defined(BPF_NO_PRESERVE_ACCESS_INDEX)
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
";

/// All structs, unions, enumerations and typedefs of `btf` as a C header that clang and gcc compile, with
/// the sizes and offsets that the types have.
///
/// Of split BTF these are the types that are not in its base, and whatever they need.
///
/// Names that are used twice get `___2` and so on appended. Functions with the tag `bpf_kfunc` are declared as
/// weak symbols of the kernel, unless `BPF_NO_KFUNC_PROTOTYPES` is defined; other functions, variables and
/// tags are left out.
///
/// # Errors
/// [`DumpError`] for types that no compiler makes.
///
/// ```
/// # let words = [1_u32, 1 << 24, 4, 32, 5, 4 << 24 | 1, 4, 9, 1, 0];
/// # let mut bytes = vec![0x9f, 0xeb, 1, 0];
/// # for word in [24, 0, 40, 40, 14].iter().chain(&words) { bytes.extend(u32::to_le_bytes(*word)); }
/// # bytes.extend(b"\0int\0key\0addr\0");
/// let btf = skep_btf::Btf::parse(&bytes).unwrap();
/// let header = skep_btf::dump_c(&btf).unwrap();
/// assert!(header.contains("struct key {\n\tint addr;\n};"));
/// ```
pub fn dump_c(btf: &Btf) -> Result<String, DumpError> {
    btf.check()?;
    let mut writer = Writer::new(btf);
    writer.text.push_str(HEAD);
    let mut order = Order::new(btf);
    for root in roots(btf) {
        order.visit(root, &mut writer)?;
    }
    let kfuncs = kfuncs::kfuncs(btf);
    // Types are declared outside the condition.
    for &kfunc in &kfuncs {
        order.visit(kfunc, &mut writer)?;
    }
    if !kfuncs.is_empty() {
        writer.text.push_str(kfuncs::HEAD);
        for &kfunc in &kfuncs {
            writer.prototype(kfunc)?;
        }
        writer.text.push('\n');
        writer.text.push_str(kfuncs::TAIL);
    }
    writer.text.push_str(TAIL);
    Ok(writer.text)
}

/// The types that are written even if no other needs them, in order.
fn roots(btf: &Btf) -> Vec<TypeId> {
    let mut roots: Vec<(u8, &str, TypeId)> = Vec::new();
    let mut embedded = alloc::vec![false; btf.len().saturating_add(1)];
    for ty in btf.types() {
        let to: Vec<TypeId> = btf
            .record(ty.id)
            .map_or(Vec::new(), |record| record.references().map(|(_, to)| to).collect());
        for to in to {
            if let Some(slot) = usize::try_from(to.0).ok().and_then(|to| embedded.get_mut(to)) {
                *slot |= !matches!(ty.kind(), Kind::DeclTag | Kind::Func | Kind::Var);
            }
        }
    }
    let is_own = |id: TypeId| usize::try_from(id.0).is_ok_and(|id| id > btf.base_len());
    for ty in btf.types().filter(|ty| is_own(ty.id)) {
        let used = usize::try_from(ty.id.0).ok().and_then(|id| embedded.get(id)) == Some(&true);
        match ty.body {
            Body::Enum { variants, .. } if ty.name.is_empty() && !used => {
                roots.push((0, variants.get(0).map_or("", |first| first.name), ty.id));
            }
            Body::Enum64 { variants, .. } if ty.name.is_empty() && !used => {
                roots.push((0, variants.get(0).map_or("", |first| first.name), ty.id));
            }
            Body::Enum { .. } | Body::Enum64 { .. } if !ty.name.is_empty() => {
                roots.push((1, ty.name, ty.id));
            }
            Body::Struct { .. } | Body::Union { .. } | Body::Typedef(_) | Body::Fwd { .. }
                if !ty.name.is_empty() =>
            {
                roots.push((2, ty.name, ty.id));
            }
            _ => {}
        }
    }
    roots.sort_unstable();
    roots.into_iter().map(|(_, _, id)| id).collect()
}
