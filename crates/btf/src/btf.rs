//! All types of an object or kernel, and looking them up.

use crate::{Body, BtfError, ByteOrder, Kind, Type, VarLinkage};
use crate::{check, kind::kind_bits, names::Names, nesting, parse, source::Source};
use alloc::{borrow::Cow, string::String, sync::Arc, vec::Vec};
use core::fmt;

/// Number of a type. 0 is `void`; the types of a [`Btf`] count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The type without values.
    pub const VOID: Self = Self(0);
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Position of a string in the string section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrOff(pub u32);

/// The types of an object, a kernel, or a module of it.
///
/// # Model
///
/// The input is kept as it stands, with an index of where each record begins; a [`Type`] is decoded
/// from its record when asked for. Opening the 126,000 types of a kernel so is one pass over the heads
/// of records, not 126,000 allocations.
///
/// The BTF of a kernel module is *split*: its types and strings count on from those of its base, the
/// kernel, and refer to them.
///
/// # Invariants
///
/// [`Btf::open`] establishes that each record has all its words and a known kind; [`Btf::parse`],
/// [`Btf::parse_split`] and [`Btf::into_checked`] moreover:
/// - type ids and string offsets exist, and fields have values that their kinds allow;
/// - no type contains itself by value, and none is spelled with itself; both nest at most
///   [`Btf::MAX_NESTING`] deep, so recursion over types ends.
///
/// Of BTF that was only opened, a type is checked by itself when it is asked for, and is not there if
/// it is malformed.
#[derive(Clone)]
pub struct Btf {
    pub(crate) order: ByteOrder,
    pub(crate) source: Source,
    /// Where in `words` the records of types 1, 2, … begin, and then where the last one ends.
    pub(crate) starts: Vec<u32>,
    pub(crate) base: Option<Arc<Btf>>,
    pub(crate) checked: bool,
    pub(crate) names: Arc<Names>,
}

/// One record of the type section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: u32,
    pub(crate) info: u32,
    pub(crate) third: u32,
    pub(crate) entries: &'a [[u8; 4]],
    order: ByteOrder,
}

/// Size of a pointer. BPF programs are 64-bit programs, whatever runs them.
const POINTER_SIZE: u32 = 8;

impl Btf {
    /// How deep types may be nested, by value or in the way they are spelled.
    ///
    /// The kernel follows 32 types (`MAX_RESOLVE_DEPTH`), beginning anew at some kinds; generated code can
    /// nest deeper.
    pub const MAX_NESTING: u8 = 250;

    /// Bytes of the longest name. The kernel refuses names from 512 bytes on (`KSYM_NAME_LEN`), which
    /// compilers of languages with generics exceed in objects.
    pub const MAX_NAME: usize = 4096;

