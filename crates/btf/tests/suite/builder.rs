//! BTF made word by word, well-formed or not.

use skep_btf::{Btf, BtfError, ByteOrder, TypeId};

pub(crate) const INT: u32 = 1;
pub(crate) const PTR: u32 = 2;
pub(crate) const ARRAY: u32 = 3;
pub(crate) const STRUCT: u32 = 4;
pub(crate) const UNION: u32 = 5;
pub(crate) const ENUM: u32 = 6;
pub(crate) const FWD: u32 = 7;
pub(crate) const TYPEDEF: u32 = 8;
pub(crate) const VOLATILE: u32 = 9;
pub(crate) const CONST: u32 = 10;
pub(crate) const FUNC: u32 = 12;
pub(crate) const FUNC_PROTO: u32 = 13;
pub(crate) const VAR: u32 = 14;
pub(crate) const DATASEC: u32 = 15;
pub(crate) const FLOAT: u32 = 16;
pub(crate) const DECL_TAG: u32 = 17;
pub(crate) const TYPE_TAG: u32 = 18;
pub(crate) const ENUM64: u32 = 19;

/// Bit of the second word.
pub(crate) const FLAG: u32 = 1 << 31;

/// Encodings of integers.
pub(crate) const SIGNED: u32 = 1 << 24;
pub(crate) const CHAR: u32 = 2 << 24;
pub(crate) const BOOL: u32 = 4 << 24;

pub(crate) struct Builder {
    pub(crate) order: ByteOrder,
    pub(crate) words: Vec<u32>,
    pub(crate) strings: Vec<u8>,
    pub(crate) types: u32,
    /// Types and bytes of strings of the base that this goes on from.
    pub(crate) base: (u32, u32),
}

impl Default for Builder {
    fn default() -> Self {
        let order = ByteOrder::Little;
        Self { order, words: Vec::new(), strings: vec![0], types: 0, base: (0, 0) }
    }
}

impl Builder {
    pub(crate) fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let off = self.strings.len();
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        u32::try_from(off).unwrap() + self.base.1
    }

    /// A record; `info` is kind flag and length.
    pub(crate) fn ty(
        &mut self,
        name: &str,
        kind: u32,
        info: u32,
        third: u32,
        entries: &[u32],
    ) -> TypeId {
        let name = self.string(name);
        self.words.extend([name, kind << 24 | info, third]);
        self.words.extend(entries);
        self.types += 1;
        TypeId(self.base.0 + self.types)
    }

    pub(crate) fn int(&mut self, name: &str, size: u32, encoding: u32) -> TypeId {
        self.ty(name, INT, 0, size, &[encoding | (size * 8)])
    }

    /// A type that consists of a reference: pointer, qualifier, typedef.
    pub(crate) fn to(&mut self, name: &str, kind: u32, ty: TypeId) -> TypeId {
        self.ty(name, kind, 0, ty.0, &[])
    }

    pub(crate) fn array(&mut self, elem: TypeId, len: u32) -> TypeId {
        self.ty("", ARRAY, 0, 0, &[elem.0, elem.0, len])
    }

    /// Struct or union of `(name, type, offset word)`.
    pub(crate) fn fields(
        &mut self,
        name: &str,
        kind: u32,
        size: u32,
        members: &[(&str, TypeId, u32)],
    ) -> TypeId {
        let len = u32::try_from(members.len()).unwrap();
        let entries: Vec<u32> =
            members.iter().flat_map(|&(name, ty, off)| [self.string(name), ty.0, off]).collect();
        self.ty(name, kind & 0x1f, (kind & FLAG) | len, size, &entries)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let word = |word: u32| match self.order {
            ByteOrder::Little => word.to_le_bytes(),
            ByteOrder::Big => word.to_be_bytes(),
        };
        let types = u32::try_from(self.words.len() * 4).unwrap();
        let strings = u32::try_from(self.strings.len()).unwrap();
        let mut bytes = match self.order {
            ByteOrder::Little => vec![0x9f, 0xeb, 1, 0],
            ByteOrder::Big => vec![0xeb, 0x9f, 1, 0],
        };
        bytes.extend([24, 0, types, types, strings].into_iter().flat_map(word));
        bytes.extend(self.words.iter().copied().flat_map(word));
        bytes.extend(&self.strings);
        bytes
    }

    pub(crate) fn parse(&self) -> Result<Btf, BtfError> {
        Btf::parse(&self.bytes())
    }

    #[track_caller]
    pub(crate) fn build(&self) -> Btf {
        self.parse().unwrap()
    }
}
