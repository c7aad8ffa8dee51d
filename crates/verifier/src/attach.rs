//! What the program is to be attached to: that it exists, and the types of what it hands over.
//!
//! Kernel: `check_attach_btf_id`, `bpf_check_attach_target`.

use crate::change::Change;
use crate::mem::{Attached, CtxArg};
use crate::record::Metas;
use crate::reg::{Base, RegType, flag};
use crate::reject::{Fact, Reject, Res, reject, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::attach::{Unattachable, may_attach, may_modify, may_sleep};
use skep_abi::hooks::{BOOL_LSM, DISABLED_LSM, UNTRUSTED_LSM, is_listed};
use skep_abi::older::lsm_may_sleep;
use skep_abi::{AttachType, Errno, IterArg, IterTarget, Ops, ProgType, Release};
use skep_btf::{Body, Btf, Kind, TypeId};

/// Prefix of the types of tracepoints.
const TRACEPOINT: &str = "btf_trace_";
/// Prefix of the functions that LSM programs are attached to.
const LSM: &str = "bpf_lsm_";
/// Prefix of the functions that iterator programs are attached to.
const ITER: &str = "bpf_iter_";
/// Arguments of a function that can be traced. Kernel: `MAX_BPF_FUNC_ARGS`.
const MAX_ARGS: usize = 12;
/// Errors that a kernel function returns. Kernel: `MAX_ERRNO`.
const MAX_ERRNO: i32 = 4095;

/// Whether a parameter of the structure's stub function is tagged `__ref`: the program must release it.
fn carries_reference(btf: &Btf, structure: &str, member: &str) -> bool {
    let stub = btf.find(&format!("{structure}__{member}"), Kind::Func).map(|func| func.body);
    let Some(Body::Func { proto, .. }) = stub else { return false };
    let proto = btf.get(proto).map(|ty| ty.body);
    matches!(proto, Some(Body::FuncProto { params, .. })
        if params.iter().any(|param| param.name.ends_with("__ref")))
}

/// Arguments that may be null, by the names of the parameters of the structure's stub function.
/// Kernel: `prepare_arg_info`.
fn nullable_args(btf: &Btf, structure: &str, member: &str) -> Vec<CtxArg> {
    let stub = btf.find(&format!("{structure}__{member}"), Kind::Func).map(|func| func.body);
    let Some(Body::Func { proto, .. }) = stub else { return Vec::new() };
    let Some(Body::FuncProto { params, .. }) = btf.get(proto).map(|ty| ty.body) else {
        return Vec::new();
    };
    let nullable =
        params.iter().zip(0_i32..).filter(|(param, _)| param.name.ends_with("__nullable"));
    nullable
        .filter_map(|(param, at)| {
            let Body::Ptr(to) = btf.resolve(param.ty)?.body else { return None };
            let ty = RegType::new(Base::BtfId).with(flag::TRUSTED | flag::MAYBE_NULL);
            Some(CtxArg { off: at * 8, ty, btf: Some(btf.resolve(to)?.id) })
        })
        .collect()
}

/// Lists and trees came with it, and with them a look at every structure. Kernel: `btf_parse_struct_metas`.
const STRUCTS_LOOKED_AT: Release = Release { major: 6, minor: 2 };

impl Verifier<'_> {
    /// The types of the object, which are loaded before programs. Kernel: `btf_parse`.
    pub(crate) fn check_types(&mut self) -> Res<()> {
        if let Some(btf) = self.btf {
            self.mem.metas = match Metas::parse(btf, self.vmlinux) {
                Ok(metas) => metas,
                // Before, nobody looked at structures of programs that are in no map.
                Err(_) if !self.is_since(STRUCTS_LOOKED_AT) => Metas::default(),
                Err(fault) => {
                    let wrong = Fact::Wrong { what: fault.text(), remedy: fault.remedy.into() };
                    return Reject::new(Rule::Btf, "").errno(fault.errno).fact(wrong).stop();
                }
            };
        }
        Ok(())
    }

    /// Kernel: `check_attach_btf_id`.
    pub(crate) fn check_attach(&mut self) -> Res<()> {
        let prog_type = self.prog.prog_type;
        if prog_type == ProgType::Syscall {
            return match self.sleepable {
                true => Ok(()),
                false => reject(Rule::ProgType, "Syscall programs can only be sleepable"),
            };
        }
        if self.sleepable && !prog_type.may_be_sleepable(self.prog.attach_type) {
            return reject(
                Rule::ProgType,
                "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable",
            );
        }
        match prog_type {
            ProgType::StructOps => self.check_ops(),
            ProgType::Ext => self.check_replaced(),
            ProgType::Tracing | ProgType::Lsm => self.check_attach_target(),
            _ => Ok(()),
        }
    }

    /// A member of a structure of functions, named as `structure.member`.
    /// Kernel: `check_struct_ops_btf_id`.
    fn check_ops(&mut self) -> Res<()> {
        if !self.is_gpl() {
            return reject(
                Rule::AttachTarget,
                "struct ops programs must have a GPL compatible license",
            );
        }
        let Some(btf) = self.vmlinux else {
            return unsupported("structures of a kernel whose types are not known");
        };
        let Some((structure, member)) = self.env.attach_to.split_once('.') else {
            return unsupported("a program for a structure that is not named");
        };
        let ty = btf.find(structure, Kind::Struct).map(|ty| ty.body);
        let (Some(ops), Some(Body::Struct { members, .. })) = (Ops::find(structure), ty) else {
            return unsupported(format!("programs for struct {structure}"));
        };
        let found = members.iter().find(|other| other.name == member);
        let Some(found) = found else {
            return reject(
                Rule::AttachTarget,
                format!("attach to invalid member {member} of struct {structure}"),
            );
        };
        let proto = btf.resolve(found.ty).and_then(|ty| match ty.body {
            Body::Ptr(to) => Some(to),
            _ => None,
        });
        let Some(proto) = proto.filter(|&id| params(btf, id).is_some()) else {
            let index = members.iter().position(|other| other.name == member).unwrap_or(0);
            return reject(
                Rule::AttachTarget,
                format!("attach to invalid member {member}(@idx {index}) of struct {structure}"),
            );
        };
        if !ops.admits(member, self.sleepable) {
            return Reject::new(
                Rule::AttachTarget,
                format!("attach to unsupported member {member} of struct {structure}"),
            )
            .errno(Errno::ENOTSUPP)
            .stop();
        }
        if carries_reference(btf, structure, member) {
            return unsupported(format!(
                "arguments of {structure}.{member} that carry a reference"
            ));
        }
        self.mem.attached = Attached {
            name: member.into(),
            proto: Some(proto),
            args: nullable_args(btf, structure, member),
            trusted: true,
            stores: ops.stores,
            ops: Some(ops),
            ..Attached::default()
        };
        Ok(())
    }

    fn check_attach_target(&mut self) -> Res<()> {
        use AttachType as A;
        let Some(btf) = self.vmlinux else {
            return unsupported("attaching to a kernel whose types are not known");
        };
        if self.env.attach_to.is_empty() {
            return reject(Rule::AttachTarget, "Tracing programs must provide btf_id");
        }
        let attached = match self.prog.attach_type {
            Some(A::TraceRawTp) => self.tracepoint(btf)?,
            Some(A::TraceIter) => self.iterator(btf)?,
            Some(A::TraceFentry | A::TraceFexit | A::ModifyReturn) => {
                self.function(btf, self.env.attach_to)?
            }
            Some(A::LsmMac | A::LsmCgroup) => self.lsm(btf)?,
            _ => {
                return Reject::new(Rule::AttachTarget, "")
                    .fact(Fact::Required("a place that programs of the type have".into()))
                    .stop();
            }
        };
        self.mem.attached = attached;
        Ok(())
    }

    fn tracepoint(&self, btf: &Btf) -> Res<Attached> {
        let name = self.env.attach_to;
        let name = name.strip_prefix(TRACEPOINT).unwrap_or(name);
        let found = btf.find(&format!("{TRACEPOINT}{name}"), Kind::Typedef);
        let Some(Body::Typedef(to)) = found.map(|ty| ty.body) else {
            return self.no_target(name);
        };
        // The function behind a tracepoint of the same name has names of arguments.
        let func = btf.find(&format!("__bpf_trace_{name}"), Kind::Func).map(|func| func.body);
        let proto = match func {
            Some(Body::Func { proto, .. }) => Some(proto),
            _ => match btf.get(to).map(|ty| ty.body) {
                Some(Body::Ptr(proto)) => Some(proto),
                _ => None,
            },
        };
        let Some(proto) = proto.filter(|&id| params(btf, id).is_some()) else {
            return self.no_target(name);
        };
        Ok(Attached {
            name: format!("{TRACEPOINT}{name}"),
            proto: Some(proto),
            skips_first: true,
            trusted: true,
            ..Attached::default()
        })
    }

    fn iterator(&self, btf: &Btf) -> Res<Attached> {
        let target = self.env.attach_to.strip_prefix(ITER).unwrap_or(self.env.attach_to);
        let name = format!("{ITER}{target}");
        let Some(proto) = proto_of(btf, &name) else { return self.no_target(&name) };
        self.check_model(btf, proto, &name)?;
        let Some(known) = IterTarget::find(target) else {
            return unsupported(format!("the iterator {target}"));
        };
        let mut args = Vec::new();
        for (at, ty) in params(btf, proto).unwrap_or_default().into_iter().enumerate() {
            let arg = u32::try_from(at).ok().and_then(|at| known.arg(at));
            let (Some(arg), Ok(off)) = (arg, i32::try_from(at * 8)) else { continue };
            args.push(iter_arg(btf, arg, off, ty));
        }
        Ok(Attached { name, proto: Some(proto), args, trusted: true, ..Attached::default() })
    }

    fn lsm(&self, btf: &Btf) -> Res<Attached> {
        let hook = self.env.attach_to.strip_prefix(LSM).unwrap_or(self.env.attach_to);
        let name = format!("{LSM}{hook}");
        let mut attached = self.function(btf, &name)?;
        let id = btf.find(&name, Kind::Func).map_or(0, |func| func.id.0);
        if !self.is_gpl() {
            return reject(Rule::AttachTarget, "LSM programs must have a GPL compatible license");
        }
        if is_listed(DISABLED_LSM, hook) {
            return reject(
                Rule::AttachTarget,
                format!("attach_btf_id {id} points to disabled hook {name}"),
            );
        }
        attached.trusted = !is_listed(UNTRUSTED_LSM, hook);
        attached.returns = Some(if is_listed(BOOL_LSM, hook) { (0, 1) } else { (-MAX_ERRNO, 0) });
        Ok(attached)
    }

    /// A function of the kernel.
    fn function(&self, btf: &Btf, name: &str) -> Res<Attached> {
        let place = self.prog.attach_type;
        let Some(proto) = proto_of(btf, name) else { return self.no_target(name) };
        self.check_model(btf, proto, name)?;
        if self.sleepable && !self.may_sleep_in(name) {
            return reject(Rule::HelperSleep, format!("{name} is not sleepable"));
        }
        let modifiable = || may_modify(name, self.is_fallible(name));
        if !self.sleepable && place == Some(AttachType::ModifyReturn) && !modifiable() {
            return reject(Rule::AttachTarget, format!("{name}() is not modifiable"));
        }
        let tracing = self.prog.prog_type == ProgType::Tracing;
        let listed = place.filter(|_| tracing).map(|place| may_attach(place, name));
        match listed {
            Some(Err(Unattachable::Denied)) => reject(
                Rule::AttachTarget,
                format!("Attaching tracing programs to function '{name}' is rejected."),
            )?,
            Some(Err(Unattachable::NoReturn)) if self.has(Change::NoReturn) => reject(
                Rule::AttachTarget,
                format!("Attaching fexit/fmod_ret to __noreturn function '{name}' is rejected."),
            )?,
            _ => {}
        }
        Ok(Attached { name: name.into(), proto: Some(proto), ..Attached::default() })
    }

    fn may_sleep_in(&self, name: &str) -> bool {
        match self.prog.prog_type {
            ProgType::Lsm => {
                let release = self.env.kernel.release;
                name.strip_prefix(LSM).is_some_and(|hook| lsm_may_sleep(hook, release))
            }
            _ => may_sleep(name, self.is_fallible(name)),
        }
    }

    /// Whether errors can be injected into the function, so that what it returns may be changed. Kernels
    /// that were built without that have no such function.
    /// Kernel: `within_error_injection_list`.
    fn is_fallible(&self, name: &str) -> bool {
        const SYSCALLS: [&str; 3] = ["__x64_sys_", "__ia32_sys_", "__arm64_sys_"];
        let is_listed =
            SYSCALLS.iter().any(|prefix| name.starts_with(prefix)) || FALLIBLE.contains(&name);
        is_listed && self.kernel_func("within_error_injection_list").is_some()
    }

    /// The loader finds no such name.
    fn no_target<T>(&self, name: &str) -> Res<T> {
        Reject::new(Rule::AttachTarget, "")
            .errno(Errno::ESRCH)
            .fact(Fact::Required(format!("a kernel that has {name}")))
            .stop()
    }

    /// The kernel can hand the arguments of the function over. Kernel: `btf_distill_func_proto`.
    pub(crate) fn check_model(&self, btf: &Btf, proto: TypeId, name: &str) -> Res<()> {
        let refuse = |text: String| reject(Rule::AttachTarget, text);
        let Some(params) = params(btf, proto) else {
            return refuse(format!("{name} has no prototype"));
        };
        if params.len() > MAX_ARGS {
            return refuse(format!(
                "The function {name} has {} arguments. Too many.",
                params.len()
            ));
        }
        let ret = match btf.get(proto).map(|ty| ty.body) {
            Some(Body::FuncProto { ret, .. }) => ret,
            _ => TypeId::VOID,
        };
        let returned = model_size(btf, ret);
        let structure = btf
            .resolve(ret)
            .is_some_and(|ty| matches!(ty.body, Body::Struct { .. } | Body::Union { .. }));
        if returned.is_none() || structure {
            let kind = btf.resolve(ret).map_or("UNKN", |ty| crate::mem::kind_name(&ty));
            return refuse(format!("The function {name} return type {kind} is unsupported."));
        }
        for (at, &ty) in params.iter().enumerate() {
            if at + 1 == params.len() && ty == TypeId::VOID {
                return refuse(format!("The function {name} with variable args is unsupported."));
            }
            match model_size(btf, ty) {
                Some(0) => {
                    return refuse(format!("The function {name} has malformed void argument."));
                }
                Some(1..=16) => {}
                _ => {
                    let kind = btf.resolve(ty).map_or("UNKN", |ty| crate::mem::kind_name(&ty));
                    return refuse(format!(
                        "The function {name} arg{at} type {kind} is unsupported."
                    ));
                }
            }
        }
        Ok(())
    }
}

