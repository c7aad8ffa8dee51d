//! Memory: what a program may reach through each kind of pointer, and what it finds there.
//!
//! Loads, stores and atomic operations come here ([`insn`], [`atomic`], [`ld_abs`]), and so do the
//! arguments by which functions are told where to read and write ([`argument`]). An access is first
//! aligned ([`align`]), then judged by the kind of its pointer: [`stack`], [`region`] (memory of a
//! known size, among it [`map_value`]), [`packet`], [`ctx`], [`views`] (sockets and buffers), and
//! objects of the kernel's types ([`btf_access`]).
//!
//! Kernel: `check_mem_access` and what it calls.

mod align;
mod argument;
mod atomic;
mod btf_access;
mod btf_ctx;
mod btf_walk;
mod ctx;
mod dynptr_slots;
mod insn;
mod kptr;
mod ld_abs;
mod map_ptr;
mod map_value;
mod object_slots;
mod offset;
mod packet;
mod region;
mod stack;
mod stack_range;
mod stack_read;
mod stack_write;
mod trust;
mod views;

use crate::record::Metas;
use crate::reg::{Base, RegState, flag};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_isa::{Reg, Size};

pub(crate) use btf_ctx::{Attached, CtxArg, kind_name};
pub(crate) use btf_walk::{Found, TypeNames};
pub(crate) use object_slots::Spi;

/// Offsets that a pointer may have besides its fixed part. Kernel: `BPF_MAX_VAR_OFF`.
pub(crate) const MAX_VAR_OFF: i64 = 1 << 29;

/// Bytes that a size argument may ask for. Kernel: `BPF_MAX_VAR_SIZ`.
pub(crate) const MAX_VAR_SIZ: u64 = 1 << 29;

/// What accesses need besides the state: types by name, records, the attach target.
#[derive(Debug, Default)]
pub(crate) struct MemState {
    pub(crate) names: TypeNames,
    /// Structures of the program that have fields with a meaning.
    pub(crate) metas: Metas,
    /// What the program is attached to.
    pub(crate) attached: Attached,
}

/// What accesses of a call's arguments leave for the rest of the call. Kernel: the parts of
/// `struct bpf_call_arg_meta` that accesses use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemMeta {
    /// The function fills the memory whole, so it need not be initialized.
    pub(crate) raw: bool,
    /// Register that points to such memory in the stack.
    pub(crate) raw_reg: Option<Reg>,
    /// Its bytes.
    pub(crate) raw_size: i32,
    /// Greatest value of the last size argument.
    pub(crate) size_max: u64,
    /// Whether the function takes packet pointers.
    pub(crate) pkt_access: bool,
}

/// Who accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// An instruction.
    Insn,
    /// A function that got the pointer.
    Helper,
}

/// One access by an instruction.
#[derive(Clone, Copy, Debug)]
struct Access {
    /// The pointer.
    base: Reg,
    /// Bytes from it, with the fixed part of its own offset.
    off: i32,
    /// Bytes.
    size: i32,
    /// Whether it stores.
    write: bool,
    /// Register that gives or takes the value, if one does.
    value: Option<Reg>,
    /// Whether a load extends the sign.
    sx: bool,
}

impl Verifier<'_> {
    /// Memory at `base + off` is accessible; a load sets `value`. Kernel: `check_mem_access`.
    #[expect(clippy::too_many_arguments, reason = "what an access is, as the kernel has it")]
    pub(crate) fn check_mem_access(
        &mut self,
        base: Reg,
        off: i32,
        size: Size,
        write: bool,
        value: Option<Reg>,
        strict: bool,
        sx: bool,
    ) -> Res<()> {
        let reg = *self.reg(base);
        let size = i32::from(size.bytes());
        self.check_ptr_alignment(base, &reg, off, size, strict)?;
        let access = Access { base, off: off.wrapping_add(reg.off), size, write, value, sx };
        self.check_by_kind(&reg, access)?;
        self.narrow_loaded(access);
        Ok(())
    }

    fn check_by_kind(&mut self, reg: &RegState, access: Access) -> Res<()> {
        let null = reg.ty.may_be_null();
        match reg.ty.base {
            Base::MapKey if reg.ty.flags == 0 => self.access_map_key(reg, access),
            Base::MapValue if reg.ty.flags == 0 => self.access_map_value(reg, access),
            Base::Mem => self.access_mem(reg, access),
            Base::Ctx if reg.ty.flags == 0 => self.access_ctx(reg, access),
            Base::Stack if reg.ty.flags == 0 => self.access_stack(reg, access),
            Base::Packet | Base::PacketMeta if reg.ty.flags == 0 => self.access_packet(reg, access),
            Base::FlowKeys if reg.ty.flags == 0 => self.access_flow_keys(reg, access),
            _ if reg.ty.is_sock() => self.access_sock(reg, access),
            Base::TpBuffer if reg.ty.flags == 0 => self.access_tp_buffer(reg, access),
            Base::BtfId if !null => self.access_btf(reg, access),
            Base::ConstMap if reg.ty.flags == 0 => self.access_map_ptr(reg, access),
            Base::Buf if !null => self.access_buf(reg, access),
            Base::Arena if reg.ty.flags == 0 => {
                self.loads_unknown(access);
                Ok(())
            }
            _ => invalid_access(access.base, reg),
        }
    }

    /// A load of less than eight bytes extends what it found.
    fn narrow_loaded(&mut self, access: Access) {
        let Some(dst) = access.value.filter(|_| !access.write && access.size < 8) else { return };
        let reg = self.reg_mut(dst);
        if !reg.is_scalar() {
            return;
        }
        let size = access.size.unsigned_abs();
        if access.sx {
            reg.num.sext(size);
        } else {
            reg.num.coerce_to_size(size);
        }
    }

    /// A load found a number that is not known.
    fn loads_unknown(&mut self, access: Access) {
        if let Some(dst) = access.value.filter(|_| !access.write) {
            self.mark_unknown(dst);
        }
    }

    /// A store does not let an address into memory that others read.
    fn refuse_leak(&self, access: Access, place: &str) -> Res<()> {
        match access.value {
            Some(value) if access.write && self.is_pointer_value(value) => {
                Reject::new(Rule::PtrLeak, format!("R{} leaks addr into {place}", value.num()))
                    .fact(Fact::Reg(value, *self.reg(value)))
                    .stop()
            }
            _ => Ok(()),
        }
    }
}

/// A sum that the kernel keeps in an `int`.
#[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
const fn int(sum: u64) -> i32 {
    sum as i32
}

/// No access is made through such a value.
fn invalid_access<T>(base: Reg, reg: &RegState) -> Res<T> {
    let rule = if reg.ty.may_be_null() {
        Rule::PtrNull
    } else if reg.is_scalar() {
        Rule::MemNotPointer
    } else {
        Rule::MemRegion
    };
    Reject::new(rule, format!("R{} invalid mem access '{}'", base.num(), reg.ty.kernel_name()))
        .fact(Fact::Reg(base, *reg))
        .stop()
}

/// Stores do not go to read-only memory.
fn read_only<T>(base: Reg, reg: &RegState) -> Res<T> {
    Reject::new(
        Rule::MemReadOnly,
        format!("R{} cannot write into {}", base.num(), reg.ty.kernel_name()),
    )
    .fact(Fact::Reg(base, *reg))
    .stop()
}

impl RegState {
    /// Memory that may not be written. Kernel: `type_is_rdonly_mem`.
    pub(crate) fn is_read_only(&self) -> bool {
        self.ty.has(flag::RDONLY)
    }
}
