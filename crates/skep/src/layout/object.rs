//! Files, ranges of addresses, maps, programs and symbols as structs of the kernel.

use super::{MAX_DEPTH, place, with_fields};
use crate::process::{Area, Inode, OpenFile, Symbol};
use skep_btf::{Btf, Kind};
use skep_prog::{MapDef, Prog};

/// A `struct inode`.
pub(crate) fn inode(btf: &Btf, of: &Inode) -> Vec<u8> {
    let fields = [
        ("i_ino", of.number.to_le_bytes().to_vec()),
        ("i_mode", of.mode.to_le_bytes()[..2].to_vec()),
        ("i_size", of.size.to_le_bytes().to_vec()),
        ("i_uid", of.uid.to_le_bytes().to_vec()),
        ("i_gid", of.gid.to_le_bytes().to_vec()),
        ("i_nlink", of.links.to_le_bytes().to_vec()),
    ];
    with_fields(btf, "inode", &fields)
}

/// A `struct file` of an inode at an address.
pub(crate) fn file(btf: &Btf, of: &OpenFile, inode: u64) -> Vec<u8> {
    let fields = [
        ("f_inode", inode.to_le_bytes().to_vec()),
        ("f_pos", of.pos.to_le_bytes().to_vec()),
        ("f_flags", of.flags.to_le_bytes().to_vec()),
    ];
    with_fields(btf, "file", &fields)
}

/// Where a `struct file` has its path.
pub(crate) fn path_of_file(btf: &Btf) -> Option<u32> {
    let ty = btf.find("file", Kind::Struct)?;
    place(btf, ty.id, "f_path", MAX_DEPTH).map(|(at, ..)| at)
}

/// A `struct vm_area_struct` of a file at an address.
pub(crate) fn area(btf: &Btf, of: &Area, file: u64) -> Vec<u8> {
    let fields = [
        ("vm_start", of.start.to_le_bytes().to_vec()),
        ("vm_end", of.end.to_le_bytes().to_vec()),
        ("vm_flags", of.flags.to_le_bytes().to_vec()),
        ("vm_pgoff", of.page.to_le_bytes().to_vec()),
        ("vm_file", file.to_le_bytes().to_vec()),
    ];
    with_fields(btf, "vm_area_struct", &fields)
}

/// A `struct bpf_map`.
pub(crate) fn map(btf: &Btf, def: &MapDef, id: u32) -> Vec<u8> {
    let fields = [
        ("id", id.to_le_bytes().to_vec()),
        ("name", name(&def.name)),
        ("map_type", def.map_type.number().to_le_bytes().to_vec()),
        ("key_size", def.key_size.to_le_bytes().to_vec()),
        ("value_size", def.value_size.to_le_bytes().to_vec()),
        ("max_entries", def.max_entries.to_le_bytes().to_vec()),
        ("map_flags", def.flags.to_le_bytes().to_vec()),
    ];
    with_fields(btf, "bpf_map", &fields)
}

/// A `struct bpf_prog` with the rest of it at an address.
pub(crate) fn prog(btf: &Btf, of: &Prog, aux: u64) -> Vec<u8> {
    let len = u32::try_from(of.insns.len()).unwrap_or(u32::MAX);
    let fields = [
        ("type", of.prog_type.number().to_le_bytes().to_vec()),
        ("len", len.to_le_bytes().to_vec()),
        ("aux", aux.to_le_bytes().to_vec()),
    ];
    with_fields(btf, "bpf_prog", &fields)
}

/// A `struct bpf_prog_aux`.
pub(crate) fn prog_aux(btf: &Btf, of: &Prog, id: u32) -> Vec<u8> {
    let fields = [("id", id.to_le_bytes().to_vec()), ("name", name(&of.name))];
    with_fields(btf, "bpf_prog_aux", &fields)
}

/// A `struct kallsym_iter`.
pub(crate) fn symbol(btf: &Btf, of: &Symbol) -> Vec<u8> {
    let text = |text: &str| text.bytes().chain([0]).collect::<Vec<u8>>();
    let fields = [
        ("value", of.value.to_le_bytes().to_vec()),
        ("type", vec![of.kind]),
        ("name", text(&of.name)),
        ("module_name", text(&of.module)),
        ("exported", u32::from(of.kind.is_ascii_uppercase()).to_le_bytes().to_vec()),
        ("show_value", u32::from(of.value != 0).to_le_bytes().to_vec()),
    ];
    with_fields(btf, "kallsym_iter", &fields)
}

/// The kernel's names have 15 bytes at most. `BPF_OBJ_NAME_LEN`
fn name(name: &str) -> Vec<u8> {
    name.bytes().take(15).collect()
}