    /// Reads and checks a `.BTF` section or the BTF of a kernel.
    ///
    /// # Errors
    /// [`BtfError`] with the first place that is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        Self::open(bytes.to_vec())?.into_checked()
    }

    /// Reads and checks the BTF of a kernel module, whose base is that of the kernel.
    ///
    /// # Errors
    /// [`BtfError`] with the first place that is malformed.
    pub fn parse_split(bytes: &[u8], base: Arc<Self>) -> Result<Self, BtfError> {
        Self::open_split(bytes.to_vec(), base)?.into_checked()
    }

    /// Reads BTF where it lies, such as in a mapped file, and leaves checks of types to when they are
    /// asked for. The first look-up of a type takes a tenth of the time of [`Btf::parse`] so.
    ///
    /// # Errors
    /// [`BtfError`] when the header is malformed or a record has no known length.
    pub fn open(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Self, BtfError> {
        parse::parse(Source::new(bytes), None)
    }

    /// [`Btf::open`] for the BTF of a kernel module.
    ///
    /// # Errors
    /// As [`Btf::open`], and when base and module differ in byte order.
    pub fn open_split(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        base: Arc<Self>,
    ) -> Result<Self, BtfError> {
        parse::parse(Source::new(bytes), Some(base))
    }

    /// Makes the checks that [`Btf::open`] leaves.
    ///
    /// # Errors
    /// [`BtfError`] with the first place that is malformed.
    pub fn into_checked(mut self) -> Result<Self, BtfError> {
        self.check()?;
        self.checked = true;
        Ok(self)
    }

    pub(crate) fn check(&self) -> Result<(), BtfError> {
        if self.checked {
            return Ok(());
        }
        if let Some(base) = &self.base {
            base.check()?;
        }
        check::check(self)?;
        nesting::check(self)
    }

    /// The byte order of the input.
    #[must_use]
    pub const fn order(&self) -> ByteOrder {
        self.order
    }

    /// Number of types, `void` not counted and those of the base included: the greatest [`TypeId`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.base_len().saturating_add(self.starts.len().saturating_sub(1))
    }

    /// Number of types that are in the base.
    #[must_use]
    pub fn base_len(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.len())
    }

    /// Whether there is no type but `void`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type with this number.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<Type<'_>> {
        if id == TypeId::VOID {
            return Some(Type { id, name: "", body: Body::Void });
        }
        let record = self.record(id)?;
        if !self.checked && check::check_one(self, id, record, 0).is_err() {
            return None;
        }
        Some(Type { id, name: self.name(record.name), body: Body::decode(self, record) })
    }

    /// All types in order, without `void`, those of the base included.
    pub fn types(&self) -> impl Iterator<Item = Type<'_>> {
        self.ids().filter_map(|id| self.get(id))
    }

    /// The first type with this name and kind. The first few times it takes a step per type, a third of
    /// a millisecond for a kernel; then the names are put in order.
    #[must_use]
    pub fn find(&self, name: &str, kind: Kind) -> Option<Type<'_>> {
        if let Some(found) = self.base.as_ref().and_then(|base| base.find(name, kind)) {
            return self.get(found.id);
        }
        let words = self.words();
        let is = |start: &u32| {
            let start = usize::try_from(*start).unwrap_or(usize::MAX);
            let Some(&[off, info, ..]) = words.get(start..) else { return false };
            kind_bits(self.order.u32(info)) == kind as u32
                && self.is_named(self.order.u32(off), name)
        };
        let index = match self.names.of(self) {
            Some(names) => names.find(name, |at| self.starts.get(at).is_some_and(is))?,
            None => self.starts.iter().position(is)?,
        };
        self.get(self.own_ids().nth(index)?)
    }

    /// The type behind typedefs, qualifiers and type tags.
    #[must_use]
    pub fn resolve(&self, id: TypeId) -> Option<Type<'_>> {
        let mut ty = self.get(id)?;
        for _ in 0..Self::MAX_NESTING {
            let Some(next) = ty.body.alias_of() else { return Some(ty) };
            ty = self.get(next)?;
        }
        // Only what is not checked can be nested deeper.
        None
    }

    /// Bytes a value takes; `None` for types without values and for more than 4 GiB.
    ///
    /// A variable is as large as its type. An array without length has size 0.
    #[must_use]
    pub fn size_of(&self, id: TypeId) -> Option<u32> {
        self.size_with(id, POINTER_SIZE)
    }

    /// [`Btf::size_of`] where pointers have another size.
    pub(crate) fn size_with(&self, id: TypeId, pointer: u32) -> Option<u32> {
        let (mut id, mut count) = (id, 1_u32);
        for _ in 0..Self::MAX_NESTING {
            let size = match self.resolve(id)?.body {
                Body::Int(int) => int.size,
                Body::Ptr(_) => pointer,
                Body::Struct { size, .. }
                | Body::Union { size, .. }
                | Body::Enum { size, .. }
                | Body::Enum64 { size, .. }
                | Body::Datasec { size, .. }
                | Body::Float { size } => size,
                Body::Array { elem, len, .. } => {
                    count = count.checked_mul(len)?;
                    id = elem;
                    continue;
                }
                Body::Var { ty, .. } => {
                    id = ty;
                    continue;
                }
                _ => return None,
            };
            return count.checked_mul(size);
        }
        None
    }

    /// Bytes of a pointer where the types are from, as the size of `long` tells; 8 when there is none.
    ///
    /// Of libbpf: `determine_ptr_size`.
    #[must_use]
    pub fn pointer_size(&self) -> u32 {
        const NAMES: [&str; 8] = [
            "long",
            "long int",
            "int long",
            "unsigned long",
            "long unsigned",
            "unsigned long int",
            "unsigned int long",
            "long unsigned int",
        ];
        let ints = self.ids().filter_map(|id| self.record(id)).filter(|r| r.kind == Kind::Int);
        let is_long = |off| NAMES.iter().any(|name| self.is_named(off, name));
        let mut sizes = ints.filter(|int| matches!(int.third, 4 | 8) && is_long(int.name));
        sizes.next().map_or(POINTER_SIZE, |int| int.third)
    }

    /// The string at `off`, with U+FFFD for what is no UTF-8; source lines can be in any encoding.
    /// Empty beyond the strings.
    #[must_use]
    pub fn text(&self, off: StrOff) -> Cow<'_, str> {
        String::from_utf8_lossy(self.c_str(off.0))
    }

    /// Writes the size of a data section and the positions of its variables, by name.
    ///
    /// Compilers leave both 0, but for the positions of static variables, which stay; the ELF section
    /// and symbol table of the object know them. `off_of` gives the position of a variable, or `None` to
    /// leave it as it is. Returns whether `section` is a data section.
    ///
    /// Of libbpf: `btf_fixup_datasec`.
    pub fn place_vars(
        &mut self,
        section: TypeId,
        size: u32,
        mut off_of: impl FnMut(&str) -> Option<u32>,
    ) -> bool {
        let Some(Type { body: Body::Datasec { vars, .. }, .. }) = self.get(section) else {
            return false;
        };
        // Of static variables there may be several with one name, so compilers place them.
        let is_static = |body| matches!(body, Body::Var { linkage: VarLinkage::Static, .. });
        let var = |id| self.get(id).filter(|var| !is_static(var.body));
        let offs: Vec<Option<u32>> =
            vars.iter().map(|entry| var(entry.var).and_then(|var| off_of(var.name))).collect();
        let Some(range) = self.range(section) else { return false };
        let order = self.order;
        let Some([_, _, total, entries @ ..]) = self.source.words_mut().get_mut(range) else {
            return false;
        };
        *total = order.bytes(size);
        for ([_, at, _], off) in entries.as_chunks_mut().0.iter_mut().zip(offs) {
            *at = off.map_or(*at, |off| order.bytes(off));
        }
        true
    }

    /// Refuses a name that would be costly to read again and again: names may overlap in the string
    /// section, so that a small input can hold many long ones.
    pub(crate) fn check_name(&self, off: u32, at: usize) -> Result<(), BtfError> {
        let text = self.text_at(off);
        match text.iter().take(Self::MAX_NAME.saturating_add(1)).any(|&byte| byte == 0) {
            true => Ok(()),
            false => Err(BtfError::NameLen { at, off, limit: Self::MAX_NAME }),
        }
    }

    /// The name at `off`; one that is no UTF-8 is cut where it stops being so.
    pub(crate) fn name(&self, off: u32) -> &str {
        self.c_str(off).utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }

    fn is_named(&self, off: u32, name: &str) -> bool {
        self.after(off, name).and_then(<[u8]>::first) == Some(&0)
    }

    /// Whether the string at `off` begins so.
    pub(crate) fn starts_with(&self, off: u32, prefix: &str) -> bool {
        self.after(off, prefix).is_some()
    }

    fn after(&self, off: u32, prefix: &str) -> Option<&[u8]> {
        self.text_at(off).strip_prefix(prefix.as_bytes())
    }

    pub(crate) fn c_str(&self, off: u32) -> &[u8] {
        self.text_at(off).split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// The strings from `off` on.
    fn text_at(&self, off: u32) -> &[u8] {
        let at = usize::try_from(off).unwrap_or(usize::MAX);
        match (&self.base, at.checked_sub(self.base_strings())) {
            (Some(base), None) => base.text_at(off),
            (_, at) => at.and_then(|at| self.source.strings().get(at..)).unwrap_or_default(),
        }
    }

    /// Bytes of all strings, those of the base included.
    pub(crate) fn strings_len(&self) -> usize {
        self.base_strings().saturating_add(self.source.strings().len())
    }

    pub(crate) fn base_strings(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.strings_len())
    }

    /// The type section: it consists of 32-bit words only.
    pub(crate) fn words(&self) -> &[[u8; 4]] {
        self.source.words()
    }

    /// The types that are not in the base.
    pub(crate) fn own_ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        let number = |len| u32::try_from(len).unwrap_or(u32::MAX);
        (number(self.base_len()).saturating_add(1)..=number(self.len())).map(TypeId)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        let last = u32::try_from(self.len()).unwrap_or(u32::MAX);
        (1..=last).map(TypeId)
    }

    /// Kind and name of a type.
    pub(crate) fn head(&self, id: TypeId) -> Option<(Kind, u32)> {
        self.record(id).map(|record| (record.kind, record.name))
    }

    pub(crate) fn record(&self, id: TypeId) -> Option<Record<'_>> {
        if let Some(base) = &self.base
            && usize::try_from(id.0).is_ok_and(|id| id <= base.len())
        {
            return base.record(id);
        }
        Record::new(self.words().get(self.range(id)?)?, self.order)
    }

    /// Words of a type that is not in the base.
    pub(crate) fn range(&self, id: TypeId) -> Option<core::ops::Range<usize>> {
        let index = usize::try_from(id.0).ok()?.checked_sub(self.base_len())?;
        let start = *self.starts.get(index.checked_sub(1)?)?;
        let end = *self.starts.get(index)?;
        Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.types()).finish()
    }
}

