//! What lies at an offset of a type: a number, a pointer, or a structure inside.
//!
//! Kernel: `btf_struct_walk` and `btf_struct_ids_match` of `kernel/bpf/btf.c`.

use crate::btf_ref::BtfRef;
use crate::record::Record;
use crate::reg::flag;
use crate::verifier::Verifier;
use skep_abi::Errno;
use skep_btf::{Body, Btf, Kind, Member, Type, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;

/// Modifiers and arrays that are followed. Kernel: `MAX_RESOLVE_DEPTH`.
const MAX_DEPTH: u32 = 32;

/// What a load gets from an object. Kernel: the result of `btf_struct_access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A number.
    Number,
    /// A pointer to an object of this type.
    Pointer(TypeId),
    /// A pointer to something else, which may only be read.
    Memory,
}

/// One step into a type. Kernel: `enum bpf_struct_walk_result`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Number,
    Pointer { to: TypeId, field: &'a str },
    Memory,
    Struct(TypeId),
}

/// An access that the type does not allow.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) errno: Errno,
    pub(super) kernel: String,
}

/// Types of the kernel by name, each looked up once.
#[derive(Debug, Default)]
pub(crate) struct TypeNames(RefCell<HashMap<String, Option<TypeId>>>);

impl<'a> Verifier<'a> {
    /// The types.
    pub(crate) fn btf_of(&self, btf: BtfRef) -> Option<&'a Btf> {
        match btf {
            BtfRef::Kernel => self.vmlinux,
            BtfRef::Prog => self.btf,
        }
    }

    /// Name of a type.
    pub(crate) fn type_name(&self, btf: BtfRef, id: TypeId) -> &'a str {
        self.btf_of(btf).and_then(|btf| btf.get(id)).map_or("", |ty| ty.name)
    }

    /// A structure of the kernel by its name.
    pub(crate) fn kernel_struct(&self, name: &str) -> Option<TypeId> {
        if let Some(known) = self.mem.names.0.borrow().get(name) {
            return *known;
        }
        let found = self.vmlinux.and_then(|btf| btf.find(name, Kind::Struct)).map(|ty| ty.id);
        self.mem.names.0.borrow_mut().insert(name.into(), found);
        found
    }

    /// Fields with a meaning of a structure of the program. Kernel: `btf_find_struct_meta`.
    pub(crate) fn struct_record(&self, (btf, id): (BtfRef, TypeId)) -> Option<&Record> {
        match btf {
            BtfRef::Kernel => None,
            BtfRef::Prog => self.mem.metas.get(id),
        }
    }

    /// Whether an object of one type has one of another at the offset.
    /// Kernel: `btf_struct_ids_match`.
    pub(crate) fn btf_struct_ids_match(
        &self,
        (btf, id): (BtfRef, TypeId),
        off: i32,
        want: (BtfRef, TypeId),
        strict: bool,
        walk_flex_arrays: bool,
    ) -> bool {
        if off == 0 && self.types_are_same((btf, id), want) {
            return true;
        }
        if strict {
            return false;
        }
        let Some(types) = self.btf_of(btf) else { return false };
        let (mut id, mut off, mut flags) = (id, off, 0);
        // Each step goes into a smaller structure.
        while let Ok(Step::Struct(inner)) = walk(types, id, off, 1, &mut flags, walk_flex_arrays) {
            if self.types_are_same((btf, inner), want) {
                return true;
            }
            (id, off) = (inner, 0);
        }
        false
    }

    /// Kernel: `btf_types_are_same`.
    fn types_are_same(&self, a: (BtfRef, TypeId), b: (BtfRef, TypeId)) -> bool {
        a == b
    }
}

