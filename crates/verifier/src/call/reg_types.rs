//! Which kinds of value an argument takes.

use super::{Meta, gate::func_name, id};
use crate::btf_ref::BtfRef;
use crate::reg::{Base, RegType, flag};
use crate::reject::{Fact, Reject, Res, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Arg, ArgKind, Errno, arg_flag};
use skep_btf::TypeId;
use skep_isa::Reg;

const fn plain(base: Base) -> RegType {
    RegType::new(base)
}

const fn btf(flags: u32) -> RegType {
    RegType { base: Base::BtfId, flags }
}

const SOCK: &[RegType] =
    &[plain(Base::SockCommon), plain(Base::Socket), plain(Base::TcpSock), plain(Base::XdpSock)];
const BTF_SOCK: &[RegType] = &[
    plain(Base::SockCommon),
    plain(Base::Socket),
    plain(Base::TcpSock),
    plain(Base::XdpSock),
    btf(0),
    btf(flag::TRUSTED),
];
const MEM: &[RegType] = &[
    plain(Base::Stack),
    plain(Base::Packet),
    plain(Base::PacketMeta),
    plain(Base::MapKey),
    plain(Base::MapValue),
    plain(Base::Mem),
    RegType { base: Base::Mem, flags: flag::RINGBUF },
    plain(Base::Buf),
    btf(flag::TRUSTED),
];
const OBJECT: &[RegType] = &[plain(Base::MapValue), btf(flag::ALLOC)];
const BTF: &[RegType] = &[btf(0), btf(flag::TRUSTED), btf(flag::RCU)];
const PERCPU: &[RegType] =
    &[btf(flag::PERCPU), btf(flag::PERCPU | flag::RCU), btf(flag::PERCPU | flag::TRUSTED)];

const SCALAR: &[RegType] = &[plain(Base::Scalar)];
const CONST_MAP: &[RegType] = &[plain(Base::ConstMap)];
const CTX: &[RegType] = &[plain(Base::Ctx)];
const SOCKET: &[RegType] = &[plain(Base::Socket)];
const RINGBUF: &[RegType] = &[RegType { base: Base::Mem, flags: flag::RINGBUF }];
const FUNC: &[RegType] = &[plain(Base::Func)];
const STACK: &[RegType] = &[plain(Base::Stack)];
const MAP_VALUE: &[RegType] = &[plain(Base::MapValue)];
const DYNPTR: &[RegType] = &[plain(Base::Stack), plain(Base::ConstDynptr)];

/// Kinds of value by kind of argument. Kernel: `compatible_reg_types`.
const fn compatible(kind: ArgKind) -> Option<&'static [RegType]> {
    Some(match kind {
        ArgKind::MapKey | ArgKind::MapValue | ArgKind::Mem => MEM,
        ArgKind::Size | ArgKind::SizeOrZero | ArgKind::AllocSizeOrZero => SCALAR,
        ArgKind::Map => CONST_MAP,
        ArgKind::Ctx => CTX,
        ArgKind::SockCommon => SOCK,
        ArgKind::BtfIdSockCommon => BTF_SOCK,
        ArgKind::Socket => SOCKET,
        ArgKind::BtfId => BTF,
        ArgKind::SpinLock | ArgKind::KptrDest => OBJECT,
        ArgKind::RingbufMem => RINGBUF,
        ArgKind::PercpuBtfId => PERCPU,
        ArgKind::Func => FUNC,
        ArgKind::Stack => STACK,
        ArgKind::ConstStr | ArgKind::Timer => MAP_VALUE,
        ArgKind::Dynptr => DYNPTR,
        ArgKind::Any | ArgKind::Arena => return None,
    })
}

