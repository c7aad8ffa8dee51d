//! Conditional jumps: which way they go, and what each way teaches.
//!
//! Kernel: `check_cond_jmp_op`, `is_branch_taken`, `reg_set_min_max`.

use crate::alu::{imm64, width_of};
use crate::change::Change;
use crate::equal::{IdMap, same_reg};
use crate::linked::{collect_linked, sync_linked};
use crate::packet_range::{match_packet, packet_branch_taken};
use crate::ptr_alu::MAX_VAR_OFF;
use crate::reg::{Base, RegState, flag};
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::state::{LinkedRegs, State, StateId, hist};
use crate::verifier::{Next, Verifier};
use crate::ways::Ways;
use skep_domain::{Cmp, Scalar, is_branch_taken, refine, refine_first, refine_same};
use skep_isa::{CondOp, Pc, Reg, Src, Width};

/// The domain's name of a condition.
pub(crate) const fn cmp_of(op: CondOp) -> Cmp {
    match op {
        CondOp::Eq => Cmp::Eq,
        CondOp::Ne => Cmp::Ne,
        CondOp::Set => Cmp::Set,
        CondOp::Gt => Cmp::Gt,
        CondOp::Ge => Cmp::Ge,
        CondOp::Lt => Cmp::Lt,
        CondOp::Le => Cmp::Le,
        CondOp::SGt => Cmp::Sgt,
        CondOp::SGe => Cmp::Sge,
        CondOp::SLt => Cmp::Slt,
        CondOp::SLe => Cmp::Sle,
    }
}

/// A pointer into the packet, its metadata, or its end.
pub(crate) fn is_any_packet(reg: &RegState) -> bool {
    reg.ty.flags == 0 && matches!(reg.ty.base, Base::Packet | Base::PacketMeta | Base::PacketEnd)
}