/// An argument of an iterator that is more than its type says.
fn iter_arg(btf: &Btf, arg: IterArg, off: i32, ty: TypeId) -> CtxArg {
    let object = match btf.resolve(ty).map(|ty| ty.body) {
        Some(Body::Ptr(to)) => btf.resolve(to).map(|to| to.id),
        _ => None,
    };
    let (base, flags, object) = match arg {
        IterArg::TrustedOrNull => (Base::BtfId, flag::TRUSTED, object),
        IterArg::OrNull => (Base::BtfId, 0, object),
        IterArg::RdonlyBufOrNull => (Base::Buf, flag::RDONLY, None),
        IterArg::BufOrNull => (Base::Buf, 0, None),
    };
    CtxArg { off, ty: RegType::new(base).with(flags | flag::MAYBE_NULL), btf: object }
}

/// Types of the parameters of a prototype.
fn params(btf: &Btf, proto: TypeId) -> Option<Vec<TypeId>> {
    match btf.get(proto)?.body {
        Body::FuncProto { params, .. } => Some(params.iter().map(|param| param.ty).collect()),
        _ => None,
    }
}

/// The prototype of a function.
fn proto_of(btf: &Btf, name: &str) -> Option<TypeId> {
    match btf.find(name, Kind::Func)?.body {
        Body::Func { proto, .. } => Some(proto),
        _ => None,
    }
}

/// Bytes of an argument or result. Kernel: `__get_type_size`.
fn model_size(btf: &Btf, ty: TypeId) -> Option<u32> {
    if ty == TypeId::VOID {
        return Some(0);
    }
    match btf.resolve(ty)?.body {
        Body::Ptr(_) => Some(8),
        Body::Int(int) => Some(int.size),
        Body::Enum { size, .. }
        | Body::Enum64 { size, .. }
        | Body::Struct { size, .. }
        | Body::Union { size, .. } => Some(size),
        _ => None,
    }
}

/// Functions, besides system calls, that fail on demand where the kernel is configured so.
const FALLIBLE: [&str; 9] = [
    "__filemap_add_folio",
    "btrfs_cow_block",
    "open_ctree",
    "should_fail_alloc_page",
    "should_fail_bio",
    "should_fail_futex",
    "should_fail_usercopy",
    "should_failslab",
    "should_fail_request",
];
