//! Arguments of tracepoints: which may be null, and which may be errors.

use crate::code::{copy, exit, load};
use crate::ctx::word_of_r6;
use crate::hooks::{Hook, vmlinux};
use crate::kernel::may_ask;
use skep_abi::AttachType::TraceRawTp;
use skep_abi::ProgType;
use skep_abi::trust::{SAFE_FIELDS, Safe, tracepoint_arg};
use skep_btf::{Body, Btf, TypeId};

/// Whether it is a plain pointer to a structure whose members the types tell.
fn is_to_structure(btf: &Btf, mut ty: TypeId) -> bool {
    let mut inside = false;
    loop {
        ty = match btf.get(ty).map(|ty| ty.body) {
            Some(Body::Const(ty) | Body::Volatile(ty) | Body::Restrict(ty) | Body::Typedef(ty)) => {
                ty
            }
            Some(Body::Ptr(to)) if !inside => {
                inside = true;
                to
            }
            Some(Body::Struct { .. }) => return inside,
            // Tags change what the pointer is, and unions are not structures to the verifier's words.
            _ => return false,
        };
    }
}

/// Every tracepoint of `step`.
fn compare(step: usize, least: usize) {
    if !may_ask() {
        return;
    }
    let btf = vmlinux();
    let (mut asked, mut special, mut wrong) = (0, 0, Vec::new());
    for ty in btf.types().filter(|ty| ty.name.starts_with("btf_trace_")).step_by(step) {
        let Body::Typedef(pointer) = ty.body else { continue };
        let Some(Body::Ptr(proto)) = btf.get(pointer).map(|ty| ty.body) else { continue };
        let Some(Body::FuncProto { params, .. }) = btf.get(proto).map(|ty| ty.body) else {
            continue;
        };
        let name = &ty.name["btf_trace_".len()..];
        let hook = Hook {
            prog_type: ProgType::Tracing,
            attach: Some(TraceRawTp),
            btf_id: ty.id.0,
            flags: 0,
            func: None,
            name: name.to_owned(),
        };
        for (number, param) in (0..).zip(params.iter().skip(1)) {
            if !is_to_structure(btf, param.ty) {
                continue;
            }
            let at = i16::try_from(8 * number).unwrap();
            let (_, log) = hook.with(&[load(8, 6, 1, at), copy(0, 9), exit()]).log();
            let Some(theirs) = word_of_r6(&log) else { continue };
            let row = tracepoint_arg(name, number).unwrap_or_default();
            let fits = if row.error {
                theirs == "scalar"
            } else {
                theirs.starts_with("trusted_ptr_") && theirs.contains("_or_null_") == row.null
            };
            asked += 1;
            special += usize::from(row.error || row.null);
            if !fits {
                wrong.push(format!("{name} {number}: {theirs}, {row:?}"));
            }
        }
    }
    eprintln!("{asked} arguments, {special} of them null or an error at times");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(asked > least);
}

#[test]
fn some_arguments_may_be_null_as_the_table_says() {
    compare(8, 50);
}

#[test]
#[ignore = "asks for every tracepoint"]
fn arguments_may_be_null_as_the_table_says() {
    compare(1, 500);
}

/// The kernel keeps its list of trusted fields as structures of its own types: `task_struct__safe_rcu`.
#[test]
fn trusted_fields_are_those_that_the_types_of_the_kernel_list() {
    if !may_ask() {
        return;
    }
    let words = [
        ("__safe_rcu", Safe::Rcu),
        ("__safe_rcu_or_null", Safe::RcuOrNull),
        ("__safe_trusted", Safe::Trusted),
        ("__safe_trusted_or_null", Safe::TrustedOrNull),
    ];
    let mut theirs = Vec::new();
    for ty in vmlinux().types() {
        let Body::Struct { members, .. } = ty.body else { continue };
        let list = words.iter().find_map(|(end, safe)| Some((ty.name.strip_suffix(end)?, *safe)));
        let Some((structure, safe)) = list else { continue };
        theirs.extend(members.iter().map(|member| (structure, member.name, safe)));
    }
    let rows = SAFE_FIELDS.iter();
    let mut ours: Vec<_> =
        rows.flat_map(|row| row.2.iter().map(|field| (row.0, *field, row.1))).collect();
    let key = |row: &(&str, &str, Safe)| format!("{row:?}");
    theirs.sort_by_key(key);
    ours.sort_by_key(key);
    assert_eq!(ours, theirs);
}
