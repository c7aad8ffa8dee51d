//! Checks of single types: reserved bits, sizes, names, and what refers to what.
//!
//! Kernel: the `check_meta` functions of `btf.c`. Objects as compilers leave them are not yet what the
//! kernel takes (data sections have no size, extern functions stand in them), so the checks are those
//! that reading needs: all that is referred to exists, and what is shown has a meaning.

use crate::btf::Record;
use crate::kind::{Entries, Third};
use crate::parse::pos_at;
use crate::{Btf, BtfError, Kind, TypeId};

/// Bits of the second word that mean something. Kernel: `BTF_INFO_MASK`.
const INFO_MASK: u32 = 0x9f00_ffff;

/// Checks each type of `btf` that is not in its base.
pub(crate) fn check(btf: &Btf) -> Result<(), BtfError> {
    let types_at = btf.source.types_at();
    for (id, &start) in btf.own_ids().zip(&btf.starts) {
        let Some(record) = btf.record(id) else { continue };
        let at = pos_at(types_at, usize::try_from(start).unwrap_or(usize::MAX));
        check_one(btf, id, record, at)?;
    }
    Ok(())
}

/// Checks a type whose record begins at byte `at` of the input.
pub(crate) fn check_one(
    btf: &Btf,
    id: TypeId,
    record: Record<'_>,
    at: usize,
) -> Result<(), BtfError> {
    let one = Check { btf, id, record, at };
    one.info()?;
    one.strings()?;
    one.references()?;
    one.fields()
}

struct Check<'a> {
    btf: &'a Btf,
    id: TypeId,
    record: Record<'a>,
    /// Position of the record in the input.
    at: usize,
}

impl Check<'_> {
    /// Reserved bits are zero.
    fn info(&self) -> Result<(), BtfError> {
        let Record { kind, info, .. } = self.record;
        let layout = kind.layout();
        if info & !INFO_MASK != 0 {
            return Err(self.field(1, "info", info));
        }
        if self.record.flag() && !layout.flag {
            return Err(self.field(1, "kind flag in info", info));
        }
        let has_vlen = layout.entries == Entries::Vlen || kind == Kind::Func;
        if !has_vlen && self.record.vlen() != 0 {
            return Err(self.field(1, "length", self.record.vlen()));
        }
        Ok(())
    }

    /// String offsets lie in the string section; since that ends with zero, so do the strings.
    fn strings(&self) -> Result<(), BtfError> {
        let len = self.btf.strings_len();
        let entries = self.record.pick(self.record.kind.layout().strings);
        for (word, off) in [(0, self.record.name)].into_iter().chain(entries) {
            if usize::try_from(off).map_or(true, |off| off >= len) {
                return Err(BtfError::Str { at: pos_at(self.at, word), off, len });
            }
            self.btf.check_name(off, pos_at(self.at, word))?;
        }
        Ok(())
    }

    /// Types referred to exist and may stand there.
    fn references(&self) -> Result<(), BtfError> {
        for (word, to) in self.record.references() {
            let at = pos_at(self.at, word);
            let kind_of = |to| {
                if to == TypeId::VOID { Some(Kind::Void) } else { Some(self.btf.record(to)?.kind) }
            };
            let to_kind = kind_of(to).ok_or(BtfError::NoType { at, to, types: self.btf.len() })?;
            let kind = self.record.kind;
            if !may_refer(kind, to_kind) {
                return Err(BtfError::Refers { at, id: self.id, kind, to, to_kind });
            }
        }
        Ok(())
    }

    /// Sizes and encodings that values can have.
    fn fields(&self) -> Result<(), BtfError> {
        let Record { kind, third, .. } = self.record;
        let sized = match kind {
            Kind::Int => matches!(third, 1 | 2 | 4 | 8 | 16),
            // Some compilers give none to an enumeration that is only declared.
            Kind::Enum if self.record.vlen() == 0 => matches!(third, 0 | 1 | 2 | 4 | 8),
            Kind::Enum | Kind::Enum64 => matches!(third, 1 | 2 | 4 | 8),
            Kind::Float => matches!(third, 2 | 4 | 8 | 12 | 16),
            _ => true,
        };
        if !sized {
            return Err(self.field(2, "size", third));
        }
        let word = self.record.word(0);
        match kind {
            Kind::Int if !int_fits(word, third) => Err(self.field(3, "encoding", word)),
            Kind::Var if word > 2 => Err(self.field(3, "linkage", word)),
            Kind::Func if self.record.vlen() > 2 => {
                Err(self.field(1, "linkage", self.record.vlen()))
            }
            Kind::DeclTag if word > i32::MAX.cast_unsigned() && word != u32::MAX => {
                Err(self.field(3, "component", word))
            }
            _ => Ok(()),
        }
    }

    fn field(&self, word: usize, what: &'static str, value: u32) -> BtfError {
        let (id, kind) = (self.id, self.record.kind);
        BtfError::Field { at: pos_at(self.at, word), id, kind, what, value }
    }
}

impl<'a> Record<'a> {
    /// All types the record refers to, with the positions of the references in it, in words.
    pub(crate) fn references(self) -> impl Iterator<Item = (usize, TypeId)> + use<'a> {
        let layout = self.kind.layout();
        let third = (layout.third == Third::Type).then_some((2, self.third));
        third.into_iter().chain(self.pick(layout.types)).map(|(word, id)| (word, TypeId(id)))
    }
}

/// Whether a type of kind `from` may refer to one of kind `to`.
fn may_refer(from: Kind, to: Kind) -> bool {
    match from {
        Kind::Func => to == Kind::FuncProto,
        Kind::Datasec => matches!(to, Kind::Var | Kind::Func),
        Kind::DeclTag => true,
        _ => !matches!(to, Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag),
    }
}

/// Whether the bits of an integer of `size` bytes lie in it, and its encoding is known.
/// Kernel: `btf_int_check_meta`.
fn int_fits(word: u32, size: u32) -> bool {
    let [bits, _, off, encoding] = word.to_le_bytes();
    let end = u32::from(bits).saturating_add(off.into());
    encoding <= 7 && bits != 0 && end <= size.saturating_mul(8)
}
