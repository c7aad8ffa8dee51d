//! Calls, what goes by the bridge, and the account.

use super::host::{ARGS, FREE, Loc, Move};
use super::mem::{S0, S1, S2};
use super::{Best, Cur};
use crate::a64::regs::{ENV, ENV_ARG, METER, RESULT};
use crate::a64::{env, mem::KIND};
use crate::code::CompileError;
use crate::env::Env;
use crate::lift::Outer;
use crate::surroundings::{Access, Callee, Surroundings};
use alloc::vec::Vec;
use core::mem::offset_of;
use skep_a64::{Add, Cond, Gpr, MemSize, Reach, Width};
use skep_ir::Value;
use skep_isa::{Pc, Size};

impl<O: Surroundings + ?Sized> Best<'_, O> {
    pub(super) fn call_outer(
        &mut self,
        cur: &Cur<'_>,
        result: Value,
        callee: u32,
        args: [Value; 5],
    ) -> Result<(), CompileError> {
        let pc = Pc(cur.f.origin(result));
        match cur.f.callees[callee as usize] {
            Outer::Load { kind, size } => {
                self.by_stub(cur, (pc, kind, size), args);
                self.copy(cur.loc(result), Loc::Reg(S0));
            }
            Outer::Store { kind, size } => self.by_stub(cur, (pc, kind, size), args),
            Outer::Packet { size, at } => self.packet(cur, result, (pc, size, at), args[0]),
            Outer::Callee(Callee::Cpu) => {
                let target = Self::target(cur, result);
                self.c.asm.load(MemSize::B8, target, env(offset_of!(Env, cpu)));
                self.done(cur, result, target);
            }
            Outer::Local(start) => {
                self.args(cur, args);
                let label = self.c.function_label(start);
                self.c.asm.bl(label);
                self.copy(cur.loc(result), Loc::Reg(RESULT));
            }
            Outer::Callee(callee) => {
                self.args(cur, args);
                self.callee(callee, pc)?;
                self.copy(cur.loc(result), Loc::Reg(RESULT));
            }
        }
        Ok(())
    }

    fn callee(&mut self, callee: Callee, pc: Pc) -> Result<(), CompileError> {
        match callee {
            Callee::Function(address) => self.c.function(address),
            Callee::Bridge(id) => self.c.bridge(id),
            Callee::TailCall { id, array } => self.c.tail_call(id, array),
            Callee::Loop(calls) => self.c.call_loop(pc, calls),
            Callee::Each(calls, array) => self.c.call_each(pc, calls, array),
            Callee::Probe(probe) => self.c.probe(pc, probe),
            Callee::WithContext { function, context } => {
                self.c.asm.mov_imm(Gpr::X4, context);
                self.c.asm.mov(Width::W64, ENV_ARG, ENV);
                self.c.function(function);
            }
            Callee::Array(_) | Callee::Constant(_) | Callee::Cpu => {
                let what = "bug: what is no call";
                return Err(CompileError::Unsupported { pc, what });
            }
        }
        Ok(())
    }

    fn args(&mut self, cur: &Cur<'_>, args: [Value; 5]) {
        let there = args.into_iter().zip(ARGS).filter(|(arg, _)| *arg != Value::NONE);
        let mut moves: Vec<Move> = there.map(|(arg, reg)| (Loc::Reg(reg), cur.loc(arg))).collect();
        self.moves(&mut moves);
    }

    /// An access by the stub, which keeps what holds values but for those that nobody does: the address in x9, what it is in
    /// x10, a value in x11; what is loaded is in x9.
    fn by_stub(&mut self, cur: &Cur<'_>, (pc, kind, size): (Pc, u32, Size), args: [Value; 5]) {
        self.bring(S0, cur.loc(args[0]));
        if args[1] != Value::NONE {
            self.bring(S2, cur.loc(args[1]));
        }
        match self.c.outside.access(pc) {
            Access::Probed { check } => self.c.probed(pc, kind, size, check),
            _ => self.c.bridged(pc, kind, size),
        }
    }

    /// A load from the packet; beyond it, the function returns 0.
    fn packet(
        &mut self,
        cur: &Cur<'_>,
        result: Value,
        (pc, size, at): (Pc, Size, i32),
        src: Value,
    ) {
        if src == Value::NONE {
            self.c.asm.mov_imm(S0, at.cast_unsigned().into());
        } else {
            let src = self.reg(cur, src, S0);
            self.c.asm.add_imm(Width::W32, S0, src, at.into());
        }
        self.c.bridged(pc, Env::PACKET, size);
        let found = self.c.asm.label();
        self.c.asm.load(MemSize::B8, KIND, env(offset_of!(Env, miss)));
        self.c.asm.cb(true, Width::W64, KIND, found, Reach::Near);
        self.c.asm.mov_imm(RESULT, 0);
        self.c.restore();
        self.c.asm.bind(found);
        self.copy(cur.loc(result), Loc::Reg(S0));
    }

    /// Takes instructions off the account, and looks if any are left.
    pub(super) fn charge(&mut self, pc: Pc, insns: i32, asks: bool) {
        if self.c.meter.is_none() {
            return;
        }
        match u32::try_from(insns) {
            Ok(insns) if insns > 0 => self.c.asm.subs_imm(Width::W64, METER, METER, insns),
            _ => {
                if insns != 0 {
                    self.c.asm.add_imm(Width::W64, METER, METER, -i64::from(insns));
                }
                if asks {
                    self.c.asm.cmp_imm(Width::W64, METER, 0);
                }
            }
        }
        if !asks {
            return;
        }
        let (ask, back) = (self.c.asm.label(), self.c.asm.label());
        let reach = self.reach(1 << 20);
        self.c.asm.b_cond(Cond::Mi, ask, reach);
        self.c.asm.bind(back);
        if let Some(meter) = &mut self.c.meter {
            meter.asks.push((ask, back, pc));
        }
    }

    /// Puts instructions back.
    pub(super) fn refund(&mut self, cur: &Cur<'_>, insns: Value) {
        if self.c.meter.is_some() {
            let insns = self.reg(cur, insns, S1);
            self.c.asm.add(Add::Add, Width::W64, METER, METER, insns);
        }
    }

    /// What asks for more, behind the program. The stub changes registers that may hold values.
    pub(super) fn add_asks_of_best(&mut self) {
        let Some(meter) = &mut self.c.meter else { return };
        let asks = core::mem::take(&mut meter.asks);
        let [a, b, c, d, e, f, g] = FREE;
        for (ask, back, pc) in asks {
            self.c.asm.bind(ask);
            self.c.asm.push_pair(a, b, 64);
            self.c.asm.store_pair(c, d, 16);
            self.c.asm.store_pair(e, f, 32);
            self.c.asm.store(MemSize::B8, g, skep_a64::Mem::sp(48));
            self.c.ask_meter(pc);
            self.c.asm.load(MemSize::B8, g, skep_a64::Mem::sp(48));
            self.c.asm.load_pair(e, f, 32);
            self.c.asm.load_pair(c, d, 16);
            self.c.asm.pop_pair(a, b, 64);
            self.c.asm.b(back);
        }
    }
}
