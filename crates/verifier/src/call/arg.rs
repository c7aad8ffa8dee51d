//! Arguments of helpers, one by one.

use super::gate::{Proto, func_name};
use super::{Meta, id};
use crate::mem::By;
use crate::reg::{Base, RegState, flag};
use crate::reject::{Fact, Reject, Res, reject, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Arg, ArgKind, Errno, MapFlag, MapType, arg_flag};
use skep_btf::TypeId;
use skep_isa::{Reg, Size};

/// r1 to r5 by the number of the argument, from 0.
pub(crate) fn arg_reg(at: usize) -> Reg {
    const REGS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];
    REGS[at.min(4)]
}

impl Verifier<'_> {
    /// All arguments of a helper.
    pub(crate) fn check_func_args(&mut self, proto: &Proto, meta: &mut Meta) -> Res<()> {
        for at in 0..proto.args.len() {
            self.check_func_arg(at, proto, meta).map_err(|stop| match stop {
                crate::reject::Stop::Reject(mut reject) => {
                    if !reject.facts.iter().any(|fact| matches!(fact, Fact::Call(_))) {
                        reject.facts.push(Fact::Call(func_name(meta.func)));
                    }
                    crate::reject::Stop::Reject(reject)
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// Kernel: `check_func_arg`.
    fn check_func_arg(&mut self, at: usize, proto: &Proto, meta: &mut Meta) -> Res<()> {
        let reg = arg_reg(at);
        let mut arg = proto.args[at];
        self.check_src(reg)?;
        if arg.kind == ArgKind::Any {
            if self.is_pointer_value(reg) {
                return Reject::new(
                    Rule::PtrLeak,
                    format!("R{} leaks addr into helper function", reg.num()),
                )
                .fact(Fact::Reg(reg, *self.reg(reg)))
                .fact(Fact::Arg(reg.num()))
                .stop();
            }
            return Ok(());
        }
        let state = *self.reg(reg);
        if state.ty.flags == 0
            && state.ty.is_packet()
            && !self.may_access_direct_pkt_data(Some(meta.mem.pkt_access), false)
        {
            return self.refuse_arg(reg, "helper access to the packet is not allowed");
        }
        if arg.kind == ArgKind::MapValue {
            self.resolve_map_arg(&mut arg, meta)?;
        }
        if state.is_null() && arg.flags & arg_flag::OR_NULL != 0 {
            self.mark_chain_precision(reg)?;
        } else {
            let want = self.arg_struct(&arg)?;
            self.check_reg_type(reg, &arg, want, meta)?;
            let release = arg.flags & arg_flag::RELEASE != 0;
            self.check_func_arg_reg_off(reg, release, arg.kind == ArgKind::Dynptr)?;
        }
        if arg.flags & arg_flag::RELEASE != 0 {
            self.check_release_arg(reg, &arg, meta)?;
        }
        if state.ref_obj_id != 0 && arg.kind != ArgKind::KptrDest {
            if meta.ref_obj_id != 0 {
                return Reject::new(
                    Rule::Internal,
                    format!(
                        "more than one arg with ref_obj_id R{} {} {}",
                        reg.num(),
                        state.ref_obj_id,
                        meta.ref_obj_id
                    ),
                )
                .stop();
            }
            meta.ref_obj_id = state.ref_obj_id;
        }
        self.check_arg_by_kind(at, &arg, proto, meta)
    }

    /// The structure behind an argument, in the kernel's types.
    fn arg_struct(&self, arg: &Arg) -> Res<Option<TypeId>> {
        if arg.kind != ArgKind::BtfId || arg.ty.is_empty() {
            return Ok(None);
        }
        self.need_struct(arg.ty).map(Some)
    }

    /// Values of maps of sockets are sockets. Kernel: `resolve_map_arg_type`.
    fn resolve_map_arg(&self, arg: &mut Arg, meta: &Meta) -> Res<()> {
        let Some(map) = meta.map else {
            return reject(Rule::Internal, "invalid map_ptr to access map->type");
        };
        match self.maps[map as usize].map_type() {
            MapType::Sockmap | MapType::Sockhash => {
                if arg.flags != 0 {
                    return reject(Rule::HelperMap, "invalid arg_type for sockmap/sockhash");
                }
                arg.kind = ArgKind::BtfIdSockCommon;
            }
            MapType::BloomFilter if meta.func == id::MAP_PEEK_ELEM => arg.flags = 0,
            _ => {}
        }
        Ok(())
    }

    /// What is released must be a reference.
    fn check_release_arg(&mut self, reg: Reg, arg: &Arg, meta: &mut Meta) -> Res<()> {
        let state = *self.reg(reg);
        let refuse = |text: String| {
            Reject::new(Rule::RefRelease, text)
                .fact(Fact::Reg(reg, state))
                .fact(Fact::Arg(reg.num()))
                .stop()
        };
        if arg.kind == ArgKind::Dynptr {
            if !state.ty.is(Base::Stack) {
                return refuse("cannot release unowned const bpf_dynptr".to_owned());
            }
            if self.dynptr_slot(&state)?.is_none_or(|slot| slot.ref_obj_id == 0) {
                return refuse(format!("arg {} is an unacquired reference", reg.num()));
            }
        } else if state.ref_obj_id == 0 && !state.is_null() {
            return refuse(format!(
                "R{} must be referenced when passed to release function",
                reg.num()
            ));
        }
        if meta.release.is_some() {
            return reject(Rule::Internal, "more than one release argument");
        }
        meta.release = Some(reg);
        Ok(())
    }

    fn check_arg_by_kind(
        &mut self,
        at: usize,
        arg: &Arg,
        proto: &Proto,
        meta: &mut Meta,
    ) -> Res<()> {
        let reg = arg_reg(at);
        let state = *self.reg(reg);
        let write = arg.flags & arg_flag::WRITE != 0;
        match arg.kind {
            ArgKind::Map => self.check_map_arg(reg, meta),
            ArgKind::MapKey => self.check_key_arg(reg, meta),
            ArgKind::MapValue => {
                if arg.flags & arg_flag::OR_NULL != 0 && state.is_null() {
                    return Ok(());
                }
                let Some(map) = meta.map else {
                    return reject(Rule::Internal, "invalid map_ptr to access map->value");
                };
                meta.mem.raw = arg.flags & arg_flag::UNINIT != 0;
                let size = self.maps[map as usize].def.value_size;
                let len = size.cast_signed();
                self.check_helper_mem_access(reg, len, write, false, Some(&mut meta.mem))
                    .map_err(|stop| stop.with_fact(Fact::SizeOf { map, key: false, size }))
            }
            ArgKind::PercpuBtfId => match state.btf() {
                Some(btf) => {
                    meta.ret_btf = Some(btf);
                    Ok(())
                }
                None => {
                    self.refuse_arg(reg, format!("Helper has invalid btf_id in R{}", reg.num()))
                }
            },
            ArgKind::SpinLock => {
                if self.in_rbtree_lock_required_cb() {
                    return Reject::new(Rule::Lock, "can't spin_{lock,unlock} in rbtree cb")
                        .errno(Errno::EACCES)
                        .stop();
                }
                self.process_spin_lock(
                    reg,
                    crate::lock::LockOp {
                        lock: meta.func == id::SPIN_LOCK,
                        res: false,
                        irq: false,
                    },
                )
            }
            ArgKind::Timer => self.process_timer(reg, meta),
            ArgKind::Func => {
                if let crate::reg::Extra::Subprog(subprog) = state.extra {
                    meta.subprog = Some(subprog);
                }
                Ok(())
            }
            ArgKind::Mem => {
                meta.mem.raw = arg.flags & arg_flag::UNINIT != 0;
                if arg.flags & arg_flag::FIXED_SIZE == 0 {
                    return Ok(());
                }
                let size = arg.fixed.cast_signed();
                self.check_helper_mem_access(reg, size, write, false, Some(&mut meta.mem))?;
                if arg.flags & arg_flag::ALIGNED != 0 {
                    self.check_ptr_alignment(reg, &state, 0, size, true)?;
                }
                Ok(())
            }
            ArgKind::Size | ArgKind::SizeOrZero => {
                let mem = at.checked_sub(1).map_or(0, |before| proto.args[before].flags);
                let write = mem & arg_flag::WRITE != 0;
                let zero = arg.kind == ArgKind::SizeOrZero;
                self.check_mem_size_reg(reg, write, zero, &mut meta.mem)
            }
            ArgKind::Dynptr => self.process_dynptr_arg(reg, arg.flags, 0),
            ArgKind::AllocSizeOrZero => match state.num.is_const() {
                Some(size) => {
                    meta.mem_size = size;
                    self.mark_chain_precision(reg)
                }
                None => self.refuse_arg(reg, format!("R{} is not a known constant'", reg.num())),
            },
            ArgKind::ConstStr => self.check_const_str(reg),
            ArgKind::KptrDest => self.process_kptr_dest(reg, meta),
            ArgKind::Arena => unsupported("an address in an arena as argument of a helper"),
            _ => Ok(()),
        }
    }

    fn check_map_arg(&mut self, reg: Reg, meta: &mut Meta) -> Res<()> {
        let crate::reg::Extra::Map { map, uid } = self.reg(reg).extra else {
            return reject(Rule::Internal, "map pointer without map");
        };
        if let Some(before) = meta.map
            && (before != map || meta.map_uid != uid)
        {
            let text = format!(
                "timer pointer in R1 map_uid={} doesn't match map pointer in R2 map_uid={uid}",
                meta.map_uid
            );
            return Reject::new(Rule::HelperMap, text).fact(Fact::Arg(reg.num())).stop();
        }
        meta.map = Some(map);
        meta.map_uid = uid;
        Ok(())
    }

    fn check_key_arg(&mut self, reg: Reg, meta: &mut Meta) -> Res<()> {
        let Some(map) = meta.map else {
            return reject(Rule::Internal, "invalid map_ptr to access map->key");
        };
        let size = self.maps[map as usize].def.key_size;
        self.check_helper_mem_access(reg, size.cast_signed(), false, false, None)
            .map_err(|stop| stop.with_fact(Fact::SizeOf { map, key: true, size }))?;
        if self.has_every_value(map) {
            meta.const_key = self.constant_key(reg, size)?;
        }
        Ok(())
    }

    /// Whether all keys below the number of entries have a value. Kernel: `can_elide_value_nullness`.
    pub(crate) fn has_every_value(&self, map: u32) -> bool {
        let map = &self.maps[map as usize];
        // Arrays of this kind stand for others, which may have fewer entries.
        let any_size = MapFlag::of(map.def.flags).any(|flag| flag == MapFlag::InnerMap);
        matches!(map.map_type(), MapType::Array | MapType::PercpuArray) && !any_size
    }

    /// The key on the stack, if it is known. Kernel: `get_constant_map_key`.
    fn constant_key(&mut self, reg: Reg, size: u32) -> Res<Option<u64>> {
        use crate::frame::Byte;
        let key = *self.reg(reg);
        if !self.bpf_capable || !key.ty.is(Base::Stack) {
            return Ok(None);
        }
        let Some(var) = key.num.is_const() else { return Ok(None) };
        let at = -(i64::from(key.off).wrapping_add(var.cast_signed())) - 1;
        let Ok(at) = usize::try_from(at) else { return Ok(None) };
        let (spi, last) = (at / 8, at % 8);
        let Some(slot) = self.cur.frames.get(self.frame_of(&key)).and_then(|f| f.stack.get(spi))
        else {
            return Ok(None);
        };
        // The bytes of the key, from its first one up, stand from `last` down.
        let same =
            |kind: Byte| slot.bytes[..=last].iter().rev().take_while(|&&byte| byte == kind).count();
        let size = size as usize;
        if same(Byte::Zero) >= size {
            return Ok(Some(0));
        }
        if !slot.is_spilled_scalar() || same(Byte::Spill) != size {
            return Ok(None);
        }
        let Some(value) = slot.reg.num.is_const() else { return Ok(None) };
        self.mark_slots_precision(&[(key.frame, 1 << spi)])?;
        Ok(Some(value))
    }

    /// A string in a read-only map that ends. Kernel: `check_reg_const_str`.
    pub(crate) fn check_const_str(&mut self, reg: Reg) -> Res<()> {
        let state = *self.reg(reg);
        let Some(map) = state.map().filter(|_| state.ty.is(Base::MapValue)) else {
            return self.refuse_arg(reg, "");
        };
        let info = &self.maps[map as usize];
        if info.constant().is_none() {
            return self
                .refuse_arg(reg, format!("R{} does not point to a readonly map'", reg.num()));
        }
        let Some(var) = state.num.is_const() else {
            return self.refuse_arg(reg, format!("R{} is not a constant address'", reg.num()));
        };
        let size = info.def.value_size.cast_signed();
        self.check_map_access(reg, state.off, size.wrapping_sub(state.off), false, By::Helper)?;
        if self.const_str(&state, var).is_none() {
            return Reject::new(Rule::HelperArg, "string is not zero-terminated")
                .errno(Errno::EINVAL)
                .fact(Fact::Arg(reg.num()))
                .stop();
        }
        Ok(())
    }

    /// The string in a read-only map, without its end.
    pub(crate) fn const_str(&self, state: &RegState, var: u64) -> Option<&[u8]> {
        let bytes = self.maps[state.map()? as usize].constant()?;
        let at = usize::try_from(i64::from(state.off).wrapping_add(var.cast_signed())).ok()?;
        let tail = bytes.get(at..)?;
        tail.iter().position(|&byte| byte == 0).map(|end| &tail[..end])
    }

    /// The memory that the helper fills is now data. Kernel: the loop in `check_helper_call`.
    pub(crate) fn fill_raw(&mut self, meta: &Meta) -> Res<()> {
        let Some(reg) = meta.mem.raw_reg else { return Ok(()) };
        for at in 0..meta.mem.raw_size {
            self.check_mem_access(reg, at, Size::B, true, None, false, false)?;
        }
        Ok(())
    }

    /// Whether the value is a pointer that program and kernel trust by its flags alone.
    pub(crate) fn is_alloc_object(state: &RegState) -> bool {
        state.ty.base == Base::BtfId && state.ty.has(flag::ALLOC) && !state.ty.has(flag::UNTRUSTED)
    }
}
