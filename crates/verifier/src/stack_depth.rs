//! Stack that chains of calls use together.
//!
//! Frames of a chain share 512 bytes, unless the machine gives the program a stack of its own, where
//! each frame may use as many. Kernel: `check_max_stack_depth`.

use crate::env::Arch;
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::{MAX_FRAMES, MAX_STACK, Verifier};
use skep_abi::{AttachType, Errno, ProgType};
use skep_isa::{Call, ImmSrc, Insn, Pc};

/// Bytes from which on a frame goes on a stack of its own. Kernel: `BPF_PRIV_STACK_MIN_SIZE`.
const PRIVATE_MIN: i32 = 64;

/// A caller on the way to the function that is looked at.
#[derive(Clone, Copy)]
struct Return {
    subprog: usize,
    /// Slot after the call.
    pc: u32,
}

/// The walk over all chains from one function.
struct Walk {
    /// Whether frames may lie on a stack of their own.
    private: bool,
    depth: i32,
    callers: Vec<Return>,
    tail_call_reachable: bool,
}

/// Bytes that a frame takes. Kernel: `round_up_stack_depth`.
fn rounded(depth: u32) -> i32 {
    i32::try_from(depth.next_multiple_of(16)).unwrap_or(i32::MAX)
}

impl Verifier<'_> {
    /// Kernel: `check_max_stack_depth`.
    pub(crate) fn check_max_stack_depth(&mut self) -> Res<()> {
        self.drop_fastcall_stack();
        let adaptive = !self.subprogs.iter().any(|sub| sub.has_tail_call) && self.may_be_private();
        let mut private = vec![None; self.subprogs.len()];
        for at in (0..self.subprogs.len()).rev() {
            if at == 0 || self.subprogs[at].is_async_cb {
                self.check_depth_from(at, at == 0 && adaptive, &mut private)?;
            }
        }
        self.check_no_kfuncs()
    }

    /// Whether the machine gives such programs a stack of their own. Kernel: `bpf_enable_priv_stack`.
    fn may_be_private(&self) -> bool {
        if !matches!(self.env.kernel.arch, Arch::X86_64 | Arch::Aarch64) {
            return false;
        }
        match self.prog.prog_type {
            ProgType::Kprobe
            | ProgType::Tracepoint
            | ProgType::PerfEvent
            | ProgType::RawTracepoint => true,
            ProgType::Tracing => self.prog.attach_type != Some(AttachType::TraceIter),
            _ => false,
        }
    }

    /// Kernel: `check_max_stack_depth_subprog`. `private` says of each function where its frame lies,
    /// once that is decided.
    fn check_depth_from(
        &mut self,
        root: usize,
        may_be_private: bool,
        private: &mut [Option<bool>],
    ) -> Res<()> {
        let mut walk = Walk {
            private: may_be_private,
            depth: 0,
            callers: Vec::new(),
            tail_call_reachable: false,
        };
        let mut subprog = root;
        let mut pc = self.subprogs[root].start;
        if !may_be_private {
            private[root] = Some(false);
        }
        self.enter_frame(subprog, &mut walk, private)?;
        loop {
            match self.next_call(subprog, &mut pc, &walk)? {
                Some(callee) => {
                    walk.callers.push(Return { subprog, pc });
                    subprog = callee;
                    pc = self.subprogs[callee].start;
                    if !may_be_private {
                        private[callee] = Some(false);
                    }
                    walk.tail_call_reachable |= self.subprogs[callee].has_tail_call;
                    let frames = walk.callers.len();
                    if frames >= MAX_FRAMES {
                        let text = format!("the call stack of {frames} frames is too deep !");
                        return reject(Rule::CallDepth, text);
                    }
                    self.enter_frame(subprog, &mut walk, private)?;
                }
                None => {
                    self.mark_tail_calls(&walk)?;
                    let Some(back) = walk.callers.pop() else { return Ok(()) };
                    if private[subprog] != Some(true) {
                        walk.depth -= rounded(self.subprogs[subprog].stack_depth);
                    }
                    (subprog, pc) = (back.subprog, back.pc);
                }
            }
        }
    }

    /// A function begins in a chain of calls.
    fn enter_frame(
        &self,
        subprog: usize,
        walk: &mut Walk,
        private: &mut [Option<bool>],
    ) -> Res<()> {
        let info = &self.subprogs[subprog];
        let called_back = |at: usize| self.subprogs[at].is_cb;
        if info.has_ld_abs
            && (info.is_cb || walk.callers.iter().any(|caller| called_back(caller.subprog)))
        {
            return reject(Rule::CallPlace, "cannot use BPF_LD_[ABS|IND] within callback");
        }
        if subprog != 0 && info.has_tail_call && walk.depth >= 256 {
            let text = format!(
                "tail_calls are not allowed when call stack of previous frames is {} bytes. Too large",
                walk.depth
            );
            return reject(Rule::StackDepth, text);
        }
        let size = rounded(info.stack_depth);
        if walk.private && private[subprog].is_none() && size >= PRIVATE_MIN {
            private[subprog] = Some(true);
        }
        if private[subprog] == Some(true) {
            if size > MAX_STACK {
                let text = format!("stack size of subprog {subprog} is {size}. Too large");
                return reject(Rule::StackDepth, text);
            }
            return Ok(());
        }
        walk.depth += size;
        if walk.depth > MAX_STACK {
            return Reject::new(
                Rule::StackDepth,
                format!(
                    "combined stack size of {} calls is {}. Too large",
                    walk.callers.len() + 1,
                    walk.depth
                ),
            )
            .fact(Fact::Access { start: 0, end: i64::from(walk.depth), size: i64::from(MAX_STACK) })
            .fact(Fact::Stacks(self.stacks(walk, subprog, private)))
            .stop();
        }
        Ok(())
    }

    /// The first slot of each function of a chain of calls, and the bytes of the shared stack that it takes.
    fn stacks(&self, walk: &Walk, last: usize, private: &[Option<bool>]) -> Vec<(u32, u32)> {
        let chain = walk.callers.iter().map(|caller| caller.subprog).chain([last]);
        let shared = chain.filter(|&at| private[at] != Some(true));
        shared
            .map(|at| {
                let info = &self.subprogs[at];
                (info.start, rounded(info.stack_depth).cast_unsigned())
            })
            .collect()
    }

    /// The next function that `subprog` calls or names, from `pc` on; `pc` moves beyond it.
    fn next_call(&mut self, subprog: usize, pc: &mut u32, walk: &Walk) -> Res<Option<usize>> {
        if !self.names_functions {
            return Ok(None);
        }
        let end = self.subprogs[subprog].end;
        while *pc < end {
            let at = *pc;
            *pc += 1;
            let Some(insn) = self.insns[at as usize] else { continue };
            let (off, called) = match insn {
                Insn::Call(Call::Local(off)) => (off, true),
                Insn::LoadImm { imm: ImmSrc::Func(off), .. } => (off, false),
                Insn::Call(call @ Call::Kfunc { .. }) => {
                    self.check_throw_place(at, call, subprog, walk)?;
                    continue;
                }
                _ => continue,
            };
            let callee = Pc(at).jump(off).and_then(|to| self.subprog_starting(to.0));
            let Some(callee) = callee.map(|callee| callee as usize) else {
                return reject(Rule::Internal, format!("callee not found at insn {at}"));
            };
            let (handler, tail_call) =
                (self.subprogs[callee].is_exception_cb, self.subprogs[callee].has_tail_call);
            if self.subprogs[callee].is_async_cb {
                if tail_call {
                    return Reject::new(Rule::CallPlace, "subprog has tail_call and async cb")
                        .errno(Errno::EFAULT)
                        .stop();
                }
                // It runs on its own stack, unless it is called, too.
                if !called {
                    continue;
                }
                if handler {
                    self.pc = at;
                    let text = format!("insn {at} cannot call exception cb directly");
                    return reject(Rule::CallPlace, text);
                }
            }
            return Ok(Some(callee));
        }
        Ok(None)
    }

    /// Callbacks do not throw.
    fn check_throw_place(&mut self, pc: u32, call: Call, subprog: usize, walk: &Walk) -> Res<()> {
        if self.kfunc_row(call).is_none_or(|(name, _)| name != "bpf_throw") {
            return Ok(());
        }
        let callback = |at: usize| self.subprogs[at].is_cb;
        if callback(subprog) || walk.callers.iter().any(|caller| callback(caller.subprog)) {
            self.pc = pc;
            let text = format!(
                "bpf_throw kfunc (insn {pc}) cannot be called from callback subprog {subprog}"
            );
            return reject(Rule::Callback, text);
        }
        Ok(())
    }

    /// Callers of functions with tail calls keep count of them.
    fn mark_tail_calls(&mut self, walk: &Walk) -> Res<()> {
        if !walk.tail_call_reachable {
            return Ok(());
        }
        for caller in &walk.callers {
            let info = &mut self.subprogs[caller.subprog];
            if info.is_exception_cb {
                return reject(Rule::CallPlace, "cannot tail call within exception cb");
            }
            info.tail_call_reachable = true;
        }
        Ok(())
    }
}
