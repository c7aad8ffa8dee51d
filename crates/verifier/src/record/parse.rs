//! Finding the fields of a type.

use super::fault::{Fault, member_of, name_of, place_of};
use super::{Field, FieldKind, Graph, Kinds, Record};
use crate::btf_ref::BtfRef;
use skep_abi::Errno;
use skep_btf::{Body, Btf, Kind, Member, Type, TypeId};

/// Fields that a type may have. Kernel: `BTF_FIELDS_MAX`.
const MAX_FIELDS: usize = 11;
/// Structures inside each other. Kernel: `MAX_RESOLVE_DEPTH`.
const MAX_DEPTH: u32 = 32;

/// Structures known by their name, and whether a value has one at most.
const BY_NAME: [(FieldKind, bool); 10] = [
    (FieldKind::SpinLock, true),
    (FieldKind::ResSpinLock, true),
    (FieldKind::Timer, true),
    (FieldKind::Workqueue, true),
    (FieldKind::TaskWork, true),
    (FieldKind::ListHead, false),
    (FieldKind::ListNode, false),
    (FieldKind::RbRoot, false),
    (FieldKind::RbNode, false),
    (FieldKind::Refcount, true),
];

/// Tags of pointers.
const BY_TAG: [(&str, FieldKind); 4] = [
    ("kptr_untrusted", FieldKind::KptrUnref),
    ("kptr", FieldKind::KptrRef),
    ("percpu_kptr", FieldKind::KptrPercpu),
    ("uptr", FieldKind::Uptr),
];

/// Objects of the kernel that a map can release. Kernel: what `register_btf_id_dtor_kfuncs` got.
const RELEASED: [&str; 6] = [
    "bpf_cpumask",
    "bpf_crypto_ctx",
    "task_struct",
    "cgroup",
    "prog_test_ref_kfunc",
    "prog_test_member",
];

/// A field before what it refers to was looked up.
#[derive(Clone)]
struct Found<'a> {
    kind: FieldKind,
    off: u32,
    /// Type behind a pointer, or held by a list or tree.
    ty: TypeId,
    /// Member of that type that is the node.
    node: &'a str,
}

/// Where a type or variable hangs, for tags on it.
#[derive(Clone, Copy)]
struct Holder {
    ty: TypeId,
    component: Option<u32>,
}

struct Parser<'a> {
    btf: &'a Btf,
    kernel: Option<&'a Btf>,
    kinds: Kinds,
    seen: Kinds,
}

impl Record {
    /// The fields of a type of the program. Kernel: `btf_parse_fields`.
    ///
    /// # Errors
    /// What the kernel answers when the map is made or the types are loaded.
    pub(crate) fn parse(
        btf: &Btf,
        ty: TypeId,
        kinds: Kinds,
        size: u32,
        kernel: Option<&Btf>,
    ) -> Result<Self, Fault> {
        let mut parser = Parser { btf, kernel, kinds, seen: Kinds::default() };
        let ty = btf.resolve(ty).ok_or_else(|| Fault::malformed(Errno::EINVAL))?;
        let found = parser.fields_of(&ty)?;
        let mut fields = Vec::new();
        let mut next = 0;
        for found in &found {
            let end = found.off.saturating_add(found.kind.size());
            let at = || place_of(btf, &ty, found.off);
            if end > size {
                let what = format!("reaches beyond the {size} bytes of {}", name_of(&ty));
                return Err(Fault::new(Errno::EFAULT, what, "").at(at));
            }
            if found.off < next {
                return Err(Fault::new(Errno::EEXIST, "overlaps what is before it", "").at(at));
            }
            next = end;
            fields.push(parser.field(found).map_err(|fault| fault.at(at))?);
        }
        fields.sort_by_key(|field| field.offset);
        let record = Self { fields };
        record.check_together(btf, &ty)?;
        Ok(record)
    }
}