/// One step to `size` bytes at `off` of a type; adds to `flags` what the way there says of pointers.
/// Kernel: `btf_struct_walk`.
pub(super) fn walk<'a>(
    btf: &'a Btf,
    id: TypeId,
    off: i32,
    size: i32,
    flags: &mut u32,
    walk_flex_arrays: bool,
) -> Result<Step<'a>, Misfit> {
    let (mut id, mut off) = (id, off);
    loop {
        let ty = btf.resolve(id).unwrap_or_else(|| void(btf));
        let (total, members) = match ty.body {
            Body::Struct { size, members } => (size, members),
            Body::Union { size, members } => {
                if members.len() != 1 {
                    *flags |= flag::UNTRUSTED;
                }
                (size, members)
            }
            _ => {
                return misfit(Errno::EINVAL, format!("Type '{}' is not a struct", shown(ty.name)));
            }
        };
        if i64::from(off) + i64::from(size) > i64::from(total) {
            let last = members.len().checked_sub(1).and_then(|last| members.get(last));
            match last.filter(|_| walk_flex_arrays).and_then(|last| flexible(btf, &last, off)) {
                Some(Flexible::Numbers) => return Ok(Step::Number),
                Some(Flexible::Structs { elem, size, at }) => {
                    off = (off - at) % size;
                    id = elem;
                    continue;
                }
                None => {
                    return misfit(
                        Errno::EACCES,
                        format!("access beyond struct {} at off {off} size {size}", shown(ty.name)),
                    );
                }
            }
        }
        match find_member(btf, shown(ty.name), members.iter(), off, size, flags)? {
            Reached::Step(step) => return Ok(step),
            Reached::Inside(inner, rest) => (id, off) = (inner, rest),
        }
    }
}

/// A name as messages about members show it, where types may have none. Kernel: `__btf_name_by_offset`.
const fn shown(name: &str) -> &str {
    if name.is_empty() { "(anon)" } else { name }
}

/// The type without values.
fn void(btf: &Btf) -> Type<'_> {
    btf.get(TypeId::VOID).expect("bug: void is a type")
}

/// What an array without length at the end of a structure holds.
enum Flexible {
    Numbers,
    Structs { elem: TypeId, size: i32, at: i32 },
}

fn flexible(btf: &Btf, last: &Member<'_>, off: i32) -> Option<Flexible> {
    let Body::Array { elem, len: 0, .. } = btf.resolve(last.ty)?.body else { return None };
    let at = i32::try_from(last.bit_off / 8).ok()?;
    if off < at {
        return None;
    }
    let elem = btf.resolve(elem)?;
    match elem.body {
        Body::Int(_) => Some(Flexible::Numbers),
        Body::Struct { size, .. } | Body::Union { size, .. } if size != 0 => {
            Some(Flexible::Structs { elem: elem.id, size: i32::try_from(size).ok()?, at })
        }
        _ => None,
    }
}

/// A result, or a structure inside to go on in.
enum Reached<'a> {
    Step(Step<'a>),
    Inside(TypeId, i32),
}

fn find_member<'a>(
    btf: &'a Btf,
    name: &str,
    members: impl Iterator<Item = Member<'a>>,
    off: i32,
    size: i32,
    flags: &mut u32,
) -> Result<Reached<'a>, Misfit> {
    let (from, to) = (i64::from(off), i64::from(off) + i64::from(size));
    for member in members {
        let at = i64::from(member.bit_off / 8);
        if to <= at {
            break;
        }
        if let Some(bits) = member.bitfield {
            let end = (i64::from(member.bit_off) + i64::from(bits)).div_euclid(8)
                + i64::from((i64::from(member.bit_off) + i64::from(bits)) % 8 != 0);
            if from <= at && end <= to {
                return Ok(Reached::Step(Step::Number));
            }
            continue;
        }
        if from < at {
            break;
        }
        let Some(whole) = linear(btf, member.ty) else {
            return misfit(
                Errno::EFAULT,
                format!("field {} doesn't have size", shown(member.name)),
            );
        };
        let true_end = at + i64::from(whole.size);
        if from >= true_end {
            continue;
        }
        let place = Place { struct_name: name, member, at, true_end, off, size };
        return place.look(btf, &whole, flags);
    }
    misfit(Errno::EINVAL, format!("struct {name} doesn't have field at offset {off}"))
}

/// A member that holds the first byte of the access.
struct Place<'a, 's> {
    struct_name: &'s str,
    member: Member<'a>,
    at: i64,
    true_end: i64,
    off: i32,
    size: i32,
}

