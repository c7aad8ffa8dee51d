//! Attributes of a map definition: numbers and types, spelled as types.
//!
//! `__uint(max_entries, 16)` is `int (*max_entries)[16]`, `__ulong(map_extra, 16)` is an enumeration
//! of one number, `__type(key, u32)` is `typeof(u32) *key`, and `__array(values, T)` is
//! `typeof(T) *values[]`. Source: `bpf_helpers.h` of libbpf.

use super::MapError;
use alloc::string::String;
use skep_btf::{Body, Btf, Kind, Member, Type, TypeId};

/// A member of a map definition.
#[derive(Clone, Copy)]
pub(super) struct Attr<'a> {
    pub(super) btf: &'a Btf,
    pub(super) member: Member<'a>,
}

impl<'a> Attr<'a> {
    /// A number of 32 bits. Of libbpf: `get_map_field_int`.
    pub(super) fn uint(self) -> Result<u32, MapError> {
        let target = self.pointee()?;
        match self.btf.resolve(target).map(|ty| ty.body) {
            Some(Body::Array { len, .. }) => Ok(len),
            _ => Err(self.expected("array", self.btf.resolve(target))),
        }
    }

    /// A number of 64 bits. Of libbpf: `get_map_field_long`.
    pub(super) fn ulong(self) -> Result<u64, MapError> {
        let ty = self.btf.resolve(self.member.ty);
        let value = match ty.map(|ty| ty.body) {
            Some(Body::Enum { variants, .. }) if variants.len() == 1 => {
                variants.get(0).map(|variant| variant.value)
            }
            Some(Body::Enum64 { variants, .. }) if variants.len() == 1 => {
                variants.get(0).map(|variant| variant.value)
            }
            Some(Body::Enum { .. } | Body::Enum64 { .. }) => {
                return Err(self.expected("one enum value", ty));
            }
            _ => return self.uint().map(u64::from),
        };
        let value = value.unwrap_or_default();
        u64::try_from(value).map_err(|_| MapError::Range { field: self.name(), value })
    }

    /// What the pointer that the member is points to.
    pub(super) fn pointee(self) -> Result<TypeId, MapError> {
        let ty = self.btf.resolve(self.member.ty);
        match ty.map(|ty| ty.body) {
            Some(Body::Ptr(target)) => Ok(target),
            _ => Err(self.expected("pointer", ty)),
        }
    }

    /// The type of what `values` points to, and where in the struct `values` begins.
    pub(super) fn values(self) -> Result<(Option<Type<'a>>, u64), MapError> {
        let Some(Body::Array { elem, len: 0, .. }) =
            self.btf.resolve(self.member.ty).map(|ty| ty.body)
        else {
            return Err(MapError::ValuesArray);
        };
        let ty = self.btf.resolve(elem);
        match ty.map(|ty| ty.body) {
            Some(Body::Ptr(target)) => {
                let at = u64::from(self.member.bit_off / 8);
                Ok((self.btf.resolve(target), at))
            }
            _ => Err(MapError::ValuesKind { what: "values", kind: kind(ty) }),
        }
    }

    fn name(self) -> String {
        self.member.name.into()
    }

    fn expected(self, expected: &'static str, ty: Option<Type<'_>>) -> MapError {
        MapError::Attr { field: self.name(), expected, kind: kind(ty) }
    }
}

pub(super) fn kind(ty: Option<Type<'_>>) -> Kind {
    ty.map_or(Kind::Void, |ty| ty.kind())
}
