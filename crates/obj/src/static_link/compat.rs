//! Do two objects mean the same by a symbol?
//!
//! Of libbpf: `glob_sym_btf_matches`. Behind a pointer a struct is its name only, and may be declared
//! instead of defined; lengths of arrays, names of parameters and encodings of integers do not matter,
//! nor do typedefs and qualifiers.

use alloc::collections::BTreeSet;
use alloc::string::String;
use skep_btf::{Body, Btf, FuncLinkage, Kind, List, Member, Type, TypeId, VarLinkage};

/// How two types differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum Mismatch {
    /// A struct and an integer, say.
    #[error("{first} and {second}")]
    Kind { first: Kind, second: Kind },
    /// Types of one kind and two names.
    #[error("{kind} '{first}' and '{second}'")]
    Name { kind: Kind, first: String, second: String },
    /// Types of one name and two sizes.
    #[error("{kind} '{name}' of {first} bytes and of {second}")]
    Size { kind: Kind, name: String, first: u32, second: u32 },
    /// Structs or functions with more or fewer parts.
    #[error("{kind} '{name}' with {first} parts and with {second}")]
    Parts { kind: Kind, name: String, first: usize, second: usize },
    /// Fields of two names.
    #[error("field {index} of '{name}': '{first}' and '{second}'")]
    Field { name: String, index: usize, first: String, second: String },
    /// A field at two places.
    #[error("field '{field}' of '{name}' at bit {first} and at bit {second}")]
    Place { name: String, field: String, first: u32, second: u32 },
    /// Static in one object only.
    #[error("'{name}' is static in one of them")]
    Static { name: String },
    /// A type that is nobody's variable or parameter.
    #[error("{kind} is no type of a symbol")]
    Other { kind: Kind },
}

/// Whether two types are the same, as far as users of a symbol can tell.
pub(super) fn same((a, a_id): (&Btf, TypeId), (b, b_id): (&Btf, TypeId)) -> Result<(), Mismatch> {
    Pair { a, b, seen: BTreeSet::new() }.same(a_id, b_id, true)
}

struct Pair<'a> {
    a: &'a Btf,
    b: &'a Btf,
    /// What has been compared, or is being. Without it functions that take functions would be compared
    /// again and again.
    seen: BTreeSet<(TypeId, TypeId, bool)>,
}

impl<'a> Pair<'a> {
    /// Ends: types nest by value and in how they are spelled a limited number of times, and behind a
    /// pointer no struct is looked into.
    fn same(&mut self, a: TypeId, b: TypeId, exact: bool) -> Result<(), Mismatch> {
        if !self.seen.insert((a, b, exact)) {
            return Ok(());
        }
        let void = |id| Type { id, name: "", body: Body::Void };
        let (a, b) = (self.a.resolve(a).unwrap_or(void(a)), self.b.resolve(b).unwrap_or(void(b)));
        let (a_kind, b_kind) = (a.kind(), b.kind());
        let is_named = matches!(
            a_kind,
            Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Fwd
                | Kind::Func
                | Kind::Var
        );
        if !exact && (a_kind == Kind::Fwd) != (b_kind == Kind::Fwd) {
            declares(&a, &b).or_else(|_| declares(&b, &a))?;
            return name(&a, &b);
        }
        if a_kind != b_kind {
            return Err(Mismatch::Kind { first: a_kind, second: b_kind });
        }
        if is_named {
            name(&a, &b)?;
        }
        self.bodies(&a, &b, exact)
    }

    /// Of types of one kind and name.
    fn bodies(&mut self, a: &Type<'a>, b: &Type<'a>, exact: bool) -> Result<(), Mismatch> {
        match (a.body, b.body) {
            (Body::Void, _) | (Body::Fwd { .. }, _) => Ok(()),
            (Body::Int(x), Body::Int(y)) => size(a, x.size, y.size),
            (Body::Float { size: x }, Body::Float { size: y })
            | (Body::Enum { size: x, .. }, Body::Enum { size: y, .. })
            | (Body::Enum64 { size: x, .. }, Body::Enum64 { size: y, .. }) => size(a, x, y),
            (Body::Ptr(x), Body::Ptr(y)) => self.same(x, y, false),
            (Body::Array { elem: x, .. }, Body::Array { elem: y, .. }) => self.same(x, y, exact),
            (Body::Func { proto: x, linkage: l }, Body::Func { proto: y, linkage: m }) => {
                public(a, l == FuncLinkage::Static, m == FuncLinkage::Static)?;
                self.same(x, y, exact)
            }
            (Body::Var { ty: x, linkage: l }, Body::Var { ty: y, linkage: m }) => {
                public(a, l == VarLinkage::Static, m == VarLinkage::Static)?;
                self.same(x, y, exact)
            }
            (Body::Struct { members: x, .. }, Body::Struct { members: y, .. })
            | (Body::Union { members: x, .. }, Body::Union { members: y, .. }) => match exact {
                true => self.members(a, x, y),
                false => Ok(()),
            },
            (
                Body::FuncProto { ret: x, params: x_params },
                Body::FuncProto { ret: y, params: y_params },
            ) => {
                parts(a, x_params.len(), y_params.len())?;
                for (x, y) in x_params.iter().zip(y_params.iter()) {
                    self.same(x.ty, y.ty, exact)?;
                }
                self.same(x, y, exact)
            }
            _ => Err(Mismatch::Other { kind: a.kind() }),
        }
    }

    fn members(
        &mut self,
        whole: &Type<'_>,
        a: List<'a, Member<'a>, 3>,
        b: List<'a, Member<'a>, 3>,
    ) -> Result<(), Mismatch> {
        parts(whole, a.len(), b.len())?;
        for (index, (a, b)) in a.iter().zip(b.iter()).enumerate() {
            let name = || String::from(whole.name);
            if a.name != b.name {
                let (first, second) = (a.name.into(), b.name.into());
                return Err(Mismatch::Field { name: name(), index, first, second });
            }
            if (a.bit_off, a.bitfield) != (b.bit_off, b.bitfield) {
                let (first, second) = (a.bit_off, b.bit_off);
                return Err(Mismatch::Place { name: name(), field: a.name.into(), first, second });
            }
            self.same(a.ty, b.ty, true)?;
        }
        Ok(())
    }
}

/// Whether one type is a declaration of the other's kind.
fn declares(fwd: &Type<'_>, of: &Type<'_>) -> Result<(), Mismatch> {
    match (fwd.body, of.body) {
        (Body::Fwd { union: false }, Body::Struct { .. })
        | (Body::Fwd { union: true }, Body::Union { .. }) => Ok(()),
        _ => Err(Mismatch::Kind { first: fwd.kind(), second: of.kind() }),
    }
}

fn name(a: &Type<'_>, b: &Type<'_>) -> Result<(), Mismatch> {
    if a.name == b.name {
        return Ok(());
    }
    Err(Mismatch::Name { kind: a.kind(), first: a.name.into(), second: b.name.into() })
}

fn size(ty: &Type<'_>, first: u32, second: u32) -> Result<(), Mismatch> {
    if first == second {
        return Ok(());
    }
    Err(Mismatch::Size { kind: ty.kind(), name: ty.name.into(), first, second })
}

fn parts(ty: &Type<'_>, first: usize, second: usize) -> Result<(), Mismatch> {
    if first == second {
        return Ok(());
    }
    Err(Mismatch::Parts { kind: ty.kind(), name: ty.name.into(), first, second })
}

fn public(ty: &Type<'_>, first: bool, second: bool) -> Result<(), Mismatch> {
    if first == second { Ok(()) } else { Err(Mismatch::Static { name: ty.name.into() }) }
}
