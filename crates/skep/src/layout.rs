//! What programs read in objects of the kernel: structs laid out by the types that they were fitted to.

use skep_btf::{Body, Btf, Kind, TypeId};
use skep_vm::Task;

/// Anonymous structs in structs that are looked into.
const MAX_DEPTH: u32 = 8;
/// More than any struct that is shown.
const MAX_SIZE: u32 = 1 << 20;

/// A `struct task_struct` of which numbers and name are filled in.
pub(crate) fn task_struct(btf: &Btf, task: &Task) -> Vec<u8> {
    let mut comm = task.comm.clone();
    comm.truncate(15);
    let fields = [
        ("pid", task.tid.to_le_bytes().to_vec()),
        ("tgid", task.pid.to_le_bytes().to_vec()),
        ("comm", comm),
    ];
    with_fields(btf, "task_struct", &fields)
}

/// A `struct cgroup` of which the level is filled in.
pub(crate) fn cgroup_struct(btf: &Btf, path: &[u64]) -> Vec<u8> {
    let level = u32::try_from(path.len().saturating_sub(1)).unwrap_or(u32::MAX);
    with_fields(btf, "cgroup", &[("level", level.to_le_bytes().to_vec())])
}

/// The bytes of a struct, zeroes but for some fields; none if there is no such struct.
fn with_fields(btf: &Btf, name: &str, fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let Some(ty) = btf.find(name, Kind::Struct) else { return Vec::new() };
    let Body::Struct { size, .. } = ty.body else { return Vec::new() };
    let mut bytes = vec![0; size.min(MAX_SIZE) as usize];
    for (field, value) in fields {
        let Some((at, len)) = place(btf, ty.id, field, MAX_DEPTH) else { continue };
        let Some(room) = bytes.get_mut(at as usize..at.saturating_add(len) as usize) else {
            continue;
        };
        for (to, from) in room.iter_mut().zip(value) {
            *to = *from;
        }
    }
    bytes
}

/// Position and size of a member, perhaps of an anonymous struct in it.
fn place(btf: &Btf, id: TypeId, name: &str, depth: u32) -> Option<(u32, u32)> {
    let depth = depth.checked_sub(1)?;
    let members = match btf.resolve(id)?.body {
        Body::Struct { members, .. } | Body::Union { members, .. } => members,
        _ => return None,
    };
    members.iter().find_map(|member| {
        if member.name == name {
            return Some((member.bit_off / 8, btf.size_of(member.ty)?));
        }
        let inner = member.name.is_empty().then(|| place(btf, member.ty, name, depth)).flatten();
        inner.and_then(|(at, len)| Some((at.checked_add(member.bit_off / 8)?, len)))
    })
}
