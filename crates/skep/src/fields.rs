//! Fields of map values that belong to the kernel, found by the names of their types.
//!
//! Source: `btf_parse_fields` of `kernel/bpf/btf.c`.

use skep_abi::MapType;
use skep_btf::{Body, Btf, TypeId};
use skep_map::Fields;
use skep_prog::MapDef;
use std::ops::Range;

/// Fields that a value may have. Kernel: `BTF_FIELDS_MAX` is 11; values of more are no less valid to
/// look at.
const MAX_FIELDS: usize = 256;
/// Structs in structs. Kernel: `MAX_RESOLVE_DEPTH`.
const MAX_DEPTH: usize = 32;

/// Types that programs only hand to helpers.
const OPAQUE: [&str; 9] = [
    "bpf_timer",
    "bpf_wq",
    "bpf_task_work",
    "bpf_list_head",
    "bpf_list_node",
    "bpf_rb_root",
    "bpf_rb_node",
    "bpf_refcount",
    "bpf_res_spin_lock",
];

/// Tags of pointers that programs exchange with objects.
const KPTR: [&str; 4] = ["kptr", "kptr_untrusted", "percpu_kptr", "uptr"];

/// The fields in values of a map; none for maps that cannot have any.
pub(crate) fn fields_of(btf: Option<&Btf>, def: &MapDef) -> Fields {
    let kinds = [MapType::Array, MapType::Hash, MapType::LruHash];
    let (Some(btf), Some(value), true) = (btf, def.value_type, kinds.contains(&def.map_type))
    else {
        return Fields::default();
    };
    let mut walk = Walk { btf, fields: Fields::default() };
    walk.add(value, 0, MAX_DEPTH);
    if def.map_type == MapType::LruHash {
        // Where the kernel allows no lock, its word is a word.
        walk.fields.spin_lock = None;
    }
    // What does not fit the value describes another.
    walk.fields.opaque.retain(|range| range.end <= def.value_size);
    walk.fields
}

struct Walk<'a> {
    btf: &'a Btf,
    fields: Fields,
}

impl Walk<'_> {
    /// Adds what a type at a position has in it.
    fn add(&mut self, id: TypeId, at: u32, depth: usize) {
        let (Some(ty), Some(depth)) = (self.btf.resolve(id), depth.checked_sub(1)) else { return };
        if self.fields.opaque.len() >= MAX_FIELDS {
            return;
        }
        match ty.body {
            Body::Struct { size, .. } if ty.name == "bpf_spin_lock" && size == 4 => {
                self.fields.spin_lock = Some(at);
            }
            Body::Struct { size, .. } if OPAQUE.contains(&ty.name) => self.opaque(at, size),
            Body::Struct { members, .. } | Body::Union { members, .. } => {
                for member in members.iter() {
                    if let Some(at) = at.checked_add(member.bit_off / 8) {
                        self.add(member.ty, at, depth);
                    }
                }
            }
            Body::Array { elem, len, .. } => self.array(elem, len, at, depth),
            Body::Ptr(to) if self.is_kptr(to) => self.opaque(at, 8),
            Body::Datasec { vars, .. } => {
                for var in vars.iter() {
                    if let Some(at) = at.checked_add(var.off) {
                        self.add(var.var, at, depth);
                    }
                }
            }
            Body::Var { ty, .. } => self.add(ty, at, depth),
            _ => {}
        }
    }

    fn array(&mut self, elem: TypeId, len: u32, at: u32, depth: usize) {
        let Some(size) = self.btf.size_of(elem).filter(|&size| size > 0) else { return };
        let before = self.fields.clone();
        for n in 0..len.min(u32::try_from(MAX_FIELDS).unwrap_or(u32::MAX)) {
            let Some(at) = n.checked_mul(size).and_then(|off| at.checked_add(off)) else { return };
            self.add(elem, at, depth);
            if self.fields == before {
                // One element is like the other.
                return;
            }
        }
    }

    fn opaque(&mut self, at: u32, size: u32) {
        if let Some(end) = at.checked_add(size).filter(|_| size > 0) {
            let range: Range<u32> = at..end;
            self.fields.opaque.push(range);
        }
    }

    /// Whether what a pointer points to carries one of the tags.
    fn is_kptr(&self, to: TypeId) -> bool {
        let mut id = to;
        for _ in 0..MAX_DEPTH {
            let Some(ty) = self.btf.get(id) else { return false };
            id = match ty.body {
                Body::TypeTag(_) if KPTR.contains(&ty.name) => return true,
                Body::TypeTag(next) | Body::Const(next) | Body::Volatile(next) => next,
                _ => return false,
            };
        }
        false
    }
}
