//! Types of contexts as prototypes of functions name them.
//!
//! Source: `include/linux/bpf_types.h`, Linux 6.18.

use skep_abi::{AttachType, ProgType};
use skep_btf::{Body, Btf, Kind, Type, TypeId};

/// Name of the type of a context; empty where there is none. Kernel: `find_canonical_prog_ctx_type`.
const fn canonical(prog_type: ProgType) -> &'static str {
    use ProgType as P;
    match prog_type {
        P::SocketFilter
        | P::SchedCls
        | P::SchedAct
        | P::CgroupSkb
        | P::LwtIn
        | P::LwtOut
        | P::LwtXmit
        | P::LwtSeg6local
        | P::SkSkb
        | P::FlowDissector => "__sk_buff",
        P::Xdp => "xdp_md",
        P::CgroupSock => "bpf_sock",
        P::CgroupSockAddr => "bpf_sock_addr",
        P::SockOps => "bpf_sock_ops",
        P::SkMsg => "sk_msg_md",
        P::Kprobe => "bpf_user_pt_regs_t",
        P::PerfEvent => "bpf_perf_event_data",
        P::RawTracepoint | P::RawTracepointWritable => "bpf_raw_tracepoint_args",
        P::CgroupDevice => "bpf_cgroup_dev_ctx",
        P::CgroupSysctl => "bpf_sysctl",
        P::CgroupSockopt => "bpf_sockopt",
        P::SkReuseport => "sk_reuseport_md",
        P::SkLookup => "bpf_sk_lookup",
        P::Netfilter => "bpf_nf_ctx",
        _ => "",
    }
}

/// The structure behind the name, which may be a typedef of the kernel's.
fn canonical_struct(kernel: Option<&Btf>, prog_type: ProgType) -> &'static str {
    match canonical(prog_type) {
        "bpf_user_pt_regs_t" => {
            // `struct pt_regs` on x86, `struct user_pt_regs` on arm64.
            let regs = kernel.and_then(|btf| {
                let alias = btf.find("bpf_user_pt_regs_t", Kind::Typedef)?;
                btf.resolve(alias.id)
            });
            if regs.is_some_and(|ty| ty.name == "user_pt_regs") {
                "user_pt_regs"
            } else {
                "pt_regs"
            }
        }
        name => name,
    }
}

fn is_struct(ty: &Type<'_>) -> bool {
    matches!(ty.body, Body::Struct { .. })
}

/// Whether a typedef of this name is met before the type itself.
fn passes_typedef(btf: &Btf, mut id: TypeId, name: &str) -> bool {
    for _ in 0..Btf::MAX_NESTING {
        let Some(ty) = btf.get(id) else { return false };
        match ty.body {
            // Only the first typedef is looked at.
            Body::Typedef(_) => return ty.name == name,
            body => match body.alias_of() {
                Some(next) => id = next,
                None => return false,
            },
        }
    }
    false
}

/// Whether a pointer to `to` is a pointer to the context of such programs.
/// Kernel: `btf_is_prog_ctx_type`.
pub(crate) fn is_ctx_type(
    btf: &Btf,
    kernel: Option<&Btf>,
    to: TypeId,
    prog_type: ProgType,
) -> bool {
    if prog_type == ProgType::Kprobe && passes_typedef(btf, to, "bpf_user_pt_regs_t") {
        return true;
    }
    let Some(ty) =
        btf.resolve(to).filter(|ty| is_struct(ty) || matches!(ty.body, Body::Union { .. }))
    else {
        return false;
    };
    let name = canonical(prog_type);
    if name.is_empty() {
        return false;
    }
    // The kernel's own structures stand for the program's view of them.
    let projected = matches!((name, ty.name), ("__sk_buff", "sk_buff") | ("xdp_md", "xdp_buff"));
    projected || ty.name == name || ty.name == canonical_struct(kernel, prog_type)
}

/// A parameter tagged as context has a type that is one. Kernel: `btf_validate_prog_ctx_type`.
///
/// # Errors
/// The kernel's words.
pub(crate) fn validate_ctx_type(
    btf: &Btf,
    kernel: Option<&Btf>,
    to: TypeId,
    at: usize,
    (prog_type, attach): (ProgType, Option<AttachType>),
) -> Result<(), String> {
    use AttachType as A;
    use ProgType as P;
    if matches!(prog_type, P::Kprobe | P::PerfEvent)
        && passes_typedef(btf, to, "bpf_user_pt_regs_t")
    {
        return Ok(());
    }
    let Some(ty) = btf.resolve(to) else {
        return Err(format!("arg#{at} type doesn't have a name"));
    };
    if matches!(ty.body, Body::Void) {
        return Ok(());
    }
    if ty.name.is_empty() {
        return Err(format!("arg#{at} type doesn't have a name"));
    }
    let word = matches!(ty.body, Body::Int(int) if int.size == 8);
    let named = |name| is_struct(&ty) && ty.name == name;
    let special = match prog_type {
        P::Kprobe => named("pt_regs"),
        P::PerfEvent => named(canonical_struct(kernel, P::Kprobe)),
        P::RawTracepoint | P::RawTracepointWritable | P::Lsm | P::StructOps => word,
        P::Tracing => match attach {
            Some(A::TraceRawTp) => named("bpf_raw_tracepoint_args") || word,
            Some(A::TraceIter) => is_struct(&ty) && ty.name.starts_with("bpf_iter__"),
            Some(A::TraceFentry | A::TraceFexit | A::ModifyReturn) => word,
            _ => false,
        },
        P::Tracepoint | P::Syscall | P::Ext => true,
        _ => false,
    };
    if special {
        return Ok(());
    }
    match canonical_struct(kernel, prog_type) {
        "" => Err(format!("arg#{at} should be void pointer")),
        name if named(name) => Ok(()),
        name => Err(format!("arg#{at} should be `struct {name} *`")),
    }
}
