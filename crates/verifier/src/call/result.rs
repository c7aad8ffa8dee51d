//! What helpers return.

use super::gate::{Proto, func_and_number};
use super::helper::After;
use super::{Meta, id};
use crate::btf_ref::BtfRef;
use crate::change::Change;
use crate::record::FieldKind;
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Res, reject, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Helper, RetKind};
use skep_btf::{Body, TypeId};
use skep_isa::Reg;

/// Kernel: `MAX_ERRNO`.
const MAX_ERRNO: i32 = 4095;

/// Flags of a result that go with its register.
const KEPT: u32 = flag::MAYBE_NULL
    | flag::RDONLY
    | flag::RINGBUF
    | flag::TRUSTED
    | flag::DYNPTR_LOCAL
    | flag::DYNPTR_RINGBUF;

impl Verifier<'_> {
    /// Sets r0. Kernel: the second `switch` of `check_helper_call`.
    pub(crate) fn set_result(&mut self, proto: &Proto, meta: &Meta, after: After) -> Res<()> {
        let flags = proto.ret.flags & KEPT;
        let pointer = |base, extra| RegState::pointer(RegType { base, flags }, extra);
        let mut r0 = match proto.ret.kind {
            RetKind::Int => self.unknown(),
            RetKind::Void => RegState::NOT_INIT,
            RetKind::MapValue => self.map_value_result(meta, flags)?,
            RetKind::Socket => pointer(Base::Socket, Extra::None),
            RetKind::SockCommon => pointer(Base::SockCommon, Extra::None),
            RetKind::TcpSock => pointer(Base::TcpSock, Extra::None),
            RetKind::Mem => {
                // The kernel keeps 32 bits.
                let size = super::low_half(meta.mem_size);
                pointer(Base::Mem, Extra::Mem(size))
            }
            RetKind::MemOrBtfId => self.percpu_result(meta, flags, after)?,
            RetKind::BtfId => self.object_result(proto, meta, flags)?,
        };
        if r0.ty.may_be_null() {
            r0.id = self.new_id();
        }
        if meta.func == id::DYNPTR_DATA
            && let Extra::Mem(size) = r0.extra
        {
            r0.extra = Extra::Slice { size, dynptr: meta.dynptr_id };
        }
        let map_type = meta.map.map(|map| self.maps[map as usize].map_type());
        let helper = Helper::find(meta.func);
        if helper.is_some_and(|helper| helper.casts() || helper.slices_dynptr()) {
            r0.ref_obj_id = meta.ref_obj_id;
        } else if helper.is_some_and(|helper| helper.acquires(map_type)) {
            let id = self.acquire_reference();
            r0.id = id;
            r0.ref_obj_id = id;
        }
        *self.reg_mut(Reg::R0) = r0;
        Ok(())
    }

    fn map_value_result(&mut self, meta: &Meta, mut flags: u32) -> Res<RegState> {
        let Some(map) = meta.map else {
            return reject(Rule::Internal, "unexpected null map_ptr");
        };
        let info = &self.maps[map as usize];
        let entries = u64::from(info.def.max_entries);
        if self.has(Change::ConstantKeys)
            && meta.func == id::MAP_LOOKUP_ELEM
            && self.has_every_value(map)
            && meta.const_key.is_some_and(|key| key < entries)
        {
            flags &= !flag::MAYBE_NULL;
        }
        let has_lock = info.record.has_spin_lock();
        let ty = RegType { base: Base::MapValue, flags };
        let mut r0 = RegState::pointer(ty, Extra::Map { map, uid: meta.map_uid });
        if flags & flag::MAYBE_NULL == 0 && has_lock {
            r0.id = self.new_id();
        }
        Ok(r0)
    }

    /// What a per-CPU pointer becomes on one CPU: an object, or memory.
    fn percpu_result(&self, meta: &Meta, flags: u32, after: After) -> Res<RegState> {
        let Some((set, id)) = meta.ret_btf else {
            return reject(Rule::Internal, "per-CPU pointer without type");
        };
        let btf = match set {
            BtfRef::Kernel => self.vmlinux,
            BtfRef::Prog => self.btf,
        };
        let Some(btf) = btf else { return unsupported("types that are not given") };
        let Some(ty) = btf.resolve(id) else {
            return reject(Rule::Internal, "per-CPU pointer of an unknown type");
        };
        if !matches!(ty.body, Body::Struct { .. } | Body::Union { .. }) {
            let Some(size) = btf.size_of(ty.id) else {
                return reject(
                    Rule::HelperArg,
                    format!("unable to resolve the size of type '{}': -22", ty.name),
                );
            };
            return Ok(RegState::pointer(RegType { base: Base::Mem, flags }, Extra::Mem(size)));
        }
        let flags = if after.own_cpu { flag::ALLOC | flag::RCU } else { flags & !flag::RDONLY };
        Ok(RegState::pointer(RegType { base: Base::BtfId, flags }, Extra::Btf { btf: set, id }))
    }

    fn object_result(&self, proto: &Proto, meta: &Meta, mut flags: u32) -> Res<RegState> {
        let (btf, id) = if meta.func == id::KPTR_XCHG {
            let Some((btf, id)) = meta.kptr.as_ref().and_then(|field| field.kptr) else {
                return reject(Rule::Internal, "no field for a kptr");
            };
            if btf == BtfRef::Prog {
                flags |= flag::ALLOC;
                if meta.kptr.as_ref().is_some_and(|field| field.kind == FieldKind::KptrPercpu) {
                    flags |= flag::PERCPU;
                }
            }
            (btf, id)
        } else {
            (BtfRef::Kernel, self.need_struct(proto.ret.ty)?)
        };
        if id == TypeId::VOID {
            return reject(
                Rule::Internal,
                format!("invalid return type of func {}", func_and_number(meta.func)),
            );
        }
        Ok(RegState::pointer(RegType { base: Base::BtfId, flags }, Extra::Btf { btf, id }))
    }

    /// Ranges of results that are known. Kernel: `do_refine_retval_range`.
    pub(crate) fn refine_result(&mut self, proto: &Proto, meta: &Meta) -> Res<()> {
        if proto.ret.kind != RetKind::Int || proto.ret.flags != 0 {
            return Ok(());
        }
        let cpus = self.env.kernel.cpus.max(1);
        let num = &mut self.reg_mut(Reg::R0).num;
        match meta.func {
            id::GET_STACK
            | id::GET_TASK_STACK
            | id::PROBE_READ_STR
            | id::PROBE_READ_KERNEL_STR
            | id::PROBE_READ_USER_STR => {
                num.smax = meta.mem.size_max.cast_signed();
                // The kernel assigns 64 bits to 32.
                num.s32_max = super::low_half(meta.mem.size_max).cast_signed();
                num.smin = -i64::from(MAX_ERRNO);
                num.s32_min = -MAX_ERRNO;
                num.sync();
            }
            id::GET_SMP_PROCESSOR_ID => {
                let last = cpus - 1;
                (num.umin, num.umax) = (0, u64::from(last));
                (num.smin, num.smax) = (0, i64::from(last));
                (num.u32_min, num.u32_max) = (0, last);
                (num.s32_min, num.s32_max) = (0, last.cast_signed());
                num.sync();
            }
            _ => {}
        }
        Ok(())
    }
}
