//! What calls do to the analysis of control flow, known without following them.

use super::id;
use crate::reject::Res;
use crate::verifier::Verifier;
use skep_abi::{Calls, Helper, Kfunc, RetKind, kfunc_flag};
use skep_isa::{Call, Insn};

/// What a call does to a whole function. Kernel: `mark_subprog_changes_pkt_data`,
/// `mark_subprog_might_sleep`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Packet pointers end.
    pub(crate) changes_packet: bool,
    /// The call may sleep.
    pub(crate) might_sleep: bool,
    /// It moves an open-coded iterator on.
    pub(crate) iter_next: bool,
}

/// Number of registers a call takes and whether it returns something. Kernel:
/// `struct bpf_call_summary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) params: u8,
    pub(crate) is_void: bool,
    pub(crate) fastcall: bool,
}

/// Whether packet pointers end with the call of a helper. Kernel: `bpf_helper_changes_pkt_data`.
pub(crate) fn changes_packet(func: u32) -> bool {
    Helper::find(func).is_some_and(Helper::changes_packet)
}

impl Verifier<'_> {
    /// How the call calls a function of the program, if it does.
    fn callback_of(&self, call: Call) -> Option<Calls> {
        match call {
            Call::Helper(func) => Helper::find(func.cast_unsigned())?.calls(),
            Call::Kfunc { .. } => Kfunc::find(self.kfunc_name(call)?)?.calls(),
            Call::Local(_) | Call::Reg(_) => None,
        }
    }

    /// Whether a function is passed that runs later, on its own.
    pub(crate) fn calls_async_callback(&self, call: Call) -> bool {
        self.callback_of(call) == Some(Calls::Later)
    }

    /// Whether a function is passed that runs during the call.
    pub(crate) fn calls_sync_callback(&self, call: Call) -> bool {
        self.callback_of(call) == Some(Calls::Now)
    }

    /// What the call at `pc` does to the function around it.
    pub(crate) fn call_effects(&mut self, pc: u32, call: Call) -> Effects {
        match call {
            Call::Helper(func) => {
                let func = func.cast_unsigned();
                let sleeps = self.proto(func).is_ok_and(|proto| proto.may_sleep);
                Effects {
                    changes_packet: changes_packet(func),
                    might_sleep: sleeps,
                    iter_next: false,
                }
            }
            Call::Kfunc { .. } => {
                let Some((name, flags)) = self.kfunc_row(call) else { return Effects::default() };
                let iter_next = flags & kfunc_flag::ITER_NEXT != 0;
                if iter_next {
                    self.aux[pc as usize].is_iter_next = true;
                }
                Effects {
                    changes_packet: name == "bpf_xdp_pull_data",
                    might_sleep: flags & kfunc_flag::SLEEPABLE != 0,
                    iter_next,
                }
            }
            Call::Local(_) | Call::Reg(_) => Effects::default(),
        }
    }

    /// Number of argument registers of a helper or kernel function. Functions of the program may take
    /// any. Kernel: `bpf_get_call_summary`.
    pub(crate) fn call_params(&self, insn: &Insn) -> Option<u8> {
        let Insn::Call(call) = *insn else { return None };
        self.call_summary(call).map(|summary| summary.params)
    }

    /// Kernel: `bpf_get_call_summary`.
    pub(crate) fn call_summary(&self, call: Call) -> Option<Summary> {
        match call {
            Call::Helper(func) => {
                let func = func.cast_unsigned();
                let proto = self.proto(func).ok()?;
                Some(Summary {
                    params: u8::try_from(proto.args.len()).ok()?,
                    is_void: proto.ret.kind == RetKind::Void && proto.ret.flags == 0,
                    fastcall: proto.fastcall && func == id::GET_SMP_PROCESSOR_ID,
                })
            }
            Call::Kfunc { .. } => self.kfunc_summary(call),
            Call::Local(_) | Call::Reg(_) => None,
        }
    }

    /// First slot of the function that handles exceptions, as a tag on the main function names it.
    /// Kernel: `bpf_find_exception_callback_insn_off`.
    pub(crate) fn exception_callback_start(&self) -> Res<Option<u32>> {
        use crate::reject::reject;
        use crate::rule::Rule;
        use skep_btf::{Body, FuncLinkage, Kind};
        let (Some(btf), Some(main)) = (self.btf, self.prog.subprogs.first()) else {
            return Ok(None);
        };
        let Some(main) = main.type_id else { return Ok(None) };
        let mut found = None;
        for tag in btf.types() {
            let Body::DeclTag { ty, component: None } = tag.body else { continue };
            let Some(name) = tag.name.strip_prefix("exception_callback:") else { continue };
            if ty != main {
                continue;
            }
            if found.replace(name).is_some() {
                return reject(Rule::Btf, "multiple exception callback tags for main subprog");
            }
        }
        let Some(name) = found else { return Ok(None) };
        let Some(func) = btf.find(name, Kind::Func) else {
            return reject(
                Rule::Btf,
                format!("exception callback '{name}' could not be found in BTF"),
            );
        };
        if !matches!(func.body, Body::Func { linkage: FuncLinkage::Global, .. }) {
            return reject(
                Rule::Btf,
                format!("exception callback '{name}' must have global linkage"),
            );
        }
        let start = self.prog.subprogs.iter().find(|sub| sub.type_id == Some(func.id));
        match start.map(|sub| sub.start.0) {
            Some(0) => reject(Rule::Btf, "invalid exception callback insn_off in func_info: 0"),
            Some(start) => Ok(Some(start)),
            None => reject(Rule::Btf, "exception callback type id not found in func_info"),
        }
    }
}
