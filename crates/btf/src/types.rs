//! Views of single types.

use crate::btf::Record;
use crate::{Btf, Kind, TypeId};
use core::fmt;

/// One type: a view into its [`Btf`].
#[derive(Clone, Copy, Debug)]
pub struct Type<'a> {
    /// Its number.
    pub id: TypeId,
    /// Its name; empty when it has none.
    pub name: &'a str,
    /// What it is.
    pub body: Body<'a>,
}

/// What a type is and what it consists of.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "fields are names of the kernel")]
pub enum Body<'a> {
    Void,
    Int(Int),
    Ptr(TypeId),
    Array {
        elem: TypeId,
        index: TypeId,
        len: u32,
    },
    Struct {
        size: u32,
        members: List<'a, Member<'a>, 3>,
    },
    Union {
        size: u32,
        members: List<'a, Member<'a>, 3>,
    },
    Enum {
        size: u32,
        signed: bool,
        variants: List<'a, Variant<'a>, 2>,
    },
    /// Declared and not defined.
    Fwd {
        union: bool,
    },
    Typedef(TypeId),
    Volatile(TypeId),
    Const(TypeId),
    Restrict(TypeId),
    Func {
        proto: TypeId,
        linkage: FuncLinkage,
    },
    FuncProto {
        ret: TypeId,
        params: List<'a, Param<'a>, 2>,
    },
    Var {
        ty: TypeId,
        linkage: VarLinkage,
    },
    Datasec {
        size: u32,
        vars: List<'a, SecVar, 3>,
    },
    Float {
        size: u32,
    },
    /// A tag on a type, or on the member or parameter number `component` of it.
    DeclTag {
        ty: TypeId,
        component: Option<u32>,
    },
    TypeTag(TypeId),
    Enum64 {
        size: u32,
        signed: bool,
        variants: List<'a, Variant<'a>, 3>,
    },
}

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int {
    /// Bytes it takes.
    pub size: u32,
    /// Width of the value in bits, when old compilers describe a bitfield less than the size says.
    pub bits: u8,
    /// Position of the value's first bit.
    pub bit_off: u8,
    /// Two's complement.
    pub signed: bool,
    /// A character; clang leaves this unset and says it by the name `char`.
    pub char: bool,
    /// A truth value.
    pub bool: bool,
}

/// Member of a struct or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Empty for an anonymous struct or union.
    pub name: &'a str,
    /// Its type.
    pub ty: TypeId,
    /// Position of its first bit in the struct.
    pub bit_off: u32,
    /// Width in bits when it is a bitfield.
    pub bitfield: Option<u8>,
}

/// Name and number of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number; 128 bits hold the signed and the unsigned ones.
    pub value: i128,
}

/// Parameter of a function. The last one, without name and type, stands for `...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct Param<'a> {
    pub name: &'a str,
    pub ty: TypeId,
}

/// Variable, or external function, in a data section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecVar {
    /// A [`Body::Var`] or [`Body::Func`].
    pub var: TypeId,
    /// Byte position in the section; 0 in an object file, see [`Btf::place_vars`].
    pub off: u32,
    /// Bytes it takes.
    pub size: u32,
}

/// Who sees a variable: `BTF_VAR_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names of the kernel")]
pub enum VarLinkage {
    Static,
    Global,
    Extern,
}

/// Who sees a function: `BTF_FUNC_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names of the kernel")]
pub enum FuncLinkage {
    Static,
    Global,
    Extern,
}

/// Entries of a type, decoded when asked for.
#[derive(Clone, Copy)]
pub struct List<'a, T, const WORDS: usize> {
    btf: &'a Btf,
    flag: bool,
    raw: &'a [[[u8; 4]; WORDS]],
    decode: fn(&'a Btf, bool, [u32; WORDS]) -> T,
}

impl<'a, T, const WORDS: usize> List<'a, T, WORDS> {
    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The entry at `index`, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        self.raw.get(index).map(|&raw| (self.decode)(self.btf, self.flag, words(self.btf, raw)))
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T, WORDS> {
        let Self { btf, flag, raw, decode } = *self;
        raw.iter().map(move |&entry| decode(btf, flag, words(btf, entry)))
    }
}

impl<T, const WORDS: usize> List<'_, T, WORDS> {
    /// The first entry with such words; decodes none.
    pub(crate) fn position(&self, is: impl Fn(&[u32]) -> bool) -> Option<usize> {
        self.raw.iter().position(|&raw| is(&words(self.btf, raw)))
    }
}

fn words<const WORDS: usize>(btf: &Btf, raw: [[u8; 4]; WORDS]) -> [u32; WORDS] {
    raw.map(|word| btf.order.u32(word))
}

impl<T: fmt::Debug, const WORDS: usize> fmt::Debug for List<'_, T, WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Type<'_> {
    /// The kind of [`Type::body`].
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.body {
            Body::Void => Kind::Void,
            Body::Int(_) => Kind::Int,
            Body::Ptr(_) => Kind::Ptr,
            Body::Array { .. } => Kind::Array,
            Body::Struct { .. } => Kind::Struct,
            Body::Union { .. } => Kind::Union,
            Body::Enum { .. } => Kind::Enum,
            Body::Fwd { .. } => Kind::Fwd,
            Body::Typedef(_) => Kind::Typedef,
            Body::Volatile(_) => Kind::Volatile,
            Body::Const(_) => Kind::Const,
            Body::Restrict(_) => Kind::Restrict,
            Body::Func { .. } => Kind::Func,
            Body::FuncProto { .. } => Kind::FuncProto,
            Body::Var { .. } => Kind::Var,
            Body::Datasec { .. } => Kind::Datasec,
            Body::Float { .. } => Kind::Float,
            Body::DeclTag { .. } => Kind::DeclTag,
            Body::TypeTag(_) => Kind::TypeTag,
            Body::Enum64 { .. } => Kind::Enum64,
        }
    }
}

