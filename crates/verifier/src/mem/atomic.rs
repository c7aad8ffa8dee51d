//! Atomic operations, and loads and stores with an order.

use super::insn::Load;
use crate::reg::Base;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_isa::{AtomicOp, Reg, Size};

impl Verifier<'_> {
    /// Reads, changes and writes memory in one. Kernel: `check_atomic_rmw`.
    pub(crate) fn check_atomic(
        &mut self,
        op: AtomicOp,
        base: Reg,
        off: i16,
        size: Size,
        src: Reg,
    ) -> Res<()> {
        if !matches!(size, Size::W | Size::Dw) {
            return Reject::new(Rule::InsnEncoding, "invalid atomic operand size").stop();
        }
        self.check_src(src)?;
        self.check_src(base)?;
        if op == AtomicOp::CmpXchg {
            self.check_src(Reg::R0)?;
            self.refuse_atomic_leak(Reg::R0)?;
        }
        self.refuse_atomic_leak(src)?;
        self.check_atomic_base(base, "stores into")?;
        let old = match op {
            AtomicOp::CmpXchg => Some(Reg::R0),
            _ => op.fetches().then_some(src),
        };
        if let Some(old) = old {
            self.check_dst(old)?;
        }
        // First whether it can be read, then what a register gets of it.
        self.check_mem_access(base, off.into(), size, false, None, true, false)?;
        if old.is_some() {
            self.check_mem_access(base, off.into(), size, false, old, true, false)?;
        }
        let ty = self.reg(base).ty;
        self.save_ptr_type(ty, false)?;
        self.check_mem_access(base, off.into(), size, true, None, true, false)
    }

    /// `dst = load_acquire((size *)(base + off))`. Kernel: `check_atomic_load`.
    pub(crate) fn check_load_acquire(
        &mut self,
        dst: Reg,
        base: Reg,
        off: i16,
        size: Size,
    ) -> Res<()> {
        self.check_src(base)?;
        self.check_atomic_base(base, "loads from")?;
        let load = Load { sx: false, strict: true, trust_may_differ: false };
        self.check_load_mem((dst, base), off, size, load)
    }

    /// `store_release((size *)(base + off), src)`. Kernel: `check_atomic_store`.
    pub(crate) fn check_store_release(
        &mut self,
        base: Reg,
        off: i16,
        size: Size,
        src: Reg,
    ) -> Res<()> {
        self.check_store_reg(base, off, size, src, true)?;
        self.check_atomic_base(base, "stores into")
    }

    fn refuse_atomic_leak(&self, value: Reg) -> Res<()> {
        if self.is_pointer_value(value) {
            return Reject::new(Rule::PtrLeak, format!("R{} leaks addr into mem", value.num()))
                .fact(Fact::Reg(value, *self.reg(value)))
                .stop();
        }
        Ok(())
    }

    /// Some memory is not where it seems to be: accesses become others, which cannot be atomic.
    /// Kernel: `atomic_ptr_type_ok`.
    fn check_atomic_base(&self, base: Reg, does: &str) -> Res<()> {
        let reg = self.reg(base);
        let translated = match reg.ty.base {
            Base::Ctx | Base::Packet | Base::PacketMeta | Base::FlowKeys => reg.ty.flags == 0,
            _ => reg.ty.is_sock(),
        };
        if !translated {
            return Ok(());
        }
        Reject::new(
            Rule::MemAtomic,
            format!("BPF_ATOMIC {does} R{} {} is not allowed", base.num(), reg.ty.kernel_name()),
        )
        .fact(Fact::Reg(base, *reg))
        .stop()
    }
}
