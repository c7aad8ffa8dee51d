//! The values that are asked for.

use super::kind::Subject;
use super::spec::Spec;
use super::{Access, CoreKind, Fixup};
use crate::{Body, Btf, ByteOrder, Member, TypeId};

/// What a relocation comes to in one set of types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub(super) value: u64,
    pub(super) checked: bool,
    /// Size and type of a field that is accessed as a whole.
    field: Option<(u32, TypeId)>,
}

/// Where a member lies, in units that can be loaded.
struct Load {
    bit_off: u64,
    bits: u64,
    byte_off: u64,
    bytes: u64,
}

/// Of libbpf: `bpf_core_calc_relo` for a candidate that matches.
pub(super) fn fixup(local: &Btf, old: &Values, target: &Btf, new: &Values) -> Fixup {
    let size = |values: &Values| values.field.map_or(0, |(size, _)| size);
    let (old_size, new_size) = (size(old), size(new));
    let resizable = old_size == new_size || {
        let classes = [(local, old), (target, new)].map(|(btf, values)| zero_extended(btf, values));
        classes[0].is_some() && classes[0] == classes[1]
    };
    let access = Access { old: old_size, new: new_size, resizable };
    Fixup { old: old.value, new: Ok(new.value), checked: old.checked, access }
}

/// Types whose values stay the same when they are loaded with another width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ZeroExtended {
    Pointer,
    Unsigned,
}

fn zero_extended(btf: &Btf, values: &Values) -> Option<ZeroExtended> {
    let (_, ty) = values.field?;
    match btf.get(ty)?.body {
        Body::Ptr(_) => Some(ZeroExtended::Pointer),
        Body::Int(int) if !int.signed => Some(ZeroExtended::Unsigned),
        _ => None,
    }
}

/// `None` when there is no such value. Of libbpf: the `bpf_core_calc_…_relo` functions.
pub(super) fn values(spec: &Spec<'_>) -> Option<Values> {
    match spec.kind.subject() {
        Subject::Field => field(spec),
        Subject::Type => {
            let value = match spec.kind {
                CoreKind::TypeIdTarget => spec.root.0.into(),
                CoreKind::TypeSize => spec.btf.size_with(spec.root, spec.pointer)?.into(),
                _ => 1,
            };
            // Ids change when objects are linked.
            Some(Values { value, checked: spec.kind != CoreKind::TypeIdTarget, field: None })
        }
        Subject::Enumval => {
            let value = match spec.kind {
                CoreKind::EnumvalExists => 1,
                _ => enumerator(spec)?,
            };
            Some(Values { value, checked: true, field: None })
        }
    }
}

/// Of libbpf: `bpf_core_calc_field_relo`.
fn field(spec: &Spec<'_>) -> Option<Values> {
    if spec.kind == CoreKind::FieldExists {
        return Some(Values { value: 1, checked: true, field: None });
    }
    let step = spec.steps.last()?;
    if step.name.is_none() {
        return elem(spec, step.ty);
    }
    let member = member(spec.btf, step.ty, step.index)?;
    let ty = spec.btf.resolve(member.ty)?;
    let load = Load::new(spec, member)?;
    let whole = member.bitfield.is_none();
    let value = match spec.kind {
        CoreKind::FieldByteOffset => load.byte_off,
        CoreKind::FieldByteSize => load.bytes,
        CoreKind::FieldSigned => u64::from(match ty.body {
            Body::Enum { signed, .. } | Body::Enum64 { signed, .. } => signed,
            Body::Int(int) => int.signed,
            _ => false,
        }),
        CoreKind::FieldLshiftU64 => load.left_shift(spec.btf.order()),
        CoreKind::FieldRshiftU64 => 64_u64.wrapping_sub(load.bits),
        _ => return None,
    };
    // Compilers choose among the loads that contain a bitfield.
    let certain = matches!(spec.kind, CoreKind::FieldSigned | CoreKind::FieldRshiftU64);
    let field = (whole && spec.kind == CoreKind::FieldByteOffset)
        .then_some((u32::try_from(load.bytes).ok()?, ty.id));
    Some(Values { value, checked: whole || certain, field })
}

/// An array's element, or what the pointer leads to.
fn elem(spec: &Spec<'_>, ty: TypeId) -> Option<Values> {
    let size = spec.btf.size_with(ty, spec.pointer)?;
    let (value, field) = match spec.kind {
        CoreKind::FieldByteOffset => (spec.bit_off / 8, Some((size, ty))),
        CoreKind::FieldByteSize => (size.into(), None),
        _ => return None,
    };
    Some(Values { value, checked: true, field })
}

impl Load {
    fn new(spec: &Spec<'_>, member: Member<'_>) -> Option<Self> {
        let bit_off = spec.bit_off;
        let size = u64::from(spec.btf.size_with(member.ty, spec.pointer)?);
        let Some(width) = member.bitfield else {
            let bits = size.checked_mul(8)?;
            return Some(Self { bit_off, bits, byte_off: bit_off / 8, bytes: size });
        };
        let bits = u64::from(width);
        let end = bit_off.checked_add(bits)?;
        // The narrowest aligned load, not narrower than the type, that has all bits.
        let mut bytes = size;
        loop {
            let byte_off = (bit_off / 8).checked_div(bytes)?.checked_mul(bytes)?;
            if end <= byte_off.checked_add(bytes)?.checked_mul(8)? {
                return Some(Self { bit_off, bits, byte_off, bytes });
            }
            bytes = bytes.checked_mul(2).filter(|&bytes| bytes <= 8)?;
        }
    }

    /// How far to shift left what was loaded so that the field's first bit gets to the top.
    fn left_shift(&self, order: ByteOrder) -> u64 {
        let before = self.bit_off.wrapping_sub(self.byte_off.wrapping_mul(8));
        match order {
            ByteOrder::Little => 64_u64.wrapping_sub(before.wrapping_add(self.bits)),
            ByteOrder::Big => 8_u64.wrapping_sub(self.bytes).wrapping_mul(8).wrapping_add(before),
        }
    }
}

fn member(btf: &Btf, ty: TypeId, index: u32) -> Option<Member<'_>> {
    let index = usize::try_from(index).ok()?;
    match btf.get(ty)?.body {
        Body::Struct { members, .. } | Body::Union { members, .. } => members.get(index),
        _ => None,
    }
}

/// The number of an enumerator. Of 32-bit ones the sign is extended, whatever the type says: libbpf
/// does, and so instructions are equal.
fn enumerator(spec: &Spec<'_>) -> Option<u64> {
    let step = spec.steps.first()?;
    let index = usize::try_from(step.index).ok()?;
    let value = match spec.btf.get(step.ty)?.body {
        Body::Enum { variants, .. } => {
            let low = variants.get(index)?.value & i128::from(u32::MAX);
            i128::from(u32::try_from(low).ok()?.cast_signed())
        }
        Body::Enum64 { variants, .. } => variants.get(index)?.value,
        _ => return None,
    };
    let low = value & i128::from(u64::MAX);
    u64::try_from(low).ok()
}
