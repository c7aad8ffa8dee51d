//! Load and store instructions.

use crate::reg::{Base, RegType, flag};
use crate::reject::{Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_isa::{Reg, Size, Src};

impl Verifier<'_> {
    /// `dst = *(size *)(base + off)`, sign-extended if `sx`.
    pub(crate) fn check_load(
        &mut self,
        dst: Reg,
        base: Reg,
        off: i16,
        size: Size,
        sx: bool,
    ) -> Res<()> {
        self.check_load_mem(
            (dst, base),
            off,
            size,
            Load { sx, strict: false, trust_may_differ: true },
        )
    }

    /// Kernel: `check_load_mem`.
    pub(super) fn check_load_mem(
        &mut self,
        (dst, base): (Reg, Reg),
        off: i16,
        size: Size,
        load: Load,
    ) -> Res<()> {
        self.check_src(base)?;
        self.check_dst_no_mark(dst)?;
        let ty = self.reg(base).ty;
        self.check_mem_access(base, off.into(), size, false, Some(dst), load.strict, load.sx)?;
        self.save_ptr_type(ty, load.trust_may_differ)?;
        self.settle_loaded(dst);
        Ok(())
    }

    /// What a load left contradicts itself only if the kernel would forget it too.
    /// Kernel: `reg_bounds_sanity_check`.
    fn settle_loaded(&mut self, dst: Reg) {
        let reg = self.reg_mut(dst);
        if reg.is_scalar() {
            let _ = reg.num.settle();
        }
    }

    /// `*(size *)(base + off) = src`
    pub(crate) fn check_store(&mut self, base: Reg, off: i16, size: Size, src: Src) -> Res<()> {
        match src {
            Src::Reg(src) => self.check_store_reg(base, off, size, src, false),
            Src::Imm(_) => {
                self.check_src(base)?;
                let ty = self.reg(base).ty;
                self.check_mem_access(base, off.into(), size, true, None, false, false)?;
                self.save_ptr_type(ty, false)
            }
        }
    }

    /// Kernel: `check_store_reg`.
    pub(super) fn check_store_reg(
        &mut self,
        base: Reg,
        off: i16,
        size: Size,
        src: Reg,
        strict: bool,
    ) -> Res<()> {
        self.check_src(src)?;
        self.check_src(base)?;
        let ty = self.reg(base).ty;
        self.check_mem_access(base, off.into(), size, true, Some(src), strict, false)?;
        self.save_ptr_type(ty, false)
    }

    /// The kernel translates an instruction once, so its pointer is of one kind on all paths, or of
    /// kinds that are not translated. Kernel: `save_aux_ptr_type`.
    pub(super) fn save_ptr_type(&mut self, ty: RegType, trust_may_differ: bool) -> Res<()> {
        let untrusted = ty.base == Base::Mem && ty.has(flag::UNTRUSTED);
        let aux = self.aux_here();
        aux.leads_to_kernel |= ty.base == Base::BtfId || untrusted;
        aux.leads_to_map |= ty.base == Base::ConstMap;
        aux.leads_to_arena |= ty.base == Base::Arena;
        let seen = &mut aux.ptr_type;
        let Some(prev) = *seen else {
            *seen = Some(ty);
            return Ok(());
        };
        if ty == prev || (!is_translated(ty) && !is_translated(prev)) {
            return Ok(());
        }
        let guarded = |ty: RegType| matches!(ty.base, Base::Mem | Base::BtfId);
        if !trust_may_differ || !guarded(ty) || !guarded(prev) {
            return Reject::new(
                Rule::MemPtrKind,
                "same insn cannot be used with different pointers",
            )
            .stop();
        }
        let base =
            if ty.base == Base::Mem || prev.base == Base::Mem { Base::Mem } else { Base::BtfId };
        let kept = (ty.flags | prev.flags) & (flag::UNTRUSTED | flag::RDONLY);
        *seen = Some(RegType { base, flags: kept });
        Ok(())
    }
}

/// How a load is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) sx: bool,
    pub(super) strict: bool,
    pub(super) trust_may_differ: bool,
}

/// Whether accesses through it become others. Kernel: `!reg_type_mismatch_ok`.
fn is_translated(ty: RegType) -> bool {
    matches!(
        ty.base,
        Base::Ctx
            | Base::Socket
            | Base::SockCommon
            | Base::TcpSock
            | Base::XdpSock
            | Base::BtfId
            | Base::Arena
    )
}
