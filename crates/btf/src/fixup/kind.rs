//! What a relocation asks.

use core::fmt;

/// What is asked about a type: `enum bpf_core_relo_kind` of `include/uapi/linux/bpf.h`, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "names of the kernel")]
pub enum CoreKind {
    FieldByteOffset,
    FieldByteSize,
    FieldExists,
    FieldSigned,
    FieldLshiftU64,
    FieldRshiftU64,
    TypeIdLocal,
    TypeIdTarget,
    TypeExists,
    TypeSize,
    EnumvalExists,
    EnumvalValue,
    TypeMatches,
}

/// What a kind is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Field,
    Type,
    Enumval,
}

use CoreKind as K;

/// Kinds by number, their names, and what they are about.
const KINDS: [(CoreKind, &str, Subject); 13] = [
    (K::FieldByteOffset, "field_byte_offset", Subject::Field),
    (K::FieldByteSize, "field_byte_size", Subject::Field),
    (K::FieldExists, "field_exists", Subject::Field),
    (K::FieldSigned, "field_signed", Subject::Field),
    (K::FieldLshiftU64, "field_lshift_u64", Subject::Field),
    (K::FieldRshiftU64, "field_rshift_u64", Subject::Field),
    (K::TypeIdLocal, "type_id_local", Subject::Type),
    (K::TypeIdTarget, "type_id_target", Subject::Type),
    (K::TypeExists, "type_exists", Subject::Type),
    (K::TypeSize, "type_size", Subject::Type),
    (K::EnumvalExists, "enumval_exists", Subject::Enumval),
    (K::EnumvalValue, "enumval_value", Subject::Enumval),
    (K::TypeMatches, "type_matches", Subject::Type),
];

impl CoreKind {
    /// The kind with this number.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        KINDS.get(usize::try_from(number).ok()?).map(|row| row.0)
    }

    /// The kernel's name in lower case, without `BPF_CORE_`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    pub(super) fn subject(self) -> Subject {
        self.row().2
    }

    /// The answer when nothing matches; `None` when there is no answer.
    pub(super) fn when_absent(self) -> Option<u64> {
        let answered = self.subject() == Subject::Type
            || matches!(self, Self::FieldExists | Self::EnumvalExists);
        answered.then_some(0)
    }

    fn row(self) -> &'static (Self, &'static str, Subject) {
        KINDS.get(self as usize).expect("bug: a kind without a row")
    }
}

impl fmt::Display for CoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_kinds() {
        for (kind, number) in KINDS.map(|row| row.0).into_iter().zip(0..) {
            assert_eq!((kind as u32, CoreKind::new(number)), (number, Some(kind)));
        }
        assert_eq!(CoreKind::new(13), None);
        assert_eq!(CoreKind::new(u32::MAX), None);
    }
}
