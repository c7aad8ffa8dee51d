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

#[cfg(test)]
mod tests {
    use skep_btf::{Builder, Def, Member};

    /// What is wrong with `struct own`, whose members are structures of the kernel or tagged pointers.
    fn fault(members: &[(&str, &str, u32)], contains: &[(u32, &str)]) -> String {
        let mut types = Builder::new();
        let mut built = Vec::new();
        for &(name, ty, off) in members {
            let size = match ty {
                "bpf_spin_lock" | "bpf_res_spin_lock" | "bpf_refcount" => 4,
                "bpf_list_head" | "bpf_rb_root" => 16,
                "bpf_list_node" => 24,
                _ => 32,
            };
            let ty = types.add(ty, Def::Struct { size, members: &[] }).unwrap();
            built.push(Member { name, ty, bit_off: off * 8, bitfield: None });
        }
        let own = types.add("own", Def::Struct { size: 96, members: &built }).unwrap();
        for &(component, text) in contains {
            let tag = Def::DeclTag { ty: own, component: Some(component) };
            types.add(&format!("contains:{text}"), tag).unwrap();
        }
        let btf = types.finish().unwrap();
        let found = crate::record::Metas::parse(&btf, None);
        found.map_or_else(|fault| fault.text(), |_| "nothing".into())
    }

    #[test]
    fn each_fault_names_what_is_at_fault() {
        let (lock, node) = (("lock", "bpf_spin_lock", 0), ("node", "bpf_rb_node", 8));
        assert_eq!(fault(&[lock, node], &[]), "nothing");
        assert_eq!(
            fault(&[lock, ("other", "bpf_spin_lock", 4)], &[]),
            "the member `other` of `struct own` is another bpf_spin_lock, of which there may be one"
        );
        assert_eq!(
            fault(&[lock, ("other", "bpf_res_spin_lock", 4)], &[]),
            "`struct own` has both a bpf_spin_lock (`lock`) and a bpf_res_spin_lock (`other`)"
        );
        assert_eq!(
            fault(&[node, ("next", "bpf_list_node", 40)], &[]),
            "`struct own` has both a bpf_rb_node (`node`) and a bpf_list_node (`next`), but no bpf_refcount"
        );
        let count = ("count", "bpf_refcount", 4);
        assert_eq!(fault(&[count, node, ("next", "bpf_list_node", 40)], &[]), "nothing");
        assert_eq!(
            fault(&[count, node, ("next", "bpf_list_node", 16)], &[]),
            "the member `next` of `struct own` overlaps what is before it"
        );
        assert_eq!(
            fault(&[("node", "bpf_rb_node", 4)], &[]),
            "`struct own` has members of types with a meaning, of which none is aligned and whole"
        );
        assert_eq!(
            fault(&[node, ("end", "bpf_rb_node", 72)], &[]),
            "the member `end` of `struct own` reaches beyond the 96 bytes of `struct own`"
        );
    }

    #[test]
    fn lists_say_what_they_hold() {
        let (head, lock) = (("head", "bpf_list_head", 8), ("lock", "bpf_spin_lock", 0));
        let next = ("next", "bpf_list_node", 24);
        let of = |contains: &[(u32, &str)]| fault(&[lock, head, next], contains);
        assert_eq!(of(&[(1, "own:next")]), "nothing");
        let at = "the member `head` of `struct own`";
        assert_eq!(of(&[]), format!("{at} is a bpf_list_head that says not what it holds"));
        assert_eq!(
            of(&[(1, "own:next"), (1, "own:lock")]),
            format!("{at} is a bpf_list_head that says twice what it holds")
        );
        assert_eq!(
            of(&[(1, "own")]),
            format!("{at} is a bpf_list_head that says not in full what it holds")
        );
        assert_eq!(
            of(&[(1, "flow:next")]),
            format!("{at} is to hold objects of `struct flow`, which is not defined")
        );
        assert_eq!(
            of(&[(1, "own:last")]),
            format!("{at} names the node `last`, which is no member of `struct own`")
        );
        assert_eq!(
            of(&[(1, "own:lock")]),
            format!(
                "{at} names the node `lock`, which is no aligned bpf_list_node of `struct own`"
            )
        );
        assert_eq!(
            fault(&[head, next], &[(0, "own:next")]),
            "`struct own` has a bpf_list_head (`head`), but no lock that guards it"
        );
    }
}