impl Verifier<'_> {
    /// The register is of a kind that the argument takes. `want` is the structure behind a
    /// [`ArgKind::BtfId`]. Kernel: `check_reg_type`.
    pub(crate) fn check_reg_type(
        &mut self,
        reg: Reg,
        arg: &Arg,
        want: Option<TypeId>,
        meta: &Meta,
    ) -> Res<()> {
        let state = *self.reg(reg);
        let Some(types) = compatible(arg.kind) else {
            return unsupported(format!("arguments of kind {:?}", arg.kind));
        };
        let mut ty = state.ty;
        if arg.flags & arg_flag::RDONLY != 0 {
            ty = ty.without(flag::RDONLY);
        }
        if arg.flags & arg_flag::OR_NULL != 0 {
            ty = ty.without(flag::MAYBE_NULL);
        }
        if arg.kind == ArgKind::Mem {
            ty = ty.without(flag::DYNPTR_ANY);
        }
        if meta.func == id::KPTR_XCHG && ty.has(flag::ALLOC) && reg == Reg::R2 {
            ty = ty.without(flag::ALLOC | flag::PERCPU);
        }
        if !types.contains(&ty) {
            let names: Vec<String> = types.iter().map(|ty| ty.kernel_name()).collect();
            let expected = names.join(", ");
            return Reject::new(
                Rule::HelperArg,
                format!("R{} type={} expected={expected}", reg.num(), state.ty.kernel_name()),
            )
            .fact(Fact::Reg(reg, state))
            .fact(Fact::Arg(reg.num()))
            .fact(Fact::Call(func_name(meta.func)))
            .fact(Fact::Required(expected))
            .stop();
        }
        if state.ty.base != Base::BtfId {
            return Ok(());
        }
        if types == MEM {
            if arg.flags & arg_flag::RDONLY == 0 {
                return self.refuse_arg(
                    reg,
                    format!(
                        "{}() may write into memory pointed by R{} type={}",
                        func_name(meta.func),
                        reg.num(),
                        state.ty.kernel_name()
                    ),
                );
            }
            return Ok(());
        }
        self.check_btf_arg(reg, arg, want, meta)
    }

    /// An object is of the type that the argument takes.
    fn check_btf_arg(&mut self, reg: Reg, arg: &Arg, want: Option<TypeId>, meta: &Meta) -> Res<()> {
        let state = *self.reg(reg);
        match state.ty.flags & !flag::MAYBE_NULL {
            0 | flag::TRUSTED | flag::RCU => {}
            flags if flags == flag::ALLOC || flags == flag::ALLOC | flag::PERCPU => {
                if !matches!(meta.func, id::SPIN_LOCK | id::SPIN_UNLOCK | id::KPTR_XCHG) {
                    return crate::reject::reject(
                        Rule::Internal,
                        "unimplemented handling of MEM_ALLOC",
                    );
                }
                if meta.func == id::KPTR_XCHG && reg == Reg::R2 {
                    return self.check_kptr_source(reg, meta);
                }
                return Ok(());
            }
            flags if flags & flag::PERCPU != 0 => return Ok(()),
            _ => {
                return crate::reject::reject(
                    Rule::Internal,
                    "invalid PTR_TO_BTF_ID register for type match",
                );
            }
        }
        let release = arg.flags & arg_flag::RELEASE != 0;
        let or_null = arg.flags & arg_flag::OR_NULL != 0;
        if state.ty.may_be_null() && (!or_null || release) {
            return self.refuse_arg(
                reg,
                format!("Possibly NULL pointer passed to helper arg{}", reg.num()),
            );
        }
        if meta.func == id::KPTR_XCHG {
            return self.check_kptr_source(reg, meta);
        }
        let want = match want {
            Some(want) => want,
            None => self.need_struct("sock_common")?,
        };
        let strict = release && meta.func != id::SK_RELEASE;
        let Some(have) = state.btf() else {
            return crate::reject::reject(Rule::Internal, "object without type");
        };
        if self.btf_struct_ids_match(have, state.off, (BtfRef::Kernel, want), strict, true) {
            return Ok(());
        }
        let text = format!(
            "R{} is of type {} but {} is expected",
            reg.num(),
            self.type_name(have.0, have.1),
            self.type_name(BtfRef::Kernel, want)
        );
        self.refuse_arg(reg, text)
    }

    /// Kernel: `map_kptr_match_type` as `bpf_kptr_xchg` asks it.
    fn check_kptr_source(&mut self, reg: Reg, meta: &Meta) -> Res<()> {
        match &meta.kptr {
            Some(field) => self.kptr_match_type(field, reg),
            None => crate::reject::reject(Rule::Internal, "no field for a kptr"),
        }
    }

    /// A structure of the kernel that a helper takes or gives.
    pub(crate) fn need_struct(&self, name: &str) -> Res<TypeId> {
        match self.kernel_struct(name) {
            Some(id) => Ok(id),
            None => unsupported(format!("struct {name}, which the kernel's types do not hold")),
        }
    }

    /// A refusal that names the argument.
    pub(crate) fn refuse_arg<T>(&self, reg: Reg, text: impl Into<String>) -> Res<T> {
        Reject::new(Rule::HelperArg, text)
            .fact(Fact::Reg(reg, *self.reg(reg)))
            .fact(Fact::Arg(reg.num()))
            .stop()
    }

    /// The offset of a pointer is one that the argument takes. Kernel: `check_func_arg_reg_off`.
    pub(crate) fn check_func_arg_reg_off(
        &mut self,
        reg: Reg,
        release: bool,
        dynptr: bool,
    ) -> Res<()> {
        let state = *self.reg(reg);
        if release {
            if dynptr && state.ty.is(Base::Stack) {
                return Ok(());
            }
            if state.off != 0 {
                return Reject::new(
                    Rule::RefRelease,
                    format!(
                        "R{} must have zero offset when passed to release func or trusted arg to kfunc",
                        reg.num()
                    ),
                )
                .errno(Errno::EINVAL)
                .fact(Fact::Reg(reg, state))
                .fact(Fact::Arg(reg.num()))
                .stop();
            }
            return self.check_ptr_off_reg_at(reg, &state, false);
        }
        let flags = state.ty.flags;
        let any_offset = match state.ty.base {
            Base::Stack
            | Base::Packet
            | Base::PacketMeta
            | Base::MapKey
            | Base::MapValue
            | Base::Arena
            | Base::Scalar => flags == 0,
            Base::Mem => matches!(flags, 0 | flag::RDONLY | flag::RINGBUF),
            Base::Buf => matches!(flags, 0 | flag::RDONLY),
            _ => false,
        };
        if any_offset {
            return Ok(());
        }
        const OWNED: u32 = flag::ALLOC | flag::NON_OWN_REF;
        let fixed = state.ty.base == Base::BtfId
            && (matches!(flags, 0 | flag::ALLOC | flag::TRUSTED | flag::RCU | OWNED)
                || flags == OWNED | flag::RCU);
        self.check_ptr_off_reg_at(reg, &state, fixed)
    }
}
