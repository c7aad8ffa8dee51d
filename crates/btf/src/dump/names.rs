//! Names that C accepts, each for one thing.

use crate::{Body, Btf, TypeId};
use alloc::{borrow::Cow, collections::BTreeMap, format, string::String};

/// Names of types and enumerators where they are not those of the types themselves.
#[derive(Debug, Default)]
pub(super) struct Names {
    types: BTreeMap<TypeId, String>,
    variants: BTreeMap<(TypeId, usize), String>,
}

/// How often names were used in one name space.
type Used<'a> = BTreeMap<Cow<'a, str>, u32>;

impl Names {
    /// C has one name space for what follows `struct`, `union` and `enum`, and one for typedefs and
    /// enumerators.
    pub(super) fn new(btf: &Btf) -> Self {
        let (mut tags, mut idents) = (Used::new(), Used::new());
        let mut defined: BTreeMap<(&str, bool), TypeId> = BTreeMap::new();
        let mut names = Self::default();
        for ty in btf.types() {
            match ty.body {
                Body::Struct { .. } | Body::Union { .. } if !ty.name.is_empty() => {
                    let union = matches!(ty.body, Body::Union { .. });
                    defined.entry((ty.name, union)).or_insert(ty.id);
                    names.add(&mut tags, ty.id, ty.name);
                }
                Body::Enum { variants, .. } => {
                    names.add(&mut tags, ty.id, ty.name);
                    let all = variants.iter().map(|variant| variant.name);
                    names.add_variants(&mut idents, ty.id, all);
                }
                Body::Enum64 { variants, .. } => {
                    names.add(&mut tags, ty.id, ty.name);
                    let all = variants.iter().map(|variant| variant.name);
                    names.add_variants(&mut idents, ty.id, all);
                }
                Body::Typedef(_) => names.add(&mut idents, ty.id, ty.name),
                _ => {}
            }
        }
        // A declaration means the first definition of its name, or the first declaration.
        for ty in btf.types() {
            let Body::Fwd { union } = ty.body else { continue };
            match defined.get(&(ty.name, union)) {
                Some(meant) => {
                    if let Some(name) = names.types.get(meant).cloned() {
                        names.types.insert(ty.id, name);
                    }
                }
                None => {
                    defined.insert((ty.name, union), ty.id);
                    names.add(&mut tags, ty.id, ty.name);
                }
            }
        }
        names
    }

    /// The name of a type in C.
    pub(super) fn of<'a>(&'a self, id: TypeId, name: &'a str) -> &'a str {
        self.types.get(&id).map_or(name, String::as_str)
    }

    /// The name of an enumerator in C.
    pub(super) fn variant<'a>(&'a self, id: TypeId, index: usize, name: &'a str) -> &'a str {
        self.variants.get(&(id, index)).map_or(name, String::as_str)
    }

    fn add<'a>(&mut self, used: &mut Used<'a>, id: TypeId, name: &'a str) {
        if !name.is_empty()
            && let Some(other) = unique(used, name)
        {
            self.types.insert(id, other);
        }
    }

    fn add_variants<'a>(
        &mut self,
        used: &mut Used<'a>,
        id: TypeId,
        variants: impl Iterator<Item = &'a str>,
    ) {
        for (index, name) in variants.enumerate() {
            if let Some(other) = unique(used, name) {
                self.variants.insert((id, index), other);
            }
        }
    }
}

/// A name that is not in use, when `name` itself cannot be used.
fn unique<'a>(used: &mut Used<'a>, name: &'a str) -> Option<String> {
    let name = ident(name);
    let mut count = 1_u32;
    if let Some(before) = used.get_mut(&name) {
        *before = before.saturating_add(1);
        count = *before;
    } else {
        used.insert(name.clone(), 1);
    }
    if count == 1 {
        return match name {
            Cow::Borrowed(_) => None,
            Cow::Owned(name) => Some(name),
        };
    }
    // A type may be called `x___2` itself.
    loop {
        let other = format!("{name}___{count}");
        if !used.contains_key(other.as_str()) {
            used.insert(Cow::Owned(other.clone()), 1);
            return Some(other);
        }
        count = count.saturating_add(1);
    }
}

/// Words that C or its compilers reserve and other languages do not. `bool` and its values are not among
/// them: kernels define them. `__builtin_va_list` is what it is on the compiler's machine, which is not
/// the kernel's when the target is `bpf`.
const RESERVED: &[&str] = &[
    "alignas",
    "alignof",
    "asm",
    "auto",
    "break",
    "case",
    "char",
    "const",
    "constexpr",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "nullptr",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "typedef",
    "typeof",
    "union",
    "unsigned",
    "void",
    "volatile",
    "while",
    "_Bool",
    "__builtin_va_list",
];

/// The name with what C does not allow in one replaced: types of other languages have names such as
/// `core::option::Option<u8>`.
pub(super) fn ident(name: &str) -> Cow<'_, str> {
    let fits = |(at, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit())
    };
    if RESERVED.contains(&name) {
        return Cow::Owned(format!("{name}_"));
    }
    if name.char_indices().all(fits) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.char_indices().map(|at| if fits(at) { at.1 } else { '_' }).collect())
}