impl<'a> Body<'a> {
    /// The type whose values these are, when this only names or qualifies it.
    #[must_use]
    pub const fn alias_of(&self) -> Option<TypeId> {
        match *self {
            Self::Typedef(ty)
            | Self::Volatile(ty)
            | Self::Const(ty)
            | Self::Restrict(ty)
            | Self::TypeTag(ty) => Some(ty),
            _ => None,
        }
    }

    /// Decodes a record that has been checked.
    pub(crate) fn decode(btf: &'a Btf, record: Record<'a>) -> Self {
        let (size, ty, flag) = (record.third, TypeId(record.third), record.flag());
        match record.kind {
            Kind::Void => Self::Void,
            Kind::Int => Self::Int(Int::decode(size, record.word(0))),
            Kind::Ptr => Self::Ptr(ty),
            Kind::Array => Self::Array {
                elem: TypeId(record.word(0)),
                index: TypeId(record.word(1)),
                len: record.word(2),
            },
            Kind::Struct => Self::Struct { size, members: record.list(btf, Member::decode) },
            Kind::Union => Self::Union { size, members: record.list(btf, Member::decode) },
            Kind::Enum => {
                Self::Enum { size, signed: flag, variants: record.list(btf, Variant::decode) }
            }
            Kind::Fwd => Self::Fwd { union: flag },
            Kind::Typedef => Self::Typedef(ty),
            Kind::Volatile => Self::Volatile(ty),
            Kind::Const => Self::Const(ty),
            Kind::Restrict => Self::Restrict(ty),
            Kind::Func => Self::Func { proto: ty, linkage: FuncLinkage::decode(record.vlen()) },
            Kind::FuncProto => Self::FuncProto { ret: ty, params: record.list(btf, Param::decode) },
            Kind::Var => Self::Var { ty, linkage: VarLinkage::decode(record.word(0)) },
            Kind::Datasec => Self::Datasec { size, vars: record.list(btf, SecVar::decode) },
            Kind::Float => Self::Float { size },
            // The component is -1 for the type as a whole.
            Kind::DeclTag => {
                let component = Some(record.word(0)).filter(|&index| index != u32::MAX);
                Self::DeclTag { ty, component }
            }
            Kind::TypeTag => Self::TypeTag(ty),
            Kind::Enum64 => {
                Self::Enum64 { size, signed: flag, variants: record.list(btf, Variant::decode) }
            }
        }
    }
}

impl<'a> Record<'a> {
    fn list<T, const WORDS: usize>(
        &self,
        btf: &'a Btf,
        decode: fn(&'a Btf, bool, [u32; WORDS]) -> T,
    ) -> List<'a, T, WORDS> {
        List { btf, flag: self.flag(), raw: self.entries.as_chunks().0, decode }
    }
}

impl Int {
    /// Kernel: `BTF_INT_ENCODING`, `BTF_INT_OFFSET`, `BTF_INT_BITS`.
    const fn decode(size: u32, word: u32) -> Self {
        let [bits, _, bit_off, encoding] = word.to_le_bytes();
        Self {
            size,
            bits,
            bit_off,
            signed: encoding & 1 != 0,
            char: encoding & 2 != 0,
            bool: encoding & 4 != 0,
        }
    }
}

impl<'a> Member<'a> {
    /// Kernel: `__btf_member_bit_offset`, `__btf_member_bitfield_size`.
    fn decode(btf: &'a Btf, flag: bool, [name, ty, off]: [u32; 3]) -> Self {
        let [.., width] = off.to_le_bytes();
        let (bit_off, bitfield) =
            if flag { (off & 0x00ff_ffff, Some(width).filter(|&w| w != 0)) } else { (off, None) };
        Self { name: btf.name(name), ty: TypeId(ty), bit_off, bitfield }
    }
}

impl<'a> Variant<'a> {
    fn decode<const WORDS: usize>(btf: &'a Btf, signed: bool, words: [u32; WORDS]) -> Self {
        let name = words.first().map_or("", |&off| btf.name(off));
        Self { name, value: Self::number(&words, signed) }
    }

    /// The number in an entry of an enumeration, of one word or, low word first, of two.
    pub(crate) fn number(entry: &[u32], signed: bool) -> i128 {
        match *entry {
            [_, low] if signed => low.cast_signed().into(),
            [_, low] => low.into(),
            [_, low, high] => {
                let value = u64::from(low) | (u64::from(high) << 32);
                if signed { value.cast_signed().into() } else { value.into() }
            }
            _ => 0,
        }
    }
}

impl<'a> Param<'a> {
    fn decode(btf: &'a Btf, _: bool, [name, ty]: [u32; 2]) -> Self {
        Self { name: btf.name(name), ty: TypeId(ty) }
    }
}

impl SecVar {
    const fn decode(_: &Btf, _: bool, [var, off, size]: [u32; 3]) -> Self {
        Self { var: TypeId(var), off, size }
    }
}

impl VarLinkage {
    const fn decode(word: u32) -> Self {
        match word {
            0 => Self::Static,
            1 => Self::Global,
            _ => Self::Extern,
        }
    }
}

impl FuncLinkage {
    const fn decode(vlen: u32) -> Self {
        match vlen {
            0 => Self::Static,
            1 => Self::Global,
            _ => Self::Extern,
        }
    }
}
