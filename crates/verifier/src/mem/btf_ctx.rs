//! Arguments of the function that a program is attached to, by their types in BTF.
//!
//! Kernel: `btf_ctx_access` of `kernel/bpf/btf.c`.

use super::btf_walk::tags_of;
use super::ctx::{Loaded, Untyped};
use crate::btf_ref::BtfRef;
use crate::reg::{Base, Extra, RegType, flag};
use crate::verifier::Verifier;
use skep_abi::trust::tracepoint_arg;
use skep_abi::{AttachType, Ops, ProgType, Store};
use skep_btf::{Body, Btf, Param, Type, TypeId};

/// Arguments of a function without types. Kernel: `MAX_BPF_FUNC_REG_ARGS`.
const UNTYPED_ARGS: usize = 5;

/// What a program is attached to. Kernel: `attach_func_proto` and its like of `struct bpf_prog_aux`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attached {
    /// Function, or tracepoint.
    pub(crate) name: String,
    /// Its prototype in the kernel's BTF; `None` for any five numbers.
    pub(crate) proto: Option<TypeId>,
    /// The prototype of a tracepoint begins with a parameter that programs do not get.
    pub(crate) skips_first: bool,
    /// Arguments with other types than the prototype's.
    pub(crate) args: Vec<CtxArg>,
    /// Whether pointers among the arguments are valid.
    pub(crate) trusted: bool,
    /// Fields of the kernel's objects that programs for a structure of functions may write.
    pub(crate) stores: &'static [Store],
    /// Structure of functions that the program is a member of.
    pub(crate) ops: Option<&'static Ops>,
    /// What the function may return, if it is known.
    pub(crate) returns: Option<(i32, i32)>,
}

/// An argument with another type. Kernel: `struct bpf_ctx_arg_aux`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CtxArg {
    /// Bytes from the start of the context.
    pub(crate) off: i32,
    pub(crate) ty: RegType,
    /// Type of an object.
    pub(crate) btf: Option<TypeId>,
}

impl Verifier<'_> {
    /// What the result of the attach target is between. Kernel: `get_func_retval_range`.
    pub(super) fn retval_range(&self) -> Option<(i32, i32)> {
        let lsm = self.prog.prog_type == ProgType::Lsm
            && self.prog.attach_type == Some(AttachType::LsmMac);
        self.mem.attached.returns.filter(|_| lsm)
    }

    /// A load of `size` bytes at `off` of the arguments.
    pub(super) fn btf_ctx_access(&self, off: i32, size: i32, sx: bool) -> Result<Loaded, Untyped> {
        let target = &self.mem.attached;
        let name = &target.name;
        let refuse = |text: String| Err(Untyped::Refused(Some(text)));
        if off % 8 != 0 {
            return refuse(format!("func '{name}' offset {off} is not multiple of 8"));
        }
        let Some(btf) = self.vmlinux else {
            return Err(Untyped::Unsupported("arguments without the kernel's types".into()));
        };
        let proto = target.proto.and_then(|id| btf.get(id)).map(|ty| ty.body);
        let Some(Body::FuncProto { ret, params }) = proto else {
            return self.untyped_arg(off);
        };
        let mut params: Vec<Param<'_>> = params.iter().collect();
        let at = arg_index(btf, &params, ret, off);
        if target.skips_first {
            params.remove(0);
        }
        let missing = || format!("func '{name}' doesn't have {}-th argument", at + 1);
        if at > params.len() {
            return refuse(missing());
        }
        let mut is_retval = false;
        let (ty, param) = match params.get(at) {
            Some(param) => (param.ty, Some(*param)),
            None => match self.prog.attach_type {
                Some(AttachType::LsmMac) => {
                    is_retval = true;
                    (ret, None)
                }
                Some(AttachType::LsmCgroup | AttachType::TraceFexit) => (ret, None),
                Some(AttachType::ModifyReturn) => {
                    let small = btf.resolve(ret).is_some_and(|ty| is_small_int(&ty));
                    if !small {
                        let kind = btf.resolve(ret).map_or("UNKN", |ty| kind_name(&ty));
                        return refuse(format!("ret type {kind} not allowed for fmod_ret"));
                    }
                    (ret, None)
                }
                _ => return refuse(missing()),
            },
        };
        let loaded = self.typed_arg(btf, Arg { at, ty, param, off, size })?;
        if sx && !loaded.ty.is(Base::Scalar) {
            return Err(Untyped::Refused(None));
        }
        Ok(Loaded { is_retval, ..loaded })
    }

    /// Any five numbers.
    fn untyped_arg(&self, off: i32) -> Result<Loaded, Untyped> {
        let at = usize::try_from(off / 8).unwrap_or(usize::MAX);
        let last = matches!(
            self.prog.attach_type,
            Some(AttachType::LsmMac | AttachType::LsmCgroup | AttachType::TraceFexit)
        );
        if at < UNTYPED_ARGS || (at == UNTYPED_ARGS && last) {
            return Ok(Loaded::NUMBER);
        }
        Err(Untyped::Refused(Some(format!(
            "func '{}' doesn't have {}-th argument",
            self.mem.attached.name,
            at + 1
        ))))
    }

    fn typed_arg(&self, btf: &Btf, arg: Arg<'_>) -> Result<Loaded, Untyped> {
        let target = &self.mem.attached;
        let name = &target.name;
        let refuse = |text: String| Err(Untyped::Refused(Some(text)));
        let Some(ty) = btf.resolve(arg.ty) else { return Err(Untyped::Refused(None)) };
        if is_small_int(&ty) || is_number(&ty) {
            return Ok(Loaded::NUMBER);
        }
        let Body::Ptr(to) = ty.body else {
            return refuse(format!(
                "func '{name}' arg{} '{}' has type {}. Only pointer access is allowed",
                arg.at,
                ty.name,
                kind_name(&ty)
            ));
        };
        if arg.size != 8 {
            return refuse(format!("func '{name}' size {} must be 8", arg.size));
        }
        let known = target.args.iter().find(|known| known.off == arg.off);
        if let Some(known) = known.filter(|known| known.ty.base == Base::Buf) {
            return Ok(Loaded::pointer(known.ty, Extra::None));
        }
        let pointed = btf.resolve(to);
        if pointed.is_none_or(|ty| matches!(ty.body, Body::Void | Body::Int(_))) {
            return Ok(Loaded::NUMBER);
        }
        if let Some(known) = known {
            let Some(id) = known.btf else {
                return refuse(format!("invalid btf_id for context argument offset {}", arg.off));
            };
            let extra = Extra::Btf { btf: BtfRef::Kernel, id };
            return Ok(Loaded::pointer(known.ty, extra));
        }
        self.object_arg(btf, to, arg)
    }

    /// A pointer to a structure.
    fn object_arg(&self, btf: &Btf, to: TypeId, arg: Arg<'_>) -> Result<Loaded, Untyped> {
        let target = &self.mem.attached;
        let name = &target.name;
        let mut flags = if target.trusted { flag::TRUSTED } else { 0 };
        if arg.param.is_some_and(|param| param.name.ends_with("__nullable")) {
            flags |= flag::MAYBE_NULL;
        }
        let mut error = false;
        if self.prog.attach_type == Some(AttachType::TraceRawTp) {
            let tracepoint = name.strip_prefix("btf_trace_").unwrap_or(name);
            let number = u32::try_from(arg.at).unwrap_or(u32::MAX);
            let invalid = tracepoint_arg(tracepoint, number).unwrap_or_default();
            flags |= if invalid.null { flag::MAYBE_NULL } else { 0 };
            error = invalid.error;
        }
        let refuse = |text: String| Err(Untyped::Refused(Some(text)));
        const TAGS: [(&str, u32); 2] = [("user", flag::USER), ("percpu", flag::PERCPU)];
        let Some((tags, object)) = tags_of(btf, to, &TAGS) else {
            return refuse(format!("func '{name}' arg{} type PTR has multiple type tags", arg.at));
        };
        if !matches!(object.body, Body::Struct { .. } | Body::Union { .. }) {
            return refuse(format!(
                "func '{name}' arg{} type {} is not a struct",
                arg.at,
                kind_name(&object)
            ));
        }
        if error {
            return Ok(Loaded::NUMBER);
        }
        let ty = RegType::new(Base::BtfId).with(flags | tags);
        // Some structures of functions hand over a part of what the type says.
        let promoted =
            target.ops.and_then(|ops| ops.promotes).filter(|(from, _)| object.name == *from);
        let whole = promoted.and_then(|(_, whole)| btf.find(whole, skep_btf::Kind::Struct));
        let id = whole.map_or(object.id, |whole| whole.id);
        Ok(Loaded::pointer(ty, Extra::Btf { btf: BtfRef::Kernel, id }))
    }
}

