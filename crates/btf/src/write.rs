//! Making BTF: types one by one, or those of several objects together.

use crate::btf::Record;
use crate::kind::Third;
use crate::nesting;
use crate::{Btf, BtfError, ByteOrder, FuncLinkage, Int, Kind, Member, Param, SecVar, StrOff};
use crate::{TypeId, VarLinkage, Variant};
use alloc::{vec, vec::Vec};
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Bytes of the header that is written.
const HEADER_LEN: u32 = 24;

/// BTF being made.
///
/// ```
/// use skep_btf::{Builder, ByteOrder, Def, Int, Kind, Member};
///
/// let mut builder = Builder::new();
/// let int = Int { size: 4, bits: 32, bit_off: 0, signed: true, char: false, bool: false };
/// let int = builder.add("int", Def::Int(int)).unwrap();
/// let member = Member { name: "n", ty: int, bit_off: 0, bitfield: None };
/// builder.add("pair", Def::Struct { size: 8, members: &[member] }).unwrap();
/// let btf = builder.finish().unwrap();
/// assert_eq!(btf.find("pair", Kind::Struct).unwrap().id.0, 2);
/// assert_eq!(btf.to_bytes(ByteOrder::Big)[..4], [0xeb, 0x9f, 1, 0]);
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    words: Vec<u32>,
    types: u32,
    strings: Vec<u8>,
    /// Positions of the strings, by what they say.
    offs: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// What a type is and consists of. Types may refer to ones that are added later.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "fields are names of the kernel, variants those of `Body`")]
pub enum Def<'a> {
    Int(Int),
    Ptr(TypeId),
    Array { elem: TypeId, index: TypeId, len: u32 },
    Struct { size: u32, members: &'a [Member<'a>] },
    Union { size: u32, members: &'a [Member<'a>] },
    Enum { size: u32, signed: bool, variants: &'a [Variant<'a>] },
    Enum64 { size: u32, signed: bool, variants: &'a [Variant<'a>] },
    Fwd { union: bool },
    Typedef(TypeId),
    Volatile(TypeId),
    Const(TypeId),
    Restrict(TypeId),
    TypeTag(TypeId),
    Func { proto: TypeId, linkage: FuncLinkage },
    FuncProto { ret: TypeId, params: &'a [Param<'a>] },
    Var { ty: TypeId, linkage: VarLinkage },
    Datasec { size: u32, vars: &'a [SecVar] },
    Float { size: u32 },
    DeclTag { ty: TypeId, component: Option<u32> },
}

/// Why a type cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum WriteError {
    /// Records count entries in 16 bits.
    #[error("{len} entries are more than 65535")]
    Entries { len: usize },
    /// In structs with bitfields, positions have 24 bits.
    #[error("bit {bit_off} is too far for a struct with bitfields")]
    BitOff { bit_off: u32 },
    /// The number of an enumerator needs more bits than its kind has.
    #[error("enumerator {value} does not fit")]
    Value { value: i128 },
    /// Types or bytes of strings are more than can be numbered.
    #[error("more than can be numbered")]
    Full,
}

