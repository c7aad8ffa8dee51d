//! What is wrong with a type that has fields with a meaning.

use super::{FieldKind, Kinds, Record};
use skep_abi::Errno;
use skep_btf::{Body, Btf, Kind, Type, TypeId};

/// Why a type is refused. The kernel answers with a number alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What the kernel answers.
    pub(crate) errno: Errno,
    /// What is at fault, as the source names it; empty until it is known.
    at: String,
    /// What is wrong with it.
    what: String,
    /// What would do; may be empty.
    pub(crate) remedy: &'static str,
}

impl Fault {
    pub(super) fn new(errno: Errno, what: impl Into<String>, remedy: &'static str) -> Self {
        Self { errno, at: String::new(), what: what.into(), remedy }
    }

    /// What the kernel's own sources take for impossible.
    pub(super) fn malformed(errno: Errno) -> Self {
        Self::new(errno, "is of a type that the object's types do not have", "")
    }

    /// With the place, if none nearer is known.
    pub(super) fn at(mut self, at: impl FnOnce() -> String) -> Self {
        if self.at.is_empty() {
            self.at = at();
        }
        self
    }

    /// In a clause.
    pub(crate) fn text(&self) -> String {
        match &*self.at {
            "" => self.what.clone(),
            at => format!("{at} {}", self.what),
        }
    }
}

/// A type as the source names it.
pub(super) fn name_of(ty: &Type<'_>) -> String {
    let word = match ty.kind() {
        Kind::Struct => "struct ",
        Kind::Union => "union ",
        _ => "",
    };
    match ty.name {
        "" => format!("an anonymous {}", if word.is_empty() { "type" } else { word.trim_end() }),
        name => format!("`{word}{name}`"),
    }
}

/// A member as the source names it.
pub(super) fn member_of(btf: &Btf, holder: TypeId, name: &str) -> String {
    let holder = btf.get(holder).map_or_else(|| "a structure".into(), |ty| name_of(&ty));
    match name {
        "" => format!("an anonymous member of {holder}"),
        name => format!("the member `{name}` of {holder}"),
    }
}

/// The member or variable of a type at an offset, as the source names it.
pub(super) fn place_of(btf: &Btf, ty: &Type<'_>, off: u32) -> String {
    match ty.body {
        Body::Struct { members, .. } | Body::Union { members, .. } => {
            let before = members.iter().filter(|member| member.bit_off / 8 <= off);
            let member = before.max_by_key(|member| member.bit_off);
            member_of(btf, ty.id, member.map_or("", |member| member.name))
        }
        Body::Datasec { vars, .. } => {
            let var = vars.iter().filter(|var| var.off <= off).max_by_key(|var| var.off);
            let name = var.and_then(|var| btf.get(var.var)).map_or("", |var| var.name);
            format!("the variable `{name}`")
        }
        _ => name_of(ty),
    }
}

impl Record {
    /// Fields that must not be, or must be, beside each other. Kernel: the end of `btf_parse_fields`.
    pub(super) fn check_together(&self, btf: &Btf, ty: &Type<'_>) -> Result<(), Fault> {
        let first = |kinds: Kinds| {
            let field = self.fields.iter().find(|field| kinds.has(field.kind));
            field.map(|field| {
                let place = place_of(btf, ty, field.offset);
                let name = place.split('`').nth(1).unwrap_or_default().to_owned();
                format!("{} (`{name}`)", field.kind.name())
            })
        };
        let both = |a: FieldKind, b: FieldKind| Some((first(a.into())?, first(b.into())?));
        let refuse =
            |what: String, remedy| Err(Fault::new(Errno::EINVAL, what, remedy).at(|| name_of(ty)));
        if let Some((plain, res)) = both(FieldKind::SpinLock, FieldKind::ResSpinLock) {
            return refuse(format!("has both a {plain} and a {res}"), "keep one of the locks");
        }
        if let Some(root) = first(Kinds::GRAPH_ROOT).filter(|_| !self.has(Kinds::SPIN_LOCK)) {
            return refuse(
                format!("has a {root}, but no lock that guards it"),
                "put a `struct bpf_spin_lock` beside it",
            );
        }
        if let Some((list, tree)) = both(FieldKind::ListNode, FieldKind::RbNode)
            && !self.has(FieldKind::Refcount)
        {
            return refuse(
                format!("has both a {tree} and a {list}, but no bpf_refcount"),
                "what may be in a list and in a tree at once needs a `struct bpf_refcount` member",
            );
        }
        Ok(())
    }
}
