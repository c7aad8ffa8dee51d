//! Where in a type something is.

use super::kind::Subject;
use super::{CoreKind, indices};
use crate::{Body, Btf, StrOff, TypeId};
use alloc::vec::Vec;

/// A field, type or enumerator in one set of types.
///
/// Of libbpf: `struct bpf_core_spec`.
#[derive(Clone, Debug)]
pub(super) struct Spec<'a> {
    pub(super) btf: &'a Btf,
    pub(super) pointer: u32,
    pub(super) root: TypeId,
    pub(super) kind: CoreKind,
    /// The way to the field: named members and array elements, without anonymous members. For an
    /// enumerator one step, for a type none.
    pub(super) steps: Vec<Step<'a>>,
    /// How many members and elements the way has with the anonymous ones.
    pub(super) raw_len: usize,
    pub(super) bit_off: u64,
}

/// A step on the way to a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    /// The struct, union or enumeration; of an array the type of its elements.
    pub(super) ty: TypeId,
    /// Which member or element of it.
    pub(super) index: u32,
    /// The member's name; elements have none.
    pub(super) name: Option<&'a str>,
}

impl<'a> Spec<'a> {
    /// Longest way. Of libbpf: `BPF_CORE_SPEC_MAX_LEN`.
    pub(super) const MAX_LEN: usize = 64;

    pub(super) const fn new(btf: &'a Btf, pointer: u32, root: TypeId, kind: CoreKind) -> Self {
        Self { btf, pointer, root, kind, steps: Vec::new(), raw_len: 0, bit_off: 0 }
    }

    /// What a relocation names in the program's types. Of libbpf: `bpf_core_parse_spec`.
    pub(super) fn parse(
        btf: &'a Btf,
        pointer: u32,
        root: TypeId,
        access: StrOff,
        kind: CoreKind,
    ) -> Option<Self> {
        let mut spec = Self::new(btf, pointer, root, kind);
        let indices = indices(btf, access);
        let (&first, rest) = indices.split_first()?;
        match kind.subject() {
            Subject::Type => return (first == 0 && rest.is_empty()).then_some(spec),
            Subject::Enumval => {
                let name = enumerator(btf, root, first).filter(|_| rest.is_empty())?;
                let ty = btf.resolve(root)?.id;
                spec.steps.push(Step { ty, index: first, name: Some(name) });
            }
            Subject::Field => {
                let ty = btf.resolve(root)?.id;
                spec.push_elem(ty, first)?;
                rest.iter().try_fold(ty, |ty, &index| spec.follow(ty, index))?;
            }
        }
        Some(spec)
    }

    /// Appends member or element `index` of `ty` and returns its type.
    fn follow(&mut self, ty: TypeId, index: u32) -> Option<TypeId> {
        let ty = self.btf.resolve(ty)?;
        match ty.body {
            Body::Struct { members, .. } | Body::Union { members, .. } => {
                let member = members.get(usize::try_from(index).ok()?)?;
                self.raw_len = self.raw_len.saturating_add(1);
                self.bit_off = self.bit_off.checked_add(member.bit_off.into())?;
                if !member.name.is_empty() {
                    self.steps.push(Step { ty: ty.id, index, name: Some(member.name) });
                }
                Some(member.ty)
            }
            Body::Array { elem, len, .. } => {
                let elem = self.btf.resolve(elem)?.id;
                (index < len || self.is_flexible(len)).then_some(())?;
                self.push_elem(elem, index)?;
                Some(elem)
            }
            _ => None,
        }
    }

    /// Appends element `index` of an array of `elem`; `None` when elements have no size or the way
    /// gets too long.
    pub(super) fn push_elem(&mut self, elem: TypeId, index: u32) -> Option<()> {
        let size = self.btf.size_with(elem, self.pointer)?;
        let bits = u64::from(size).saturating_mul(8).saturating_mul(index.into());
        (self.raw_len < Self::MAX_LEN).then_some(())?;
        self.raw_len = self.raw_len.saturating_add(1);
        self.bit_off = self.bit_off.checked_add(bits)?;
        self.steps.push(Step { ty: elem, index, name: None });
        Some(())
    }

    /// Whether an array of `len` elements, the member of the last step, ends its struct and has no
    /// length: its elements are not counted. Of libbpf: `is_flex_arr`.
    pub(super) fn is_flexible(&self, len: u32) -> bool {
        let Some(Step { ty, index, name: Some(_) }) = self.steps.last() else { return false };
        let members = match self.btf.get(*ty).map(|ty| ty.body) {
            Some(Body::Struct { members, .. } | Body::Union { members, .. }) => members.len(),
            _ => return false,
        };
        len == 0 && usize::try_from(*index).ok() == members.checked_sub(1)
    }
}

/// Name of an enumerator.
fn enumerator(btf: &Btf, ty: TypeId, index: u32) -> Option<&str> {
    let index = usize::try_from(index).ok()?;
    match btf.resolve(ty)?.body {
        Body::Enum { variants, .. } => variants.get(index).map(|variant| variant.name),
        Body::Enum64 { variants, .. } => variants.get(index).map(|variant| variant.name),
        _ => None,
    }
}
