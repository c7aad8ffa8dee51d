//! The program's own structures that have fields with a meaning.

use super::fault::{Fault, name_of};
use super::parse::pointer_tag;
use super::{Kinds, Record};
use skep_abi::Errno;
use skep_btf::{Body, Btf, TypeId};
use std::collections::{BTreeSet, HashMap};

/// Structures whose members make the structure around them one with a meaning.
const MAKERS: [&str; 7] = [
    "bpf_spin_lock",
    "bpf_res_spin_lock",
    "bpf_list_head",
    "bpf_list_node",
    "bpf_rb_root",
    "bpf_rb_node",
    "bpf_refcount",
];

/// Records of the program's structures. Kernel: `struct btf_struct_metas`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metas {
    records: HashMap<TypeId, Record>,
}

impl Metas {
    /// Finds the structures and their fields. Kernel: `btf_parse_struct_metas`.
    ///
    /// # Errors
    /// What the kernel answers when the types are loaded.
    pub(crate) fn parse(btf: &Btf, kernel: Option<&Btf>) -> Result<Self, Fault> {
        let mut makers = BTreeSet::new();
        for ty in btf.types() {
            let named = MAKERS.contains(&ty.name) && matches!(ty.body, Body::Struct { .. });
            // What is malformed here is found to be so where it is used.
            let pointer = pointer_tag(btf, &ty).ok().flatten();
            let object = pointer.is_some_and(|(kind, to)| {
                let to = btf.get(to).map(|to| to.body);
                let defined = matches!(to, Some(Body::Struct { .. } | Body::Union { .. }));
                Kinds::KPTR.has(kind) && defined
            });
            if named || object {
                makers.insert(ty.id);
            }
        }
        let mut records = HashMap::new();
        if makers.is_empty() {
            return Ok(Self { records });
        }
        for ty in btf.types() {
            let (Body::Struct { size, members } | Body::Union { size, members }) = ty.body else {
                continue;
            };
            if members.iter().any(|member| makers.contains(&member.ty)) {
                let record = Record::parse(btf, ty.id, Kinds::IN_OBJECTS, size, kernel)?;
                if record.fields.is_empty() {
                    let what =
                        "has members of types with a meaning, of which none is aligned and whole";
                    return Err(Fault::new(Errno::EFAULT, what, "").at(|| name_of(&ty)));
                }
                records.insert(ty.id, record);
            }
        }
        Ok(Self { records })
    }

    /// The fields of a structure that has some. Kernel: `btf_find_struct_meta`.
    pub(crate) fn get(&self, id: TypeId) -> Option<&Record> {
        self.records.get(&id)
    }
}
