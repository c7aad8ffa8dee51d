//! Names of what relocations are about, for people.

use super::kind::Subject;
use super::{CoreKind, Target, indices};
use crate::{Body, Btf, StrOff, Type, TypeId};
use alloc::{format, string::String};
use core::fmt::Write as _;

/// Bytes of the longest text; names of hostile types can be long and nested.
const LIMIT: usize = 1024;

/// What a relocation is about as C would write it, `struct sock.__sk_common.skc_family` or
/// `enum bpf_map_type.BPF_MAP_TYPE_HASH`, as far as the access string makes sense.
#[must_use]
pub fn spell(btf: &Btf, ty: TypeId, access: StrOff, kind: u32) -> String {
    let Some(root) = btf.get(ty) else { return String::new() };
    let mut text = type_name(root);
    let subject = CoreKind::new(kind).map(CoreKind::subject);
    let indices = indices(btf, access);
    let Some((&first, rest)) = indices.split_first() else { return text };
    match subject {
        Some(Subject::Enumval) => {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let name = match btf.resolve(ty).map(|ty| ty.body) {
                Some(Body::Enum { variants, .. }) => variants.get(first).map(|one| one.name),
                Some(Body::Enum64 { variants, .. }) => variants.get(first).map(|one| one.name),
                _ => None,
            };
            part(&mut text, name.unwrap_or_default());
        }
        Some(Subject::Field) => {
            if first != 0 {
                push_index(&mut text, first);
            }
            members(&mut text, btf, ty, rest);
        }
        Some(Subject::Type) | None => {}
    }
    text
}

/// A type of a target: `struct sock [231] of vmlinux`.
pub(super) fn candidate(target: Target<'_>, id: TypeId) -> String {
    let name = target.btf.get(id).map_or(String::new(), type_name);
    format!("{name} [{id}] of {}", target.name)
}

fn type_name(ty: Type<'_>) -> String {
    let word = match ty.body {
        Body::Struct { .. } | Body::Fwd { union: false } => "struct ",
        Body::Union { .. } | Body::Fwd { union: true } => "union ",
        Body::Enum { .. } | Body::Enum64 { .. } => "enum ",
        _ => "",
    };
    let mut text = String::from(word);
    push(&mut text, if ty.name.is_empty() { "(anonymous)" } else { ty.name });
    text
}

/// Appends the members and elements that `indices` lead through.
fn members(text: &mut String, btf: &Btf, ty: TypeId, indices: &[u32]) {
    let mut at = ty;
    for &index in indices {
        at = match btf.resolve(at).map(|ty| ty.body) {
            Some(Body::Struct { members, .. } | Body::Union { members, .. }) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let Some(member) = members.get(index) else { return };
                part(text, member.name);
                member.ty
            }
            Some(Body::Array { elem, .. }) => {
                push_index(text, index);
                elem
            }
            _ => return,
        };
    }
}

/// Anonymous members have no name to show.
fn part(text: &mut String, name: &str) {
    if !name.is_empty() {
        push(text, ".");
        push(text, name);
    }
}

fn push_index(text: &mut String, index: u32) {
    if text.len() < LIMIT {
        // Writing to a string does not fail.
        let _ = write!(text, "[{index}]");
    }
}

/// Appends a name as long as the text stays readable.
fn push(text: &mut String, name: &str) {
    if text.len().saturating_add(name.len()) <= LIMIT {
        text.push_str(name);
    }
}
