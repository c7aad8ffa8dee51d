//! Finding in a candidate what the program names.

use super::kind::Subject;
use super::spec::{Spec, Step};
use super::{CoreKind, compat, essential, kinds_fit};
use crate::{Body, Btf, List, Member, TypeId};

/// A search in one candidate.
pub(super) struct Search<'s, 'a> {
    pub(super) local: &'s Spec<'a>,
    pub(super) btf: &'a Btf,
    pub(super) pointer: u32,
    /// Members and types that may still be visited.
    pub(super) steps: &'s mut u32,
}

/// A comparison that cannot be made, in words.
pub(super) type Impossible = &'static str;

pub(super) const TOO_MUCH: Impossible = "types are too many or too deep to search";
pub(super) const NO_SIZE: Impossible = "an element has no size";

impl<'a> Search<'_, 'a> {
    /// Where the candidate `root` has it, if it does. Of libbpf: `bpf_core_spec_match`.
    pub(super) fn run(&mut self, root: TypeId) -> Result<Option<Spec<'a>>, Impossible> {
        let spec = Spec::new(self.btf, self.pointer, root, self.local.kind);
        match self.local.kind.subject() {
            Subject::Type => {
                let local = self.local.root;
                let fits = match self.local.kind {
                    CoreKind::TypeMatches => self.pairs().match_types(local, root)?,
                    _ => self.pairs().are_compatible(local, root)?,
                };
                Ok(fits.then_some(spec))
            }
            Subject::Enumval => Ok(self.enumerator(spec)),
            Subject::Field => self.field(spec),
        }
    }

    fn pairs(&mut self) -> compat::Pairs<'_, 'a> {
        compat::Pairs { local: self.local.btf, target: self.btf, steps: self.steps }
    }

    fn enumerator(&self, mut spec: Spec<'a>) -> Option<Spec<'a>> {
        let want = essential(self.local.steps.first()?.name?);
        let ty = self.btf.resolve(spec.root)?;
        let is = |name: &str| essential(name) == want;
        let index = match ty.body {
            Body::Enum { variants, .. } => variants.iter().position(|one| is(one.name))?,
            Body::Enum64 { variants, .. } => variants.iter().position(|one| is(one.name))?,
            _ => return None,
        };
        spec.steps.push(Step { ty: ty.id, index: u32::try_from(index).ok()?, name: None });
        Some(spec)
    }

    fn field(&mut self, mut spec: Spec<'a>) -> Result<Option<Spec<'a>>, Impossible> {
        let local = self.local;
        let mut at = spec.root;
        for (number, step) in local.steps.iter().enumerate() {
            let next = match step.name {
                Some(name) => self.member(&mut spec, step, name, at)?,
                None => self.elem(&mut spec, step.index, at, number == 0)?,
            };
            match next {
                Some(ty) => at = ty,
                None => return Ok(None),
            }
        }
        Ok(Some(spec))
    }

    /// Goes to element `index`: of the pointer's target at first, then of the array `at`.
    fn elem(
        &self,
        spec: &mut Spec<'a>,
        index: u32,
        at: TypeId,
        first: bool,
    ) -> Result<Option<TypeId>, Impossible> {
        let Some(mut ty) = self.btf.resolve(at) else { return Ok(None) };
        if !first {
            let Body::Array { elem, len, .. } = ty.body else { return Ok(None) };
            if index >= len && !spec.is_flexible(len) {
                return Ok(None);
            }
            let Some(elem) = self.btf.resolve(elem) else { return Ok(None) };
            ty = elem;
        }
        spec.push_elem(ty.id, index).ok_or(NO_SIZE)?;
        Ok(Some(ty.id))
    }

    /// Goes to the member called `name` of `at` or of an anonymous member of it, and returns its
    /// type. Of libbpf: `bpf_core_match_member`.
    fn member(
        &mut self,
        spec: &mut Spec<'a>,
        step: &Step<'_>,
        name: &str,
        at: TypeId,
    ) -> Result<Option<TypeId>, Impossible> {
        let Some(ty) = self.btf.resolve(at) else { return Ok(None) };
        let Some(members) = members(ty.body) else { return Ok(None) };
        let (raw_len, bit_off) = (spec.raw_len, spec.bit_off);
        if raw_len >= Spec::MAX_LEN {
            return Err(TOO_MUCH);
        }
        for (member, index) in members.iter().zip(0..) {
            *self.steps = self.steps.checked_sub(1).ok_or(TOO_MUCH)?;
            spec.raw_len = raw_len.saturating_add(1);
            spec.bit_off = bit_off.saturating_add(member.bit_off.into());
            if member.name.is_empty() {
                if let Some(found) = self.member(spec, step, name, member.ty)? {
                    return Ok(Some(found));
                }
            } else if member.name == name {
                if !self.member_fits(step, member) {
                    return Ok(None);
                }
                spec.steps.push(Step { ty: ty.id, index, name: Some(member.name) });
                return Ok(Some(member.ty));
            }
        }
        (spec.raw_len, spec.bit_off) = (raw_len, bit_off);
        Ok(None)
    }

    /// Of libbpf: `bpf_core_fields_are_compat`.
    fn member_fits(&self, step: &Step<'_>, target: Member<'_>) -> bool {
        let local = self.local.btf.get(step.ty).and_then(|ty| members(ty.body));
        let index = usize::try_from(step.index).ok();
        let Some(local) = local.zip(index).and_then(|(members, index)| members.get(index)) else {
            return false;
        };
        fields_fit(self.local.btf, local.ty, self.btf, target.ty)
    }
}

fn members(body: Body<'_>) -> Option<List<'_, Member<'_>, 3>> {
    match body {
        Body::Struct { members, .. } | Body::Union { members, .. } => Some(members),
        _ => None,
    }
}

/// Whether a field of type `local` can stand for one of type `target`: structs and unions for each
/// other, pointers and numbers for their like, enumerations when one has no name or both have the
/// same, arrays by their elements.
fn fields_fit(one: &Btf, local: TypeId, other: &Btf, target: TypeId) -> bool {
    let (mut local, mut target) = (local, target);
    // Ends: array elements form no cycle.
    loop {
        let (Some(ours), Some(theirs)) = (one.resolve(local), other.resolve(target)) else {
            return false;
        };
        if members(ours.body).is_some() && members(theirs.body).is_some() {
            return true;
        }
        if !kinds_fit(ours.kind(), theirs.kind()) {
            return false;
        }
        match (ours.body, theirs.body) {
            (Body::Ptr(_), _) | (Body::Float { .. }, _) => return true,
            (Body::Fwd { .. } | Body::Enum { .. } | Body::Enum64 { .. }, _) => {
                let names = [ours.name, theirs.name].map(essential);
                return names.contains(&"") || names[0] == names[1];
            }
            (Body::Int(ours), Body::Int(theirs)) => {
                return ours.bit_off == 0 && theirs.bit_off == 0;
            }
            (Body::Array { elem: ours, .. }, Body::Array { elem: theirs, .. }) => {
                (local, target) = (ours, theirs);
            }
            _ => return false,
        }
    }
}
