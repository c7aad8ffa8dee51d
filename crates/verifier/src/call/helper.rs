//! Calls of helpers.

use super::gate::{Proto, func_and_number, func_name};
use super::{Meta, arg::arg_reg, effects::changes_packet, id};
use crate::aux::Passed;
use crate::reg::{Base, DynptrKind, Extra, RegState, flag};
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::{Next, Verifier};
use skep_abi::{ArgKind, AttachType, Errno, ProgType};
use skep_isa::{Pc, Reg};

/// What the rest of the call needs besides [`Meta`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct After {
    /// Packet pointers end.
    pub(crate) changes_packet: bool,
    /// The result is an object that the program allocated, on this CPU.
    pub(crate) own_cpu: bool,
}

impl Verifier<'_> {
    /// Kernel: `check_helper_call`.
    pub(crate) fn check_helper_call(&mut self, func: u32) -> Res<Next> {
        let proto = self.check_helper_gates(func)?;
        let mut meta = Meta::of(func);
        meta.mem.pkt_access = proto.takes_packet;
        self.check_func_args(&proto, &mut meta)?;
        self.check_func_map(&meta)?;
        self.check_func_key(&meta)?;
        self.note_passed(&proto, &meta);
        self.fill_raw(&meta)?;
        self.release_argument(&proto, &meta)?;
        let after = self.check_special(&mut meta, &proto)?;
        self.clear_caller_saved();
        self.set_result(&proto, &meta, after)?;
        self.refine_result(&proto, &meta)?;
        self.check_map_func(func, meta.map)?;
        if func == id::GET_FUNC_IP {
            self.check_get_func_ip()?;
        }
        if func == id::TAIL_CALL {
            return self.leave_by_tail_call();
        }
        if after.changes_packet {
            self.clear_packet_pointers();
        }
        Ok(Next::Fall)
    }

    /// Notes what the call gets. Which kinds of arguments there are is the same on all paths.
    fn note_passed(&mut self, proto: &Proto, meta: &Meta) {
        use ArgKind::{Func, Map, Size, SizeOrZero};
        if !proto.args.iter().any(|arg| matches!(arg.kind, Map | Func | Size | SizeOrZero)) {
            return;
        }
        let size = proto.args.get(1).filter(|arg| matches!(arg.kind, Size | SizeOrZero));
        let size = size.and_then(|_| self.reg(Reg::R2).num.is_const());
        // What maps inside others are like has no bit.
        let maps = meta.map.filter(|&map| (map as usize) < self.env.image.maps.len());
        let passed = Passed {
            maps: maps.and_then(|map| 1u64.checked_shl(map)).unwrap_or(0),
            callback: meta.subprog.map(|subprog| Pc(self.subprogs[subprog as usize].start)),
            size: size.and_then(|size| u32::try_from(size).ok()),
        };
        let known = self.passed.entry(self.pc).or_insert(passed);
        known.join(passed);
    }

    /// In a function, a tail call that succeeds comes back to the caller, with any result and perhaps
    /// another packet; one that fails goes on. In the main program it only goes on.
    fn leave_by_tail_call(&mut self) -> Res<Next> {
        if self.cur.curframe() == 0 {
            return Ok(Next::Fall);
        }
        if self.frame().in_callback {
            // The kernel finds itself in a state that it takes for a bug of its own.
            return Reject::new(Rule::CallPlace, "verifier bug: callback unexpected regs 1")
                .errno(Errno::EFAULT)
                .stop();
        }
        let pc = self.pc;
        self.push_branch(pc + 1, pc, false)?;
        self.clear_packet_pointers();
        self.mark_unknown(Reg::R0);
        self.prepare_func_exit()
    }

    /// The argument that is given back is gone, with all that derives from it.
    fn release_argument(&mut self, proto: &Proto, meta: &Meta) -> Res<()> {
        let Some(reg) = meta.release else { return Ok(()) };
        let state = *self.reg(reg);
        let kind = proto.args[usize::from(reg.num()).saturating_sub(1)].kind;
        let released = if kind == ArgKind::Dynptr {
            self.unmark_stack_slots_dynptr(&state)?;
            true
        } else if meta.func == id::KPTR_XCHG && meta.ref_obj_id != 0 {
            self.hand_over(meta.ref_obj_id)
        } else if meta.ref_obj_id != 0 {
            self.try_release(meta.ref_obj_id)
        } else {
            state.is_null()
        };
        if released {
            return Ok(());
        }
        Reject::new(
            Rule::RefRelease,
            format!("func {} reference has not been acquired before", func_and_number(meta.func)),
        )
        .fact(Fact::Reg(reg, state))
        .fact(Fact::Call(func_name(meta.func)))
        .stop()
    }

    /// A reference went into a map value; under RCU a per-CPU object stays readable.
    fn hand_over(&mut self, id: u32) -> bool {
        let in_rcu = self.in_rcu_cs();
        if !self.cur.drop_reference(id) {
            return false;
        }
        let invalid = self.invalid();
        self.cur.for_each_reg(|reg| {
            if reg.ref_obj_id != id {
                return;
            }
            if in_rcu && reg.ty.has(flag::ALLOC) && reg.ty.has(flag::PERCPU) {
                reg.ref_obj_id = 0;
                reg.ty = reg.ty.without(flag::ALLOC).with(flag::RCU);
            } else {
                *reg = invalid;
            }
        });
        true
    }

    /// What single helpers ask besides. Kernel: the first `switch` of `check_helper_call`.
    fn check_special(&mut self, meta: &mut Meta, proto: &Proto) -> Res<After> {
        let mut after = After { changes_packet: changes_packet(meta.func), own_cpu: false };
        match meta.func {
            id::TAIL_CALL => self.check_resource_leak(false, true, "tail_call")?,
            id::GET_LOCAL_STORAGE => {
                if !self.reg(Reg::R2).is_null() {
                    return Reject::new(
                        Rule::HelperArg,
                        "get_local_storage() doesn't support non-zero flags",
                    )
                    .errno(Errno::EINVAL)
                    .fact(Fact::Arg(2))
                    .stop();
                }
                self.mark_chain_precision(Reg::R2)?;
            }
            id::FOR_EACH_MAP_ELEM
            | id::TIMER_SET_CALLBACK
            | id::FIND_VMA
            | id::USER_RINGBUF_DRAIN => self.push_callback(meta)?,
            id::SNPRINTF => self.check_snprintf()?,
            id::LOOP => self.check_loop(meta)?,
            id::DYNPTR_FROM_MEM => {
                let state = *self.reg(Reg::R1);
                if !state.ty.is(Base::MapValue) {
                    let text = format!(
                        "Unsupported reg type {} for bpf_dynptr_from_mem data",
                        state.ty.kernel_name()
                    );
                    return self.refuse_arg(Reg::R1, text);
                }
            }
            id::SET_RETVAL => self.check_set_retval()?,
            id::DYNPTR_DATA => {
                let state = self.dynptr_state(dynptr_arg(proto))?;
                meta.dynptr_id = state.id;
                meta.ref_obj_id = state.ref_obj_id;
            }
            id::DYNPTR_WRITE => {
                let kind = self.dynptr_state(dynptr_arg(proto))?.extra;
                if let Extra::Dynptr { kind: DynptrKind::Skb | DynptrKind::SkbMeta, .. } = kind {
                    after.changes_packet = true;
                }
            }
            id::PER_CPU_PTR | id::THIS_CPU_PTR if self.reg(Reg::R1).ty.has(flag::RCU) => {
                after.own_cpu = true;
            }
            _ => {}
        }
        Ok(after)
    }

    /// The dynptr that a register points to, or is.
    pub(crate) fn dynptr_state(&mut self, reg: Reg) -> Res<RegState> {
        let state = *self.reg(reg);
        if state.ty.base == Base::ConstDynptr {
            return Ok(state);
        }
        match self.dynptr_slot(&state)? {
            Some(slot) => Ok(slot),
            None => reject(Rule::Internal, "failed to obtain dynptr id"),
        }
    }

    /// A loop whose callback is followed until it has run as often as asked for, or repeats itself.
    fn check_loop(&mut self, meta: &mut Meta) -> Res<()> {
        let subprog = meta.subprog.unwrap_or(0);
        let before = self.loop_callbacks.get(&self.pc).copied();
        let no_flags = self.reg(Reg::R4).is_null();
        if before.is_none_or(|(_, fit)| fit) && no_flags {
            // The kernel makes this a plain loop only as long as flags are known to be zero.
            self.mark_chain_precision(Reg::R4)?;
        }
        let now = match before {
            None => (subprog, no_flags),
            Some((first, fit)) => (first, fit && no_flags && first == subprog),
        };
        self.loop_callbacks.insert(self.pc, now);
        self.mark_chain_precision(Reg::R1)?;
        let times = self.reg(Reg::R1).num.umax;
        if u64::from(self.frame().callback_depth) < times {
            self.push_callback(meta)
        } else {
            self.frame_mut().callback_depth = 0;
            Ok(())
        }
    }

    /// Kernel: `check_bpf_snprintf_call`.
    fn check_snprintf(&mut self) -> Res<()> {
        let format = *self.reg(Reg::R3);
        let size = self.reg(Reg::R5).num.var_off.value();
        let refuse = |text: &str| {
            Reject::new(Rule::HelperArg, text).errno(Errno::EINVAL).fact(Fact::Arg(3)).stop()
        };
        if !size.is_multiple_of(8) {
            return refuse("");
        }
        let var = format.num.var_off.value();
        let args = usize::try_from(size / 8).unwrap_or(usize::MAX);
        let known = self.const_str(&format, var).map(|text| super::format::is_format(text, args));
        if known != Some(true) {
            return refuse("Invalid format string");
        }
        Ok(())
    }

    fn check_set_retval(&self) -> Res<()> {
        let cgroup_lsm = self.prog.prog_type == ProgType::Lsm
            && self.prog.attach_type == Some(AttachType::LsmCgroup);
        if cgroup_lsm && self.target_returns_void() {
            return reject(
                Rule::ReturnRange,
                "BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!",
            );
        }
        Ok(())
    }

    /// Kernel: `check_get_func_ip`.
    fn check_get_func_ip(&self) -> Res<()> {
        use AttachType as A;
        let func = func_and_number(id::GET_FUNC_IP);
        let text = match self.prog.prog_type {
            ProgType::Kprobe => return Ok(()),
            ProgType::Tracing => match self.prog.attach_type {
                Some(A::TraceFentry | A::TraceFexit | A::ModifyReturn) => return Ok(()),
                _ => format!("func {func} supported only for fentry/fexit/fmod_ret programs"),
            },
            other => format!("func {func} not supported for program type {}", other.number()),
        };
        Reject::new(Rule::ProgType, text).errno(Errno::ENOTSUPP).stop()
    }
}

/// The argument that is a dynptr.
fn dynptr_arg(proto: &Proto) -> Reg {
    arg_reg(proto.args.iter().position(|arg| arg.kind == ArgKind::Dynptr).unwrap_or(0))
}
