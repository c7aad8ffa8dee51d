//! What must come before what.
//!
//! A walk in depth with a list in place of recursion: typedefs can follow each other through pointers
//! without end.

use super::{DumpError, declare::Writer};
use crate::{Body, Btf, TypeId};
use alloc::{vec, vec::Vec};

/// How much of a type must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// That its name means a type.
    Name,
    /// Its size.
    Size,
}

/// A step of the walk.
#[derive(Clone, Copy, Debug)]
enum Step {
    Visit(TypeId, Need),
    Write(TypeId, Need),
}

/// What has been done.
#[derive(Debug)]
pub(super) struct Order<'a> {
    btf: &'a Btf,
    /// Types that were visited for their names, and for their sizes.
    seen: [Vec<bool>; 2],
    /// Uses of types that may still be looked at.
    budget: usize,
}

impl<'a> Order<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        let seen = || vec![false; btf.len().saturating_add(1)];
        Self { btf, seen: [seen(), seen()], budget: limit(btf) }
    }

    /// Writes `root`, and before it what it needs.
    pub(super) fn visit(&mut self, root: TypeId, writer: &mut Writer<'a>) -> Result<(), DumpError> {
        let mut todo = vec![Step::Visit(root, Need::Size)];
        while let Some(step) = todo.pop() {
            match step {
                Step::Visit(id, need) if self.is_new(id, need) => {
                    todo.push(Step::Write(id, need));
                    let first = todo.len();
                    self.needs(id, need, &mut todo)?;
                    // The last one is taken first: keep the order of members.
                    todo.get_mut(first..).unwrap_or_default().reverse();
                }
                Step::Visit(..) => {}
                Step::Write(id, need) => writer.write(id, need)?,
            }
        }
        Ok(())
    }

    fn is_new(&mut self, id: TypeId, need: Need) -> bool {
        let [names, sizes] = &mut self.seen;
        let seen = if need == Need::Name { names } else { sizes };
        let slot = usize::try_from(id.0).ok().and_then(|id| seen.get_mut(id));
        slot.is_some_and(|seen| !core::mem::replace(seen, true))
    }

    /// What a type with a name, an enumeration or a function needs.
    fn needs(&mut self, id: TypeId, need: Need, todo: &mut Vec<Step>) -> Result<(), DumpError> {
        match self.btf.get(id).map(|ty| ty.body) {
            Some(Body::Typedef(to)) if need == Need::Size => {
                todo.push(Step::Visit(id, Need::Name));
                self.used(to, Need::Size, 0, todo)
            }
            Some(Body::Typedef(to) | Body::Func { proto: to, .. }) => {
                self.used(to, Need::Name, 0, todo)
            }
            Some(Body::Struct { .. } | Body::Union { .. }) if need == Need::Size => {
                self.members(id, 0, todo)
            }
            _ => Ok(()),
        }
    }

    /// What a type that is spelled out needs.
    fn used(
        &mut self,
        id: TypeId,
        need: Need,
        depth: u8,
        todo: &mut Vec<Step>,
    ) -> Result<(), DumpError> {
        let limit = limit(self.btf);
        self.budget = self.budget.checked_sub(1).ok_or(DumpError::Size { limit })?;
        // Depth by spelling adds to that of structs without names.
        if depth >= Btf::MAX_NESTING {
            return Err(DumpError::Deep { id, limit: Btf::MAX_NESTING });
        }
        let below = depth.saturating_add(1);
        let Some(ty) = self.btf.get(id) else { return Ok(()) };
        match ty.body {
            Body::Ptr(to) => self.used(to, Need::Name, below, todo),
            Body::Array { elem, .. } => self.used(elem, Need::Size, below, todo),
            Body::Const(to) | Body::Volatile(to) | Body::Restrict(to) | Body::TypeTag(to) => {
                self.used(to, need, below, todo)
            }
            Body::FuncProto { ret, params } => {
                self.used(ret, Need::Name, below, todo)?;
                params.iter().try_for_each(|param| self.used(param.ty, Need::Name, below, todo))
            }
            Body::Struct { .. } | Body::Union { .. } if ty.name.is_empty() => {
                self.members(id, below, todo)
            }
            Body::Enum { .. } | Body::Enum64 { .. } if ty.name.is_empty() => Ok(()),
            Body::Struct { .. } | Body::Union { .. } | Body::Fwd { .. } | Body::Typedef(_) => {
                todo.push(Step::Visit(id, need));
                Ok(())
            }
            Body::Enum { .. } | Body::Enum64 { .. } => {
                todo.push(Step::Visit(id, Need::Size));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn members(&mut self, id: TypeId, depth: u8, todo: &mut Vec<Step>) -> Result<(), DumpError> {
        match self.btf.get(id).map(|ty| ty.body) {
            Some(Body::Struct { members, .. } | Body::Union { members, .. }) => {
                members.iter().try_for_each(|member| self.used(member.ty, Need::Size, depth, todo))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes of the largest header, and uses of types in it: many times what compilers make of as many types.
pub(super) fn limit(btf: &Btf) -> usize {
    let mut words = 0_usize;
    let mut next = Some(btf);
    while let Some(btf) = next {
        words = words.saturating_add(btf.words().len());
        next = btf.base.as_deref();
    }
    words.saturating_mul(64).saturating_add(1 << 20)
}
