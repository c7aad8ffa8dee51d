//! The context: what r1 points to when the program starts.

use super::Access;
use crate::btf_ref::BtfRef;
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{CtxKind, CtxRefusal, ctx_access};

/// What a load from the context gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) ty: RegType,
    pub(super) extra: Extra,
    /// The result of the function that the program is attached to.
    pub(super) is_retval: bool,
}

impl Loaded {
    pub(super) const NUMBER: Self =
        Self { ty: RegType::new(Base::Scalar), extra: Extra::None, is_retval: false };

    pub(super) const fn pointer(ty: RegType, extra: Extra) -> Self {
        Self { ty, extra, is_retval: false }
    }
}

impl Verifier<'_> {
    pub(super) fn access_ctx(&mut self, reg: &RegState, access: Access) -> Res<()> {
        self.refuse_leak(access, "ctx")?;
        self.check_ptr_off_reg(access.base)?;
        let loaded = self.check_ctx_access(reg, access)?;
        let end = u32::try_from(access.off.saturating_add(access.size)).unwrap_or(0);
        self.max_ctx_offset = self.max_ctx_offset.max(end);
        let Some(dst) = access.value.filter(|_| !access.write) else { return Ok(()) };
        if loaded.ty.is(Base::Scalar) {
            self.mark_unknown(dst);
            if let Some((min, max)) = self.retval_range().filter(|_| loaded.is_retval) {
                let num = &mut self.reg_mut(dst).num;
                (num.s32_min, num.s32_max) = (min, max);
                (num.smin, num.smax) = (min.into(), max.into());
                num.sync();
            }
            return Ok(());
        }
        let mut value = RegState::pointer(loaded.ty, loaded.extra);
        if loaded.ty.may_be_null() {
            value.id = self.new_id();
        }
        *self.reg_mut(dst) = value;
        Ok(())
    }

    /// Kernel: `check_ctx_access` and `is_valid_access` of the program type.
    fn check_ctx_access(&self, reg: &RegState, access: Access) -> Res<Loaded> {
        let Access { off, size, write, sx, .. } = access;
        let refuse = |first: Option<String>, why: &str| -> Res<Loaded> {
            let last = format!("invalid bpf_context access off={off} size={size}");
            let kernel = first.map_or(last.clone(), |first| format!("{first}\n{last}"));
            Reject::new(Rule::MemCtx, kernel)
                .fact(Fact::Reg(access.base, *reg))
                .fact(Fact::Required(why.into()))
                .stop()
        };
        let (prog_type, place) = (self.prog.prog_type, self.prog.attach_type);
        let field = match ctx_access(prog_type, place, off, size.unsigned_abs(), write) {
            Ok(field) => field,
            Err(CtxRefusal::NoContext) => {
                return unsupported("the context of a program that replaces a function");
            }
            Err(refusal) => return refuse(None, &why(refusal)),
        };
        if let Some(since) = field.since.filter(|&since| !self.is_since(since)) {
            return refuse(None, &format!("Linux {since} or newer, for this field"));
        }
        if field.needs_cap_bpf && !self.bpf_capable {
            return refuse(None, "CAP_BPF for this field");
        }
        if sx && !field.may_sign_extend() {
            return refuse(None, "a load without sign extension");
        }
        let plain = |base, extra| Ok(Loaded::pointer(RegType::new(base), extra));
        let or_null =
            |base| Ok(Loaded::pointer(RegType::new(base).with(flag::MAYBE_NULL), Extra::None));
        match field.kind {
            CtxKind::Scalar => Ok(Loaded::NUMBER),
            CtxKind::Packet => plain(Base::Packet, Extra::Range(0)),
            CtxKind::PacketMeta => plain(Base::PacketMeta, Extra::Range(0)),
            CtxKind::PacketEnd => plain(Base::PacketEnd, Extra::Range(0)),
            CtxKind::FlowKeys => plain(Base::FlowKeys, Extra::None),
            CtxKind::Socket => plain(Base::Socket, Extra::None),
            CtxKind::SocketOrNull => or_null(Base::Socket),
            CtxKind::SockCommonOrNull => or_null(Base::SockCommon),
            CtxKind::TpBuffer => plain(Base::TpBuffer, Extra::None),
            CtxKind::Btf(name) => match self.kernel_struct(name) {
                Some(id) => Ok(Loaded::pointer(
                    RegType::new(Base::BtfId).with(flag::TRUSTED),
                    Extra::Btf { btf: BtfRef::Kernel, id },
                )),
                None => unsupported(format!("struct {name} of a kernel whose types are not known")),
            },
            CtxKind::Argument => match self.btf_ctx_access(off, size, sx) {
                Ok(loaded) => Ok(loaded),
                Err(Untyped::Refused(first)) => refuse(first, "an argument of the attach target"),
                Err(Untyped::Unsupported(what)) => unsupported(what),
            },
        }
    }
}

/// An argument that the program does not get.
#[derive(Clone, Debug)]
pub(super) enum Untyped {
    /// With the kernel's line before its last, if it has one.
    Refused(Option<String>),
    Unsupported(String),
}

fn why(refusal: CtxRefusal) -> String {
    match refusal {
        CtxRefusal::Unaligned => "an offset that is a multiple of the size".into(),
        CtxRefusal::OtherPlace(name) => format!("{name} is for programs at other places"),
        CtxRefusal::ReadOnly(name) => format!("{name} may be read only"),
        CtxRefusal::Size(name) => format!("another size for {name}"),
        _ => "a field that programs of the type see".into(),
    }
}
