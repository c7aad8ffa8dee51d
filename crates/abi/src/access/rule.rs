//! Rules for bytes of a context.

use super::{CtxField, CtxKind, CtxRefusal};
use crate::release::v;
use crate::{AttachType, Release};

/// What programs may do where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxRule {
    /// The field, as C names it.
    pub name: &'static str,
    /// Where it begins, in bytes.
    pub at: u16,
    /// Its bytes.
    pub size: u16,
    /// What a load gives.
    pub kind: CtxKind,
    /// Loads.
    pub read: CtxSizes,
    /// Stores.
    pub write: CtxSizes,
    /// The only places where this holds; empty is all.
    pub only: &'static [AttachType],
    /// The release that has the field, where it came after the program type.
    pub since: Option<Release>,
}

/// Sizes that an access may have, by where in the field it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtxSizes {
    /// None.
    No,
    /// This.
    Whole(u8),
    /// This and smaller ones, of which each takes a part of the value.
    Narrow(u8),
    /// Like `Narrow`, but only where the field begins.
    NarrowAtStart(u8),
    /// From the first size to the second, each a part of the value of the second.
    NarrowFrom(u8, u8),
    /// Like `Narrow`, or 8 bytes at a multiple of 8 that end inside the field.
    NarrowOrWide(u8),
    /// This, or 8 bytes at a multiple of 8 that end inside the field.
    WholeOrWide(u8),
    /// The first size, or up to the second, which is the field's.
    PaddedOr(u8, u8),
    /// Any that ends inside the field.
    Inside,
    /// Any that begins inside the field.
    Any,
}

impl CtxSizes {
    /// The `ctx_field_size` of the access if it may be done.
    fn admit(self, from: i32, at: i32, end: i32, size: u32) -> Option<u8> {
        let fits = |end: i32| i64::from(from) + i64::from(size) <= i64::from(end);
        let is = |whole: u8| size == u32::from(whole);
        let within = |whole: u8| size <= u32::from(whole);
        let wide = size == 8 && from % 8 == 0 && fits(end);
        match self {
            Self::No => None,
            Self::Whole(whole) => is(whole).then_some(0),
            Self::Narrow(whole) => within(whole).then_some(whole),
            Self::NarrowAtStart(whole) => (from == at && within(whole)).then_some(whole),
            Self::NarrowFrom(least, whole) => {
                (size >= u32::from(least) && within(whole)).then_some(whole)
            }
            Self::NarrowOrWide(whole) => (wide || within(whole)).then_some(whole),
            Self::WholeOrWide(whole) => (wide || is(whole)).then_some(0),
            Self::PaddedOr(padded, whole) => {
                if is(padded) {
                    Some(0)
                } else {
                    within(whole).then_some(whole)
                }
            }
            Self::Inside => fits(end).then_some(0),
            Self::Any => Some(0),
        }
    }
}

/// A number of `size` bytes that is read whole.
pub(super) const fn field(name: &'static str, at: u16, size: u16) -> CtxRule {
    CtxRule {
        name,
        at,
        size,
        kind: CtxKind::Scalar,
        read: CtxSizes::Whole(if size == 8 { 8 } else { 4 }),
        write: CtxSizes::No,
        only: &[],
        since: None,
    }
}

/// A `__u32`, or several, of which parts may be read.
pub(super) const fn narrow(name: &'static str, at: u16, size: u16) -> CtxRule {
    field(name, at, size).read(CtxSizes::Narrow(4))
}

impl CtxRule {
    pub(super) const fn read(self, read: CtxSizes) -> Self {
        Self { read, ..self }
    }

    pub(super) const fn write(self, write: CtxSizes) -> Self {
        Self { write, ..self }
    }

    pub(super) const fn gives(self, kind: CtxKind) -> Self {
        Self { kind, ..self }
    }

    pub(super) const fn only(self, only: &'static [AttachType]) -> Self {
        Self { only, ..self }
    }

    pub(super) const fn since(self, major: u8, minor: u8) -> Self {
        Self { since: Some(v(major, minor)), ..self }
    }

    /// Whether an access at this offset begins in the field.
    pub(super) fn holds(&self, from: i32) -> bool {
        let at = i32::from(self.at);
        (at..at + i32::from(self.size)).contains(&from)
    }

    pub(super) fn admits(&self, attach: Option<AttachType>) -> bool {
        self.only.is_empty() || attach.is_some_and(|attach| self.only.contains(&attach))
    }

    pub(super) fn access(&self, from: i32, size: u32, write: bool) -> Result<CtxField, CtxRefusal> {
        let (at, end) = (i32::from(self.at), i32::from(self.at) + i32::from(self.size));
        let sizes = if write { self.write } else { self.read };
        if write && sizes == CtxSizes::No {
            return Err(CtxRefusal::ReadOnly(self.name));
        }
        let whole = sizes.admit(from, at, end, size).ok_or(CtxRefusal::Size(self.name))?;
        Ok(CtxField {
            name: self.name,
            at: self.at,
            size: self.size,
            kind: self.kind,
            whole,
            needs_cap_bpf: false,
            since: self.since,
        })
    }
}
