//! Prototypes of the program's functions: what they take, and whether a call gives it.
//!
//! A global function is verified by itself for any arguments that its prototype allows; its callers
//! must pass such. Tags (`__arg_ctx`, `__arg_nonnull`, …) say more than C can.
//!
//! Kernel: `btf_prepare_func_args`, `btf_check_func_arg_match`, `do_check_common`.

use crate::btf_ref::BtfRef;
use crate::call::Meta;
use crate::ctx_type::{is_ctx_type, validate_ctx_type};
use crate::reg::{Base, DynptrKind, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::subprog::{SubArg, SubArgKind};
use crate::verifier::{NO_PC, Verifier};
use skep_abi::{Arg, ArgKind, Errno, Release, arg_flag};
use skep_btf::{Body, Btf, FuncLinkage, Type, TypeId};
use skep_isa::Reg;

/// Tags on parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tags {
    ctx: bool,
    trusted: bool,
    untrusted: bool,
    nonnull: bool,
    nullable: bool,
    arena: bool,
}

impl Tags {
    fn count(self) -> usize {
        [self.ctx, self.trusted, self.untrusted, self.nonnull, self.nullable, self.arena]
            .into_iter()
            .filter(|&tag| tag)
            .count()
    }
}

/// A refusal because of a prototype.
fn refuse<T>(text: impl Into<String>) -> Res<T> {
    reject(Rule::SubprogProto, text)
}

fn bad_tags<T>(at: usize) -> Res<T> {
    refuse(format!("arg#{at} has invalid combination of tags"))
}

/// The type behind qualifiers; the type itself if it is malformed.
fn plain(btf: &Btf, id: TypeId) -> Option<Type<'_>> {
    btf.resolve(id)
}

const fn is_number(ty: &Type<'_>) -> bool {
    matches!(ty.body, Body::Int(_) | Body::Enum { .. } | Body::Enum64 { .. })
}