impl<'a> Parser<'a> {
    /// Kernel: `btf_find_field`.
    fn fields_of(&mut self, of: &Type<'a>) -> Result<Vec<Found<'a>>, Fault> {
        match of.body {
            Body::Struct { members, .. } | Body::Union { members, .. } => {
                self.members(of.id, members.iter(), MAX_FIELDS, 0)
            }
            Body::Datasec { vars, .. } => {
                let mut all = Vec::new();
                for var in vars.iter() {
                    let Some(Body::Var { ty, .. }) = self.btf.get(var.var).map(|var| var.body)
                    else {
                        continue;
                    };
                    let holder = Holder { ty: var.var, component: None };
                    let room = MAX_FIELDS - all.len();
                    let found = self.one(holder, ty, var.off, Some(var.size), room, 0);
                    let at = || place_of(self.btf, of, var.off);
                    all.extend(found.map_err(|fault| fault.at(at))?);
                }
                Ok(all)
            }
            // The kernel answers EINVAL, which it takes for no fields where none are needed.
            _ => Ok(Vec::new()),
        }
    }

    fn members(
        &mut self,
        of: TypeId,
        members: impl Iterator<Item = Member<'a>>,
        room: usize,
        depth: u32,
    ) -> Result<Vec<Found<'a>>, Fault> {
        let mut all = Vec::new();
        for (at, member) in members.enumerate() {
            // A bitfield that begins inside a byte ends the search, in the kernel too.
            let name = || member_of(self.btf, of, member.name);
            if !member.bit_off.is_multiple_of(8) {
                let what = "is a bit field that begins inside a byte, beside fields with a meaning";
                let remedy = "put such bit fields into a structure of another map or object";
                return Err(Fault::new(Errno::EINVAL, what, remedy).at(name));
            }
            let component = u32::try_from(at).ok();
            let holder = Holder { ty: of, component };
            let left = room - all.len();
            let found = self.one(holder, member.ty, member.bit_off / 8, None, left, depth);
            let name = || member_of(self.btf, of, member.name);
            all.extend(found.map_err(|fault| fault.at(name))?);
        }
        Ok(all)
    }