impl<'a> Place<'a, '_> {
    fn look(
        self,
        btf: &'a Btf,
        whole: &Linear<'a>,
        flags: &mut u32,
    ) -> Result<Reached<'a>, Misfit> {
        let from = i64::from(self.off);
        // An array is as many members as it has elements.
        let size = i64::from(whole.size / whole.count.max(1));
        let at = match whole.is_array && size != 0 {
            true => self.at + (from - self.at) / size * size,
            false => self.at,
        };
        match whole.elem.body {
            Body::Struct { .. } | Body::Union { .. } if from == at => {
                return Ok(Reached::Step(Step::Struct(whole.elem_id)));
            }
            Body::Struct { .. } | Body::Union { .. } => {
                let rest = i32::try_from(from - at).unwrap_or(i32::MAX);
                return Ok(Reached::Inside(whole.elem_id, rest));
            }
            Body::Ptr(to) => return self.pointer(btf, to, at, size, flags),
            _ => {}
        }
        let end = from + i64::from(self.size);
        if end > self.true_end && *flags & flag::UNTRUSTED == 0 {
            return misfit(
                Errno::EACCES,
                format!(
                    "access beyond the end of member {} (mend:{}) in struct {} with off {} size {}",
                    shown(self.member.name),
                    self.true_end,
                    self.struct_name,
                    self.off,
                    self.size
                ),
            );
        }
        Ok(Reached::Step(Step::Number))
    }

    fn pointer(
        self,
        btf: &'a Btf,
        to: TypeId,
        at: i64,
        size: i64,
        flags: &mut u32,
    ) -> Result<Reached<'a>, Misfit> {
        if size != i64::from(self.size) || i64::from(self.off) != at {
            return misfit(
                Errno::EACCES,
                format!(
                    "cannot access ptr member {} with moff {at} in struct {} with off {} size {}",
                    shown(self.member.name),
                    self.struct_name,
                    self.off,
                    self.size
                ),
            );
        }
        const TAGS: [(&str, u32); 3] =
            [("user", flag::USER), ("percpu", flag::PERCPU), ("rcu", flag::RCU)];
        let Some((tags, target)) = tags_of(btf, to, &TAGS) else {
            return misfit(Errno::EINVAL, "type 'PTR' has multiple type tags".into());
        };
        match target.body {
            Body::Struct { .. } | Body::Union { .. } => {
                *flags |= tags;
                let field = self.member.name;
                Ok(Reached::Step(Step::Pointer { to: target.id, field }))
            }
            _ => Ok(Reached::Step(Step::Memory)),
        }
    }
}

/// The type behind tags and qualifiers, with the flag of the tag; `None` if there are several.
/// Kernel: `btf_type_tag_walk`.
pub(super) fn tags_of<'a>(
    btf: &'a Btf,
    to: TypeId,
    tags: &[(&str, u32)],
) -> Option<(u32, Type<'a>)> {
    let (mut id, mut found) = (to, 0_u32);
    loop {
        let ty = btf.get(id).unwrap_or_else(|| void(btf));
        let Some(next) = ty.body.alias_of() else {
            return (found.count_ones() <= 1).then_some((found, ty));
        };
        if let Body::TypeTag(_) = ty.body {
            found |= tags.iter().find(|(name, _)| *name == ty.name).map_or(0, |(_, flag)| *flag);
        }
        id = next;
    }
}

/// A type with arrays of arrays as one. Kernel: `__btf_resolve_size`.
struct Linear<'a> {
    is_array: bool,
    elem: Type<'a>,
    /// As the type spells it.
    elem_id: TypeId,
    count: u32,
    /// Bytes of all elements.
    size: u32,
}

fn linear(btf: &Btf, id: TypeId) -> Option<Linear<'_>> {
    let (mut at, mut count, mut is_array, mut elem_id) = (id, 1_u32, false, id);
    for _ in 0..MAX_DEPTH {
        let ty = btf.get(at)?;
        match ty.body {
            Body::Array { elem, len, .. } => {
                count = count.checked_mul(len)?;
                (is_array, elem_id, at) = (true, elem, elem);
            }
            _ => match ty.body.alias_of() {
                Some(next) => at = next,
                None => {
                    let one = match ty.body {
                        Body::Int(int) => int.size,
                        Body::Ptr(_) => 8,
                        Body::Struct { size, .. }
                        | Body::Union { size, .. }
                        | Body::Enum { size, .. }
                        | Body::Enum64 { size, .. }
                        | Body::Float { size } => size,
                        _ => return None,
                    };
                    let size = count.checked_mul(one)?;
                    let elem_id = if is_array { elem_id } else { ty.id };
                    return Some(Linear { is_array, elem: ty, elem_id, count, size });
                }
            },
        }
    }
    None
}

fn misfit<T>(errno: Errno, kernel: String) -> Result<T, Misfit> {
    Err(Misfit { errno, kernel })
}