impl Verifier<'_> {
    /// `if dst op src goto pc + 1 + off`
    pub(crate) fn check_jump_if(
        &mut self,
        width: Width,
        op: CondOp,
        dst: Reg,
        src: Src,
        off: i16,
    ) -> Res<Next> {
        self.check_src(dst)?;
        let number;
        let (a, b) = match src {
            Src::Imm(imm) => {
                number = RegState::constant(imm64(imm));
                (self.reg(dst), &number)
            }
            Src::Reg(src) => {
                self.check_compared(dst, src)?;
                (self.reg(dst), self.reg(src))
            }
        };
        let mut flags = 0;
        if matches!(src, Src::Reg(_)) && b.ty.is(Base::Stack) {
            flags |= hist::SRC_STACK;
        }
        if a.ty.is(Base::Stack) {
            flags |= hist::DST_STACK;
        }
        let taken = self.branch_taken(a, b, op, width);
        let numbers = (a.is_scalar(), b.is_scalar());
        let ids = [b, a].map(|reg| if reg.is_scalar() { reg.id } else { 0 });
        if flags != 0 {
            self.push_history(flags, 0, 0);
        }
        let target = Pc(self.pc).jump(i32::from(off)).map_or(u32::MAX, |to| to.0);
        if let Some(taken) = taken {
            if numbers.0 {
                self.mark_chain_precision(dst)?;
            }
            if let Src::Reg(src) = src
                && numbers.1
            {
                self.mark_chain_precision(src)?;
            }
            if !self.bypass_spec_v1 {
                let other = if taken { self.pc + 1 } else { target };
                self.push_speculative(self.insn(self.pc), other)?;
            }
            if !self.cur.speculative {
                self.aux[self.pc as usize].ways.note(taken);
            }
            return if taken { self.jump(i32::from(off)) } else { Ok(Next::Fall) };
        }
        self.aux[self.pc as usize].ways = Ways::ALL;
        let linked = self.link(ids);
        self.fork(width, op, dst, src, target, &linked)?;
        Ok(Next::Fall)
    }

    /// The second operand may be compared with the first.
    fn check_compared(&self, dst: Reg, src: Reg) -> Res<()> {
        self.check_src(src)?;
        let (a, b) = (self.reg(dst), self.reg(src));
        if !(is_any_packet(a) && is_any_packet(b)) && self.is_pointer_value(src) {
            return compare_prohibited(src, *b);
        }
        Ok(())
    }

    /// Registers that will get a range together with numbers of these ids.
    fn link(&mut self, ids: [u32; 2]) -> LinkedRegs {
        let mut linked = LinkedRegs::default();
        for id in ids {
            if id != 0 {
                collect_linked(&mut self.cur, id, &mut linked);
            }
        }
        if linked.items().len() > 1 {
            self.push_linked(0, 0, 0, linked);
        }
        linked
    }

    /// Both ways are possible: the jump waits, the way on is followed.
    fn fork(
        &mut self,
        width: Width,
        op: CondOp,
        dst: Reg,
        src: Src,
        target: u32,
        linked: &LinkedRegs,
    ) -> Res<()> {
        let here = self.pc;
        // The state is not on the stack of branches yet, so that both can be changed at once.
        let state = self.copy();
        let mut other = self.branch(state, target, here, false)?;
        let told = self.tell_apart(&mut other.state, width, op, dst, src, linked);
        self.pending.push(other, &mut self.remembered);
        told
    }

    /// What each way teaches; `other` is where the jump is taken.
    fn tell_apart(
        &mut self,
        other: &mut State,
        width: Width,
        op: CondOp,
        dst: Reg,
        src: Src,
        linked: &LinkedRegs,
    ) -> Res<()> {
        if self.reg(dst).is_scalar() {
            let a = self.reg(dst).num;
            match src {
                Src::Imm(imm) => {
                    let b = Scalar::constant(imm64(imm));
                    self.refine(other, (&a, dst), (&b, src), op, width)?;
                }
                Src::Reg(reg) if reg == dst => {
                    let [taken, not] = refine_same(&a, cmp_of(op), width_of(width));
                    other.top_mut().reg_mut(dst).num = taken;
                    self.reg_mut(dst).num = not;
                }
                Src::Reg(reg) if self.reg(reg).is_scalar() => {
                    let b = self.reg(reg).num;
                    self.refine(other, (&a, dst), (&b, src), op, width)?;
                }
                Src::Reg(_) => {}
            }
        }
        for reg in [if let Src::Reg(src) = src { Some(src) } else { None }, Some(dst)] {
            let Some(reg) = reg else { continue };
            let known = self.reg(reg);
            if known.is_scalar() && known.id != 0 {
                let known = *known;
                sync_linked(&mut self.cur, &known, reg, linked);
                let known = *other.top().reg(reg);
                sync_linked(other, &known, reg, linked);
            }
        }
        if let Src::Reg(src) = src {
            self.equal_pointers(other, width, op, dst, src);
        }
        let with_null = src == Src::Imm(0)
            && width == Width::W64
            && matches!(op, CondOp::Eq | CondOp::Ne)
            && self.reg(dst).ty.may_be_null();
        if with_null {
            let mut this = std::mem::replace(&mut *self.cur, other.hollow());
            self.mark_or_null(&mut this, dst, op == CondOp::Ne);
            *self.cur = this;
            self.mark_or_null(other, dst, op == CondOp::Eq);
            return Ok(());
        }
        if let (Width::W64, Src::Reg(with)) = (width, src) {
            let (a, b) = (*self.reg(dst), *self.reg(with));
            if match_packet(op, &a, &b, dst, src, &mut self.cur, other) {
                return Ok(());
            }
        }
        if self.is_pointer_value(dst) {
            return compare_prohibited(dst, *self.reg(dst));
        }
        Ok(())
    }

    /// What each way teaches about two numbers. In all but these the registers of both ways are still the same.
    fn refine(
        &mut self,
        other: &mut State,
        (a, dst): (&Scalar, Reg),
        (b, src): (&Scalar, Src),
        op: CondOp,
        width: Width,
    ) -> Res<()> {
        let (cmp, width) = (cmp_of(op), width_of(width));
        // The kernel holds a number of the instruction's own to the same as registers, if only when it is asked to.
        if matches!(src, Src::Imm(_)) && !self.env.flags.test_reg_invariants {
            let [taken, not] = refine_first(a, b, cmp, width);
            other.top_mut().reg_mut(dst).num = taken;
            self.reg_mut(dst).num = not;
            return Ok(());
        }
        let [(mut ta, mut tb), (mut fa, mut fb)] = refine(a, b, cmp, width);
        for num in [&mut ta, &mut tb, &mut fa, &mut fb] {
            self.make_sane(num)?;
        }
        other.top_mut().reg_mut(dst).num = ta;
        self.reg_mut(dst).num = fa;
        if let Src::Reg(src) = src {
            other.top_mut().reg_mut(src).num = tb;
            self.reg_mut(src).num = fb;
        }
        Ok(())
    }

    /// A pointer that equals one that is not null is not null either.
    fn equal_pointers(&mut self, other: &mut State, width: Width, op: CondOp, dst: Reg, src: Reg) {
        let (a, b) = (self.reg(dst), self.reg(src));
        if width == Width::W32
            || !(a.ty.may_be_null() || b.ty.may_be_null())
            || a.is_scalar()
            || b.is_scalar()
            || a.ty.base == Base::BtfId
            || b.ty.base == Base::BtfId
        {
            return;
        }
        let (a, b) = (*a, *b);
        let is_sure = |reg: &RegState| match self.has(Change::NullOfBuffers) {
            true => self.is_not_null(reg),
            false => !reg.ty.may_be_null(),
        };
        let (a_sure, b_sure) = (is_sure(&a), is_sure(&b));
        let mark = |reg: &mut RegState| self.mark_not_null(reg);
        let regs: &mut [RegState; 11] = match op {
            CondOp::Eq => &mut other.top_mut().regs,
            CondOp::Ne => {
                let mut this = std::mem::replace(&mut *self.cur, other.hollow());
                let top = this.top_mut();
                if a_sure && b.ty.may_be_null() {
                    self.mark_not_null(top.reg_mut(src));
                }
                if b_sure && a.ty.may_be_null() {
                    self.mark_not_null(top.reg_mut(dst));
                }
                *self.cur = this;
                return;
            }
            _ => return,
        };
        if a_sure && b.ty.may_be_null() {
            mark(&mut regs[usize::from(src.num())]);
        }
        if b_sure && a.ty.may_be_null() {
            mark(&mut regs[usize::from(dst.num())]);
        }
    }

    /// Which way the jump goes, if only one is possible. Kernel: `is_branch_taken`.
    fn branch_taken(&self, a: &RegState, b: &RegState, op: CondOp, width: Width) -> Option<bool> {
        if is_any_packet(a) && is_any_packet(b) && width == Width::W64 {
            return packet_branch_taken(a, b, op);
        }
        if a.is_scalar() && b.is_scalar() {
            return is_branch_taken(&a.num, &b.num, cmp_of(op), width_of(width));
        }
        if width == Width::W32 {
            return None;
        }
        let constant = |reg: &RegState| reg.num.is_const().filter(|_| reg.is_scalar());
        let (ptr, value) = match (constant(b), constant(a)) {
            (Some(value), _) => (a, value),
            (None, Some(value)) => (b, value),
            (None, None) => return None,
        };
        if value != 0 || !self.is_not_null(ptr) {
            return None;
        }
        match op {
            CondOp::Eq => Some(false),
            CondOp::Ne => Some(true),
            _ => None,
        }
    }

    /// Whether a pointer is known not to be null. Kernel: `reg_not_null`.
    pub(crate) fn is_not_null(&self, reg: &RegState) -> bool {
        // A pointer that is far enough off may be null although what it derives from is not.
        let near = reg.num.smin > -MAX_VAR_OFF && reg.num.smax < MAX_VAR_OFF;
        if reg.ty.may_be_null() || !near {
            return false;
        }
        match reg.ty.base {
            Base::Socket
            | Base::TcpSock
            | Base::MapValue
            | Base::MapKey
            | Base::SockCommon
            | Base::ConstMap => true,
            Base::XdpSock | Base::Buf => self.has(Change::NullOfBuffers),
            Base::BtfId => self.is_trusted(reg),
            Base::Mem => !reg.ty.has(flag::UNTRUSTED),
            _ => false,
        }
    }

    /// `may_goto`: the loop may end here, or go on. Kernel: the case `BPF_JCOND`.
    pub(crate) fn check_may_goto(&mut self, off: i16) -> Res<Next> {
        let here = self.pc;
        // The parent is the state that was just remembered here.
        let parent = self.cur.parent;
        let before = parent.and_then(|parent| {
            self.previous_entry(here, self.remembered.get(parent).state.dfs_depth)
        });
        let mut queued = self.cur.clone();
        queued.may_goto_depth += 1;
        if let Some(before) = before {
            self.widen(before, &mut queued);
        }
        self.push_state(queued, here + 1, here, false)?;
        self.jump(i32::from(off))
    }

    /// The last state that is compared with at the instruction and in the calls of this path, and that this
    /// path came through less than `depth` remembered states from its start. States that were found to be
    /// of no use are passed over. Kernel: `find_prev_entry`.
    pub(crate) fn previous_entry(&self, pc: u32, depth: u32) -> Option<StateId> {
        let bucket = self.remembered.list(self.bucket(pc));
        bucket.iter().rev().copied().find(|&id| {
            let state = &self.remembered.get(id).state;
            state.branches > 0 && state.dfs_depth < depth && self.is_same_call(id, pc)
        })
    }

    /// Numbers that changed since the last time and do not matter become unknown, so that loops
    /// converge. Kernel: `widen_imprecise_scalars`.
    pub(crate) fn widen(&self, before: StateId, cur: &mut State) {
        let old = &self.remembered.get(before).state;
        let mut ids = IdMap::new(self.id_gen);
        let unknown = self.unknown();
        let mut widen = |old: &RegState, precise: bool, cur: &mut RegState| {
            if old.is_scalar()
                && cur.is_scalar()
                && !precise
                && !cur.precise
                && !same_reg(old, cur, &mut ids)
            {
                *cur = unknown;
            }
        };
        for (old, cur) in old.frames.iter().zip(&mut cur.frames).rev() {
            let precise = old.precise;
            for (at, (old, cur)) in old.regs.iter().zip(&mut cur.regs).enumerate() {
                widen(old, precise.reg(at), cur);
            }
            for (at, (old, cur)) in old.stack.iter().zip(&mut cur.stack).enumerate() {
                if old.is_spilled() && cur.is_spilled() {
                    widen(&old.reg, precise.slot(at), &mut cur.reg);
                }
            }
        }
    }
}

fn compare_prohibited<T>(at: Reg, reg: RegState) -> Res<T> {
    Reject::new(Rule::PtrCompare, format!("R{} pointer comparison prohibited", at.num()))
        .fact(Fact::Reg(at, reg))
        .stop()
}