    /// Kernel: `btf_find_field_one`.
    fn one(
        &mut self,
        holder: Holder,
        ty: TypeId,
        off: u32,
        expected: Option<u32>,
        room: usize,
        depth: u32,
    ) -> Result<Vec<Found<'a>>, Fault> {
        let (mut id, mut count, mut arrays) = (ty, 1_u32, 0);
        while let Some(Body::Array { elem, len, .. }) = self.btf.get(id).map(|ty| ty.body) {
            count = count.wrapping_mul(len);
            id = elem;
            arrays += 1;
            if arrays == MAX_DEPTH {
                return Err(Fault::new(Errno::E2BIG, "is an array of too many dimensions", ""));
            }
        }
        let Some(ty) = self.btf.get(id).filter(|_| count != 0) else { return Ok(Vec::new()) };
        let Some(kind) = self.kind_of(&ty)? else {
            return self.nested(&ty, off, (count, expected), room, depth);
        };
        let size = kind.size();
        if expected.is_some_and(|expected| expected != size.wrapping_mul(count))
            || !off.is_multiple_of(kind.align())
        {
            return Ok(Vec::new());
        }
        let found = match kind {
            FieldKind::KptrRef => self.pointer(&ty, off)?,
            FieldKind::ListHead | FieldKind::RbRoot => self.graph(kind, &ty, holder, off)?,
            _ => self.structure(kind, &ty, off),
        };
        let Some(found) = found else { return Ok(Vec::new()) };
        if room == 0 {
            return Err(too_many());
        }
        let size = found.kind.size();
        repeat(vec![found], count, size, room)
    }

    /// Fields of a structure inside. Kernel: `btf_find_nested_struct`.
    fn nested(
        &mut self,
        ty: &Type<'a>,
        off: u32,
        (count, expected): (u32, Option<u32>),
        room: usize,
        depth: u32,
    ) -> Result<Vec<Found<'a>>, Fault> {
        let (Body::Struct { size, members } | Body::Union { size, members }) = ty.body else {
            return Ok(Vec::new());
        };
        if expected.is_some_and(|expected| expected != size.wrapping_mul(count)) {
            return Ok(Vec::new());
        }
        if depth + 1 >= MAX_DEPTH {
            return Err(Fault::new(Errno::E2BIG, "is a structure inside of too many others", ""));
        }
        let mut found = self.members(ty.id, members.iter(), room, depth + 1)?;
        if found.is_empty() {
            return Ok(found);
        }
        for field in &mut found {
            field.off = field.off.wrapping_add(off);
        }
        repeat(found, count, size, room)
    }

    /// What a type of this name would be; a pointer until its tags are read.
    /// Kernel: `btf_get_field_type`.
    fn kind_of(&mut self, ty: &Type<'a>) -> Result<Option<FieldKind>, Fault> {
        for (kind, unique) in BY_NAME {
            if !self.kinds.has(kind) || ty.name != kind.name() {
                continue;
            }
            if unique && self.seen.has(kind) {
                let what = format!("is another {}, of which there may be one", kind.name());
                return Err(Fault::new(Errno::E2BIG, what, "keep one of them"));
            }
            self.seen = self.seen.or(kind.into());
            return Ok(Some(kind));
        }
        let structure = matches!(ty.body, Body::Struct { .. } | Body::Union { .. });
        let pointers = BY_TAG.iter().any(|(_, kind)| self.kinds.has(*kind));
        Ok((pointers && !structure).then_some(FieldKind::KptrRef))
    }

    fn structure(&self, kind: FieldKind, ty: &Type<'a>, off: u32) -> Option<Found<'a>> {
        match ty.body {
            Body::Struct { size, .. } | Body::Union { size, .. } if size == kind.size() => {
                Some(Found { kind, off, ty: TypeId::VOID, node: "" })
            }
            _ => None,
        }
    }

    /// Kernel: `btf_find_kptr`.
    fn pointer(&self, ty: &Type<'a>, off: u32) -> Result<Option<Found<'a>>, Fault> {
        let Some((kind, to)) = pointer_tag(self.btf, ty)? else { return Ok(None) };
        if !self.kinds.has(kind) {
            return Ok(None);
        }
        match self.btf.get(to).map(|to| to.body) {
            Some(Body::Struct { .. } | Body::Union { .. }) => {
                Ok(Some(Found { kind, off, ty: to, node: "" }))
            }
            _ => {
                let what = format!("is a {} to what is no structure", kind.name());
                Err(Fault::new(Errno::EINVAL, what, ""))
            }
        }
    }

    /// Kernel: `btf_find_graph_root`.
    fn graph(
        &self,
        kind: FieldKind,
        ty: &Type<'a>,
        holder: Holder,
        off: u32,
    ) -> Result<Option<Found<'a>>, Fault> {
        if self.structure(kind, ty, off).is_none() {
            return Ok(None);
        }
        let mut tags = self.btf.types().filter_map(|tag| match tag.body {
            Body::DeclTag { ty, component } if ty == holder.ty && component == holder.component => {
                tag.name.strip_prefix("contains:")
            }
            _ => None,
        });
        let untold = |how: &str| {
            let what = format!("is a {} that says {how} what it holds", kind.name());
            let remedy =
                "`__contains(TYPE, NODE)` behind it names the type of the objects and their node";
            Fault::new(Errno::EINVAL, what, remedy)
        };
        let contains = tags.next().ok_or_else(|| untold("not"))?;
        if tags.next().is_some() {
            return Err(untold("twice"));
        }
        let named = contains.split_once(':').filter(|(_, node)| !node.is_empty());
        let (name, node) = named.ok_or_else(|| untold("not in full"))?;
        let value = self.btf.find(name, Kind::Struct).ok_or_else(|| {
            let what = format!("is to hold objects of `struct {name}`, which is not defined");
            Fault::new(Errno::ENOENT, what, "")
        })?;
        Ok(Some(Found { kind, off, ty: value.id, node }))
    }

    /// What a field refers to. Kernel: the second half of `btf_parse_fields`.
    fn field(&self, found: &Found<'a>) -> Result<Field, Fault> {
        let (mut kptr, mut graph) = (None, None);
        if Kinds::POINTER.has(found.kind) {
            kptr = Some(self.pointee(found)?);
        }
        if Kinds::GRAPH_ROOT.has(found.kind) {
            graph = Some(self.node(found)?);
        }
        let (kind, offset) = (found.kind, found.off);
        Ok(Field { kind, offset, size: kind.size(), kptr, graph })
    }

    /// The kernel's type of that name, or the program's own. Kernel: `btf_parse_kptr`.
    fn pointee(&self, found: &Found<'a>) -> Result<(BtfRef, TypeId), Fault> {
        let ty = self.btf.get(found.ty).ok_or_else(|| Fault::malformed(Errno::EINVAL))?;
        let Some(kernel) = self.kernel.and_then(|btf| btf.find(ty.name, ty.kind())) else {
            return Ok((BtfRef::Prog, found.ty));
        };
        if found.kind == FieldKind::KptrRef && !RELEASED.contains(&ty.name) {
            let what = format!("points to {}, which a map cannot release", name_of(&ty));
            let remedy =
                "objects of the kernel need a destructor that it knows; see `skep explain kptr`";
            return Err(Fault::new(Errno::ENOENT, what, remedy));
        }
        Ok((BtfRef::Kernel, kernel.id))
    }

    /// Kernel: `btf_parse_graph_root`.
    fn node(&self, found: &Found<'a>) -> Result<Graph, Fault> {
        let wanted = match found.kind {
            FieldKind::ListHead => FieldKind::ListNode,
            _ => FieldKind::RbNode,
        };
        let value = self.btf.get(found.ty).ok_or_else(|| Fault::malformed(Errno::EINVAL))?;
        let Body::Struct { members, .. } = value.body else {
            return Err(Fault::malformed(Errno::EINVAL));
        };
        let wrong = |errno, how: &str| {
            let what = format!("names the node `{}`, {how} {}", found.node, name_of(&value));
            Fault::new(errno, what, "")
        };
        let mut named = members.iter().filter(|member| member.name == found.node);
        let absent = || wrong(Errno::ENOENT, "which is no member of");
        let member = named.next().ok_or_else(absent)?;
        if named.next().is_some() {
            return Err(wrong(Errno::EINVAL, "which is twice in"));
        }
        let ty = self.btf.get(member.ty).ok_or_else(|| Fault::malformed(Errno::EINVAL))?;
        let structure = matches!(ty.body, Body::Struct { .. } | Body::Union { .. });
        let aligned = member.bit_off.is_multiple_of(wanted.align() * 8);
        if !structure || ty.name != wanted.name() || !aligned {
            let how = format!("which is no aligned {} of", wanted.name());
            return Err(wrong(Errno::EINVAL, &how));
        }
        Ok(Graph { value: found.ty, node_offset: member.bit_off / 8 })
    }
}

