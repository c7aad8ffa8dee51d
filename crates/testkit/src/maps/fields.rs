//! Values with spin locks, timers and pointers, and the types that tell the kernel so.

use super::{MapCase, objects};
use skep_abi::MapType;
use skep_btf::{Builder, ByteOrder, Def, Int, Member, TypeId, WriteError};
use skep_map::Fields;
use skep_prog::MapDef;
use skep_sys::{Bpf, BtfFd, Kernel, SysError};

/// Sizes of `struct bpf_spin_lock`, `struct bpf_timer` and a pointer.
const LOCK: u32 = 4;
const TIMER: u32 = 16;
const PTR: u32 = 8;

/// A lock first, then a word, then what is opaque, then a word.
pub(super) fn cases() -> impl Iterator<Item = MapCase> {
    let types = [MapType::Array, MapType::Hash, MapType::LruHash];
    let each = types.into_iter().flat_map(|map_type| {
        [(true, 0), (false, TIMER), (true, TIMER), (false, PTR), (true, PTR)]
            .map(|(lock, opaque)| (map_type, lock, opaque))
    });
    // Values of the last have no locks.
    each.filter(|(map_type, lock, _)| *map_type != MapType::LruHash || !lock).map(
        |(map_type, lock, opaque)| {
            let what = match opaque {
                TIMER => "timer",
                PTR => "pointer",
                _ => "nothing more",
            };
            let name = format!("{map_type}, {} and {what}", if lock { "lock" } else { "no lock" });
            let entries = if map_type == MapType::LruHash { 4096 } else { 5 };
            let def = MapDef::new(&name, map_type, 4, 16 + opaque, entries);
            let fields = Fields {
                spin_lock: lock.then_some(0),
                opaque: (opaque != 0).then_some(8..8 + opaque).into_iter().collect(),
            };
            MapCase { def, fields }
        },
    )
}

/// Types of keys and values, for a map whose values have fields.
pub(super) fn load(case: &MapCase) -> Option<Result<(BtfFd, u32, u32), SysError>> {
    if case.fields == Fields::default() && !objects::own_values(case.def.map_type) {
        return None;
    }
    let (bytes, key, value) = types(case).expect("bug: a few types have room");
    Some(Kernel.btf_load(&bytes).map(|fd| (fd, key.0, value.0)))
}

fn types(case: &MapCase) -> Result<(Vec<u8>, TypeId, TypeId), WriteError> {
    let mut builder = Builder::new();
    let int = |size: u8| {
        Def::Int(Int {
            size: size.into(),
            bits: size * 8,
            bit_off: 0,
            signed: false,
            char: false,
            bool: false,
        })
    };
    let word = builder.add("unsigned int", int(4))?;
    let long = builder.add("unsigned long long", int(8))?;
    let member = |name, ty, at: u32| Member { name, ty, bit_off: at * 8, bitfield: None };
    let lock = [member("val", word, 0)];
    let lock = builder.add("bpf_spin_lock", Def::Struct { size: LOCK, members: &lock })?;
    let two = builder.add("", Def::Array { elem: long, index: word, len: 2 })?;
    let timer = [member("__opaque", two, 0)];
    let timer = builder.add("bpf_timer", Def::Struct { size: TIMER, members: &timer })?;
    let task = builder.add("task_struct", Def::Struct { size: 0, members: &[] })?;
    let tag = builder.add("kptr", Def::TypeTag(task))?;
    let pointer = builder.add("", Def::Ptr(tag))?;
    let first = if case.fields.spin_lock.is_some() { lock } else { word };
    let mut members = vec![member("first", first, 0), member("second", word, 4)];
    let opaque = case.fields.opaque.first().map_or(0, |range| range.end - range.start);
    match opaque {
        TIMER => members.push(member("timer", timer, 8)),
        PTR => members.push(member("pointer", pointer, 8)),
        _ => {}
    }
    members.push(member("third", long, 8 + opaque));
    let size = case.def.value_size;
    let value = builder.add("value", Def::Struct { size, members: &members })?;
    let order = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };
    let btf = builder.finish().expect("bug: the types make sense");
    Ok((btf.to_bytes(order), word, value))
}
