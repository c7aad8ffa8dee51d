//! Instructions that depend on the types of the running kernel (CO-RE).

use crate::ObjError;
use crate::elf::MAX_NAME;
use crate::func::Funcs;
use alloc::string::String;
use skep_btf::{Body, Btf, CoreRelo, Type};

/// What is asked about a type. Source: `enum bpf_core_relo_kind`, by number.
const KINDS: [&str; 13] = [
    "field_byte_offset",
    "field_byte_size",
    "field_exists",
    "field_signed",
    "field_lshift_u64",
    "field_rshift_u64",
    "local_type_id",
    "target_type_id",
    "type_exists",
    "type_size",
    "enumval_exists",
    "enumval_value",
    "type_matches",
];

/// Refuses a program of these functions if one of them has such an instruction.
pub(crate) fn refuse(
    prog: &str,
    parts: &[usize],
    funcs: &Funcs<'_>,
    btf: Option<&Btf>,
) -> Result<(), ObjError> {
    let found = parts.iter().filter_map(|&part| funcs.list.get(part)).find_map(|func| {
        let (insn, relo) = func.core?;
        Some((func, insn, relo))
    });
    let Some((func, insn, relo)) = found else { return Ok(()) };
    let kind = usize::try_from(relo.kind).ok().and_then(|kind| KINDS.get(kind));
    Err(ObjError::CoreReloc {
        prog: prog.into(),
        func: func.name.into(),
        insn,
        kind: kind.copied().unwrap_or("unknown"),
        target: btf.map_or(String::new(), |btf| spell(btf, relo)),
    })
}

/// The type and the part of it, as C would write it: `struct sock.__sk_common.skc_family`.
fn spell(btf: &Btf, relo: CoreRelo) -> String {
    let mut text = String::new();
    let Some(ty) = btf.resolve(relo.ty) else { return text };
    match ty.body {
        Body::Struct { .. } => text.push_str("struct "),
        Body::Union { .. } => text.push_str("union "),
        Body::Enum { .. } | Body::Enum64 { .. } => text.push_str("enum "),
        _ => {}
    }
    push(&mut text, ty.name);
    let access = btf.text(relo.access);
    let mut indices = access.split(':').map(str::parse::<usize>);
    let first = indices.next().and_then(Result::ok).unwrap_or_default();
    match ty.body {
        Body::Enum { variants, .. } => part(&mut text, variants.get(first).map(|v| v.name)),
        Body::Enum64 { variants, .. } => part(&mut text, variants.get(first).map(|v| v.name)),
        // Otherwise the first index counts elements from where the pointer leads.
        _ => members(&mut text, btf, ty, indices.map_while(Result::ok)),
    }
    text
}

/// Appends the members that `indices` lead through.
fn members<'a>(
    text: &mut String,
    btf: &'a Btf,
    ty: Type<'a>,
    indices: impl Iterator<Item = usize>,
) {
    let mut at = Some(ty.body);
    for index in indices {
        let next = match at {
            Some(Body::Struct { members, .. } | Body::Union { members, .. }) => {
                let Some(member) = members.get(index) else { return };
                part(text, Some(member.name));
                member.ty
            }
            Some(Body::Array { elem, .. }) => elem,
            _ => return,
        };
        at = btf.resolve(next).map(|ty| ty.body);
    }
}

/// Anonymous members have no name to show.
fn part(text: &mut String, name: Option<&str>) {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        text.push('.');
        push(text, name);
    }
}

/// Appends a name as long as the text stays readable.
fn push(text: &mut String, name: &str) {
    if text.len().saturating_add(name.len()) <= MAX_NAME {
        text.push_str(name);
    }
}
