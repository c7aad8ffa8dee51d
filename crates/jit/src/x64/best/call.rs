//! Calls, what goes by the bridge, and the account.

use super::host::{ARGS, Loc, Move};
use super::mem::{S1, S2, short};
use super::{Best, Cur};
use crate::code::CompileError;
use crate::env::Env;
use crate::lift::Outer;
use crate::surroundings::{Access, Callee, Surroundings};
use crate::x64::{env, field, regs};
use alloc::vec::Vec;
use core::mem::offset_of;
use skep_ir::Value;
use skep_isa::{Pc, Size};
use skep_x64::{Alu, Cond, Gpr, Mem, MemSize, Reach, Width};

/// What is left of the instructions, or a value to be stored.
const R9: Gpr = Gpr::R9;

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
                self.copy(cur, cur.loc(result), Loc::Reg(S1));
            }
            Outer::Store { kind, size } => self.by_stub(cur, (pc, kind, size), args),
            Outer::Packet { size, at } => self.packet(cur, result, (pc, size, at), args[0]),
            Outer::Callee(Callee::Cpu) => {
                let target = self.target(cur, result);
                self.c.asm.load(MemSize::B8, target, env(offset_of!(Env, cpu)));
                self.done(cur, result, target);
            }
            Outer::Local(start) => {
                self.args(cur, args);
                let label = self.c.function_label(start);
                self.c.asm.call(label);
                self.result(cur, result);
            }
            Outer::Callee(callee) => {
                self.args(cur, args);
                self.callee(callee, pc)?;
                self.result(cur, result);
            }
        }
        Ok(())
    }

    fn callee(&mut self, callee: Callee, pc: Pc) -> Result<(), CompileError> {
        match callee {
            Callee::Function(address) => {
                self.c.save_meter();
                self.c.call_address(address);
                self.c.load_meter();
            }
            Callee::Bridge(id) => self.c.bridge(id),
            Callee::TailCall { id, array } => self.c.tail_call(id, array),
            Callee::Loop(calls) => self.c.call_loop(pc, calls),
            Callee::Each(calls, array) => self.c.call_each(pc, calls, array),
            Callee::Probe(probe) => self.c.probe(pc, probe),
            Callee::WithContext { function, context } => {
                self.c.save_meter();
                self.c.asm.mov_imm(Gpr::R8, context);
                self.c.asm.mov(Width::W64, R9, regs::ENV);
                self.c.call_address(function);
                self.c.load_meter();
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
        self.moves(cur, &mut moves);
    }

    fn result(&mut self, cur: &Cur<'_>, result: Value) {
        self.copy(cur, cur.loc(result), Loc::Reg(Gpr::Rax));
    }

    /// An access by the stub, which keeps all registers of values but r9 and r10: the address in r11, what it is in r10, a
    /// value in r9; what is loaded is in r11.
    fn by_stub(&mut self, cur: &Cur<'_>, (pc, kind, size): (Pc, u32, Size), args: [Value; 5]) {
        self.c.save_meter();
        let mut moves: Vec<Move> = Vec::new();
        moves.push((Loc::Reg(S1), cur.loc(args[0])));
        if args[1] != Value::NONE {
            moves.push((Loc::Reg(R9), cur.loc(args[1])));
        }
        self.moves(cur, &mut moves);
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
        self.c.save_meter();
        if src == Value::NONE {
            self.c.asm.mov_imm(S1, at.cast_unsigned().into());
        } else {
            self.bring(S1, cur.loc(src));
            self.c.asm.alu_imm(Alu::Add, Width::W32, S1, at);
        }
        self.c.bridged(pc, Env::PACKET, size);
        let found = self.c.asm.label();
        self.c.asm.alu_store_imm(Alu::Cmp, Width::W64, env(offset_of!(Env, miss)), 0);
        self.c.asm.jcc(Cond::E, found, Reach::Short);
        self.c.asm.zero(Gpr::Rax);
        self.c.restore();
        self.c.asm.bind(found);
        self.copy(cur, cur.loc(result), Loc::Reg(S1));
    }

    /// Takes instructions off the account, and looks if any are left.
    pub(super) fn charge(&mut self, slot: u32, insns: i32, asks: bool) {
        if self.c.meter.is_none() || insns == 0 && !asks {
            return;
        }
        match (self.account_in_memory(), insns) {
            (Some(left), 0) => self.c.asm.alu_store_imm(Alu::Cmp, Width::W64, left, 0),
            (Some(left), insns) => self.c.asm.alu_store_imm(Alu::Sub, Width::W64, left, insns),
            (None, 0) => self.c.asm.test(Width::W64, R9, R9),
            (None, insns) => self.c.asm.alu_imm(Alu::Sub, Width::W64, R9, insns),
        }
        if !asks {
            return;
        }
        let (ask, back) = (self.c.asm.label(), self.c.asm.label());
        self.c.asm.jcc(Cond::S, ask, Reach::Long);
        self.c.asm.bind(back);
        if let Some(meter) = &mut self.c.meter {
            meter.asks.push((ask, back, Pc(slot)));
        }
    }

    /// Where what is left is, if in no register: by r11.
    fn account_in_memory(&mut self) -> Option<Mem> {
        let slot = self.c.meter.as_ref()?.in_memory?;
        self.c.asm.load(MemSize::B8, S1, self.slot(slot));
        Some(field(S1, offset_of!(Env, meter)))
    }

    /// Puts instructions back.
    pub(super) fn refund(&mut self, cur: &Cur<'_>, insns: Value) {
        if self.c.meter.is_none() {
            return;
        }
        if let Loc::Number(number) = cur.loc(insns)
            && let Some(number) = short(Width::W64, number)
        {
            return match self.account_in_memory() {
                Some(left) => self.c.asm.alu_store_imm(Alu::Add, Width::W64, left, number),
                None => self.c.asm.alu_imm(Alu::Add, Width::W64, R9, number),
            };
        }
        // Where values are in memory, r10 holds none.
        let insns = self.reg(cur, insns, S2);
        match self.account_in_memory() {
            Some(left) => self.c.asm.alu_store(Alu::Add, Width::W64, left, insns, false),
            None => self.c.asm.alu(Alu::Add, Width::W64, R9, insns),
        }
    }

    /// What asks for more, behind the program. The stub changes r10, which may hold a value; where the account is in memory, so
    /// may r9 and r12.
    pub(super) fn add_asks_of_best(&mut self) {
        let Some(meter) = &mut self.c.meter else { return };
        let (in_memory, asks) = (meter.in_memory, core::mem::take(&mut meter.asks));
        for (ask, back, pc) in asks {
            self.c.asm.bind(ask);
            if let Some(slot) = in_memory {
                self.c.asm.load(MemSize::B8, S1, self.slot(slot));
                // Two words, so that the stack stays aligned.
                self.c.asm.push(R9);
                self.c.asm.push(regs::ENV);
                self.c.asm.mov(Width::W64, regs::ENV, S1);
            }
            self.c.save_meter();
            self.c.asm.store(MemSize::B8, env(offset_of!(Env, spare)), S2);
            self.c.ask_meter(pc);
            self.c.asm.load(MemSize::B8, S2, env(offset_of!(Env, spare)));
            if in_memory.is_some() {
                self.c.asm.pop(regs::ENV);
                self.c.asm.pop(R9);
            }
            self.c.asm.jmp(back, Reach::Long);
        }
    }
}