/// Why a type cannot be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum CopyError {
    /// There is no type with this number, or it is `void`.
    #[error("there is no type {id}")]
    NoType { id: TypeId },
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The three words that records begin with, but for the name, and the entries.
struct Raw {
    kind: Kind,
    flag: bool,
    vlen: usize,
    third: u32,
    entries: Vec<u32>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Without types.
    #[must_use]
    pub fn new() -> Self {
        Self {
            words: Vec::new(),
            types: 0,
            strings: vec![0],
            offs: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Adds a type; `name` is empty for types without.
    ///
    /// # Errors
    /// [`WriteError`] when the format has no room for it. Whether it makes sense is checked by
    /// [`Builder::finish`].
    pub fn add(&mut self, name: &str, def: Def<'_>) -> Result<TypeId, WriteError> {
        let raw = self.raw(def)?;
        let vlen = u16::try_from(raw.vlen).map_err(|_| WriteError::Entries { len: raw.vlen })?;
        let info = (raw.kind as u32) << 24 | u32::from(raw.flag) << 31 | u32::from(vlen);
        let name = self.string(name)?.0;
        self.words.extend([name, info, raw.third]);
        self.words.extend(raw.entries);
        self.count()
    }

    /// Adds a string, or finds it among those that were added.
    ///
    /// # Errors
    /// [`WriteError::Full`] beyond 4 GiB.
    pub fn string(&mut self, text: &str) -> Result<StrOff, WriteError> {
        self.bytes(text.as_bytes())
    }

    /// Adds all types of `btf` and its base. Returns what is added to their numbers.
    ///
    /// # Errors
    /// [`WriteError::Full`] when there are too many.
    pub fn append(&mut self, btf: &Btf) -> Result<u32, WriteError> {
        let shift = self.types;
        let shifted = |id: TypeId| match id {
            TypeId::VOID => id,
            TypeId(id) => TypeId(id.saturating_add(shift)),
        };
        for id in btf.ids() {
            let Some(record) = btf.record(id) else { continue };
            self.push(btf, record, shifted)?;
        }
        Ok(shift)
    }

    /// Adds one type of `btf`, with the types that it refers to renumbered.
    ///
    /// # Errors
    /// [`CopyError::NoType`] when there is no such type, [`CopyError::Write`] when there are too many.
    pub fn copy(
        &mut self,
        btf: &Btf,
        id: TypeId,
        renumber: impl Fn(TypeId) -> TypeId,
    ) -> Result<TypeId, CopyError> {
        let record = btf.record(id).ok_or(CopyError::NoType { id })?;
        Ok(self.push(btf, record, renumber)?)
    }

    /// The finished types, checked.
    ///
    /// # Errors
    /// [`BtfError`] as for any input; positions in it are those of [`Btf::to_bytes`].
    pub fn finish(self) -> Result<Btf, BtfError> {
        Btf::open(assemble(ByteOrder::Little, &self.words, &self.strings))?.into_checked()
    }

    /// The finished types, of which each has come from types that are checked, and refers to ones there are.
    pub(crate) fn finish_checked(self) -> Result<Btf, BtfError> {
        let mut btf = Btf::open(assemble(ByteOrder::Little, &self.words, &self.strings))?;
        nesting::check(&btf)?;
        btf.checked = true;
        Ok(btf)
    }

    /// Adds a record of `btf`, with types renumbered.
    pub(crate) fn push(
        &mut self,
        btf: &Btf,
        record: Record<'_>,
        renumber: impl Fn(TypeId) -> TypeId,
    ) -> Result<TypeId, WriteError> {
        let layout = record.kind.layout();
        let name = self.bytes(btf.c_str(record.name))?.0;
        let third = match layout.third {
            Third::Type => renumber(TypeId(record.third)).0,
            Third::Size | Third::Unused => record.third,
        };
        self.words.extend([name, record.info, third]);
        let first = self.words.len();
        self.words.extend((0..record.entries.len()).map(|index| record.word(index)));
        for entry in (first..self.words.len()).step_by(layout.words.max(1)) {
            for &at in layout.strings {
                let at = entry.saturating_add(at);
                let off = self.words.get(at).copied().unwrap_or_default();
                let off = self.bytes(btf.c_str(off))?.0;
                set(&mut self.words, at, off);
            }
            for &at in layout.types {
                let at = entry.saturating_add(at);
                let id = self.words.get(at).copied().unwrap_or_default();
                set(&mut self.words, at, renumber(TypeId(id)).0);
            }
        }
        self.count()
    }

    fn count(&mut self) -> Result<TypeId, WriteError> {
        self.types = self.types.checked_add(1).ok_or(WriteError::Full)?;
        Ok(TypeId(self.types))
    }

    /// What follows a zero byte is not kept: strings end there.
    fn bytes(&mut self, text: &[u8]) -> Result<StrOff, WriteError> {
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        if text.is_empty() {
            return Ok(StrOff(0));
        }
        let Self { strings, offs, hasher, .. } = self;
        let hash = hasher.hash_one(text);
        let is = |&off: &u32| {
            let known = after(strings, off).strip_prefix(text);
            known.is_some_and(|rest| rest.first() == Some(&0))
        };
        if let Some(&off) = offs.find(hash, is) {
            return Ok(StrOff(off));
        }
        let off = u32::try_from(strings.len()).map_err(|_| WriteError::Full)?;
        strings.extend(text);
        strings.push(0);
        offs.insert_unique(hash, off, |&off| hasher.hash_one(text_at(strings, off)));
        Ok(StrOff(off))
    }

    fn raw(&mut self, def: Def<'_>) -> Result<Raw, WriteError> {
        let plain = |kind, third| Raw { kind, flag: false, vlen: 0, third, entries: Vec::new() };
        let with = |kind, third, entries| Raw { entries, ..plain(kind, third) };
        Ok(match def {
            Def::Int(int) => with(Kind::Int, int.size, vec![int.encode()]),
            Def::Ptr(to) => plain(Kind::Ptr, to.0),
            Def::Array { elem, index, len } => with(Kind::Array, 0, vec![elem.0, index.0, len]),
            Def::Struct { size, members } => self.members(Kind::Struct, size, members)?,
            Def::Union { size, members } => self.members(Kind::Union, size, members)?,
            Def::Enum { size, signed, variants } => {
                self.variants(Kind::Enum, size, signed, variants)?
            }
            Def::Enum64 { size, signed, variants } => {
                self.variants(Kind::Enum64, size, signed, variants)?
            }
            Def::Fwd { union } => Raw { flag: union, ..plain(Kind::Fwd, 0) },
            Def::Typedef(to) => plain(Kind::Typedef, to.0),
            Def::Volatile(to) => plain(Kind::Volatile, to.0),
            Def::Const(to) => plain(Kind::Const, to.0),
            Def::Restrict(to) => plain(Kind::Restrict, to.0),
            Def::TypeTag(to) => plain(Kind::TypeTag, to.0),
            Def::Func { proto, linkage } => {
                Raw { vlen: linkage as usize, ..plain(Kind::Func, proto.0) }
            }
            Def::FuncProto { ret, params } => {
                let mut entries = Vec::new();
                for param in params {
                    entries.extend([self.string(param.name)?.0, param.ty.0]);
                }
                Raw { vlen: params.len(), ..with(Kind::FuncProto, ret.0, entries) }
            }
            Def::Var { ty, linkage } => with(Kind::Var, ty.0, vec![linkage as u32]),
            Def::Datasec { size, vars } => {
                let entries = vars.iter().flat_map(|var| [var.var.0, var.off, var.size]).collect();
                Raw { vlen: vars.len(), ..with(Kind::Datasec, size, entries) }
            }
            Def::Float { size } => plain(Kind::Float, size),
            Def::DeclTag { ty, component } => {
                with(Kind::DeclTag, ty.0, vec![component.unwrap_or(u32::MAX)])
            }
        })
    }

    fn members(
        &mut self,
        kind: Kind,
        size: u32,
        members: &[Member<'_>],
    ) -> Result<Raw, WriteError> {
        let flag = members.iter().any(|member| member.bitfield.is_some());
        let mut entries = Vec::new();
        for member in members {
            let Member { bit_off, .. } = *member;
            if flag && bit_off > 0x00ff_ffff {
                return Err(WriteError::BitOff { bit_off });
            }
            let width = u32::from(member.bitfield.unwrap_or(0));
            entries.extend([self.string(member.name)?.0, member.ty.0, width << 24 | bit_off]);
        }
        Ok(Raw { kind, flag, vlen: members.len(), third: size, entries })
    }

    fn variants(
        &mut self,
        kind: Kind,
        size: u32,
        flag: bool,
        variants: &[Variant<'_>],
    ) -> Result<Raw, WriteError> {
        let bits = if kind == Kind::Enum { 32 } else { 64 };
        let mut entries = Vec::new();
        for variant in variants {
            let value = variant.value;
            let fits = match flag {
                true => i64::try_from(value).is_ok_and(|v| bits == 64 || i32::try_from(v).is_ok()),
                false => u64::try_from(value).is_ok_and(|v| bits == 64 || u32::try_from(v).is_ok()),
            };
            let [low, high, ..] = words(value);
            if !fits {
                return Err(WriteError::Value { value });
            }
            entries.extend([self.string(variant.name)?.0, low]);
            entries.extend((bits == 64).then_some(high));
        }
        Ok(Raw { kind, flag, vlen: variants.len(), third: size, entries })
    }
}

/// What stands from a position on.
fn after(strings: &[u8], off: u32) -> &[u8] {
    usize::try_from(off).ok().and_then(|off| strings.get(off..)).unwrap_or_default()
}

/// The string at a position.
fn text_at(strings: &[u8], off: u32) -> &[u8] {
    after(strings, off).split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The 32-bit words of a number, low ones first.
fn words(value: i128) -> [u32; 4] {
    let bytes = value.to_le_bytes();
    let mut words = [0; 4];
    for (word, &bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(bytes);
    }
    words
}

fn set(words: &mut [u32], at: usize, value: u32) {
    if let Some(word) = words.get_mut(at) {
        *word = value;
    }
}

impl Int {
    /// Kernel: `BTF_INT_ENCODING`, `BTF_INT_OFFSET`, `BTF_INT_BITS`.
    const fn encode(self) -> u32 {
        let encoding = self.signed as u8 | (self.char as u8) << 1 | (self.bool as u8) << 2;
        u32::from_le_bytes([self.bits, 0, self.bit_off, encoding])
    }
}

impl Btf {
    /// The bytes of a `.BTF` section, in the byte order of the target. Of split BTF those that are not in
    /// its base.
    #[must_use]
    pub fn to_bytes(&self, order: ByteOrder) -> Vec<u8> {
        let words: Vec<u32> = self.words().iter().map(|&word| self.order.u32(word)).collect();
        assemble(order, &words, self.source.strings())
    }

    /// Where a string stands, if it does. Takes a step per byte of the strings.
    #[must_use]
    pub fn string(&self, text: &str) -> Option<StrOff> {
        let found = self.base.as_ref().and_then(|base| base.string(text));
        found.or_else(|| {
            let strings = self.source.strings();
            let mut at = 0_usize;
            for string in strings.split(|&byte| byte == 0) {
                if string == text.as_bytes() && at < strings.len() {
                    let at = self.base_strings().saturating_add(at);
                    return u32::try_from(at).ok().map(StrOff);
                }
                at = at.saturating_add(string.len()).saturating_add(1);
            }
            None
        })
    }
}

/// Header, types, strings.
fn assemble(order: ByteOrder, words: &[u32], strings: &[u8]) -> Vec<u8> {
    let len = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let types = len(words.len().saturating_mul(4));
    let mut bytes = Vec::from(order.magic());
    bytes.extend([1, 0]);
    for word in [HEADER_LEN, 0, types, types, len(strings.len())].iter().chain(words) {
        bytes.extend(order.bytes(*word));
    }
    bytes.extend(strings);
    bytes
}