/// The kind that the tags of a pointer name and the type behind them; `None` if none does.
/// Kernel: `btf_type_tag_walk` for pointers in values.
pub(super) fn pointer_tag<'a>(
    btf: &'a Btf,
    ty: &Type<'a>,
) -> Result<Option<(FieldKind, TypeId)>, Fault> {
    let behind = match ty.body {
        Body::Volatile(to) => btf.get(to).map(|to| to.body),
        body => Some(body),
    };
    let Some(Body::Ptr(mut id)) = behind else { return Ok(None) };
    let mut kind = None;
    while let Some(ty) = btf.get(id) {
        let Some(next) = ty.body.alias_of() else { break };
        if let Body::TypeTag(_) = ty.body
            && let Some((_, found)) = BY_TAG.iter().find(|(name, _)| *name == ty.name)
        {
            if kind.is_some_and(|kind| kind != *found) {
                return Err(Fault::new(
                    Errno::EINVAL,
                    "is a pointer with two tags",
                    "keep one of them",
                ));
            }
            kind = Some(*found);
        }
        id = next;
    }
    Ok(kind.map(|kind| (kind, id)))
}

/// The fields of each element of an array. Kernel: `btf_repeat_fields`.
fn repeat<'a>(
    one: Vec<Found<'a>>,
    count: u32,
    size: u32,
    room: usize,
) -> Result<Vec<Found<'a>>, Fault> {
    if count <= 1 {
        return Ok(one);
    }
    if one.iter().any(|field| !Kinds::POINTER.or(Kinds::GRAPH_ROOT).has(field.kind)) {
        let what = "is an array of what may be there once alone";
        return Err(Fault::new(Errno::EINVAL, what, ""));
    }
    if (one.len() as u64) * u64::from(count) > room as u64 {
        return Err(too_many());
    }
    let shifted = |nth: u32| {
        one.iter().map(move |field| Found {
            off: field.off.wrapping_add(nth.wrapping_mul(size)),
            ..field.clone()
        })
    };
    Ok((0..count).flat_map(shifted).collect())
}

fn too_many() -> Fault {
    let what = format!("makes more than {MAX_FIELDS} fields with a meaning");
    Fault::new(Errno::E2BIG, what, "")
}