/// An argument and how it is loaded.
#[derive(Clone, Copy)]
struct Arg<'a> {
    at: usize,
    ty: TypeId,
    param: Option<Param<'a>>,
    off: i32,
    size: i32,
}

/// Number of the argument at an offset. Kernel: `btf_ctx_arg_idx`.
fn arg_index(btf: &Btf, params: &[Param<'_>], ret: TypeId, off: i32) -> usize {
    let bytes = |ty: TypeId| -> i64 {
        match btf.resolve(ty).map(|ty| ty.body) {
            Some(Body::Ptr(_)) => 8,
            _ => i64::from(btf.size_of(ty).unwrap_or(0).next_multiple_of(8)),
        }
    };
    let mut end = 0;
    for (at, ty) in params.iter().map(|param| param.ty).chain([ret]).enumerate() {
        end += bytes(ty);
        if i64::from(off) < end {
            return at;
        }
    }
    params.len() + 1
}

/// Kernel: `btf_type_is_small_int`.
fn is_small_int(ty: &Type<'_>) -> bool {
    matches!(ty.body, Body::Int(int) if int.size <= 8)
}

fn is_number(ty: &Type<'_>) -> bool {
    matches!(
        ty.body,
        Body::Enum { .. } | Body::Enum64 { .. } | Body::Struct { .. } | Body::Union { .. }
    )
}

/// Kernel: `btf_kind_str`.
pub(crate) fn kind_name(ty: &Type<'_>) -> &'static str {
    match ty.body {
        Body::Void => "UNKN",
        Body::Int(_) => "INT",
        Body::Ptr(_) => "PTR",
        Body::Array { .. } => "ARRAY",
        Body::Struct { .. } => "STRUCT",
        Body::Union { .. } => "UNION",
        Body::Enum { .. } => "ENUM",
        Body::Fwd { .. } => "FWD",
        Body::Typedef(_) => "TYPEDEF",
        Body::Volatile(_) => "VOLATILE",
        Body::Const(_) => "CONST",
        Body::Restrict(_) => "RESTRICT",
        Body::Func { .. } => "FUNC",
        Body::FuncProto { .. } => "FUNC_PROTO",
        Body::Var { .. } => "VAR",
        Body::Datasec { .. } => "DATASEC",
        Body::Float { .. } => "FLOAT",
        Body::DeclTag { .. } => "DECL_TAG",
        Body::TypeTag(_) => "TYPE_TAG",
        Body::Enum64 { .. } => "ENUM64",
    }
}
