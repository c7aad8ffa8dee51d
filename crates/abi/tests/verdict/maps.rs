//! Maps: what their values may hold, and which programs and maps may have them.

use crate::code::{exit, load_map, load_map_value, mov};
use crate::hooks::{Hook, places, vmlinux};
use crate::kernel::{Map, MapDef, may_ask};
use skep_abi::{MapType, ProgType, Special};
use skep_btf::{Btf, ByteOrder, Int, Kind, Member, TypeId};
use skep_btf::{Builder, Def};

/// Types of values with a field that the kernel minds, and of one without.
struct Values {
    types: Map,
    keys: [u32; 2],
    plain: u32,
    special: Vec<(Special, u32)>,
}

/// Bytes of each value: the field stands at 8, a lock for those that want one at the end.
const SIZE: u32 = 48;

fn int(size: u32) -> Def<'static> {
    let bits = u8::try_from(size * 8).unwrap();
    Def::Int(Int { size, bits, bit_off: 0, signed: false, char: false, bool: false })
}

const fn member(name: &str, ty: TypeId, at: u32) -> Member<'_> {
    Member { name, ty, bit_off: at * 8, bitfield: None }
}

impl Values {
    fn new(kernel: &Btf) -> Self {
        let mut b = Builder::new();
        let mut add =
            |name: &str, def: Def<'_>| b.add(name, def).expect("bug: a type is too large");
        let word = add("u32", int(4));
        let long = add("u64", int(8));
        let plain = add("plain", Def::Struct { size: SIZE, members: &[member("a", long, 0)] });
        let sized = |name: &str| {
            let ty = kernel.find(name, Kind::Struct)?;
            kernel.size_of(ty.id)
        };
        let lock =
            add("bpf_spin_lock", Def::Struct { size: 4, members: &[member("val", word, 0)] });
        let mut special = Vec::new();
        for field in Special::ALL {
            let name = match field {
                Special::SpinLock => "bpf_spin_lock",
                Special::ResSpinLock => "bpf_res_spin_lock",
                Special::Timer => "bpf_timer",
                Special::Workqueue => "bpf_wq",
                Special::TaskWork => "bpf_task_work",
                Special::Refcount => "bpf_refcount",
                Special::ListHead => "bpf_list_head",
                Special::RbRoot => "bpf_rb_root",
                Special::Kptr => "kptr_untrusted",
                Special::Uptr => "uptr",
            };
            let ty = match field {
                Special::SpinLock => lock,
                Special::Kptr | Special::Uptr => {
                    let to = if field == Special::Kptr { "task_struct" } else { "memory" };
                    let to = add(to, Def::Struct { size: 8, members: &[member("a", long, 0)] });
                    let tag = add(name, Def::TypeTag(to));
                    add("", Def::Ptr(tag))
                }
                _ => {
                    let Some(size) = sized(name) else { continue };
                    add(name, Def::Struct { size, members: &[] })
                }
            };
            let mut members = vec![member("a", long, 0), member("field", ty, 8)];
            if matches!(field, Special::ListHead | Special::RbRoot) {
                members.push(member("lock", lock, SIZE - 4));
            }
            let value = add("value", Def::Struct { size: SIZE, members: &members });
            if let Special::ListHead | Special::RbRoot = field {
                let (node, size) = if field == Special::ListHead {
                    ("bpf_list_node", sized("bpf_list_node").unwrap())
                } else {
                    ("bpf_rb_node", sized("bpf_rb_node").unwrap())
                };
                let node = add(node, Def::Struct { size, members: &[] });
                let owner = format!("node_{}", node.0);
                let members = [member("a", long, 0), member("n", node, 8)];
                add(&owner, Def::Struct { size: size + 8, members: &members });
                let tag = format!("contains:{owner}:n");
                add(&tag, Def::DeclTag { ty: value, component: Some(1) });
            }
            special.push((field, value.0));
        }
        let bytes = b.finish().expect("bug: types do not fit together").to_bytes(ByteOrder::Little);
        let types = Map::types(&bytes).expect("the kernel takes the types");
        Self { types, keys: [word.0, long.0], plain: plain.0, special }
    }