/// The kernel's word for a kind of type. Kernel: `btf_type_str`.
const fn kind_str(ty: &Type<'_>) -> &'static str {
    match ty.body {
        Body::Void => "UNKNOWN",
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

impl<'a> Verifier<'a> {
    /// Whether every function has a type. Kernel: `prog->aux->func_info`.
    pub(crate) fn has_func_info(&self) -> bool {
        self.subprogs.first().is_some_and(|main| main.func.is_some())
    }

    /// Types of functions are functions, and functions that need to return a number do.
    /// Kernel: `check_btf_func`, `check_abnormal_return`.
    pub(crate) fn check_func_info(&mut self) -> Res<()> {
        self.check_kfunc_calls()?;
        let types: Option<Vec<TypeId>> = self
            .subprogs
            .iter()
            .map(|sub| {
                let named = self.prog.subprogs.iter().find(|named| named.start.0 == sub.start);
                named.and_then(|named| named.type_id)
            })
            .collect();
        let (Some(types), Some(btf)) = (types, self.btf) else {
            return self.check_without_types();
        };
        let knows_global = self.is_since(Release { major: 5, minor: 6 });
        for (at, id) in types.into_iter().enumerate() {
            let Some(Type { body: Body::Func { proto, linkage }, .. }) = btf.get(id) else {
                return reject(Rule::Btf, format!("invalid type id {id} in func info"));
            };
            let Some(Type { body: Body::FuncProto { ret, .. }, .. }) = btf.get(proto) else {
                return reject(Rule::Btf, format!("invalid type id {id} in func info"));
            };
            let number = plain(btf, ret).is_some_and(|ty| match ty.body {
                Body::Int(int) => int.size <= 8,
                Body::Enum { .. } | Body::Enum64 { .. } => true,
                _ => false,
            });
            let sub = &mut self.subprogs[at];
            sub.func = Some(id);
            // Before they were verified on their own, loaders made global functions static.
            sub.is_global = linkage == FuncLinkage::Global && knows_global;
            if at != 0 && !number && sub.has_ld_abs {
                return reject(
                    Rule::CallPlace,
                    "LD_ABS is only allowed in functions that return 'int'.",
                );
            }
            if at != 0 && !number && sub.has_tail_call {
                return reject(
                    Rule::CallPlace,
                    "tail_call is only allowed in functions that return 'int'.",
                );
            }
        }
        Ok(())
    }

    fn check_without_types(&self) -> Res<()> {
        for sub in self.subprogs.iter().skip(1) {
            if sub.has_ld_abs {
                return reject(Rule::CallPlace, "LD_ABS is not allowed in subprogs without BTF");
            }
            if sub.has_tail_call {
                return reject(Rule::CallPlace, "tail_call is not allowed in subprogs without BTF");
            }
        }
        Ok(())
    }

    /// Reads the prototype of a function. Kernel: `btf_prepare_func_args`.
    pub(crate) fn prepare_func_args(&mut self, subprog: u32) -> Res<()> {
        let sub = &self.subprogs[subprog as usize];
        if sub.args_cached {
            return Ok(());
        }
        let global = sub.is_global;
        let (Some(btf), Some(func)) = (self.btf, sub.func) else {
            return Reject::new(Rule::SubprogProto, "").stop();
        };
        let Some(Type { name, body: Body::Func { proto, .. }, .. }) = btf.get(func) else {
            return reject(Rule::Internal, "function without type");
        };
        let Some(Type { body: Body::FuncProto { ret, params }, .. }) = btf.get(proto) else {
            return reject(Rule::Internal, format!("Invalid type of function {name}()"));
        };
        if params.len() > 5 {
            return refuse(if global {
                format!("Global function {name}() with {} > 5 args. Buggy compiler.", params.len())
            } else {
                String::new()
            });
        }
        if !plain(btf, ret).is_some_and(|ty| is_number(&ty)) {
            return refuse(if global {
                format!("Global function {name}() doesn't return scalar. Only those are supported.")
            } else {
                String::new()
            });
        }
        let mut args = Vec::with_capacity(params.len());
        for (at, param) in params.iter().enumerate() {
            let tags = arg_tags(btf, func, at, global)?;
            args.push(self.prepare_arg(btf, at, param.ty, tags, (global, name))?);
        }
        let sub = &mut self.subprogs[subprog as usize];
        sub.args = args;
        sub.args_cached = true;
        Ok(())
    }

    /// One parameter.
    fn prepare_arg(
        &self,
        btf: &'a Btf,
        at: usize,
        id: TypeId,
        tags: Tags,
        (global, func): (bool, &str),
    ) -> Res<SubArg> {
        let arg = |kind, flags| SubArg { kind, flags, mem_size: 0, btf_id: TypeId::VOID };
        let Some(ty) = plain(btf, id) else { return refuse("") };
        let Body::Ptr(to) = ty.body else {
            if tags.count() != 0 {
                return refuse(format!("arg#{at} has pointer tag, but is not a pointer type"));
            }
            if is_number(&ty) {
                return Ok(arg(SubArgKind::Anything, 0));
            }
            return refuse(if global {
                format!("Arg#{at} type {} in {func}() is not supported yet.", kind_str(&ty))
            } else {
                String::new()
            });
        };
        if tags.ctx || is_ctx_type(btf, self.vmlinux, to, self.prog.prog_type) {
            if tags.count() != usize::from(tags.ctx) {
                return bad_tags(at);
            }
            if tags.ctx {
                validate_ctx_type(
                    btf,
                    self.vmlinux,
                    to,
                    at,
                    (self.prog.prog_type, self.prog.attach_type),
                )
                .map_err(|text| Reject::new(Rule::SubprogProto, text))?;
            }
            return Ok(arg(SubArgKind::Ctx, 0));
        }
        if is_dynptr(btf, to) {
            return if tags.count() == 0 { Ok(arg(SubArgKind::Dynptr, 0)) } else { bad_tags(at) };
        }
        if tags.trusted {
            if tags.nonnull {
                return bad_tags(at);
            }
            let btf_id = self.kernel_type_like(btf, to, at)?;
            let null = if tags.nullable { flag::MAYBE_NULL } else { 0 };
            return Ok(SubArg { btf_id, ..arg(SubArgKind::BtfId, flag::TRUSTED | null) });
        }
        if tags.untrusted {
            return self.prepare_untrusted(btf, at, to, tags);
        }
        if tags.arena {
            if tags.count() != 1 {
                return refuse(format!("arg#{at} arena cannot be combined with any other tags"));
            }
            return Ok(arg(SubArgKind::Arena, 0));
        }
        if !global {
            // Of static functions only contexts and dynptrs are known by their type.
            return refuse("");
        }
        if tags.nullable {
            return bad_tags(at);
        }
        let target = plain(btf, to);
        let Some(mem_size) = target.and_then(|ty| sized(btf, &ty)) else {
            let (kind, name) = target.map_or(("UNKNOWN", ""), |ty| (kind_str(&ty), ty.name));
            return refuse(format!(
                "arg#{at} reference type('{kind} {name}') size cannot be determined: -22"
            ));
        };
        let null = if tags.nonnull { 0 } else { flag::MAYBE_NULL };
        Ok(SubArg { mem_size, ..arg(SubArgKind::Mem, null) })
    }

    fn prepare_untrusted(&self, btf: &'a Btf, at: usize, to: TypeId, tags: Tags) -> Res<SubArg> {
        if tags.count() != 1 {
            return refuse(format!("arg#{at} untrusted cannot be combined with any other tags"));
        }
        let arg = |kind, flags, btf_id| SubArg { kind, flags, mem_size: 0, btf_id };
        let Some(target) = plain(btf, to) else { return refuse("") };
        if matches!(target.body, Body::Void) || is_number(&target) {
            let flags = flag::RDONLY | flag::UNTRUSTED;
            return Ok(arg(SubArgKind::Mem, flags, TypeId::VOID));
        }
        let btf_id = self.kernel_type_like(btf, to, at)?;
        let found = self.vmlinux.and_then(|kernel| kernel.get(btf_id));
        match found {
            Some(Type { body: Body::Struct { .. } | Body::Union { .. }, .. }) => {
                Ok(arg(SubArgKind::BtfId, flag::UNTRUSTED, btf_id))
            }
            found => {
                let kind = found.map_or("UNKNOWN", |ty| kind_str(&ty));
                refuse(format!(
                    "arg#{at} has type {kind} '{}', but only struct or primitive types are allowed",
                    target.name
                ))
            }
        }
    }

    /// The one type of the kernel with the name and kind of a type of the program.
    /// Kernel: `btf_get_ptr_to_btf_id`.
    fn kernel_type_like(&self, btf: &'a Btf, to: TypeId, at: usize) -> Res<TypeId> {
        let Some(kernel) = self.vmlinux else {
            return crate::reject::unsupported(
                "parameters of the kernel's types without its types",
            );
        };
        let Some(local) = plain(btf, to) else { return refuse("") };
        let name = local.name.split_once("___").map_or(local.name, |(name, _)| name);
        let mut alike = kernel
            .types()
            .filter(|ty| ty.name == name && ty.kind() == local.kind() && !name.is_empty());
        let what = match (alike.next(), alike.next()) {
            (Some(only), None) => return Ok(only.id),
            (None, _) => ("has no matches", Errno::ENOENT),
            (Some(_), Some(_)) => ("is ambiguous", Errno::ESRCH),
        };
        let text =
            format!("arg#{at} reference type('{} {}') {}", kind_str(&local), local.name, what.0);
        Reject::new(Rule::SubprogProto, text).errno(what.1).stop()
    }

    /// The registers hold what the function takes. Kernel: `btf_check_func_arg_match`.
    pub(crate) fn check_args_match(&mut self, subprog: u32) -> Res<()> {
        self.prepare_func_args(subprog)?;
        let args = self.subprogs[subprog as usize].args.clone();
        for (at, arg) in args.iter().enumerate() {
            let reg = crate::call::arg::arg_reg(at);
            self.check_arg_match(at, reg, arg)?;
        }
        Ok(())
    }

    fn check_arg_match(&mut self, at: usize, reg: Reg, arg: &SubArg) -> Res<()> {
        let state = *self.reg(reg);
        let refuse = |text: String| {
            Reject::new(Rule::SubprogArg, text)
                .fact(Fact::Reg(reg, state))
                .fact(Fact::Arg(reg.num()))
                .stop()
        };
        match arg.kind {
            SubArgKind::Anything => {
                if !state.ty.is(Base::Scalar) {
                    return refuse(format!("R{} is not a scalar", reg.num()));
                }
            }
            _ if arg.flags & flag::UNTRUSTED != 0 => {}
            SubArgKind::Ctx => {
                self.check_func_arg_reg_off(reg, false, false)?;
                if !state.ty.is(Base::Ctx) {
                    return refuse(format!("arg#{at} expects pointer to ctx"));
                }
            }
            SubArgKind::Mem => {
                self.check_func_arg_reg_off(reg, false, false)?;
                self.check_mem_reg(reg, arg.mem_size)?;
                if arg.flags & flag::MAYBE_NULL == 0 && state.ty.may_be_null() {
                    return refuse(format!("arg#{at} is expected to be non-NULL"));
                }
            }
            SubArgKind::Arena => {
                if !state.ty.is(Base::Arena) && !state.ty.is(Base::Scalar) {
                    return refuse(format!("R{} is not a pointer to arena or scalar.", reg.num()));
                }
            }
            SubArgKind::Dynptr => {
                self.check_func_arg_reg_off(reg, false, true)?;
                self.process_dynptr_arg(reg, arg_flag::RDONLY, 0)?;
            }
            SubArgKind::BtfId => {
                let null = arg.flags & flag::MAYBE_NULL;
                if state.is_null() && null != 0 {
                    return Ok(());
                }
                let kind = Arg { kind: ArgKind::BtfId, flags: arg.flags, fixed: 0, ty: "" };
                self.check_reg_type(reg, &kind, Some(arg.btf_id), &Meta::of(0))?;
                self.check_func_arg_reg_off(reg, false, false)?;
            }
        }
        Ok(())
    }

    /// The registers of a function that is verified by itself. Kernel: `do_check_common`.
    pub(crate) fn setup_entry(&mut self, subprog: u32) -> Res<()> {
        let pc = self.pc;
        // A prototype is at fault as a whole.
        self.pc = NO_PC;
        self.set_entry_regs(subprog)?;
        self.pc = pc;
        Ok(())
    }

    fn set_entry_regs(&mut self, subprog: u32) -> Res<()> {
        if subprog == 0 && !self.replaces {
            if self.has_func_info() {
                // A main function of another type than its context has no say about its callers.
                let fits = match self.prepare_func_args(0) {
                    Ok(()) => {
                        matches!(self.subprogs[0].args[..], [SubArg { kind: SubArgKind::Ctx, .. }])
                    }
                    Err(crate::reject::Stop::Reject(_)) => false,
                    Err(stop) => return Err(stop),
                };
                self.subprogs[0].unreliable |= !fits;
            }
            *self.reg_mut(Reg::R1) = RegState::pointer(RegType::new(Base::Ctx), Extra::None);
            return Ok(());
        }
        self.prepare_func_args(subprog)?;
        let args = self.subprogs[subprog as usize].args.clone();
        if self.exception_cb == Some(subprog) {
            self.frame_mut().in_exception_callback = true;
            if !matches!(args[..], [SubArg { kind: SubArgKind::Anything, .. }]) {
                return refuse("exception cb only supports single integer argument");
            }
        }
        for (at, arg) in args.iter().enumerate() {
            let state = self.entry_reg(arg);
            *self.reg_mut(crate::call::arg::arg_reg(at)) = state;
        }
        Ok(())
    }

    fn entry_reg(&mut self, arg: &SubArg) -> RegState {
        let pointer = |base, flags, extra| RegState::pointer(RegType { base, flags }, extra);
        match arg.kind {
            SubArgKind::Ctx => pointer(Base::Ctx, 0, Extra::None),
            SubArgKind::Anything | SubArgKind::Arena => self.unknown(),
            SubArgKind::Dynptr => self.dynptr_param(DynptrKind::Local),
            SubArgKind::Mem => {
                let mut reg = pointer(Base::Mem, arg.flags, Extra::Mem(arg.mem_size));
                if arg.flags & flag::MAYBE_NULL != 0 {
                    reg.id = self.new_id();
                }
                reg
            }
            SubArgKind::BtfId => {
                let extra = Extra::Btf { btf: BtfRef::Kernel, id: arg.btf_id };
                let mut reg = pointer(Base::BtfId, arg.flags, extra);
                reg.id = self.new_id();
                reg
            }
        }
    }
}

/// Tags on parameter number `at` of a function. Kernel: `btf_scan_decl_tags`.
fn arg_tags(btf: &Btf, func: TypeId, at: usize, global: bool) -> Res<Tags> {
    let mut tags = Tags::default();
    for ty in btf.types() {
        let Body::DeclTag { ty: of, component: Some(component) } = ty.body else { continue };
        let Some(tag) = ty.name.strip_prefix("arg:") else { continue };
        if of != func || component as usize != at {
            continue;
        }
        let unsupported =
            |text: String| Reject::new(Rule::SubprogProto, text).errno(Errno::EOPNOTSUPP).stop();
        if !global {
            return unsupported(format!("arg#{at} type tag is not supported in static functions"));
        }
        match tag {
            "ctx" => tags.ctx = true,
            "trusted" => tags.trusted = true,
            "untrusted" => tags.untrusted = true,
            "nonnull" => tags.nonnull = true,
            "nullable" => tags.nullable = true,
            "arena" => tags.arena = true,
            _ => return unsupported(format!("arg#{at} has unsupported set of tags")),
        }
    }
    Ok(tags)
}

/// `struct bpf_dynptr`. Kernel: `btf_is_dynptr_ptr`.
fn is_dynptr(btf: &Btf, id: TypeId) -> bool {
    plain(btf, id).is_some_and(|ty| {
        matches!(ty.body, Body::Struct { .. })
            && matches!(ty.name, "bpf_dynptr" | "bpf_dynptr_kern")
    })
}

/// Bytes behind a pointer to data. Kernel: `btf_resolve_size`.
fn sized(btf: &Btf, ty: &Type<'_>) -> Option<u32> {
    match ty.body {
        Body::Void | Body::Fwd { .. } | Body::FuncProto { .. } | Body::Func { .. } => None,
        _ => btf.size_of(ty.id),
    }
}
