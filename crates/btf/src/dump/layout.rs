//! Where compilers put members, and what moves them to where they are.

use crate::{Body, Btf, Member, TypeId};
use alloc::{vec, vec::Vec};

/// Alignment of each type in bytes; 0 while it is not known.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    btf: &'a Btf,
    pointer: u32,
    aligns: Vec<u32>,
}

/// Where the bits of a member are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    pub(super) start: u64,
    /// Past the last bit.
    pub(super) end: u64,
    /// Width, when it is a bitfield.
    pub(super) width: Option<u8>,
    /// Bits of its type.
    unit: u64,
}

impl<'a> Layout<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        let aligns = vec![0; btf.len().saturating_add(1)];
        Self { btf, pointer: btf.pointer_size(), aligns }
    }

    /// Alignment of a type as it is written. Recursion ends: types nest no deeper than
    /// [`Btf::MAX_NESTING`].
    pub(super) fn align(&mut self, id: TypeId) -> u32 {
        let slot = usize::try_from(id.0).unwrap_or(usize::MAX);
        if let Some(&known) = self.aligns.get(slot)
            && known != 0
        {
            return known;
        }
        let align = match self.btf.get(id).map(|ty| ty.body) {
            Some(Body::Int(int)) => int.size,
            Some(Body::Float { size } | Body::Enum { size, .. } | Body::Enum64 { size, .. }) => {
                size.next_power_of_two().min(16)
            }
            Some(Body::Ptr(_)) => self.pointer,
            Some(Body::Array { elem, .. }) => self.align(elem),
            Some(Body::Struct { .. } | Body::Union { .. }) if self.is_packed(id) => 1,
            Some(Body::Struct { .. } | Body::Union { .. }) => self.members_align(id),
            Some(body) => body.alias_of().map_or(1, |to| self.align(to)),
            None => 1,
        };
        let align = align.max(1);
        if let Some(slot) = self.aligns.get_mut(slot) {
            *slot = align;
        }
        align
    }

    /// Whether compilers put members where they are only if they ignore alignment.
    pub(super) fn is_packed(&mut self, id: TypeId) -> bool {
        let Some((size, members)) = parts(self.btf, id) else { return false };
        if !size.is_multiple_of(self.members_align(id)) {
            return true;
        }
        members.iter().any(|&member| match self.bits(member) {
            Bits { start, end, width: Some(_), unit } => {
                start.checked_div(unit) != end.saturating_sub(1).checked_div(unit)
            }
            Bits { start, .. } => {
                !start.is_multiple_of(u64::from(self.align(member.ty)).saturating_mul(8))
            }
        })
    }

    fn members_align(&mut self, id: TypeId) -> u32 {
        let Some((_, members)) = parts(self.btf, id) else { return 1 };
        members.iter().map(|member| self.align(member.ty)).max().unwrap_or(1)
    }

    /// Where a member is. Old compilers describe bitfields by integers with fewer bits than bytes.
    pub(super) fn bits(&self, member: Member<'_>) -> Bits {
        let start = u64::from(member.bit_off);
        let size = self.btf.size_with(member.ty, self.pointer).unwrap_or(0);
        let unit = u64::from(size).saturating_mul(8);
        let (skip, width) = match (member.bitfield, self.btf.resolve(member.ty).map(|ty| ty.body)) {
            (Some(width), _) => (0, Some(width)),
            (None, Some(Body::Int(int))) if u64::from(int.bits) < unit => {
                (u64::from(int.bit_off), Some(int.bits))
            }
            _ => (0, None),
        };
        let start = start.saturating_add(skip);
        let end = start.saturating_add(width.map_or(unit, u64::from));
        Bits { start, end, width, unit }
    }

    /// Where a compiler puts a member after bit `at`.
    pub(super) fn natural(&mut self, at: u64, member: Member<'_>, packed: bool) -> u64 {
        let bits = self.bits(member);
        match bits.width {
            Some(_) if packed => at,
            Some(width) => {
                let last = at.saturating_add(width.into()).saturating_sub(1);
                let fits = at.checked_div(bits.unit) == last.checked_div(bits.unit);
                if fits { at } else { at.next_multiple_of(bits.unit.max(1)) }
            }
            None => {
                let align = if packed { 1 } else { self.align(member.ty) };
                at.next_multiple_of(u64::from(align).saturating_mul(8))
            }
        }
    }
}

/// Size and members of a struct or union.
pub(super) fn parts(btf: &Btf, id: TypeId) -> Option<(u32, Vec<Member<'_>>)> {
    match btf.get(id)?.body {
        Body::Struct { size, members } | Body::Union { size, members } => {
            Some((size, members.iter().collect()))
        }
        _ => None,
    }
}

/// Bitfields without names that fill the bits from `at` to `end`: name of the type and width.
///
/// Each begins where its type may and does not cross into the next unit, so that it is put right there.
pub(super) fn padding(at: u64, end: u64) -> impl Iterator<Item = (&'static str, u64)> {
    const UNITS: [(&str, u64); 4] = [("long long", 64), ("int", 32), ("short", 16), ("char", 8)];
    let mut at = at;
    core::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|&left| left > 0)?;
        let whole = UNITS.into_iter().find(|&(_, unit)| at.is_multiple_of(unit) && left >= unit);
        let (name, width) = whole.unwrap_or_else(|| {
            let in_byte = 8_u64.saturating_sub(at % 8);
            ("char", in_byte.min(left))
        });
        at = at.saturating_add(width);
        Some((name, width))
    })
}
