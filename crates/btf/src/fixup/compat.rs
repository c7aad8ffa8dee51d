//! Whether two types are compatible, and, more strictly, whether they match.

use super::search::{Impossible, TOO_MUCH};
use super::{essential, kinds_fit};
use crate::{Body, Btf, List, Member, Param, Type, TypeId};

/// How deep pointers and arrays are followed, and how deep prototypes and members.
const DEPTH: u8 = 32;

/// Two sets of types that are compared.
pub(super) struct Pairs<'s, 'a> {
    pub(super) local: &'a Btf,
    pub(super) target: &'a Btf,
    pub(super) steps: &'s mut u32,
}

impl<'a> Pairs<'_, 'a> {
    /// Kinds are the same on the way through pointers, arrays and prototypes. Names of types were
    /// compared before. Of libbpf: `bpf_core_types_are_compat`.
    pub(super) fn are_compatible(
        &mut self,
        local: TypeId,
        target: TypeId,
    ) -> Result<bool, Impossible> {
        let kinds = (self.local.get(local), self.target.get(target));
        match kinds {
            (Some(ours), Some(theirs)) if kinds_fit(ours.kind(), theirs.kind()) => {
                self.compatible(local, target, DEPTH)
            }
            _ => Ok(false),
        }
    }

    fn compatible(
        &mut self,
        mut local: TypeId,
        mut target: TypeId,
        level: u8,
    ) -> Result<bool, Impossible> {
        for _ in 0..DEPTH {
            let (ours, theirs) = self.resolve(local, target)?;
            if !kinds_fit(ours.kind(), theirs.kind()) {
                return Ok(false);
            }
            (local, target) = match (ours.body, theirs.body) {
                (Body::Int(ours), Body::Int(theirs)) => {
                    return Ok(ours.bit_off == 0 && theirs.bit_off == 0);
                }
                (Body::Ptr(ours), Body::Ptr(theirs)) => (ours, theirs),
                (Body::Array { elem: ours, .. }, Body::Array { elem: theirs, .. }) => {
                    (ours, theirs)
                }
                (
                    Body::FuncProto { ret, params },
                    Body::FuncProto { ret: their_ret, params: theirs },
                ) => {
                    let below = |pairs: &mut Self, ours, theirs| {
                        let level = level.checked_sub(1).ok_or(TOO_MUCH)?;
                        pairs.compatible(ours, theirs, level)
                    };
                    if !self.params(params, theirs, below)? {
                        return Ok(false);
                    }
                    (ret, their_ret)
                }
                (
                    Body::Void
                    | Body::Struct { .. }
                    | Body::Union { .. }
                    | Body::Enum { .. }
                    | Body::Enum64 { .. }
                    | Body::Fwd { .. },
                    _,
                ) => return Ok(true),
                _ => return Ok(false),
            };
        }
        Err(TOO_MUCH)
    }

    /// Names, sizes, signedness and members are the same, as far as the program knows them. Of
    /// libbpf: `bpf_core_types_match`.
    pub(super) fn match_types(
        &mut self,
        local: TypeId,
        target: TypeId,
    ) -> Result<bool, Impossible> {
        self.matches(local, target, false, DEPTH)
    }

    fn matches(
        &mut self,
        mut local: TypeId,
        mut target: TypeId,
        mut behind_ptr: bool,
        level: u8,
    ) -> Result<bool, Impossible> {
        let below = level.checked_sub(1).ok_or(TOO_MUCH)?;
        for _ in 0..DEPTH {
            let (ours, theirs) = self.resolve(local, target)?;
            if !same_name(ours.name, theirs.name) {
                return Ok(false);
            }
            (local, target) = match (ours.body, theirs.body) {
                (Body::Ptr(ours), Body::Ptr(theirs)) => {
                    behind_ptr = true;
                    (ours, theirs)
                }
                (
                    Body::Array { elem, len, .. },
                    Body::Array { elem: their_elem, len: their_len, .. },
                ) if len == their_len => (elem, their_elem),
                (
                    Body::FuncProto { ret, params },
                    Body::FuncProto { ret: their_ret, params: theirs },
                ) => {
                    let one = |pairs: &mut Self, ours, theirs| {
                        pairs.matches(ours, theirs, behind_ptr, below)
                    };
                    if !self.params(params, theirs, one)? {
                        return Ok(false);
                    }
                    (ret, their_ret)
                }
                (ours, theirs) if behind_ptr && named_by_ptr(ours, theirs) => return Ok(true),
                (Body::Struct { members, .. }, Body::Struct { members: theirs, .. })
                | (Body::Union { members, .. }, Body::Union { members: theirs, .. })
                    if !behind_ptr =>
                {
                    return self.members(members, theirs, below);
                }
                (ours, theirs) => return Ok(same_leaf(ours, theirs)),
            };
        }
        Err(TOO_MUCH)
    }

    /// Each member of ours has one of the same name and a matching type.
    fn members(
        &mut self,
        ours: List<'a, Member<'a>, 3>,
        theirs: List<'a, Member<'a>, 3>,
        level: u8,
    ) -> Result<bool, Impossible> {
        if ours.len() > theirs.len() {
            return Ok(false);
        }
        for member in ours.iter() {
            let mut found = false;
            for other in theirs.iter() {
                self.step()?;
                if same_name(member.name, other.name)
                    && self.matches(member.ty, other.ty, false, level)?
                {
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn params(
        &mut self,
        ours: List<'a, Param<'a>, 2>,
        theirs: List<'a, Param<'a>, 2>,
        mut same: impl FnMut(&mut Self, TypeId, TypeId) -> Result<bool, Impossible>,
    ) -> Result<bool, Impossible> {
        if ours.len() != theirs.len() {
            return Ok(false);
        }
        for (ours, theirs) in ours.iter().zip(theirs.iter()) {
            if !same(self, ours.ty, theirs.ty)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn resolve(
        &mut self,
        local: TypeId,
        target: TypeId,
    ) -> Result<(Type<'a>, Type<'a>), Impossible> {
        self.step()?;
        let pair = self.local.resolve(local).zip(self.target.resolve(target));
        pair.ok_or("a type does not exist")
    }

    fn step(&mut self) -> Result<(), Impossible> {
        *self.steps = self.steps.checked_sub(1).ok_or(TOO_MUCH)?;
        Ok(())
    }
}

/// Of libbpf: `bpf_core_names_match`.
fn same_name(ours: &str, theirs: &str) -> bool {
    essential(ours) == essential(theirs)
}

/// Behind a pointer a struct or union is the same as its declaration, and the names have been compared.
fn named_by_ptr<'a>(ours: Body<'a>, theirs: Body<'a>) -> bool {
    let is_union = |body| match body {
        Body::Struct { .. } => Some(false),
        Body::Union { .. } => Some(true),
        Body::Fwd { union } => Some(union),
        _ => None,
    };
    is_union(ours).is_some() && is_union(ours) == is_union(theirs)
}

/// Whether types that lead to no others match.
fn same_leaf(ours: Body<'_>, theirs: Body<'_>) -> bool {
    match (ours, theirs) {
        (Body::Void, Body::Void) => true,
        (Body::Fwd { union }, Body::Fwd { union: theirs }) => union == theirs,
        (Body::Int(ours), Body::Int(theirs)) => {
            ours.size == theirs.size && ours.signed == theirs.signed
        }
        _ => match (Names::new(ours), Names::new(theirs)) {
            (Some(ours), Some(theirs)) => ours.are_in(theirs),
            _ => false,
        },
    }
}

/// Size and names of an enumeration of either width.
#[derive(Clone, Copy)]
struct Names<'a> {
    size: u32,
    len: usize,
    body: Body<'a>,
}

impl<'a> Names<'a> {
    fn new(body: Body<'a>) -> Option<Self> {
        let (size, len) = match body {
            Body::Enum { size, variants, .. } => (size, variants.len()),
            Body::Enum64 { size, variants, .. } => (size, variants.len()),
            _ => return None,
        };
        Some(Self { size, len, body })
    }

    fn get(self, index: usize) -> &'a str {
        let variant = match self.body {
            Body::Enum { variants, .. } => variants.get(index),
            Body::Enum64 { variants, .. } => variants.get(index),
            _ => None,
        };
        variant.map_or("", |variant| variant.name)
    }

    /// Of libbpf: `bpf_core_enums_match`.
    fn are_in(self, other: Names<'_>) -> bool {
        let has = |name| (0..other.len).any(|index| same_name(name, other.get(index)));
        self.size == other.size
            && self.len <= other.len
            && (0..self.len).all(|index| has(self.get(index)))
    }
}
