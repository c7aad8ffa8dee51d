//! Functions and control flow, before any path is followed.
//!
//! Kernel: `add_subprog_and_kfunc`, `check_subprogs`, `check_cfg`, `compute_postorder`, `compute_scc`.

use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::subprog::Subprog;
use crate::verifier::Verifier;
use skep_btf::{Body, TypeId};
use skep_isa::{Call, ImmSrc, Insn};

/// Functions of one program. Kernel: `BPF_MAX_SUBPROGS`.
const MAX_SUBPROGS: usize = 256;

/// What a step of the search found.
enum Visit {
    /// All successors were seen.
    Done,
    /// One was pushed.
    Deeper,
}

/// Colours of the search.
const DISCOVERED: u8 = 0x10;
const EXPLORED: u8 = 0x20;
const FALLTHROUGH: u8 = 1;
const BRANCH: u8 = 2;
/// Discovered, and on the path to the next slot without being on the stack itself.
const RUN: u8 = DISCOVERED | 3;

impl Verifier<'_> {
    /// Number of slots.
    fn len(&self) -> u32 {
        u32::try_from(self.insns.len()).unwrap_or(u32::MAX)
    }

    /// Where a reference of offset `off` from `pc` leads, as the kernel computes it: signed.
    fn target(pc: u32, off: i32) -> i64 {
        i64::from(pc) + i64::from(off) + 1
    }

    /// Finds the functions. Kernel: `add_subprog_and_kfunc`.
    pub(crate) fn find_subprogs(&mut self) -> Res<()> {
        let (marks, mut starts) = self.scratch.take(0);
        starts.push(0);
        for pc in 0..self.len() {
            let Some(insn) = self.insns[pc as usize] else { continue };
            let off = match insn {
                Insn::Call(Call::Local(off)) | Insn::LoadImm { imm: ImmSrc::Func(off), .. } => {
                    Some(off)
                }
                Insn::Call(Call::Kfunc { .. }) => None,
                _ => continue,
            };
            self.names_functions = true;
            if !self.bpf_capable {
                self.pc = pc;
                return reject(
                    Rule::Privilege,
                    "loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN",
                );
            }
            let Some(off) = off else {
                self.check_kfunc_id(pc, insn)?;
                continue;
            };
            let to = Self::target(pc, off);
            let Some(to) = u32::try_from(to).ok().filter(|&to| to < self.len()) else {
                self.pc = pc;
                return reject(Rule::CfgTarget, "call to invalid destination");
            };
            if let Err(at) = starts.binary_search(&to) {
                if starts.len() >= MAX_SUBPROGS {
                    self.pc = pc;
                    return reject(Rule::CfgTooManySubprogs, "too many subprograms");
                }
                starts.insert(at, to);
            }
        }
        if let Some(start) = self.exception_callback_start()?
            && let Err(at) = starts.binary_search(&start)
        {
            starts.insert(at, start);
        }
        let ends = starts.iter().skip(1).copied().chain([self.len()]);
        let subprog = |(&start, end)| Subprog { start, end, ..Subprog::default() };
        let subprogs = starts.iter().zip(ends).map(subprog);
        self.subprogs.extend(subprogs);
        self.scratch.put_back(marks, starts);
        if let Some(start) = self.exception_callback_start()? {
            let at = self.subprog_starting(start);
            self.exception_cb = at;
            if let Some(at) = at {
                let subprog = &mut self.subprogs[at as usize];
                subprog.is_cb = true;
                subprog.is_async_cb = true;
                subprog.is_exception_cb = true;
            }
        }
        Ok(())
    }

    /// A kernel function named by its number is one. Kernel: `add_kfunc_call`.
    fn check_kfunc_id(&mut self, pc: u32, insn: Insn) -> Res<()> {
        let (Insn::Call(Call::Kfunc { id, module: 0 }), Some(btf)) = (insn, self.vmlinux) else {
            return Ok(());
        };
        let found = btf.get(TypeId(id.cast_unsigned())).map(|ty| ty.body);
        if id == 0 || matches!(found, Some(Body::Func { .. })) {
            return Ok(());
        }
        self.pc = pc;
        reject(Rule::KfuncUnknown, format!("kernel btf_id {id} is not a function"))
    }

    /// Jumps stay inside their function, which ends with a jump or exit. Kernel: `check_subprogs`.
    pub(crate) fn check_subprogs(&mut self) -> Res<()> {
        for at in 0..self.subprogs.len() {
            let (start, end) = (self.subprogs[at].start, self.subprogs[at].end);
            let is_there = |&pc: &u32| self.insns[pc as usize].is_some();
            let last = (start..end).rev().find(is_there).map(|pc| (pc, self.insn(pc)));
            for (pc, insn) in (start..).zip(&self.insns[start as usize..end as usize]) {
                let insn = match insn {
                    // Most are such.
                    Some(Insn::Alu { .. } | Insn::Load { .. } | Insn::Store { .. }) | None => {
                        continue;
                    }
                    Some(insn) => insn,
                };
                let subprog = &mut self.subprogs[at];
                match insn {
                    Insn::Call(Call::Helper(12)) => {
                        subprog.has_tail_call = true;
                        subprog.tail_call_reachable = true;
                    }
                    Insn::LoadAbs { .. } | Insn::LoadInd { .. } => subprog.has_ld_abs = true,
                    _ => {}
                }
                let Some(off) = insn.jump_off() else { continue };
                self.goes_back |= off < 0;
                let to = Self::target(pc, off);
                if to < i64::from(start) || to >= i64::from(end) {
                    self.pc = pc;
                    return reject(
                        Rule::CfgTarget,
                        format!("jump out of range from insn {pc} to {to}"),
                    );
                }
            }
            let ends = last.is_some_and(|(pc, insn)| {
                pc + insn.slots() == end
                    && matches!(insn, Insn::Exit | Insn::Jump { .. } | Insn::JumpLong { .. })
            });
            if !ends {
                self.pc = end.saturating_sub(1);
                return reject(Rule::CfgFallThrough, "last insn is not an exit or jmp");
            }
        }
        Ok(())
    }

    /// Every instruction can be reached, and marks where states are compared. Kernel: `check_cfg`.
    pub(crate) fn check_cfg(&mut self) -> Res<()> {
        let may_go_down = !self.goes_back && !self.names_functions && self.exception_cb.is_none();
        if may_go_down && self.goes_down() {
            return Ok(());
        }
        self.search_cfg()
    }

    fn search_cfg(&mut self) -> Res<()> {
        let len = self.insns.len();
        let (mut colours, mut stack) = self.scratch.take(len);
        let handler = self.exception_cb.map(|at| self.subprogs[at as usize].start);
        for root in [Some(0), handler].into_iter().flatten() {
            if colours[root as usize] != 0 {
                continue;
            }
            stack.push(self.run_from(root, &mut colours));
            while let Some(&top) = stack.last() {
                self.pc = top;
                match self.visit(top, &mut colours, &mut stack)? {
                    Visit::Done => {
                        explored(top, &mut colours);
                        stack.pop();
                    }
                    Visit::Deeper => {}
                }
            }
        }
        let mut pc = 0;
        while pc < len {
            self.pc = u32::try_from(pc).unwrap_or(u32::MAX);
            if colours[pc] != EXPLORED {
                return reject(Rule::CfgUnreachable, format!("unreachable insn {pc}"));
            }
            let slots = self.insns[pc].map_or(1, |insn| insn.slots() as usize);
            if slots == 2 && colours[pc + 1] != 0 {
                return reject(
                    Rule::CfgTarget,
                    format!("jump into the middle of ldimm64 insn {pc}"),
                );
            }
            pc += slots;
        }
        self.scratch.put_back(colours, stack);
        Ok(())
    }

    /// Does the same for one function whose control only goes down, by looking at each instruction once: whatever leads to
    /// an instruction stands before it. Otherwise, and where something is wrong, it says no, and leaves no mark that the search
    /// would not make.
    fn goes_down(&mut self) -> bool {
        let insns = self.insns;
        let (mut at, mut falls) = (0, true);
        while let Some(insn) = insns.get(at) {
            let Some(insn) = insn else { return false };
            if !falls && !self.aux[at].jmp_point {
                return false;
            }
            falls = true;
            let jump = match *insn {
                // Most are such.
                Insn::Alu { .. } | Insn::Load { .. } | Insn::Store { .. } => None,
                Insn::JumpIf { off, .. } => {
                    self.aux[at].prune_point = true;
                    Some(off.into())
                }
                Insn::Jump { off } => {
                    falls = false;
                    Some(off.into())
                }
                Insn::Exit => {
                    falls = false;
                    None
                }
                Insn::Call(call @ Call::Helper(_)) => {
                    self.mark_call(u32::try_from(at).unwrap_or(u32::MAX), call);
                    Some(0)
                }
                Insn::LoadImm { .. } => {
                    if self.aux.get(at + 1).is_none_or(|second| second.jmp_point) {
                        return false;
                    }
                    at += 1;
                    None
                }
                Insn::JumpLong { .. }
                | Insn::JumpReg { .. }
                | Insn::MayGoto { .. }
                | Insn::Static { .. }
                | Insn::StaticLong { .. }
                | Insn::Call(_) => return false,
                _ => None,
            };
            if let Some(off) = jump {
                let to =
                    usize::try_from(off).ok().and_then(|off: usize| self.aux.get_mut(at + 1 + off));
                let Some(to) = to else { return false };
                to.prune_point = true;
                to.jmp_point = true;
            }
            at += 1;
        }
        !falls
    }

    /// Discovers an instruction and those that are passed on the way to the one that is given, which alone may lead anywhere
    /// but to the next slot, or to one that was seen.
    fn run_from(&self, mut pc: u32, colours: &mut [u8]) -> u32 {
        let leads_on = |pc: u32| {
            matches!(
                self.insns[pc as usize],
                Some(Insn::Alu { .. } | Insn::Load { .. } | Insn::Store { .. })
            )
        };
        while leads_on(pc) && colours.get(pc as usize + 1) == Some(&0) {
            colours[pc as usize] = RUN;
            pc += 1;
        }
        colours[pc as usize] = DISCOVERED;
        pc
    }

    /// Kernel: `push_insn`.
    fn push(
        &mut self,
        from: u32,
        to: i64,
        edge: u8,
        colours: &mut [u8],
        stack: &mut Vec<u32>,
    ) -> Res<Visit> {
        let colour = colours[from as usize];
        if colour >= (DISCOVERED | edge) {
            return Ok(Visit::Done);
        }
        let Some(to) = u32::try_from(to).ok().filter(|&to| to < self.len()) else {
            return reject(Rule::CfgTarget, format!("jump out of range from insn {from} to {to}"));
        };
        if edge == BRANCH {
            self.aux[to as usize].prune_point = true;
            self.aux[to as usize].jmp_point = true;
        }
        match colours[to as usize] {
            0 => {
                colours[from as usize] = DISCOVERED | edge;
                stack.push(self.run_from(to, colours));
                return Ok(Visit::Deeper);
            }
            EXPLORED => colours[from as usize] = DISCOVERED | edge,
            _ if self.bpf_capable => {}
            _ => {
                return Reject::new(
                    Rule::CfgBackEdge,
                    format!("back-edge from insn {from} to {to}"),
                )
                .fact(Fact::Since(to))
                .stop();
            }
        }
        Ok(Visit::Done)
    }

    /// Kernel: `visit_func_call_insn`.
    fn visit_call(
        &mut self,
        pc: u32,
        slots: u32,
        callee: Option<i32>,
        colours: &mut [u8],
        stack: &mut Vec<u32>,
    ) -> Res<Visit> {
        if let Visit::Deeper = self.push(pc, i64::from(pc + slots), FALLTHROUGH, colours, stack)? {
            return Ok(Visit::Deeper);
        }
        if let Some(next) = self.aux.get_mut((pc + slots) as usize) {
            next.prune_point = true;
            next.jmp_point = true;
        }
        let Some(off) = callee else { return Ok(Visit::Done) };
        let to = Self::target(pc, off);
        self.aux[pc as usize].prune_point = true;
        if let Ok(to) = u32::try_from(to) {
            self.merge_callee_effects(pc, to);
        }
        self.push(pc, to, BRANCH, colours, stack)
    }

    fn merge_callee_effects(&mut self, pc: u32, to: u32) {
        let (caller, callee) = (self.subprog_of(pc), self.subprog_of(to));
        self.subprogs[caller].changes_pkt_data |= self.subprogs[callee].changes_pkt_data;
        self.subprogs[caller].might_sleep |= self.subprogs[callee].might_sleep;
    }

    /// Kernel: `visit_insn`.
    fn visit(&mut self, pc: u32, colours: &mut [u8], stack: &mut Vec<u32>) -> Res<Visit> {
        let Some(insn) = self.insns[pc as usize] else {
            // What stands there is the instruction that the jump leads into.
            self.pc = pc.saturating_sub(1);
            return reject(
                Rule::CfgTarget,
                format!("jump into the middle of ldimm64 insn {}", self.pc),
            );
        };
        let slots = insn.slots();
        match insn {
            Insn::LoadImm { imm: ImmSrc::Func(off), .. } => {
                self.visit_call(pc, slots, Some(off), colours, stack)
            }
            Insn::Exit => Ok(Visit::Done),
            Insn::Call(call) => {
                self.mark_call(pc, call);
                let callee = if let Call::Local(off) = call { Some(off) } else { None };
                self.visit_call(pc, slots, callee, colours, stack)
            }
            Insn::Jump { .. } | Insn::JumpLong { .. } => {
                let to = Self::target(pc, insn.jump_off().unwrap_or(0));
                if let Visit::Deeper = self.push(pc, to, FALLTHROUGH, colours, stack)? {
                    return Ok(Visit::Deeper);
                }
                if let Some(aux) = usize::try_from(to).ok().and_then(|to| self.aux.get_mut(to)) {
                    aux.prune_point = true;
                    aux.jmp_point = true;
                }
                Ok(Visit::Done)
            }
            Insn::JumpReg { .. } => reject(Rule::InsnEncoding, "BPF_JA uses reserved fields"),
            Insn::JumpIf { off, .. } | Insn::MayGoto { off } | Insn::Static { off, .. } => {
                self.aux[pc as usize].prune_point = true;
                if matches!(insn, Insn::MayGoto { .. }) {
                    self.aux[pc as usize].force_checkpoint = true;
                }
                if let Visit::Deeper =
                    self.push(pc, i64::from(pc) + 1, FALLTHROUGH, colours, stack)?
                {
                    return Ok(Visit::Deeper);
                }
                self.push(pc, Self::target(pc, i32::from(off)), BRANCH, colours, stack)
            }
            _ => self.push(pc, i64::from(pc + slots), FALLTHROUGH, colours, stack),
        }
    }

    /// Marks of a call: where states are compared, and what the function is said to do.
    fn mark_call(&mut self, pc: u32, call: Call) {
        if self.calls_async_callback(call) {
            self.aux[pc as usize].prune_point = true;
        }
        if self.calls_sync_callback(call) {
            let aux = &mut self.aux[pc as usize];
            aux.calls_callback = true;
            aux.force_checkpoint = true;
            aux.prune_point = true;
            aux.jmp_point = true;
        }
        let effects = self.call_effects(pc, call);
        let subprog = self.subprog_of(pc);
        self.subprogs[subprog].changes_pkt_data |= effects.changes_packet;
        self.subprogs[subprog].might_sleep |= effects.might_sleep;
        if effects.iter_next {
            self.aux[pc as usize].prune_point = true;
            self.aux[pc as usize].force_checkpoint = true;
        }
    }

    /// Numbers the loops. Tarjan's strongly connected components, without recursion.
    /// Kernel: `compute_scc`.
    pub(crate) fn compute_scc(&mut self) {
        const OFF_STACK: u32 = u32::MAX;
        if !self.goes_back {
            return;
        }
        let len = self.insns.len();
        let (mut pre, mut low) = (vec![0_u32; len], vec![0_u32; len]);
        let (mut stack, mut dfs) = (Vec::new(), Vec::new());
        let (mut order, mut scc) = (1_u32, 1_u32);
        for root in 0..self.len() {
            if self.insns[root as usize].is_none() || pre[root as usize] != 0 {
                continue;
            }
            dfs.push(root);
            'next: while let Some(&w) = dfs.last() {
                let at = w as usize;
                if pre[at] == 0 {
                    (pre[at], low[at]) = (order, order);
                    order += 1;
                    stack.push(w);
                }
                let mut itself = false;
                for next in self.successors(w) {
                    if pre[next as usize] == 0 {
                        dfs.push(next);
                        continue 'next;
                    }
                    low[at] = low[at].min(low[next as usize]);
                    itself |= next == w;
                }
                dfs.pop();
                if low[at] < pre[at] {
                    continue;
                }
                let assign = stack.last() != Some(&w) || itself;
                while let Some(member) = stack.pop() {
                    low[member as usize] = OFF_STACK;
                    if assign {
                        self.aux[member as usize].scc = scc;
                    }
                    if member == w {
                        break;
                    }
                }
                scc += u32::from(assign);
            }
        }
    }
}

/// All successors of an instruction were seen, and so were those of the run that led to it: the slot before belongs to
/// that if it is on the path, as the next slot is all that it leads to.
fn explored(pc: u32, colours: &mut [u8]) {
    colours[pc as usize] = EXPLORED;
    for colour in colours[..pc as usize].iter_mut().rev().take_while(|colour| **colour == RUN) {
        *colour = EXPLORED;
    }
}

#[cfg(test)]
mod tests;
