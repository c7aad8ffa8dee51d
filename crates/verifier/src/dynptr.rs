//! Dynptrs as arguments: pieces of memory whose size is known only when the program runs.

use crate::frame::Byte;
use crate::mem::Spi;
use crate::reg::{Base, DynptrKind, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res, Stop, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::arg_flag;
use skep_isa::{Reg, Size};

/// Bytes of a `struct bpf_dynptr`.
const SIZE: i32 = 16;

impl DynptrKind {
    /// As the kernel's messages name it. Kernel: `dynptr_type_str`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "<invalid>",
            Self::Local => "local",
            Self::Ringbuf => "ringbuf",
            Self::Skb => "skb",
            Self::Xdp => "xdp",
            Self::SkbMeta => "skb_meta",
            Self::File => "file",
        }
    }

    /// The kind that flags of an argument or register name. Kernel: `arg_to_dynptr_type`.
    pub(crate) const fn of_flags(flags: u32) -> Self {
        match flags & flag::DYNPTR_ANY {
            flag::DYNPTR_LOCAL => Self::Local,
            flag::DYNPTR_RINGBUF => Self::Ringbuf,
            flag::DYNPTR_SKB => Self::Skb,
            flag::DYNPTR_XDP => Self::Xdp,
            flag::DYNPTR_SKB_META => Self::SkbMeta,
            flag::DYNPTR_FILE => Self::File,
            _ => Self::Invalid,
        }
    }

    /// The flag of memory behind it. Kernel: `get_dynptr_type_flag`.
    pub(crate) const fn flags(self) -> u32 {
        match self {
            Self::Invalid => 0,
            Self::Local => flag::DYNPTR_LOCAL,
            Self::Ringbuf => flag::DYNPTR_RINGBUF,
            Self::Skb => flag::DYNPTR_SKB,
            Self::Xdp => flag::DYNPTR_XDP,
            Self::SkbMeta => flag::DYNPTR_SKB_META,
            Self::File => flag::DYNPTR_FILE,
        }
    }

    /// Whether it must be given back. Kernel: `dynptr_type_refcounted`.
    pub(crate) const fn is_referenced(self) -> bool {
        matches!(self, Self::Ringbuf | Self::File)
    }
}

/// A refusal with more words behind those that were already said.
pub(crate) fn and_then_said(
    said: Option<Stop>,
    rule: Rule,
    text: &str,
    reg: (Reg, RegState),
) -> Stop {
    let before = match said {
        Some(Stop::Reject(reject)) if !reject.kernel.is_empty() => reject.kernel + "\n",
        Some(stop @ Stop::Unsupported(_)) => return stop,
        _ => String::new(),
    };
    Reject::new(rule, before + text)
        .fact(Fact::Reg(reg.0, reg.1))
        .fact(Fact::Arg(reg.0.num()))
        .into()
}

impl Verifier<'_> {
    /// A dynptr that is a parameter. Kernel: `mark_dynptr_cb_reg`.
    pub(crate) fn dynptr_param(&mut self, kind: DynptrKind) -> RegState {
        let extra = Extra::Dynptr { kind, first: true };
        RegState { id: self.new_id(), ..RegState::pointer(RegType::new(Base::ConstDynptr), extra) }
    }

    /// What is known of the stack slot that the pointer is to.
    pub(crate) fn dynptr_slot(&self, reg: &RegState) -> Res<Option<RegState>> {
        match self.dynptr_get_spi(reg) {
            Ok(Spi::At(spi)) => Ok(Some(self.cur.frames[reg.frame as usize].stack[spi].reg)),
            Ok(Spi::OutOfRange) | Err(Stop::Reject(_)) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// A dynptr argument. `flags` are those of the argument, `clone_of` the reference that a copy
    /// shares. Kernel: `process_dynptr_func`.
    pub(crate) fn process_dynptr_arg(&mut self, reg: Reg, flags: u32, clone_of: u32) -> Res<()> {
        let state = *self.reg(reg);
        let at = reg.num() - 1;
        if !state.ty.is(Base::Stack) && !state.ty.is(Base::ConstDynptr) {
            let text = format!("arg#{at} expected pointer to stack or const struct bpf_dynptr");
            return Err(and_then_said(None, Rule::Dynptr, &text, (reg, state)));
        }
        let kind = DynptrKind::of_flags(flags);
        if flags & arg_flag::UNINIT != 0 {
            return self.make_dynptr(reg, kind, clone_of);
        }
        if state.ty.is(Base::ConstDynptr) && flags & arg_flag::RDONLY == 0 {
            let text = "cannot pass pointer to const bpf_dynptr, the helper mutates it";
            return Err(and_then_said(None, Rule::Dynptr, text, (reg, state)));
        }
        let (valid, said) = match self.is_dynptr_reg_valid_init(&state) {
            Ok(valid) => (valid, None),
            Err(stop) => (false, Some(stop)),
        };
        if !valid {
            let text = format!("Expected an initialized dynptr as arg #{at}");
            return Err(and_then_said(said, Rule::Dynptr, &text, (reg, state)));
        }
        if kind != DynptrKind::Invalid && self.dynptr_kind(&state)? != kind {
            let text = format!("Expected a dynptr of type {} as arg #{at}", kind.name());
            return Err(and_then_said(None, Rule::Dynptr, &text, (reg, state)));
        }
        if let (Base::Stack, Spi::At(spi)) = (state.ty.base, self.dynptr_spi(&state)?) {
            self.mark_stack_slot_obj_read(&state, spi, 2);
        }
        Ok(())
    }

    /// The slot, where there is one.
    fn dynptr_spi(&self, reg: &RegState) -> Res<Spi> {
        if reg.ty.is(Base::Stack) { self.dynptr_get_spi(reg) } else { Ok(Spi::OutOfRange) }
    }

    /// Makes a dynptr on the stack. Kernel: `mark_stack_slots_dynptr`.
    fn make_dynptr(&mut self, reg: Reg, kind: DynptrKind, clone_of: u32) -> Res<()> {
        let state = *self.reg(reg);
        let (valid, said) = match self.is_dynptr_reg_valid_uninit(&state) {
            Ok(valid) => (valid, None),
            Err(stop) => (false, Some(stop)),
        };
        if !valid {
            let text = "Dynptr has to be an uninitialized dynptr";
            return Err(and_then_said(said, Rule::Dynptr, text, (reg, state)));
        }
        for at in (0..SIZE).step_by(8) {
            self.check_mem_access(reg, at, Size::Dw, true, None, false, false)?;
        }
        let Spi::At(spi) = self.dynptr_get_spi(&state)? else {
            return reject(Rule::Internal, "no place for a dynptr");
        };
        self.destroy_if_dynptr_stack_slot(state.frame, spi)?;
        self.destroy_if_dynptr_stack_slot(state.frame, spi - 1)?;
        if kind == DynptrKind::Invalid {
            return reject(Rule::Dynptr, "");
        }
        self.mark_dynptr_stack_regs(state.frame, spi, kind);
        if kind.is_referenced() {
            let id = if clone_of != 0 { clone_of } else { self.acquire_reference() };
            let frame = &mut self.cur.frames[state.frame as usize];
            for slot in &mut frame.stack[spi - 1..=spi] {
                debug_assert_eq!(slot.bytes[0], Byte::Dynptr);
                slot.reg.ref_obj_id = id;
            }
        }
        self.mark_stack_write(state.frame, 1 << spi | 1 << (spi - 1));
        Ok(())
    }
}
