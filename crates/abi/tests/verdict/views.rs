//! Structures behind pointers: what programs may load from and store to them.

use crate::code::{Insn, add, call, copy, exit, jump_set, load, load_map, mov, store, store_imm};
use crate::hooks::{Hook, places, target, vmlinux};
use crate::kernel::{Map, may_ask};
use skep_abi::AttachType::CgroupInet4Connect;
use skep_abi::{CtxTable, FLOW_KEYS_SIZE, MapType, Ops, ProgType, Viewed, view_access};
use skep_btf::{Body, Btf, Kind, TypeId};

fn hook(prog_type: ProgType) -> &'static Hook {
    let place = (prog_type == ProgType::CgroupSockAddr).then_some(CgroupInet4Connect);
    let fits =
        |hook: &Hook| hook.prog_type == prog_type && (place.is_none() || hook.attach == place);
    &places().iter().find(|(hook, _)| fits(hook)).expect("a kernel with networking").0
}

/// `exit` with 1 if r0 is null.
fn or_leave() -> [Insn; 3] {
    [jump_set(0, 2), mov(0, 1), exit()]
}

/// Code that leaves the pointer in r7.
fn pointer(view: Viewed, maps: &Map) -> (&'static Hook, Vec<Insn>) {
    let shared = |at| vec![load(8, 0, 1, at)];
    match view {
        // `sk` of `struct bpf_sock_addr`
        Viewed::Socket => (hook(ProgType::CgroupSockAddr), [shared(64), vec![copy(7, 0)]].concat()),
        // `sk` of `struct __sk_buff`
        Viewed::SockCommon => {
            let code = [shared(168), or_leave().to_vec(), vec![copy(7, 0)]].concat();
            (hook(ProgType::SchedCls), code)
        }
        Viewed::TcpSock => {
            let tcp_sock = [copy(1, 0), call(96)];
            let parts = [shared(168), or_leave().to_vec(), tcp_sock.to_vec(), or_leave().to_vec()];
            (hook(ProgType::SchedCls), [parts.concat(), vec![copy(7, 0)]].concat())
        }
        Viewed::XdpSock => {
            let key = [store_imm(4, 10, -4, 0), copy(2, 10), add(2, -4)];
            let look = [load_map(1, maps.fd()).to_vec(), vec![call(1)], or_leave().to_vec()];
            let code = [key.to_vec(), look.concat(), vec![copy(7, 0)]].concat();
            (hook(ProgType::Xdp), code)
        }
    }
}