    fn make(&self, kind: MapType, value: u32) -> Result<Map, i32> {
        let types = Some((&self.types, self.keys, value));
        Map::make(kind, &MapDef { value_size: Some(SIZE), inner: None, types })
    }
}

#[test]
fn values_hold_the_fields_that_the_table_says() {
    if !may_ask() {
        return;
    }
    let values = Values::new(vmlinux());
    let (mut asked, mut made, mut wrong) = (0, 0, Vec::new());
    for &kind in MapType::ALL {
        // Kinds without types, or with values of their own, say nothing of fields.
        if values.make(kind, values.plain).is_err() {
            continue;
        }
        for &(field, value) in &values.special {
            let theirs = values.make(kind, value);
            let locked = matches!(field, Special::ListHead | Special::RbRoot);
            let ours = kind.may_hold(field) && (!locked || kind.may_hold(Special::SpinLock));
            asked += 1;
            made += usize::from(theirs.is_ok());
            if theirs.is_ok() != ours {
                wrong.push(format!("{kind} with {field:?}: {:?}, ours {ours}", theirs.err()));
            }
        }
    }
    eprintln!("{asked} kinds of map and field, {made} made");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 80 && made > 25);
}

/// A program that names the map and ends.
fn uses(hook: &Hook, result: i32, map: &Map) -> (bool, String) {
    let [low, high] = load_map(1, map.fd());
    let (verdict, log) = hook.with(&[low, high, mov(0, result), exit()]).log();
    (verdict.is_ok(), log)
}

#[test]
fn programs_use_the_fields_that_the_rule_lets_them() {
    if !may_ask() {
        return;
    }
    let values = Values::new(vmlinux());
    let (mut asked, mut wrong) = (0, Vec::new());
    for (hook, result) in places() {
        for &(field, value) in &values.special {
            let Ok(map) = values.make(MapType::Array, value) else { continue };
            let (_, log) = uses(hook, *result, &map);
            asked += 1;
            let mut ours = field.refusal(hook.prog_type);
            if matches!(field, Special::ListHead | Special::RbRoot) {
                ours = ours.or(Special::SpinLock.refusal(hook.prog_type));
            }
            let theirs = log.lines().find(|line| line.contains("progs cannot use"));
            if theirs != ours {
                wrong.push(format!("{} {field:?}: {theirs:?}, ours {ours:?}", hook.name));
            }
        }
    }
    eprintln!("{asked} programs and fields");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 700);
}

#[test]
fn sleepable_programs_and_maps_of_maps_take_the_maps_that_the_table_says() {
    if !may_ask() {
        return;
    }
    let values = Values::new(vmlinux());
    let of = |prog_type| &places().iter().find(|(hook, _)| hook.prog_type == prog_type).unwrap().0;
    let (asleep, awake) = (of(ProgType::Syscall), of(ProgType::SockOps));
    let (mut asked, mut wrong) = (0, Vec::new());
    for &kind in MapType::ALL {
        let plain = Map::make(kind, &MapDef::default());
        let Ok(map) = plain.or_else(|_| values.make(kind, values.plain)) else { continue };
        asked += 1;
        // An arena wants an address that only a mapping gives.
        let homeless = "arena's user address must be set";
        let (theirs, log) = uses(asleep, 0, &map);
        if (theirs || log.contains(homeless)) != kind.in_sleepable() {
            wrong.push(format!("{kind} in a sleepable program: {log}"));
        }
        let (theirs, log) = uses(awake, 1, &map);
        if (theirs || log.contains(homeless)) != kind.in_programs() {
            wrong.push(format!("{kind} in a program: {log}"));
        }
        let [low, high] = load_map_value(1, map.fd());
        let (verdict, log) = awake.with(&[low, high, mov(0, 1), exit()]).log();
        if (verdict.is_ok() || log.contains(homeless)) != kind.has_direct_values() {
            wrong.push(format!("values of {kind} in a program: {log}"));
        }
        let outer = MapDef { inner: Some(&map), ..MapDef::default() };
        let outer = Map::make(MapType::ArrayOfMaps, &outer);
        if outer.is_ok() != kind.may_be_inner() {
            wrong.push(format!("{kind} in a map: {:?}", outer.err()));
        }
    }
    eprintln!("{asked} kinds of map");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 25);
}
