//! Context accesses: every offset, size and direction at every hook.

use crate::code::{copy, exit, load, mov, store, store_imm};
use crate::hooks::{Hook, places, target, vmlinux};
use crate::kernel::may_ask;
use skep_abi::{
    AttachType, CtxAlign, CtxKind, CtxTable, IterArg, IterTarget, ProgType, ctx_access,
};
use skep_btf::{Body, Btf, Int};

/// What was compared.
#[derive(Default)]
struct Tally {
    hooks: usize,
    programs: usize,
    accepted: usize,
    kinds: usize,
    errors: usize,
    differences: Vec<String>,
}

/// Where the kernel is wrong and the table is not: `tp_prog_is_valid_access` compares a negative offset
/// with an unsigned size, so programs may read what lies before the record.
fn kernel_errs(prog_type: ProgType, off: i32) -> bool {
    prog_type == ProgType::Tracepoint && off < 0
}

/// Every access at the offsets that `step` and the seed pick; 1 is all.
fn compare(hook: &Hook, btf: &Btf, result: i32, step: usize, tally: &mut Tally) {
    let Some(table) = CtxTable::of(hook.prog_type) else { return };
    let end = i32::try_from(table.size).unwrap().min(8192 + 192) + 8;
    let near = (-16..0).chain(0..end);
    let far = [i32::from(i16::MAX), i32::from(i16::MAX) - 7, i32::from(i16::MIN)];
    for off in near.chain(far).skip(tally.hooks % step).step_by(step) {
        for size in [1, 2, 4, 8] {
            for write in [None, Some(false), Some(true)] {
                one(hook, btf, result, (off, size, write), tally);
            }
        }
    }
    tally.hooks += 1;
}

/// A load, or a store of a register or a constant.
fn one(
    hook: &Hook,
    btf: &Btf,
    result: i32,
    (off, size, write): (i32, u32, Option<bool>),
    tally: &mut Tally,
) {
    let at = i16::try_from(off).unwrap();
    let access = match write {
        None => load(size, 6, 1, at),
        Some(false) => store(size, 1, 2, at),
        Some(true) => store_imm(size, 1, at, 0),
    };
    let code = [mov(2, 0), access, mov(0, result), exit()];
    let got = hook.with(&code).verdict().is_ok();
    tally.programs += 1;
    tally.accepted += usize::from(got);
    let ours = ctx_access(hook.prog_type, hook.attach, off, size, write.is_some());
    let want = ours.is_ok_and(|field| {
        field.kind != CtxKind::Argument || argument(hook, btf, off, size) == Some(true)
    });
    if kernel_errs(hook.prog_type, off) {
        tally.errors += usize::from(got && !want);
    } else if want != got {
        let way =
            ["load", "store", "store of a constant"][write.map_or(0, |imm| 1 + usize::from(imm))];
        let line = format!("{}: {way} of {size} at {off}: kernel {got}, table {ours:?}", hook.name);
        tally.differences.push(line);
    } else if let (true, None, Ok(field)) = (got, write, ours)
        && let Some(word) = kernel_word(field.kind)
    {
        tally.kinds += 1;
        let spoilt = [access, copy(0, 9), exit()];
        let (_, log) = hook.with(&spoilt).log();
        let theirs = word_of_r6(&log);
        if theirs != Some(word) {
            tally.differences.push(format!("{}: {off}: {theirs:?}, ours {word}", hook.name));
        }
    }
}

/// What the verifier's log calls it.
fn kernel_word(kind: CtxKind) -> Option<&'static str> {
    Some(match kind {
        CtxKind::Scalar => "scalar",
        CtxKind::Packet => "pkt",
        CtxKind::PacketMeta => "pkt_meta",
        CtxKind::PacketEnd => "pkt_end",
        CtxKind::FlowKeys => "flow_keys",
        CtxKind::Socket => "sock",
        CtxKind::SocketOrNull => "sock_or_null",
        CtxKind::SockCommonOrNull => "sock_common_or_null",
        CtxKind::TpBuffer => "tp_buffer",
        CtxKind::Btf("sk_buff") => "trusted_ptr_sk_buff",
        CtxKind::Btf("nf_hook_state") => "trusted_ptr_nf_hook_state",
        CtxKind::Btf(_) | CtxKind::Argument => return None,
    })
}

pub(crate) fn word_of_r6(log: &str) -> Option<&str> {
    let rest = log.lines().find_map(|line| line.split_once(" R6"))?.1;
    let rest = rest.split_once('=')?.1;
    let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end])
}