impl<'a> Record<'a> {
    /// The record at the start of `words`, with all words that follow as its entries; `None` when
    /// it has no known kind or fewer than three words.
    pub(crate) fn new(words: &'a [[u8; 4]], order: ByteOrder) -> Option<Self> {
        let [name, info, third, entries @ ..] = words else { return None };
        let [name, info, third] = [name, info, third].map(|&word| order.u32(word));
        Some(Self { kind: Kind::from_number(kind_bits(info))?, name, info, third, entries, order })
    }

    /// Number of entries, or the linkage of a function.
    pub(crate) const fn vlen(&self) -> u32 {
        self.info & 0xffff
    }

    /// The `kind_flag`.
    pub(crate) const fn flag(&self) -> bool {
        self.info >> 31 != 0
    }

    /// Word `index` after the first three.
    pub(crate) fn word(&self, index: usize) -> u32 {
        self.order.u32(self.entries.get(index).copied().unwrap_or_default())
    }

    /// The words at the positions `pick` of each entry, with their positions in the record.
    pub(crate) fn pick(
        self,
        pick: &'static [usize],
    ) -> impl Iterator<Item = (usize, u32)> + use<'a> {
        // A kind without entries has an empty slice here, which any chunk size splits into nothing.
        let words = self.kind.layout().words.max(1);
        let entries = self.entries.chunks_exact(words).zip((3..).step_by(words));
        entries.flat_map(move |(entry, at)| {
            let word = move |i: usize| Some(self.order.u32(*entry.get(i)?));
            pick.iter().filter_map(move |&i| Some((i.checked_add(at)?, word(i)?)))
        })
    }
}