#[test]
fn sockets_show_what_the_table_says() {
    if !may_ask() {
        return;
    }
    let sockets = Map::one_of_each().remove(&MapType::Xskmap.number()).expect("a map of sockets");
    let (mut asked, mut yes, mut wrong) = (0, 0, Vec::new());
    for view in [Viewed::Socket, Viewed::SockCommon, Viewed::TcpSock, Viewed::XdpSock] {
        let (hook, before) = pointer(view, &sockets);
        let end = i16::try_from(CtxTable::of_view(view).size).unwrap() + 8;
        for (off, size) in (-8..end).flat_map(|off| [1, 2, 4, 8].map(|size| (off, size))) {
            // The kernel admits these first, fails to rewrite them and warns of a bug of its own.
            let counters = view == Viewed::TcpSock && size == 4 && [84, 92].contains(&off);
            if counters {
                assert!(view_access(view, i32::from(off), size).is_err());
                continue;
            }
            let code = [before.clone(), vec![load(size, 2, 7, off), mov(0, 1), exit()]].concat();
            let theirs = hook.with(&code).verdict().is_ok();
            asked += 1;
            yes += usize::from(theirs);
            let ours = view_access(view, i32::from(off), size);
            if theirs != ours.is_ok() {
                wrong.push(format!("{view:?}: {size} at {off}: {theirs}, {ours:?}"));
            }
            let code = [before.clone(), vec![store(size, 7, 10, off), mov(0, 1), exit()]].concat();
            if hook.with(&code).verdict().is_ok() {
                wrong.push(format!("{view:?}: store of {size} at {off}"));
            }
        }
    }
    eprintln!("{asked} loads, {yes} allowed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(yes > 80);
}

#[test]
fn flow_keys_are_as_large_as_the_table_says() {
    if !may_ask() {
        return;
    }
    let hook = hook(ProgType::FlowDissector);
    for (off, size) in (-8..64).flat_map(|off: i16| [1, 2, 4, 8].map(|size| (off, size))) {
        let end = i64::from(off) + i64::from(size);
        let ours = off >= 0 && end <= i64::from(FLOW_KEYS_SIZE);
        for access in [load(size, 2, 7, off), store_imm(size, 7, off, 0)] {
            let code = [load(8, 7, 1, 144), access, mov(0, 1), exit()];
            assert_eq!(hook.with(&code).verdict().is_ok(), ours, "{size} at {off}");
        }
    }
}

/// Where a field is, by the names on the way to it, and its bytes.
fn find(btf: &Btf, structure: TypeId, path: &str) -> Option<(u32, u32)> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let members = match btf.resolve(structure)?.body {
        Body::Struct { members, .. } | Body::Union { members, .. } => members,
        _ => return None,
    };
    for member in members.iter() {
        let at = member.bit_off / 8;
        if member.name == name {
            let Some(rest) = rest else { return Some((at, btf.size_of(member.ty)?)) };
            return find(btf, member.ty, rest).map(|(inner, size)| (at + inner, size));
        }
        if member.name.is_empty()
            && let Some((inner, size)) = find(btf, member.ty, path)
        {
            return Some((at + inner, size));
        }
    }
    None
}

#[test]
fn programs_of_operations_store_where_the_table_says() {
    if !may_ask() {
        return;
    }
    let btf = vmlinux();
    let (mut asked, mut yes, mut wrong) = (0, 0, Vec::new());
    // The first argument of these is the structure, or one that is taken for it.
    for (name, member, structure) in [
        ("tcp_congestion_ops", "ssthresh", "tcp_sock"),
        ("bpf_dummy_ops", "test_1", "bpf_dummy_ops_state"),
    ] {
        let ops = Ops::find(name).expect("bug: operations without a row");
        let Some((hook, _)) =
            places().iter().find(|(hook, _)| target(hook) == (name, Some(member)))
        else {
            continue;
        };
        let ty = btf.find(structure, Kind::Struct).expect("the kernel has the structure");
        let end = btf.size_of(ty.id).expect("a structure has a size");
        let fields: Vec<_> = ops
            .stores
            .iter()
            .filter(|store| store.structure == structure)
            .map(|store| {
                let all = (0, end);
                let place =
                    if store.field.is_empty() { Some(all) } else { find(btf, ty.id, store.field) };
                let (at, size) = place.unwrap_or_else(|| panic!("no field {}", store.field));
                (at, at + size, store.inside)
            })
            .collect();
        for (off, size) in (0..end + 8).flat_map(|off| [1, 2, 4, 8].map(|size| (off, size))) {
            let at = i16::try_from(off).unwrap();
            let null = [jump_set(7, 2), mov(0, 0), exit()];
            let code = [
                vec![load(8, 7, 1, 0)],
                if name == "bpf_dummy_ops" { null.to_vec() } else { Vec::new() },
                vec![mov(2, 0), store(size, 7, 2, at), mov(0, 0), exit()],
            ]
            .concat();
            let theirs = hook.with(&code).verdict().is_ok();
            let ours = fields.iter().any(|&(from, to, inside)| {
                let begins = if inside { (from..to).contains(&off) } else { off == from };
                begins && off + size <= to
            });
            asked += 1;
            yes += usize::from(theirs);
            if theirs != ours {
                wrong.push(format!("{structure}: {size} at {off}: {theirs}, {ours}"));
            }
        }
    }
    eprintln!("{asked} stores, {yes} allowed");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 5_000 && yes > 100);
}