/// What BTF adds for arguments: Kernel: `btf_ctx_access`, as far as functions of these hooks go.
fn argument(hook: &Hook, btf: &Btf, off: i32, size: u32) -> Option<bool> {
    let (proto, skip) = hook.func?;
    if off % 8 != 0 {
        return Some(false);
    }
    let Body::FuncProto { ret, params } = btf.resolve(proto)?.body else { return None };
    let (at, count) = (usize::try_from(off / 8).ok()?, params.iter().count() - skip);
    let ty = if at == count {
        let place = hook.attach?;
        let with = [
            AttachType::TraceFexit,
            AttachType::LsmMac,
            AttachType::LsmCgroup,
            AttachType::ModifyReturn,
        ];
        if !with.contains(&place) {
            return Some(false);
        }
        ret
    } else if at > count {
        return Some(false);
    } else {
        params.get(at + skip)?.ty
    };
    Some(match btf.resolve(ty)?.body {
        Body::Int(Int { size, .. }) => size <= 8,
        Body::Enum { .. } | Body::Enum64 { .. } | Body::Struct { .. } => true,
        Body::Ptr(_) => size == 8,
        _ => false,
    })
}

/// Compares at the hooks where programs load; says where none does.
fn run(step: usize, only: impl Fn(&Hook) -> bool) -> Tally {
    let btf = vmlinux();
    let mut tally = Tally::default();
    let mut asked = Vec::new();
    for (hook, result) in places().iter().filter(|(hook, _)| only(hook)) {
        compare(hook, btf, *result, step, &mut tally);
        asked.push(hook.prog_type);
    }
    let silent: Vec<_> = ProgType::ALL.iter().filter(|ty| !asked.contains(ty)).collect();
    eprintln!(
        "{} hooks, {} programs, {} accepted, {} kinds of registers compared, {} accepted by an error of \
         the kernel's; no program loads for {silent:?}",
        tally.hooks, tally.programs, tally.accepted, tally.kinds, tally.errors
    );
    assert!(tally.differences.is_empty(), "{}", tally.differences.join("\n"));
    tally
}

#[test]
fn a_sample_of_accesses_is_judged_as_by_the_kernel() {
    if !may_ask() {
        return;
    }
    let wide = [ProgType::Tracepoint, ProgType::Syscall];
    let tally = run(13, |hook| !wide.contains(&hook.prog_type));
    assert!(tally.programs > 10_000 && tally.accepted > 500);
}

#[test]
#[ignore = "loads some 300,000 programs"]
fn every_access_is_judged_as_by_the_kernel() {
    if !may_ask() {
        return;
    }
    let tally = run(1, |_| true);
    assert!(tally.hooks > 90 && tally.programs > 200_000);
}

#[test]
fn alignment_is_said_for_every_context() {
    let natural = |prog| CtxTable::of(prog).map(|table| table.align);
    assert_eq!(natural(ProgType::Xdp), Some(CtxAlign::Natural));
    assert_eq!(natural(ProgType::Lsm), Some(CtxAlign::Word));
}

#[test]
fn arguments_of_iterators_are_what_the_table_says() {
    if !may_ask() {
        return;
    }
    let btf = vmlinux();
    let (mut asked, mut wrong) = (0, Vec::new());
    let iter = |hook: &&(Hook, i32)| hook.0.attach == Some(AttachType::TraceIter);
    for (hook, _) in places().iter().filter(iter) {
        let (function, _) = target(hook);
        let Some(row) = IterTarget::find(function) else {
            wrong.push(format!("{}: no row", hook.name));
            continue;
        };
        let (proto, _) = hook.func.expect("bug: an iterator without a function");
        let Some(Body::FuncProto { params, .. }) = btf.resolve(proto).map(|ty| ty.body) else {
            panic!("{function} has no prototype");
        };
        for (number, param) in (0..).zip(params.iter()) {
            let at = i16::try_from(8 * number).unwrap();
            let (_, log) = hook.with(&[load(8, 6, 1, at), copy(0, 9), exit()]).log();
            let theirs = word_of_r6(&log).unwrap_or_default();
            let pointer = matches!(btf.resolve(param.ty).map(|ty| ty.body), Some(Body::Ptr(_)));
            let ours = match row.arg(number) {
                Some(IterArg::TrustedOrNull) => "trusted_ptr_or_null_",
                Some(IterArg::OrNull) => "ptr_or_null_",
                Some(IterArg::RdonlyBufOrNull) => "rdonly_buf_or_null",
                Some(IterArg::BufOrNull) => "buf_or_null",
                None if pointer => "trusted_ptr_",
                None => "scalar",
            };
            asked += 1;
            let null = theirs.contains("_or_null") == ours.contains("_or_null");
            if !theirs.starts_with(ours) || !null {
                wrong.push(format!("{} {number}: {theirs}, ours {ours}", hook.name));
            }
        }
    }
    eprintln!("{asked} arguments");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > 40);
}
